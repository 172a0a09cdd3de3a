/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/cgroup.h"
#include "daemon/sweep.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"

#define MATCH(block, marker) dvmd_sweep_match(block, sizeof(block) - 1, marker)

static void only_a_whole_entry_matches(void **state)
{
	assert_true(MATCH("A=1\0B=2\0", "A=1"));
	assert_true(MATCH("A=1\0B=2\0", "B=2"));
	assert_false(MATCH("A=12\0", "A=1"));
	assert_false(MATCH("XA=1\0", "A=1"));
	assert_false(MATCH("A=1", "A=1")); /* cut off: could have gone on */
	assert_false(MATCH("", "A=1"));
	assert_false(MATCH("\0\0\0", "A=1"));
	assert_true(MATCH("\0A=1\0", "A=1"));
}

static struct dvmd_place place_of(uint64_t job)
{
	static char dir[64];

	snprintf(dir, sizeof dir, "/no/such/run/dir/%d", (int)getpid());
	return (struct dvmd_place){ .run_dir = dir, .machine = "m", .node = 3, .job = job };
}

static void the_marker_names_node_and_job(void **state)
{
	struct dvmd_place p = { .run_dir = "/run/dvm/m/n1", .machine = "m", .node = 3, .job = 12 };
	char out[64];

	assert_int_equal(dvmd_sweep_marker(out, sizeof out, &p), 0);
	assert_string_equal(out, "DVM_SHEPHERD=/run/dvm/m/n1/jobs/12/shep.sock");
	assert_int_equal(dvmd_sweep_marker(out, 45, &p), 0);
	assert_int_equal(dvmd_sweep_marker(out, 44, &p), -ENAMETOOLONG);
}

static pid_t sleeper(const struct dvmd_place *p)
{
	char marker[128], *env[] = { marker, NULL };
	char script[] = "echo; exec >&-; sleep 1000", sh[] = "sh", c_[] = "-c", c;
	char *argv[] = { sh, c_, script, NULL };
	int ready[2];

	dvmd_sweep_marker(marker, sizeof marker, p);
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ready[1], 1);
		close(ready[0]);
		close(ready[1]);
		setsid();
		execve("/bin/sh", argv, env);
		_exit(99);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void a_sweep_ends_one_job_and_no_other(void **state)
{
	struct dvmd_place mine = place_of(1), other = place_of(12);
	pid_t a = sleeper(&mine), b = sleeper(&mine), c = sleeper(&other);
	uint64_t end = dvmi_clock_mono() + 10 * DVMI_SEC;
	int wait;

	assert_true(dvmd_sweep_job(&mine) >= 2);
	assert_int_equal(waitpid(a, &wait, 0), a);
	assert_int_equal(WTERMSIG(wait), SIGKILL);
	assert_int_equal(waitpid(b, NULL, 0), b);
	while (dvmd_sweep_job(&mine) > 0)
		assert_true(dvmi_clock_mono() < end);
	assert_int_equal(waitpid(c, NULL, WNOHANG), 0);
	assert_true(dvmd_sweep_job(&other) >= 1);
	assert_int_equal(waitpid(c, NULL, 0), c);
	while (dvmd_sweep_job(&other) > 0)
		assert_true(dvmi_clock_mono() < end);
}

static void mounts(const char *text, int rc, const char *point, const char *root)
{
	char p[PATH_MAX], r[PATH_MAX];

	assert_int_equal(dvmd_cgroup_mount(text, p, r), rc);
	if (rc == 0) {
		assert_string_equal(p, point);
		assert_string_equal(r, root);
	}
}

static void the_hierarchy_is_found_where_it_is_mounted(void **state)
{
	mounts("31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	       "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	       "38 31 0:31 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
	       0, "/sys/fs/cgroup/unified", "/");
	mounts("1 2 0:3 /docker/x /sys/fs/cgroup rw shared:4 master:1 - cgroup2 cgroup rw\n", 0,
	       "/sys/fs/cgroup", "/docker/x");
	mounts("1 2 0:3 / /odd\\040place\\134 rw - cgroup2 none rw", 0, "/odd place\\", "/");
	mounts("1 2 0:3 / /x rw - cgroup none rw\n", -ENOENT, NULL, NULL);
	mounts("", -ENOENT, NULL, NULL);
	mounts("\n\n", -ENOENT, NULL, NULL);
	mounts("1 2 - cgroup2 none rw\n", -ENOENT, NULL, NULL);
}

static void names_that_are_no_groups_are_refused(void **state)
{
	const char *const bad[] = { "", ".", "..", "a/b", "a b", "a\n" };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct dvmd_place p = { .run_dir = "/r", .machine = bad[i], .node = 1, .job = 1 };
		assert_int_equal(dvmd_cgroup_path(path, &p), -EINVAL);
	}
}

static void two_machines_of_one_name_do_not_share_a_group(void **state)
{
	struct dvmd_place p = { .run_dir = "/run/a", .machine = "m", .node = 1, .job = 1 }, q = p;
	char one[PATH_MAX], two[PATH_MAX];

	q.run_dir = "/run/b";
	if (dvmd_cgroup_path(one, &p) == -ENOENT)
		skip();
	assert_int_equal(dvmd_cgroup_path(two, &q), 0);
	assert_string_not_equal(one, two);
	assert_non_null(strstr(one, "/dvm/m-"));
	assert_string_equal(strrchr(one, '/'), "/job-1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_whole_entry_matches),
		cmocka_unit_test(the_marker_names_node_and_job),
		cmocka_unit_test(a_sweep_ends_one_job_and_no_other),
		cmocka_unit_test(the_hierarchy_is_found_where_it_is_mounted),
		cmocka_unit_test(names_that_are_no_groups_are_refused),
		cmocka_unit_test(two_machines_of_one_name_do_not_share_a_group),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
