/* SPDX-License-Identifier: BSD-3-Clause */
/* Which pages processors walk, going down from the tables they use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shm/tables.h"
#include "shm/walked.h"

enum { FRAMES = 32, HIGH = 0x100000 };

struct memory {
	uint64_t words[FRAMES][DSM_WALKED_WORDS];
	bool away[FRAMES];
	unsigned looks;
};

/* Memory has a hole: frames from HIGH on are the second half of it. */
static uint64_t page_of(void *arg, uint64_t frame)
{
	if (frame < FRAMES / 2)
		return frame;
	return frame >= HIGH ? frame - HIGH + FRAMES / 2 : UINT64_MAX;
}

static const uint64_t *words(void *arg, uint64_t page)
{
	struct memory *m = arg;

	m->looks++;
	return page < FRAMES && !m->away[page] ? m->words[page] : NULL;
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct memory));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void link(struct memory *m, uint64_t page, unsigned i, uint64_t frame, uint64_t bits)
{
	m->words[page][i] = frame << 12 | bits;
}

static bool have(struct memory *m, uint64_t frame, unsigned levels, uint64_t page)
{
	const struct dsm_tables t = { page_of, words, m };

	return dsm_tables_have(&t, &(struct dsm_root){ frame, levels }, 1, page);
}

/* 1 → 2 → 3 → 4, which maps 5. */
static void make_tables(struct memory *m)
{
	link(m, 1, 511, 2, DSM_PTE_PRESENT | DSM_PTE_WRITE);
	link(m, 2, 0, 3, DSM_PTE_PRESENT | DSM_PTE_ACCESSED);
	link(m, 3, 100, 4, DSM_PTE_PRESENT);
	link(m, 4, 7, 5, DSM_PTE_PRESENT | DSM_PTE_ACCESSED);
	link(m, 5, 0, 6, DSM_PTE_PRESENT | DSM_PTE_ACCESSED); /* data like an entry */
}

static void test_levels(void **state)
{
	struct memory *m = *state;

	make_tables(m);
	for (uint64_t page = 0; page < FRAMES; page++)
		assert_int_equal(have(m, 1, 4, page), page >= 1 && page <= 4);
	assert_true(have(m, 1, 5, 5));
	assert_false(have(m, 1, 5, 6));
	assert_false(have(m, 1, 3, 4));
	assert_true(have(m, 1, 1, 1));
}

static void test_leaves(void **state)
{
	struct memory *m = *state;

	link(m, 1, 0, 2, DSM_PTE_PRESENT);
	link(m, 2, 0, 3, DSM_PTE_PRESENT | DSM_PTE_LEAF); /* 1 GiB */
	link(m, 2, 1, 4, DSM_PTE_PRESENT);
	link(m, 4, 0, 5, DSM_PTE_PRESENT | DSM_PTE_LEAF); /* 2 MiB */
	link(m, 4, 1, 6, 0);				  /* not there */
	for (uint64_t page = 3; page < 8; page++)
		assert_int_equal(have(m, 1, 4, page), page == 4);
}

static void test_holes(void **state)
{
	struct memory *m = *state;

	link(m, 1, 0, HIGH, DSM_PTE_PRESENT);
	link(m, FRAMES / 2, 0, 0xfee00, DSM_PTE_PRESENT);
	link(m, FRAMES / 2, 1, UINT64_C(0xffffffffff), DSM_PTE_PRESENT);
	link(m, FRAMES / 2, 2, HIGH + 3, DSM_PTE_PRESENT | UINT64_C(1) << 63);
	assert_true(have(m, 1, 4, FRAMES / 2));
	assert_true(have(m, 1, 4, FRAMES / 2 + 3));
	assert_false(have(m, 1, 4, FRAMES / 2 + 4));
	assert_false(have(m, UINT64_C(0xfffffffffff), 4, 4));
}

/* What is not here cannot be followed, and that it is one itself can be said. */
static void test_away(void **state)
{
	struct memory *m = *state;

	make_tables(m);
	m->away[3] = true;
	assert_true(have(m, 1, 4, 3));
	assert_false(have(m, 1, 4, 4));
}

/* Tables that lead to themselves and to each other are looked at once, however many ways there are.
 */
static void test_loops(void **state)
{
	struct memory *m = *state;

	for (unsigned i = 0; i < DSM_WALKED_WORDS; i++)
		for (uint64_t page = 1; page < 8; page++)
			link(m, page, i, 1 + (page + i) % 7, DSM_PTE_PRESENT);
	assert_false(have(m, 1, 5, 9));
	assert_in_range(m->looks, 1, 7);
}

static void test_roots(void **state)
{
	struct memory *m = *state;
	const struct dsm_tables t = { page_of, words, m };
	const struct dsm_root roots[] = { { 9, 4 }, { 1, 4 } };

	make_tables(m);
	link(m, 9, 511, 2, DSM_PTE_PRESENT); /* shares what is below */
	assert_false(dsm_tables_have(&t, roots, 0, 4));
	assert_true(dsm_tables_have(&t, roots, 1, 4));
	assert_true(dsm_tables_have(&t, roots, 2, 1));
	assert_false(dsm_tables_have(&t, roots, 2, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_holes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_roots, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
