/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/hostlist.h"
#include "libdvm/base/rng.h"
#include "tests/unit/cm.h"

/* The list as one text with blanks. */
static char *joined(const struct dvmi_hostlist *list)
{
	struct dvmi_buf b = { 0 };

	for (size_t i = 0; i < list->n; i++)
		dvmi_buf_printf(&b, "%s%s", i ? " " : "", list->names[i]);
	dvmi_buf_put_u8(&b, 0);
	assert_int_equal(b.err, 0);
	return (char *)b.data;
}

static void assert_expands(const char *text, const char *names)
{
	struct dvmi_hostlist list = { 0 };

	assert_true(dvmi_hostlist_parse(&list, text, NULL) > 0);
	char *got = joined(&list);
	assert_string_equal(got, names);
	free(got);
	dvmi_hostlist_free(&list);
}

static void text_expands_in_order(void **state)
{
	assert_expands("login", "login");
	assert_expands("node[1-3,7]", "node1 node2 node3 node7");
	assert_expands("b,a,b", "b a b");
	assert_expands("n[08-11]", "n08 n09 n10 n11");
	assert_expands("n[9-11]", "n9 n10 n11");
	assert_expands("n[0]", "n0");
	assert_expands("n[00]", "n00");
	assert_expands("n[2-3]-ib,x", "n2-ib n3-ib x");
	assert_expands("r[1-2]n[01-02]", "r1n01 r1n02 r2n01 r2n02");
	assert_expands("10.0.0.[1-2]", "10.0.0.1 10.0.0.2");
	assert_expands("fe80::1", "fe80::1");
}

static void assert_refused(const char *text, int code)
{
	struct dvmi_hostlist list = { 0 };
	dvm_error_t err = { 0 };

	assert_int_equal(dvmi_hostlist_add(&list, "kept"), 0);
	assert_int_equal(dvmi_hostlist_parse(&list, text, &err), code);
	assert_int_equal(err.code, code);
	assert_true(strlen(err.text) > 0);
	assert_int_equal(list.n, 1);
	dvmi_hostlist_free(&list);
}

static void bad_text_is_refused_and_leaves_the_list(void **state)
{
	static const char *const bad[] = {
		"",	   ",",	    "a,",     ",a",	 "a,,b",     "n[",	"n[]",
		"n[1",	   "n1]",   "n[1-]",  "n[-1]",	 "n[1,]",    "n[,1]",	"n[2-1]",
		"n[a]",	   "n[1-2", "n[[1]]", "n[1 ]",	 "a b",	     "n[08-9]", "n[08-100]",
		"n[1-03]", "a\tb",  "n[1;2]", "n[1,2]]", "n[1-2-3]", "n[+1]",	"n[0000000001]",
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_refused(bad[i], -EINVAL);
}

static void sizes_are_bounded(void **state)
{
	char *text = malloc(DVMI_HOSTLIST_TEXT_MAX + 2);

	assert_non_null(text);
	memset(text, 'a', DVMI_HOSTLIST_TEXT_MAX + 1);
	text[DVMI_HOSTLIST_TEXT_MAX + 1] = 0;
	assert_refused(text, -E2BIG);
	text[DVMI_HOSTLIST_NAME_MAX + 1] = 0;
	assert_refused(text, -EINVAL);
	memcpy(text + DVMI_HOSTLIST_NAME_MAX - 2, "[1-100]", 8);
	assert_refused(text, -EINVAL);
	free(text);
	assert_refused("n[0-999999999]", -E2BIG);
	assert_refused("n[0-65535]", -E2BIG); /* "kept" takes one place */
	assert_refused("n[1-1000][1-1000][1-1000]", -E2BIG);
	assert_refused("n[0-1000000000]", -EINVAL);
}

static void errors_name_the_item(void **state)
{
	struct dvmi_hostlist list = { 0 };
	dvm_error_t err;

	assert_int_equal(dvmi_hostlist_parse(&list, "good,n[1-,good", &err), -EINVAL);
	assert_non_null(strstr(err.text, "\"n[1-,good\""));
	assert_int_equal(dvmi_hostlist_parse(&list, "a,,b", &err), -EINVAL);
	assert_non_null(strstr(err.text, "empty name"));
	assert_int_equal(dvmi_hostlist_add(&list, ""), -EINVAL);
	dvmi_hostlist_free(&list);
}

static void assert_folds(const char *text, const char *folded)
{
	struct dvmi_hostlist list = { 0 };
	struct dvmi_buf b = { 0 };

	assert_true(dvmi_hostlist_parse(&list, text, NULL) > 0);
	assert_int_equal(dvmi_hostlist_fold((const char *const *)list.names, list.n, &b), 0);
	dvmi_buf_put_u8(&b, 0);
	assert_string_equal(b.data, folded);
	dvmi_buf_free(&b);
	dvmi_hostlist_free(&list);
}

static void names_fold(void **state)
{
	assert_folds("node1", "node1");
	assert_folds("node3,node1,node2,node7", "node[1-3,7]");
	assert_folds("n08,n09,n10,n11", "n[08-11]");
	assert_folds("n8,n9,n10,n11", "n[8-11]");
	assert_folds("n9,n09,n10", "n[9,09-10]");
	assert_folds("n099,n100", "n[099-100]");
	assert_folds("a,b,a", "a,b");
	assert_folds("n1,n,n2", "n,n[1-2]");
	assert_folds("n1-ib,n2-ib,n1", "n1,n[1-2]-ib");
	assert_folds("r1n1,r1n2,r2n1", "r1n[1-2],r2n1");
	assert_folds("n1,n1,n2", "n[1-2]");
	assert_folds("x12345678901,x12345678902", "x12345678901,x12345678902");
	assert_folds("x999999999,x999999998", "x[999999998-999999999]");
}

static void nothing_folds_to_nothing(void **state)
{
	struct dvmi_buf b = { 0 };

	assert_int_equal(dvmi_hostlist_fold(NULL, 0, &b), 0);
	assert_int_equal(b.len, 0);
	dvmi_buf_free(&b);
}

static void a_full_list_survives_both_ways(void **state)
{
	struct dvmi_hostlist list = { 0 };
	struct dvmi_buf b = { 0 };

	assert_int_equal(dvmi_hostlist_parse(&list, "n[00000-65535]", NULL), 65536);
	assert_int_equal(dvmi_hostlist_add(&list, "one-more"), -E2BIG);
	assert_int_equal(dvmi_hostlist_fold((const char *const *)list.names, list.n, &b), 0);
	assert_int_equal(b.len, strlen("n[00000-65535]"));
	assert_memory_equal(b.data, "n[00000-65535]", b.len);
	dvmi_buf_free(&b);
	dvmi_hostlist_free(&list);
}

/* Text of the right letters in any order ends in a refusal or in names that fold and come back. */
static void random_text_does_no_harm(void **state)
{
	static const char letters[] = "ab019-,[]";
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, 3);
	for (int round = 0; round < 20000; round++) {
		struct dvmi_hostlist list = { 0 }, back = { 0 };
		struct dvmi_buf b = { 0 };
		char text[24] = "";
		for (uint64_t i = 0, n = dvmi_rng_below(&rng, sizeof text - 1); i < n; i++)
			text[i] = letters[dvmi_rng_below(&rng, sizeof letters - 1)];
		if (dvmi_hostlist_parse(&list, text, NULL) > 0 && list.n < 1000) {
			assert_int_equal(
				dvmi_hostlist_fold((const char *const *)list.names, list.n, &b), 0);
			dvmi_buf_put_u8(&b, 0);
			assert_true(dvmi_hostlist_parse(&back, (char *)b.data, NULL) > 0);
			assert_true(back.n <= list.n);
		}
		dvmi_hostlist_free(&list);
		dvmi_hostlist_free(&back);
		dvmi_buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_expands_in_order),
		cmocka_unit_test(bad_text_is_refused_and_leaves_the_list),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(errors_name_the_item),
		cmocka_unit_test(names_fold),
		cmocka_unit_test(nothing_folds_to_nothing),
		cmocka_unit_test(a_full_list_survives_both_ways),
		cmocka_unit_test(random_text_does_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
