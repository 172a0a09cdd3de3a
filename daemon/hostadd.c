/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One more node, asked for by a program: `dvm add` is run for it, by the daemon of the node it asks
 * on. Not by its shepherd, whose children end with the job.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>
#include <uv.h>

#include "daemon/paths.h"
#include "daemon/services.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/hostlist.h"

#define ADD_SECONDS   30 /* what `dvm add` gives itself */
#define KILL_AFTER_MS ((ADD_SECONDS + 10) * 1000)
#define SAID_MAX      2048
#define ADDS_MAX      4 /* at a time */

struct adding {
	struct adding *prev, *next;
	struct dvmd_call *call; /* NULL once answered */
	struct dvmd *d;
	uv_process_t process;
	uv_pipe_t said;
	uv_timer_t timer;
	int handles;
	bool spawning;	     /* the process handle is one */
	bool exited, silent; /* both: the answer is known */
	int64_t status;
	char text[SAID_MAX];
	size_t len;
};

static void on_closed(uv_handle_t *h)
{
	struct adding *a = h->data;

	if (--a->handles == 0)
		free(a);
}

static void close_all(struct adding *a)
{
	DL_DELETE(a->d->addings, a);
	a->handles = 2 + a->spawning;
	if (a->spawning)
		uv_close((uv_handle_t *)&a->process, on_closed);
	uv_close((uv_handle_t *)&a->said, on_closed);
	uv_close((uv_handle_t *)&a->timer, on_closed);
}

/* The last line it has printed, without what it puts in front for a person at a terminal. */
static const char *last_line(struct adding *a)
{
	static const char ours[] = "dvm: ";

	a->text[a->len] = '\0';
	while (a->len && a->text[a->len - 1] == '\n')
		a->text[--a->len] = '\0';
	char *line = strrchr(a->text, '\n');
	line = line ? line + 1 : a->text;
	return strncmp(line, ours, strlen(ours)) ? line : line + strlen(ours);
}

static void maybe_answer(struct adding *a)
{
	if (!a->exited || !a->silent || !a->call)
		return;
	const char *why = last_line(a);
	if (a->status == 0)
		dvmd_call_answer(&a->call, DVMI_MSG_OK, NULL);
	else
		dvmd_call_error(&a->call, -EHOSTUNREACH, "%s",
				*why ? why : "dvm add has failed and does not say why");
	close_all(a);
}

static void on_exit_status(uv_process_t *p, int64_t status, int signal)
{
	struct adding *a = p->data;

	a->exited = true;
	a->status = signal ? 128 + signal : status;
	maybe_answer(a);
}

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
	struct adding *a = h->data;

	/* What is said last counts. */
	if (a->len > SAID_MAX / 2) {
		memmove(a->text, a->text + a->len - SAID_MAX / 4, SAID_MAX / 4);
		a->len = SAID_MAX / 4;
	}
	*buf = uv_buf_init(a->text + a->len, (unsigned)(SAID_MAX - 1 - a->len));
}

static void on_said(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct adding *a = s->data;

	if (n >= 0) {
		a->len += (size_t)n;
		return;
	}
	uv_read_stop(s);
	a->silent = true;
	maybe_answer(a);
}

/* Whoever it has started may hold its output open; and it may hang. */
static void on_timer(uv_timer_t *t)
{
	struct adding *a = t->data;

	a->silent = true;
	if (!a->exited) {
		uv_process_kill(&a->process, SIGKILL);
		uv_timer_start(t, on_timer, 1000, 0);
	}
	maybe_answer(a);
}

/* Ours, but for where the node is found that it asks. */
static char **environment(const struct dvmd *d, char *own)
{
	extern char **environ;
	size_t n = 0, k = 0;

	while (environ[n])
		n++;
	char **env = calloc(n + 2, sizeof *env);
	for (size_t i = 0; env && i < n; i++)
		if (strncmp(environ[i], "DVM_RUN_DIR=", 12) != 0)
			env[k++] = environ[i];
	if (env)
		env[k] = own;
	return env;
}

static int start(struct adding *a, const char *program, char *const *hosts, size_t n)
{
	char own[600], timeout[16];
	cleanup_free char **args = calloc(n + 8, sizeof *args);
	size_t k = 0;

	snprintf(own, sizeof own, "DVM_RUN_DIR=%s", a->d->setup.run_dir);
	snprintf(timeout, sizeof timeout, "%ds", ADD_SECONDS);
	cleanup_free char **env = environment(a->d, own);
	if (!args || !env)
		return -ENOMEM;
	const char *words[] = { program, "-M", a->d->setup.machine, "add", "--quiet", "--timeout",
				timeout };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		args[k++] = (char *)words[i];
	for (size_t i = 0; i < n; i++)
		args[k++] = hosts[i];
	uv_stdio_container_t stdio[3] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_IGNORE },
		{ .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&a->said },
	};
	const uv_process_options_t options = { .exit_cb = on_exit_status,
					       .file = program,
					       .args = args,
					       .env = env,
					       .flags = UV_PROCESS_DETACHED,
					       .stdio_count = 3,
					       .stdio = stdio };
	a->spawning = true;
	return uv_spawn(a->d->loop, &a->process, &options);
}

static void begin(struct dvmd_call *call, const char *program, char *const *hosts, size_t n)
{
	struct adding *a = calloc(1, sizeof *a);

	if (!a) {
		dvmd_call_error(&call, -ENOMEM, "out of memory");
		return;
	}
	a->call = call;
	a->d = call->d;
	DL_APPEND(a->d->addings, a);
	uv_pipe_init(a->d->loop, &a->said, 0);
	uv_timer_init(a->d->loop, &a->timer);
	a->process.data = a->said.data = a->timer.data = a;
	int rc = start(a, program, hosts, n);
	if (rc < 0) {
		dvmd_call_error(&a->call, rc, "%s: %s", program, dvm_strerror(rc));
		close_all(a);
		return;
	}
	uv_read_start((uv_stream_t *)&a->said, on_alloc, on_said);
	uv_timer_start(&a->timer, on_timer, KILL_AFTER_MS, 0);
}

static unsigned count(const struct dvmd *d)
{
	const struct adding *a;
	unsigned n = 0;

	DL_COUNT(d->addings, a, n);
	return n;
}

/* What has been begun goes on; nobody is told. */
void dvmd_host_add_stop(struct dvmd *d)
{
	struct adding *a, *next;

	DL_FOREACH_SAFE(d->addings, a, next)
	{
		dvmd_call_error(&a->call, -ECANCELED, "this daemon is stopping");
		close_all(a);
	}
}

/* A name that would be an option. */
static bool has_option(const struct dvmi_hostlist *hosts)
{
	for (size_t i = 0; i < hosts->n; i++)
		if (hosts->names[i][0] == '-')
			return true;
	return false;
}

void dvmd_host_add_serve(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__HostAdd *req = NULL;
	struct dvmi_hostlist hosts = { 0 };
	char program[512];
	dvm_error_t err = { 0 };

	if (dvmi_pb_unpack(&pb__host_add__descriptor, body, len, &req) < 0)
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
	else if (!dvmd_call_may(call, getuid()))
		dvmd_call_error(&call, -EPERM, "only the machine's owner may add nodes");
	else if (count(call->d) >= ADDS_MAX)
		dvmd_call_error(&call, -EAGAIN, "%d hosts are being added already", ADDS_MAX);
	else if (*req->hosts && dvmi_hostlist_parse(&hosts, req->hosts, &err) < 0)
		dvmd_call_error(&call, err.code, "%s", err.text);
	else if (has_option(&hosts))
		dvmd_call_error(&call, -EINVAL, "the name of a host does not begin with \"-\"");
	else if (dvmd_paths_program(program, sizeof program, "dvm", &err) < 0)
		dvmd_call_error(&call, err.code, "%s", err.text);
	else
		begin(call, program, hosts.names, hosts.n);
	dvmi_hostlist_free(&hosts);
}
