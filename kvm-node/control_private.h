/* SPDX-License-Identifier: BSD-3-Clause */
/* What both ends of a guest's socket know: its name, and the answers that are not for people. */
#ifndef VMM_CONTROL_PRIVATE_H
#define VMM_CONTROL_PRIVATE_H

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
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

/*
 * Abstract: the first byte is 0. The user is in it, so that users do not meet, and where a machine has
 * started us so is that, as far as there is room, so that one's guests do not answer for another's.
 */
static inline int vmm_control_address(const char *name, struct sockaddr_un *a, socklen_t *len)
{
	const size_t size = sizeof a->sun_path - 1;
	const char *machine = getenv("DVM_MACHINE");

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	size_t n = (size_t)snprintf(a->sun_path + 1, size, "dvm-guest/%u/%s", (unsigned)geteuid(), name);
	if (n >= size)
		return -ENAMETOOLONG;
	if (machine)
		n += (size_t)snprintf(a->sun_path + 1 + n, size - n, "@%s", machine);
	n = n < size ? n : size - 1;
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n);
	return 0;
}

#endif
