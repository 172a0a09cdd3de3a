/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rigtool run: runs a command on an emulated host as if it ran here: live output, its input if
 * asked for, signals passed on, its exit code. One thread.
 *
 * Exit codes of its own: 255 the host cannot be reached or was lost, 124 the time is up.
 */
#include "tests/rig/rigtool.h"

#include "tests/rig/prefix.h"
#include "tests/rig/reach.h"
#include "tests/rig/wire.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define EXIT_LOST    255
#define EXIT_TIMEOUT 124
#define GRACE_MS     2000 /* for a command to end on a signal before it is killed */
#define WAIT_S	     10

static const char USAGE[] = "[-itb] [-T SECONDS] [-w SECONDS] [-u USER] [-d DIR] [-e NAME=VALUE] "
			    "[-p PREFIX] DIR PROGRAM [ARGS...]";

struct client {
	const char *dir; /* the host's, below the rig's */
	bool input, tty;
	bool booting;	      /* wait for the host to come up, and set its clock */
	double timeout, wait; /* seconds; timeout 0: none */
	const char *user, *wdir, *prefix;
	const char **env; /* borrowed from argv */
	size_t n_env;
	char **command;

	int sock;
	int signals;
	int signalled;	  /* the last signal passed on */
	int64_t deadline; /* ms; INT64_MAX: none */
	int code;	  /* the exit code for when the deadline passes */
	struct termios saved;
	struct rig_prefix out, err;
	struct rig_frame rx;
	/* Input on its way: a frame the socket has not taken whole yet. */
	char tx[RIG_WIRE_HEADER + RIG_WIRE_MAX];
	size_t tx_len, tx_sent;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int parse(struct client *c, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "+itbT:w:u:d:e:p:")) != -1) {
		switch (opt) {
		case 'i':
			c->input = true;
			break;
		case 't':
			c->tty = c->input = true;
			break;
		case 'b':
			c->booting = true;
			break;
		case 'T':
			c->timeout = atof(optarg);
			break;
		case 'w':
			c->wait = atof(optarg);
			break;
		case 'u':
			c->user = optarg;
			break;
		case 'd':
			c->wdir = optarg;
			break;
		case 'e':
			c->env[c->n_env++] = optarg;
			break;
		case 'p':
			c->prefix = optarg;
			break;
		default:
			return -EINVAL;
		}
	}
	if (argc - optind < 2)
		return -EINVAL;
	c->dir = argv[optind];
	c->command = argv + optind + 1;
	return 0;
}

static uint32_t window_size(void)
{
	struct winsize ws = { .ws_row = 24, .ws_col = 80 };

	ioctl(STDIN_FILENO, TIOCGWINSZ, &ws);
	return (uint32_t)ws.ws_row << 16 | ws.ws_col;
}

static int send_number(int fd, uint8_t type, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return rig_wire_send_text(fd, type, text);
}

static int send_clock(int fd)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return send_number(fd, RIG_CLOCK, (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
}

static int send_terminal(struct client *c)
{
	char env[128];
	const char *term = getenv("TERM");

	snprintf(env, sizeof(env), "TERM=%s", term ? term : "dumb");
	if (rig_wire_send_text(c->sock, RIG_ENV, env) < 0)
		return -EPIPE;
	return send_number(c->sock, RIG_TTY, window_size());
}

static int send_request(struct client *c)
{
	int rc = 0;

	if (c->booting)
		rc = send_clock(c->sock);
	if (rc == 0 && c->user)
		rc = rig_wire_send_text(c->sock, RIG_USER, c->user);
	if (rc == 0 && c->wdir)
		rc = rig_wire_send_text(c->sock, RIG_DIR, c->wdir);
	if (rc == 0 && c->tty)
		rc = send_terminal(c);
	for (size_t i = 0; rc == 0 && i < c->n_env; i++)
		rc = rig_wire_send_text(c->sock, RIG_ENV, c->env[i]);
	for (char **word = c->command; rc == 0 && *word; word++)
		rc = rig_wire_send_text(c->sock, RIG_ARG, *word);
	if (rc == 0)
		rc = rig_wire_send(c->sock, RIG_GO, NULL, 0);
	if (rc == 0 && !c->input)
		rc = rig_wire_send(c->sock, RIG_STDIN, NULL, 0);
	return rc;
}

/* Reads some input into a frame; at its end the frame is empty and the last. */
static void take_input(struct client *c)
{
	ssize_t n = read(STDIN_FILENO, c->tx + RIG_WIRE_HEADER, RIG_WIRE_MAX);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		n = 0;
		c->input = false;
	}
	c->tx_len = rig_wire_header(c->tx, RIG_STDIN, (size_t)n) + (size_t)n;
	c->tx_sent = 0;
}

static int push_input(struct client *c)
{
	ssize_t n = send(c->sock, c->tx + c->tx_sent, c->tx_len - c->tx_sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->tx_sent += (size_t)n;
	if (c->tx_sent == c->tx_len)
		c->tx_len = c->tx_sent = 0;
	return 0;
}

/* Nothing may come between the parts of a frame. */
static int finish_input(struct client *c)
{
	int rc =
		c->tx_len ? rig_wire_write(c->sock, c->tx + c->tx_sent, c->tx_len - c->tx_sent) : 0;

	c->tx_len = c->tx_sent = 0;
	return rc;
}

/* Passes a signal on. The second of a kind, and what would end us anyway, gets a deadline. */
static int take_signal(struct client *c)
{
	struct signalfd_siginfo si;
	int sig, rc;

	if (read(c->signals, &si, sizeof(si)) != sizeof(si))
		return 0;
	sig = (int)si.ssi_signo;
	rc = finish_input(c);
	if (rc < 0)
		return rc;
	if (sig == SIGWINCH)
		return c->tty ? send_number(c->sock, RIG_WINSIZE, window_size()) : 0;
	if (sig == c->signalled || sig == SIGTERM || sig == SIGHUP) {
		c->deadline = now_ms() + (sig == c->signalled ? 0 : GRACE_MS);
		c->code = 128 + sig;
	}
	c->signalled = sig;
	return send_number(c->sock, RIG_SIGNAL, sig);
}

static int lost(const struct client *c, int rc)
{
	rig_reach_explain(c->dir, rc);
	return EXIT_LOST;
}

/* 0: go on; else the exit code + 1. */
static int take_frame(struct client *c)
{
	int rc = rig_wire_recv(c->sock, &c->rx);

	if (rc <= 0) {
		return lost(c, rc ? rc : -ECONNRESET) + 1;
	}
	switch (c->rx.type) {
	case RIG_STDOUT:
		return rig_prefix_write(&c->out, c->rx.data, c->rx.len) < 0 ? 128 + SIGPIPE + 1 : 0;
	case RIG_STDERR:
		return rig_prefix_write(&c->err, c->rx.data, c->rx.len) < 0 ? 128 + SIGPIPE + 1 : 0;
	case RIG_EXIT:
		return (c->rx.len ? (unsigned char)c->rx.data[0] : EXIT_LOST) + 1;
	default:
		fprintf(stderr, "rig: %s: %s\n", rig_reach_name(c->dir),
			c->rx.type == RIG_ERROR ? c->rx.data : "not the rig's protocol");
		return EXIT_LOST + 1;
	}
}

static int time_left(const struct client *c)
{
	int64_t left;

	if (c->deadline == INT64_MAX)
		return -1;
	left = c->deadline - now_ms();
	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

/* Until the command is over: the exit code. */
static int relay(struct client *c)
{
	for (;;) {
		struct pollfd p[] = {
			{ .fd = c->sock, .events = (short)(c->tx_len ? POLLIN | POLLOUT : POLLIN) },
			{ .fd = c->signals, .events = POLLIN },
			{ .fd = c->input && !c->tx_len ? STDIN_FILENO : -1, .events = POLLIN },
		};
		int rc = poll(p, 3, time_left(c));

		if (now_ms() >= c->deadline)
			return c->code;
		if (rc < 0)
			continue;
		rc = 0;
		if (p[0].revents & (POLLIN | POLLHUP | POLLERR)) {
			rc = take_frame(c);
			if (rc)
				return rc - 1;
		}
		if (p[1].revents)
			rc = take_signal(c);
		if (p[2].revents)
			take_input(c);
		if (rc == 0 && c->tx_len)
			rc = push_input(c);
		if (rc == -EPIPE || rc == -ECONNRESET)
			c->input = false; /* the last words may still be there to be read */
		else if (rc < 0)
			return lost(c, rc);
	}
}

static int open_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&set, numbers[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run(struct client *c)
{
	struct termios raw;
	int rc;

	if (c->timeout > 0) {
		c->deadline = now_ms() + (int64_t)(c->timeout * 1000);
		c->code = EXIT_TIMEOUT;
	}
	c->sock = rig_reach_host(c->dir, c->wait, c->booting);
	rc = c->sock < 0 ? c->sock : send_request(c);
	if (rc < 0)
		return lost(c, rc);
	c->signals = open_signals();
	c->tty = c->tty && tcgetattr(STDIN_FILENO, &c->saved) == 0;
	if (c->tty) {
		raw = c->saved;
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	rc = relay(c);
	if (c->tty)
		tcsetattr(STDIN_FILENO, TCSANOW, &c->saved);
	rig_prefix_end(&c->out);
	rig_prefix_end(&c->err);
	return rc;
}

int rig_client_main(int argc, char **argv)
{
	struct client *c = calloc(1, sizeof(*c));
	int rc = 1;

	if (c)
		c->env = calloc((size_t)argc, sizeof(*c->env));
	if (!c || !c->env) {
		free(c);
		return rc;
	}
	c->wait = WAIT_S;
	c->deadline = INT64_MAX;
	if (parse(c, argc, argv) < 0) {
		fprintf(stderr, "usage: rigtool run %s\n", USAGE);
		rc = 2;
	} else {
		c->out = (struct rig_prefix){ .fd = STDOUT_FILENO, .text = c->prefix };
		c->err = (struct rig_prefix){ .fd = STDERR_FILENO, .text = c->prefix };
		rc = run(c);
	}
	free(c->env);
	free(c);
	return rc;
}
