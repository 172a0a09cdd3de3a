/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which running jobs make room: what is lent first, for whoever waits; then, for a job of a higher
 * tier, those of the lowest tier, and there the youngest.
 */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/base/cleanup.h"
#include "sched/queue_private.h"

struct candidate {
	bool lent;
	uint32_t tier;
	uint64_t start, id;
	size_t run;
};

static int by_worth(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->lent != y->lent)
		return x->lent ? -1 : 1;
	if (x->tier != y->tier)
		return x->tier < y->tier ? -1 : 1;
	if (x->start != y->start)
		return x->start > y->start ? -1 : 1;
	return (x->id < y->id) - (x->id > y->id);
}

static void refund(struct dsched_outlook *o, const struct dsched_run *r)
{
	for (uint32_t i = 0; i < r->nuses; i++)
		dsched_outlook_refund(o, &r->uses[i]);
}

static void charge(struct dsched_outlook *o, const struct dsched_run *r)
{
	for (uint32_t i = 0; i < r->nuses; i++)
		dsched_outlook_charge(o, &r->uses[i]);
}

static bool fits(const struct dsched_snapshot *snap, const struct dsched_outlook *o,
		 const struct dsched_request *req)
{
	struct dsched_use *uses = NULL;
	struct dsched_reason reason;
	size_t n;
	bool ok = (req->oversubscribe || o->free >= req->ranks) &&
		  dsched_fit_uses(snap, o, req, &uses, &n, &reason) == 0;

	free(uses);
	return ok;
}

static bool may_go(const struct dsched_queue *q, const struct dsched_run *r,
		   const struct dsched_job *job)
{
	return r->preempt == DSCHED_PREEMPT_LEAVE ||
	       (q->policy->preempt && r->preempt != DSCHED_PREEMPT_NO && r->tier < job->tier);
}

static struct candidate *candidates(const struct dsched_queue *q, const struct dsched_job *job,
				    const bool *leaving, size_t *n)
{
	struct candidate *c = calloc(q->nruns + 1, sizeof *c);

	*n = 0;
	for (size_t i = 0; c && i < q->nruns; i++) {
		const struct dsched_run *r = &q->runs[i];
		if (!leaving[i] && may_go(q, r, job))
			c[(*n)++] = (struct candidate){ r->preempt == DSCHED_PREEMPT_LEAVE, r->tier,
							r->start, r->id, i };
	}
	if (c)
		qsort(c, *n, sizeof *c, by_worth);
	return c;
}

/* Whoever would not have had to go stays: the most valuable ones are asked first. */
static size_t spare(const struct dsched_queue *q, const struct dsched_snapshot *snap,
		    const struct dsched_request *req, struct dsched_outlook *o, size_t *list,
		    size_t n)
{
	size_t left = n;

	for (size_t i = n; i-- > 0;) {
		charge(o, &q->runs[list[i]]);
		if (fits(snap, o, req)) {
			list[i] = SIZE_MAX;
			left--;
		} else {
			refund(o, &q->runs[list[i]]);
		}
	}
	for (size_t i = 0, k = 0; i < n; i++)
		if (list[i] != SIZE_MAX)
			list[k++] = list[i];
	return left;
}

int dsched_preempt(const struct dsched_queue *q, const struct dsched_snapshot *snap,
		   const struct dsched_job *job, struct dsched_outlook *o, const bool *leaving,
		   size_t **victims, size_t *n)
{
	size_t ncands;
	cleanup_free struct candidate *c = candidates(q, job, leaving, &ncands);
	size_t *list = calloc(ncands + 1, sizeof *list);

	if (!c || !list) {
		free(list);
		return -ENOMEM;
	}
	for (size_t i = 0; i < q->nruns; i++)
		if (leaving[i])
			refund(o, &q->runs[i]);
	*n = 0;
	while (!fits(snap, o, job->req) && *n < ncands) {
		list[*n] = c[*n].run;
		refund(o, &q->runs[list[(*n)++]]);
	}
	if (!fits(snap, o, job->req)) {
		free(list);
		return -ENOENT;
	}
	*n = spare(q, snap, job->req, o, list, *n);
	*victims = list;
	return 0;
}
