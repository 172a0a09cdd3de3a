/* SPDX-License-Identifier: BSD-3-Clause */
/* How a job moves on, from being launched to its end, and who ends with it. */
#include "daemon/jobctl_private.h"

#define SETTLE (300 * DVMI_MSEC) /* in which nodes that cannot start say so together */
#define HOLD   (150 * DVMI_MSEC) /* of a mere exit code, in which its cause may be told elsewhere */

enum event { EV_STARTED, EV_FAIL, EV_FINAL, EVENTS };

static const Pb__JobState transitions[][EVENTS] = {
	/*              all shares run  something failed  no share is left */
	[S(LAUNCHING)] = { S(RUNNING), S(ENDING), S(DONE) },
	[S(RUNNING)] = { S(RUNNING), S(ENDING), S(DONE) },
	[S(ENDING)] = { S(ENDING), S(ENDING), S(DONE) },
	[S(DONE)] = { S(DONE), S(DONE), S(DONE) },
};

static void end_children(struct dvmd_jobctl *c, const struct job *parent, uint64_t now,
			 uint64_t grace);

static void share_fate(struct dvmd_jobctl *c, const struct job *j, uint64_t now);

static bool ran(const struct job *j)
{
	return j->state == S(RUNNING) || dvmd_jobctl_every(j, dvmd_jobctl_is_running);
}

void dvmd_jobctl_begin_end(struct dvmd_jobctl *c, struct job *j, uint64_t now, uint64_t grace)
{
	if (j->state == S(ENDING) || j->state == S(DONE))
		return;
	bool has_run = ran(j);
	j->state = transitions[j->state][EV_FAIL];
	if (has_run)
		share_fate(c, j, now);
	j->weak = false;
	j->hold_by = UINT64_MAX;
	j->kill_by = later(now, grace + 2 * DVMI_SEC); /* said again to who may have missed it */
	j->give_up_by = later(now, grace + c->config.end_timeout);
	dvmd_jobctl_push_change(c, j);
	dvmd_jobctl_push_kill(c, j, grace);
	end_children(c, j, now, grace);
}

/*
 * A job that failed takes its spawner along, whose ranks wait for its ranks; unless it never ran,
 * which the spawner is told as an answer.
 */
static void share_fate(struct dvmd_jobctl *c, const struct job *j, uint64_t now)
{
	struct job *parent = j->one_fate ? dvmd_jobctl_find(c, j->parent) : NULL;

	if (!parent || !j->exit_code || parent->keep_going || parent->state == S(ENDING))
		return;
	dvmd_jobctl_blame(parent, HOW(FAILED), j->exit_code,
			  "job %llu, which it has spawned, has failed: %s",
			  (unsigned long long)j->id, reason_of(j));
	dvmd_jobctl_begin_end(c, parent, now, c->config.kill_grace);
}

/* As deep as jobs have spawned jobs; one that is ending already is not visited again. */
static void end_children(struct dvmd_jobctl *c, const struct job *parent, uint64_t now,
			 uint64_t grace)
{
	struct job *j, *tmp;

	HASH_ITER(hh, c->jobs, j, tmp)
		if (j->parent == parent->id && j->state != S(ENDING)) {
			dvmd_jobctl_blame(j, HOW(CANCELLED), 1,
					  "job %llu, which spawned it, is ended",
					  (unsigned long long)parent->id);
			dvmd_jobctl_begin_end(c, j, now, grace);
		}
}

/* The parent has ended by itself: so may its children, for a moment. */
static void orphan_children(struct dvmd_jobctl *c, uint64_t parent, uint64_t now)
{
	for (struct job *j = c->jobs; j; j = j->hh.next)
		if (j->parent == parent && j->orphan_by == UINT64_MAX && !j->one_fate)
			j->orphan_by = later(now, ORPHAN_GRACE);
}

static void finish(struct dvmd_jobctl *c, struct job *j, uint64_t now)
{
	orphan_children(c, j->id, now);
	dvmd_jobctl_fold_failures(j);
	bool failed = j->state != S(ENDING) && ran(j);
	j->state = transitions[j->state][EV_FINAL];
	if (failed)
		share_fate(c, j, now);
	dvmd_jobctl_push_change(c, j);
	dvmd_jobctl_push_ended(c, j);
	dvmd_jobctl_push(c, DVMD_DO_RELEASE, j->id);
	HASH_DEL(c->jobs, j);
	dvmd_jobctl_job_free(j);
}

/*
 * A program that is missing is mostly missing on every node. The others are given a moment to say
 * so before they are killed, so that the reason names all of them.
 */
static bool may_settle(const struct job *j, uint64_t now)
{
	bool start_failed = false;

	for (size_t i = 0; i < j->nshares; i++) {
		const Pb__JobStatus *st = j->shares[i].status;
		bool failed = dvmd_jobctl_start_failure(&j->shares[i]) != NULL;
		start_failed |= failed;
		if (j->shares[i].dead ||
		    (st && !failed && (dvmd_jobctl_first_failed(st) || *st->abort_text)))
			return false;
	}
	return j->state == S(LAUNCHING) && start_failed && now < j->settle_by;
}

/* Others are not ended yet: the crash that the failure may follow from is still to be heard of. */
static bool may_hold(struct job *j, uint64_t now)
{
	if (j->weak && j->hold_by == UINT64_MAX)
		j->hold_by = later(now, HOLD);
	return j->weak && now < j->hold_by;
}

void dvmd_jobctl_reconsider(struct dvmd_jobctl *c, struct job *j, uint64_t now)
{
	bool must_end = false;

	for (size_t i = 0; i < j->nshares; i++)
		must_end |= dvmd_jobctl_judge(j, &j->shares[i]);
	if (dvmd_jobctl_every(j, dvmd_jobctl_is_final)) {
		finish(c, j, now);
		return;
	}
	if (must_end && j->settle_by == UINT64_MAX)
		j->settle_by = later(now, SETTLE);
	if (must_end && may_hold(j, now))
		return;
	if (must_end && !may_settle(j, now))
		dvmd_jobctl_begin_end(c, j, now, c->config.kill_grace);
	if (must_end)
		return;
	if (j->state == S(LAUNCHING) && dvmd_jobctl_every(j, dvmd_jobctl_is_running)) {
		j->state = transitions[j->state][EV_STARTED];
		dvmd_jobctl_push_change(c, j);
		dvmd_jobctl_push_event(c, j, PB__JOB_EVENT__KIND__STARTED, "");
	}
}
