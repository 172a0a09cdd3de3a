/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of the vhost-user protocol on a socket, with the descriptors that go with them. */
#ifndef VMM_VHOST_LINK_H
#define VMM_VHOST_LINK_H

#include "kvm-node/vhost.h"

/* All of M or nothing; does not wait: what is sent is little, and the socket's buffer large. -E…. */
int vmm_vhost_send(int fd, const struct vmm_vhost_msg *m);

/* What is there goes into IN. 0 (also if there is nothing), -EPIPE: nobody is there any more. */
int vmm_vhost_receive(int fd, struct vmm_vhost_inbox *in);

/* Sends M and waits for its answer, which replaces it. -ETIMEDOUT after MS, -EPIPE, -EPROTO. */
int vmm_vhost_call(int fd, struct vmm_vhost_inbox *in, struct vmm_vhost_msg *m, int ms);

#endif
