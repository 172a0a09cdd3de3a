/* SPDX-License-Identifier: BSD-3-Clause */
/* What is asked for ahead of time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libdvm/base/rng.h"
#include "shm/stream.h"

#define PAGES 10000

/* Touches pages in order; what was asked for and not marked makes no fault. Counts the faults. */
static uint32_t walk(struct dsm_streams *t, uint64_t from, uint64_t to, uint8_t *here)
{
	uint32_t faults = 0;

	for (uint64_t p = from; p < to; p++) {
		if (here[p] == 1)
			continue;
		here[p] = 1;
		faults++;
		struct dsm_ahead a = dsm_stream_touch(t, p, PAGES, false, false);
		assert_true(a.count <= DSM_STREAM_HIGH && a.first + a.count <= PAGES);
		for (uint64_t i = a.first; i < a.first + a.count; i++)
			here[i] = i == a.mark ? 2 : 1;
	}
	return faults;
}

static void one_stream(void **state)
{
	struct dsm_streams t = { 0 };
	uint8_t here[PAGES] = { 0 };

	(void)state;
	/* Two to see it, then a marked page for each window. */
	uint32_t faults = walk(&t, 100, PAGES, here);
	assert_in_range(faults, PAGES / DSM_STREAM_HIGH, PAGES / DSM_STREAM_HIGH + 16);
}

/* The same by STEP, which is negative downwards: how many faults there are for N pages from FROM on. */
static uint32_t stride(struct dsm_streams *t, uint64_t from, int step, uint32_t n, uint8_t *here)
{
	uint32_t faults = 0, size = (uint32_t)(step < 0 ? -step : step);

	for (uint32_t k = 0; k < n; k++) {
		uint64_t p = from + (uint64_t)((int64_t)k * step);
		if (here[p] == 1)
			continue;
		unsigned how = here[p] == 2 ? DSM_STREAM_MARKED : 0;
		struct dsm_ahead a = dsm_stream_touch(t, p, PAGES, false, how);
		here[p] = 1;
		faults++;
		for (uint32_t i = 0; i < a.count; i++) {
			uint64_t q = a.first + (uint64_t)i * a.step;
			assert_true(q < PAGES && (q > from ? q - from : from - q) % size == 0);
			here[q] = q == a.mark ? 2 : 1;
		}
	}
	return faults;
}

/* Nothing but what lies on the way is asked for, to the end and not beyond. */
static void downwards(void **state)
{
	struct dsm_streams t = { 0 };
	uint8_t here[PAGES] = { 0 };

	(void)state;
	uint32_t faults = stride(&t, PAGES - 1, -1, PAGES, here);
	assert_in_range(faults, PAGES / DSM_STREAM_HIGH, PAGES / DSM_STREAM_HIGH + 16);
	for (int i = 0; i < PAGES; i++)
		assert_int_equal(here[i], 1);
}

static void some_way_apart(void **state)
{
	static const int steps[] = { 2, 7, DSM_STREAM_STEP, -2, -9, -DSM_STREAM_STEP };

	(void)state;
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct dsm_streams t = { 0 };
		uint8_t here[PAGES] = { 0 };
		uint32_t size = (uint32_t)(steps[i] < 0 ? -steps[i] : steps[i]), n = (PAGES - 1) / size + 1, got = 0;
		uint64_t from = steps[i] < 0 ? (n - 1) * size : 0;
		uint32_t faults = stride(&t, from, steps[i], n, here);
		assert_in_range(faults, n / DSM_STREAM_HIGH, n / DSM_STREAM_HIGH + 16);
		for (int p = 0; p < PAGES; p++)
			got += here[p] == 1;
		assert_int_equal(got, n);
	}
	/* Too far. */
	struct dsm_streams t = { 0 };
	uint8_t here[PAGES] = { 0 };
	uint32_t n = PAGES / (DSM_STREAM_STEP + 1);
	assert_int_equal(stride(&t, 0, DSM_STREAM_STEP + 1, n, here), n);
}

/* Where neighbours need not belong together, what is apart does even less. */
static void carefully(void **state)
{
	struct dsm_streams t = { .careful = true };
	uint8_t here[PAGES] = { 0 };

	(void)state;
	assert_int_equal(stride(&t, 0, 16, 100, here), 100);
	assert_in_range(stride(&t, PAGES - 1, -1, 1000, here), 1000 / DSM_STREAM_HIGH,
			1000 / DSM_STREAM_HIGH + 32);
	/* Two beside each other, the upper one first, are no stream. */
	t = (struct dsm_streams){ .careful = true };
	for (uint64_t p = 1000; p < 3000; p += 50)
		for (uint64_t i = 0; i < 2; i++)
			assert_int_equal(dsm_stream_touch(&t, p - i, PAGES, true, 0).count, 0);
}

/* Fewer faults, where windows may be larger. */
static void wide_stream(void **state)
{
	struct dsm_streams t = { .most = 4 * DSM_STREAM_HIGH };
	uint64_t page = 100, asked = 0;
	uint32_t faults = 0;

	(void)state;
	for (; page < PAGES; faults++) {
		struct dsm_ahead a = dsm_stream_touch(&t, page, PAGES, false, false);
		assert_true(a.count <= 4 * DSM_STREAM_HIGH);
		asked += a.count;
		page = a.count ? a.mark : page + 1;
	}
	assert_in_range(asked, PAGES - 110, PAGES + PAGES / 100);
	assert_in_range(faults, 0, PAGES / DSM_STREAM_HIGH / 2);
}

static void several_at_a_time(void **state)
{
	struct dsm_streams t = { 0 };
	uint8_t here[PAGES] = { 0 };
	uint32_t faults = 0;

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		for (uint64_t s = 0; s < 4; s++)
			faults += walk(&t, s * 2000 + i, s * 2000 + i + 1, here);
	assert_in_range(faults, 4 * 1000 / DSM_STREAM_HIGH, 4 * (1000 / DSM_STREAM_HIGH + 16));
}

static void no_stream(void **state)
{
	struct dsm_streams t = { 0 };
	struct dvmi_rng rng;
	uint32_t asked = 0;

	(void)state;
	dvmi_rng_seed(&rng, 5);
	for (int i = 0; i < 1000; i++)
		asked += dsm_stream_touch(&t, 3 * dvmi_rng_below(&rng, PAGES / 3), PAGES, true,
					  false).count;
	assert_in_range(asked, 0, 200);
}

static void told_to(void **state)
{
	struct dsm_streams t = { 0 };

	(void)state;
	struct dsm_ahead a = dsm_stream_touch(&t, 10, PAGES, true, true);
	assert_int_equal(a.first, 11);
	assert_int_equal(a.count, DSM_STREAM_HIGH);
	a = dsm_stream_touch(&t, PAGES - 2, PAGES, true, true);
	assert_int_equal(a.count, 1);
	a = dsm_stream_touch(&t, PAGES - 1, PAGES, true, true);
	assert_int_equal(a.count, 0);
}

static struct dsm_ahead touch(struct dsm_streams *t, uint64_t page, unsigned how)
{
	return dsm_stream_touch(t, page, PAGES, true, how);
}

/* What is left out of a window because it is not sure yet is asked for once it is. */
static void careful(void **state)
{
	struct dsm_streams t = { .careful = true };
	uint32_t asked = 0;

	(void)state;
	for (uint64_t p = 10; p < 13; p++)
		assert_false(touch(&t, p, 0).sure);
	struct dsm_ahead a = touch(&t, 13, 0);
	assert_true(a.sure && a.first == 14 && a.count > DSM_STREAM_LOW);
	/* What is under way is not asked for again, and a touch of the mark goes on. */
	assert_int_equal(touch(&t, 14, 0).count, 0);
	struct dsm_ahead b = touch(&t, a.mark, DSM_STREAM_MARKED);
	assert_true(b.sure && b.first == a.first + a.count && b.count > a.count);
	/* It was all taken away again: not every page has a fault. */
	for (uint64_t p = a.mark + 1; p < b.first; p++)
		asked += touch(&t, p, 0).count;
	assert_true(asked > 0);
}

/* Some beside each other are nothing to be sure of, also where a stream has been. */
static void some_apart(void **state)
{
	struct dsm_streams t = { .careful = true };
	uint64_t p = 10;

	(void)state;
	for (; p < 14; p++)
		touch(&t, p, 0);
	for (p = 16; p < PAGES - 2; p += 16)
		for (uint64_t i = 0; i < 2; i++)
			assert_false(touch(&t, p + i, 0).sure);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_stream), cmocka_unit_test(wide_stream),
		cmocka_unit_test(several_at_a_time),
		cmocka_unit_test(no_stream), cmocka_unit_test(told_to),
		cmocka_unit_test(careful), cmocka_unit_test(some_apart),
		cmocka_unit_test(downwards), cmocka_unit_test(some_way_apart),
		cmocka_unit_test(carefully),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
