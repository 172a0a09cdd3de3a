/* SPDX-License-Identifier: BSD-3-Clause */
/* A Unix socket that listens under the name of a file. */
#ifndef VMM_LISTENER_H
#define VMM_LISTENER_H

#include <sys/un.h>

#include "dvm/error.h"

/*
 * The descriptor, not blocking. What somebody has left there who is no more is taken away first;
 * -EADDRINUSE: another one listens there, -EEXIST: it is no socket.
 */
int vmm_listener_open(const struct sockaddr_un *a, dvm_error_t *err);

#endif
