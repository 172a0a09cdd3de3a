/* SPDX-License-Identifier: BSD-3-Clause */
/* Samples of who waits for what: the frequent ones stay, whatever else comes by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kvm-node/hotspot.h"

static void test_empty(void **state)
{
	static const struct vmm_hotspots h;
	uint64_t at = 7;

	assert_false(vmm_hotspots_find(&h, 0, &at));
	assert_int_equal(at, 7);
}

static void test_most_frequent(void **state)
{
	static struct vmm_hotspots h;
	uint64_t at;

	for (unsigned i = 0; i < 5; i++)
		vmm_hotspots_add(&h, 0x1000, i % 2 ? 0xaa : 0xbb);
	vmm_hotspots_add(&h, 0x2000, 0xcc);
	assert_true(vmm_hotspots_find(&h, 0x1000, &at));
	assert_int_equal(at, 0xbb);
	assert_true(vmm_hotspots_find(&h, 0x2000, &at));
	assert_int_equal(at, 0xcc);
	assert_false(vmm_hotspots_find(&h, 0x3000, &at));
}

/* One in ten is hot, all others are seen once. */
static void test_crowd(void **state)
{
	static struct vmm_hotspots h;
	uint64_t at;

	for (uint64_t i = 0; i < 100000; i++)
		vmm_hotspots_add(&h, i % 10 ? (i + 2) << 12 : 0x1000, i);
	assert_false(vmm_hotspots_find(&h, 0x2000, &at));
	for (uint64_t i = 0; i < 100000; i++)
		vmm_hotspots_add(&h, i % 10 ? (i + 2) << 12 : 0x1000, 0x55);
	assert_true(vmm_hotspots_find(&h, 0x1000, &at));
	assert_int_equal(at, 0x55);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_most_frequent),
		cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
