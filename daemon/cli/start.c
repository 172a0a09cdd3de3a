/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/cli/cli.h"
#include "daemon/cli/local.h"
#include "daemon/cli/start.h"
#include "daemon/paths.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/hostlist.h"

#define ARGS_MAX 40
#define READY_FD 3 /* in the child */
#define TOKEN_FD 4
#define PROGRAM	 "dvmd"

/* An argument vector of strings that are freed together. */
struct args {
	char *v[ARGS_MAX];
	size_t n;
	bool failed;
};

static void arg(struct args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void arg(struct args *a, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	int rc = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (rc < 0 || a->n + 1 >= ARGS_MAX)
		a->failed = true;
	else
		a->v[a->n++] = s;
}

static void free_args(struct args *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
}

/* What is the same each time this node is started. */
static void lasting_args(struct args *a, const struct cli_start *how)
{
	arg(a, PROGRAM);
	arg(a, "--machine");
	arg(a, "%s", how->paths->machine);
	arg(a, "--name");
	arg(a, "%s", how->paths->node);
	arg(a, "--address");
	arg(a, "%s", how->address);
	arg(a, "--port");
	arg(a, "%u", how->port);
	if (how->slots) {
		arg(a, "--slots");
		arg(a, "%u", how->slots);
	}
	if (how->memory) {
		arg(a, "--memory");
		arg(a, "%" PRIu64, how->memory);
	}
	if (how->config) {
		arg(a, "--config");
		arg(a, "%s", how->config);
	}
	arg(a, "--run-dir");
	arg(a, "%s", how->paths->run);
	arg(a, "--state-dir");
	arg(a, "%s", how->paths->state);
}

/* In the child: the descriptors dvmd expects and no others, no signal blocked or ignored. */
static _Noreturn void become_dvmd(const char *path, char **argv, int out, int ready, int token)
{
	sigset_t none;

	/* Out of the way of the numbers they get. */
	ready = fcntl(ready, F_DUPFD_CLOEXEC, 10);
	token = token < 0 ? -1 : fcntl(token, F_DUPFD_CLOEXEC, 10);
	out = fcntl(out, F_DUPFD_CLOEXEC, 10);
	int in = open("/dev/null", O_RDONLY);
	if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
	    dup2(ready, READY_FD) < 0 || (token >= 0 && dup2(token, TOKEN_FD) < 0))
		_exit(127);
	close_range(token >= 0 ? TOKEN_FD + 1 : TOKEN_FD, ~0u, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	execv(path, argv);
	dprintf(READY_FD, "error: %s: %s\n", path, strerror(errno));
	_exit(127);
}

/* A pipe's end to read TOKEN from, -1 where there is none to give. */
static int token_pipe(const char *token, dvm_error_t *err)
{
	int fd[2];

	if (!token)
		return -1;
	if (pipe2(fd, O_CLOEXEC) < 0)
		return dvmi_error_code(err, -errno, "pipe");
	/* A token fits into a pipe, so this does not wait. */
	ssize_t n = write(fd[1], token, strlen(token));
	close(fd[1]);
	if (n == (ssize_t)strlen(token))
		return fd[0];
	close(fd[0]);
	return dvmi_error_code(err, -EIO, "handing over the token");
}

static int spawn(struct cli_started *s, struct args *a, const char *token, dvm_error_t *err)
{
	char path[PATH_MAX];
	cleanup_fd int token_fd = -1;
	int ready[2], rc = dvmd_paths_program(path, sizeof path, PROGRAM, err);

	arg(a, "--ready-fd");
	arg(a, "%d", READY_FD);
	if (rc < 0)
		return rc;
	/* What a dvmd says outside its log: last words, mostly. In memory: it leaves no file. */
	s->said = memfd_create("dvmd", MFD_CLOEXEC);
	if (a->failed || s->said < 0)
		return dvmi_error_code(err, -ENOMEM, "%s", s->name);
	token_fd = token_pipe(token, err);
	if (token_fd < -1)
		return token_fd;
	if (pipe2(ready, O_CLOEXEC) < 0)
		return dvmi_error_code(err, -errno, "pipe");
	s->pid = fork();
	if (s->pid == 0)
		become_dvmd(path, a->v, s->said, ready[1], token_fd);
	close(ready[1]);
	if (s->pid < 0) {
		close(ready[0]);
		return dvmi_error_code(err, -errno, "fork");
	}
	s->ready = ready[0];
	return 0;
}

static int prepare(struct cli_started *s, const char *name, const char *run, dvm_error_t *err)
{
	*s = (struct cli_started){ .ready = -1, .said = -1 };
	s->name = strdup(name);
	s->run = strdup(run);
	return s->name && s->run ? 0 : dvmi_error_code(err, -ENOMEM, "%s", name);
}

/* Copies the strings of V into *out, to be remembered once it runs. */
static int copy_args(char ***out, char *const *v, size_t n)
{
	char **copy = calloc(n + 1, sizeof *copy);

	for (size_t i = 0; copy && i < n; i++)
		if (!(copy[i] = strdup(v[i]))) {
			while (i)
				free(copy[--i]);
			free(copy);
			return -ENOMEM;
		}
	*out = copy;
	return copy ? 0 : -ENOMEM;
}

int cli_start(struct cli_started *s, const struct cli_start *how, dvm_error_t *err)
{
	struct args a = { 0 };
	int rc = prepare(s, how->paths->node, how->paths->run, err);

	lasting_args(&a, how);
	if (rc == 0 && (rc = a.failed ? -ENOMEM : copy_args(&s->again, a.v, a.n)) < 0)
		dvmi_error_code(err, rc, "%s", how->paths->node);
	arg(&a, how->join ? "--join" : "--found");
	if (how->join) {
		arg(&a, "%s", how->join);
		arg(&a, "--token-fd");
		arg(&a, "%d", TOKEN_FD);
	}
	if (rc == 0)
		rc = spawn(s, &a, how->join ? how->token : NULL, err);
	free_args(&a);
	return rc;
}

int cli_start_again(struct cli_started *s, const struct dvmd_present *node, dvm_error_t *err)
{
	struct args a = { 0 };
	int rc = prepare(s, node->node, node->run, err);
	cleanup_free char **before = cli_local_recall(node->run);

	if (rc == 0 && !before)
		rc = dvmi_error_set(err, -ENOENT, "nobody knows how it was started");
	for (size_t i = 0; rc == 0 && before[i]; i++)
		arg(&a, "%s", before[i]);
	if (rc == 0)
		rc = spawn(s, &a, NULL, err);
	free_args(&a);
	return rc;
}

/* ---- hearing of them ---- */

static void set_why(struct cli_started *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void set_why(struct cli_started *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof s->why, fmt, ap);
	va_end(ap);
}

/* The last line a dvmd that ended without a word has left behind, but for advice. */
static bool last_words(const struct cli_started *s, char *out, size_t size)
{
	char text[4096], *save;
	off_t end = lseek(s->said, 0, SEEK_END);
	off_t from = end > (off_t)sizeof text - 1 ? end - (off_t)sizeof text + 1 : 0;
	ssize_t n = pread(s->said, text, sizeof text - 1, from);
	bool any = false;

	text[n > 0 ? n : 0] = '\0';
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(l, "Try ", 4))
			continue;
		snprintf(out, size, "%.200s", l);
		any = true;
	}
	return any;
}

/* It ends right after its pipe; not waiting for it forever costs at most a zombie until we end. */
static void reap(struct cli_started *s, int *status)
{
	for (int i = 0; s->pid > 0 && i < 100; i++) {
		if (waitpid(s->pid, status, WNOHANG) != 0)
			s->pid = 0;
		else
			usleep(1000);
	}
}

static void died(struct cli_started *s)
{
	char line[256];
	int status = 0;

	reap(s, &status);
	if (last_words(s, line, sizeof line))
		set_why(s, "dvmd ended: %s", line);
	else if (WIFSIGNALED(status))
		set_why(s, "dvmd died of signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		set_why(s, "dvmd ended with status %d and without a word", WEXITSTATUS(status));
}

/* A whole line, or the end of the pipe. */
static void judge(struct cli_started *s)
{
	close(s->ready);
	s->ready = -1;
	s->why[s->got] = '\0';
	s->why[strcspn(s->why, "\n")] = '\0';
	if (!strcmp(s->why, "ready")) {
		s->up = true;
		s->why[0] = '\0';
		if (s->again) /* without it the node can only not be started again */
			cli_local_remember(s->run, s->again);
	} else if (!strncmp(s->why, "error: ", 7)) {
		memmove(s->why, s->why + 7, strlen(s->why + 7) + 1);
	} else {
		died(s);
	}
}

static void listen_to(struct cli_started *s)
{
	ssize_t n = read(s->ready, s->why + s->got, sizeof s->why - 1 - s->got);

	if (n < 0 && errno == EINTR)
		return;
	if (n > 0)
		s->got += (size_t)n;
	if (n <= 0 || memchr(s->why, '\n', s->got) || s->got == sizeof s->why - 1)
		judge(s);
}

static void give_up(struct cli_started *s)
{
	char line[256];

	close(s->ready);
	s->ready = -1;
	kill(-s->pid, SIGTERM); /* become_dvmd() made it a group of its own */
	if (last_words(s, line, sizeof line))
		set_why(s, "not ready in time: %s", line);
	else
		set_why(s, "not ready in time; its log may tell why (dvm log %s)", s->name);
}

static int milliseconds_to(uint64_t deadline)
{
	uint64_t now = dvmi_clock_mono();

	return now >= deadline ? 0 : (int)((deadline - now) / DVMI_MSEC) + 1;
}

/* Waits once and listens to whoever speaks; false when nobody is left or the time is over. */
static bool wait_some(struct cli_started *v, size_t n, struct pollfd *p, uint64_t deadline)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		p[i] = (struct pollfd){ .fd = v[i].ready, .events = POLLIN };
		any |= v[i].ready >= 0;
	}
	if (!any || poll(p, n, milliseconds_to(deadline)) == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (v[i].ready >= 0 && p[i].revents)
			listen_to(&v[i]);
	return true;
}

static size_t count_done(const struct cli_started *v, size_t n)
{
	size_t done = 0;

	for (size_t i = 0; i < n; i++)
		done += v[i].ready < 0;
	return done;
}

size_t cli_start_wait(struct cli_started *v, size_t n, uint64_t deadline,
		      void (*progress)(size_t done, size_t all))
{
	struct pollfd *p = calloc(n ? n : 1, sizeof *p);
	size_t up = 0;

	while (p && wait_some(v, n, p, deadline))
		if (progress)
			progress(count_done(v, n), n);
	for (size_t i = 0; i < n; i++) {
		if (v[i].ready >= 0)
			give_up(&v[i]);
		up += v[i].up;
	}
	free(p);
	return up;
}

void cli_started_free(struct cli_started *s)
{
	if (s->name && s->ready >= 0)
		close(s->ready);
	if (s->name && s->said >= 0)
		close(s->said);
	for (char **a = s->again; a && *a; a++)
		free(*a);
	free(s->again);
	free(s->name);
	free(s->run);
	*s = (struct cli_started){ .ready = -1, .said = -1 };
}

void cli_start_report(const struct cli *c, const struct cli_started *v, size_t n)
{
	const char **names = calloc(n ? n : 1, sizeof *names);

	for (size_t i = 0; names && i < n; i++) {
		size_t same = 0;
		bool told = v[i].up;

		for (size_t k = 0; k < i && !told; k++)
			told = !v[k].up && !strcmp(v[k].why, v[i].why);
		for (size_t k = i; k < n && !told; k++)
			if (!v[k].up && !strcmp(v[k].why, v[i].why))
				names[same++] = v[k].name;
		if (told)
			continue;
		struct dvmi_buf b = { 0 };
		dvmi_hostlist_fold(names, same, &b);
		cli_say(c, "%.*s: %s", (int)b.len, (char *)b.data, v[i].why);
		dvmi_buf_free(&b);
	}
	free(names);
}
