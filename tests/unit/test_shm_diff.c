/* SPDX-License-Identifier: BSD-3-Clause */
/* Differences of pages: made and applied, too long, and of any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libdvm/base/rng.h"
#include "shm/diff.h"

#define N 4096

static void none(void **state)
{
	uint8_t a[N] = { 1 }, out[8];

	(void)state;
	assert_int_equal(dsm_diff_make(a, a, N, out, 0), 0);
	assert_true(dsm_diff_good(out, 0, N));
	dsm_diff_apply(out, 0, a);
	assert_int_equal(a[0], 1);
}

static void too_long(void **state)
{
	uint8_t a[N] = { 0 }, b[N], out[N];

	(void)state;
	memset(b, 1, N);
	assert_true(dsm_diff_make(a, b, N, out, N) == SIZE_MAX);
	memcpy(b, a, N);
	b[N - 1] = 9;
	assert_int_equal(dsm_diff_make(a, b, N, out, 12), 12);
	assert_true(dsm_diff_make(a, b, N, out, 11) == SIZE_MAX);
}

static void there_and_back(void **state)
{
	struct dvmi_rng rng;
	uint8_t a[N], b[N], c[N];

	(void)state;
	dvmi_rng_seed(&rng, 3);
	for (int round = 0; round < 2000; round++) {
		for (int i = 0; i < N; i++)
			a[i] = b[i] = c[i] = (uint8_t)dvmi_rng_next(&rng);
		for (uint64_t k = dvmi_rng_below(&rng, 60); k; k--) {
			size_t at = dvmi_rng_below(&rng, N), len = 1 + dvmi_rng_below(&rng, 40);
			for (size_t i = at; i < at + len && i < N; i++)
				b[i] = (uint8_t)dvmi_rng_next(&rng);
		}
		/* Its own memory: a step beside it is seen by sanitizers. */
		uint8_t *out = malloc(2 * N);
		size_t len = dsm_diff_make(a, b, N, out, 2 * N);
		assert_true(len <= 2 * N);
		assert_true(dsm_diff_good(out, len, N));
		dsm_diff_apply(out, len, c);
		assert_memory_equal(b, c, N);
		free(out);
	}
}

/* What is called good stays inside of the page. */
static void any_bytes(void **state)
{
	struct dvmi_rng rng;
	uint32_t good = 0;

	(void)state;
	dvmi_rng_seed(&rng, 4);
	for (int round = 0; round < 100000; round++) {
		size_t len = dvmi_rng_below(&rng, 60);
		uint8_t *diff = malloc(len + 1), *page = malloc(128);
		for (size_t i = 0; i < len; i++)
			diff[i] = (uint8_t)(dvmi_rng_below(&rng, 3) ? 0 : dvmi_rng_below(&rng, 20));
		if (dsm_diff_good(diff, len, 128)) {
			good++;
			dsm_diff_apply(diff, len, page);
		}
		free(diff);
		free(page);
	}
	assert_in_range(good, 1000, 99000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none), cmocka_unit_test(too_long),
		cmocka_unit_test(there_and_back), cmocka_unit_test(any_bytes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
