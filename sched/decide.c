/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dsched_decide(): through the queue in the order of priority. A job that fits starts; one of the
 * first that do not gets a date, and what it will take then is taken from the outlook of all who
 * come behind it. So they may pass it, but never delay it (Lifka's EASY with one date; conservative
 * backfill with many).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched/decide_private.h"

#define DEPTH_CONSERVE 50

/* ---- arrays ---- */

static struct tally *tally(struct decider *x, uint64_t array)
{
	size_t lo = 0, hi = x->ntallies;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (x->tallies[mid].array == array)
			return &x->tallies[mid];
		if (x->tallies[mid].array < array)
			lo = mid + 1;
		else
			hi = mid;
	}
	/* There is room for each run and job. */
	memmove(&x->tallies[lo + 1], &x->tallies[lo], (x->ntallies - lo) * sizeof *x->tallies);
	x->tallies[lo] = (struct tally){ .array = array };
	x->ntallies++;
	return &x->tallies[lo];
}

static bool array_is_full(struct decider *x, const struct dsched_job *j)
{
	return j->array && j->array_max && tally(x, j->array)->running >= j->array_max;
}

/* ---- what need not be tried ---- */

static bool plain(const struct dsched_job *j)
{
	return !j->booking && !j->req->include && !j->req->nexclude;
}

static bool alike(const struct dsched_request *a, const struct dsched_request *b)
{
	return a->nodes == b->nodes && a->map == b->map && a->ppr == b->ppr &&
	       a->oversubscribe == b->oversubscribe && a->exclusive == b->exclusive &&
	       a->mem_per_rank == b->mem_per_rank && !memcmp(a->gres, b->gres, sizeof a->gres);
}

static bool known_not_to_fit(const struct decider *x, const struct dsched_job *j, size_t dates)
{
	for (size_t i = 0; plain(j) && i < x->nshapes; i++)
		if (x->shapes[i].dates <= dates && x->shapes[i].ranks <= j->req->ranks &&
		    alike(&x->shapes[i].req, j->req))
			return true;
	return false;
}

static void remember(struct decider *x, const struct dsched_job *j, size_t dates)
{
	if (plain(j) && j->req->ranks && x->nshapes < SHAPES)
		x->shapes[x->nshapes++] = (struct shape){ *j->req, j->req->ranks, dates };
}

/* ---- starting ---- */

static int grow_busy(struct decider *x, const struct dsched_placement *p,
		     const struct dsched_placed_node *pn)
{
	uint32_t k = pn->index;

	if (!x->own_busy[k] && x->nodes[k].busy &&
	    dvmi_idset_union(&x->busy[k], x->nodes[k].busy) < 0)
		return -ENOMEM;
	x->own_busy[k] = true;
	x->nodes[k].busy = x->near.nodes[k].busy = &x->busy[k];
	for (unsigned i = 0; i < REACHES; i++)
		if (x->valid[i])
			x->far[i].nodes[k].busy = &x->busy[k];
	for (uint32_t i = 0; i < pn->nranks; i++) {
		const struct dsched_rank *r = &p->ranks[p->by_node[pn->first + i]];
		for (uint32_t m = 0; m < r->npus; m++)
			if (dvmi_idset_add(&x->busy[k], p->pus[r->first + m],
					   p->pus[r->first + m]) < 0)
				return -ENOMEM;
	}
	return 0;
}

static int start(struct decider *x, size_t i, struct dsched_placement *p)
{
	const struct dsched_job *j = &x->q->jobs[i];
	struct dsched_answer *a = &x->d->answers[i];
	struct dsched_use *uses;

	a->why = DSCHED_STARTS;
	a->start = x->q->now;
	a->placement = *p;
	if (j->array)
		tally(x, j->array)->running++;
	for (uint32_t k = 0; k < p->nnodes; k++)
		if (p->npus && grow_busy(x, p, &p->nodes[k]) < 0)
			return -ENOMEM;
	if (dsched_placement_uses(j->req, p, &uses) < 0)
		return -ENOMEM;
	for (uint32_t k = 0; k < p->nnodes; k++)
		dsched_decider_charge(x, &uses[k]);
	return dsched_timeline_plan(&x->line, uses, p->nnodes, x->q->now,
				    dsched_until(x->q->now, j->limit));
}

/* ---- waiting ---- */

static size_t depth(const struct dsched_policy *p)
{
	switch (p->order) {
	case DSCHED_FIFO:
		return 1;
	case DSCHED_EASY:
		return p->depth ? p->depth : 1;
	case DSCHED_CONSERVATIVE:
		break;
	}
	return p->depth ? p->depth : DEPTH_CONSERVE;
}

bool dsched_decider_more_dates(const struct decider *x)
{
	return x->planned < depth(x->q->policy) && x->line.budget;
}

static int keep_reason(struct dsched_answer *a, const struct dsched_reason *r)
{
	a->reason = malloc(sizeof *a->reason);
	if (a->reason)
		*a->reason = *r;
	return a->reason ? 0 : -ENOMEM;
}

/* Sets aside what the job will take; USES are taken. */
int dsched_decider_plan(struct decider *x, const struct dsched_job *j, struct dsched_use *uses,
			size_t n, uint64_t from)
{
	int rc = dsched_timeline_plan(&x->line, uses, n, from, dsched_until(from, j->limit));

	x->planned++;
	return rc < 0 ? rc : dsched_decider_add_date(x, from);
}

static int give_date(struct decider *x, size_t i)
{
	const struct dsched_job *j = &x->q->jobs[i];
	struct dsched_use *uses = NULL;
	uint64_t from;
	size_t n;

	x->scratch.from = x->q->now;
	int rc = dsched_earliest(&x->line, &x->scratch, j, &uses, &n, &from);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	x->d->answers[i].start = from;
	return dsched_decider_plan(x, j, uses, n, from);
}

/* It waits, for room or for those in front of it. REASON: why it did not fit, NULL: not tried. */
static int wait(struct decider *x, size_t i, const struct dsched_reason *reason)
{
	const struct dsched_job *j = &x->q->jobs[i];
	struct dsched_answer *a = &x->d->answers[i];

	a->why = DSCHED_W_RESOURCES;
	if (reason && reason->verdict == DSCHED_IMPOSSIBLE && !j->booking) {
		a->why = DSCHED_W_IMPOSSIBLE;
		return keep_reason(a, reason);
	}
	if (x->blocked) {
		/* What lacks now is told by the reason; what it comes after, by `other`. */
		a->other = x->blocked;
		a->why = DSCHED_W_PRIORITY;
	}
	if (!x->blocked)
		x->blocked = j->id;
	if (reason && keep_reason(a, reason) < 0)
		return -ENOMEM;
	return dsched_decider_more_dates(x) ? give_date(x, i) : 0;
}

/* ---- one job after the other ---- */

static bool may_pass(const struct decider *x)
{
	return !x->blocked || x->q->policy->order != DSCHED_FIFO;
}

/* Why it does not fit matters only where it holds others up, or is impossible for sure. */
static bool need_not_know(const struct decider *x, const struct dsched_job *j)
{
	return x->blocked && !dsched_decider_more_dates(x) && j->req->ranks <= x->total;
}

static int consider(struct decider *x, size_t i)
{
	const struct dsched_job *j = &x->q->jobs[i];
	struct dsched_answer *a = &x->d->answers[i];
	struct dsched_reason reason = { 0 };
	struct dsched_placement p = { 0 };
	size_t dates;

	if (array_is_full(x, j)) {
		a->why = DSCHED_W_ARRAY;
		a->other = j->array;
		return 0;
	}
	if (!may_pass(x))
		return wait(x, i, NULL);
	struct dsched_outlook *o = dsched_decider_outlook(x, j, &dates);
	if (!o)
		return -ENOMEM;
	bool hopeless =
		need_not_know(x, j) && (known_not_to_fit(x, j, dates) ||
					(!j->req->oversubscribe && o->free < j->req->ranks));
	int rc = hopeless ? -EAGAIN : dsched_fit(&x->snap, o, j->req, &p, &reason);
	if (rc == 0)
		return start(x, i, &p);
	if (rc == -ENOMEM)
		return rc;
	if (!hopeless && reason.verdict == DSCHED_WAIT)
		remember(x, j, dates);
	if ((rc = dsched_decider_preempt(x, i)) != 0)
		return rc < 0 ? rc : 0;
	return wait(x, i, hopeless ? NULL : &reason);
}

static int eligible(struct decider *x, size_t *list, size_t *n)
{
	*n = 0;
	for (size_t i = 0; i < x->q->njobs; i++) {
		struct dsched_answer *a = &x->d->answers[i];
		if (!dsched_barred(x->q, i, a))
			list[(*n)++] = i;
		if ((a->why == DSCHED_W_BEGIN || a->why == DSCHED_W_BOOKING) &&
		    a->start < x->d->wake)
			x->d->wake = a->start;
	}
	return dsched_order_jobs(x->q, x->d->answers, list, *n);
}

static int run(struct decider *x)
{
	size_t *list = calloc(x->q->njobs + 1, sizeof *list), n;
	int rc = list ? eligible(x, list, &n) : -ENOMEM;

	for (size_t k = 0; rc == 0 && k < n; k++)
		rc = consider(x, list[k]);
	free(list);
	return rc;
}

/* ---- begin and end ---- */

static int check(const struct dsched_queue *q)
{
	if (q->size != sizeof *q || q->policy->size != sizeof *q->policy)
		return -EINVAL;
	for (size_t i = 0; i < q->nruns; i++)
		for (uint32_t k = 0; k < q->runs[i].nuses; k++)
			if (q->runs[i].uses[k].node >= q->snap->nnodes)
				return -EINVAL;
	for (uint32_t i = 0; i < q->nbookings; i++)
		for (uint32_t k = 0; k < q->bookings[i].nnodes; k++)
			if (q->bookings[i].nodes[k] >= q->snap->nnodes)
				return -EINVAL;
	return 0;
}

static int allocate(struct decider *x, struct dsched_decision *d)
{
	size_t n = x->q->snap->nnodes + 1;

	x->nodes = calloc(n, sizeof *x->nodes);
	x->near.nodes = calloc(n, sizeof *x->nodes);
	x->scratch.nodes = calloc(n, sizeof *x->nodes);
	x->busy = calloc(n, sizeof *x->busy);
	x->own_busy = calloc(n, sizeof *x->own_busy);
	x->leaving = calloc(x->q->nruns + 1, sizeof *x->leaving);
	x->tallies = calloc(x->q->nruns + x->q->njobs + 1, sizeof *x->tallies);
	d->answers = calloc(x->q->njobs + 1, sizeof *d->answers);
	d->n = d->answers ? x->q->njobs : 0;
	d->rooms = calloc(x->q->nelastics + 1, sizeof *d->rooms);
	return d->rooms && x->nodes && x->near.nodes && x->scratch.nodes && x->busy && x->own_busy &&
			       x->leaving && x->tallies && d->answers
		       ? 0
		       : -ENOMEM;
}

static int prepare(struct decider *x, struct dsched_decision *d)
{
	struct dsched_queue own = *x->q;

	if (allocate(x, d) < 0)
		return -ENOMEM;
	if (x->q->snap->nnodes)
		memcpy(x->nodes, x->q->snap->nodes, x->q->snap->nnodes * sizeof *x->nodes);
	x->snap = *x->q->snap;
	x->snap.nodes = x->nodes;
	own.snap = &x->snap;
	for (size_t i = 0; i < x->q->nruns; i++) {
		x->leaving[i] = x->q->runs[i].leaving;
		x->nlent += dsched_run_is_lent(&x->q->runs[i]);
		if (x->q->runs[i].array)
			tally(x, x->q->runs[i].array)->running++;
	}
	for (uint32_t i = 0; i < x->snap.nnodes; i++)
		if (x->nodes[i].state == DSCHED_NODE_UP)
			x->total += dsched_node_slots(&x->nodes[i]);
	if (dsched_timeline_create(&x->line, &own) < 0)
		return -ENOMEM;
	dsched_timeline_look(&x->line, &x->near, x->q->now, x->q->now + SOON, NULL);
	for (uint32_t i = 0; i < x->q->nbookings; i++) {
		uint64_t at = x->q->bookings[i].start;
		if (at > x->q->now && dsched_decider_add_date(x, at) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void decider_free(struct decider *x)
{
	for (uint32_t i = 0; x->busy && i < x->q->snap->nnodes; i++)
		dvmi_idset_free(&x->busy[i]);
	dsched_timeline_free(&x->line);
	free(x->nodes);
	free(x->near.nodes);
	free(x->scratch.nodes);
	for (unsigned i = 0; i < REACHES; i++)
		free(x->far[i].nodes);
	free(x->busy);
	free(x->own_busy);
	free(x->leaving);
	free(x->tallies);
	free(x->dates);
}

int dsched_decide(const struct dsched_queue *q, struct dsched_decision *out)
{
	struct dsched_decision d = { .wake = DSCHED_NEVER };
	struct decider x = { .q = q, .d = &d };
	int rc = check(q);

	if (rc == 0)
		rc = prepare(&x, &d);
	if (rc == 0)
		rc = run(&x);
	if (rc == 0)
		rc = dsched_decider_lend(&x);
	decider_free(&x);
	if (rc < 0)
		dsched_decision_free(&d);
	else
		*out = d;
	return rc;
}

void dsched_decision_free(struct dsched_decision *d)
{
	for (size_t i = 0; i < d->n; i++) {
		dsched_placement_free(&d->answers[i].placement);
		free(d->answers[i].reason);
	}
	free(d->answers);
	free(d->victims);
	free(d->rooms);
	*d = (struct dsched_decision){ 0 };
}
