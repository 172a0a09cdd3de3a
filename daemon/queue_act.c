/* SPDX-License-Identifier: BSD-3-Clause */
/* What a decision does to jobs that run: they make room for a higher tier, and go on after it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/devices.h"
#include "daemon/lead.h"
#include "daemon/queue_private.h"

/* ---- making room ---- */

static int push_out(struct dvmd_queue *q, const struct dsched_run *r, uint64_t other,
		    dvm_error_t *err)
{
	char reason[80];

	snprintf(reason, sizeof reason, "made room for job %llu", (unsigned long long)other);
	switch (r->preempt) {
	case DSCHED_PREEMPT_CANCEL:
		return dvmd_lead_end(q->d->lead, r->id, PB__JOB_HOW__HOW_PREEMPTED, false, reason);
	case DSCHED_PREEMPT_REQUEUE:
		return dvmd_lead_end(q->d->lead, r->id, PB__JOB_HOW__HOW_PREEMPTED, true, reason);
	case DSCHED_PREEMPT_SUSPEND:
		return dvmd_lead_suspend(q->d->lead, r->id, PB__SUSPENDED__FOR_ANOTHER, err);
	case DSCHED_PREEMPT_LEAVE:
		return dvmd_lead_leave(q->d->lead, r->id, other, err);
	case DSCHED_PREEMPT_NO:
		break;
	}
	return 0;
}

void dvmd_queue_push_out(struct dvmd_queue *q, struct dvmd_queue_view *v)
{
	dvm_error_t err = { 0 };

	for (size_t i = 0; i < v->decision.nvictims; i++) {
		const struct dsched_victim *victim = &v->decision.victims[i];
		const struct dsched_run *r = &v->runs[victim->run];
		int rc = push_out(q, r, victim->for_job, &err);
		dvmi_log(&q->d->log, "job", rc < 0 ? LOG_WARNING : LOG_INFO,
			 "job %llu makes room for job %llu%s%s", (unsigned long long)r->id,
			 (unsigned long long)victim->for_job, rc < 0 ? ": " : "",
			 rc < 0 ? dvm_strerror(rc) : "");
	}
}

/* ---- going on ---- */

uint64_t dvmd_queue_ran(const Pb__JobRecord *r, uint64_t date)
{
	uint64_t end = r->suspended && r->suspended_at ? r->suspended_at : date;
	uint64_t not_running = r->started + r->stopped_ns;

	return r->started && end > not_running ? end - not_running : 0;
}

struct resuming {
	struct dvmd_queue *q;
	const struct dvmd_snapshot *nodes;
	uint64_t job; /* that may go on; 0: none */
	uint32_t tier; /* of the highest one that waits */
};

static const struct dsched_node *node_of(const struct dvmd_snapshot *s, uint32_t id)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->nodes[i].id == id)
			return &s->nodes[i];
	return NULL;
}

static bool has_room(const struct dvmd_snapshot *s, const Pb__JobRecord *r)
{
	for (size_t i = 0; i < r->placement->n_nodes; i++) {
		const Pb__NodeShare *share = r->placement->nodes[i];
		const struct dsched_node *n = node_of(s, share->node);
		if (!n)
			continue;
		uint32_t slots = dsched_node_slots(n);
		if (n->exclusive || (r->spec->exclusive && n->jobs) ||
		    (n->slots_used && n->slots_used + share->n_ranks > slots))
			return false;
	}
	return true;
}

static int may_resume(const Pb__JobRecord *r, void *arg)
{
	struct resuming *x = arg;

	if (!x->job && r->state == PB__JOB_STATE__JOB_RUNNING &&
	    r->suspended == PB__SUSPENDED__FOR_ANOTHER && r->spec->tier >= x->tier &&
	    has_room(x->nodes, r) && dvmd_devices_are_free(x->q->d, r))
		x->job = r->id;
	return 0;
}

static int count_suspended(const Pb__JobRecord *r, void *arg)
{
	*(size_t *)arg += r->suspended == PB__SUSPENDED__FOR_ANOTHER;
	return 0;
}

static int highest_tier(const Pb__Waiting *w, void *arg)
{
	uint32_t *tier = arg;

	if (!w->held && w->spec->tier > *tier)
		*tier = w->spec->tier;
	return 0;
}

/* The oldest one that fits, if none of a higher tier waits: it would only be stopped again. */
static uint64_t next_to_resume(struct dvmd_queue *q)
{
	struct dvmd_snapshot s;
	struct resuming x = { .q = q, .nodes = &s };

	dvmd_cstate_each_waiting(dvmd_state(q->d), highest_tier, &x.tier);
	if (dvmd_snapshot_take(q->d, &s) == 0)
		dvmd_cstate_each_job(dvmd_state(q->d), may_resume, &x);
	dvmd_snapshot_free(&s);
	return x.job;
}

bool dvmd_queue_resume(struct dvmd_queue *q)
{
	dvm_error_t err = { 0 };
	size_t n = 0;
	bool any = false;
	uint64_t job;

	dvmd_cstate_each_job(dvmd_state(q->d), count_suspended, &n);
	while (n-- > 0 && (job = next_to_resume(q))) {
		if (dvmd_lead_suspend(q->d->lead, job, PB__SUSPENDED__NOT_SUSPENDED, &err) < 0)
			break;
		any = true;
	}
	return any;
}
