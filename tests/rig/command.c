/* SPDX-License-Identifier: BSD-3-Clause */
/* Collects and starts a command on the emulated host: see command.h. Single-threaded. */
#include "tests/rig/command.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pty.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

static const char PATH[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void rig_command_init(struct rig_command *cmd)
{
	*cmd = (struct rig_command){ .pipe = { -1, -1, -1 } };
}

static int set_string(char **out, const struct rig_frame *frame)
{
	char *copy = strdup(frame->data);

	if (!copy)
		return -ENOMEM;
	free(*out);
	*out = copy;
	return 0;
}

static int add_word(char **words, size_t *count, const struct rig_frame *frame)
{
	int rc;

	if (*count == RIG_COMMAND_WORDS)
		return -E2BIG;
	rc = set_string(&words[*count], frame);
	if (rc == 0)
		++*count;
	return rc;
}

static int set_clock(const struct rig_frame *frame)
{
	int64_t us = rig_wire_number(frame, INT64_MAX);
	struct timespec ts = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	if (us < 0)
		return -EPROTO;
	return clock_settime(CLOCK_REALTIME, &ts) < 0 ? -errno : 0;
}

static int set_tty(struct rig_command *cmd, const struct rig_frame *frame)
{
	int64_t size = rig_wire_number(frame, UINT32_MAX);

	if (size < 0)
		return -EPROTO;
	cmd->tty = true;
	cmd->winsize = (uint32_t)size;
	return 0;
}

int rig_command_take(struct rig_command *cmd, const struct rig_frame *frame)
{
	if (strlen(frame->data) != frame->len)
		return -EPROTO;
	switch (frame->type) {
	case RIG_USER:
		return set_string(&cmd->user, frame);
	case RIG_DIR:
		return set_string(&cmd->dir, frame);
	case RIG_ENV:
		return strchr(frame->data, '=') ? add_word(cmd->env, &cmd->envc, frame) : -EPROTO;
	case RIG_ARG:
		return add_word(cmd->argv, &cmd->argc, frame);
	case RIG_CLOCK:
		return set_clock(frame);
	case RIG_TTY:
		return set_tty(cmd, frame);
	default:
		return -EPROTO;
	}
}

static struct winsize to_winsize(uint32_t size)
{
	return (struct winsize){ .ws_row = (unsigned short)(size >> 16),
				 .ws_col = (unsigned short)(size & 0xffff) };
}

int rig_command_winsize(struct rig_command *cmd, uint32_t winsize)
{
	struct winsize ws = to_winsize(winsize);

	return ioctl(cmd->pipe[STDOUT_FILENO], TIOCSWINSZ, &ws) < 0 ? -errno : 0;
}

static int open_streams(struct rig_command *cmd, int theirs[3])
{
	struct winsize ws = to_winsize(cmd->winsize);
	int ends[2];

	if (cmd->tty) {
		if (openpty(&cmd->pipe[1], &theirs[0], NULL, NULL, &ws) < 0)
			return -errno;
		fcntl(cmd->pipe[1], F_SETFD, FD_CLOEXEC);
		cmd->pipe[0] = fcntl(cmd->pipe[1], F_DUPFD_CLOEXEC, 0);
		return cmd->pipe[0] < 0 ? -errno : 0;
	}
	for (int i = 0; i < 3; i++) {
		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		cmd->pipe[i] = i == 0 ? ends[1] : ends[0];
		theirs[i] = i == 0 ? ends[0] : ends[1];
	}
	return 0;
}

static void set_environment(const struct rig_command *cmd, const struct passwd *pw)
{
	char run[32];

	clearenv();
	snprintf(run, sizeof(run), "/run/user/%u", (unsigned int)pw->pw_uid);
	if (access(run, F_OK) == 0)
		setenv("XDG_RUNTIME_DIR", run, 1);
	setenv("PATH", PATH, 1);
	setenv("HOME", pw->pw_dir, 1);
	setenv("USER", pw->pw_name, 1);
	setenv("LOGNAME", pw->pw_name, 1);
	setenv("SHELL", pw->pw_shell, 1);
	setenv("LANG", "C.UTF-8", 1);
	for (size_t i = 0; i < cmd->envc; i++)
		putenv(cmd->env[i]);
}

static void become(const struct passwd *pw)
{
	if (initgroups(pw->pw_name, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 ||
	    setuid(pw->pw_uid) < 0) {
		fprintf(stderr, "rig: cannot become %s: %s\n", pw->pw_name, strerror(errno));
		_exit(126);
	}
}

/* The child's side: never returns. */
static void exec_command(struct rig_command *cmd, const struct passwd *pw, int theirs[3])
{
	const char *dir = cmd->dir ? cmd->dir : pw->pw_dir;
	sigset_t none;

	if (cmd->tty) {
		login_tty(theirs[0]);
	} else {
		setsid();
		for (int i = 0; i < 3; i++)
			dup2(theirs[i], i);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	become(pw);
	set_environment(cmd, pw);
	if (chdir(dir) < 0) {
		fprintf(stderr, "rig: %s: %s\n", dir, strerror(errno));
		_exit(126);
	}
	execvp(cmd->argv[0], cmd->argv);
	fprintf(stderr, "rig: %s: %s\n", cmd->argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

int rig_command_start(struct rig_command *cmd)
{
	int theirs[3] = { -1, -1, -1 };
	struct passwd *pw = getpwnam(cmd->user ? cmd->user : "root");
	int rc;

	if (!pw)
		return -ENOENT;
	rc = open_streams(cmd, theirs);
	if (rc == 0) {
		cmd->pid = fork();
		if (cmd->pid == 0)
			exec_command(cmd, pw, theirs);
		rc = cmd->pid < 0 ? -errno : 0;
	}
	for (int i = 0; i < 3; i++) {
		if (theirs[i] >= 0)
			close(theirs[i]);
		if (cmd->pipe[i] >= 0)
			fcntl(cmd->pipe[i], F_SETFL, O_NONBLOCK);
	}
	return rc;
}

void rig_command_fini(struct rig_command *cmd)
{
	free(cmd->user);
	free(cmd->dir);
	for (size_t i = 0; i < cmd->argc; i++)
		free(cmd->argv[i]);
	for (size_t i = 0; i < cmd->envc; i++)
		free(cmd->env[i]);
	for (int i = 0; i < 3; i++)
		if (cmd->pipe[i] >= 0)
			close(cmd->pipe[i]);
}
