/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/base/hist.h"
#include "libdvm/base/rng.h"
#include "tests/unit/cm.h"

/* Where a value alone is found. */
static uint64_t found(uint64_t value)
{
	struct dvmi_hist h = { { 0 } };

	dvmi_hist_add(&h, value);
	return dvmi_hist_quantile(&h, 500);
}

static void nothing_is_zero(void **state)
{
	struct dvmi_hist h = { { 0 } };

	assert_int_equal(dvmi_hist_quantile(&h, 0), 0);
	assert_int_equal(dvmi_hist_quantile(&h, 1000), 0);
}

static void small_values_are_exact(void **state)
{
	for (uint64_t v = 0; v < 16; v++)
		assert_int_equal(found(v), v);
	assert_int_equal(found(16), 17);
}

static void all_values_are_known_to_an_eighth(void **state)
{
	struct dvmi_rng r;

	dvmi_rng_seed(&r, 7);
	for (int i = 0; i < 100000; i++) {
		uint64_t v = dvmi_rng_next(&r) >> dvmi_rng_below(&r, 64);
		uint64_t top = found(v);
		assert_true(top >= v);
		assert_true(top - v <= v / 8);
	}
	assert_true(found(UINT64_MAX) == UINT64_MAX);
}

static void classes_follow_each_other(void **state)
{
	for (unsigned i = 1; i < DVMI_HIST_CLASSES; i++) {
		assert_true(dvmi_hist_top(i) > dvmi_hist_top(i - 1));
		assert_true(found(dvmi_hist_top(i)) == dvmi_hist_top(i));
		assert_true(found(dvmi_hist_top(i - 1) + 1) == dvmi_hist_top(i));
	}
	assert_true(dvmi_hist_top(DVMI_HIST_CLASSES - 1) == UINT64_MAX);
}

static void quantiles_split_what_was_seen(void **state)
{
	struct dvmi_hist h = { { 0 } };

	for (unsigned i = 0; i < 990; i++)
		dvmi_hist_add(&h, 4);
	for (unsigned i = 0; i < 10; i++)
		dvmi_hist_add(&h, 1023);
	assert_int_equal(dvmi_hist_quantile(&h, 0), 4);
	assert_int_equal(dvmi_hist_quantile(&h, 500), 4);
	assert_int_equal(dvmi_hist_quantile(&h, 990), 4);
	assert_int_equal(dvmi_hist_quantile(&h, 991), 1023);
	assert_int_equal(dvmi_hist_quantile(&h, 1000), 1023);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_zero),
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(all_values_are_known_to_an_eighth),
		cmocka_unit_test(classes_follow_each_other),
		cmocka_unit_test(quantiles_split_what_was_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
