/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Relays one command: its input from the client, its output and exit code to the client. One
 * thread, one poll loop.
 *
 * The command is over when its first process ends, as with a shell: what its output pipes hold by
 * then is sent, then the exit code. Processes it left in the background live on; their later
 * output is read and thrown away, so that they never meet a full or a broken pipe.
 */
#include "tests/rig/session.h"

#include "tests/rig/command.h"
#include "tests/rig/wire.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STDIN_PIPE, STDOUT_PIPE, STDERR_PIPE };

struct session {
	int sock; /* -1: the client is gone */
	struct rig_command cmd;
	int pidfd;
	size_t sent; /* of rx, when it holds input the command has not taken yet */
	bool pending;
	struct rig_frame rx;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void lose_client(struct session *s)
{
	close_fd(&s->sock);
	kill(-s->cmd.pid, SIGKILL);
}

static void send_client(struct session *s, uint8_t type, const void *data, size_t len)
{
	if (s->sock >= 0 && rig_wire_send(s->sock, type, data, len) < 0)
		lose_client(s);
}

/* Moves what is ready of one output to the client. The bytes moved; 0: nothing now. */
static size_t relay_output(struct session *s, int which)
{
	char buf[RIG_WIRE_MAX];
	ssize_t n = read(s->cmd.pipe[which], buf, sizeof(buf));

	if (n > 0) {
		send_client(s, which == STDOUT_PIPE ? RIG_STDOUT : RIG_STDERR, buf, (size_t)n);
		return (size_t)n;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(&s->cmd.pipe[which]);
	return 0;
}

/* Moves what an output holds at this moment, but not what a process left in the background goes
 * on adding. A terminal's count lags behind; it is read until it has no more. */
static void drain_output(struct session *s, int which)
{
	int held = 0;
	size_t left, n;

	if (s->cmd.pipe[which] < 0)
		return;
	if (s->cmd.tty || ioctl(s->cmd.pipe[which], FIONREAD, &held) < 0)
		held = INT_MAX;
	for (left = (size_t)held; left > 0; left -= n < left ? n : left) {
		n = relay_output(s, which);
		if (n == 0)
			return;
	}
}

/* Gives the command as much of the pending input as it takes now. */
static void feed_input(struct session *s)
{
	int *fd = &s->cmd.pipe[STDIN_PIPE];
	ssize_t n = write(*fd, s->rx.data + s->sent, s->rx.len - s->sent);

	if (n > 0)
		s->sent += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		close_fd(fd);
	s->pending = *fd >= 0 && s->sent < s->rx.len;
}

/* An empty STDIN frame ends the input; a terminal has no end but its own control character. */
static void take_input(struct session *s)
{
	if (s->cmd.pipe[STDIN_PIPE] < 0)
		return;
	if (s->rx.len == 0) {
		if (!s->cmd.tty)
			close_fd(&s->cmd.pipe[STDIN_PIPE]);
		return;
	}
	s->sent = 0;
	feed_input(s);
}

static int take_signal(struct session *s)
{
	int64_t sig = rig_wire_number(&s->rx, SIGRTMAX);

	if (sig <= 0)
		return -EPROTO;
	kill(-s->cmd.pid, (int)sig);
	return 0;
}

static int take_winsize(struct session *s)
{
	int64_t size = rig_wire_number(&s->rx, UINT32_MAX);

	if (size < 0 || !s->cmd.tty)
		return -EPROTO;
	return rig_command_winsize(&s->cmd, (uint32_t)size);
}

static void take_frame(struct session *s)
{
	int rc = rig_wire_recv(s->sock, &s->rx);

	if (rc > 0) {
		rc = -EPROTO;
		if (s->rx.type == RIG_STDIN) {
			take_input(s);
			rc = 0;
		} else if (s->rx.type == RIG_SIGNAL) {
			rc = take_signal(s);
		} else if (s->rx.type == RIG_WINSIZE) {
			rc = take_winsize(s);
		}
	} else {
		rc = -EPIPE;
	}
	if (rc < 0)
		lose_client(s);
}

/* Relays until the command's first process has ended. */
static int relay(struct session *s)
{
	struct pollfd p[] = {
		{ .fd = s->pidfd, .events = POLLIN },
		{ .fd = s->cmd.pipe[STDOUT_PIPE], .events = POLLIN },
		{ .fd = s->cmd.pipe[STDERR_PIPE], .events = POLLIN },
		{ .fd = s->pending ? s->cmd.pipe[STDIN_PIPE] : -1, .events = POLLOUT },
		{ .fd = s->sock, .events = (short)(s->pending ? POLLRDHUP : POLLIN) },
	};

	if (poll(p, sizeof(p) / sizeof(p[0]), -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (p[1].revents)
		relay_output(s, STDOUT_PIPE);
	if (p[2].revents)
		relay_output(s, STDERR_PIPE);
	if (p[3].revents)
		feed_input(s);
	if (p[4].revents && s->sock >= 0) {
		if (s->pending)
			lose_client(s);
		else
			take_frame(s);
	}
	return p[0].revents != 0;
}

static int exit_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The first process is gone: hands over what its pipes still hold, then how it ended. */
static void finish(struct session *s)
{
	unsigned char code;
	int status = 0;

	while (waitpid(s->cmd.pid, &status, 0) < 0 && errno == EINTR)
		;
	close_fd(&s->cmd.pipe[STDIN_PIPE]);
	drain_output(s, STDOUT_PIPE);
	drain_output(s, STDERR_PIPE);
	code = (unsigned char)exit_code(status);
	if (s->sock >= 0)
		(void)rig_wire_send(s->sock, RIG_EXIT, &code, 1);
	close_fd(&s->sock);
}

/* Reads and forgets what processes left in the background still write. */
static void linger(struct session *s)
{
	char buf[4096];

	while (s->cmd.pipe[STDOUT_PIPE] >= 0 || s->cmd.pipe[STDERR_PIPE] >= 0) {
		struct pollfd p[] = {
			{ .fd = s->cmd.pipe[STDOUT_PIPE], .events = POLLIN },
			{ .fd = s->cmd.pipe[STDERR_PIPE], .events = POLLIN },
		};

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		for (int i = 0; i < 2; i++)
			if (p[i].revents && read(p[i].fd, buf, sizeof(buf)) <= 0 &&
			    errno != EAGAIN && errno != EINTR)
				close_fd(&s->cmd.pipe[STDOUT_PIPE + i]);
	}
}

static int run(struct session *s)
{
	int rc = rig_command_start(&s->cmd);

	if (rc < 0)
		return rc;
	s->pidfd = pidfd_open(s->cmd.pid, 0);
	if (s->pidfd < 0)
		return -errno;
	do
		rc = relay(s);
	while (rc == 0);
	if (rc < 0)
		return rc;
	finish(s);
	linger(s);
	return 0;
}

static int check_token(struct session *s, const char *token)
{
	int rc = rig_wire_recv(s->sock, &s->rx);

	if (rc <= 0)
		return rc ? rc : -EPIPE;
	if (s->rx.type != RIG_TOKEN || strcmp(s->rx.data, token) != 0)
		return -EACCES;
	return rig_wire_send(s->sock, RIG_READY, NULL, 0);
}

/* Collects the description of the command up to GO. */
static int take_request(struct session *s)
{
	int rc;

	for (;;) {
		rc = rig_wire_recv(s->sock, &s->rx);
		if (rc <= 0)
			return rc ? rc : -EPIPE;
		if (s->rx.type == RIG_GO)
			return s->cmd.argc ? 0 : -EPROTO;
		rc = rig_command_take(&s->cmd, &s->rx);
		if (rc < 0)
			return rc;
	}
}

int rig_session_serve(int sock, const char *token)
{
	struct session *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	s->sock = sock;
	s->pidfd = -1;
	rig_command_init(&s->cmd);
	rc = check_token(s, token);
	if (rc == 0)
		rc = take_request(s);
	if (rc == 0)
		rc = run(s);
	if (rc < 0 && s->sock >= 0)
		(void)rig_wire_send_text(s->sock, RIG_ERROR, strerror(-rc));
	close_fd(&s->sock);
	close_fd(&s->pidfd);
	rig_command_fini(&s->cmd);
	free(s);
	return rc;
}
