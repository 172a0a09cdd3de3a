/* SPDX-License-Identifier: BSD-3-Clause */
/* virtiofsd, the program that serves a directory of the host to a guest. */
#ifndef VMM_FS_SERVER_H
#define VMM_FS_SERVER_H

#include "dvm/error.h"
#include "kvm-node/helper.h"
#include "kvm-node/memory.h"
#include "kvm-node/vhost_link.h"

struct vmm_fs_server {
	struct vmm_helper helper;
	int fd;	      /* to it, or -1 */
	int messages; /* what it has said, or -1 */
	uint64_t features;
	struct vmm_vhost_inbox in;
};

/* Starts it for DIR; it knows the guest's memory then. S is to be closed also on failure. */
int vmm_fs_server_open(struct vmm_fs_server *s, const char *dir, bool ro, const struct vmm_mem *mem,
		       dvm_error_t *err);
void vmm_fs_server_close(struct vmm_fs_server *s);

#endif
