/* SPDX-License-Identifier: BSD-3-Clause */
/* What the leader is to do for its jobs: a queue of actions, and how each is made. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "daemon/jobctl_private.h"

#define REASON_MAX 2048 /* bytes of a reason that goes to the log, which refuses longer ones */

struct dvmd_jobctl_action *dvmd_jobctl_push(struct dvmd_jobctl *c, enum dvmd_jobctl_do what,
				       uint64_t job)
{
	struct queued *q = calloc(1, sizeof *q);

	if (!q)
		return NULL; /* the tick tries again: each action follows from what is kept */
	q->action.what = what;
	q->action.job = job;
	LL_APPEND(c->queue, q);
	return &q->action;
}

void dvmd_jobctl_push_event(struct dvmd_jobctl *c, const struct job *j, Pb__JobEvent__Kind kind,
		       const char *text)
{
	struct dvmd_jobctl_action *a = dvmd_jobctl_push(c, DVMD_DO_EVENT, j->id);
	Pb__JobEvent event = PB__JOB_EVENT__INIT;

	event.job = j->id;
	event.kind = kind;
	event.text = (char *)text;
	if (a)
		a->event = dvmi_pb_dup(&event);
}

static Pb__OutputEnd *make_end(const struct share *s)
{
	Pb__OutputEnd *end = malloc(sizeof *end);

	if (!end)
		return NULL;
	pb__output_end__init(end);
	end->node = s->node;
	end->lost = s->dead;
	end->seq = s->status ? s->status->output_seq : 0;
	return end;
}

/* How much output there is of each share; NULL: out of memory. */
static Pb__JobEnds *make_ends(const struct job *j)
{
	Pb__JobEnds *ends = malloc(sizeof *ends);

	if (!ends)
		return NULL;
	pb__job_ends__init(ends);
	ends->nodes = calloc(j->nshares + 1, sizeof *ends->nodes);
	for (size_t i = 0; ends->nodes && i < j->nshares; i++)
		if ((ends->nodes[ends->n_nodes] = make_end(&j->shares[i])))
			ends->n_nodes++;
	return ends;
}

static Pb__JobUsage usage_of(const struct job *j)
{
	Pb__JobUsage u = PB__JOB_USAGE__INIT;

	u.how = j->exit_code ? j->how : HOW(DONE);
	u.signal = j->signal;
	for (size_t i = 0; i < j->nshares; i++) {
		const Pb__JobStatus *st = j->shares[i].status;
		if (st && st->ran_ns > u.ran_ns)
			u.ran_ns = st->ran_ns;
		for (size_t k = 0; st && k < st->n_ranks; k++) {
			u.cpu_ns += st->ranks[k]->cpu_ns;
			if (st->ranks[k]->rss_peak > u.rss_peak)
				u.rss_peak = st->ranks[k]->rss_peak;
		}
	}
	return u;
}

void dvmd_jobctl_push_change(struct dvmd_jobctl *c, const struct job *j)
{
	struct dvmd_jobctl_action *a = dvmd_jobctl_push(c, DVMD_DO_CHANGE, j->id);
	Pb__JobChange change = PB__JOB_CHANGE__INIT;
	Pb__JobUsage usage = usage_of(j);

	change.id = j->id;
	change.state = j->state;
	char reason[REASON_MAX];

	snprintf(reason, sizeof reason, "%s", reason_of(j));
	change.exit_code = j->exit_code;
	change.reason = reason;
	change.ran = j->state == S(DONE) && dvmd_jobctl_every(j, dvmd_jobctl_is_running);
	change.ends = j->state == S(DONE) && !j->detached ? make_ends(j) : NULL;
	change.usage = j->state == S(DONE) ? &usage : NULL;
	change.again = j->state == S(DONE) && (j->again || (j->requeue && j->how == HOW(LOST)));
	if (a)
		a->change = dvmi_pb_dup(&change);
	dvmi_pb_free(change.ends);
}

void dvmd_jobctl_push_kill(struct dvmd_jobctl *c, const struct job *j, uint64_t grace)
{
	struct dvmd_jobctl_action *a = dvmd_jobctl_push(c, DVMD_DO_KILL, j->id);
	Pb__JobSignal kill = PB__JOB_SIGNAL__INIT;

	kill.job = j->id;
	kill.end = true;
	kill.grace_ns = grace;
	kill.signal = grace ? SIGTERM : SIGKILL; /* no grace period is not the same as none given */
	kill.reason = reason_of(j);
	if (a)
		a->kill = dvmi_pb_dup(&kill);
}

void dvmd_jobctl_push_ended(struct dvmd_jobctl *c, const struct job *j)
{
	struct dvmd_jobctl_action *a = dvmd_jobctl_push(c, DVMD_DO_EVENT, j->id);
	Pb__JobEvent event = PB__JOB_EVENT__INIT;
	Pb__JobEnds *ends = make_ends(j);

	event.job = j->id;
	event.kind = PB__JOB_EVENT__KIND__ENDED;
	event.exit_code = j->exit_code;
	event.text = reason_of(j);
	event.ends = ends ? ends->nodes : NULL;
	event.n_ends = ends ? ends->n_nodes : 0;
	if (a)
		a->event = dvmi_pb_dup(&event);
	dvmi_pb_free(ends);
}

void dvmd_jobctl_push_lost(struct dvmd_jobctl *c, const struct job *j, const struct share *s)
{
	struct dvmd_jobctl_action *a = dvmd_jobctl_push(c, DVMD_DO_LOST, j->id);
	Pb__RanksState lost = PB__RANKS_STATE__INIT;
	size_t n = s->status ? s->status->n_ranks : 0;
	uint32_t *gone = calloc(n + 1, sizeof *gone);

	lost.job = j->id;
	lost.node = s->node;
	for (size_t i = 0; gone && i < n; i++)
		gone[i] = s->status->ranks[i]->rank;
	lost.n_gone = gone ? n : 0;
	lost.gone = gone;
	if (a)
		a->lost = dvmi_pb_dup(&lost);
	free(gone);
}

void dvmd_jobctl_push_notes(struct dvmd_jobctl *c, const struct job *j, const struct share *s,
		       const Pb__JobStatus *st)
{
	size_t said = s->status ? s->status->n_notes : j->recovered ? st->n_notes : 0;
	char text[512];

	for (size_t i = said; i < st->n_notes; i++) {
		snprintf(text, sizeof text, "%s: %s", s->name, st->notes[i]);
		dvmd_jobctl_push_event(c, j, PB__JOB_EVENT__KIND__WARNING, text);
	}
}

bool dvmd_jobctl_next(struct dvmd_jobctl *c, struct dvmd_jobctl_action *out)
{
	struct queued *q = c->queue;

	if (!q)
		return false;
	LL_DELETE(c->queue, q);
	*out = q->action;
	free(q);
	return true;
}

void dvmd_jobctl_action_free(struct dvmd_jobctl_action *a)
{
	dvmi_pb_free(a->change);
	dvmi_pb_free(a->kill);
	dvmi_pb_free(a->event);
	dvmi_pb_free(a->lost);
	*a = (struct dvmd_jobctl_action){ 0 };
}
