/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libdvm/base/grow.h"

static bool no_memory;
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return no_memory ? NULL : __real_reallocarray(p, n, size);
}

static void test_it_keeps_what_there_was(void **state)
{
	uint32_t *list = NULL;
	size_t n = 0, cap = 0;

	(void)state;
	for (; n < 1000; n++) {
		assert_int_equal(dvmi_grow(&list, n, &cap, sizeof *list), 0);
		assert_true(cap > n && cap <= 2 * n + 16);
		list[n] = (uint32_t)n;
	}
	for (size_t i = 0; i < n; i++)
		assert_int_equal(list[i], i);
	free(list);
}

static void test_nothing_changes_without_memory(void **state)
{
	uint32_t *list = NULL, *before;
	size_t cap = 0;

	(void)state;
	assert_int_equal(dvmi_grow(&list, 0, &cap, sizeof *list), 0);
	before = list;
	size_t had = cap;
	no_memory = true;
	assert_int_equal(dvmi_grow(&list, had - 1, &cap, sizeof *list), 0);
	assert_int_equal(dvmi_grow(&list, had, &cap, sizeof *list), -ENOMEM);
	no_memory = false;
	assert_ptr_equal(list, before);
	assert_int_equal(cap, had);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_keeps_what_there_was),
		cmocka_unit_test(test_nothing_changes_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
