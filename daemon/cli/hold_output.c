/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>

#include "daemon/cli/hold_private.h"

#define DRAIN_MS    250	 /* the job has ended: its last output is asked for this often */
#define DRAIN_MAX   20	 /* times in a row without any arriving */

void cli_hold_finish(struct hold *h)
{
	if (h->finishing)
		return;
	h->finishing = true;
	uv_timer_stop(&h->drain);
	if (h->sink)
		cli_sink_finish(h->sink);
	else
		cli_hold_leave(h, h->failed);
}

/* The first node of an ended job some of whose output is still under way, or NULL. */
static const Pb__OutputEnd *missing_of(const struct hold *h, const Pb__JobEvent *ended)
{
	for (size_t i = 0; i < ended->n_ends; i++) {
		const Pb__OutputEnd *e = ended->ends[i];

		if (!e->lost && cli_session_arrived(h->session, ended->job, e->node) < e->seq)
			return e;
	}
	return NULL;
}

/* The same of our job and all its children; *JOB says of which. */
static const Pb__OutputEnd *missing(const struct hold *h, uint64_t *job)
{
	*job = h->job;
	if (h->late)
		return NULL;
	const Pb__OutputEnd *e = missing_of(h, h->ended);
	for (const struct cli_hold_child *c = h->children; !e && c; c = c->next) {
		e = missing_of(h, c->ended);
		*job = c->job;
	}
	return e;
}

static bool all_ended(const struct hold *h)
{
	for (const struct cli_hold_child *c = h->children; c; c = c->next)
		if (!c->ended)
			return false;
	return h->ended != NULL;
}

static void on_drain_timer(uv_timer_t *t)
{
	struct hold *h = t->data;
	uint64_t job;
	const Pb__OutputEnd *e = missing(h, &job);

	if (++h->drain_tries <= DRAIN_MAX) {
		cli_session_ask_again(h->session, job, e->node);
		return;
	}
	cli_say(h->cli, "job %" PRIu64 ": the last output of node %u did not arrive", job, e->node);
	cli_hold_finish(h);
}

void cli_hold_check_drained(struct hold *h)
{
	uint64_t job;

	if (!all_ended(h) || h->finishing)
		return;
	h->drain_tries = 0;
	if (!missing(h, &job))
		cli_hold_finish(h);
	else
		uv_timer_start(&h->drain, on_drain_timer, DRAIN_MS, DRAIN_MS);
}

/* One line: what happened to which job, and where its last words are, if there can be any. */
static void report_failure(const struct hold *h)
{
	const char *text = h->ended->text;
	int code = h->ended->exit_code;
	char fallback[32], hint[48] = "";

	if (h->die_of || (code == 0 && !*text))
		return;
	if (code == 0) {
		cli_hold_say(h, "job %" PRIu64 ": %s", h->job, text);
		return;
	}
	snprintf(fallback, sizeof fallback, "exit code %d", code);
	if (h->started)
		snprintf(hint, sizeof hint, "; see `dvm logs %" PRIu64 "`", h->job);
	cli_say(h->cli, "job %" PRIu64 ": %s%s", h->job, *text ? text : fallback, hint);
}

static void on_sink_finished(void *arg)
{
	struct hold *h = arg;

	h->finished = true;
	if (h->ended && !h->failed)
		report_failure(h);
	cli_hold_leave(h, h->failed ? h->failed : h->ended ? h->ended->exit_code & 0xff : CLI_FAILED);
}

static void on_printed(uint64_t job, uint32_t node, uint64_t seq, void *arg)
{
	struct hold *h = arg;

	cli_session_ack(h->session, job, node, seq); /* while away: told by ATTACH */
}

const struct cli_sink_ops cli_hold_sink_ops = { .printed = on_printed,
					      .failed = cli_hold_on_sink_failed,
					      .finished = on_sink_finished };
