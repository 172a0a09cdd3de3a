/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who comes first. A priority is a weighted sum of age, size, fair share and what was asked for, in
 * whole numbers only, so that every host works out the same one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched/queue_private.h"

#define ONE   INT64_C(65536)
#define WEEK  (UINT64_C(7) * 24 * 3600 * 1000000000)
#define ASKED 1000 /* what a job may ask for, either way */

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A / B as a fraction of ONE, at most ONE. */
static int64_t fraction(uint64_t a, uint64_t b)
{
	if (a >= b)
		return ONE;
	/* Neither the product nor the quotient of what is left can overflow. */
	while (b > UINT64_MAX / ONE / 2) {
		a >>= 1;
		b >>= 1;
	}
	return (int64_t)((a * ONE + b / 2) / b);
}

/* ONE / 2^(X / ONE); between powers of two a straight line, at most 6 % above the curve. */
static int64_t half_to(uint64_t x)
{
	uint64_t whole = x / ONE;

	return whole > 40 ? 0 : (ONE - (int64_t)(x % ONE) / 2) >> whole;
}

uint64_t dsched_decay(uint64_t used, uint64_t dt, uint64_t half_life)
{
	if (!half_life)
		return used;
	uint64_t whole = dt / half_life;
	if (whole >= 64)
		return 0;
	used >>= whole;
	uint64_t rest = (uint64_t)half_to((uint64_t)fraction(dt % half_life, half_life));
	return used / ONE * rest + used % ONE * rest / ONE;
}

/* ---- fair share ---- */

struct totals {
	uint64_t used, shares;
};

static struct totals sum(const struct dsched_share *s, uint32_t n)
{
	struct totals t = { 0, 0 };

	for (uint32_t i = 0; i < n; i++) {
		t.used += smaller(s[i].used, UINT64_MAX - t.used);
		t.shares += s[i].shares ? s[i].shares : 1;
	}
	return t;
}

/* 1 for who has used nothing, 1/2 for who has used what he is entitled to, towards 0 beyond. */
static int64_t fair(const struct dsched_share *s, uint32_t i, uint32_t n, struct totals t)
{
	if (i >= n || !t.used)
		return ONE;
	uint64_t entitled = (s[i].shares ? s[i].shares : 1) * (uint64_t)ONE / t.shares;
	uint64_t used = (uint64_t)fraction(s[i].used, t.used);
	return half_to(used * ONE / (entitled ? entitled : 1));
}

/* ---- the sum ---- */

struct sums {
	struct totals users, accounts;
	uint64_t slots;
};

static struct sums all_sums(const struct dsched_queue *q)
{
	struct sums s = { .users = sum(q->users, q->nusers),
			  .accounts = sum(q->accounts, q->naccounts) };

	for (uint32_t i = 0; i < q->snap->nnodes; i++)
		s.slots += dsched_node_slots(&q->snap->nodes[i]);
	return s;
}

static int64_t age(const struct dsched_queue *q, const struct dsched_job *j)
{
	uint64_t since = j->begin > j->submitted ? j->begin : j->submitted;

	if (q->now <= since)
		return 0;
	return fraction(q->now - since, q->policy->age_full ? q->policy->age_full : WEEK);
}

static int64_t asked(const struct dsched_job *j)
{
	int64_t p = j->priority < -ASKED ? -ASKED : j->priority > ASKED ? ASKED : j->priority;

	return p * ONE / ASKED;
}

static int64_t priority(const struct dsched_queue *q, const struct sums *s,
			const struct dsched_job *j)
{
	const struct dsched_policy *p = q->policy;
	int64_t users = fair(q->users, j->user, q->nusers, s->users);
	int64_t accounts = fair(q->accounts, j->account, q->naccounts, s->accounts);

	return (age(q, j) * p->w_age +
		fraction(j->req->ranks, s->slots ? s->slots : 1) * p->w_size +
		users * accounts / ONE * p->w_fair + asked(j) * p->w_asked + ONE / 2) /
	       ONE;
}

/* ---- the order ---- */

struct key {
	uint32_t tier;
	int64_t priority;
	uint64_t submitted, id;
	size_t i;
};

static int by_turn(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->tier != y->tier)
		return x->tier > y->tier ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	if (x->submitted != y->submitted)
		return x->submitted < y->submitted ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

int dsched_order_jobs(const struct dsched_queue *q, struct dsched_answer *answers, size_t *list,
		      size_t n)
{
	struct sums s = all_sums(q);
	struct key *keys = calloc(n + 1, sizeof *keys);

	if (!keys)
		return -ENOMEM;
	for (size_t k = 0; k < n; k++) {
		const struct dsched_job *j = &q->jobs[list[k]];
		keys[k] = (struct key){ j->tier, priority(q, &s, j), j->submitted, j->id, list[k] };
		answers[list[k]].priority = keys[k].priority;
	}
	qsort(keys, n, sizeof *keys, by_turn);
	for (size_t k = 0; k < n; k++)
		list[k] = keys[k].i;
	free(keys);
	return 0;
}

/* ---- names ---- */

static const char *const orders[] = {
	[DSCHED_FIFO] = "fifo",
	[DSCHED_EASY] = "easy",
	[DSCHED_CONSERVATIVE] = "conservative",
};

const char *dsched_order_name(enum dsched_order order)
{
	return (unsigned)order < sizeof orders / sizeof *orders ? orders[order] : "?";
}

int dsched_order_parse(enum dsched_order *order, const char *text)
{
	for (unsigned i = 0; i < sizeof orders / sizeof *orders; i++)
		if (strcmp(orders[i], text) == 0) {
			*order = (enum dsched_order)i;
			return 0;
		}
	return -EINVAL;
}
