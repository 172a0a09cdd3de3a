/* SPDX-License-Identifier: BSD-3-Clause */
/* Which programs last: helpers that come and go do not, however many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kvm-node/lasting.h"

#define MS UINT64_C(1000000)

static void test_one_that_stays(void **state)
{
	struct vmm_lasting l = { 0 };

	for (uint64_t t = 1; t < 1000; t += 4)
		assert_false(vmm_lasting_look(&l, 7, t * MS));
	assert_true(vmm_lasting_look(&l, 7, 1001 * MS));
}

/* Each is seen for 100 ms, one after the other, for a minute. */
static void test_helpers(void **state)
{
	struct vmm_lasting l = { 0 };

	for (uint64_t t = 1; t < 60000; t += 4)
		assert_false(vmm_lasting_look(&l, t / 100, t * MS));
}

static void test_one_among_helpers(void **state)
{
	struct vmm_lasting l = { 0 };

	assert_false(vmm_lasting_look(&l, 1, 10 * MS));
	for (uint64_t i = 2; i < 2 + VMM_LASTING_SEEN - 1; i++)
		assert_false(vmm_lasting_look(&l, i, (10 + 100 * i) * MS));
	assert_true(vmm_lasting_look(&l, 1, 1010 * MS));
}

/* The kernel gives the tables of one that has gone to the next; its stack is elsewhere. */
static void test_programs(void **state)
{
	const uint64_t cr3 = 0x12346000, stack = 0x7ffd12345678;
	const uint64_t one = vmm_lasting_program(cr3, stack);

	assert_int_equal(vmm_lasting_program(cr3 | 0x1805, stack - 4000), one); /* PCID, user's half */
	assert_int_equal(vmm_lasting_program(cr3 | UINT64_C(1) << 63, stack), one); /* no flush */
	assert_int_not_equal(vmm_lasting_program(cr3, stack - (UINT64_C(1) << 30)), one);
	assert_int_not_equal(vmm_lasting_program(cr3 + 0x2000, stack), one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_that_stays),
		cmocka_unit_test(test_helpers),
		cmocka_unit_test(test_one_among_helpers),
		cmocka_unit_test(test_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
