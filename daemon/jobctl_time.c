/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of a job when a time has come: limits, warnings, patience that is at its end. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/jobctl_private.h"

void dvmd_jobctl_plan_end(struct job *j, uint64_t now, uint64_t ran)
{
	j->since = now - ran;
	j->ends_by = j->limit ? later(now, ran < j->limit ? j->limit - ran : 0) : UINT64_MAX;
	j->warn_at = j->ends_by > j->warn_before ? j->ends_by - j->warn_before : 0;
}

void dvmd_jobctl_has_run(struct dvmd_jobctl *c, uint64_t job, uint64_t ran, uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, job);

	if (j)
		dvmd_jobctl_plan_end(j, now, ran);
}

void dvmd_jobctl_limit(struct dvmd_jobctl *c, uint64_t job, const Pb__JobSpec *spec, uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, job);

	if (!j)
		return;
	uint64_t then = j->stopped ? j->stopped : now; /* what follows is added when it goes on */
	j->limit = spec->timeout_ns;
	j->warn_signal = j->limit ? spec->warn_signal : 0;
	dvmd_jobctl_plan_end(j, then, then - j->since);
}

void dvmd_jobctl_stopped(struct dvmd_jobctl *c, uint64_t job, bool stopped, uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, job);

	if (!j || stopped == (j->stopped != 0))
		return;
	if (!stopped)
		j->since += now - j->stopped;
	if (!stopped && j->ends_by != UINT64_MAX) {
		j->ends_by = later(j->ends_by, now - j->stopped);
		j->warn_at = later(j->warn_at, now - j->stopped);
	}
	j->stopped = stopped ? now : 0;
}

/* What a share that is not running yet says it waits for, with ": " in front; or "". */
static const char *late_text(const struct job *j, char *out, size_t size)
{
	for (size_t i = 0; i < j->nshares; i++) {
		const struct share *s = &j->shares[i];
		if (dvmd_jobctl_is_running(s) || !s->status || !*s->status->text)
			continue;
		snprintf(out, size, ": %s", s->status->text);
		return out;
	}
	return "";
}

static void tick_launching(struct dvmd_jobctl *c, struct job *j, uint64_t now)
{
	char late[256];

	if (now >= j->launch_by) {
		char *names = dvmd_jobctl_names_not(j, dvmd_jobctl_is_running);
		dvmd_jobctl_blame(j, HOW(FAILED), 1,
				  "launch timed out: %s did not start all ranks in time%s",
				  names ? names : "some nodes", late_text(j, late, sizeof late));
		free(names);
		dvmd_jobctl_begin_end(c, j, now, 0);
	} else if (now >= j->notice_at) {
		char *names = dvmd_jobctl_names_not(j, dvmd_jobctl_is_running), *text = NULL;
		if (asprintf(&text, "waiting for %s to start the ranks%s",
			     names ? names : "some nodes", late_text(j, late, sizeof late)) >= 0)
			dvmd_jobctl_push_event(c, j, PB__JOB_EVENT__KIND__PHASE, text);
		free(names);
		free(text);
		j->notice_at = later(now, c->config.notice_after);
	}
}

static void give_up(struct dvmd_jobctl *c, struct job *j, uint64_t now)
{
	char *names = dvmd_jobctl_names_not(j, dvmd_jobctl_is_final), *text = NULL;

	if (asprintf(&text, "%s did not answer to the end of the job and was given up",
		     names ? names : "some nodes") >= 0)
		dvmd_jobctl_push_event(c, j, PB__JOB_EVENT__KIND__WARNING, text);
	free(names);
	free(text);
	for (size_t i = 0; i < j->nshares; i++)
		if (!dvmd_jobctl_is_final(&j->shares[i]))
			j->shares[i].dead = true;
	dvmd_jobctl_blame(j, HOW(LOST), 1, "nodes were given up");
	dvmd_jobctl_reconsider(c, j, now);
}

static void tick_ending(struct dvmd_jobctl *c, struct job *j, uint64_t now)
{
	if (now >= j->give_up_by) {
		give_up(c, j, now);
	} else if (now >= j->kill_by) {
		dvmd_jobctl_push_kill(c, j, 0);
		j->kill_by = later(now, 2 * DVMI_SEC);
	}
}

static void tick_orphan(struct dvmd_jobctl *c, struct job *j, uint64_t now)
{
	j->orphan_by = UINT64_MAX;
	if (dvmd_jobctl_find(c, j->parent) || j->state == S(ENDING))
		return;
	dvmd_jobctl_blame(j, HOW(CANCELLED), 1, "job %llu, which spawned it, has ended",
			  (unsigned long long)j->parent);
	dvmd_jobctl_begin_end(c, j, now, c->config.kill_grace);
}

static void tick_warning(struct dvmd_jobctl *c, struct job *j)
{
	struct dvmd_jobctl_action *a = dvmd_jobctl_push(c, DVMD_DO_KILL, j->id);
	Pb__JobSignal warning = PB__JOB_SIGNAL__INIT;

	warning.job = j->id;
	warning.signal = j->warn_signal;
	if (a)
		a->kill = dvmi_pb_dup(&warning);
	j->warn_signal = 0;
}

static void tick_leaving(struct dvmd_jobctl *c, struct job *j, uint64_t now)
{
	j->leave_by = UINT64_MAX;
	if (j->state == S(ENDING))
		return;
	j->signal = SIGTERM;
	dvmd_jobctl_blame(j, HOW(PREEMPTED), 128 + SIGTERM, "did not leave in time for job %llu",
	      (unsigned long long)j->wanted_by);
	dvmd_jobctl_begin_end(c, j, now, c->config.kill_grace);
}

static void tick_job(struct dvmd_jobctl *c, struct job *j, uint64_t now)
{
	if (now >= j->leave_by)
		tick_leaving(c, j, now);
	if (j->warn_signal && j->state == S(RUNNING) && !j->stopped && now >= j->warn_at)
		tick_warning(c, j);
	if (now >= j->orphan_by)
		tick_orphan(c, j, now);
	if (j->state != S(ENDING) && !j->stopped && now >= j->ends_by) {
		dvmd_jobctl_blame(j, HOW(TIMEOUT), TIMEOUT_EXIT, "time limit reached");
		dvmd_jobctl_begin_end(c, j, now, c->config.kill_grace);
	}
	if (now >= j->hold_by) {
		j->weak = false;
		j->hold_by = UINT64_MAX;
		dvmd_jobctl_reconsider(c, j, now);
	} else if (j->state == S(LAUNCHING) && now >= j->settle_by)
		dvmd_jobctl_reconsider(c, j, now);
	else if (j->state == S(LAUNCHING))
		tick_launching(c, j, now);
	else if (j->state == S(ENDING))
		tick_ending(c, j, now);
}

void dvmd_jobctl_tick(struct dvmd_jobctl *c, uint64_t now)
{
	struct job *j, *tmp;

	HASH_ITER(hh, c->jobs, j, tmp)
		tick_job(c, j, now);
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t dvmd_jobctl_next_deadline(const struct dvmd_jobctl *c)
{
	uint64_t next = UINT64_MAX;

	for (const struct job *j = c->jobs; j; j = j->hh.next) {
		if (j->state == S(LAUNCHING))
			next = min_u64(next, min_u64(j->settle_by,
						     min_u64(j->launch_by, j->notice_at)));
		if (j->state == S(ENDING))
			next = min_u64(next, min_u64(j->kill_by, j->give_up_by));
		else
			next = min_u64(next,
				       min_u64(j->hold_by, min_u64(j->orphan_by, j->leave_by)));
		if (j->state != S(ENDING) && !j->stopped)
			next = min_u64(next, j->ends_by);
		if (j->warn_signal && j->state == S(RUNNING) && !j->stopped)
			next = min_u64(next, j->warn_at);
	}
	return next;
}
