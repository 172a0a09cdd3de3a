/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sched/dsched_replay.h"
#include "tests/unit/cm.h"

#define S UINT64_C(1000000000)

static void lines_of_a_trace(void **state)
{
	struct dsched_trace t = { 0 };

	assert_int_equal(dsched_swf_line(&t, "; a comment"), 0);
	assert_int_equal(dsched_swf_line(&t, "  ; another"), 0);
	assert_int_equal(dsched_swf_line(&t, "# of another kind"), 0);
	assert_int_equal(dsched_swf_line(&t, " \t\r\n"), 0);
	assert_int_equal(dsched_swf_line(&t, "7 10 5 60 4 -1 -1 8 120 2048 1 3 1 -1 1 -1 2 -1\n"),
			 1);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.jobs[0].id, 7);
	assert_true(t.jobs[0].submit == 10 * S && t.jobs[0].runtime == 60 * S);
	assert_true(t.jobs[0].limit == 120 * S);
	assert_int_equal(t.jobs[0].req.ranks, 8);
	assert_int_equal(t.jobs[0].req.mem_per_rank, 2048 * 1024);
	assert_int_equal(t.jobs[0].user, 3);
	assert_int_equal(t.jobs[0].after, 2);
	/* Used processors, where none were asked for; no limit, no memory, no user. */
	assert_int_equal(dsched_swf_line(&t, "8 0 -1 1.5 4 -1 -1 -1 -1 -1 1 -1 -1 -1 -1 -1 -1 -1"),
			 1);
	assert_int_equal(t.jobs[1].req.ranks, 4);
	assert_true(t.jobs[1].limit == 0 && t.jobs[1].runtime == S && t.jobs[1].after == 0);
	/* Cancelled before it ran. */
	assert_int_equal(dsched_swf_line(&t, "9 0 5 -1 4 -1 -1 8 9 -1 5 1 1 1 1 1 -1 -1"), 0);
	assert_int_equal(dsched_swf_line(&t, "9 0 5 9 4 -1 -1 8 9 -1 5 1 1 1 1 1 -1 -1 ; a remark"),
			 1);
	assert_int_equal(t.left_out, 1);
	/* Columns that are missing are not known; those that nobody knows do not matter. */
	assert_int_equal(dsched_swf_line(&t, "10 3 5 60 4\r\n"), 1);
	assert_int_equal(t.jobs[3].req.ranks, 4);
	assert_true(t.jobs[3].limit == 0 && t.jobs[3].user == 0 && t.jobs[3].after == 0);
	assert_int_equal(dsched_swf_line(&t, "7 -5 5 60 4 -1 -1 8 120 2048 1 3 1 -1 1 -1 2 -1 -1 9"),
			 1);
	assert_true(t.jobs[4].submit == 0 && t.jobs[4].after == 2);
	/* The machine it was recorded on. */
	assert_int_equal(dsched_swf_line(&t, ";MaxNodes:  32\r\n"), 0);
	assert_int_equal(dsched_swf_line(&t, "; MaxProcs: 128 (4 each)"), 0);
	assert_int_equal(dsched_swf_line(&t, "; MaxProcs: -1"), 0);
	assert_int_equal(dsched_swf_line(&t, "; MaxProcs"), 0);
	assert_true(t.max_nodes == 32 && t.max_procs == 128);
	dsched_trace_free(&t);
}

static void lines_that_are_none(void **state)
{
	static const char *const bad[] = {
		"7 10 5 60",
		"7 10 5 60 4 -1 -1 8 120 2048 1 3 1 -1 1 -1 2 -1 x",
		"x 10 5 60 4 -1 -1 8 120 2048 1 3 1 -1 1 -1 2 -1",
		"0 10 5 60 4 -1 -1 8 120 2048 1 3 1 -1 1 -1 2 -1",
		"7 1e12 5 60 4 -1 -1 8 120 2048 1 3 1 -1 1 -1 2 -1",
		"7 10 5 60 4 -1 -1 99999999 120 2048 1 3 1 -1 1 -1 2 -1",
		"7 10 5 nan 4 -1 -1 8 120 2048 1 3 1 -1 1 -1 2 -1",
		"7 10 5 60 4 -1 -1 8 1e300 2048 1 3 1 -1 1 -1 2 -1",
	};
	struct dsched_trace t = { 0 };

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(dsched_swf_line(&t, bad[i]), -EINVAL);
	assert_int_equal(t.n, 0);
	dsched_trace_free(&t);
}

static void a_day_in_a_moment(void **state)
{
	static const char *const lines[] = {
		"1 0 -1 100 -1 -1 -1 2 100 -1 1 1 -1 -1 -1 -1 -1 -1",
		"2 1 -1 50 -1 -1 -1 4 50 -1 1 1 -1 -1 -1 -1 -1 -1", /* at 100 */
		"3 2 -1 90 -1 -1 -1 2 98 -1 1 1 -1 -1 -1 -1 -1 -1", /* in the gap */
		"4 3 -1 10 -1 -1 -1 9 20 -1 1 1 -1 -1 -1 -1 -1 -1", /* never */
		"5 4 -1 40 -1 -1 -1 1 10 -1 1 1 -1 -1 -1 -1 2 -1",  /* at 150, for 10 */
	};
	struct dsched_node node = { .id = 1, .name = "n", .slots = 4 };
	const struct dsched_snapshot snap = { .size = sizeof snap, .nodes = &node, .nnodes = 1 };
	const struct dsched_policy policy = { .size = sizeof policy, .order = DSCHED_EASY };
	struct dsched_trace t = { 0 };
	struct dsched_replay r;

	for (size_t i = 0; i < 5; i++)
		assert_int_equal(dsched_swf_line(&t, lines[i]), 1);
	assert_int_equal(dsched_replay(&t, &snap, &policy, &r), 0);
	assert_true(t.jobs[0].start == 0 && t.jobs[0].end == 100 * S);
	assert_true(t.jobs[1].start == 100 * S && t.jobs[1].promised == 100 * S);
	assert_true(t.jobs[2].start == 2 * S && t.jobs[2].end == 92 * S);
	assert_true(t.jobs[3].start == DSCHED_NEVER);
	assert_true(t.jobs[4].start == 150 * S && t.jobs[4].end == 160 * S);
	assert_int_equal(r.started, 4);
	assert_int_equal(r.impossible, 1);
	assert_int_equal(r.passed, 1);
	assert_true(r.begin == 0 && r.end == 160 * S && r.slots == 4);
	assert_int_equal(r.used, 2 * 100 + 4 * 50 + 2 * 90 + 10);
	assert_true(r.wait_max == 146 * S);
	dsched_replay_free(&r);
	dsched_trace_free(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_a_trace),
		cmocka_unit_test(lines_that_are_none),
		cmocka_unit_test(a_day_in_a_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
