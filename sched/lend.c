/* SPDX-License-Identifier: BSD-3-Clause */
/* Elastic jobs: what is free while nobody waits for room is lent to those that can grow. */
#include <errno.h>
#include <stdlib.h>

#include "sched/decide_private.h"

bool dsched_waits_for_room(const struct dsched_answer *a)
{
	return a->why == DSCHED_W_RESOURCES || a->why == DSCHED_W_PRIORITY ||
	       a->why == DSCHED_W_PREEMPTS || a->why == DSCHED_W_SHRINKS;
}

static bool anybody_waits(const struct decider *x)
{
	for (size_t i = 0; i < x->d->n; i++)
		if (dsched_waits_for_room(&x->d->answers[i]))
			return true;
	return false;
}

/* As many of MOST ranks as fit O, which they are charged to. */
static int room(struct decider *x, struct dsched_outlook *o, const struct dsched_elastic *e,
		uint32_t most, uint32_t *out)
{
	struct dsched_request req = *e->req;
	struct dsched_reason reason;
	struct dsched_use *uses;
	size_t n;
	int rc = -EAGAIN;

	req.ranks = most < req.ranks ? most : req.ranks;
	while (req.ranks &&
	       (rc = dsched_fit_uses(&x->snap, o, &req, &uses, &n, &reason)) == -EAGAIN)
		req.ranks = !reason.of_nodes && reason.have < req.ranks ? (uint32_t)reason.have
									: req.ranks - 1;
	if (rc != 0)
		return rc == -ENOMEM ? rc : 0; /* what can never fit is no room either */
	for (size_t i = 0; i < n; i++)
		dsched_decider_charge(x, &uses[i]);
	free(uses);
	*out = req.ranks;
	return 0;
}

/* Who has grown least and has not had its turn. */
static size_t next_elastic(const struct dsched_queue *q, const bool *had)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < q->nelastics; i++)
		if (!had[i] && (best == SIZE_MAX || q->elastics[i].extra < q->elastics[best].extra))
			best = i;
	return best;
}

/* 0: no limit. */
static uint64_t time_left(const struct dsched_elastic *e, uint64_t now)
{
	if (e->until == DSCHED_NEVER)
		return 0;
	return e->until > now ? e->until - now : 1;
}

int dsched_decider_lend(struct decider *x)
{
	const struct dsched_queue *q = x->q;
	bool *had = calloc(q->nelastics + 1, sizeof *had);
	int rc = had ? 0 : -ENOMEM;

	for (size_t left = anybody_waits(x) ? 0 : q->nelastics; rc == 0 && left; left--) {
		size_t i = next_elastic(q, had), dates;
		const struct dsched_elastic *e = &q->elastics[i];
		struct dsched_job as_now = { .limit = time_left(e, q->now) };
		struct dsched_outlook *o = dsched_decider_outlook(x, &as_now, &dates);
		uint64_t share = o ? (o->free + left - 1) / left : 0;
		rc = o ? room(x, o, e, (uint32_t)share, &x->d->rooms[i]) : -ENOMEM;
		had[i] = true;
	}
	free(had);
	return rc;
}
