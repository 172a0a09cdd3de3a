/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel keeps for root: /dev/userfaultfd, which was opened before this process became the
 * job's user. Whoever holds it makes a userfaultfd of its own process with it, and no other.
 */
#include <errno.h>

#include "daemon/shepherd/shepherd_private.h"

void shep_ask_uffd(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len, int fd)
{
	(void)body;
	(void)fd;
	if (len)
		shep_ask_fail(s, a, -EINVAL, "malformed question");
	else if (s->c->setup->uffd < 0)
		shep_ask_fail(s, a, -EPERM,
			      "no access to /dev/userfaultfd: the node's daemon does not run as root");
	else
		shep_ask_answer(s, a, &(struct shep_reply){ .fd = s->c->setup->uffd });
}
