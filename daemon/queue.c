/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/assign.h"
#include "daemon/lead.h"
#include "daemon/queue_private.h"
#include "daemon/replica.h"
#include "daemon/reserve.h"
#include "daemon/spec.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define RETRY	   (1 * DVMI_SEC) /* after a job could not be started for want of disk or memory */
#define SLEEP_MAX  (3600 * DVMI_SEC)
#define LOOK_AGAIN (5 * DVMI_SEC) /* while anybody waits for room */

/* ---- deciding ---- */

int dvmd_queue_propose(struct dvmd *d, Pb__Command *cmd, dvm_error_t *err)
{
	return dvmd_replica_propose(d->replica, cmd, err);
}

int dvmd_queue_end(struct dvmd *d, uint64_t id, int code, const char *reason, dvm_error_t *err)
{
	Pb__Command cmd = PB__COMMAND__INIT;
	Pb__WaitingEnd end = PB__WAITING_END__INIT;

	end.id = id;
	end.exit_code = code;
	end.reason = (char *)reason;
	cmd.what_case = PB__COMMAND__WHAT_QUEUE_END;
	cmd.queue_end = &end;
	return dvmd_queue_propose(d, &cmd, err);
}

static int set_number(Pb__JobSpec *spec, const char *name, uint64_t value)
{
	char text[64];

	snprintf(text, sizeof text, "%s=%llu", name, (unsigned long long)value);
	return dvmd_spec_set_env(spec, text);
}

/* A task of an array knows which one it is. */
static int tell_task(Pb__JobSpec *spec)
{
	int rc = spec->array ? set_number(spec, "DVM_ARRAY", spec->array) : 0;

	if (rc == 0 && spec->array)
		rc = set_number(spec, "DVM_ARRAY_TASK", spec->task);
	return rc == 0 && spec->array ? set_number(spec, "DVM_ARRAY_COUNT", spec->array_count) : rc;
}

static void start_free(struct dvmd_start *s)
{
	dvmi_pb_free(s->spec);
	dvmi_pb_free(s->placement);
}

static int log_start(struct dvmd_queue *q, struct dvmd_queue_view *v, size_t i, struct dvmd_start *s)
{
	const Pb__Waiting *w = v->waiting[i];
	dvm_error_t err = { 0 };

	/* W goes when the job is logged. */
	*s = (struct dvmd_start){ .id = w->id, .origin = w->origin, .spec = dvmi_pb_dup(w->spec) };
	int rc = s->spec ? dvmd_assign_export(q->d, &v->snap, v->jobs[i].req,
					      &v->decision.answers[i].placement, &s->placement)
			 : -ENOMEM;
	if (rc == 0)
		rc = tell_task(s->spec);
	if (rc == 0)
		rc = dvmd_lead_log(q->d->lead, s, &err);
	if (rc < 0)
		dvmi_log(&q->d->log, "job", LOG_ERR, "job %llu cannot be started: %s",
			 (unsigned long long)s->id, *err.text ? err.text : dvm_strerror(rc));
	if (rc < 0)
		start_free(s);
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
	return dvmd_queue_end(q->d, v->waiting[i]->id, DVMD_QUEUE_NEVER_CODE, reason, &err);
}

/* Jobs that start together: logged with one write, then launched. */
struct starts {
	struct dvmd_start *s;
	size_t n;
};

/* One after the other: each changes the state that V borrows from, but not what is still to do. */
static int log_decision(struct dvmd_queue *q, struct dvmd_queue_view *v, struct starts *st)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < v->decision.n; i++)
		if (v->waiting[i]->spec->interactive) /* its client starts it */
			continue;
		else if (v->decision.answers[i].why == DSCHED_STARTS &&
			 (rc = log_start(q, v, i, &st->s[st->n])) == 0)
			st->n++;
		else if (v->decision.answers[i].why == DSCHED_W_NEVER)
			rc = give_up(q, v, i);
	return rc;
}

static size_t count_starts(const struct dvmd_queue_view *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->decision.n; i++)
		n += v->decision.answers[i].why == DSCHED_STARTS;
	return n;
}

/* After a failure V's jobs may be gone. */
static int carry_out(struct dvmd_queue *q, struct dvmd_queue_view *v)
{
	struct starts st = { .s = calloc(count_starts(v) + 1, sizeof *st.s) };
	dvm_error_t err = { 0 };

	if (!st.s)
		return -ENOMEM;
	dvmd_replica_hold(q->d->replica);
	int rc = log_decision(q, v, &st);
	bool logged = dvmd_replica_release(q->d->replica, &err) == 0;
	if (!logged)
		dvmi_log(&q->d->log, "job", LOG_ERR, "jobs cannot be started: %s", err.text);
	for (size_t i = 0; i < st.n; i++) {
		if (logged)
			dvmd_lead_launch(q->d->lead, &st.s[i]);
		start_free(&st.s[i]);
	}
	free(st.s);
	return logged ? rc : err.code;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Room may come up that nobody tells of: memory that is free again. */
static uint64_t wake_at(const struct dvmd_queue_view *v)
{
	for (size_t i = 0; i < v->decision.n; i++) {
		const struct dsched_answer *a = &v->decision.answers[i];
		if (dsched_waits_for_room(a) || a->why == DSCHED_W_IMPOSSIBLE)
			return sooner(v->decision.wake, v->now + LOOK_AGAIN);
	}
	return v->decision.wake;
}

static void decide(struct dvmd_queue *q)
{
	struct dvmd_queue_view v;

	if (!dvmd_leads(q->d) || !q->d->ready || q->d->stopping || q->d->halting)
		return;
	uint64_t date = dvmd_steady_now(&q->d->clock);
	dvmd_reserve_expire(q->d, date);
	uint64_t next = dvmd_reserve_next(q->d, date);
	if (next != UINT64_MAX)
		dvmd_queue_sleep(q, next - date);
	dvmd_queue_tickets_check(q);
	dvmd_queue_resume(q);
	if (!dvmd_cstate_queued(dvmd_state(q->d)) && !dvmd_queue_lends(q))
		return;
	int rc = dvmd_queue_view_make(&v, q->d);
	uint64_t wake = rc < 0 ? v.now + RETRY : wake_at(&v);
	if (rc == 0)
		dvmd_queue_tickets_told(q, &v);
	if (rc == 0 && (rc = carry_out(q, &v)) < 0)
		wake = v.now + RETRY;
	if (rc == 0) {
		dvmd_queue_push_out(q, &v);
		dvmd_queue_offer(q, &v);
	}
	if (dvmd_queue_tickets_any(q))
		wake = sooner(wake, v.now + LOOK_AGAIN);
	if (wake != DSCHED_NEVER)
		dvmd_queue_sleep(q, wake > v.now ? wake - v.now : 0);
	dvmd_queue_view_free(&v);
}

static void on_timer(uv_timer_t *t)
{
	decide(t->data);
}

void dvmd_queue_sleep(struct dvmd_queue *q, uint64_t ns)
{
	ns = ns < SLEEP_MAX ? ns : SLEEP_MAX;
	if (uv_is_active((uv_handle_t *)&q->timer) &&
	    uv_timer_get_due_in(&q->timer) <= ns / DVMI_MSEC)
		return;
	uv_timer_start(&q->timer, on_timer, (ns + DVMI_MSEC - 1) / DVMI_MSEC, 0);
}

void dvmd_queue_kick(struct dvmd *d)
{
	if (d->queue && dvmd_leads(d))
		dvmd_queue_sleep(d->queue, 0);
}

/* ---- fair share ---- */

struct dvmd_shares *dvmd_queue_users(const struct dvmd *d)
{
	return &d->queue->users;
}

struct dvmd_shares *dvmd_queue_accounts(const struct dvmd *d)
{
	return &d->queue->accounts;
}

void dvmd_queue_charge(struct dvmd *d, const char *user, const char *account, uint64_t slot_seconds,
		       uint64_t at)
{
	dvmd_shares_charge(&d->queue->users, user, slot_seconds, at);
	dvmd_shares_charge(&d->queue->accounts, account, slot_seconds, at);
}

static void charge(struct dvmd *d, uint64_t job)
{
	const Pb__JobRecord *r = d->queue && dvmd_leads(d) ? dvmd_cstate_job(dvmd_state(d), job) : NULL;

	if (r && r->started && r->ended > r->started && !r->spec->no_slots)
		dvmd_queue_charge(d, r->spec->user, r->spec->account,
				  (r->ended - r->started) / DVMI_MSEC * r->placement->ranks / 1000,
				  dvmi_clock_mono());
}

void dvmd_queue_applied(struct dvmd *d, const Pb__Command *cmd)
{
	if (cmd->what_case == PB__COMMAND__WHAT_JOB_CHANGE &&
	    cmd->job_change->state == PB__JOB_STATE__JOB_DONE)
		charge(d, cmd->job_change->id);
	switch (cmd->what_case) {
	case PB__COMMAND__WHAT_MEMBER_ADD:
	case PB__COMMAND__WHAT_MEMBER_CHANGE:
	case PB__COMMAND__WHAT_MEMBER_DRAIN:
	case PB__COMMAND__WHAT_JOB_CHANGE:
	case PB__COMMAND__WHAT_QUEUE_ADD:
	case PB__COMMAND__WHAT_QUEUE_CHANGE:
	case PB__COMMAND__WHAT_QUEUE_END:
	case PB__COMMAND__WHAT_JOB_SUSPEND:
	case PB__COMMAND__WHAT_JOB_LIMIT:
	case PB__COMMAND__WHAT_RESERVE_ADD:
	case PB__COMMAND__WHAT_RESERVE_REMOVE:
		dvmd_queue_kick(d);
		break;
	default:
		break;
	}
}

/* ---- life ---- */

int dvmd_queue_create(struct dvmd_queue **out, struct dvmd *d)
{
	struct dvmd_queue *q = calloc(1, sizeof *q);

	if (!q)
		return -ENOMEM;
	q->d = d;
	q->users.half_life = q->accounts.half_life = d->setup.queue.half_life;
	uv_timer_init(d->loop, &q->timer);
	q->timer.data = q;
	*out = q;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct dvmd_queue *q = h->data;

	dvmd_queue_tickets_free(q);
	dvmd_shares_free(&q->users);
	dvmd_shares_free(&q->accounts);
	free(q);
}

void dvmd_queue_destroy(struct dvmd_queue *q)
{
	if (q)
		uv_close((uv_handle_t *)&q->timer, on_closed);
}
