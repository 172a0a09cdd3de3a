/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients want of a job that has been started: to hold it, to signal or end it. */
#include <errno.h>
#include <signal.h>

#include "daemon/lead_private.h"
#include "daemon/origin.h"
#include "daemon/queue.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"

/* The job a request names, if its caller may touch it; else the call is answered and NULL. */
static const Pb__JobRecord *permitted_job(struct dvmd_call **call, uint64_t job)
{
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state((*call)->d), job);

	if (!r)
		dvmd_call_error(call, -ENOENT, "no job %llu", (unsigned long long)job);
	else if (!dvmd_call_may(*call, r->spec->uid))
		dvmd_call_error(call, -EPERM, "job %llu belongs to %s", (unsigned long long)job,
				r->spec->user);
	else
		return r;
	return NULL;
}

static void tell_ended(struct dvmd_lead *l, const Pb__JobRecord *r)
{
	Pb__JobEvent event = dvmd_origin_ended(r);

	dvmd_lead_tell_origin(l, r->id, &event);
}

void dvmd_lead_attach(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd_lead *l = call->d->lead;
	cleanup_pb Pb__AttachRequest *req = NULL;
	Pb__RunReply reply = PB__RUN_REPLY__INIT;
	char name[32];

	if (dvmi_pb_unpack(&pb__attach_request__descriptor, body, len, &req) < 0) {
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	const Pb__JobRecord *r = permitted_job(&call, req->job);
	if (!r)
		return;
	if (r->origin != call->origin) {
		dvmd_call_error(&call, -EXDEV, "job %llu was started on %s: attach there",
				(unsigned long long)r->id, dvmd_node_name(l->d, r->origin, name));
		return;
	}
	reply.job = r->id;
	reply.placement = r->placement;
	reply.state = r->state;
	reply.detached = r->spec->detached;
	dvmd_call_answer(&call, DVMI_MSG_ATTACH, &reply);
	if (r->state == PB__JOB_STATE__JOB_DONE)
		tell_ended(l, r);
	else
		dvmd_jobctl_reannounce(l->jobs, r->id);
	dvmd_lead_act(l);
}

uint64_t dvmd_lead_grace(const Pb__JobSignal *req)
{
	if (req->signal == SIGKILL)
		return 0;
	if (!req->grace_ns)
		return DVMD_JOBCTL_GRACE;
	return req->grace_ns < 3600 * DVMI_SEC ? req->grace_ns : 3600 * DVMI_SEC;
}

struct ending {
	const struct dvmd_call *call;
	const Pb__JobSignal *req;
	size_t n;
};

static void end_job(struct dvmd_lead *l, uint64_t job, const Pb__JobSignal *req)
{
	dvmd_jobctl_end(l->jobs, job, req->signal, *req->reason ? req->reason : "cancelled",
			dvmd_lead_grace(req), dvmi_clock_mono());
}

/* Another task than the first of the array that is to end. */
static int end_task(const Pb__JobRecord *r, void *arg)
{
	struct ending *e = arg;

	if (r->spec->array != e->req->job || r->id == e->req->job ||
	    r->state == PB__JOB_STATE__JOB_DONE || !dvmd_call_may(e->call, r->spec->uid))
		return 0;
	end_job(e->call->d->lead, r->id, e->req);
	e->n++;
	return 0;
}

/* An array is called as its first task is. How many others of it are ended; -E… and ERR. */
static int end_array(const struct dvmd_call *call, const Pb__JobSignal *req, dvm_error_t *err)
{
	struct ending e = { call, req, 0 };
	int n = dvmd_queue_end_tasks(call, req, err);

	if (n < 0)
		return n;
	dvmd_cstate_each_job(dvmd_state(call->d), end_task, &e);
	dvmd_lead_act(call->d->lead);
	return n + (int)e.n;
}

void dvmd_lead_signal(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd_lead *l = call->d->lead;
	cleanup_pb Pb__JobSignal *req = NULL;
	dvm_error_t err = { 0 };

	if (dvmi_pb_unpack(&pb__job_signal__descriptor, body, len, &req) < 0 || req->signal < 0 ||
	    req->signal >= NSIG) {
		dvmd_call_error(&call, -EINVAL, "malformed request");
		return;
	}
	int others = req->end ? end_array(call, req, &err) : 0;
	if (others < 0) {
		dvmd_call_error(&call, others, "%s", err.text);
		return;
	}
	if (dvmd_cstate_waiting(dvmd_state(l->d), req->job)) {
		dvmd_queue_signal(call, req);
		return;
	}
	const Pb__JobRecord *r = permitted_job(&call, req->job);
	if (!r)
		return;
	if (r->state == PB__JOB_STATE__JOB_DONE && !others) {
		dvmd_call_error(&call, -ESRCH, "job %llu is over", (unsigned long long)r->id);
		return;
	}
	if (req->end)
		end_job(l, r->id, req);
	else
		dvmd_lead_cast(l, r->id, DVMI_MSG_JOB_KILL, req);
	dvmd_call_answer(&call, DVMI_MSG_OK, NULL);
	dvmd_lead_act(l);
}
