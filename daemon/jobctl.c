/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs as the leader sees them. A job is a list of shares, one per node; every decision follows
 * from what the shares last reported, so a report may be repeated, late or sent to a new leader.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/jobctl_private.h"
#include "dvm/error.h"

#define RESTARTS_MAX 100 /* of one that loses node after node */

struct job *dvmd_jobctl_find(const struct dvmd_jobctl *c, uint64_t id)
{
	struct job *j;

	HASH_FIND(hh, c->jobs, &id, sizeof id, j);
	return j;
}

static struct share *find_share(const struct job *j, uint32_t node)
{
	for (size_t i = 0; j && i < j->nshares; i++)
		if (j->shares[i].node == node)
			return &j->shares[i];
	return NULL;
}

void dvmd_jobctl_job_free(struct job *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->nshares; i++) {
		free(j->shares[i].name);
		free(j->shares[i].failed);
		dvmi_pb_free(j->shares[i].status);
	}
	free(j->shares);
	free(j->reason);
	free(j);
}

int dvmd_jobctl_create(struct dvmd_jobctl **out, const struct dvmd_jobctl_config *config)
{
	struct dvmd_jobctl *c = calloc(1, sizeof *c);

	if (!c)
		return -ENOMEM;
	c->config = *config;
	*out = c;
	return 0;
}

void dvmd_jobctl_destroy(struct dvmd_jobctl *c)
{
	struct job *j, *tmp;
	struct dvmd_jobctl_action a;

	if (!c)
		return;
	while (dvmd_jobctl_next(c, &a))
		dvmd_jobctl_action_free(&a);
	HASH_ITER(hh, c->jobs, j, tmp)
	{
		HASH_DEL(c->jobs, j);
		dvmd_jobctl_job_free(j);
	}
	free(c);
}

size_t dvmd_jobctl_count(const struct dvmd_jobctl *c)
{
	return HASH_COUNT(c->jobs);
}

static int make_shares(struct job *j, const Pb__Placement *p)
{
	j->shares = calloc(p->n_nodes ? p->n_nodes : 1, sizeof *j->shares);
	if (!j->shares)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_nodes; i++) {
		j->shares[i].node = p->nodes[i]->node;
		j->shares[i].name = strdup(p->nodes[i]->name);
		if (!j->shares[i].name)
			return -ENOMEM;
		j->nshares++;
	}
	return 0;
}

/* The leader has restarted since J began. */
static void recover(struct dvmd_jobctl *c, struct job *j, const Pb__JobRecord *record, uint64_t now)
{
	j->recovered = true;
	j->stopped = record->suspended ? now : 0;
	if (j->parent && !j->one_fate)
		j->orphan_by = later(now, ORPHAN_GRACE); /* has its parent ended meanwhile? */
	if (j->state == S(ENDING)) {
		/* Whoever was being killed is told again: the order may have been lost with us. */
		j->reason = record->reason && *record->reason ? strdup(record->reason) : NULL;
		j->exit_code = record->exit_code ? record->exit_code : 1;
		j->kill_by = now;
		j->give_up_by = later(now, c->config.kill_grace + c->config.end_timeout);
	}
}

int dvmd_jobctl_add(struct dvmd_jobctl *c, const Pb__JobRecord *record, bool recovered,
		    uint64_t now)
{
	if (!record->spec || !record->placement || dvmd_jobctl_find(c, record->id))
		return -EINVAL;
	struct job *j = calloc(1, sizeof *j);
	if (!j || make_shares(j, record->placement) < 0) {
		dvmd_jobctl_job_free(j);
		return -ENOMEM;
	}
	j->id = record->id;
	j->origin = record->origin;
	j->detached = record->spec->detached;
	j->keep_going = record->spec->keep_going;
	j->requeue = record->spec->requeue && record->spec->detached && !record->spec->parent_job &&
		     record->restarts < RESTARTS_MAX;
	j->state = record->state;
	j->launch_by = later(now, c->config.launch_timeout);
	j->notice_at = later(now, c->config.notice_after);
	j->limit = record->spec->timeout_ns;
	j->warn_signal = j->limit ? record->spec->warn_signal : 0;
	j->warn_before = record->spec->warn_ns;
	dvmd_jobctl_plan_end(j, now, 0);
	j->settle_by = j->kill_by = j->give_up_by = j->orphan_by = j->hold_by = UINT64_MAX;
	j->wanted_by = record->wanted_by;
	j->leave_by = record->wanted_by ? later(now, record->grace_ns) : UINT64_MAX;
	j->parent = record->spec->outlives_parent ? 0 : record->spec->parent_job;
	j->one_fate = record->spec->one_fate;
	if (recovered)
		recover(c, j, record, now);
	HASH_ADD(hh, c->jobs, id, sizeof j->id, j);
	return 0;
}

int dvmd_jobctl_status(struct dvmd_jobctl *c, const Pb__JobStatus *status, uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, status->job);
	struct share *s = find_share(j, status->node);

	if (!j)
		return -ENOENT;
	if (s && s->dead)
		return -ENOENT; /* it is back from the dead: the job goes on without it */
	if (!s || (s->status && s->status->serial >= status->serial))
		return 0;
	Pb__JobStatus *copy = dvmi_pb_dup(status);
	if (!copy)
		return -ENOMEM;
	dvmd_jobctl_push_notes(c, j, s, copy);
	dvmi_pb_free(s->status);
	s->status = copy;
	if (copy->phase == PB__SHARE_PHASE__SHARE_FAILED && j->state == S(RUNNING) &&
	    j->keep_going) {
		s->crashed = true;
		dvmd_jobctl_push_lost(c, j, s);
	}
	dvmd_jobctl_reconsider(c, j, now);
	return 0;
}

void dvmd_jobctl_launch_failed(struct dvmd_jobctl *c, uint64_t job, uint32_t node, int code,
			       const char *text, uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, job);
	struct share *s = find_share(j, node);

	if (!s || s->status || s->failed)
		return;
	s->failed = strdup(text);
	s->failed_code = code;
	dvmd_jobctl_reconsider(c, j, now);
}

static void job_node_down(struct dvmd_jobctl *c, struct job *j, uint32_t node, const char *name,
			  uint64_t now)
{
	struct share *s = find_share(j, node);

	if (j->origin == node && !j->detached) {
		dvmd_jobctl_blame(j, HOW(LOST), 1, "node %s, where it was started, was lost", name);
		dvmd_jobctl_begin_end(c, j, now, c->config.kill_grace);
	}
	if (s && !dvmd_jobctl_is_final(s)) {
		s->dead = true;
		dvmd_jobctl_blame(j, HOW(LOST), 1, "node %s was lost", name);
		dvmd_jobctl_push_lost(c, j, s);
		if (!j->keep_going && !dvmd_jobctl_every(j, dvmd_jobctl_is_final))
			dvmd_jobctl_begin_end(c, j, now, c->config.kill_grace);
		dvmd_jobctl_reconsider(c, j, now);
	}
}

void dvmd_jobctl_node_down(struct dvmd_jobctl *c, uint32_t node, const char *name, uint64_t now)
{
	struct job *j, *tmp;

	HASH_ITER(hh, c->jobs, j, tmp)
		job_node_down(c, j, node, name, now);
}

int dvmd_jobctl_end(struct dvmd_jobctl *c, uint64_t job, int signal, const char *reason,
		    uint64_t grace, uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, job);

	if (!j)
		return -ENOENT;
	if (grace == DVMD_JOBCTL_GRACE)
		grace = c->config.kill_grace;
	if (!j->exit_code || j->weak)
		j->signal = signal;
	dvmd_jobctl_blame(j, HOW(CANCELLED), signal > 0 ? 128 + signal : 1, "%s", reason);
	if (j->state == S(ENDING) && grace == 0)
		dvmd_jobctl_push_kill(c, j, 0);
	dvmd_jobctl_begin_end(c, j, now, grace);
	return 0;
}

int dvmd_jobctl_again(struct dvmd_jobctl *c, uint64_t job, Pb__JobHow how, const char *reason,
		      uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, job);

	if (!j)
		return -ENOENT;
	if (j->exit_code || j->state == S(ENDING))
		return -EBUSY;
	j->again = true;
	j->signal = SIGTERM;
	dvmd_jobctl_blame(j, how, 128 + SIGTERM, "%s", reason);
	dvmd_jobctl_begin_end(c, j, now, c->config.kill_grace);
	return 0;
}

void dvmd_jobctl_leave(struct dvmd_jobctl *c, uint64_t job, uint64_t other, uint64_t grace,
		       uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, job);

	if (!j || j->wanted_by)
		return;
	j->wanted_by = other;
	j->leave_by = later(now, grace);
}

const Pb__JobStatus *dvmd_jobctl_share(const struct dvmd_jobctl *c, uint64_t job, uint32_t node)
{
	const struct share *s = find_share(dvmd_jobctl_find(c, job), node);

	return s ? s->status : NULL;
}

void dvmd_jobctl_reannounce(struct dvmd_jobctl *c, uint64_t job)
{
	const struct job *j = dvmd_jobctl_find(c, job);

	if (j && j->state != S(LAUNCHING))
		dvmd_jobctl_push_event(c, j, PB__JOB_EVENT__KIND__STARTED, "");
}
