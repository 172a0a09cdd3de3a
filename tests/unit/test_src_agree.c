/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Agreements over a simulated network: each channel keeps its order, members crash at any moment
 * and take a random part of what they had sent with them, news of a death come after that, at each
 * member at another time. $SIM_SEED and $SIM_RUNS choose the runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/rng.h"
#include "libdvm/src/agree.h"
#include "tests/unit/cm.h"

enum { MAX = 9, ROUNDS = 6, WORDS = 3, QUEUE = 256 };

struct letter {
	size_t len;
	uint8_t bytes[64];
};

struct channel {
	struct letter q[QUEUE];
	uint32_t head, tail;
};

struct node {
	struct net *net;
	uint32_t self;
	struct dvmi_agree a;
	bool dead;
	bool knows[MAX]; /* of these deaths */
	uint32_t flags[ROUNDS + 1], ctx[ROUNDS + 1];
	uint64_t acked;
	uint64_t result[ROUNDS + 1][WORDS];
};

struct net {
	uint32_t n;
	struct dvmi_rng rng;
	struct node node[MAX];
	struct channel ch[MAX][MAX];
	uint32_t crashes; /* that may still come */
};

static void post(void *arg, uint32_t to, const void *msg, size_t len)
{
	struct node *from = arg;
	struct channel *c = &from->net->ch[from->self][to];
	struct letter *l = &c->q[c->tail++ % QUEUE];

	assert_true(c->tail - c->head <= QUEUE);
	assert_true(len <= sizeof l->bytes);
	l->len = len;
	memcpy(l->bytes, msg, len);
}

static void open_net_of(struct net *w, uint64_t seed, uint32_t n)
{
	memset(w, 0, sizeof *w);
	dvmi_rng_seed(&w->rng, seed);
	w->n = n ? n : 1 + (uint32_t)dvmi_rng_below(&w->rng, MAX);
	w->crashes = (uint32_t)dvmi_rng_below(&w->rng, w->n);
	for (uint32_t i = 0; i < w->n; i++) {
		w->node[i].net = w;
		w->node[i].self = i;
		assert_int_equal(dvmi_agree_init(&w->node[i].a, w->n, i, post, &w->node[i]), 0);
	}
}

static void open_net(struct net *w, uint64_t seed)
{
	open_net_of(w, seed, 0);
}

/* What a member has decided must be what any other one has. */
static void look(struct net *w, struct node *x)
{
	uint32_t k = x->a.done;

	if (!k || x->result[k][0])
		return;
	memcpy(x->result[k], x->a.last, sizeof x->result[k]);
	for (uint32_t i = 0; i < w->n; i++)
		if (w->node[i].result[k][0])
			assert_memory_equal(w->node[i].result[k], x->result[k],
					    sizeof x->result[k]);
}

static void start(struct net *w, struct node *x)
{
	uint32_t k = x->a.done + 1;

	if (x->dead || x->a.active || k > ROUNDS)
		return;
	/* Bit 31 keeps results from being 0. */
	x->flags[k] = (uint32_t)dvmi_rng_below(&w->rng, 256) | 1u << 31;
	x->ctx[k] = k * 100 + x->self;
	for (uint32_t i = 0; i < w->n; i++)
		if (x->knows[i] && dvmi_rng_below(&w->rng, 2))
			x->acked |= UINT64_C(1) << i;
	dvmi_agree_start(&x->a, x->flags[k], x->ctx[k], &x->acked);
	look(w, x);
}

static void deliver(struct net *w, uint32_t from, uint32_t to)
{
	struct channel *c = &w->ch[from][to];
	struct node *x = &w->node[to];

	if (x->dead || c->head == c->tail)
		return;
	struct letter *l = &c->q[c->head++ % QUEUE];
	dvmi_agree_take(&x->a, from, l->bytes, l->len);
	look(w, x);
}

/* News of a death come after the last message. */
static void tell(struct net *w, uint32_t dead, uint32_t to)
{
	struct channel *c = &w->ch[dead][to];
	struct node *x = &w->node[to];

	if (x->dead || !w->node[dead].dead || x->knows[dead] || c->head != c->tail)
		return;
	x->knows[dead] = true;
	dvmi_agree_down(&x->a, dead);
	look(w, x);
}

static void crash(struct net *w, uint32_t i)
{
	if (!w->crashes || w->node[i].dead)
		return;
	w->crashes--;
	w->node[i].dead = true;
	for (uint32_t k = 0; k < w->n; k++) {
		struct channel *c = &w->ch[i][k];
		c->tail = c->head + (uint32_t)dvmi_rng_below(&w->rng, c->tail - c->head + 1);
	}
}

static bool finished(const struct net *w)
{
	for (uint32_t i = 0; i < w->n; i++)
		if (!w->node[i].dead && (w->node[i].a.done < ROUNDS || w->node[i].a.active))
			return false;
	return true;
}

static void step(struct net *w)
{
	uint32_t a = (uint32_t)dvmi_rng_below(&w->rng, w->n);
	uint32_t b = (uint32_t)dvmi_rng_below(&w->rng, w->n);
	uint32_t what = (uint32_t)dvmi_rng_below(&w->rng, 400);

	if (what == 0)
		crash(w, a);
	else if (what < 60)
		start(w, &w->node[a]);
	else if (what < 120)
		tell(w, a, b);
	else
		deliver(w, a, b);
}

/* Results hold what all who decided gave, and only the dead are missing. */
static void check_result(const struct net *w, uint32_t k)
{
	uint32_t all = UINT32_MAX, decided = UINT32_MAX, ctx_known = 0;
	const struct node *one = NULL;

	for (uint32_t i = 0; i < w->n; i++) {
		const struct node *x = &w->node[i];
		all &= x->flags[k] ? x->flags[k] : UINT32_MAX;
		if (!x->result[k][0])
			continue;
		one = x;
		decided &= x->flags[k];
	}
	assert_non_null(one);
	uint32_t flags = (uint32_t)one->result[k][0], ctx = (uint32_t)(one->result[k][0] >> 32);
	assert_int_equal(flags & ~decided, 0);
	assert_int_equal(all & ~flags, 0);
	for (uint32_t i = 0; i < w->n; i++) {
		ctx_known |= w->node[i].ctx[k] == ctx;
		if (!w->node[i].dead)
			assert_true(one->result[k][1] >> i & 1);
	}
	assert_true(ctx_known);
	assert_int_equal(one->result[k][1] >> w->n, 0);
}

static void run(uint64_t seed)
{
	static struct net w;

	open_net(&w, seed);
	for (uint32_t i = 0; i < 200000 && !finished(&w); i++)
		step(&w);
	if (!finished(&w))
		fail_msg("seed %llu: %u members do not end", (unsigned long long)seed, w.n);
	for (uint32_t k = 1; k <= ROUNDS; k++)
		check_result(&w, k);
	for (uint32_t i = 0; i < w.n; i++)
		dvmi_agree_fini(&w.node[i].a);
}

static long setting(const char *name, long other)
{
	const char *s = getenv(name);

	return s ? strtol(s, NULL, 10) : other;
}

static void random_deaths(void **state)
{
	uint64_t seed = (uint64_t)setting("SIM_SEED", 1);

	(void)state;
	for (long i = 0; i < setting("SIM_RUNS", 3000); i++) {
		if (!i)
			fprintf(stderr, "# from seed %llu\n", (unsigned long long)seed);
		run(seed + (uint64_t)i);
	}
}

/* The coordinator's decision has reached one member, which goes on, and nobody else. */
static void one_knows(void **state)
{
	static struct net w;

	(void)state;
	open_net_of(&w, 1, 3);
	w.crashes = 1;
	for (uint32_t i = 0; i < 3; i++)
		start(&w, &w.node[i]);
	for (uint32_t i = 1; i < 3; i++) {
		deliver(&w, i, 0); /* report */
		assert_false(w.node[0].a.proposed && i < 2);
	}
	for (uint32_t i = 1; i < 3; i++) {
		deliver(&w, 0, i);
		deliver(&w, i, 0); /* accepted */
	}
	assert_int_equal(w.node[0].a.done, 1);
	deliver(&w, 0, 1);
	assert_int_equal(w.node[1].a.done, 1);
	w.node[0].dead = true;
	w.ch[0][2].head = w.ch[0][2].tail;
	tell(&w, 0, 2); /* reports to the one that knows */
	tell(&w, 0, 1);
	deliver(&w, 2, 1);
	deliver(&w, 1, 2);
	assert_int_equal(w.node[2].a.done, 1);
	assert_memory_equal(w.node[0].result[1], w.node[2].result[1], sizeof w.node[0].result[1]);
	for (uint32_t i = 0; i < 3; i++)
		dvmi_agree_fini(&w.node[i].a);
}

static void nonsense(void **state)
{
	static struct net w;
	uint32_t head[4] = { 1, 1, 0, 0 };
	uint8_t junk[64] = { 1 };

	(void)state;
	open_net(&w, 5);
	assert_true(w.n > 1);
	struct dvmi_agree *a = &w.node[0].a;
	assert_true(dvmi_agree_take(a, 0, head, sizeof head) < 0);    /* oneself */
	assert_true(dvmi_agree_take(a, w.n, head, sizeof head) < 0);  /* nobody */
	assert_true(dvmi_agree_take(a, 1, head, sizeof head) < 0);    /* no value */
	assert_true(dvmi_agree_take(a, 1, head, 3) < 0);
	assert_true(dvmi_agree_take(a, 1, junk, sizeof junk) < 0); /* too much */
	head[0] = 9;
	assert_true(dvmi_agree_take(a, 1, head, sizeof head) < 0);
	head[0] = 5;
	head[1] = 77; /* far ahead */
	assert_true(dvmi_agree_take(a, 1, head, sizeof head) < 0);
	assert_int_equal(a->done, 0);
	for (uint32_t i = 0; i < w.n; i++)
		dvmi_agree_fini(&w.node[i].a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_deaths),
		cmocka_unit_test(one_knows),
		cmocka_unit_test(nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
