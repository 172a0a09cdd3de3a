/* SPDX-License-Identifier: BSD-3-Clause */
/* What people do to jobs by way of the queue: hold, change, end, requeue, suspend. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lead.h"
#include "daemon/queue_private.h"
#include "daemon/replica.h"
#include "libdvm/base/err.h"
#include "libdvm/base/grow.h"

int dvmd_queue_permitted(const struct dvmd_call *call, uint64_t job, const Pb__JobSpec *spec,
			 dvm_error_t *err)
{
	if (dvmd_call_may(call, spec->uid))
		return 0;
	return dvmi_error_set(err, -EPERM, "job %llu belongs to %s", (unsigned long long)job,
			      spec->user);
}

/* ---- what waits ---- */

static Pb__WaitingChange changed(const struct dvmd *d, const Pb__Waiting *w,
				 const Pb__QueueRequest *req)
{
	Pb__WaitingChange c = PB__WAITING_CHANGE__INIT;

	c.id = w->id;
	c.held = w->held;
	c.priority = w->priority;
	c.begin = w->begin;
	c.limit = w->spec->timeout_ns;
	switch (req->what_case) {
	case PB__QUEUE_REQUEST__WHAT_HELD:
		c.held = req->held;
		break;
	case PB__QUEUE_REQUEST__WHAT_PRIORITY:
		c.priority = req->priority;
		break;
	case PB__QUEUE_REQUEST__WHAT_LIMIT_NS:
		c.limit = req->limit_ns;
		break;
	case PB__QUEUE_REQUEST__WHAT_DELAY_NS:
		c.begin = req->delay_ns ? dvmd_queue_date(d, req->delay_ns) : 0;
		break;
	default:
		break;
	}
	return c;
}

/* Ids of the job, or of the tasks of the array that is called so, that wait. */
struct ids {
	uint64_t wanted;
	uint64_t *id;
	size_t n, cap;
};

static int add_id(const Pb__Waiting *w, void *arg)
{
	struct ids *s = arg;

	if (w->id != s->wanted && w->array != s->wanted)
		return 0;
	if (dvmi_grow(&s->id, s->n, &s->cap, sizeof *s->id) < 0)
		return -ENOMEM;
	s->id[s->n++] = w->id;
	return 0;
}

static int change_one(const struct dvmd_call *call, uint64_t id, const Pb__QueueRequest *req,
		      dvm_error_t *err)
{
	const Pb__Waiting *w = dvmd_cstate_waiting(dvmd_state(call->d), id);
	Pb__Command cmd = PB__COMMAND__INIT;
	int rc = dvmd_queue_permitted(call, w->id, w->spec, err);

	if (rc < 0)
		return rc;
	Pb__WaitingChange c = changed(call->d, w, req);
	cmd.what_case = PB__COMMAND__WHAT_QUEUE_CHANGE;
	cmd.queue_change = &c;
	return dvmd_queue_propose(call->d, &cmd, err);
}

static int change_waiting(const struct dvmd_call *call, const Pb__QueueRequest *req,
			  dvm_error_t *err)
{
	struct ids ids = { .wanted = req->job };
	int rc = dvmd_cstate_each_waiting(dvmd_state(call->d), add_id, &ids);

	if (rc == 0 && !ids.n)
		rc = dvmi_error_set(err, -ENOENT, "job %llu does not wait",
				    (unsigned long long)req->job);
	dvmd_replica_hold(call->d->replica);
	for (size_t i = 0; rc == 0 && i < ids.n; i++)
		rc = change_one(call, ids.id[i], req, err);
	int all = dvmd_replica_release(call->d->replica, rc < 0 ? NULL : err);
	free(ids.id);
	return rc < 0 ? rc : all;
}

/* ---- what runs ---- */

static int requeue(const struct dvmd_call *call, const Pb__JobRecord *r, dvm_error_t *err)
{
	unsigned long long id = r->id;

	if (!r->spec->detached || r->spec->parent_job)
		return dvmi_error_set(err, -EINVAL,
				      "job %llu was not submitted: it cannot wait again", id);
	int rc = dvmd_lead_end(call->d->lead, r->id, PB__JOB_HOW__HOW_REQUEUED, true,
			       "requeued by its user");
	return rc < 0 ? dvmi_error_set(err, rc, "job %llu ends already", id) : 0;
}

/* What others were promised behind its end is not for everybody to take back. */
static int limit(const struct dvmd_call *call, const Pb__JobRecord *r, uint64_t ns,
		 dvm_error_t *err)
{
	uint64_t had = r->spec->timeout_ns;

	if (had && (!ns || ns > had) && !dvmd_call_is_admin(call))
		return dvmi_error_set(err, -EPERM,
				      "job %llu runs: only the machine's owner gives it more time",
				      (unsigned long long)r->id);
	return dvmd_lead_limit(call->d->lead, r->id, ns, err);
}

static int suspend(const struct dvmd_call *call, const Pb__JobRecord *r, bool on, dvm_error_t *err)
{
	if (!on && r->suspended == PB__SUSPENDED__FOR_ANOTHER)
		return dvmi_error_set(err, -EBUSY,
				      "job %llu goes on by itself when there is room again",
				      (unsigned long long)r->id);
	return dvmd_lead_suspend(call->d->lead, r->id,
				 on ? PB__SUSPENDED__BY_USER : PB__SUSPENDED__NOT_SUSPENDED, err);
}

static int change_running(const struct dvmd_call *call, const Pb__QueueRequest *req,
			  dvm_error_t *err)
{
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(call->d), req->job);
	unsigned long long id = req->job;

	if (!r || r->state == PB__JOB_STATE__JOB_DONE)
		return dvmi_error_set(err, r ? -ESRCH : -ENOENT,
				      r ? "job %llu is over" : "job %llu does not run", id);
	int rc = dvmd_queue_permitted(call, r->id, r->spec, err);
	if (rc < 0)
		return rc;
	if (req->what_case == PB__QUEUE_REQUEST__WHAT_REQUEUE)
		return requeue(call, r, err);
	if (req->what_case == PB__QUEUE_REQUEST__WHAT_LIMIT_NS)
		return limit(call, r, req->limit_ns, err);
	return suspend(call, r, req->suspended, err);
}

/* Some things are done to what runs, some to what waits, and one to both. */
static bool is_for_runs(const struct dvmd *d, const Pb__QueueRequest *req)
{
	const Pb__JobRecord *r;

	switch (req->what_case) {
	case PB__QUEUE_REQUEST__WHAT_REQUEUE:
	case PB__QUEUE_REQUEST__WHAT_SUSPENDED:
		return true;
	case PB__QUEUE_REQUEST__WHAT_LIMIT_NS:
		r = dvmd_cstate_job(dvmd_state(d), req->job);
		return r && r->spec->array != req->job;
	default:
		return false;
	}
}

void dvmd_queue_change(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__QueueRequest *req = NULL;
	dvm_error_t err = { 0 };

	if (dvmi_pb_unpack(&pb__queue_request__descriptor, body, len, &req) < 0 ||
	    req->what_case == PB__QUEUE_REQUEST__WHAT__NOT_SET) {
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	int rc = (is_for_runs(call->d, req) ? change_running : change_waiting)(call, req, &err);
	if (rc < 0)
		dvmd_call_error(&call, rc, "%s", *err.text ? err.text : dvm_strerror(rc));
	else
		dvmd_call_answer(&call, DVMI_MSG_OK, NULL);
}

static int end_waiting(const struct dvmd_call *call, uint64_t id, const Pb__JobSignal *sig,
		       dvm_error_t *err)
{
	const Pb__Waiting *w = dvmd_cstate_waiting(dvmd_state(call->d), id);
	int rc = dvmd_queue_permitted(call, id, w->spec, err);

	return rc < 0 ? rc :
			dvmd_queue_end(call->d, id, 128 + (sig->signal ? sig->signal : SIGTERM),
				       *sig->reason ? sig->reason : "cancelled", err);
}

int dvmd_queue_end_tasks(const struct dvmd_call *call, const Pb__JobSignal *sig, dvm_error_t *err)
{
	struct ids ids = { .wanted = sig->job };
	int rc = dvmd_cstate_each_waiting(dvmd_state(call->d), add_id, &ids), n = 0;

	if (rc < 0)
		dvmi_error_code(err, rc, "the array");
	dvmd_replica_hold(call->d->replica);
	for (size_t i = 0; rc == 0 && i < ids.n; i++)
		if (ids.id[i] != sig->job && (rc = end_waiting(call, ids.id[i], sig, err)) == 0)
			n++;
	int all = dvmd_replica_release(call->d->replica, err);
	free(ids.id);
	return rc < 0 ? rc : all < 0 ? all : n;
}

void dvmd_queue_signal(struct dvmd_call *call, const Pb__JobSignal *sig)
{
	struct dvmd *d = call->d;
	dvm_error_t err = { 0 };
	const Pb__Waiting *w = dvmd_cstate_waiting(dvmd_state(d), sig->job);
	int rc = dvmd_queue_permitted(call, w->id, w->spec, &err);

	if (rc == 0 && !sig->end)
		rc = dvmi_error_set(&err, -ESRCH, "job %llu has not started",
				    (unsigned long long)sig->job);
	if (rc == 0)
		rc = end_waiting(call, sig->job, sig, &err);
	if (rc < 0)
		dvmd_call_error(&call, rc, "%s", *err.text ? err.text : dvm_strerror(rc));
	else
		dvmd_call_answer(&call, DVMI_MSG_OK, NULL);
}
