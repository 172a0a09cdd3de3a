/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * While the machine's leader is down: what runs elsewhere can still be signalled and ended. Each
 * node does so for its own ranks; the leader hears of their end when it is back.
 */
#include <errno.h>
#include <signal.h>

#include "daemon/absent.h"
#include "daemon/agent.h"
#include "daemon/lead.h"
#include "daemon/live.h"
#include "daemon/replica.h"

struct absent {
	struct dvmd_call *call;
	Pb__JobSignal *req;
	const uint8_t *body; /* of the request, for the other nodes */
	size_t len;
	size_t found, others; /* jobs, and those of them that are somebody else's */
};

static bool leader_is_down(const struct dvmd *d)
{
	struct dvmd_member_info info;

	return d->ready && dvmd_live_info(d->live, DVMD_LEADER, &info) == 0 &&
	       (info.state == DVMI_MEMBER_DEAD || info.state == DVMI_MEMBER_LEFT);
}

static void signal_here(const struct absent *a, uint64_t job)
{
	Pb__JobSignal sig = *a->req;
	struct dvmi_buf b = { 0 };

	sig.job = job;
	if (sig.end) {
		sig.grace_ns = dvmd_lead_grace(a->req);
		sig.signal = sig.grace_ns ? SIGTERM : SIGKILL;
	}
	dvmi_pb_pack(&b, &sig);
	if (!b.err)
		dvmd_agent_from_leader(a->call->d->agent, DVMI_MSG_JOB_KILL, b.data, b.len);
	dvmi_buf_free(&b);
}

static int signal_job(const Pb__JobRecord *r, void *arg)
{
	struct absent *a = arg;
	const struct dvmd *d = a->call->d;

	if ((r->id != a->req->job && (!a->req->end || r->spec->array != a->req->job)) ||
	    r->state == PB__JOB_STATE__JOB_DONE)
		return 0;
	a->found++;
	if (!dvmd_call_may(a->call, r->spec->uid)) {
		a->others++;
		return 0;
	}
	for (size_t i = 0; i < r->placement->n_nodes; i++) {
		uint32_t node = r->placement->nodes[i]->node;
		if (node == d->self)
			signal_here(a, r->id);
		else if (node != DVMD_LEADER && a->call->origin == d->self) /* not in a circle */
			dvmd_call_copy(a->call, node, a->body, a->len);
	}
	return 0;
}

bool dvmd_absent_serve(struct dvmd_call **call, const uint8_t *body, size_t len)
{
	struct dvmd *d = (*call)->d;
	cleanup_pb Pb__JobSignal *req = NULL;

	if ((*call)->type != DVMI_MSG_SIGNAL || !leader_is_down(d) ||
	    dvmi_pb_unpack(&pb__job_signal__descriptor, body, len, &req) < 0 || req->signal < 0 ||
	    req->signal >= NSIG)
		return false;
	unsigned long long job = req->job;
	struct absent a = { *call, req, body, len, 0, 0 };
	dvmd_cstate_each_job(dvmd_state(d), signal_job, &a);
	if (!a.found)
		dvmd_call_error(call, -DVM_ENOQUORUM,
				"the machine's leader is down, and job %llu does not run elsewhere",
				job);
	else if (a.found == a.others)
		dvmd_call_error(call, -EPERM, "job %llu belongs to somebody else", job);
	else
		dvmd_call_answer(call, DVMI_MSG_OK, NULL);
	return true;
}
