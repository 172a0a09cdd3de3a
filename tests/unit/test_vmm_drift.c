/* SPDX-License-Identifier: BSD-3-Clause */
/* Two clocks kept in step: an offset goes away, a rate is followed, delays mislead nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kvm-node/drift.h"
#include "kvm-node/slew.h"

#define TICKS_MS 2000000 /* 2 GHz */

/* A follower's clock: true time, a rate that is off, and what was corrected. */
struct world {
	struct vmm_drift d;
	uint64_t now;	   /* the first host's */
	int64_t raw;	   /* our counter - theirs */
	struct vmm_slew slew; /* our clock - our counter */
	int64_t ppm;	   /* how much faster ours is */
	uint64_t there, back; /* of the way */
	uint64_t last; /* of our clock, which may not go back */
};

static uint64_t counter(const struct world *w)
{
	return w->now + (uint64_t)w->raw;
}

static uint64_t ours(const struct world *w)
{
	return counter(w) + vmm_slew_at(&w->slew, counter(w));
}

static int64_t off(const struct world *w)
{
	return (int64_t)(ours(w) - w->now);
}

static void pass(struct world *w, uint64_t ticks)
{
	w->now += ticks;
	w->raw += (int64_t)ticks * w->ppm / 1000000;
	assert_true(ours(w) >= w->last);
	w->last = ours(w);
}

/* One question every 20 ms. */
static void ask(struct world *w)
{
	int64_t delta = 0;
	uint64_t asked = ours(w);

	pass(w, w->there);
	uint64_t theirs = w->now;
	pass(w, w->back);
	if (vmm_drift_answer(&w->d, asked, theirs, ours(w), &delta))
		vmm_slew_by(&w->slew, counter(w), delta, 128 * TICKS_MS);
	pass(w, 20 * TICKS_MS);
}

static struct world start(int64_t ahead, int64_t ppm)
{
	return (struct world){ .now = 1000u * TICKS_MS, .raw = ahead, .ppm = ppm, .there = 100000,
			       .back = 100000 };
}

static void test_offset(void **state)
{
	struct world w = start(-5 * TICKS_MS, 0);

	for (int i = 0; i < 2000; i++)
		ask(&w);
	assert_true(llabs(off(&w)) <= 50000);
	w = start(5 * TICKS_MS, 0);
	for (int i = 0; i < 2000; i++)
		ask(&w);
	assert_true(llabs(off(&w)) <= 50000);
}

static void test_rate(void **state)
{
	for (int64_t ppm = -100; ppm <= 100; ppm += 50) {
		struct world w = start(0, ppm);
		for (int i = 0; i < 2000; i++) {
			ask(&w);
			assert_true(llabs(off(&w)) < 100000); /* less than the one-way time */
		}
	}
}

/* A rate that cannot be followed is told, once; one that can, and a clock that was far off, is not. */
static unsigned told(struct world w, unsigned asks)
{
	unsigned n = 0;

	for (unsigned i = 0; i < asks; i++) {
		ask(&w);
		n += w.d.lost;
	}
	return n;
}

static void test_lost(void **state)
{
	for (int64_t ppm = 700; ppm <= 1900; ppm += 400) {
		assert_int_equal(told(start(0, ppm), 2000), 1);
		assert_int_equal(told(start(0, -ppm), 2000), 1);
	}
	for (int64_t ppm = -250; ppm <= 250; ppm += 125)
		assert_int_equal(told(start(0, ppm), 2000), 0);
	assert_int_equal(told(start(5 * TICKS_MS, 0), 2000), 0);
	assert_int_equal(told(start(-5 * TICKS_MS, 100), 2000), 0);
}

static void test_small(void **state)
{
	struct world w = start(1000, 0);

	for (int i = 0; i < 200; i++)
		ask(&w);
	assert_int_equal(off(&w), 1000); /* nobody could tell */
}

/* Answers that come late, on one way only, and once in a while for long. */
static void test_delays(void **state)
{
	struct world w = start(0, 20);

	srand(1);
	for (int i = 0; i < 5000; i++) {
		bool bad = i % 1000 > 800;
		w.there = 100000;
		w.back = 100000 + (bad ? 20u * TICKS_MS : (uint64_t)(rand() % 8 ? rand() % TICKS_MS : 0));
		ask(&w);
		assert_true(llabs(off(&w)) < 6 * TICKS_MS);
		if (i > 200 && i % 1000 == 800)
			assert_true(llabs(off(&w)) < TICKS_MS / 4);
	}
}

static void test_set_meanwhile(void **state)
{
	struct vmm_drift d = { 0 };
	int64_t delta = 7;

	for (int i = 0; i < 20; i++)
		assert_false(vmm_drift_answer(&d, 1000, 5, 900, &delta));
	assert_int_equal(delta, 7);
	assert_int_equal(d.n, 0);
	assert_false(vmm_drift_answer(&d, 1000, 2100, 1200, &delta));
	assert_int_equal(d.n, 1);
	assert_int_equal(d.ahead, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offset), cmocka_unit_test(test_rate),
		cmocka_unit_test(test_lost),   cmocka_unit_test(test_small),
		cmocka_unit_test(test_delays),
		cmocka_unit_test(test_set_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
