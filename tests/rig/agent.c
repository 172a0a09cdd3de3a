/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Process 1 of an emulated host: reaps orphans, obeys busybox' poweroff, reboot and halt, and
 * serves each client of the rig in a process of its own.
 */
#include "tests/rig/rigtool.h"

#include "tests/rig/ctlnet.h"
#include "tests/rig/session.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOKEN_MAX 128

static int read_token(const char *path, char token[TOKEN_MAX])
{
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	n = read(fd, token, TOKEN_MAX - 1);
	close(fd);
	if (n <= 0)
		return n ? -errno : -ENODATA;
	token[n] = '\0';
	token[strcspn(token, "\n")] = '\0';
	return token[0] ? 0 : -ENODATA;
}

/* Child processes, and what busybox tells an init. */
static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static void take_signals(int fd)
{
	struct signalfd_siginfo si;

	while (read(fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGTERM)
			reboot(RB_AUTOBOOT);
		else if (si.ssi_signo != SIGCHLD)
			reboot(RB_POWER_OFF);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void take_client(int listener, const char *token)
{
	int one = 1, sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (sock < 0)
		return;
	setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fork() == 0) {
		close(listener);
		_exit(rig_session_serve(sock, token) < 0);
	}
	close(sock);
}

static void serve(int listener, int signals, const char *token)
{
	struct pollfd p[] = {
		{ .fd = listener, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};

	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents)
			take_client(listener, token);
		if (p[1].revents)
			take_signals(signals);
	}
}

/* Process 1 may not end: the kernel would panic, and bury the message. */
static int fail(int rc)
{
	fprintf(stderr, "rig agent: %s\n", strerror(-rc));
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	return 1;
}

int rig_agent_main(int argc, char **argv)
{
	char token[TOKEN_MAX];
	int listener, signals, rc;

	if (argc != 5) {
		fprintf(stderr, "usage: agent INTERFACE ADDRESS PORT TOKENFILE\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	rc = read_token(argv[4], token);
	signals = rc < 0 ? rc : open_signals();
	listener = signals < 0 ? signals
			       : rig_ctlnet_listen(argv[1], argv[2], (unsigned)atoi(argv[3]));
	if (listener < 0)
		return fail(listener);
	printf("rig: ready\n");
	fflush(stdout);
	serve(listener, signals, token);
	return 0;
}
