/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/background.h"
#include "libdvm/base/err.h"

#define NICE (-10)

/* The parent of a daemon: passes on what the child says and ends with it. */
static _Noreturn void wait_for_child(int fd)
{
	char line[DVM_ERROR_TEXT_MAX + 16];
	size_t len = 0;
	ssize_t got;

	while (len < sizeof line - 1 && (got = read(fd, line + len, sizeof line - 1 - len)) > 0)
		len += (size_t)got;
	line[len] = 0;
	if (strncmp(line, "ready", 5)) {
		fprintf(stderr, "dvmd: %s", len ? line : "ended before it was ready\n");
		_exit(1);
	}
	_exit(0);
}

int dvmd_background(int *ready_fd, dvm_error_t *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return dvmi_error_code(err, -errno, "pipe");
	pid_t pid = fork();
	if (pid < 0)
		return dvmi_error_code(err, -errno, "fork");
	if (pid > 0 && *ready_fd >= 0)
		_exit(0);
	if (pid > 0) {
		close(fds[1]);
		wait_for_child(fds[0]);
	}
	close(fds[0]);
	if (*ready_fd < 0)
		*ready_fd = fds[1];
	else
		close(fds[1]);
	setsid();
	return 0;
}

void dvmd_background_stdio(const char *run_dir)
{
	char path[PATH_MAX];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	snprintf(path, sizeof path, "%s/dvmd.log", run_dir);
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(log >= 0 ? log : null, STDERR_FILENO);
	if (log >= 0)
		close(log);
	if (null >= 0)
		close(null);
	(void)!chdir("/");
}

void dvmd_raise_priority(void)
{
	const struct sched_param param = { 0 };

	if (sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &param) == 0)
		setpriority(PRIO_PROCESS, 0, NICE);
}

void dvmd_raise_descriptors(void)
{
	struct rlimit files;
	char soft[24];

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	snprintf(soft, sizeof soft, "%llu", (unsigned long long)files.rlim_cur);
	setenv("DVMD_NOFILE", soft, 1);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}
