/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes on other hosts: `dvm join` through ssh, in parallel. The token goes through its stdin. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/cli/grow.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

#define WORDS_MAX 64

/* The words of the --ssh command, in front of what is ours. */
static size_t split(char *command, char **argv, size_t max)
{
	char *save;
	size_t n = 0;

	for (char *w = strtok_r(command, " \t", &save); w && n < max;
	     w = strtok_r(NULL, " \t", &save))
		argv[n++] = w;
	return n;
}

/* What the other host's shell is given. */
static int remote_command(struct dvmi_buf *b, const struct cli *c, const char *host,
			  const char *where, const char *interface)
{
	const char *words[] = { "dvm",
				"-M",
				c->machine,
				"join",
				where,
				"--token-file",
				"-",
				"--name",
				host,
				"--quiet",
				interface ? "--interface" : NULL,
				interface };

	for (size_t i = 0; i < sizeof words / sizeof words[0] && words[i]; i++) {
		if (i)
			dvmi_buf_put_u8(b, ' ');
		dvmi_text_quote(b, words[i]);
	}
	dvmi_buf_put_u8(b, 0);
	return b->err;
}

static _Noreturn void become_ssh(char **argv, int in, int out)
{
	signal(SIGPIPE, SIG_DFL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(127);
	execvp(argv[0], argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* Starts ARGV with TOKEN as its input; the descriptor its output comes from. */
static int start_ssh(char **argv, const char *token, pid_t *pid)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0) {
		int rc = -errno;
		close(in[0]);
		close(in[1]);
		return rc;
	}
	*pid = fork();
	if (*pid == 0)
		become_ssh(argv, in[0], out[1]);
	int rc = *pid < 0 ? -errno : out[0];
	close(in[0]);
	close(out[1]);
	if (rc >= 0)
		dprintf(in[1], "%s\n", token); /* a token fits into a pipe */
	else
		close(out[0]);
	close(in[1]);
	return rc;
}

static int join_through(struct cli_started *s, const struct cli *c, const char *host,
			const char *ssh, const char *where, const char *token,
			const char *interface)
{
	struct dvmi_buf command = { 0 };
	cleanup_free char *words = strdup(ssh);
	char *argv[WORDS_MAX + 8];

	*s = (struct cli_started){ .name = strdup(host), .ready = -1, .said = -1 };
	if (!words || !s->name || remote_command(&command, c, host, where, interface) < 0) {
		dvmi_buf_free(&command);
		return -ENOMEM;
	}
	size_t n = split(words, argv, WORDS_MAX);
	if (n && !strcmp(argv[0], "ssh")) {
		argv[n++] = (char *)"-o";
		argv[n++] = (char *)"BatchMode=yes";
	}
	argv[n++] = (char *)host;
	argv[n++] = (char *)command.data;
	argv[n] = NULL;
	s->ready = n > 2 ? start_ssh(argv, token, &s->pid) : -EINVAL;
	dvmi_buf_free(&command);
	return s->ready < 0 ? s->ready : 0;
}

static bool exited(struct cli_started *s, int *status)
{
	int rc = waitpid(s->pid, status, 0);

	s->pid = 0;
	return rc > 0 && WIFEXITED(*status);
}

/* The end of its output has come: the exit status says how it went, the last line why. */
static void judge(struct cli_started *s)
{
	int status = 0;

	close(s->ready);
	s->ready = -1;
	s->why[s->got] = '\0';
	for (char *end; (end = strrchr(s->why, '\n')) && !end[1];)
		*end = '\0';
	s->up = exited(s, &status) && WEXITSTATUS(status) == 0;
	if (s->up)
		return;
	char *last = strrchr(s->why, '\n');
	if (last)
		memmove(s->why, last + 1, strlen(last + 1) + 1);
	if (!*s->why)
		snprintf(s->why, sizeof s->why, "ended with status %d and without a word",
			 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Keeps the newest of what was said: the reason stands at the end. */
static void take(struct cli_started *s)
{
	char chunk[256];
	ssize_t n = read(s->ready, chunk, sizeof chunk);

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		judge(s);
		return;
	}
	if (s->got + (size_t)n >= sizeof s->why) {
		memmove(s->why, s->why + n, s->got - (size_t)n);
		s->got -= (size_t)n;
	}
	memcpy(s->why + s->got, chunk, (size_t)n);
	s->got += (size_t)n;
}

static void give_up(struct cli_started *s)
{
	close(s->ready);
	s->ready = -1;
	kill(s->pid, SIGTERM);
	waitpid(s->pid, NULL, 0);
	snprintf(s->why, sizeof s->why, "did not join in time");
}

static bool wait_some(struct cli_started *v, size_t n, struct pollfd *p, uint64_t deadline)
{
	uint64_t now = dvmi_clock_mono();
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		p[i] = (struct pollfd){ .fd = v[i].ready, .events = POLLIN };
		any |= v[i].ready >= 0;
	}
	if (!any || now >= deadline || poll(p, n, (int)((deadline - now) / DVMI_MSEC) + 1) == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (v[i].ready >= 0 && p[i].revents)
			take(&v[i]);
	return true;
}

/* All of them to their end; how many have joined. */
static size_t wait_all(struct cli_started *v, size_t n, uint64_t deadline)
{
	struct pollfd *p = calloc(n, sizeof *p);
	size_t up = 0;

	while (p && wait_some(v, n, p, deadline))
		;
	for (size_t i = 0; i < n; i++) {
		if (v[i].ready >= 0)
			give_up(&v[i]);
		up += v[i].up;
	}
	free(p);
	return up;
}

/* Starts one for each host; one that cannot be started has a `why`. */
static void join_all(struct cli_started *v, const struct cli *c, const char *const *hosts, size_t n,
		     const char *ssh, const char *where, const char *token, const char *interface)
{
	for (size_t i = 0; i < n; i++) {
		int rc = join_through(&v[i], c, hosts[i], ssh, where, token, interface);

		if (rc < 0)
			snprintf(v[i].why, sizeof v[i].why, "%s: %s", ssh, dvm_strerror(rc));
	}
}

int cli_grow_hosts(struct cli *c, const char *const *hosts, size_t n, const char *ssh,
		   const char *interface, uint64_t deadline)
{
	cleanup_free char *token = NULL, *where = NULL;
	struct cli_started *v = calloc(n ? n : 1, sizeof *v);
	dvm_error_t err;

	if (!v)
		return cli_failf(c, "out of memory");
	if (cli_grow_token(c, (uint32_t)n, &token, &where, &err) < 0) {
		free(v);
		return cli_fail(c, &err);
	}
	join_all(v, c, hosts, n, ssh, where, token, interface);
	size_t up = wait_all(v, n, deadline);
	cli_start_report(c, v, n);
	for (size_t i = 0; i < n; i++)
		cli_started_free(&v[i]);
	free(v);
	return up == n ? 0 : CLI_FAILED;
}
