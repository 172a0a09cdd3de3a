/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of the candidates are used, and how many ranks each of them gets. */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/base/cleanup.h"
#include "sched/place_private.h"

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- selection ---- */

static int by_soft(const void *a, const void *b)
{
	const struct dsched_cand *x = *(struct dsched_cand *const *)a;
	const struct dsched_cand *y = *(struct dsched_cand *const *)b;

	if (x->soft != y->soft)
		return x->soft < y->soft ? 1 : -1;
	return (x > y) - (x < y);
}

static int by_hard(const void *a, const void *b)
{
	const struct dsched_cand *x = *(struct dsched_cand *const *)a;
	const struct dsched_cand *y = *(struct dsched_cand *const *)b;

	if (x->hard != y->hard)
		return x->hard < y->hard ? 1 : -1;
	return (x > y) - (x < y);
}

struct sums {
	uint64_t soft, hard;
};

static struct sums sum(struct dsched_cand *const *c, uint32_t n)
{
	struct sums s = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		s.soft += c[i]->soft;
		s.hard += c[i]->hard;
	}
	return s;
}

/*
 * Brings the best N of the usable nodes to the front: the first N if the ranks fit there, else
 * the roomiest, so that a request is refused only if no choice of N nodes would do.
 */
static uint64_t best(struct dsched_cand **c, uint32_t usable, uint32_t n, uint32_t ranks)
{
	struct sums s = sum(c, n);

	if (s.soft < ranks && n < usable) {
		qsort(c, usable, sizeof *c, by_soft);
		s = sum(c, n);
	}
	if (s.hard < ranks && n < usable) {
		qsort(c, usable, sizeof *c, by_hard);
		s = sum(c, n);
	}
	return s.hard;
}

static uint32_t usable(struct dsched_work *w, struct dsched_cand **list)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->ncands; i++) {
		w->cands[i].chosen = false;
		if (w->cands[i].hard)
			list[n++] = &w->cands[i];
	}
	return n;
}

/* As many ranks as there are slots: the free ones, or all of them when oversubscribing. */
static uint64_t as_many_as_slots(const struct dsched_request *req, struct dsched_cand *const *c,
				 uint32_t n)
{
	uint64_t ranks = 0;

	for (uint32_t i = 0; i < n; i++)
		ranks += req->oversubscribe ? smaller(c[i]->step, c[i]->hard) : c[i]->soft;
	return ranks;
}

static int lacking(struct dsched_shortage *lack, enum dsched_constraint what, uint64_t asked,
		   uint64_t have)
{
	*lack = (struct dsched_shortage){ .what = what, .asked = asked, .have = have };
	return -EAGAIN;
}

static int settle(struct dsched_work *w, struct dsched_cand **list, uint32_t n, uint64_t ranks)
{
	if (ranks > DSCHED_RANKS_MAX)
		return -E2BIG;
	w->ranks = (uint32_t)ranks;
	for (uint32_t i = 0; i < n; i++) {
		list[i]->chosen = true;
		/* Each of the nodes that were counted out gets a rank, even if its slots are taken.
		 */
		if (w->req->nodes && list[i]->soft == 0)
			list[i]->soft = 1;
	}
	return 0;
}

int dsched_select(struct dsched_work *w, struct dsched_shortage *lack)
{
	const struct dsched_request *req = w->req;
	cleanup_free struct dsched_cand **list = calloc(w->ncands + 1, sizeof *list);

	if (!list)
		return -ENOMEM;
	uint32_t have = usable(w, list), n = req->nodes ? req->nodes : have;
	if (have < n || have == 0)
		return lacking(lack, DSCHED_C_NODES, n ? n : 1, have);
	uint64_t room = best(list, have, n, req->ranks);
	if (room < req->ranks)
		return lacking(lack, DSCHED_C_SLOTS, req->ranks, room);
	return settle(w, list, n, req->ranks ? req->ranks : as_many_as_slots(req, list, n));
}

/* ---- distribution ---- */

static void give(struct dsched_cand *c, uint64_t ranks, uint64_t *left)
{
	c->count += (uint32_t)ranks;
	c->room -= (uint32_t)ranks;
	*left -= ranks;
}

static void fill_in_order(struct dsched_cand *c, uint32_t n, uint64_t left)
{
	for (uint32_t i = 0; i < n && left; i++)
		give(&c[i], smaller(c[i].room, left), &left);
}

static uint64_t below_level(const struct dsched_cand *c, uint32_t n, uint64_t level)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += smaller(c[i].room, level);
	return sum;
}

/* Levels the nodes like water: none has two ranks more than another that still had room. */
static void fill_evenly(struct dsched_cand *c, uint32_t n, uint64_t left)
{
	uint64_t level = 0;

	for (uint64_t bit = DSCHED_RANKS_MAX; bit; bit /= 2)
		if (below_level(c, n, level + bit) <= left)
			level += bit;
	for (uint32_t i = 0; i < n; i++)
		give(&c[i], smaller(c[i].room, level), &left);
	for (uint32_t i = 0; i < n && left; i++)
		give(&c[i], smaller(c[i].room, 1), &left);
}

/* ---- more ranks than slots ---- */

static uint64_t after_rounds(const struct dsched_cand *c, uint64_t rounds)
{
	return smaller(c->hard, c->soft + rounds * c->step);
}

/* The most whole rounds of slots behind the free ones that RANKS fill. */
static uint64_t whole_rounds(const struct dsched_cand *c, uint32_t n, uint64_t ranks)
{
	uint64_t rounds = 0;

	for (uint64_t bit = DSCHED_RANKS_MAX; bit; bit /= 2) {
		uint64_t sum = 0;
		for (uint32_t i = 0; i < n; i++)
			sum += after_rounds(&c[i], rounds + bit);
		if (sum <= ranks)
			rounds += bit;
	}
	return rounds;
}

/* What a node's share of the ranks lacks to the next whole rank. */
struct fraction {
	uint64_t part;
	uint32_t cand;
};

static int by_part(const void *a, const void *b)
{
	const struct fraction *x = a, *y = b;

	if (x->part != y->part)
		return x->part < y->part ? 1 : -1;
	return (x->cand > y->cand) - (x->cand < y->cand);
}

/* LEFT ranks in proportion to the rooms; what rounding leaves goes to the largest fractions. */
static int fill_by_share(struct dsched_cand *c, uint32_t n, uint64_t left)
{
	cleanup_free struct fraction *f = calloc(n, sizeof *f);
	uint64_t rooms = below_level(c, n, DSCHED_RANKS_MAX), all = left;

	if (!f)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && rooms; i++) {
		f[i] = (struct fraction){ all * c[i].room % rooms, i };
		give(&c[i], all * c[i].room / rooms, &left);
	}
	qsort(f, n, sizeof *f, by_part);
	for (uint32_t i = 0; i < n && left; i++)
		give(&c[f[i].cand], smaller(c[f[i].cand].room, 1), &left);
	return 0;
}

/*
 * The free slots, then whole rounds of all slots on every node, then the rest in proportion: all
 * nodes end up equally overloaded for their size.
 */
static int overfill(struct dsched_cand *c, uint32_t n, uint32_t ranks)
{
	uint64_t rounds = whole_rounds(c, n, ranks), left = ranks;

	for (uint32_t i = 0; i < n; i++) {
		c[i].count = (uint32_t)after_rounds(&c[i], rounds);
		c[i].room = (uint32_t)smaller(c[i].hard - c[i].count, c[i].step);
		left -= c[i].count;
	}
	return fill_by_share(c, n, left);
}

int dsched_distribute(struct dsched_cand *c, uint32_t n, uint32_t ranks, bool evenly)
{
	uint64_t slots = 0;

	for (uint32_t i = 0; i < n; i++) {
		c[i].count = 0;
		c[i].room = c[i].soft;
		slots += c[i].soft;
	}
	if (slots < ranks)
		return overfill(c, n, ranks);
	if (evenly)
		fill_evenly(c, n, ranks);
	else
		fill_in_order(c, n, ranks);
	return 0;
}
