/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting jobs in the cluster state. A job has its id from when it is submitted, and leaves the
 * queue in one of two ways: a job_add of its id (it starts: one entry of the log, so it can neither
 * be lost between the two nor start twice), or a queue_end (it never will).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cstate_private.h"
#include "daemon/pairs.h"
#include "libdvm/base/err.h"

#define QUEUE_MAX    1000000u
#define PRIORITY_MAX 1000
#define AFTER_MAX    1024
#define REASON_MAX   4096

#define refuse(err, code, ...) dvmi_error_set(err, code, __VA_ARGS__)

static struct waiting *find(const struct dvmd_cstate *s, uint64_t id)
{
	struct waiting *w;

	HASH_FIND(hh, s->queue, &id, sizeof id, w);
	return w;
}

const Pb__Waiting *dvmd_cstate_waiting(const struct dvmd_cstate *s, uint64_t id)
{
	const struct waiting *w = find(s, id);

	return w ? w->msg : NULL;
}

int dvmd_cstate_each_waiting(const struct dvmd_cstate *s,
			     int (*fn)(const Pb__Waiting *w, void *arg), void *arg)
{
	int rc = 0;

	for (const struct waiting *w = s->queue; w && rc >= 0; w = w->hh.next)
		rc = fn(w->msg, arg);
	return rc < 0 ? rc : 0;
}

size_t dvmd_cstate_queued(const struct dvmd_cstate *s)
{
	return HASH_COUNT(s->queue);
}

/* ---- rules ---- */

static int check_priority(uint64_t id, int32_t priority, dvm_error_t *err)
{
	if (priority < -PRIORITY_MAX || priority > PRIORITY_MAX)
		return refuse(err, -EINVAL, "job %llu: priority %d is not within -%d … %d",
			      (unsigned long long)id, priority, PRIORITY_MAX, PRIORITY_MAX);
	return 0;
}

static int check_after(const Pb__Waiting *w, dvm_error_t *err)
{
	unsigned long long id = w->id;

	if (w->n_after > AFTER_MAX)
		return refuse(err, -EINVAL, "job %llu waits for more than %d jobs", id, AFTER_MAX);
	for (size_t i = 0; i < w->n_after; i++) {
		if (w->after[i]->job == 0 || w->after[i]->job >= w->id)
			return refuse(err, -ENOENT,
				      "job %llu cannot wait for job %llu: there is none", id,
				      (unsigned long long)w->after[i]->job);
		if ((unsigned)w->after[i]->kind > PB__AFTER__KIND__STARTED)
			return refuse(err, -EINVAL, "job %llu: unknown dependency", id);
	}
	return 0;
}

static int check_waiting(const Pb__Waiting *w, dvm_error_t *err)
{
	unsigned long long id = w->id;

	if (!w->spec || w->spec->n_argv == 0 || !w->spec->argv[0][0])
		return refuse(err, -EINVAL, "job %llu: no program", id);
	if (w->array > w->id)
		return refuse(err, -EINVAL, "job %llu is before its array", id);
	int rc = dvmd_gres_check(w->spec->gres, w->spec->n_gres, err);
	if (rc == 0)
		rc = check_priority(w->id, w->priority, err);
	return rc < 0 ? rc : check_after(w, err);
}

int dvmd_cstate_check_queue_add(const struct dvmd_cstate *s, const Pb__Waiting *w, dvm_error_t *err)
{
	if (w->id != s->next_job)
		return refuse(err, -EINVAL, "the next job must have id %llu, not %llu",
			      (unsigned long long)s->next_job, (unsigned long long)w->id);
	if (!dvmd_cstate_find_member(s, w->origin))
		return refuse(err, -ENOENT, "job %llu: no node with id %u, its origin",
			      (unsigned long long)w->id, w->origin);
	if (w->env_of && !find(s, w->env_of))
		return refuse(err, -ENOENT, "job %llu does not wait: it has no environment to share",
			      (unsigned long long)w->env_of);
	if (HASH_COUNT(s->queue) >= QUEUE_MAX)
		return refuse(err, -ENOSPC, "%u jobs wait already", QUEUE_MAX);
	return check_waiting(w, err);
}

int dvmd_cstate_check_queue_change(const struct dvmd_cstate *s, const Pb__WaitingChange *c,
				   dvm_error_t *err)
{
	if (!find(s, c->id))
		return refuse(err, -ENOENT, "job %llu does not wait", (unsigned long long)c->id);
	return check_priority(c->id, c->priority, err);
}

int dvmd_cstate_check_queue_end(const struct dvmd_cstate *s, const Pb__WaitingEnd *e,
				dvm_error_t *err)
{
	unsigned long long id = e->id;

	if (!find(s, e->id))
		return refuse(err, -ENOENT, "job %llu does not wait", id);
	if (e->exit_code < 0 || e->exit_code > 255)
		return refuse(err, -EINVAL, "job %llu: exit code %d is not within 0 … 255", id,
			      e->exit_code);
	if (strnlen(e->reason, REASON_MAX + 1) > REASON_MAX)
		return refuse(err, -EINVAL, "job %llu: its reason is too long", id);
	return 0;
}

/* ---- changes ---- */

static void drop(struct dvmd_cstate *s, struct waiting *w)
{
	HASH_DEL(s->queue, w);
	dvmd_cstate_env_drop(s, w->msg->spec, &w->env);
	dvmi_pb_free(w->msg);
	free(w);
}

void dvmd_cstate_queue_starts(struct dvmd_cstate *s, struct job *j)
{
	struct waiting *w = find(s, j->id);

	dvmd_cstate_env_move(j->msg->spec, &j->env, w->msg->spec, &w->env);
	drop(s, w);
}

void dvmd_cstate_queue_free(struct dvmd_cstate *s)
{
	while (s->queue)
		drop(s, s->queue);
}

static int insert(struct dvmd_cstate *s, const Pb__Waiting *msg, uint64_t submitted)
{
	struct waiting *w = calloc(1, sizeof *w);

	if (!w || !(w->msg = dvmi_pb_dup(msg))) {
		free(w);
		return -ENOMEM;
	}
	w->id = msg->id;
	w->msg->submitted = submitted;
	HASH_ADD(hh, s->queue, id, sizeof w->id, w);
	if (w->hh.tbl && dvmd_cstate_env_share(s, w->msg->spec, &w->env) == 0)
		return 0;
	if (w->hh.tbl)
		HASH_DEL(s->queue, w);
	dvmi_pb_free(w->msg);
	free(w);
	return -ENOMEM;
}

static void take_env(struct dvmd_cstate *s, struct waiting *w)
{
	if (w->msg->env_of)
		dvmd_cstate_env_borrow(w->msg->spec, &w->env, find(s, w->msg->env_of)->env);
	w->msg->env_of = 0;
}

int dvmd_cstate_queue_add(struct dvmd_cstate *s, const Pb__Waiting *w, uint64_t wall)
{
	int rc = insert(s, w, wall);

	if (rc < 0)
		return rc;
	s->next_job++;
	take_env(s, find(s, w->id));
	return 0;
}

int dvmd_cstate_queue_change(struct dvmd_cstate *s, const Pb__WaitingChange *c)
{
	struct waiting *w = find(s, c->id);

	w->msg->held = c->held;
	w->msg->priority = c->priority;
	w->msg->begin = c->begin;
	w->msg->spec->timeout_ns = c->limit;
	return 0;
}

/* What is remembered of a job that never ran. */
static Pb__JobRecord *record(const Pb__Waiting *w, const Pb__WaitingEnd *e, uint64_t wall)
{
	Pb__JobRecord r = PB__JOB_RECORD__INIT;
	Pb__Placement nowhere = PB__PLACEMENT__INIT;
	Pb__JobUsage usage = PB__JOB_USAGE__INIT;
	Pb__JobSpec lean = *w->spec;

	lean.n_env = 0;
	nowhere.ranks = w->spec->ranks;
	r.id = w->id;
	r.spec = &lean;
	r.placement = &nowhere;
	r.origin = w->origin;
	r.state = PB__JOB_STATE__JOB_DONE;
	r.submitted = w->submitted;
	r.ended = wall;
	usage.how = e->exit_code ? PB__JOB_HOW__HOW_CANCELLED : PB__JOB_HOW__HOW_DONE;
	r.usage = &usage;
	r.restarts = w->restarts;
	r.exit_code = e->exit_code;
	r.reason = e->reason;
	return dvmi_pb_dup(&r);
}

int dvmd_cstate_queue_end(struct dvmd_cstate *s, const Pb__WaitingEnd *e, uint64_t wall)
{
	struct waiting *w = find(s, e->id);
	Pb__JobRecord *r = record(w->msg, e, wall);

	if (!r)
		return -ENOMEM;
	if (dvmd_cstate_insert_done(s, r) < 0) {
		dvmi_pb_free(r);
		return -ENOMEM;
	}
	drop(s, w);
	return 0;
}

/* It waits again under a new id: nodes may still know the old one. */
int dvmd_cstate_requeue(struct dvmd_cstate *s, struct job *j)
{
	const Pb__JobRecord *r = j->msg;
	Pb__Waiting w = PB__WAITING__INIT;
	Pb__JobSpec lean = *r->spec;

	lean.n_env = 0;
	w.id = s->next_job;
	w.spec = &lean;
	w.origin = r->origin;
	w.priority = r->priority;
	w.array = r->spec->array;
	w.task = r->spec->task;
	w.at_once = r->at_once;
	w.restarts = r->restarts + 1;
	int rc = insert(s, &w, r->submitted);
	if (rc < 0)
		return rc;
	struct waiting *fresh = find(s, w.id);
	dvmd_cstate_env_move(fresh->msg->spec, &fresh->env, j->msg->spec, &j->env);
	j->msg->next = w.id;
	s->next_job++;
	return 0;
}

/* Takes that back. */
void dvmd_cstate_unqueue(struct dvmd_cstate *s, struct job *j)
{
	struct waiting *fresh = find(s, j->msg->next);

	dvmd_cstate_env_move(j->msg->spec, &j->env, fresh->msg->spec, &fresh->env);
	drop(s, fresh);
	j->msg->next = 0;
	s->next_job--;
}

int dvmd_cstate_restore_waiting(struct dvmd_cstate *s, const Pb__Waiting *w, dvm_error_t *err)
{
	const struct waiting *last =
		s->queue ? ELMT_FROM_HH(s->queue->hh.tbl, s->queue->hh.tbl->tail) : NULL;
	int rc = check_waiting(w, err);

	if (rc < 0)
		return rc;
	if (w->id == 0 || w->id >= s->next_job || (last && w->id <= last->id) ||
	    dvmd_cstate_find_job(s, w->id) || (w->env_of && !find(s, w->env_of)))
		return refuse(err, -DVM_EPROTO, "waiting job %llu does not fit the others",
			      (unsigned long long)w->id);
	rc = insert(s, w, w->submitted);
	if (rc == 0)
		take_env(s, find(s, w->id));
	return rc;
}
