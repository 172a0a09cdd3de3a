/* SPDX-License-Identifier: BSD-3-Clause */
/* Which tables vCPUs have used lately. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kvm-node/roots.h"

#define MS UINT64_C(1000000)

static void test_modes(void **state)
{
	static const struct {
		uint64_t cr0, cr3, cr4, efer;
		uint64_t frame;
		unsigned levels; /* 0: none */
	} rows[] = {
		{ 0x60000010, 0x1000, 0, 0, 0, 0 },		     /* paging is off */
		{ 0x80000011, 0x1000, 0, 0, 0, 0 },		     /* entries of 4 bytes */
		{ 0x80000011, 0x12345020, 0x20, 0, 0x12345, 3 },     /* PAE */
		{ 0x80000011, 0x12345000, 0x20, 0x500, 0x12345, 4 }, /* long mode */
		{ 0x80000011, 0x12345fff, 0x20, 0xd01, 0x12345, 4 }, /* ... with a PCID */
		{ 0x80000011, 0x12345000, 0x1020, 0x500, 0x12345, 5 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kvm_sregs s = { .cr0 = rows[i].cr0,
				       .cr3 = rows[i].cr3,
				       .cr4 = rows[i].cr4,
				       .efer = rows[i].efer };
		struct dsm_root root = { 0 };
		assert_int_equal(vmm_roots_of(&s, &root), rows[i].levels != 0);
		assert_int_equal(root.frame, rows[i].frame);
		assert_int_equal(root.levels, rows[i].levels);
	}
}

static bool has(const struct vmm_roots *r, uint64_t now, uint64_t frame)
{
	struct dsm_root out[DSM_ROOTS];
	unsigned n = vmm_roots_lately(r, now, out), seen = 0;

	for (unsigned i = 0; i < n; i++)
		seen += out[i].frame == frame;
	assert_in_range(seen, 0, 1);
	return seen;
}

/* Those of a process that has ended are forgotten, and who goes on running is not. */
static void test_lately(void **state)
{
	struct vmm_roots r = { 0 };

	assert_false(has(&r, 1, 0));
	vmm_roots_saw(&r, &(struct dsm_root){ 1, 4 }, 10 * MS);
	for (uint64_t t = 10; t < 4000; t += 500)
		vmm_roots_saw(&r, &(struct dsm_root){ 2, 4 }, t * MS);
	assert_true(has(&r, 2009 * MS, 1));
	assert_false(has(&r, 2010 * MS, 1));
	assert_true(has(&r, 4000 * MS, 2));
}

static void test_many(void **state)
{
	struct vmm_roots r = { 0 };

	for (uint64_t i = 0; i < 3 * DSM_ROOTS; i++) {
		vmm_roots_saw(&r, &(struct dsm_root){ 100 + i, 4 }, (1 + 2 * i) * MS);
		vmm_roots_saw(&r, &(struct dsm_root){ 7, 4 }, (2 + 2 * i) * MS);
	}
	for (uint64_t i = 0; i < 3 * DSM_ROOTS; i++)
		assert_int_equal(has(&r, 1000 * MS, 100 + i), i > 2 * DSM_ROOTS);
	assert_true(has(&r, 1000 * MS, 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_lately),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
