/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/shepherd/guard.h"
#include "daemon/sweep.h"
#include "libdvm/base/clock.h"

enum { PASSES = 500, PIPE = 3 };

static const char name[] = "dvm-guard";

/* What ps shows: the strings of argv lie behind one another. */
static void rename_self(char **argv)
{
	char *end = argv[0];

	for (char **p = argv; *p; p++)
		if (*p == end)
			end += strlen(*p) + 1;
	if ((size_t)(end - argv[0]) >= sizeof name) {
		memset(argv[0], 0, (size_t)(end - argv[0]));
		memcpy(argv[0], name, sizeof name);
	}
	prctl(PR_SET_NAME, name);
}

static void let_go(int pipe_fd)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE };

	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	setsid();
	dup2(0, 2); /* both are /dev/null now: setup.c */
	dup2(pipe_fd, PIPE);
	close_range(PIPE + 1, ~0u, 0);
}

static void wait_for_death(void)
{
	char c;

	while (read(PIPE, &c, 1) < 0 && errno == EINTR)
		;
}

static _Noreturn void guard(const struct dvmd_place *place, const struct shep_group *group,
			    int pipe_fd, char **argv)
{
	const struct timespec pause = { .tv_nsec = 20 * (long)DVMI_MSEC };

	rename_self(argv);
	let_go(pipe_fd);
	wait_for_death();
	for (int i = 0; i < PASSES; i++) {
		shep_group_kill(group);
		if (dvmd_sweep_job(place) <= 0)
			break;
		nanosleep(&pause, NULL);
	}
	_exit(0);
}

pid_t shep_guard_start(const struct dvmd_place *place, const struct shep_group *group, char **argv)
{
	struct clone_args args = { .exit_signal = 0 };
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	int err = errno;
	if (pid == 0)
		guard(place, group, fds[0], argv);
	close(fds[0]);
	if (pid > 0)
		return pid; /* the other end stays open for as long as we live */
	close(fds[1]);
	return -err;
}

void shep_guard_end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, __WCLONE);
}
