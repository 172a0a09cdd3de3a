/* SPDX-License-Identifier: BSD-3-Clause */
/* What is asked of a guest comes in order; that it is to stop is never lost. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm-node/asks.h"

static void takes(struct vmm_asks *a, enum vmm_ask expected)
{
	enum vmm_ask what = VMM_ASKS;

	assert_true(vmm_asks_take(a, &what));
	assert_int_equal(what, expected);
}

static void takes_none(struct vmm_asks *a)
{
	enum vmm_ask what = VMM_ASKS;

	assert_true(vmm_asks_none(a));
	assert_false(vmm_asks_take(a, &what));
	assert_int_equal(what, VMM_ASKS);
}

static void test_order(void **state)
{
	struct vmm_asks a = { 0 };

	takes_none(&a);
	assert_int_equal(vmm_asks_put(&a, VMM_ASK_PAUSE), 0);
	assert_int_equal(vmm_asks_put(&a, VMM_ASK_RESUME), 0);
	assert_int_equal(vmm_asks_put(&a, VMM_ASK_PAUSE), 0);
	assert_false(vmm_asks_none(&a));
	takes(&a, VMM_ASK_PAUSE);
	assert_int_equal(vmm_asks_put(&a, VMM_ASK_RESET), 0);
	takes(&a, VMM_ASK_RESUME);
	takes(&a, VMM_ASK_PAUSE);
	takes(&a, VMM_ASK_RESET);
	takes_none(&a);
}

/* While nobody takes any: a host does not answer, and signals and other hosts go on asking. */
static void test_full(void **state)
{
	struct vmm_asks a = { 0 };

	for (unsigned i = 0; i < VMM_ASKS_MAX; i++)
		assert_int_equal(vmm_asks_put(&a, VMM_ASK_RESUME), 0);
	assert_int_equal(vmm_asks_put(&a, VMM_ASK_PAUSE), -EAGAIN);
	for (unsigned i = 0; i < 2 * VMM_ASKS_MAX; i++) {
		assert_int_equal(vmm_asks_put(&a, VMM_ASK_SPREAD), 0);
		assert_int_equal(vmm_asks_put(&a, VMM_ASK_STOP), 0);
	}
	takes(&a, VMM_ASK_STOP);
	for (unsigned i = 0; i < VMM_ASKS_MAX; i++)
		takes(&a, VMM_ASK_RESUME);
	takes(&a, VMM_ASK_SPREAD);
	takes_none(&a);
}

static void test_forget(void **state)
{
	struct vmm_asks a = { 0 };

	vmm_asks_put(&a, VMM_ASK_SPREAD);
	vmm_asks_put(&a, VMM_ASK_POWER_BUTTON);
	vmm_asks_forget_spread(&a);
	takes(&a, VMM_ASK_POWER_BUTTON);
	takes_none(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
