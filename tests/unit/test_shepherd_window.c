/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "daemon/shepherd/window.h"
#include "tests/unit/cm.h"

static void put(struct shep_window *w, const char *text)
{
	assert_int_equal(shep_window_put(w, text, strlen(text)), 0);
}

static void expect_next(struct shep_window *w, uint64_t seq, const char *text)
{
	const struct shep_window_msg *m = shep_window_next(w);

	assert_non_null(m);
	assert_int_equal(m->seq, seq);
	assert_int_equal(m->len, strlen(text));
	assert_memory_equal(m->body, text, m->len);
}

static void messages_are_kept_until_acknowledged(void **state)
{
	struct shep_window w = { .limit = 10 };

	assert_null(shep_window_next(&w));
	put(&w, "one");
	put(&w, "two");
	expect_next(&w, 1, "one");
	expect_next(&w, 2, "two");
	assert_null(shep_window_next(&w));
	assert_false(shep_window_full(&w));
	put(&w, "three");
	assert_true(shep_window_full(&w));
	shep_window_ack(&w, 1);
	assert_false(shep_window_full(&w));
	assert_int_equal(w.bytes, 8);
	expect_next(&w, 3, "three");
	shep_window_ack(&w, 3);
	assert_true(shep_window_empty(&w));
	assert_int_equal(w.bytes, 0);
	put(&w, "four");
	expect_next(&w, 4, "four");
	shep_window_free(&w);
}

static void a_rewind_sends_what_is_kept_again(void **state)
{
	struct shep_window w = { .limit = 100 };

	put(&w, "one");
	put(&w, "two");
	put(&w, "three");
	expect_next(&w, 1, "one");
	expect_next(&w, 2, "two");
	shep_window_ack(&w, 1);
	shep_window_rewind(&w);
	expect_next(&w, 2, "two");
	expect_next(&w, 3, "three");
	assert_null(shep_window_next(&w));
	shep_window_free(&w);
}

static void what_is_dropped_leaves_its_numbers_behind(void **state)
{
	struct shep_window w = { .limit = 5 };

	shep_window_drop(&w);
	put(&w, "one");
	put(&w, "two");
	expect_next(&w, 1, "one");
	assert_true(shep_window_full(&w));
	shep_window_drop(&w);
	assert_true(shep_window_empty(&w));
	assert_false(shep_window_full(&w));
	assert_int_equal(w.bytes, 0);
	assert_null(shep_window_next(&w));
	shep_window_rewind(&w);
	assert_null(shep_window_next(&w));
	put(&w, "three");
	shep_window_ack(&w, 2); /* of what is gone */
	expect_next(&w, 3, "three");
	shep_window_free(&w);
}

static void odd_acknowledgements_change_nothing(void **state)
{
	struct shep_window w = { .limit = 100 };

	shep_window_ack(&w, 5);
	put(&w, "one");
	put(&w, "two");
	shep_window_ack(&w, 0);
	shep_window_ack(&w, 3); /* of what was never sent */
	shep_window_ack(&w, UINT64_MAX);
	expect_next(&w, 1, "one");
	/* One that was not sent on this connection yet may be acknowledged all the same. */
	shep_window_ack(&w, 2);
	assert_null(shep_window_next(&w));
	shep_window_ack(&w, 1);
	assert_int_equal(w.last, 2);
	shep_window_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_kept_until_acknowledged),
		cmocka_unit_test(a_rewind_sends_what_is_kept_again),
		cmocka_unit_test(what_is_dropped_leaves_its_numbers_behind),
		cmocka_unit_test(odd_acknowledgements_change_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
