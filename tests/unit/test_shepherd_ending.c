/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/shepherd/ending.h"
#include "tests/unit/cm.h"

static void term_then_kill_then_stuck(void **state)
{
	struct shep_ending e = { .stuck_after = 50 };

	assert_int_equal(shep_ending_next(&e), UINT64_MAX);
	assert_int_equal(shep_ending_tick(&e, 1000), SHEP_ENDING_NOT);
	assert_int_equal(shep_ending_order(&e, 1000, 20), SHEP_ENDING_TERM);
	assert_int_equal(shep_ending_next(&e), 1020);
	assert_int_equal(shep_ending_tick(&e, 1019), SHEP_ENDING_NOT);
	assert_int_equal(shep_ending_tick(&e, 1020), SHEP_ENDING_KILL);
	assert_int_equal(shep_ending_tick(&e, 1069), SHEP_ENDING_NOT);
	assert_int_equal(shep_ending_tick(&e, 1070), SHEP_ENDING_STUCK);
	assert_int_equal(shep_ending_tick(&e, UINT64_MAX - 1), SHEP_ENDING_NOT);
	assert_int_equal(shep_ending_next(&e), UINT64_MAX);
}

static void a_second_order_only_hastens(void **state)
{
	struct shep_ending e = { .stuck_after = 50 };

	shep_ending_order(&e, 1000, 100);
	assert_int_equal(shep_ending_order(&e, 1010, 500), SHEP_ENDING_NOT);
	assert_int_equal(shep_ending_next(&e), 1100);
	assert_int_equal(shep_ending_order(&e, 1010, 20), SHEP_ENDING_NOT);
	assert_int_equal(shep_ending_next(&e), 1030);
	assert_int_equal(shep_ending_order(&e, 1011, 0), SHEP_ENDING_KILL);
	assert_int_equal(shep_ending_order(&e, 1012, 0), SHEP_ENDING_NOT);
	assert_int_equal(shep_ending_order(&e, 1012, 7), SHEP_ENDING_NOT);
	assert_int_equal(shep_ending_next(&e), 1061);
}

static void endless_patience_does_not_wrap(void **state)
{
	struct shep_ending e = { .stuck_after = 50 };

	assert_int_equal(shep_ending_order(&e, 1000, UINT64_MAX), SHEP_ENDING_TERM);
	assert_int_equal(shep_ending_tick(&e, UINT64_MAX - 1), SHEP_ENDING_NOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(term_then_kill_then_stuck),
		cmocka_unit_test(a_second_order_only_hastens),
		cmocka_unit_test(endless_patience_does_not_wrap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
