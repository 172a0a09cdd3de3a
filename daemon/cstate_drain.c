/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nodes that new jobs stay away from. It is the administrator's word and not the node's: a node that
 * comes back under the same key is still drained.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cstate_private.h"
#include "libdvm/base/err.h"

#define WHY_MAX 255 /* bytes */

#define refuse(err, code, ...) dvmi_error_set(err, code, __VA_ARGS__)

/* It is shown in lists: one line, nothing that a terminal obeys. */
static int check_text(const char *what, const char *s, dvm_error_t *err)
{
	size_t n = strnlen(s, WHY_MAX + 1);

	if (n > WHY_MAX)
		return refuse(err, -EINVAL, "%s is longer than %d bytes", what, WHY_MAX);
	for (size_t i = 0; i < n; i++)
		if (iscntrl((unsigned char)s[i]))
			return refuse(err, -EINVAL, "%s has a control character", what);
	return 0;
}

int dvmd_cstate_check_drained(const char *why, const char *by, dvm_error_t *err)
{
	int rc = check_text("the reason of a drain", why, err);

	return rc < 0 ? rc : check_text("the user of a drain", by, err);
}

int dvmd_cstate_check_drain(const struct dvmd_cstate *s, const Pb__MemberDrain *c, dvm_error_t *err)
{
	const struct member *m = dvmd_cstate_find_member(s, c->id);

	if (!m)
		return refuse(err, -ENOENT, "no node with id %u", c->id);
	if (!c->draining && !m->msg->draining)
		return refuse(err, -EALREADY, "node %s is not drained", m->msg->name);
	return dvmd_cstate_check_drained(c->why, c->by, err);
}

static void replace(char **field, char *text)
{
	if (*field != protobuf_c_empty_string)
		free(*field);
	*field = text;
}

int dvmd_cstate_drain(struct dvmd_cstate *s, const Pb__MemberDrain *c, uint64_t wall)
{
	Pb__Member *m = dvmd_cstate_find_member(s, c->id)->msg;
	char *why = strdup(c->draining ? c->why : ""), *by = strdup(c->draining ? c->by : "");

	if (!why || !by) {
		free(why);
		free(by);
		return -ENOMEM;
	}
	m->draining = c->draining;
	m->drained = c->draining ? wall : 0;
	replace(&m->drain_why, why);
	replace(&m->drained_by, by);
	return 0;
}

Pb__Member *dvmd_cstate_dup_member(const Pb__Member *add, const Pb__Member *known)
{
	static char nothing[] = "";
	Pb__Member m = *add;

	m.draining = known && known->draining;
	m.drain_why = known ? known->drain_why : nothing;
	m.drained_by = known ? known->drained_by : nothing;
	m.drained = known ? known->drained : 0;
	return dvmi_pb_dup(&m);
}
