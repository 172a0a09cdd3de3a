/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The agent of this node. Its socket lies in the directory of its job; a task that was spawned is
 * told, a rank of any job looks beside its own, and everybody else has `dvm-pvm attach` look, which
 * also starts the agent where there is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/pvm3/state.h"

extern char **environ;

#ifndef PVMI_LIBEXECDIR
#define PVMI_LIBEXECDIR "/usr/local/libexec/dvm"
#endif

/* Connected to what listens at PATH as this very user, or -1. */
static int call(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct ucred cred;
	socklen_t len = sizeof cred;

	if (strlen(path) >= sizeof sa.sun_path)
		return -1;
	strcpy(sa.sun_path, path);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid != geteuid())
		return -1;
	return take_fd(fd);
}

static void program(char *out, size_t size)
{
	const char *dir = getenv("DVM_LIBEXECDIR");

	snprintf(out, size, "%s/dvm-pvm", dir && *dir ? dir : PVMI_LIBEXECDIR);
}

/* Runs `dvm-pvm VERB` with its output into OUT; its number, or -1. */
static pid_t start_helper(const char *verb, int out)
{
	char path[512];
	char *argv[] = { path, (char *)(uintptr_t)verb, NULL };
	posix_spawn_file_actions_t acts;
	pid_t pid = -1;

	program(path, sizeof path);
	if (posix_spawn_file_actions_init(&acts) != 0)
		return -1;
	posix_spawn_file_actions_adddup2(&acts, out, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&acts, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (posix_spawn(&pid, path, &acts, NULL, argv, environ) != 0)
		pid = -1;
	posix_spawn_file_actions_destroy(&acts);
	return pid;
}

static size_t read_line(int fd, char *line, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while (n < size - 1 && (got = read(fd, line + n, size - 1 - n)) != 0) {
		if (got < 0 && errno != EINTR)
			break;
		n += got > 0 ? (size_t)got : 0;
	}
	line[n] = 0;
	line[strcspn(line, "\n")] = 0;
	return strlen(line);
}

/* Where it was the last time: it need not be looked for again. */
static char last[256];

static int ask_helper(const char *verb)
{
	char line[sizeof last];
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid_t pid = start_helper(verb, ends[1]);
	close(ends[1]);
	size_t n = pid > 0 ? read_line(ends[0], line, sizeof line) : 0;
	close(ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	int fd = n ? call(line) : -1;
	if (fd >= 0)
		strcpy(last, line);
	return fd;
}

int pvmi_find_agent(void)
{
	const char *told = getenv(PVMI_ENV_SOCKET);
	int fd = *last ? call(last) : -1;

	if (fd < 0 && told && *told)
		fd = call(told);
	if (fd < 0)
		fd = ask_helper("attach");
	return fd < 0 ? PvmSysErr : fd;
}

int pvmi_find_running(bool *there)
{
	int fd = ask_helper("find");

	*there = fd >= 0;
	return fd < 0 ? pvmi_find_agent() : fd;
}
