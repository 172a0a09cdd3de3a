/* SPDX-License-Identifier: BSD-3-Clause */
/* What both ends of a guest's socket know: its name, and the answers that are not for people. */
#ifndef VMM_CONTROL_PRIVATE_H
#define VMM_CONTROL_PRIVATE_H

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define VMM_CONTROL_NAME_MAX 80u
#define VMM_CONTROL_LINE_MAX 64u

/*
 * Each question is answered: an end without an answer is no success, for it may not have been heard.
 * What only does something answers VMM_CONTROL_OK.
 */
#define VMM_CONTROL_OK	 "ok\n"
#define VMM_CONTROL_FULL "error: too many have joined\n"

/* Abstract: the first byte is 0. The user is in it, so that users do not meet. */
static inline int vmm_control_address(const char *name, struct sockaddr_un *a, socklen_t *len)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	int n = snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "dvm-guest/%u/%s",
			 (unsigned)geteuid(), name);
	if (n >= (int)sizeof a->sun_path - 1)
		return -ENAMETOOLONG;
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	return 0;
}

#endif
