/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/src/pace.h"
#include "tests/unit/cm.h"

enum { LEN = 1 << 20 };

/* N messages where a way takes ns[way]; how many went by copy. */
static int run(struct dvmi_pace *p, int n, uint64_t stream_ns, uint64_t copy_ns)
{
	int copies = 0;

	for (int i = 0; i < n; i++) {
		enum dvmi_way w = dvmi_pace_choose(p);
		copies += w == DVMI_WAY_COPY;
		dvmi_pace_sample(p, w, LEN, w == DVMI_WAY_COPY ? copy_ns : stream_ns);
	}
	return copies;
}

static void the_faster_one_is_taken(void **state)
{
	struct dvmi_pace copy = { 0 }, stream = { 0 };

	run(&copy, 20, 90000, 30000);
	assert_true(run(&copy, 1000, 90000, 30000) > 960);
	run(&stream, 20, 30000, 90000);
	assert_true(run(&stream, 1000, 30000, 90000) < 40);
}

static void the_loser_is_tried_less_and_less(void **state)
{
	struct dvmi_pace p = { 0 };

	run(&p, 5000, 90000, 30000);
	assert_true(run(&p, 10000, 90000, 30000) >= 10000 - 48);
	assert_true(run(&p, 10000, 90000, 30000) < 10000); /* but never never */
}

/* Near turns into far, and back. */
static void a_change_is_noticed(void **state)
{
	struct dvmi_pace p = { 0 };

	run(&p, 5000, 30000, 40000);
	run(&p, 100, 400000, 40000);
	assert_true(run(&p, 1000, 400000, 40000) > 950);
	run(&p, 1100, 20000, 40000); /* nothing to be seen from the winner: the next try tells */
	assert_true(run(&p, 1000, 20000, 40000) < 60);
}

/* Both outcomes of noise are about as good; it must settle nothing wrong for long. */
static void noise_does_no_harm(void **state)
{
	struct dvmi_pace p = { 0 };
	uint32_t x = 1;
	int copies = 0;

	for (int i = 0; i < 20000; i++) {
		enum dvmi_way w = dvmi_pace_choose(&p);
		x = x * 1664525 + 1013904223;
		uint64_t ns = (w == DVMI_WAY_COPY ? 30000 : 60000) + x % 20000;
		copies += w == DVMI_WAY_COPY;
		dvmi_pace_sample(&p, w, LEN, ns);
	}
	assert_true(copies > 18000);
}

/* Messages that end in pairs, the second of each at once: no way is infinitely fast. */
static void pairs_are_no_news(void **state)
{
	struct dvmi_pace p = { 0 };
	int copies = 0;

	for (int i = 0; i < 20000; i++) {
		enum dvmi_way w = dvmi_pace_choose(&p);
		uint64_t each = w == DVMI_WAY_COPY ? 30000 : 70000;
		copies += w == DVMI_WAY_COPY;
		dvmi_pace_sample(&p, w, LEN, i % 2 ? 2 * each - 10 : 10);
	}
	assert_true(copies > 19000);
}

/* A run of the loser whose messages cannot be timed ends all the same. */
static void a_run_without_samples_ends(void **state)
{
	struct dvmi_pace p = { 0 };
	int streams = 0;

	run(&p, 5000, 90000, 30000);
	for (int i = 0; i < 20000; i++) {
		enum dvmi_way w = dvmi_pace_choose(&p);
		streams += w == DVMI_WAY_STREAM;
		if (w == DVMI_WAY_COPY)
			dvmi_pace_sample(&p, w, LEN, 30000);
	}
	assert_true(streams > 0 && streams < 20000 / 10);
}

/* Samples that say nothing, and the largest there are. */
static void extremes(void **state)
{
	struct dvmi_pace p = { 0 };

	dvmi_pace_sample(&p, DVMI_WAY_COPY, LEN, 0);
	dvmi_pace_sample(&p, DVMI_WAY_COPY, 0, 1);
	assert_int_equal(p.cost[DVMI_WAY_COPY], 0);
	for (int i = 0; i < 10; i++) {
		dvmi_pace_sample(&p, DVMI_WAY_COPY, UINT64_MAX / 1000, 1);
		dvmi_pace_sample(&p, DVMI_WAY_STREAM, 1, UINT64_MAX);
	}
	assert_true(p.cost[DVMI_WAY_COPY] < p.cost[DVMI_WAY_STREAM]);
	assert_true(p.cost[DVMI_WAY_COPY] > 0);
	/* Unanswered choices do not repeat one way for ever. */
	struct dvmi_pace q = { 0 };
	int streams = 0;
	for (int i = 0; i < 6; i++)
		streams += dvmi_pace_choose(&q) == DVMI_WAY_STREAM;
	assert_int_equal(streams, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_faster_one_is_taken),
		cmocka_unit_test(the_loser_is_tried_less_and_less),
		cmocka_unit_test(a_change_is_noticed),
		cmocka_unit_test(noise_does_no_harm),
		cmocka_unit_test(pairs_are_no_news),
		cmocka_unit_test(a_run_without_samples_ends),
		cmocka_unit_test(extremes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
