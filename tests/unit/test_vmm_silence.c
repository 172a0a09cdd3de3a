/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is silent is named once, and who speaks again is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm-node/silence.h"

static uint64_t look(struct vmm_silence *s, unsigned times)
{
	uint64_t silent = 0;

	while (times--)
		silent |= vmm_silence_look(s);
	return silent;
}

/* Who has never spoken may have nothing to say yet. */
static void test_unknown(void **state)
{
	struct vmm_silence s = { 0 };

	assert_int_equal(look(&s, 100), 0);
}

static void test_silent(void **state)
{
	struct vmm_silence s = { 0 };

	assert_false(vmm_silence_heard(&s, 1));
	assert_false(vmm_silence_heard(&s, 63));
	assert_int_equal(look(&s, VMM_SILENCE_LOOKS), 0);
	assert_false(vmm_silence_heard(&s, 1));
	assert_int_equal(look(&s, 1), UINT64_C(1) << 63);
	assert_int_equal(look(&s, VMM_SILENCE_LOOKS - 1), 0);
	assert_int_equal(look(&s, 1), 2);
	assert_int_equal(look(&s, 1000), 0);
}

static void test_again(void **state)
{
	struct vmm_silence s = { 0 };

	vmm_silence_heard(&s, 3);
	assert_int_equal(look(&s, VMM_SILENCE_LOOKS + 1), 8);
	assert_true(vmm_silence_heard(&s, 3));
	assert_false(vmm_silence_heard(&s, 3));
	assert_int_equal(look(&s, VMM_SILENCE_LOOKS), 0);
	assert_int_equal(look(&s, 1), 8);
}

/* Whoever speaks between any two looks is never silent. */
static void test_regular(void **state)
{
	struct vmm_silence s = { 0 };

	for (unsigned i = 0; i < 1000; i++) {
		vmm_silence_heard(&s, 0);
		assert_int_equal(look(&s, VMM_SILENCE_LOOKS), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_regular),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
