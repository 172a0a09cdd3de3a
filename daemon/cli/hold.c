/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cli/conn.h"
#include "daemon/cli/hold_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define FLUSH_MS    5
#define FLUSH_TRIES 100

void cli_hold_say(const struct hold *h, const char *fmt, ...)
{
	char line[2048];
	va_list ap;

	if (h->config->quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	cli_say(h->cli, "%s", line);
}

void cli_hold_leave(struct hold *h, int status)
{
	h->status = status;
	uv_stop(&h->loop);
}

static void add_timer(struct hold *h, uv_timer_t *t)
{
	uv_timer_init(&h->loop, t);
	t->data = h;
}

static int open_session(struct hold *h, dvm_error_t *err)
{
	cleanup_free char *path = cli_socket(h->cli, err);

	return path ? cli_session_open(&h->session, &h->loop, path, &cli_hold_session_ops, h, err)
		    : err->code;
}

static int open_all(struct hold *h, dvm_error_t *err)
{
	add_timer(h, &h->notice);
	add_timer(h, &h->launch);
	add_timer(h, &h->drain);
	add_timer(h, &h->leave);
	int rc = open_session(h, err);
	if (rc == 0 && (rc = cli_relay_open(&h->relay, &h->loop, &cli_hold_relay_ops, h)) < 0)
		dvmi_error_code(err, rc, "signals");
	return rc;
}

static void close_timer(uv_timer_t *t)
{
	uv_close((uv_handle_t *)t, NULL);
}

static void on_flush_tick(uv_timer_t *t)
{
	struct hold *h = t->data;

	if (cli_session_flushed(h->session) || ++h->drain_tries >= FLUSH_TRIES)
		uv_stop(&h->loop);
}

/* The last acknowledgements let the shepherds go at once: worth a moment. */
static void flush(struct hold *h)
{
	if (cli_session_flushed(h->session))
		return;
	h->drain_tries = 0;
	uv_timer_start(&h->drain, on_flush_tick, FLUSH_MS, FLUSH_MS);
	uv_run(&h->loop, UV_RUN_DEFAULT);
	uv_timer_stop(&h->drain);
}

static void close_all(struct hold *h)
{
	cli_input_close(h->input);
	cli_session_close(h->session);
	cli_relay_close(h->relay);
	cli_sink_destroy(h->sink);
	close_timer(&h->notice);
	close_timer(&h->launch);
	close_timer(&h->drain);
	close_timer(&h->leave);
	uv_run(&h->loop, UV_RUN_DEFAULT);
	uv_loop_close(&h->loop);
	cli_printer_destroy(h->printer);
	for (struct cli_hold_child *c; (c = h->children);) {
		h->children = c->next;
		dvmi_pb_free(c->ended);
		free(c);
	}
	dvmi_pb_free(h->ended);
	dvmi_pb_free(h->wish);
	free(h->phase);
}

static int run_loop(struct hold *h)
{
	cli_hold_watch_start(h);
	uv_run(&h->loop, UV_RUN_DEFAULT);
	/* Left although somebody does not read our output: its thread cannot be waited for. */
	if (h->sink && !h->finished) {
		if (h->die_of)
			cli_relay_die(h->die_of);
		_exit(h->status);
	}
	return h->status;
}

static int hold(struct hold *h, uint64_t attach)
{
	dvm_error_t err = { 0 };

	if (uv_loop_init(&h->loop) < 0)
		return cli_failf(h->cli, "no event loop: %s", strerror(errno));
	int status, rc = open_all(h, &err);
	if (rc == 0) {
		rc = h->req ? cli_session_run(h->session, h->req)
			    : cli_session_attach(h->session, attach);
		if (rc < 0)
			dvmi_error_code(&err, rc, "sending to dvmd");
	}
	status = rc < 0 ? cli_fail(h->cli, &err) : run_loop(h);
	if (h->session)
		flush(h);
	close_all(h);
	if (h->die_of) {
		fflush(NULL);
		cli_relay_die(h->die_of);
	}
	return status;
}

int cli_hold_run(const struct cli_hold_config *config, const Pb__RunRequest *req)
{
	struct hold h = { .config = config, .cli = config->cli, .req = req };

	return hold(&h, 0);
}

int cli_hold_attach(const struct cli_hold_config *config, uint64_t job)
{
	struct hold h = { .config = config, .cli = config->cli };

	return hold(&h, job);
}
