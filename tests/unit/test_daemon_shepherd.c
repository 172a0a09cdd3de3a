/* SPDX-License-Identifier: BSD-3-Clause */
/* The real dvm-shepherd under a stand-in for dvmd (shep_rig.h). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/cgroup.h"
#include "daemon/sweep.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"
#include "tests/unit/shep_rig.h"

static const char *const plain[] = { NULL };

static void start_all(struct rig *r, const char *const *options)
{
	for (size_t i = 0; i < r->n; i++)
		rig_start(r, i, options);
}

/* To the end, released, all clean. */
static void finish(struct rig *r)
{
	rig_run(r, "the job's end", rig_over, NULL);
	rig_release(r);
	rig_run(r, "the shepherds' ends", rig_exited, NULL);
	for (size_t i = 0; i < r->n; i++) {
		char path[128];
		assert_int_equal(r->nodes[i].wait, 0);
		snprintf(path, sizeof path, "%s/jobs/%d/status", r->nodes[i].dir, RIG_JOB);
		assert_int_equal(access(path, F_OK), -1);
		snprintf(path, sizeof path, "%s/jobs/%d/shep.sock", r->nodes[i].dir, RIG_JOB);
		assert_int_equal(access(path, F_OK), -1);
	}
	assert_int_equal(rig_survivors(r), 0);
}

static void run_sh(struct rig *r, size_t nodes, uint32_t ranks, const char *script)
{
	const char *argv[] = { "sh", "-c", script, NULL };

	rig_init(r, nodes, ranks, argv);
}

static void many_ranks_of_true(void **state)
{
	const char *argv[] = { "/bin/true", NULL };
	struct rig r;

	rig_init(&r, 1, 64, argv);
	uint64_t begin = dvmi_clock_mono();
	start_all(&r, plain);
	rig_run(&r, "the job's end", rig_over, NULL);
	print_message("# 64 ranks of true: %llu ms\n",
		      (unsigned long long)((dvmi_clock_mono() - begin) / DVMI_MSEC));
	assert_int_equal(r.nodes[0].status->phase, PB__SHARE_PHASE__SHARE_DONE);
	assert_int_equal(r.nodes[0].status->n_ranks, 64);
	for (uint32_t i = 0; i < 64; i++) {
		assert_true(rig_rank(&r, i)->exited);
		assert_int_equal(rig_rank(&r, i)->status, 0);
	}
	finish(&r);
	rig_end(&r);
}

static void a_missing_program_is_named(void **state)
{
	const char *argv[] = { "no-such-program-here", NULL };
	struct rig r;

	rig_init(&r, 1, 8, argv);
	start_all(&r, plain);
	rig_run(&r, "failure", rig_over, NULL);
	assert_int_equal(r.nodes[0].status->phase, PB__SHARE_PHASE__SHARE_FAILED);
	assert_int_equal(r.nodes[0].status->code, -ENOENT);
	assert_string_equal(r.nodes[0].status->text, "no-such-program-here: no such file in PATH");
	finish(&r);
	rig_end(&r);
}

static void exit_codes_and_signals(void **state)
{
	struct rig r;

	run_sh(&r, 1, 4,
	       "case $DVM_RANK in 0) exit 0;; 1) exit 7;; 2) kill -9 $$;; 3) kill -TERM $$;; esac");
	start_all(&r, plain);
	rig_run(&r, "the job's end", rig_over, NULL);
	assert_int_equal(rig_rank(&r, 0)->status, 0);
	assert_int_equal(rig_rank(&r, 1)->status, 7);
	assert_false(rig_rank(&r, 1)->signalled);
	assert_int_equal(rig_rank(&r, 2)->status, 128 + SIGKILL);
	assert_true(rig_rank(&r, 2)->signalled);
	assert_int_equal(rig_rank(&r, 3)->status, 128 + SIGTERM);
	uint64_t orders = 0;
	for (uint32_t i = 0; i < 4; i++)
		orders |= 1u << rig_rank(&r, i)->order;
	assert_int_equal(orders, 2 + 4 + 8 + 16);
	finish(&r);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_ranks_of_true),
		cmocka_unit_test(a_missing_program_is_named),
		cmocka_unit_test(exit_codes_and_signals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
