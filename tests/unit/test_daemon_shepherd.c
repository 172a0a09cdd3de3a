/* SPDX-License-Identifier: BSD-3-Clause */
/* The real dvm-shepherd under a stand-in for dvmd (shep_rig.h). */
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

#define MS(n) ((n) * DVMI_MSEC)

static const char *const no_cgroup[] = { "--no-cgroup", NULL };

/* ---- helpers ---- */

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct rig));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	if (r->n)
		rig_end(r);
	free(r);
	return 0;
}

static void start_all(struct rig *r, const char *const *options)
{
	for (size_t i = 0; i < r->n; i++)
		rig_start(r, i, options);
}

static const char *job_file(const struct rig *r, size_t i, const char *name, char path[128])
{
	snprintf(path, 128, "%s/jobs/%d/%s", r->nodes[i].dir, RIG_JOB, name);
	return path;
}

static bool no_survivors(struct rig *r, void *arg)
{
	return rig_survivors(r) == 0;
}

/* To the end, released, all clean. */
static void finish(struct rig *r)
{
	char path[128];

	rig_run(r, "the job's end", rig_over, NULL);
	assert_int_equal(r->torn, 0);
	rig_release(r);
	rig_run(r, "the shepherds' ends", rig_exited, NULL);
	for (size_t i = 0; i < r->n; i++) {
		struct dvmd_place place = rig_place(r, i);
		char group[PATH_MAX];
		assert_int_equal(r->nodes[i].wait, 0);
		assert_int_equal(access(job_file(r, i, "status", path), F_OK), -1);
		assert_int_equal(access(job_file(r, i, "shep.sock", path), F_OK), -1);
		dvmd_sweep_tidy(&place);
		if (dvmd_cgroup_path(group, &place) == 0)
			assert_int_equal(access(group, F_OK), -1);
		assert_int_equal(dvmd_sweep_job(&place), 0);
	}
	assert_int_equal(rig_survivors(r), 0);
}

static void run_sh(struct rig *r, size_t nodes, uint32_t ranks, const char *script)
{
	const char *argv[] = { "sh", "-c", script, NULL };

	rig_init(r, nodes, ranks, argv);
}

static void run_payload(struct rig *r, size_t nodes, uint32_t ranks, const char *verb,
			const char *arg)
{
	static char program[512];
	const char *argv[] = { program, verb, arg, NULL };

	snprintf(program, sizeof program, "%s/tests/unit/shep_payload", getenv("DVM_BUILD"));
	rig_init(r, nodes, ranks, argv);
}

struct said {
	uint32_t rank;
	const char *text;
};

static bool has_said(struct rig *r, void *arg)
{
	const struct said *said = arg;

	return strstr(rig_text(r, said->rank, 1), said->text);
}

static void wait_said(struct rig *r, uint32_t rank, const char *text)
{
	struct said said = { .rank = rank, .text = text };

	rig_run(r, text, has_said, &said);
}

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
	start_all(r, NULL);
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
	finish(r);
}

static void expect_failure(struct rig *r, int code, const char *text)
{
	start_all(r, NULL);
	rig_run(r, "failure", rig_over, NULL);
	assert_int_equal(phase(r), PB__SHARE_PHASE__SHARE_FAILED);
	assert_string_equal(r->nodes[0].status->text, text);
	assert_int_equal(r->nodes[0].status->code, code);
	finish(r);
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

/* The job's directory is the rig's. */
static void work_here(struct rig *r)
{
	free(r->launch->spec->wdir);
	r->launch->spec->wdir = strdup(r->base);
}

static void make_file(struct rig *r, const char *name, const char *text, mode_t mode)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", r->base, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	fchmod(fd, mode);
	close(fd);
}

static void a_missing_interpreter_is_named(void **state)
{
	const char *argv[] = { "./script", NULL };

	rig_init(*state, 1, 1, argv);
	work_here(*state);
	make_file(*state, "script", "#! /no/such/interp -x\n", 0755);
	expect_failure(*state, -ENOENT, "./script: its interpreter /no/such/interp does not exist");
}

static void what_cannot_be_run_is_told(void **state)
{
	const char *argv[] = { "./text", NULL };

	rig_init(*state, 1, 1, argv);
	work_here(*state);
	make_file(*state, "text", "hello\n", 0644);
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
	work_here(r);
	make_file(r, "plain", "echo \"[$1] in $PWD\"\n", 0755);
	start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	char expect[128];
	snprintf(expect, sizeof expect, "[one two] in %s\n", r->base);
	assert_string_equal(rig_text(r, 0, 1), expect);
	finish(r);
}

static void path_is_searched_from_the_directory(void **state)
{
	const char *argv[] = { "prog", NULL };
	struct rig *r = *state;

	rig_init(r, 1, 1, argv);
	work_here(r);
	make_file(r, "prog", "#!/bin/sh\necho found\n", 0755);
	free(r->launch->spec->env[0]);
	r->launch->spec->env[0] = strdup("PATH=/no/such::/bin");
	start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 0, 1), "found\n");
	finish(r);
}

static void a_launch_has_a_deadline(void **state)
{
	struct rig *r = *state;

	run_sh(r, 1, RIG_RANKS, "sleep 1000");
	r->launch->launch_deadline_ns = 1;
	start_all(r, NULL);
	rig_run(r, "failure", rig_over, NULL);
	assert_int_equal(phase(r), PB__SHARE_PHASE__SHARE_FAILED);
	assert_int_equal(r->nodes[0].status->code, -ETIMEDOUT);
	assert_non_null(strstr(r->nodes[0].status->text, "not started in time: "));
	finish(r);
}

static void ranks_know_who_they_are(void **state)
{
	struct rig *r = *state;

	run_sh(r, 2, 5,
	       "echo $DVM_JOBID $DVM_RANK/$DVM_SIZE $DVM_NODE/$DVM_NNODES "
	       "$DVM_LOCAL_RANK/$DVM_LOCAL_SIZE $DVM_NODENAME $DVM_MACHINE $USERS_OWN; umask; ulimit -n");
	rig_env(r, "USERS_OWN=kept");
	rig_env(r, "DVM_RANK=77");
	r->launch->spec->umask = 027;
	start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	assert_non_null(strstr(rig_text(r, 0, 1), "7 0/5 0/2 0/3 node0 rig kept\n0027\n"));
	assert_non_null(strstr(rig_text(r, 3, 1), "7 3/5 1/2 1/2 node1 rig kept\n0027\n"));
	finish(r);
}

static void ranks_are_bound_where_that_is_allowed(void **state)
{
	struct rig *r = *state;

	run_sh(r, 1, 3, "grep Cpus_allowed_list /proc/self/status");
	Pb__NodeShare *share = r->launch->placement->nodes[0];
	share->n_cpus = 3;
	share->cpus = calloc(3, sizeof *share->cpus);
	share->cpus[0] = strdup("0");
	share->cpus[1] = strdup("");
	share->cpus[2] = strdup("60000");
	start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 0, 1), "Cpus_allowed_list:\t0\n");
	assert_string_equal(rig_text(r, 1, 1), rig_text(r, 2, 1));
	assert_true(has_note(r, "1 rank not bound as asked"));
	finish(r);
}

static void ranks_inherit_three_descriptors_and_no_signals(void **state)
{
	struct rig *r = *state;
	int pid, ppid, group, session;

	run_sh(r, 1, 3,
	       "case $DVM_RANK in 0) exec ls /proc/self/fd;; "
	       "1) exec grep -E 'Sig(Blk|Ign)' /proc/self/status;; 2) exec cat /proc/self/stat;; esac");
	start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 0, 1), "0\n1\n2\n3\n"); /* 3 is the listing's own */
	assert_string_equal(rig_text(r, 1, 1),
			    "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	assert_int_equal(sscanf(rig_text(r, 2, 1), "%d (cat) %*c %d %d %d", &pid, &ppid, &group,
				&session), 4);
	assert_int_equal(pid, rig_rank(r, 2)->pid);
	assert_int_equal(group, pid);
	assert_int_equal(ppid, r->nodes[0].pid);
	assert_int_equal(session, r->nodes[0].pid);
	finish(r);
}

static void memory_is_limited_one_way_or_another(void **state)
{
	struct rig *r = *state;

	run_sh(r, 1, 1, "ulimit -d; cat /proc/self/cgroup");
	r->launch->spec->mem_per_rank = 64 << 20;
	start_all(r, no_cgroup);
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(strncmp(rig_text(r, 0, 1), "65536\n", 6), 0);
	assert_true(has_note(r, "no memory controller"));
	finish(r);
}

/* ---- ends ---- */

static void exit_codes_and_signals(void **state)
{
	struct rig *r = *state;

	run_sh(r, 1, 4,
	       "case $DVM_RANK in 0) exit 0;; 1) exit 7;; 2) kill -9 $$;; 3) kill -TERM $$;; esac");
	start_all(r, NULL);
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
	finish(r);
}

static void signals_are_forwarded(void **state)
{
	struct rig *r = *state;

	run_payload(r, 1, 2, "signals", NULL);
	start_all(r, NULL);
	wait_said(r, 0, "ready\n");
	wait_said(r, 1, "ready\n");
	rig_signal(r, SIGTSTP, false, 0);
	rig_signal(r, SIGUSR1, false, 0);
	rig_signal(r, SIGCONT, false, 0);
	wait_said(r, 0, "signal 10\n");
	wait_said(r, 1, "signal 10\n");
	rig_signal(r, SIGINT, false, 0);
	wait_said(r, 1, "signal 2\n");
	rig_signal(r, SIGTERM, false, 0);
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(rig_rank(r, 0)->status, 128 + SIGTERM);
	finish(r);
}

static void end_stubborn(struct rig *r, const char *const *options)
{
	run_payload(r, 1, 3, "stubborn", NULL);
	start_all(r, options);
	for (uint32_t i = 0; i < 3; i++)
		wait_said(r, i, "ready\n");
	uint64_t begin = dvmi_clock_mono();
	rig_signal(r, SIGTERM, true, MS(150));
	rig_run(r, "the end", rig_over, NULL);
	assert_true(dvmi_clock_mono() - begin >= MS(150));
	assert_int_equal(phase(r), PB__SHARE_PHASE__SHARE_DONE);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(rig_rank(r, i)->status, 128 + SIGKILL);
	finish(r);
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

	run_sh(r, 1, 2, "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done");
	start_all(r, NULL);
	wait_said(r, 0, "ready\n");
	wait_said(r, 1, "ready\n");
	uint64_t begin = dvmi_clock_mono();
	rig_signal(r, 0, true, 15 * DVMI_SEC);
	rig_run(r, "the end", rig_over, NULL);
	assert_true(dvmi_clock_mono() - begin < 10 * DVMI_SEC);
	assert_int_equal(rig_rank(r, 1)->status, 5);
	finish(r);
}

static void a_stopped_job_can_be_ended(void **state)
{
	struct rig *r = *state;

	run_sh(r, 1, 2, "echo ready; exec sleep 1000");
	start_all(r, NULL);
	wait_said(r, 0, "ready\n");
	wait_said(r, 1, "ready\n");
	rig_signal(r, SIGTSTP, false, 0);
	rig_signal(r, SIGTERM, true, 15 * DVMI_SEC);
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(rig_rank(r, 0)->status, 128 + SIGTERM);
	finish(r);
}

/* The old freezer holds its processes even against SIGKILL, much as a dead disk does. */
static const char *freeze(struct rig *r, pid_t pid)
{
	static char dir[64];
	char text[32];

	snprintf(dir, sizeof dir, "/sys/fs/cgroup/freezer/shep-%d", (int)getpid());
	if (mkdir(dir, 0755) < 0)
		return NULL;
	snprintf(text, sizeof text, "%d", (int)pid);
	assert_int_equal(dvmd_cgroup_write(dir, "cgroup.procs", text), 0);
	assert_int_equal(dvmd_cgroup_write(dir, "freezer.state", "FROZEN"), 0);
	return dir;
}

static void a_process_that_cannot_die_is_named(void **state)
{
	const char *const options[] = { "--stuck-ms", "200", NULL };
	struct rig *r = *state;
	char text[64];

	run_payload(r, 1, 2, "stubborn", NULL);
	start_all(r, options);
	wait_said(r, 0, "ready\n");
	wait_said(r, 1, "ready\n");
	const char *dir = freeze(r, (pid_t)rig_rank(r, 1)->pid);
	if (!dir)
		skip();
	rig_signal(r, SIGTERM, true, MS(10));
	rig_run(r, "the end", rig_over, NULL);
	dvmd_cgroup_write(dir, "freezer.state", "THAWED");
	snprintf(text, sizeof text, "process %u does not die (state ", rig_rank(r, 1)->pid);
	assert_memory_equal(r->nodes[0].status->text, text, strlen(text));
	assert_int_equal(phase(r), PB__SHARE_PHASE__SHARE_DONE);
	rig_run(r, "no survivor", no_survivors, NULL);
	assert_int_equal(rmdir(dir), 0);
}

static void a_release_ends_everything_at_once(void **state)
{
	struct rig *r = *state;

	run_payload(r, 1, 2, "stubborn", NULL);
	start_all(r, NULL);
	wait_said(r, 1, "ready\n");
	rig_release(r);
	rig_run(r, "the shepherd's end", rig_exited, NULL);
	assert_int_equal(r->nodes[0].wait, 0);
	assert_int_equal(rig_survivors(r), 0);
}

static void a_job_nobody_wants_is_ended(void **state)
{
	struct rig *r = *state;

	run_payload(r, 1, 2, "stubborn", NULL);
	r->refuse = -ENOENT;
	start_all(r, NULL);
	rig_run(r, "the shepherd's end", rig_exited, NULL);
	assert_int_equal(rig_survivors(r), 0);
}

static bool has_hellos(struct rig *r, void *arg)
{
	return r->nodes[0].hellos >= *(uint64_t *)arg;
}

static void a_daemon_that_knows_the_job_late_is_forgiven(void **state)
{
	struct rig *r = *state;

	run_sh(r, 1, 1, "echo here; sleep 0.5; exit 6");
	r->refuse = -ENOENT;
	start_all(r, NULL);
	rig_run(r, "a second hello", has_hellos, &(uint64_t){ 2 });
	r->refuse = 0;
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(rig_rank(r, 0)->status, 6);
	finish(r);
}

static void a_daemon_may_ask_for_patience(void **state)
{
	struct rig *r = *state;

	run_sh(r, 1, 1, "echo here");
	r->refuse = -EAGAIN;
	start_all(r, NULL);
	rig_run(r, "a second hello", has_hellos, &(uint64_t){ 2 });
	r->refuse = 0;
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 0, 1), "here\n");
	finish(r);
}

/* ---- what ranks leave behind ---- */

static void leave_behind(struct rig *r, const char *verb, const char *const *options)
{
	char file[64];

	run_payload(r, 1, 1, verb, "pids");
	work_here(r);
	start_all(r, options);
	rig_run(r, "the end", rig_over, NULL);
	snprintf(file, sizeof file, "%s/pids", r->base);
	assert_int_equal(access(file, F_OK), 0); /* it had really got away */
	assert_int_equal(rig_rank(r, 0)->status, 0);
	assert_int_equal(rig_survivors(r), 0);
	finish(r);
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

	run_sh(r, 1, 1, "(sleep 0.2; echo late) & echo early");
	start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 0, 1), "early\nlate\n");
	finish(r);
}

static void kill_shepherd(struct rig *r, const char *const *options)
{
	run_payload(r, 1, 4, "daemonize-and-stay", "pids");
	work_here(r);
	start_all(r, options);
	for (uint32_t i = 0; i < 4; i++)
		wait_said(r, i, "ready\n");
	assert_true(rig_survivors(r) >= 5);
	kill(r->nodes[0].pid, SIGKILL);
	rig_run(r, "the shepherd's end", rig_exited, NULL);
	struct dvmd_place place = rig_place(r, 0), other = place;
	char path[PATH_MAX];
	other.job++;
	assert_int_equal(dvmd_sweep_job(&other), 0); /* is not ours and takes nothing */
	assert_true(rig_survivors(r) >= 1);
	uint64_t end = dvmi_clock_mono() + 5 * DVMI_SEC;
	while (dvmd_sweep_job(&place) > 0)
		assert_true(dvmi_clock_mono() < end);
	rig_run(r, "no survivor", no_survivors, NULL);
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

/* ---- output ---- */

static size_t line_length(unsigned rank, unsigned i)
{
	return i % 97 == 13 ? 70000 + rank * 1000 : (i * 31 + rank * 7) % 200;
}

static void check_lines(struct rig *r, uint32_t ranks, unsigned count)
{
	for (uint32_t rank = 0; rank < ranks; rank++) {
		const char *p = rig_text(r, rank, 1);
		for (unsigned i = 0; i < count; i++) {
			char head[32];
			size_t n = (size_t)snprintf(head, sizeof head, "%u %u ", rank, i);
			assert_memory_equal(p, head, n);
			size_t len = strspn(p + n, (char[]){ (char)('a' + rank % 26), 0 });
			assert_int_equal(len, line_length(rank, i));
			assert_int_equal(p[n + len], '\n');
			p += n + len + 1;
		}
		assert_int_equal(*p, 0);
	}
}

static void long_lines_of_many_ranks_arrive_whole(void **state)
{
	struct rig *r = *state;

	run_payload(r, 1, 8, "lines", "1000");
	start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	check_lines(r, 8, 1000);
	finish(r);
}

static bool got_three(struct rig *r, void *arg)
{
	return r->nodes[0].got >= 3;
}

static void output_survives_a_restart_of_the_daemon(void **state)
{
	struct rig *r = *state;

	run_payload(r, 1, 4, "lines", "2000");
	r->nodes[0].hold_acks = true;
	start_all(r, NULL);
	for (int i = 0; i < 3; i++) {
		rig_run(r, "some output", got_three, NULL);
		rig_daemon_dies(r, 0);
		rig_daemon_returns(r, 0);
		uint64_t hellos = (uint64_t)i + 2;
		rig_run(r, "a new hello", has_hellos, &hellos);
	}
	r->nodes[0].hold_acks = false;
	rig_run(r, "the end", rig_over, NULL);
	check_lines(r, 4, 2000);
	assert_true(r->nodes[0].resent > 0);
	assert_int_equal(r->nodes[0].hellos, 4);
	finish(r);
}

static bool window_is_full(struct rig *r, void *arg)
{
	return r->nodes[0].unacked > (1u << 20) - (256u << 10);
}

static bool never(struct rig *r, void *arg)
{
	return dvmi_clock_mono() > *(uint64_t *)arg;
}

static void a_client_that_does_not_read_holds_ranks_back(void **state)
{
	struct rig *r = *state;
	uint64_t later;

	run_payload(r, 1, 2, "lines", "4000");
	r->nodes[0].hold_acks = true;
	start_all(r, NULL);
	rig_run(r, "a full window", window_is_full, NULL);
	later = dvmi_clock_mono() + MS(300);
	rig_run(r, "a while", never, &later);
	assert_true(r->nodes[0].unacked < (1u << 20) + (512u << 10));
	assert_false(rig_over(r, NULL));
	r->nodes[0].hold_acks = false;
	rig_ack(r, 0);
	rig_run(r, "the end", rig_over, NULL);
	check_lines(r, 2, 4000);
	finish(r);
}

static void a_job_can_be_ended_although_nobody_reads(void **state)
{
	struct rig *r = *state;

	run_sh(r, 1, 2, "exec yes");
	r->nodes[0].hold_acks = true;
	start_all(r, NULL);
	rig_run(r, "a full window", window_is_full, NULL);
	rig_signal(r, SIGTERM, true, 15 * DVMI_SEC);
	rig_run(r, "the end", rig_over, NULL);
	finish(r);
}

static void a_release_waits_for_the_last_output(void **state)
{
	struct rig *r = *state;

	run_payload(r, 1, 2, "lines", "500");
	r->nodes[0].hold_acks = true;
	start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	rig_release(r);
	rig_daemon_dies(r, 0);
	rig_daemon_returns(r, 0);
	rig_run(r, "a new hello", has_hellos, &(uint64_t){ 2 });
	assert_int_not_equal(r->nodes[0].pid, 0);
	r->nodes[0].hold_acks = false;
	rig_release(r);
	rig_run(r, "the shepherd's end", rig_exited, NULL);
	check_lines(r, 2, 500);
}

static void an_unfinished_line_is_shown(void **state)
{
	struct rig *r = *state;

	run_sh(r, 1, 1, "printf 'name? '; read x; echo \"hello $x\"");
	start_all(r, NULL);
	wait_said(r, 0, "name? ");
	rig_stdin(r, 0, 1, "world\n", false);
	wait_said(r, 0, "hello world\n");
	finish(r);
}

static void a_detached_job_writes_its_spool_only(void **state)
{
	struct rig *r = *state;
	struct dvmd_spool_reader *reader;
	Pb__Chunk *chunk;
	char path[128];
	size_t bytes = 0;

	run_sh(r, 1, 1, "cat; yes | head -c 3000000");
	r->launch->spec->detached = true;
	start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(r->nodes[0].got, 0);
	assert_int_equal(r->nodes[0].status->output_seq, 0);
	assert_int_equal(dvmd_spool_reader_open(&reader, AT_FDCWD, job_file(r, 0, "output", path),
						geteuid(), NULL), 0);
	while (dvmd_spool_reader_next(reader, &chunk) == 1) {
		bytes += chunk->data.len;
		dvmi_pb_free(chunk);
	}
	dvmd_spool_reader_close(reader);
	assert_int_equal(bytes, 3000000);
	finish(r);
}

/* ---- input ---- */

static bool stdin_acked(struct rig *r, void *arg)
{
	return r->nodes[0].stdin_acked >= *(uint64_t *)arg;
}

static void input_goes_to_rank_0_in_order(void **state)
{
	struct rig *r = *state;

	run_sh(r, 1, 2, "cat; echo end");
	start_all(r, NULL);
	rig_run(r, "running", rig_running, NULL);
	rig_stdin(r, 0, 1, "one\n", false);
	rig_stdin(r, 0, 1, "one\n", false); /* again */
	rig_stdin(r, 0, 3, "three\n", false); /* too early */
	rig_stdin(r, 0, 2, "two\n", false);
	wait_said(r, 0, "one\ntwo\n");
	rig_daemon_dies(r, 0);
	rig_daemon_returns(r, 0);
	rig_run(r, "a new hello", has_hellos, &(uint64_t){ 2 });
	rig_stdin(r, 0, 3, "three\n", true);
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 0, 1), "one\ntwo\nthree\nend\n");
	assert_string_equal(rig_text(r, 1, 1), "end\n");
	assert_int_equal(r->nodes[0].stdin_acked, 3);
	finish(r);
}

static void input_goes_to_all(void **state)
{
	struct rig *r = *state;
	uint64_t two = 2;

	run_sh(r, 1, 3, "if [ $DVM_RANK = 1 ]; then exit 0; fi; cat");
	r->launch->spec->stdin_to = PB__STDIN_TO__STDIN_ALL;
	start_all(r, NULL);
	rig_run(r, "running", rig_running, NULL);
	rig_stdin(r, 0, 1, "for all\n", false);
	rig_stdin(r, 0, 2, "", true);
	rig_run(r, "the acknowledgement", stdin_acked, &two);
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 0, 1), "for all\n");
	assert_string_equal(rig_text(r, 2, 1), "for all\n");
	finish(r);
}

static void who_does_not_read_holds_the_client_back(void **state)
{
	struct rig *r = *state;
	char *big = malloc(200001);
	uint64_t later, one = 1;

	memset(big, 'x', 200000);
	big[200000] = 0;
	run_sh(r, 1, 1, "trap : USR1; echo ready; while :; do sleep 0.01; [ -e go ] && break; done; wc -c");
	work_here(r);
	start_all(r, NULL);
	wait_said(r, 0, "ready\n");
	rig_stdin(r, 0, 1, big, true);
	free(big);
	later = dvmi_clock_mono() + MS(200);
	rig_run(r, "a while", never, &later);
	assert_int_equal(r->nodes[0].stdin_acked, 0);
	make_file(r, "go", "", 0644);
	rig_run(r, "the acknowledgement", stdin_acked, &one);
	wait_said(r, 0, "200000\n");
	finish(r);
}

/* ---- daemons that die ---- */

static bool status_file_says_done(struct rig *r, void *arg)
{
	char path[128];
	uint8_t bytes[4096];
	Pb__JobStatus *st;
	int fd = open(job_file(r, 0, "status", path), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, bytes, sizeof bytes) : -1;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	assert_int_equal(dvmi_pb_unpack(&pb__job_status__descriptor, bytes, (size_t)n, &st), 0);
	bool done = st->phase == PB__SHARE_PHASE__SHARE_DONE;
	if (done && arg)
		*(int *)arg = st->ranks[0]->status;
	dvmi_pb_free(st);
	return done;
}

static void without_a_daemon_the_job_ends_and_leaves_its_status(void **state)
{
	const char *const options[] = { "--orphan-ms", "300", NULL };
	struct rig *r = *state;
	int status = 0;

	run_sh(r, 1, 2, "echo ready; exec sleep 1000");
	start_all(r, options);
	wait_said(r, 0, "ready\n");
	wait_said(r, 1, "ready\n");
	rig_daemon_dies(r, 0);
	rig_run(r, "the shepherd's end", rig_exited, NULL);
	assert_int_equal(r->nodes[0].wait, 0);
	assert_true(status_file_says_done(r, &status));
	assert_int_equal(status, 128 + SIGTERM);
	assert_int_equal(rig_survivors(r), 0);
}

static void a_job_that_ends_without_a_daemon_is_reported_later(void **state)
{
	struct rig *r = *state;

	run_sh(r, 1, 1, "echo one; while ! [ -e go ]; do sleep 0.01; done; echo two; exit 3");
	work_here(r);
	start_all(r, NULL);
	wait_said(r, 0, "one\n");
	rig_daemon_dies(r, 0);
	make_file(r, "go", "", 0644);
	rig_run(r, "the status file", status_file_says_done, NULL);
	rig_daemon_returns(r, 0);
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(rig_rank(r, 0)->status, 3);
	assert_string_equal(rig_text(r, 0, 1), "one\ntwo\n");
	finish(r);
}

static void what_happens_during_the_greeting_is_reported(void **state)
{
	struct rig *r = *state;

	run_sh(r, 1, 1, "while ! [ -e go ]; do sleep 0.01; done; echo said; exit 3");
	work_here(r);
	r->hold_hello = true;
	start_all(r, NULL);
	rig_run(r, "a hello", has_hellos, &(uint64_t){ 1 });
	make_file(r, "go", "", 0644);
	rig_run(r, "the status file", status_file_says_done, NULL);
	rig_answer(r, 0);
	rig_run(r, "the end", rig_over, NULL);
	assert_int_equal(rig_rank(r, 0)->status, 3);
	assert_string_equal(rig_text(r, 0, 1), "said\n");
	finish(r);
}

static void a_job_that_is_never_released_ends_by_itself(void **state)
{
	const char *const options[] = { "--linger-ms", "100", NULL };
	struct rig *r = *state;

	run_sh(r, 1, 1, "exit 4");
	start_all(r, options);
	rig_run(r, "the end", rig_over, NULL);
	rig_run(r, "the shepherd's end", rig_exited, NULL);
	assert_int_equal(r->nodes[0].wait, 0);
	assert_true(status_file_says_done(r, NULL));
}

/* ---- other users ---- */

static void root_runs_a_job_as_its_user(void **state)
{
	struct rig *r = *state;
	char path[128];
	struct stat st;

	if (geteuid() != 0)
		skip();
	run_sh(r, 1, 2, "id -u; id -g; id -G; grep NoNewPrivs /proc/self/status");
	r->launch->spec->uid = 65534;
	r->launch->spec->gid = 65533;
	r->launch->spec->groups = calloc(1, sizeof(uint32_t));
	r->launch->spec->groups[0] = 65532;
	r->launch->spec->n_groups = 1;
	r->launch->spec->user = strdup("nobody");
	snprintf(path, sizeof path, "%s/client.sock", r->nodes[0].dir);
	assert_int_equal(chmod(path, 0777), 0);
	start_all(r, NULL);
	rig_run(r, "the end", rig_over, NULL);
	assert_string_equal(rig_text(r, 1, 1), "65534\n65533\n65533 65532\nNoNewPrivs:\t1\n");
	snprintf(path, sizeof path, "%s/jobs/%d", r->nodes[0].dir, RIG_JOB);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(st.st_mode & 07777, 0700);
	finish(r);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
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
		T(ranks_know_who_they_are),
		T(ranks_are_bound_where_that_is_allowed),
		T(ranks_inherit_three_descriptors_and_no_signals),
		T(memory_is_limited_one_way_or_another),
		T(exit_codes_and_signals),
		T(signals_are_forwarded),
		T(who_ignores_term_is_killed),
		T(who_ignores_term_is_killed_without_cgroup),
		T(who_heeds_term_is_not_waited_for),
		T(a_stopped_job_can_be_ended),
		T(a_process_that_cannot_die_is_named),
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
		T(long_lines_of_many_ranks_arrive_whole),
		T(output_survives_a_restart_of_the_daemon),
		T(a_client_that_does_not_read_holds_ranks_back),
		T(a_job_can_be_ended_although_nobody_reads),
		T(a_release_waits_for_the_last_output),
		T(an_unfinished_line_is_shown),
		T(a_detached_job_writes_its_spool_only),
		T(input_goes_to_rank_0_in_order),
		T(input_goes_to_all),
		T(who_does_not_read_holds_the_client_back),
		T(without_a_daemon_the_job_ends_and_leaves_its_status),
		T(a_job_that_ends_without_a_daemon_is_reported_later),
		T(what_happens_during_the_greeting_is_reported),
		T(a_job_that_is_never_released_ends_by_itself),
		T(root_runs_a_job_as_its_user),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
