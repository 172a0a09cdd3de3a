/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/assign.h"
#include "daemon/lead.h"
#include "daemon/queue.h"
#include "daemon/queue_view.h"
#include "daemon/replica.h"
#include "daemon/spec.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define TASKS_MAX  10000
#define RETRY	   (1 * DVMI_SEC) /* after a job could not be started for want of disk or memory */
#define SLEEP_MAX  (3600 * DVMI_SEC)
#define LOOK_AGAIN (5 * DVMI_SEC) /* for room that nobody reports: free memory */
#define NEVER_CODE 1		  /* exit code of a job whose dependency can never be met */

struct dvmd_queue {
	struct dvmd *d;
	uv_timer_t timer;
};

/* ---- deciding ---- */

static void sleep_for(struct dvmd_queue *q, uint64_t ns);

static int propose(struct dvmd *d, Pb__Command *cmd, dvm_error_t *err)
{
	return dvmd_replica_propose(d->replica, cmd, err);
}

static int end_waiting(struct dvmd *d, uint64_t id, int code, const char *reason, dvm_error_t *err)
{
	Pb__Command cmd = PB__COMMAND__INIT;
	Pb__WaitingEnd end = PB__WAITING_END__INIT;

	end.id = id;
	end.exit_code = code;
	end.reason = (char *)reason;
	cmd.what_case = PB__COMMAND__WHAT_QUEUE_END;
	cmd.queue_end = &end;
	return propose(d, &cmd, err);
}

static int start(struct dvmd_queue *q, struct dvmd_queue_view *v, size_t i)
{
	const Pb__Waiting *w = v->waiting[i];
	cleanup_pb Pb__Placement *placement = NULL;
	cleanup_pb Pb__JobSpec *spec = dvmi_pb_dup(w->spec); /* W goes when the job is logged */
	dvm_error_t err = { 0 };
	uint64_t id = w->id;
	uint32_t origin = w->origin;
	int rc = spec ? dvmd_assign_export(q->d, &v->snap, v->jobs[i].req,
					   &v->decision.answers[i].placement, &placement)
		      : -ENOMEM;

	if (rc == 0)
		rc = dvmd_lead_start(q->d->lead, id, origin, spec, placement, &err);
	if (rc < 0)
		dvmi_log(&q->d->log, "job", LOG_ERR, "job %llu cannot be started: %s",
			 (unsigned long long)id, *err.text ? err.text : dvm_strerror(rc));
	return rc;
}

/* A dependency that can never be met: the job would wait for ever. */
static int give_up(struct dvmd_queue *q, struct dvmd_queue_view *v, size_t i)
{
	char reason[160];
	dvm_error_t err = { 0 };

	snprintf(reason, sizeof reason,
		 "job %llu, which it waits for, did not end as it needs it to",
		 (unsigned long long)v->decision.answers[i].other);
	return end_waiting(q->d, v->waiting[i]->id, NEVER_CODE, reason, &err);
}

/* One after the other: each changes the state that V borrows from, but not what is still to do. */
static int carry_out(struct dvmd_queue *q, struct dvmd_queue_view *v)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < v->decision.n; i++)
		if (v->decision.answers[i].why == DSCHED_STARTS)
			rc = start(q, v, i);
		else if (v->decision.answers[i].why == DSCHED_W_NEVER)
			rc = give_up(q, v, i);
	return rc;
}

static uint64_t wake_at(const struct dvmd_queue_view *v)
{
	for (size_t i = 0; i < v->decision.n; i++) {
		const struct dsched_reason *r = v->decision.answers[i].reason;
		if (r && r->constraint == DSCHED_C_MEMORY && v->decision.wake > v->now + LOOK_AGAIN)
			return v->now + LOOK_AGAIN;
	}
	return v->decision.wake;
}

static void decide(struct dvmd_queue *q)
{
	struct dvmd_queue_view v;

	if (!dvmd_leads(q->d) || !q->d->ready || q->d->stopping || q->d->halting ||
	    !dvmd_cstate_queued(dvmd_state(q->d)))
		return;
	int rc = dvmd_queue_view_make(&v, q->d);
	uint64_t wake = rc < 0 ? v.now + RETRY : wake_at(&v);
	if (rc == 0 && carry_out(q, &v) < 0)
		wake = v.now + RETRY;
	if (wake != DSCHED_NEVER)
		sleep_for(q, wake > v.now ? wake - v.now : 0);
	dvmd_queue_view_free(&v);
}

static void on_timer(uv_timer_t *t)
{
	decide(t->data);
}

static void sleep_for(struct dvmd_queue *q, uint64_t ns)
{
	ns = ns < SLEEP_MAX ? ns : SLEEP_MAX;
	if (uv_is_active((uv_handle_t *)&q->timer) &&
	    uv_timer_get_due_in(&q->timer) <= ns / DVMI_MSEC)
		return;
	uv_timer_start(&q->timer, on_timer, (ns + DVMI_MSEC - 1) / DVMI_MSEC, 0);
}

void dvmd_queue_kick(struct dvmd *d)
{
	if (d->queue && dvmd_leads(d) && dvmd_cstate_queued(dvmd_state(d)))
		sleep_for(d->queue, 0);
}

void dvmd_queue_applied(struct dvmd *d, const Pb__Command *cmd)
{
	switch (cmd->what_case) {
	case PB__COMMAND__WHAT_MEMBER_ADD:
	case PB__COMMAND__WHAT_MEMBER_CHANGE:
	case PB__COMMAND__WHAT_MEMBER_DRAIN:
	case PB__COMMAND__WHAT_JOB_CHANGE:
	case PB__COMMAND__WHAT_QUEUE_ADD:
	case PB__COMMAND__WHAT_QUEUE_CHANGE:
	case PB__COMMAND__WHAT_QUEUE_END:
		dvmd_queue_kick(d);
		break;
	default:
		break;
	}
}

/* ---- taking jobs in ---- */

/* Refuses what this machine could not run with all of its nodes up. */
static int check_feasible(struct dvmd *d, const Pb__JobSpec *spec, dvm_error_t *err)
{
	struct dvmd_snapshot s;
	struct dsched_request req;
	struct dsched_host *hosts = NULL;
	struct dsched_reason reason = { 0 };
	int rc = dvmd_snapshot_take(d, &s);

	if (rc == 0)
		rc = dvmd_assign_request(spec, &req, &hosts);
	for (size_t i = 0; rc == 0 && i < s.n; i++)
		s.nodes[i].state = DSCHED_NODE_UP;
	if (rc == 0) {
		const struct dsched_snapshot snap = dvmd_snapshot_view(&s);
		rc = dsched_feasible(&snap, &req, &reason);
	}
	free(hosts);
	dvmd_snapshot_free(&s);
	return rc < 0 ? dvmi_error_set(err, rc, "%s", *reason.text ? reason.text : dvm_strerror(rc))
		      : 0;
}

static int set_number(Pb__JobSpec *spec, const char *name, uint64_t value)
{
	char text[64];

	snprintf(text, sizeof text, "%s=%llu", name, (unsigned long long)value);
	return dvmd_spec_set_env(spec, text);
}

/* A task of an array knows which one it is, and one of its output is not like the other. */
static int mark_task(Pb__Waiting *w, uint32_t task, size_t count)
{
	int rc = set_number(w->spec, "DVM_ARRAY", w->array);

	w->task = task;
	w->spec->array = w->array;
	if (rc == 0)
		rc = set_number(w->spec, "DVM_ARRAY_TASK", task);
	return rc < 0 ? rc : set_number(w->spec, "DVM_ARRAY_COUNT", count);
}

static int enqueue(struct dvmd *d, Pb__Waiting *w, dvm_error_t *err)
{
	Pb__Command cmd = PB__COMMAND__INIT;

	w->id = dvmd_cstate_next_job(dvmd_state(d));
	cmd.what_case = PB__COMMAND__WHAT_QUEUE_ADD;
	cmd.queue_add = w;
	return propose(d, &cmd, err);
}

/* All tasks or none: what was entered before a failure is taken back. */
static int enqueue_array(struct dvmd *d, const Pb__SubmitRequest *req, dvm_error_t *err)
{
	uint64_t first = dvmd_cstate_next_job(dvmd_state(d));
	size_t n = 0;
	int rc = 0;

	req->job->array = first;
	for (; rc == 0 && n < req->n_tasks; n++) {
		rc = mark_task(req->job, req->tasks[n], req->n_tasks);
		if (rc == 0)
			rc = enqueue(d, req->job, err);
	}
	for (size_t i = 0; rc < 0 && i + 1 < n; i++)
		end_waiting(d, first + i, NEVER_CODE, "the rest of its array could not be queued",
			    NULL);
	return rc;
}

static uint64_t wall_after(uint64_t delay)
{
	uint64_t now = dvmi_clock_wall();

	return delay < UINT64_MAX - now ? now + delay : UINT64_MAX;
}

static int admit(const struct dvmd_call *call, Pb__SubmitRequest *req, dvm_error_t *err)
{
	Pb__Waiting *w = req->job;

	if (!w || !w->spec)
		return dvmi_error_set(err, -EINVAL, "no job");
	if (req->n_tasks > TASKS_MAX)
		return dvmi_error_set(err, -EINVAL, "an array has at most %d tasks", TASKS_MAX);
	w->origin = call->origin;
	w->spec->detached = true;
	w->spec->stdin_to = PB__STDIN_TO__STDIN_NONE;
	w->array = 0;
	if (req->delay_ns)
		w->begin = wall_after(req->delay_ns);
	int rc = dvmd_lead_admit(call, w->spec, err);
	return rc < 0 ? rc : check_feasible(call->d, w->spec, err);
}

void dvmd_queue_submit(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd *d = call->d;
	cleanup_pb Pb__SubmitRequest *req = NULL;
	Pb__SubmitReply reply = PB__SUBMIT_REPLY__INIT;
	dvm_error_t err = { 0 };

	if (dvmi_pb_unpack(&pb__submit_request__descriptor, body, len, &req) < 0) {
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	reply.job = dvmd_cstate_next_job(dvmd_state(d));
	reply.count = req->n_tasks ? (uint32_t)req->n_tasks : 1;
	int rc = admit(call, req, &err);
	if (rc == 0)
		rc = req->n_tasks ? enqueue_array(d, req, &err) : enqueue(d, req->job, &err);
	if (rc < 0)
		dvmd_call_error(&call, rc, "%s", *err.text ? err.text : dvm_strerror(rc));
	else
		dvmd_call_answer(&call, DVMI_MSG_SUBMIT, &reply);
}

/* ---- changing and ending ---- */

static int permitted(const struct dvmd_call *call, const Pb__Waiting *w, dvm_error_t *err)
{
	if (dvmd_call_may(call, w->spec->uid))
		return 0;
	return dvmi_error_set(err, -EPERM, "job %llu belongs to %s", (unsigned long long)w->id,
			      w->spec->user);
}

static Pb__WaitingChange changed(const Pb__Waiting *w, const Pb__QueueRequest *req)
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
		c.begin = req->delay_ns ? wall_after(req->delay_ns) : 0;
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
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 16;
		uint64_t *id = reallocarray(s->id, cap, sizeof *id);
		if (!id)
			return -ENOMEM;
		s->id = id;
		s->cap = cap;
	}
	s->id[s->n++] = w->id;
	return 0;
}

static int change_one(const struct dvmd_call *call, uint64_t id, const Pb__QueueRequest *req,
		      dvm_error_t *err)
{
	const Pb__Waiting *w = dvmd_cstate_waiting(dvmd_state(call->d), id);
	Pb__Command cmd = PB__COMMAND__INIT;
	int rc = permitted(call, w, err);

	if (rc < 0)
		return rc;
	Pb__WaitingChange c = changed(w, req);
	cmd.what_case = PB__COMMAND__WHAT_QUEUE_CHANGE;
	cmd.queue_change = &c;
	return propose(call->d, &cmd, err);
}

void dvmd_queue_change(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__QueueRequest *req = NULL;
	struct ids ids = { 0 };
	dvm_error_t err = { 0 };

	if (dvmi_pb_unpack(&pb__queue_request__descriptor, body, len, &req) < 0 ||
	    req->what_case == PB__QUEUE_REQUEST__WHAT__NOT_SET) {
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	ids.wanted = req->job;
	int rc = dvmd_cstate_each_waiting(dvmd_state(call->d), add_id, &ids);
	if (rc == 0 && !ids.n)
		rc = dvmi_error_set(&err, -ENOENT, "job %llu does not wait",
				    (unsigned long long)req->job);
	for (size_t i = 0; rc == 0 && i < ids.n; i++)
		rc = change_one(call, ids.id[i], req, &err);
	free(ids.id);
	if (rc < 0)
		dvmd_call_error(&call, rc, "%s", *err.text ? err.text : dvm_strerror(rc));
	else
		dvmd_call_answer(&call, DVMI_MSG_OK, NULL);
}

void dvmd_queue_signal(struct dvmd_call *call, const Pb__JobSignal *sig)
{
	struct dvmd *d = call->d;
	dvm_error_t err = { 0 };
	int rc = permitted(call, dvmd_cstate_waiting(dvmd_state(d), sig->job), &err);

	if (rc == 0 && !sig->end)
		rc = dvmi_error_set(&err, -ESRCH, "job %llu has not started",
				    (unsigned long long)sig->job);
	if (rc == 0)
		rc = end_waiting(d, sig->job, 128 + (sig->signal ? sig->signal : SIGTERM),
				 *sig->reason ? sig->reason : "cancelled", &err);
	if (rc < 0)
		dvmd_call_error(&call, rc, "%s", *err.text ? err.text : dvm_strerror(rc));
	else
		dvmd_call_answer(&call, DVMI_MSG_OK, NULL);
}

/* ---- life ---- */

int dvmd_queue_create(struct dvmd_queue **out, struct dvmd *d)
{
	struct dvmd_queue *q = calloc(1, sizeof *q);

	if (!q)
		return -ENOMEM;
	q->d = d;
	uv_timer_init(d->loop, &q->timer);
	q->timer.data = q;
	*out = q;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void dvmd_queue_destroy(struct dvmd_queue *q)
{
	if (q)
		uv_close((uv_handle_t *)&q->timer, on_closed);
}
