/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm/dvm.h in a job of one rank, and every way dvm_open() can fail. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/dvm.h>
#include <dvm/coll.h>

#include "tests/api/cm.h"

static dvm_t *const untouched = (dvm_t *)8;

static void clear_env(void)
{
	static const char *const names[] = {
		"DVM_SHEPHERD", "DVM_RANK",	  "DVM_SIZE",	    "DVM_NODE",
		"DVM_NNODES",	"DVM_LOCAL_RANK", "DVM_LOCAL_SIZE",
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unsetenv(names[i]);
}

static void job_env(const char *path)
{
	setenv("DVM_SHEPHERD", path, 1);
	setenv("DVM_RANK", "0", 1);
	setenv("DVM_SIZE", "2", 1);
	setenv("DVM_NODE", "0", 1);
	setenv("DVM_NNODES", "1", 1);
	setenv("DVM_LOCAL_RANK", "0", 1);
	setenv("DVM_LOCAL_SIZE", "2", 1);
}

static void open_fails(const dvm_config_t *cfg, int code, const char *says)
{
	dvm_t *d = untouched;
	dvm_error_t err = { 0 };

	assert_int_equal(dvm_open(&d, cfg, &err), code);
	assert_ptr_equal(d, untouched);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, says))
		fail_msg("'%s' does not say '%s'", err.text, says);
	assert_int_equal(dvm_open(&d, cfg, NULL), code);
}

static void bad_arguments(void **state)
{
	dvm_config_t cfg = { .size = sizeof cfg };

	clear_env();
	assert_int_equal(dvm_open(NULL, NULL, NULL), -EINVAL);
	cfg.size = 0;
	open_fails(&cfg, -EINVAL, "size");
	cfg.size = sizeof cfg;
	cfg.flags = 1u << 31;
	open_fails(&cfg, -EINVAL, "flags");
	cfg.flags = 0;
	cfg.log_level = 8;
	open_fails(&cfg, -EINVAL, "log_level");
	cfg.log_level = -1;
	open_fails(&cfg, -EINVAL, "log_level");
	assert_int_equal(dvm_close(NULL), 0);
}

static void bad_environment(void **state)
{
	clear_env();
	setenv("DVM_SHEPHERD", "/nowhere/rank", 1);
	open_fails(NULL, -EINVAL, "DVM_RANK is not set");
	job_env("relative/rank");
	open_fails(NULL, -EINVAL, "DVM_SHEPHERD");
	job_env("/nowhere/rank");
	open_fails(NULL, -ENOENT, "/nowhere/rank");
	static const char *const bad[] = { "", "x", "1x", "-1", "+1", "99999999999999999999" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		setenv("DVM_LOCAL_SIZE", bad[i], 1);
		open_fails(NULL, -EINVAL, "DVM_LOCAL_SIZE");
	}
	job_env("/nowhere/rank");
	setenv("DVM_RANK", "2", 1);
	open_fails(NULL, -EINVAL, "DVM_RANK is 2, but DVM_SIZE is 2");
	char path[200];
	memset(path, 'a', sizeof path - 1);
	path[0] = '/';
	path[sizeof path - 1] = 0;
	job_env(path);
	open_fails(NULL, -EINVAL, "too long");
	clear_env();
}

static void null_handles(void **state)
{
	assert_int_equal(dvm_rank(NULL), -EINVAL);
	assert_int_equal(dvm_size(NULL), -EINVAL);
	assert_int_equal(dvm_node(NULL), -EINVAL);
	assert_int_equal(dvm_num_nodes(NULL), -EINVAL);
	assert_int_equal(dvm_node_of(NULL, 0), -EINVAL);
	assert_null(dvm_node_name(NULL));
	assert_null(dvm_world(NULL));
	assert_int_equal(dvm_peer_state(NULL, 0), -EINVAL);
	assert_int_equal(dvm_abort(NULL, 1, NULL), -EINVAL);
	assert_int_equal(dvm_group_rank(NULL), -EINVAL);
	assert_int_equal(dvm_group_size(NULL), -EINVAL);
}

static void a_job_of_one(void **state)
{
	dvm_config_t cfg = { .size = sizeof cfg + 100, .flags = DVM_OPEN_THREADS };
	dvm_error_t err;
	dvm_t *d;

	clear_env();
	for (int threads = 0; threads < 2; threads++) {
		assert_int_equal(dvm_open(&d, threads ? &cfg : NULL, &err), 0);
		assert_int_equal(dvm_rank(d), 0);
		assert_int_equal(dvm_size(d), 1);
		assert_int_equal(dvm_node(d), 0);
		assert_int_equal(dvm_num_nodes(d), 1);
		assert_int_equal(dvm_node_of(d, 0), 0);
		assert_int_equal(dvm_node_of(d, 1), -EINVAL);
		assert_int_equal(dvm_node_of(d, -1), -EINVAL);
		assert_true(strlen(dvm_node_name(d)) > 0);
		assert_int_equal(dvm_peer_state(d, 0), DVM_ALIVE);
		assert_int_equal(dvm_peer_state(d, 1), -EINVAL);
		assert_int_equal(dvm_peer_state(d, -1), -EINVAL);
		assert_int_equal(dvm_abort(d, 0, NULL), -EINVAL);
		assert_int_equal(dvm_abort(d, 256, NULL), -EINVAL);
		assert_int_equal(dvm_abort(d, 255, NULL), 0);
		assert_int_equal(dvm_group_rank(dvm_world(d)), 0);
		assert_int_equal(dvm_group_size(dvm_world(d)), 1);
		assert_int_equal(dvm_close(d), 0);
	}
}

static void version_and_texts(void **state)
{
	char want[32];

	snprintf(want, sizeof want, "%d.%d.%d", DVM_VERSION_MAJOR, DVM_VERSION_MINOR,
		 DVM_VERSION_PATCH);
	assert_string_equal(dvm_version(), want);
	assert_string_equal(dvm_strerror(-DVM_EPEERLOST), "peer lost");
	assert_string_equal(dvm_strerror(DVM_EPEERLOST), "peer lost");
	assert_string_equal(dvm_strerror(1 << 20), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_arguments),     cmocka_unit_test(bad_environment),
		cmocka_unit_test(null_handles),	     cmocka_unit_test(a_job_of_one),
		cmocka_unit_test(version_and_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
