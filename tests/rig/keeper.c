/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process a rig lives and dies with: parent of its emulators, switch between them.
 *
 * Everything it is told and tells is a small file in the rig's directory, one directory per host:
 *   hostK/argv    the emulator's command line, each word ended by a NUL; descriptor 3 is its port
 *   hostK/want    "on" or "off": what the user asked for, read again at each SIGUSR1
 *   hostK/state   "on PID" or "off STATUS": how it is; replaced whole
 *   hostK/group   a number: hosts of different groups do not hear each other (absent: 0)
 * The lock on DIR/lock tells that the keeper lives; no emulator outlives it, however it ends. When
 * the owner (a process; 0: none) ends, the rig and its directory go.
 */
#include "tests/rig/rigtool.h"

#include "tests/rig/switch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGV_BYTES 16384
#define ARGV_WORDS 256

/*
 * An emulated processor that was about to run a guest may sleep in HLT with an interrupt pending, for
 * ever, until the next one comes from outside. So one comes.
 */
#define NUDGE_MS 20

struct keeper {
	struct rig_switch *sw;
	size_t n_hosts;
	pid_t pid[RIG_SWITCH_PORTS]; /* 0: off */
	int signals;
	int owner; /* pidfd, or -1 */
	int64_t nudge_at; /* ms of the monotonic clock */
};

static ssize_t read_file(size_t host, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "host%zu/%s", host + 1, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	buf[n] = '\0';
	return n;
}

static void write_file(size_t host, const char *name, const char *text)
{
	char path[64], temp[80];
	FILE *f;

	snprintf(path, sizeof(path), "host%zu/%s", host + 1, name);
	snprintf(temp, sizeof(temp), "%s.new", path);
	f = fopen(temp, "we");
	if (!f)
		return;
	fprintf(f, "%s\n", text);
	if (fclose(f) == 0)
		rename(temp, path);
}

static bool wanted(size_t host)
{
	char buf[16];

	return read_file(host, "want", buf, sizeof(buf)) > 0 && !strncmp(buf, "on", 2);
}

static void split_words(char *buf, size_t len, char *argv[ARGV_WORDS])
{
	size_t n = 0;

	for (char *p = buf; p < buf + len && n < ARGV_WORDS - 1; p += strlen(p) + 1)
		argv[n++] = p;
	argv[n] = NULL;
}

/* The child's side: becomes the emulator. */
static void exec_host(size_t host, int port, pid_t parent)
{
	char buf[ARGV_BYTES], path[64], *argv[ARGV_WORDS];
	ssize_t len = read_file(host, "argv", buf, sizeof(buf));
	sigset_t none;
	int log;

	snprintf(path, sizeof(path), "host%zu/qemu.log", host + 1);
	log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (len <= 0 || log < 0)
		_exit(126);
	split_words(buf, (size_t)len, argv);
	dup2(log, 1);
	dup2(log, 2);
	if (port == 3)
		fcntl(port, F_SETFD, 0);
	else
		dup2(port, 3);
	close_range(4, ~0u, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int start_host(struct keeper *k, size_t host)
{
	int ends[2], rc;
	pid_t self = getpid();
	char state[32];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	rc = rig_switch_plug(k->sw, host, ends[0]);
	if (rc < 0) {
		close(ends[0]);
		close(ends[1]);
		return rc;
	}
	k->pid[host] = fork();
	if (k->pid[host] == 0)
		exec_host(host, ends[1], self);
	close(ends[1]);
	if (k->pid[host] < 0) {
		k->pid[host] = 0;
		rig_switch_unplug(k->sw, host);
		return -EAGAIN;
	}
	snprintf(state, sizeof(state), "on %d", (int)k->pid[host]);
	write_file(host, "state", state);
	return 0;
}

/* Makes each host and the groups what the files ask for. */
static void reconcile(struct keeper *k)
{
	char buf[16];

	for (size_t i = 0; i < k->n_hosts; i++) {
		bool on = wanted(i);

		if (!on && k->pid[i])
			kill(k->pid[i], SIGKILL);
		else if (on && !k->pid[i] && start_host(k, i) < 0)
			write_file(i, "state", "off error");
		rig_switch_group(k->sw, i,
				 read_file(i, "group", buf, sizeof(buf)) > 0 ? (unsigned)atoi(buf)
									     : 0);
	}
}

static void host_ended(struct keeper *k, pid_t pid, int status)
{
	char state[32];

	for (size_t i = 0; i < k->n_hosts; i++) {
		if (k->pid[i] != pid)
			continue;
		k->pid[i] = 0;
		rig_switch_unplug(k->sw, i);
		snprintf(state, sizeof(state), "off %d",
			 WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
		write_file(i, "want", "off");
		write_file(i, "state", state);
	}
}

static void reap(struct keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		host_ended(k, pid, status);
}

/* True when it is time to go. */
static bool take_signals(struct keeper *k)
{
	struct signalfd_siginfo si;
	bool end = false;

	while (read(k->signals, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGUSR1)
			reconcile(k);
		else if (si.ssi_signo != SIGCHLD)
			end = true;
	}
	reap(k);
	return end;
}

static void serve_port(struct keeper *k, size_t port, short events)
{
	int rc = 0;

	if (events & POLLOUT)
		rc = rig_switch_flush(k->sw, port);
	if (rc == 0 && events & (POLLIN | POLLHUP | POLLERR))
		rc = rig_switch_receive(k->sw, port);
	if (rc < 0)
		rig_switch_unplug(k->sw, port);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* How long until the next nudge, in ms. */
static int nudge(struct keeper *k)
{
	int64_t now = now_ms();

	if (now >= k->nudge_at) {
		rig_switch_nudge(k->sw);
		k->nudge_at = now + NUDGE_MS;
	}
	return (int)(k->nudge_at - now);
}

/* Runs until told to end (0) or the owner has gone (1). */
static int serve(struct keeper *k)
{
	struct pollfd p[RIG_SWITCH_PORTS + 2];

	for (;;) {
		for (size_t i = 0; i < k->n_hosts; i++)
			p[i] = (struct pollfd){
				.fd = rig_switch_fd(k->sw, i),
				.events = (short)(rig_switch_backlog(k->sw, i) ? POLLIN | POLLOUT
									       : POLLIN),
			};
		p[k->n_hosts] = (struct pollfd){ .fd = k->signals, .events = POLLIN };
		p[k->n_hosts + 1] = (struct pollfd){ .fd = k->owner, .events = POLLIN };
		if (poll(p, k->n_hosts + 2, nudge(k)) < 0)
			continue;
		for (size_t i = 0; i < k->n_hosts; i++)
			if (p[i].fd >= 0 && p[i].revents)
				serve_port(k, i, p[i].revents);
		if (p[k->n_hosts].revents && take_signals(k))
			return 0;
		if (p[k->n_hosts + 1].revents)
			return 1;
	}
}

static void stop_all(struct keeper *k)
{
	for (size_t i = 0; i < k->n_hosts; i++)
		if (k->pid[i])
			kill(k->pid[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

static int open_signals(void)
{
	static const int numbers[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&set, numbers[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Whoever looks whether a keeper lives has the lock for a moment. */
static int take_lock(int fd)
{
	int rc;

	for (int i = 0; (rc = flock(fd, LOCK_EX | LOCK_NB)) < 0 && errno == EWOULDBLOCK && i < 100; i++)
		poll(NULL, 0, 10);
	return rc;
}

/* Enters the rig's directory and holds its lock with our pid in it. 0 or -E. */
static int take_directory(const char *dir)
{
	int fd;

	if (chdir(dir) < 0)
		return -errno;
	fd = open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || take_lock(fd) < 0)
		return -errno;
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
		return -EIO;
	return 0;
}

static size_t count_hosts(void)
{
	char path[32];
	size_t n = 0;

	do
		snprintf(path, sizeof(path), "host%zu/argv", n + 1);
	while (access(path, R_OK) == 0 && ++n < RIG_SWITCH_PORTS);
	return n;
}

int rig_keeper_main(int argc, char **argv)
{
	struct keeper k = { .owner = -1 };
	int rc, owner = argc == 3 ? atoi(argv[2]) : -1;

	if (owner < 0) {
		fprintf(stderr, "usage: keep DIR OWNER\n");
		return 2;
	}
	close_range(3, ~0u, 0);
	rc = take_directory(argv[1]);
	if (rc == 0)
		rc = rig_switch_create(&k.sw);
	if (rc == 0 && owner > 0 && (k.owner = pidfd_open(owner, 0)) < 0)
		rc = -errno;
	if (rc < 0) {
		fprintf(stderr, "rig keeper: %s: %s\n", argv[1], strerror(-rc));
		return 1;
	}
	k.n_hosts = count_hosts();
	k.signals = open_signals();
	reconcile(&k);
	rc = serve(&k);
	stop_all(&k);
	rig_switch_destroy(k.sw);
	if (rc == 1)
		execlp("rm", "rm", "-rf", argv[1], (char *)NULL);
	return 0;
}
