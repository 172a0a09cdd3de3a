/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/shepherd/spawn.h"

static void report(const struct shep_spawn_plan *plan, const struct shep_spawn_rank *rank,
		   enum shep_stage stage, int err)
{
	struct shep_spawn_report r = { .local = rank->local,
				       .stage = (uint16_t)stage,
				       .err = (uint16_t)err };

	/* Less than PIPE_BUF, so whole or not at all; without it the exit code has to do. */
	while (write(plan->report_fd, &r, sizeof r) < 0 && errno == EINTR)
		;
}

static _Noreturn void fail(const struct shep_spawn_plan *plan, const struct shep_spawn_rank *rank,
			   enum shep_stage stage, int err)
{
	report(plan, rank, stage, err);
	_exit(err == ENOENT ? 127 : 126);
}

/*
 * What is ignored stays ignored over exec, and until exec our handlers are the shepherd's, whose
 * signal pipe we share: a TERM that comes to us now would end it. These are all it has set
 * (setup.c, shepherd.c); asking for all 64 would cost more than the rest.
 */
static void reset_signals(void)
{
	static const int set[] = { SIGPIPE, SIGHUP, SIGCHLD, SIGTERM, SIGINT };
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (size_t i = 0; i < sizeof set / sizeof set[0]; i++)
		sigaction(set[i], &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Puts the three descriptors to 0, 1, 2. They are all above 2 (the shepherd keeps 0, 1, 2 open),
 * so none is written over before its turn, and dup2 clears their close-on-exec.
 */
static int set_stdio(const int fds[3])
{
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			return -errno;
	return 0;
}

static void set_limits(const struct shep_spawn_plan *plan, const struct shep_spawn_rank *rank)
{
	struct rlimit lim;

	setrlimit(RLIMIT_NOFILE, &plan->nofile);
	/* Fabrics pin memory: as much as we may allow. */
	if (getrlimit(RLIMIT_MEMLOCK, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_MEMLOCK, &lim);
	}
	if (plan->data_limit == RLIM_INFINITY)
		return;
	if (getrlimit(RLIMIT_DATA, &lim) < 0)
		fail(plan, rank, SHEP_STAGE_MEMORY, errno);
	lim.rlim_cur = plan->data_limit < lim.rlim_max ? plan->data_limit : lim.rlim_max;
	if (setrlimit(RLIMIT_DATA, &lim) < 0)
		fail(plan, rank, SHEP_STAGE_MEMORY, errno);
}

static bool is_elf(const char *file)
{
	char magic[4] = { 0 };
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	bool elf = fd >= 0 && read(fd, magic, 4) == 4 && !memcmp(magic, "\177ELF", 4);

	if (fd >= 0)
		close(fd);
	return elf;
}

/* As execvp: the first that can be run; a file no kernel format fits is a shell script. */
static int try_exec(const struct shep_spawn_program *program, char **envp)
{
	int err = ENOENT;

	for (char **c = program->first; *c; c++) {
		execve(*c, program->argv, envp);
		if (errno == ENOEXEC && !is_elf(*c)) {
			char *name = program->argv[0], **argv = program->argv - 1;
			argv[0] = (char[]){ "sh" };
			argv[1] = *c;
			execve("/bin/sh", argv, envp);
			argv[1] = name;
			errno = ENOEXEC;
		}
		/* A file that may not be run hides one that does not exist, not the reverse. */
		if (errno != ENOENT && errno != ENOTDIR)
			err = errno;
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			break;
	}
	return err;
}

static _Noreturn void become_rank(const struct shep_spawn_plan *plan,
				  const struct shep_spawn_rank *rank, bool join_cgroup)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != plan->shepherd)
		fail(plan, rank, SHEP_STAGE_PARENT, ECHILD);
	/* Its own session: the kernel deals time out by sessions, and ranks shall not share one share. */
	setsid();
	if (join_cgroup) {
		int fd = openat(rank->cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) < 0)
			report(plan, rank, SHEP_STAGE_CGROUP, errno);
	}
	reset_signals();
	if (set_stdio(rank->stdio) < 0)
		fail(plan, rank, SHEP_STAGE_STDIO, errno);
	if (rank->keep_fd >= 0)
		fcntl(rank->keep_fd, F_SETFD, 0);
	umask(plan->umask);
	set_limits(plan, rank);
	if (rank->cpus && sched_setaffinity(0, rank->cpus_bytes, rank->cpus) < 0)
		report(plan, rank, SHEP_STAGE_AFFINITY, errno);
	if (plan->timer_slack)
		prctl(PR_SET_TIMERSLACK, plan->timer_slack, 0, 0, 0);
	if (plan->no_new_privs)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_NAME, SHEP_COMM_WDIR);
	if (chdir(rank->program->wdir) < 0)
		fail(plan, rank, SHEP_STAGE_WDIR, errno);
	prctl(PR_SET_NAME, SHEP_COMM_EXEC);
	fail(plan, rank, SHEP_STAGE_EXEC, try_exec(rank->program, rank->envp));
}

/* Into its group right away: moving a process later costs a grace period of RCU, 10 ms each. */
static pid_t clone_into(int cgroup_fd)
{
	struct clone_args args = { .exit_signal = SIGCHLD };

	if (cgroup_fd >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	return pid < 0 ? -errno : pid;
}

pid_t shep_spawn(const struct shep_spawn_plan *plan, const struct shep_spawn_rank *rank)
{
	bool grouped = rank->cgroup_fd >= 0;
	pid_t pid = grouped ? clone_into(rank->cgroup_fd) : -ENOSYS;

	if (pid == 0)
		become_rank(plan, rank, false);
	if (pid > 0)
		return pid;
	if (pid == -EAGAIN || pid == -ENOMEM)
		return pid;
	/* An old kernel, a seccomp filter without clone3, a group that refuses us. */
	pid = fork();
	if (pid == 0)
		become_rank(plan, rank, grouped);
	return pid < 0 ? -errno : pid;
}
