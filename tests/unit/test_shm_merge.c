/* SPDX-License-Identifier: BSD-3-Clause */
/* Changes of pages: of several writers in one word, whole pages of them, and of any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libdvm/base/rng.h"
#include "shm/merge.h"

#define N 4096

static void none(void **state)
{
	uint8_t a[N] = { 1 }, out[8];

	(void)state;
	assert_int_equal(dsm_merge_make(a, a, N, out), 0);
	assert_true(dsm_merge_good(out, 0, N));
	dsm_merge_apply(out, 0, a);
	assert_int_equal(a[0], 1);
}

/* Each of three writers has changed every third byte; in the end all are there. */
static void neighbours(void **state)
{
	uint8_t base[N] = { 0 }, mine[3][N], *out = malloc(DSM_MERGE_ROOM(N));
	uint8_t home[N] = { 0 };

	(void)state;
	for (int w = 0; w < 3; w++) {
		memcpy(mine[w], base, N);
		for (int i = w; i < N; i += 3)
			mine[w][i] = (uint8_t)(i % 250 + 1);
		size_t len = dsm_merge_make(base, mine[w], N, out);
		assert_true(len && len <= DSM_MERGE_ROOM(N));
		assert_true(dsm_merge_good(out, len, N));
		dsm_merge_apply(out, len, home);
	}
	for (int i = 0; i < N; i++)
		assert_int_equal(home[i], i % 250 + 1);
	free(out);
}

static void there_and_back(void **state)
{
	struct dvmi_rng rng;

	(void)state;
	dvmi_rng_seed(&rng, 3);
	for (int round = 0; round < 2000; round++) {
		size_t n = 8 * (1 + dvmi_rng_below(&rng, DSM_MERGE_PART / 8));
		/* Memory of its own: a step beside it is seen by sanitizers. */
		uint8_t *a = calloc(1, n), *b = calloc(1, n), *out = malloc(DSM_MERGE_ROOM(n));
		for (uint64_t k = dvmi_rng_below(&rng, 60); k; k--) {
			size_t at = dvmi_rng_below(&rng, n), len = 1 + dvmi_rng_below(&rng, 40);
			for (size_t i = at; i < at + len && i < n; i++)
				b[i] = (uint8_t)dvmi_rng_next(&rng);
		}
		size_t len = dsm_merge_make(a, b, n, out);
		assert_true(len <= DSM_MERGE_ROOM(n));
		assert_true(dsm_merge_good(out, len, n));
		dsm_merge_apply(out, len, a);
		assert_memory_equal(a, b, n);
		free(a);
		free(b);
		free(out);
	}
}

/* What a peer may send: what is good stays within the page. */
static void of_any_bytes(void **state)
{
	struct dvmi_rng rng;
	int good = 0;

	(void)state;
	dvmi_rng_seed(&rng, 5);
	for (int round = 0; round < 200000; round++) {
		size_t len = dvmi_rng_below(&rng, 64);
		uint8_t *p = malloc(len + !len), *page = calloc(1, 256);
		for (size_t i = 0; i < len; i++)
			p[i] = (uint8_t)(dvmi_rng_next(&rng) & (i % 4 == 0 ? 7 : i % 4 == 2 ? 3 : 1));
		if (dsm_merge_good(p, len, 256)) {
			dsm_merge_apply(p, len, page);
			good += len > 0;
		}
		free(p);
		free(page);
	}
	assert_true(good > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none),
		cmocka_unit_test(neighbours),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(of_any_bytes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
