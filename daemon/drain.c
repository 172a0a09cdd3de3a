/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "daemon/drain.h"
#include "daemon/replica.h"
#include "libdvm/base/err.h"

static int drain_one(struct dvmd_call *call, const Pb__Member *m, const Pb__DrainRequest *req,
		     dvm_error_t *err)
{
	Pb__Command cmd = PB__COMMAND__INIT;
	Pb__MemberDrain c = PB__MEMBER_DRAIN__INIT;

	c.id = m->id;
	c.draining = req->draining;
	c.why = req->why;
	c.by = call->user;
	cmd.what_case = PB__COMMAND__WHAT_MEMBER_DRAIN;
	cmd.member_drain = &c;
	int rc = dvmd_replica_propose(call->d->replica, &cmd, err);
	if (rc == 0)
		dvmi_log(&call->d->log, "member", LOG_NOTICE, "%s %s node %s%s%s", call->user,
			 req->draining ? "drains" : "undrains", m->name, *req->why ? ": " : "",
			 req->why);
	return rc;
}

/* All of them are known before the first one is touched. */
static int drain(struct dvmd_call *call, const Pb__DrainRequest *req, dvm_error_t *err)
{
	const struct dvmd_cstate *s = dvmd_state(call->d);
	int rc = 0;

	if (!dvmd_call_is_admin(call))
		return dvmi_error_set(err, -EPERM, "only the machine's owner may drain nodes");
	for (size_t i = 0; i < req->n_nodes; i++)
		if (!dvmd_cstate_member_by_name(s, req->nodes[i]))
			return dvmi_error_set(err, -ENOENT, "no node is called %s", req->nodes[i]);
	for (size_t i = 0; rc == 0 && i < req->n_nodes; i++)
		rc = drain_one(call, dvmd_cstate_member_by_name(s, req->nodes[i]), req, err);
	return rc;
}

void dvmd_drain_serve(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__DrainRequest *req = NULL;
	dvm_error_t err = { 0 };

	if (dvmi_pb_unpack(&pb__drain_request__descriptor, body, len, &req) < 0) {
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	int rc = drain(call, req, &err);
	if (rc < 0)
		dvmd_call_error(&call, rc, "%s", *err.text ? err.text : dvm_strerror(rc));
	else
		dvmd_call_answer(&call, DVMI_MSG_OK, NULL);
}
