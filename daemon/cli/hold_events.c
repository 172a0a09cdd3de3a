/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cli/hold_private.h"
#include "daemon/cli/placement.h"
#include "daemon/cli/show.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define NOTICE_MS   3000 /* of waiting, after which the user hears for what */
#define LEADER_MS   700	 /* what the leader's own notice is given to come first */

static void on_notice(uv_timer_t *t)
{
	struct hold *h = t->data;

	if (!h->job)
		cli_hold_say(h, "waiting for dvmd to place the job");
	else if (!h->phase)
		cli_hold_say(h, "waiting for the ranks to start");
}

static void on_launch_timeout(uv_timer_t *t)
{
	struct hold *h = t->data;

	cli_say(h->cli, "the ranks do not run yet (--launch-timeout): %s",
		h->phase ? h->phase
		: h->job ? "waiting for them to start"
			 : "the job is not placed");
	h->failed = CLI_FAILED;
	if (!h->job)
		cli_hold_leave(h, CLI_FAILED);
	else
		cli_hold_wish(h, SIGKILL, 0, "its ranks did not start in time");
	cli_hold_leave_soon(h);
}

void cli_hold_watch_start(struct hold *h)
{
	if (h->config->launch_timeout)
		uv_timer_start(&h->launch, on_launch_timeout,
			       (h->config->launch_timeout + DVMI_MSEC - 1) / DVMI_MSEC, 0);
	uv_timer_start(&h->notice, on_notice, NOTICE_MS, 0);
}

static void print_bindings(const Pb__RunReply *r, FILE *f)
{
	for (size_t i = 0; i < r->n_bindings; i++)
		fprintf(f, "%s\n", r->bindings[i]);
}

static void show_dry_run(const struct hold *h, const Pb__RunReply *r)
{
	if (h->config->output == CLI_OUTPUT_JSON)
		cli_json_print(cli_placement_json(r->placement));
	else if (h->config->report_bindings)
		print_bindings(r, stdout);
	else
		cli_placement_print_map(r->placement, stdout);
}

static int open_output(struct hold *h, const Pb__Placement *placement)
{
	struct cli_printer_config pc = { .output = h->config->output,
					 .out = STDOUT_FILENO,
					 .err = STDERR_FILENO,
					 .dir = h->config->dir,
					 .job = h->job };
	Pb__Placement *copy = dvmi_pb_dup(placement);
	int rc = copy ? cli_printer_create(&h->printer, &pc) : -ENOMEM;

	if (rc == 0)
		rc = cli_sink_open(&h->sink, &h->loop, h->printer, &cli_hold_sink_ops, h);
	if (rc == 0)
		cli_sink_placement(h->sink, h->job, copy);
	else
		dvmi_pb_free(copy);
	return rc;
}

static int open_input(struct hold *h, const Pb__Placement *placement)
{
	if (!h->req || h->req->spec->stdin_to == PB__STDIN_TO__STDIN_NONE)
		return 0;
	return cli_input_open(&h->input, &h->loop, STDIN_FILENO, h->session, placement,
			      h->req->spec->stdin_to == PB__STDIN_TO__STDIN_ALL);
}

/* Nothing to hold: the placement, or the id of a job that goes on by itself. */
static void answer_only(struct hold *h, const Pb__RunReply *r)
{
	if (h->req->dry_run)
		show_dry_run(h, r);
	else
		printf("%" PRIu64 "\n", h->job);
	cli_hold_leave(h, 0);
}

static void on_accepted(const Pb__RunReply *r, void *arg)
{
	struct hold *h = arg;
	Pb__Placement none = PB__PLACEMENT__INIT;
	const Pb__Placement *p = r->placement ? r->placement : &none;
	bool only = h->req && (h->req->dry_run || h->req->spec->detached);

	h->job = r->job;
	h->guest = r->detached;
	h->late = !h->req && r->state == PB__JOB_STATE__JOB_DONE;
	for (size_t i = 0; i < p->n_notes; i++)
		cli_hold_say(h, "note: %s", p->notes[i]);
	if (h->config->report_bindings && !(h->req && h->req->dry_run))
		print_bindings(r, stderr);
	if (only) {
		answer_only(h, r);
		return;
	}
	uv_timer_start(&h->notice, on_notice, NOTICE_MS + LEADER_MS, 0);
	int rc = open_output(h, p);
	if (rc == 0)
		rc = open_input(h, p);
	if (rc < 0) {
		cli_say(h->cli, "%s: %s", h->config->dir ? h->config->dir : "output",
			dvm_strerror(rc));
		h->failed = CLI_FAILED;
		cli_hold_leave(h, CLI_FAILED); /* the job ends with our connection */
	}
}

static void stop_waiting(struct hold *h)
{
	uv_timer_stop(&h->notice);
	uv_timer_stop(&h->launch);
}

static void on_phase(struct hold *h, const char *text)
{
	if (h->phase && !strcmp(h->phase, text))
		return;
	free(h->phase);
	h->phase = strdup(text);
	cli_hold_say(h, "%s", text);
}

static void add_child(struct hold *h, const Pb__JobEvent *e)
{
	struct cli_hold_child *c = calloc(1, sizeof *c);
	Pb__Placement *p = e->placement ? dvmi_pb_dup(e->placement) : NULL;

	if (p && h->sink)
		cli_sink_placement(h->sink, e->job, p);
	else
		dvmi_pb_free(p);
	if (!c)
		return;
	c->job = e->job;
	c->next = h->children;
	h->children = c;
}

/* Of children only their ends matter here: how they fare is their parent's affair. */
static void child_event(struct hold *h, const Pb__JobEvent *e)
{
	if (e->kind == PB__JOB_EVENT__KIND__CHILD) {
		add_child(h, e);
		return;
	}
	for (struct cli_hold_child *c = h->children; c; c = c->next)
		if (c->job == e->job && e->kind == PB__JOB_EVENT__KIND__ENDED && !c->ended)
			c->ended = dvmi_pb_dup(e);
	cli_hold_check_drained(h);
}

static void on_event(const Pb__JobEvent *e, void *arg)
{
	struct hold *h = arg;

	if (e->job != h->job) {
		child_event(h, e);
		return;
	}
	switch (e->kind) {
	case PB__JOB_EVENT__KIND__PHASE:
		on_phase(h, e->text);
		break;
	case PB__JOB_EVENT__KIND__STARTED:
		h->started = true;
		stop_waiting(h);
		break;
	case PB__JOB_EVENT__KIND__WARNING:
		cli_hold_say(h, "job %" PRIu64 ": %s", h->job, e->text);
		break;
	case PB__JOB_EVENT__KIND__ENDED:
		stop_waiting(h);
		uv_timer_stop(&h->leave);
		if (!h->ended)
			h->ended = dvmi_pb_dup(e);
		cli_hold_check_drained(h);
		break;
	default:
		break;
	}
}

static void on_output(Pb__Output *o, void *arg)
{
	struct hold *h = arg;

	cli_sink_push(h->sink, o);
	cli_hold_check_drained(h);
}

static void on_dropped(uint32_t node, void *arg)
{
	struct hold *h = arg;

	cli_hold_say(h,
	    "job %" PRIu64
	    ": some output of node %u was dropped on its way here; `dvm logs %" PRIu64 "` has it",
	    h->job, node, h->job);
}

static void on_stdin_ack(const Pb__StdinAck *ack, void *arg)
{
	struct hold *h = arg;

	if (h->input)
		cli_input_acked(h->input, ack);
}

static void on_resumed(void *arg)
{
	struct hold *h = arg;

	if (h->input)
		cli_input_resend(h->input);
	if (h->wish)
		cli_session_signal(h->session, h->wish);
}

static void on_refused(const dvm_error_t *err, void *arg)
{
	struct hold *h = arg;

	if (err->code != -ENOENT) /* it has ended meanwhile */
		cli_hold_say(h, "%s", err->text);
}

static void on_failed(const dvm_error_t *err, void *arg)
{
	struct hold *h = arg;

	h->failed = CLI_FAILED;
	if (!h->job && err->code == -EAGAIN && h->config->may_wait)
		h->failed = CLI_HOLD_WAIT;
	else if (h->job)
		cli_say(h->cli,
			"%s; `dvm jobs` and `dvm logs %" PRIu64
			"` tell what became of job %" PRIu64,
			err->text, h->job, h->job);
	else
		cli_fail(h->cli, err);
	if (h->finishing)
		return;
	cli_hold_finish(h);
}

const struct cli_session_ops cli_hold_session_ops = { .accepted = on_accepted,
						    .resumed = on_resumed,
						    .event = on_event,
						    .output = on_output,
						    .dropped = on_dropped,
						    .stdin_ack = on_stdin_ack,
						    .refused = on_refused,
						    .failed = on_failed };
