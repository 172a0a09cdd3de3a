/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/shepherd/affinity.h"
#include "daemon/shepherd/program.h"
#include "tests/unit/cm.h"

static void expect(const char *name, const char *path, const char *const *want)
{
	char **list = shep_program_candidates(name, path);
	size_t i;

	assert_non_null(list);
	for (i = 0; want[i]; i++) {
		assert_non_null(list[i]);
		assert_string_equal(list[i], want[i]);
	}
	assert_null(list[i]);
	free(list);
}

static void path_is_searched_as_execvp_does(void **state)
{
	expect("a", "/x:/y", (const char *[]){ "/x/a", "/y/a", NULL });
	expect("a", "", (const char *[]){ "a", NULL });
	expect("a", ":/x::y:", (const char *[]){ "a", "/x/a", "a", "y/a", "a", NULL });
	expect("./a", "/x:/y", (const char *[]){ "./a", NULL });
	expect("/b/a", "/x", (const char *[]){ "/b/a", NULL });
	expect("", "/x", (const char *[]){ "", NULL });
	expect("a", NULL, (const char *[]){ "/usr/local/bin/a", "/usr/bin/a", "/bin/a", NULL });
}

static void explain(const char *name, int err, int code, const char *want)
{
	char **list = shep_program_candidates(name, "/bin");
	char text[256];

	assert_int_equal(shep_program_explain(name, list, "/", err, text, sizeof text), code);
	assert_string_equal(text, want);
	free(list);
}

static void failures_are_put_in_words(void **state)
{
	explain("no-such", ENOENT, -ENOENT, "no-such: no such file in PATH");
	explain("no-such", EACCES, -ENOENT, "no-such: no such file in PATH");
	explain("/no/such", EACCES, -EACCES, "/no/such: Permission denied");
	explain("/no/such", ENOTDIR, -ENOENT, "/no/such: no such file");
	explain("/dev", EACCES, -EACCES, "/dev: is a directory");
	explain("/dev/null", EACCES, -EACCES, "/dev/null: not executable");
	explain("sh", ENOEXEC, -ENOEXEC, "sh: not a program for this kind of machine");
	explain("sh", E2BIG, -E2BIG, "sh: Argument list too long");
	/* A file that is there and cannot be found: its loader is missing. */
	char **list = shep_program_candidates("/proc/self/exe", NULL), text[256];
	assert_int_equal(shep_program_explain("me", list, "/", ENOENT, text, sizeof text), -ENOENT);
	assert_memory_equal(text, "me: its loader /lib", 18);
	free(list);
}

static void texts_are_cut_not_overrun(void **state)
{
	char text[8] = "xxxxxxx";

	shep_program_explain_wdir("/a/long/directory", ENOENT, text, 4);
	assert_string_equal(text, "/a/");
	assert_int_equal(text[4], 'x');
}

static void cpu_lists_are_held_against_what_is_allowed(void **state)
{
	struct shep_affinity a;
	cpu_set_t *set = NULL;
	char first[16], both[32];

	assert_int_equal(shep_affinity_init(&a), 0);
	unsigned cpu = 0;
	while (!CPU_ISSET_S(cpu, a.bytes, a.allowed))
		cpu++;
	snprintf(first, sizeof first, "%u", cpu);
	snprintf(both, sizeof both, "%u,65535", cpu);
	assert_int_equal(shep_affinity_of(&a, "", &set), SHEP_UNBOUND);
	assert_null(set);
	assert_int_equal(shep_affinity_of(&a, first, &set), SHEP_BOUND);
	assert_int_equal(CPU_COUNT_S(a.bytes, set), 1);
	CPU_FREE(set);
	assert_int_equal(shep_affinity_of(&a, both, &set), SHEP_BOUND_PARTLY);
	assert_int_equal(CPU_COUNT_S(a.bytes, set), 1);
	CPU_FREE(set);
	assert_int_equal(shep_affinity_of(&a, "65535", &set), -ENODEV);
	assert_int_equal(shep_affinity_of(&a, "1-", &set), -EINVAL);
	assert_int_equal(shep_affinity_of(&a, "65536", &set), -EINVAL);
	assert_int_equal(shep_affinity_count(&a, (char *[]){ first, first }, 2), 1);
	assert_int_equal(shep_affinity_count(&a, (char *[]){ first, (char[]){ "" } }, 2),
			 CPU_COUNT_S(a.bytes, a.allowed));
	shep_affinity_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_is_searched_as_execvp_does),
		cmocka_unit_test(failures_are_put_in_words),
		cmocka_unit_test(texts_are_cut_not_overrun),
		cmocka_unit_test(cpu_lists_are_held_against_what_is_allowed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
