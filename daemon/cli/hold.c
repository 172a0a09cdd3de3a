/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cli/conn.h"
#include "daemon/cli/hold.h"
#include "daemon/cli/input.h"
#include "daemon/cli/placement.h"
#include "daemon/cli/relay.h"
#include "daemon/cli/session.h"
#include "daemon/cli/show.h"
#include "daemon/cli/sink.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define NOTICE_MS   3000 /* of waiting, after which the user hears for what */
#define LEADER_MS   700	 /* what the leader's own notice is given to come first */
#define DRAIN_MS    250	 /* the job has ended: its last output is asked for this often */
#define DRAIN_MAX   20	 /* times in a row without any arriving */
#define FLUSH_MS    5
#define FLUSH_TRIES 100
#define GRACE_MS    2000 /* after Ctrl-C: then the ranks are killed … */
#define LEAVE_MS    1500 /* … and then the prompt comes back, whatever happens */

/* A job that ours has spawned, or one of its children. */
struct child {
	struct child *next;
	uint64_t job;
	Pb__JobEvent *ended;
};

struct hold {
	const struct cli_hold_config *config;
	const struct cli *cli;
	const Pb__RunRequest *req; /* NULL: attached */
	uv_loop_t loop;
	struct cli_session *session;
	struct cli_relay *relay;
	struct cli_printer *printer;
	struct cli_sink *sink;
	struct cli_input *input;
	uv_timer_t notice, launch, drain, leave;

	uint64_t job; /* 0 until accepted */
	bool guest;   /* attached to a job that goes on without us */
	bool late;    /* attached to a job that was over: its output went to somebody else */
	bool started;
	char *phase; /* what the launch waits for, as the leader put it */
	Pb__JobEvent *ended;
	struct child *children;
	Pb__JobSignal *wish; /* to be said again after a reconnect, or NULL */
	int die_of;	     /* signal that ended the job through us */
	int failed;	     /* exit status that outranks the job's, or 0 */
	unsigned drain_tries;
	bool finishing; /* no more output is waited for */
	bool finished;	/* everything is printed */
	int status;
};

static void say(const struct hold *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct hold *h, const char *fmt, ...)
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

static void leave(struct hold *h, int status)
{
	h->status = status;
	uv_stop(&h->loop);
}

/* ---- the end ---- */

static void finish(struct hold *h)
{
	if (h->finishing)
		return;
	h->finishing = true;
	uv_timer_stop(&h->drain);
	if (h->sink)
		cli_sink_finish(h->sink);
	else
		leave(h, h->failed);
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
	for (const struct child *c = h->children; !e && c; c = c->next) {
		e = missing_of(h, c->ended);
		*job = c->job;
	}
	return e;
}

static bool all_ended(const struct hold *h)
{
	for (const struct child *c = h->children; c; c = c->next)
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
	finish(h);
}

static void check_drained(struct hold *h)
{
	uint64_t job;

	if (!all_ended(h) || h->finishing)
		return;
	h->drain_tries = 0;
	if (!missing(h, &job))
		finish(h);
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
		say(h, "job %" PRIu64 ": %s", h->job, text);
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
	leave(h, h->failed ? h->failed : h->ended ? h->ended->exit_code & 0xff : CLI_FAILED);
}

static void on_printed(uint64_t job, uint32_t node, uint64_t seq, void *arg)
{
	struct hold *h = arg;

	cli_session_ack(h->session, job, node, seq); /* while away: told by ATTACH */
}

/* ---- making the job end ---- */

/* GRACE: ns from TERM to KILL. */
static void wish(struct hold *h, int sig, uint64_t grace, const char *reason)
{
	Pb__JobSignal msg;

	pb__job_signal__init(&msg);
	msg.job = h->job;
	msg.signal = sig;
	msg.end = true;
	msg.grace_ns = grace;
	msg.reason = (char *)reason;
	dvmi_pb_free(h->wish);
	h->wish = dvmi_pb_dup(&msg);
	cli_session_signal(h->session, &msg);
}

/* Nobody is left to print for; the job is another matter. */
static void guest_leaves(struct hold *h, int code)
{
	if (code == -EPIPE)
		h->die_of = SIGPIPE;
	else
		cli_say(h->cli, "writing the output: %s; job %" PRIu64 " goes on",
			dvm_strerror(code), h->job);
	leave(h, CLI_FAILED);
}

static void on_sink_failed(int code, void *arg)
{
	struct hold *h = arg;

	if (h->guest) {
		guest_leaves(h, code);
	} else if (code == -EPIPE) {
		h->die_of = SIGPIPE;
		wish(h, SIGPIPE, GRACE_MS * DVMI_MSEC, "nobody reads its output any more");
	} else {
		cli_say(h->cli, "writing the output: %s; job %" PRIu64 " ends", dvm_strerror(code),
			h->job);
		h->failed = CLI_FAILED;
		wish(h, SIGTERM, GRACE_MS * DVMI_MSEC, "its output could not be written");
	}
}

static const struct cli_sink_ops sink_ops = { .printed = on_printed,
					      .failed = on_sink_failed,
					      .finished = on_sink_finished };

static void on_leave_timeout(uv_timer_t *t)
{
	struct hold *h = t->data;

	cli_say(h->cli, "job %" PRIu64 " has not ended yet; dvmd goes on ending it (dvm jobs)",
		h->job);
	leave(h, CLI_FAILED);
}

/* The grace period is over: also where the leader would grant a longer one. */
static void on_grace_over(uv_timer_t *t)
{
	struct hold *h = t->data;

	wish(h, SIGKILL, 0, "it did not end by itself");
	uv_timer_start(&h->leave, on_leave_timeout, LEAVE_MS, 0);
}

static void on_end(int sig, unsigned times, void *arg)
{
	struct hold *h = arg;

	h->die_of = sig;
	if (!h->job || times > 2 || (h->guest && sig != SIGINT)) {
		leave(h, CLI_FAILED);
		return;
	}
	if (times == 1) {
		uv_timer_start(&h->leave, on_grace_over, GRACE_MS, 0);
		if (isatty(STDERR_FILENO))
			say(h, "ending job %" PRIu64 "; again to kill it at once", h->job);
		wish(h, sig, GRACE_MS * DVMI_MSEC,
		     sig == SIGINT ? "interrupted" : "ended by its dvm run");
	} else {
		uv_timer_start(&h->leave, on_leave_timeout, LEAVE_MS, 0);
		wish(h, SIGKILL, 0, "killed by the user");
	}
}

static void on_forward(int sig, void *arg)
{
	struct hold *h = arg;
	Pb__JobSignal msg;

	if (!h->job)
		return;
	pb__job_signal__init(&msg);
	msg.job = h->job;
	msg.signal = sig;
	cli_session_signal(h->session, &msg);
}

static bool on_flushed(void *arg)
{
	struct hold *h = arg;

	return cli_session_flushed(h->session);
}

static void on_continued(void *arg)
{
	struct hold *h = arg;

	if (h->input)
		cli_input_recheck(h->input);
}

static const struct cli_relay_ops relay_ops = {
	.end = on_end, .forward = on_forward, .flushed = on_flushed, .continued = on_continued
};

/* ---- the start ---- */

static void on_notice(uv_timer_t *t)
{
	struct hold *h = t->data;

	if (!h->job)
		say(h, "waiting for dvmd to place the job");
	else if (!h->phase)
		say(h, "waiting for the ranks to start");
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
		leave(h, CLI_FAILED);
	else
		wish(h, SIGKILL, 0, "its ranks did not start in time");
	uv_timer_start(&h->leave, on_leave_timeout, LEAVE_MS, 0);
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
		rc = cli_sink_open(&h->sink, &h->loop, h->printer, &sink_ops, h);
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
	leave(h, 0);
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
		say(h, "note: %s", p->notes[i]);
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
		leave(h, CLI_FAILED); /* the job ends with our connection */
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
	say(h, "%s", text);
}

static void add_child(struct hold *h, const Pb__JobEvent *e)
{
	struct child *c = calloc(1, sizeof *c);
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
	for (struct child *c = h->children; c; c = c->next)
		if (c->job == e->job && e->kind == PB__JOB_EVENT__KIND__ENDED && !c->ended)
			c->ended = dvmi_pb_dup(e);
	check_drained(h);
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
		say(h, "job %" PRIu64 ": %s", h->job, e->text);
		break;
	case PB__JOB_EVENT__KIND__ENDED:
		stop_waiting(h);
		uv_timer_stop(&h->leave);
		if (!h->ended)
			h->ended = dvmi_pb_dup(e);
		check_drained(h);
		break;
	default:
		break;
	}
}

static void on_output(Pb__Output *o, void *arg)
{
	struct hold *h = arg;

	cli_sink_push(h->sink, o);
	check_drained(h);
}

static void on_dropped(uint32_t node, void *arg)
{
	struct hold *h = arg;

	say(h,
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
		say(h, "%s", err->text);
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
	finish(h);
}

static const struct cli_session_ops session_ops = { .accepted = on_accepted,
						    .resumed = on_resumed,
						    .event = on_event,
						    .output = on_output,
						    .dropped = on_dropped,
						    .stdin_ack = on_stdin_ack,
						    .refused = on_refused,
						    .failed = on_failed };

/* ---- life ---- */

static void add_timer(struct hold *h, uv_timer_t *t)
{
	uv_timer_init(&h->loop, t);
	t->data = h;
}

static int open_session(struct hold *h, dvm_error_t *err)
{
	cleanup_free char *path = cli_socket(h->cli, err);

	return path ? cli_session_open(&h->session, &h->loop, path, &session_ops, h, err)
		    : err->code;
}

static int open_all(struct hold *h, dvm_error_t *err)
{
	add_timer(h, &h->notice);
	add_timer(h, &h->launch);
	add_timer(h, &h->drain);
	add_timer(h, &h->leave);
	int rc = open_session(h, err);
	if (rc == 0 && (rc = cli_relay_open(&h->relay, &h->loop, &relay_ops, h)) < 0)
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
	for (struct child *c; (c = h->children);) {
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
	if (h->config->launch_timeout)
		uv_timer_start(&h->launch, on_launch_timeout,
			       (h->config->launch_timeout + DVMI_MSEC - 1) / DVMI_MSEC, 0);
	uv_timer_start(&h->notice, on_notice, NOTICE_MS, 0);
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
