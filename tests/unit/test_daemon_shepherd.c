/* SPDX-License-Identifier: BSD-3-Clause */
/* The real dvm-shepherd under a stand-in for dvmd (shep_rig.h). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/cgroup.h"
#include "daemon/spool.h"
#include "daemon/sweep.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"
#include "tests/unit/shep_rig.h"

#define MS(n) ((n)*DVMI_MSEC)

static const char *const no_cgroup[] = { "--no-cgroup", NULL };

static Pb__SharePhase phase(const struct rig *r)
{
	return r->nodes[0].status->phase;
}

static bool has_note(const struct rig *r, const char *part)
{
	const Pb__JobStatus *st = r->nodes[0].status;

	for (size_t i = 0; i < st->n_notes; i++)
		if (strstr(st->notes[i], part))
			return true;
	return false;
}

/* ---- starting ---- */

static void many_ranks_of_true(void **state)
{
	const char *argv[] = { "/bin/true", NULL };
	struct rig *r = *state;

	rig_init(r, 1, 64, argv);
	uint64_t begin = dvmi_clock_mono();
	rig_start_all(r, NULL);
	rig_run(r, "the job's end", rig_over, NULL);
	print_message("# 64 ranks of true: %llu ms, %llu reports\n",
		      (unsigned long long)((dvmi_clock_mono() - begin) / DVMI_MSEC),
		      (unsigned long long)r->nodes[0].reports);
	assert_int_equal(phase(r), PB__SHARE_PHASE__SHARE_DONE);
	assert_int_equal(r->nodes[0].status->n_ranks, 64);
	for (uint32_t i = 0; i < 64; i++) {
		assert_true(rig_rank(r, i)->exited);
		assert_int_equal(rig_rank(r, i)->status, 0);
		assert_true(rig_rank(r, i)->rss_peak > 0);
	}
	rig_finish(r);
}

static void expect_failure(struct rig *r, int code, const char *text)
{
	rig_start_all(r, NULL);
	rig_run(r, "failure", rig_over, NULL);
	assert_int_equal(phase(r), PB__SHARE_PHASE__SHARE_FAILED);
	assert_string_equal(r->nodes[0].status->text, text);
	assert_int_equal(r->nodes[0].status->code, code);
	rig_finish(r);
}

static void a_missing_program_is_named(void **state)
{
	const char *argv[] = { "no-such-program-here", NULL };

	rig_init(*state, 1, 8, argv);
	expect_failure(*state, -ENOENT, "no-such-program-here: no such file in PATH");
}

static void a_missing_path_is_named(void **state)
{
	const char *argv[] = { "./no/such", NULL };

	rig_init(*state, 1, 1, argv);
	expect_failure(*state, -ENOENT, "./no/such: no such file");
}

static void a_missing_directory_is_named(void **state)
{
	const char *argv[] = { "true", NULL };
	struct rig *r = *state;

	rig_init(r, 1, 3, argv);
	free(r->launch->spec->wdir);
	r->launch->spec->wdir = strdup("/no/such/dir");
	expect_failure(r, -ENOTDIR, "/no/such/dir: no such directory");
}

static void a_missing_interpreter_is_named(void **state)
{
	const char *argv[] = { "./script", NULL };

	rig_init(*state, 1, 1, argv);
	rig_work_here(*state);
	rig_make_file(*state, "script", "#! /no/such/interp -x\n", 0755);
	expect_failure(*state, -ENOENT, "./script: its interpreter /no/such/interp does not exist");
}

static void what_cannot_be_run_is_told(void **state)
{
	const char *argv[] = { "./text", NULL };

	rig_init(*state, 1, 1, argv);
	rig_work_here(*state);
	rig_make_file(*state, "text", "hello\n", 0644);
	expect_failure(*state, -EACCES, "./text: not executable");
}

static void a_directory_is_no_program(void **state)
{
	const char *argv[] = { "/tmp", NULL };

	rig_init(*state, 1, 1, argv);
	expect_failure(*state, -EACCES, "/tmp: is a directory");
}

static void a_script_without_magic_is_run_by_sh(void **state)
{
	const char *argv[] = { "./plain", "one two", NULL };
	struct rig *r = *state;

	rig_init(r, 1, 1, argv);
	rig_work_here(r);
	rig_make_file(r, "plain", "echo \"[$1] in $PWD\"\n", 0755);
	rig_start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	char expect[128];
	snprintf(expect, sizeof expect, "[one two] in %s\n", r->base);
	assert_string_equal(rig_text(r, 0, 1), expect);
	rig_finish(r);
}

static void path_is_searched_from_the_directory(void **state)
{
	const char *argv[] = { "prog", NULL };
	struct rig *r = *state;

	rig_init(r, 1, 1, argv);
	rig_work_here(r);
	rig_make_file(r, "prog", "#!/bin/sh\necho found\n", 0755);
	free(r->launch->spec->env[0]);
	r->launch->spec->env[0] = strdup("PATH=/no/such::/bin");
	rig_start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 0, 1), "found\n");
	rig_finish(r);
}

static void a_launch_has_a_deadline(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, RIG_RANKS, "sleep 1000");
	r->launch->launch_deadline_ns = 1;
	rig_start_all(r, NULL);
	rig_run(r, "failure", rig_over, NULL);
	assert_int_equal(phase(r), PB__SHARE_PHASE__SHARE_FAILED);
	assert_int_equal(r->nodes[0].status->code, -ETIMEDOUT);
	assert_non_null(strstr(r->nodes[0].status->text, "not started in time: "));
	rig_finish(r);
}

static bool has_text(struct rig *r, void *arg)
{
	return strstr(r->nodes[0].status->text, arg);
}

/*
 * A program with a write lease on it cannot be opened by anybody else, much as on a dead server.
 * -1: this file system has no leases.
 */
static int lease(struct rig *r, const char *name)
{
	char path[128];

	signal(SIGIO, SIG_IGN); /* the kernel's request to give it back */
	rig_make_file(r, name, "#!/bin/sh\nexit 8\n", 0755);
	snprintf(path, sizeof path, "%s/%s", r->base, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
		return fd;
	close(fd);
	return -1;
}

static void a_launch_says_what_it_waits_for(void **state)
{
	const char *argv[] = { "./slow", NULL };
	struct rig *r = *state;

	rig_init(r, 1, 2, argv);
	rig_work_here(r);
	int fd = lease(r, "slow");
	if (fd < 0)
		skip();
	rig_start_all(r, NULL);
	rig_run(r, "a first report", rig_has_hellos, &(uint64_t){ 1 });
	rig_run(r, "what it waits for", has_text, (char[]){ ") is loading ./slow" });
	assert_int_equal(phase(r), PB__SHARE_PHASE__SHARE_STARTING);
	close(fd);
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(rig_rank(r, 1)->status, 8);
	assert_string_equal(r->nodes[0].status->text, "");
	rig_finish(r);
}

static void a_launch_that_hangs_fails_in_time(void **state)
{
	const char *argv[] = { "./slow", NULL };
	struct rig *r = *state;

	rig_init(r, 1, 2, argv);
	rig_work_here(r);
	r->launch->launch_deadline_ns = MS(200);
	int fd = lease(r, "slow");
	if (fd < 0)
		skip();
	rig_start_all(r, NULL);
	rig_run(r, "failure", rig_over, NULL);
	assert_int_equal(phase(r), PB__SHARE_PHASE__SHARE_FAILED);
	assert_int_equal(r->nodes[0].status->code, -ETIMEDOUT);
	assert_non_null(strstr(r->nodes[0].status->text, "not started in time: rank "));
	assert_non_null(strstr(r->nodes[0].status->text, ") is loading ./slow"));
	close(fd);
	rig_finish(r);
}

static void ranks_know_who_they_are(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 2, 5,
		    "echo $DVM_JOBID $DVM_RANK/$DVM_SIZE $DVM_NODE/$DVM_NNODES "
		    "$DVM_LOCAL_RANK/$DVM_LOCAL_SIZE $DVM_NODENAME $DVM_MACHINE $USERS_OWN; umask; "
		    "ulimit -n");
	rig_env(r, "USERS_OWN=kept");
	rig_env(r, "DVM_RANK=77");
	r->launch->spec->umask = 027;
	rig_start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	assert_non_null(strstr(rig_text(r, 0, 1), "7 0/5 0/2 0/3 node0 rig kept\n0027\n"));
	assert_non_null(strstr(rig_text(r, 3, 1), "7 3/5 1/2 1/2 node1 rig kept\n0027\n"));
	rig_finish(r);
}

static void ranks_are_bound_where_that_is_allowed(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 3, "grep Cpus_allowed_list /proc/self/status");
	Pb__NodeShare *share = r->launch->placement->nodes[0];
	share->n_cpus = 3;
	share->cpus = calloc(3, sizeof *share->cpus);
	share->cpus[0] = strdup("0");
	share->cpus[1] = strdup("");
	share->cpus[2] = strdup("60000");
	rig_start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 0, 1), "Cpus_allowed_list:\t0\n");
	assert_string_equal(rig_text(r, 1, 1), rig_text(r, 2, 1));
	assert_true(has_note(r, "1 rank not bound as asked"));
	rig_finish(r);
}

/*
 * What a rank's status says is blocked or ignored. libc keeps signals 32 and 33 to itself: no
 * program can set them, so what whoever runs the tests has done to them stays.
 */
static uint64_t signals_kept(const char *status, const char *field)
{
	const char *at = strstr(status, field);

	assert_non_null(at);
	return strtoull(at + strlen(field), NULL, 16) & ~(UINT64_C(3) << 31);
}

static void ranks_inherit_three_descriptors_and_no_signals(void **state)
{
	struct rig *r = *state;
	int pid, ppid, group, session;

	rig_init_sh(r, 1, 3,
		    "case $DVM_RANK in 0) exec ls /proc/self/fd;; "
		    "1) exec grep -E 'Sig(Blk|Ign)' /proc/self/status;; 2) exec cat "
		    "/proc/self/stat;; esac");
	rig_start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 0, 1), "0\n1\n2\n3\n"); /* 3 is the listing's own */
	assert_int_equal(signals_kept(rig_text(r, 1, 1), "SigBlk:"), 0);
	assert_int_equal(signals_kept(rig_text(r, 1, 1), "SigIgn:"), 0);
	assert_int_equal(
		sscanf(rig_text(r, 2, 1), "%d (cat) %*c %d %d %d", &pid, &ppid, &group, &session),
		4);
	assert_int_equal(pid, rig_rank(r, 2)->pid);
	assert_int_equal(group, pid);
	assert_int_equal(ppid, r->nodes[0].pid);
	assert_int_equal(session, pid); /* which the kernel gives a share of its own */
	rig_finish(r);
}

static void memory_is_limited_one_way_or_another(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 1, "ulimit -d; cat /proc/self/cgroup");
	r->launch->spec->mem_per_rank = 64 << 20;
	rig_start_all(r, no_cgroup);
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(strncmp(rig_text(r, 0, 1), "65536\n", 6), 0);
	assert_true(has_note(r, "no memory controller"));
	rig_finish(r);
}

/* Where the controller is there each rank has a group of its own, and dies alone. */
static void a_rank_that_takes_too_much_memory_dies_alone(void **state)
{
	struct rig *r = *state;

	rig_init_payload(r, 1, 2, "eat", "200");
	r->launch->spec->mem_per_rank = 64 << 20;
	rig_start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	bool controlled = !has_note(r, "no memory controller");
	if (controlled) {
		assert_int_equal(rig_rank(r, 0)->status, 128 + SIGKILL);
		assert_string_equal(rig_text(r, 0, 1), "");
		assert_int_equal(rig_rank(r, 1)->status, 0);
		assert_string_equal(rig_text(r, 1, 1), "fine\n");
	}
	rig_finish(r);
	if (!controlled)
		skip();
}

/* ---- ends ---- */

static void exit_codes_and_signals(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 4,
		    "case $DVM_RANK in 0) exit 0;; 1) exit 7;; 2) kill -9 $$;; 3) kill -TERM $$;; "
		    "esac");
	rig_start_all(r, NULL);
	rig_run(r, "the job's end", rig_over, NULL);
	assert_int_equal(rig_rank(r, 0)->status, 0);
	assert_int_equal(rig_rank(r, 1)->status, 7);
	assert_false(rig_rank(r, 1)->signalled);
	assert_int_equal(rig_rank(r, 2)->status, 128 + SIGKILL);
	assert_true(rig_rank(r, 2)->signalled);
	assert_int_equal(rig_rank(r, 3)->status, 128 + SIGTERM);
	uint64_t orders = 0;
	for (uint32_t i = 0; i < 4; i++)
		orders |= UINT64_C(1) << rig_rank(r, i)->order;
	assert_int_equal(orders, 2 + 4 + 8 + 16);
	rig_finish(r);
}

static void signals_are_forwarded(void **state)
{
	struct rig *r = *state;

	rig_init_payload(r, 1, 2, "signals", NULL);
	rig_start_all(r, NULL);
	rig_wait_said(r, 0, "ready\n");
	rig_wait_said(r, 1, "ready\n");
	rig_signal(r, SIGTSTP, false, 0);
	rig_signal(r, SIGUSR1, false, 0);
	rig_signal(r, SIGCONT, false, 0);
	rig_wait_said(r, 0, "signal 10\n");
	rig_wait_said(r, 1, "signal 10\n");
	rig_signal(r, SIGINT, false, 0);
	rig_wait_said(r, 1, "signal 2\n");
	rig_signal(r, SIGTERM, false, 0);
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(rig_rank(r, 0)->status, 128 + SIGTERM);
	rig_finish(r);
}

static void end_stubborn(struct rig *r, const char *const *options)
{
	rig_init_payload(r, 1, 3, "stubborn", NULL);
	rig_start_all(r, options);
	for (uint32_t i = 0; i < 3; i++)
		rig_wait_said(r, i, "ready\n");
	uint64_t begin = dvmi_clock_mono();
	rig_signal(r, SIGTERM, true, MS(150));
	rig_run(r, "the end", rig_over, NULL);
	assert_true(dvmi_clock_mono() - begin >= MS(150));
	assert_int_equal(phase(r), PB__SHARE_PHASE__SHARE_DONE);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(rig_rank(r, i)->status, 128 + SIGKILL);
	rig_finish(r);
}

static void who_ignores_term_is_killed(void **state)
{
	end_stubborn(*state, NULL);
}

static void who_ignores_term_is_killed_without_cgroup(void **state)
{
	end_stubborn(*state, no_cgroup);
}

static void who_heeds_term_is_not_waited_for(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 2, "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done");
	rig_start_all(r, NULL);
	rig_wait_said(r, 0, "ready\n");
	rig_wait_said(r, 1, "ready\n");
	uint64_t begin = dvmi_clock_mono();
	rig_signal(r, 0, true, 15 * DVMI_SEC);
	rig_run(r, "the end", rig_over, NULL);
	assert_true(dvmi_clock_mono() - begin < 10 * DVMI_SEC);
	assert_int_equal(rig_rank(r, 1)->status, 5);
	rig_finish(r);
}

static void a_stopped_job_can_be_ended(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 2, "echo ready; exec sleep 1000");
	rig_start_all(r, NULL);
	rig_wait_said(r, 0, "ready\n");
	rig_wait_said(r, 1, "ready\n");
	rig_signal(r, SIGTSTP, false, 0);
	rig_signal(r, SIGTERM, true, 15 * DVMI_SEC);
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(rig_rank(r, 0)->status, 128 + SIGTERM);
	rig_finish(r);
}

/* The old freezer holds its processes even against SIGKILL, much as a dead disk does. */
static const char *freezer(char dir[64])
{
	snprintf(dir, 64, "/sys/fs/cgroup/freezer/shep-%d", (int)getpid());
	return dir;
}

static int thaw(void **state)
{
	char dir[64];
	bool there = dvmd_cgroup_write(freezer(dir), "freezer.state", "THAWED") == 0;
	int rc = rig_teardown(state);

	return there && rmdir(dir) < 0 ? -1 : rc;
}

static void a_process_that_cannot_die_is_named(void **state)
{
	const char *const options[] = { "--stuck-ms", "200", NULL };
	struct rig *r = *state;
	char dir[64], text[64];

	if (mkdir(freezer(dir), 0755) < 0)
		skip();
	rig_init_payload(r, 1, 2, "stubborn", NULL);
	rig_start_all(r, options);
	rig_run(r, "running", rig_running, NULL);
	rig_wait_said(r, 0, "ready\n");
	rig_wait_said(r, 1, "ready\n");
	snprintf(text, sizeof text, "%u", rig_rank(r, 1)->pid);
	assert_string_not_equal(text, "0"); /* that would be ourselves */
	assert_int_equal(dvmd_cgroup_write(dir, "cgroup.procs", text), 0);
	assert_int_equal(dvmd_cgroup_write(dir, "freezer.state", "FROZEN"), 0);
	rig_signal(r, SIGTERM, true, MS(10));
	rig_run(r, "the end", rig_over, NULL);
	snprintf(text, sizeof text, "process %u does not die (state ", rig_rank(r, 1)->pid);
	assert_memory_equal(r->nodes[0].status->text, text, strlen(text));
	assert_int_equal(phase(r), PB__SHARE_PHASE__SHARE_DONE);
	assert_int_equal(dvmd_cgroup_write(dir, "freezer.state", "THAWED"), 0);
	rig_run(r, "no survivor", rig_no_survivors, NULL);
}

static void a_release_ends_everything_at_once(void **state)
{
	struct rig *r = *state;

	rig_init_payload(r, 1, 2, "stubborn", NULL);
	rig_start_all(r, NULL);
	rig_wait_said(r, 1, "ready\n");
	rig_release(r);
	rig_run(r, "the shepherd's end", rig_exited, NULL);
	assert_int_equal(r->nodes[0].wait, 0);
	assert_int_equal(rig_survivors(r), 0);
}

static void a_job_nobody_wants_is_ended(void **state)
{
	struct rig *r = *state;

	rig_init_payload(r, 1, 2, "stubborn", NULL);
	r->refuse = -ENOENT;
	rig_start_all(r, NULL);
	rig_run(r, "the shepherd's end", rig_exited, NULL);
	assert_int_equal(rig_survivors(r), 0);
}

static void a_daemon_that_knows_the_job_late_is_forgiven(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 1, "echo here; sleep 0.5; exit 6");
	r->refuse = -ENOENT;
	rig_start_all(r, NULL);
	rig_run(r, "a second hello", rig_has_hellos, &(uint64_t){ 2 });
	r->refuse = 0;
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(rig_rank(r, 0)->status, 6);
	rig_finish(r);
}

static void a_daemon_may_ask_for_patience(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 1, "echo here");
	r->refuse = -EAGAIN;
	rig_start_all(r, NULL);
	rig_run(r, "a second hello", rig_has_hellos, &(uint64_t){ 2 });
	r->refuse = 0;
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 0, 1), "here\n");
	rig_finish(r);
}

/* ---- what ranks leave behind ---- */

static void leave_behind(struct rig *r, const char *verb, const char *const *options)
{
	char file[64];

	rig_init_payload(r, 1, 1, verb, "pids");
	rig_work_here(r);
	rig_start_all(r, options);
	rig_run(r, "the end", rig_over, NULL);
	snprintf(file, sizeof file, "%s/pids", r->base);
	assert_int_equal(access(file, F_OK), 0); /* it had really got away */
	assert_int_equal(rig_rank(r, 0)->status, 0);
	assert_int_equal(rig_survivors(r), 0);
	rig_finish(r);
}

static void a_daemonized_child_goes_with_the_job(void **state)
{
	leave_behind(*state, "daemonize", NULL);
}

static void a_daemonized_child_goes_without_cgroup(void **state)
{
	leave_behind(*state, "daemonize", no_cgroup);
}

static void who_holds_the_output_is_waited_for_and_ended(void **state)
{
	const char *const options[] = { "--drain-ms", "200", NULL };

	leave_behind(*state, "daemonize-with-stdout", options);
}

static void late_output_of_a_child_arrives(void **state)
{
	struct rig *r = *state;

	rig_init_sh(r, 1, 1, "(sleep 0.2; echo late) & echo early");
	rig_start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 0, 1), "early\nlate\n");
	rig_finish(r);
}

static void kill_shepherd(struct rig *r, const char *const *options)
{
	rig_init_payload(r, 1, 4, "daemonize-and-stay", "pids");
	rig_work_here(r);
	rig_start_all(r, options);
	for (uint32_t i = 0; i < 4; i++)
		rig_wait_said(r, i, "ready\n");
	assert_true(rig_survivors(r) >= 5);
	kill(r->nodes[0].pid, SIGKILL);
	rig_run(r, "the shepherd's end", rig_exited, NULL);
	struct dvmd_place place = rig_place(r, 0), other = place;
	char path[PATH_MAX];
	other.job++;
	assert_int_equal(dvmd_sweep_job(&other), 0); /* is not ours and takes nothing */
	uint64_t end = dvmi_clock_mono() + 5 * DVMI_SEC;
	while (dvmd_sweep_job(&place) > 0)
		assert_true(dvmi_clock_mono() < end);
	rig_run(r, "no survivor", rig_no_survivors, NULL);
	if (dvmd_cgroup_path(path, &place) == 0)
		assert_int_equal(access(path, F_OK), -1);
}

static void nothing_outlives_a_killed_shepherd(void **state)
{
	kill_shepherd(*state, NULL);
}

static void nothing_outlives_a_killed_shepherd_without_cgroup(void **state)
{
	kill_shepherd(*state, no_cgroup);
}

/* ---- other users ---- */

/* The guard of a shepherd: its child by that name. 0: none. */
static pid_t guard_of(pid_t shepherd)
{
	char path[64], line[256];
	DIR *proc = opendir("/proc");
	const struct dirent *d;
	pid_t found = 0;
	int parent;

	while (!found && (d = readdir(proc))) {
		snprintf(path, sizeof path, "/proc/%.20s/stat", d->d_name);
		FILE *f = atoi(d->d_name) ? fopen(path, "r") : NULL;
		if (f && fgets(line, sizeof line, f) &&
		    sscanf(line, "%*d (dvm-guard) %*c %d", &parent) == 1 && parent == shepherd)
			found = atoi(d->d_name);
		if (f)
			fclose(f);
	}
	closedir(proc);
	return found;
}

static bool is_gone(struct rig *r, void *arg)
{
	char path[32], line[256] = "";

	snprintf(path, sizeof path, "/proc/%d/stat", (int)*(pid_t *)arg);
	FILE *f = fopen(path, "r");
	if (!f)
		return true;
	char *read = fgets(line, sizeof line, f);
	fclose(f);
	return !read || strstr(line, ") Z ");
}

static void kill_without_sweep(struct rig *r, const char *const *options)
{
	char line[64];

	rig_init_payload(r, 1, 3, "daemonize-and-stay", "pids");
	rig_work_here(r);
	rig_start_all(r, options);
	for (uint32_t i = 0; i < 3; i++)
		rig_wait_said(r, i, "ready\n");
	pid_t guard = guard_of(r->nodes[0].pid);
	assert_true(guard > 0);
	snprintf(line, sizeof line, "/proc/%d/cmdline", (int)guard);
	FILE *f = fopen(line, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof line, f));
	fclose(f);
	assert_string_equal(line, "dvm-guard");
	kill(r->nodes[0].pid, SIGKILL);
	rig_run(r, "the shepherd's end", rig_exited, NULL);
	rig_run(r, "no survivor", rig_no_survivors, NULL);
	rig_run(r, "the guard's end", is_gone, &guard);
}

static void nothing_outlives_shepherd_and_daemon(void **state)
{
	kill_without_sweep(*state, NULL);
}

static void nothing_outlives_shepherd_and_daemon_without_cgroup(void **state)
{
	kill_without_sweep(*state, no_cgroup);
}

static void root_runs_a_job_as_its_user(void **state)
{
	struct rig *r = *state;
	char path[128];
	struct stat st;

	if (geteuid() != 0)
		skip();
	rig_init_sh(r, 1, 2, "id -u; id -g; id -G; grep NoNewPrivs /proc/self/status");
	r->launch->spec->uid = 65534;
	r->launch->spec->gid = 65533;
	r->launch->spec->groups = calloc(1, sizeof(uint32_t));
	r->launch->spec->groups[0] = 65532;
	r->launch->spec->n_groups = 1;
	r->launch->spec->user = strdup("nobody");
	snprintf(path, sizeof path, "%s/client.sock", r->nodes[0].dir);
	assert_int_equal(chmod(path, 0777), 0);
	rig_start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 1, 1), "65534\n65533\n65533 65532\nNoNewPrivs:\t1\n");
	snprintf(path, sizeof path, "%s/jobs/%d", r->nodes[0].dir, RIG_JOB);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(st.st_mode & 07777, 0700);
	rig_finish(r);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(many_ranks_of_true),
		T(a_missing_program_is_named),
		T(a_missing_path_is_named),
		T(a_missing_directory_is_named),
		T(a_missing_interpreter_is_named),
		T(what_cannot_be_run_is_told),
		T(a_directory_is_no_program),
		T(a_script_without_magic_is_run_by_sh),
		T(path_is_searched_from_the_directory),
		T(a_launch_has_a_deadline),
		T(a_launch_says_what_it_waits_for),
		T(a_launch_that_hangs_fails_in_time),
		T(ranks_know_who_they_are),
		T(ranks_are_bound_where_that_is_allowed),
		T(ranks_inherit_three_descriptors_and_no_signals),
		T(memory_is_limited_one_way_or_another),
		T(a_rank_that_takes_too_much_memory_dies_alone),
		T(exit_codes_and_signals),
		T(signals_are_forwarded),
		T(who_ignores_term_is_killed),
		T(who_ignores_term_is_killed_without_cgroup),
		T(who_heeds_term_is_not_waited_for),
		T(a_stopped_job_can_be_ended),
		cmocka_unit_test_setup_teardown(a_process_that_cannot_die_is_named, rig_setup,
						thaw),
		T(a_release_ends_everything_at_once),
		T(a_job_nobody_wants_is_ended),
		T(a_daemon_that_knows_the_job_late_is_forgiven),
		T(a_daemon_may_ask_for_patience),
		T(a_daemonized_child_goes_with_the_job),
		T(a_daemonized_child_goes_without_cgroup),
		T(who_holds_the_output_is_waited_for_and_ended),
		T(late_output_of_a_child_arrives),
		T(nothing_outlives_a_killed_shepherd),
		T(nothing_outlives_a_killed_shepherd_without_cgroup),
		T(nothing_outlives_shepherd_and_daemon),
		T(nothing_outlives_shepherd_and_daemon_without_cgroup),
		T(root_runs_a_job_as_its_user),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
