/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/grow.h"
#include "sched/dsched_replay.h"
#include "sched/queue_private.h"

#define SECOND	  UINT64_C(1000000000)
#define SHORT_JOB (10 * SECOND) /* shorter ones count as so long in a slowdown */

struct running {
	size_t job;
	struct dsched_use *uses;
	uint32_t nuses;
	uint64_t end; /* as it will be */
};

struct world {
	struct dsched_trace *t;
	struct dsched_snapshot snap;
	struct dsched_node *nodes; /* our own */
	const struct dsched_policy *policy;
	struct dsched_replay *r;
	struct running *running;
	size_t nrunning;
	size_t *waiting;       /* indexes of jobs */
	size_t nwaiting, next; /* next: of those that are still to be submitted */
	size_t *order;	       /* jobs by submission */
	size_t *by_id;
	struct dsched_job *jobs;
	struct dsched_run *runs;
	struct dsched_depend *depends;
	uint64_t now, used;
};

static uint64_t job_length(const struct dsched_trace_job *j)
{
	return j->limit && j->limit < j->runtime ? j->limit : j->runtime;
}

/* ---- using and giving back ---- */

static void use(struct world *w, const struct dsched_use *u, int sign)
{
	struct dsched_node *n = &w->nodes[u->node];

	n->slots_used += (uint32_t)sign * u->slots;
	n->jobs += (uint32_t)sign;
	n->mem_free -= (uint64_t)sign * u->mem;
	n->exclusive = sign > 0 ? n->exclusive || u->exclusive : n->exclusive && !u->exclusive;
	for (int k = 0; k < DSCHED_GRES_MAX; k++)
		n->gres_used[k] += (uint32_t)sign * u->gres[k];
	w->used += (uint64_t)sign * u->slots;
}

static int run_job(struct world *w, size_t i, const struct dsched_placement *p)
{
	struct dsched_trace_job *j = &w->t->jobs[i];
	struct running *r = &w->running[w->nrunning];

	*r = (struct running){ .job = i, .nuses = p->nnodes, .end = w->now + job_length(j) };
	if (dsched_placement_uses(&j->req, p, &r->uses) < 0)
		return -ENOMEM;
	for (uint32_t k = 0; k < p->nnodes; k++) {
		if (!w->nodes[r->uses[k].node].mem)
			r->uses[k].mem = 0;
		use(w, &r->uses[k], 1);
		w->r->used += r->uses[k].slots * (job_length(j) / SECOND);
	}
	w->nrunning++;
	j->start = w->now;
	j->end = r->end;
	return 0;
}

static void end_job(struct world *w, size_t k)
{
	struct running *r = &w->running[k];

	for (uint32_t i = 0; i < r->nuses; i++)
		use(w, &r->uses[i], -1);
	free(r->uses);
	*r = w->running[--w->nrunning];
}

/* ---- a decision ---- */

static const struct dsched_trace_job *find(const struct world *w, uint64_t id)
{
	size_t lo = 0, hi = w->t->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (w->t->jobs[w->by_id[mid]].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	const struct dsched_trace_job *j = lo < w->t->n ? &w->t->jobs[w->by_id[lo]] : NULL;
	return j && j->id == id ? j : NULL;
}

static enum dsched_fate fate(const struct world *w, uint64_t id)
{
	const struct dsched_trace_job *j = find(w, id);

	if (j && j->start == DSCHED_NEVER)
		return DSCHED_F_WAITS;
	return j && j->end > w->now ? DSCHED_F_RUNS : DSCHED_F_OK;
}

static struct dsched_job as_job(struct world *w, size_t k)
{
	const struct dsched_trace_job *j = &w->t->jobs[w->waiting[k]];

	w->depends[k] = (struct dsched_depend){ .job = j->after };
	if (j->after)
		w->depends[k].fate = fate(w, j->after);
	return (struct dsched_job){ .id = j->id,
				    .req = &j->req,
				    .submitted = j->submit,
				    .limit = j->limit,
				    .user = j->user,
				    .depends = &w->depends[k],
				    .ndepends = j->after != 0 };
}

static struct dsched_run as_run(const struct world *w, const struct running *r)
{
	const struct dsched_trace_job *j = &w->t->jobs[r->job];

	return (struct dsched_run){ .id = j->id,
				    .start = j->start,
				    .end = j->limit ? j->start + j->limit : DSCHED_NEVER,
				    .uses = r->uses,
				    .nuses = r->nuses };
}

static void count_start(struct dsched_replay *r, const struct dsched_trace_job *j, uint64_t oldest)
{
	uint64_t wait = j->start - j->submit, length = job_length(j);
	uint64_t base = length > SHORT_JOB ? length : SHORT_JOB;

	r->started++;
	r->wait_sum += wait;
	if (wait > r->wait_max)
		r->wait_max = wait;
	r->slowdown_sum += (wait + base) / (base / 1000);
	r->passed += j->submit > oldest;
}

/* When the oldest job was submitted that waits for room. */
static uint64_t oldest_waiting(const struct world *w, const struct dsched_decision *d)
{
	uint64_t oldest = DSCHED_NEVER;

	for (size_t k = 0; k < w->nwaiting; k++) {
		enum dsched_why why = d->answers[k].why;
		uint64_t at = w->t->jobs[w->waiting[k]].submit;
		if ((why == DSCHED_W_RESOURCES || why == DSCHED_W_PRIORITY) && at < oldest)
			oldest = at;
	}
	return oldest;
}

/* Takes the answer about the K-th waiting job. 1: it waits on; 0: it does not; -ENOMEM. */
static int obey_one(struct world *w, size_t k, struct dsched_answer *a, uint64_t oldest)
{
	struct dsched_trace_job *j = &w->t->jobs[w->waiting[k]];

	if (a->why == DSCHED_W_IMPOSSIBLE) {
		w->r->impossible++;
		return 0;
	}
	if (a->why != DSCHED_STARTS) {
		if (j->promised == DSCHED_NEVER)
			j->promised = a->start;
		return 1;
	}
	if (run_job(w, w->waiting[k], &a->placement) < 0)
		return -ENOMEM;
	count_start(w->r, j, oldest);
	return 0;
}

/* What is left of the waiting ones keeps its order. */
static int obey(struct world *w, const struct dsched_decision *d)
{
	uint64_t oldest = oldest_waiting(w, d);
	size_t left = 0;

	for (size_t k = 0; k < w->nwaiting; k++) {
		int rc = obey_one(w, k, &d->answers[k], oldest);
		if (rc < 0)
			return rc;
		if (rc)
			w->waiting[left++] = w->waiting[k];
	}
	w->nwaiting = left;
	return 0;
}

static int decide(struct world *w)
{
	struct dsched_queue q = { .size = sizeof q,
				  .now = w->now,
				  .snap = &w->snap,
				  .runs = w->runs,
				  .nruns = w->nrunning,
				  .jobs = w->jobs,
				  .njobs = w->nwaiting,
				  .policy = w->policy };
	struct dsched_decision d;

	for (size_t k = 0; k < w->nrunning; k++)
		w->runs[k] = as_run(w, &w->running[k]);
	for (size_t k = 0; k < w->nwaiting; k++)
		w->jobs[k] = as_job(w, k);
	int rc = dsched_decide(&q, &d);
	if (rc < 0)
		return rc;
	w->r->decisions++;
	rc = obey(w, &d);
	dsched_decision_free(&d);
	return rc;
}

/* ---- events ---- */

static uint64_t next_event(const struct world *w)
{
	uint64_t at = w->next < w->t->n ? w->t->jobs[w->order[w->next]].submit : DSCHED_NEVER;

	for (size_t k = 0; k < w->nrunning; k++)
		if (w->running[k].end < at)
			at = w->running[k].end;
	return at;
}

static void happen(struct world *w)
{
	for (size_t k = 0; k < w->nrunning;)
		if (w->running[k].end <= w->now)
			end_job(w, k);
		else
			k++;
	while (w->next < w->t->n && w->t->jobs[w->order[w->next]].submit <= w->now)
		w->waiting[w->nwaiting++] = w->order[w->next++];
}

static int note(struct world *w)
{
	struct dsched_replay *r = w->r;

	if (dvmi_grow(&r->points, r->npoints, &r->cap, sizeof *r->points) < 0)
		return -ENOMEM;
	r->points[r->npoints++] = (struct dsched_replay_point){ w->now, w->used, w->nwaiting };
	r->end = w->now;
	return 0;
}

static int go(struct world *w)
{
	int rc = 0;

	while (rc == 0 && (w->now = next_event(w)) != DSCHED_NEVER) {
		happen(w);
		rc = w->nwaiting ? decide(w) : 0;
		if (rc == 0)
			rc = note(w);
	}
	return rc;
}

/* ---- begin and end ---- */

static int by_submit(const void *a, const void *b, void *arg)
{
	const struct dsched_trace *t = arg;
	const struct dsched_trace_job *x = &t->jobs[*(const size_t *)a],
				      *y = &t->jobs[*(const size_t *)b];

	if (x->submit != y->submit)
		return x->submit < y->submit ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static int by_id(const void *a, const void *b, void *arg)
{
	const struct dsched_trace *t = arg;
	uint64_t x = t->jobs[*(const size_t *)a].id, y = t->jobs[*(const size_t *)b].id;

	return (x > y) - (x < y);
}

static int set_up(struct world *w, const struct dsched_snapshot *snap)
{
	size_t n = w->t->n + 1;

	w->nodes = calloc(snap->nnodes + 1, sizeof *w->nodes);
	w->running = calloc(n, sizeof *w->running);
	w->waiting = calloc(n, sizeof *w->waiting);
	w->order = calloc(n, sizeof *w->order);
	w->by_id = calloc(n, sizeof *w->by_id);
	w->jobs = calloc(n, sizeof *w->jobs);
	w->runs = calloc(n, sizeof *w->runs);
	w->depends = calloc(n, sizeof *w->depends);
	if (!w->nodes || !w->running || !w->waiting || !w->order || !w->by_id || !w->jobs ||
	    !w->runs || !w->depends)
		return -ENOMEM;
	w->snap = *snap;
	w->snap.nodes = w->nodes;
	for (uint32_t i = 0; i < snap->nnodes; i++) {
		w->nodes[i] = snap->nodes[i];
		w->r->slots += snap->nodes[i].state == DSCHED_NODE_UP
				       ? dsched_node_slots(&snap->nodes[i])
				       : 0;
	}
	for (size_t i = 0; i < w->t->n; i++) {
		struct dsched_trace_job *j = &w->t->jobs[i];
		j->start = j->end = j->promised = DSCHED_NEVER;
		w->order[i] = w->by_id[i] = i;
	}
	qsort_r(w->order, w->t->n, sizeof *w->order, by_submit, w->t);
	qsort_r(w->by_id, w->t->n, sizeof *w->by_id, by_id, w->t);
	w->r->begin = w->t->n ? w->t->jobs[w->order[0]].submit : 0;
	return 0;
}

static void tear_down(struct world *w)
{
	for (size_t k = 0; k < w->nrunning; k++)
		free(w->running[k].uses);
	free(w->nodes);
	free(w->running);
	free(w->waiting);
	free(w->order);
	free(w->by_id);
	free(w->jobs);
	free(w->runs);
	free(w->depends);
}

int dsched_replay(struct dsched_trace *t, const struct dsched_snapshot *snap,
		  const struct dsched_policy *policy, struct dsched_replay *out)
{
	struct dsched_replay r = { 0 };
	struct world w = { .t = t, .policy = policy, .r = &r };
	int rc = set_up(&w, snap);

	if (rc == 0)
		rc = go(&w);
	tear_down(&w);
	if (rc < 0)
		dsched_replay_free(&r);
	else
		*out = r;
	return rc;
}

void dsched_replay_free(struct dsched_replay *r)
{
	free(r->points);
	*r = (struct dsched_replay){ 0 };
}
