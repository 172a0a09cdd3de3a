/* SPDX-License-Identifier: BSD-3-Clause */
/* Views: whoever hears of deaths when, and whoever dies while telling, all that live end alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libdvm/base/rng.h"
#include "shm/member.h"

#define N    6
#define ROOM 512

/* What is under way from one to another; what a dead one had sent may be cut off at its end. */
struct said {
	uint32_t epoch;
	bool gone[N], stale;
};

struct channel {
	struct said q[ROOM];
	uint32_t head, tail;
};

struct world {
	struct dsm_member m[N];
	bool dead[N];
	struct channel c[N][N];
	/* The view of each epoch, as anybody had it. */
	bool known[4096], view[4096][N];
	struct dvmi_rng rng;
};

static void say(struct world *w, uint32_t from, uint32_t to, bool stale)
{
	struct channel *c = &w->c[from][to];
	struct said *s = &c->q[c->tail++ % ROOM];

	assert_true(c->tail - c->head <= ROOM);
	s->epoch = w->m[from].epoch;
	s->stale = stale;
	memcpy(s->gone, w->m[from].gone, sizeof s->gone);
}

/* The same epoch is the same everywhere. */
static void check_view(struct world *w, uint32_t i)
{
	uint32_t e = w->m[i].epoch;

	assert_true(e < 4096);
	if (w->known[e])
		assert_memory_equal(w->view[e], w->m[i].gone, sizeof w->view[e]);
	w->known[e] = true;
	memcpy(w->view[e], w->m[i].gone, sizeof w->view[e]);
}

static void decide(struct world *w, uint32_t i)
{
	if (!dsm_member_decide(&w->m[i]))
		return;
	check_view(w, i);
	for (uint32_t to = 0; to < N; to++)
		if (to != i && !w->m[i].gone[to])
			say(w, i, to, false);
}

static bool deliver(struct world *w, uint32_t from, uint32_t to)
{
	struct channel *c = &w->c[from][to];

	if (c->head == c->tail || w->dead[to])
		return false;
	struct said s = c->q[c->head++ % ROOM];
	struct dsm_member *m = &w->m[to];
	if (s.stale) {
		dsm_member_stale(m, s.epoch);
		decide(w, to);
		return true;
	}
	switch (dsm_member_told(m, from, s.epoch, s.gone)) {
	case DSM_TOLD_NEW:
		check_view(w, to);
		decide(w, to);
		break;
	case DSM_TOLD_STALE:
		say(w, to, from, true);
		break;
	default:
		break;
	}
	return true;
}

static void die(struct world *w, uint32_t i)
{
	w->dead[i] = true;
	for (uint32_t to = 0; to < N; to++) {
		struct channel *c = &w->c[i][to];
		uint32_t left = c->tail - c->head;
		c->tail = c->head + (uint32_t)dvmi_rng_below(&w->rng, left + 1);
	}
}

static void hear(struct world *w, uint32_t who, uint32_t of)
{
	if (w->dead[who] || !w->dead[of])
		return;
	dsm_member_heard(&w->m[who], of);
	decide(w, who);
}

static void step(struct world *w, uint32_t *deaths)
{
	uint32_t a = (uint32_t)dvmi_rng_below(&w->rng, N);
	uint32_t b = (uint32_t)dvmi_rng_below(&w->rng, N);

	switch (dvmi_rng_below(&w->rng, 8)) {
	case 0:
		if (*deaths && !w->dead[a]) {
			die(w, a);
			--*deaths;
		}
		break;
	case 1:
	case 2:
		if (a != b)
			hear(w, a, b);
		break;
	default:
		if (a != b)
			deliver(w, a, b);
	}
}

static void settle(struct world *w)
{
	bool more = true;

	for (uint32_t a = 0; a < N; a++)
		for (uint32_t b = 0; b < N; b++)
			if (a != b)
				hear(w, a, b);
	while (more) {
		more = false;
		for (uint32_t a = 0; a < N; a++)
			for (uint32_t b = 0; b < N; b++)
				more |= a != b && deliver(w, a, b);
	}
}

static void run(uint64_t seed)
{
	struct world *w = calloc(1, sizeof *w);
	uint32_t deaths = 1 + (uint32_t)(seed % (N - 1)), first = N;

	assert_non_null(w);
	dvmi_rng_seed(&w->rng, seed);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(dsm_member_init(&w->m[i], i, N), 0);
	for (int i = 0; i < 200; i++)
		step(w, &deaths);
	settle(w);
	for (uint32_t i = 0; i < N; i++) {
		if (w->dead[i])
			continue;
		first = first == N ? i : first;
		assert_int_equal(w->m[i].epoch, w->m[first].epoch);
		assert_memory_equal(w->m[i].gone, w->dead, sizeof w->dead);
	}
	for (uint32_t i = 0; i < N; i++)
		dsm_member_fini(&w->m[i]);
	free(w);
}

static void all_agree(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3000; seed++)
		run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_agree) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
