/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "daemon/cli/hold_private.h"
#include "libdvm/base/clock.h"

#define GRACE_MS 2000 /* after Ctrl-C: then the ranks are killed … */
#define LEAVE_MS 1500 /* … and then the prompt comes back, whatever happens */

void cli_hold_wish(struct hold *h, int sig, uint64_t grace, const char *reason)
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
	cli_hold_leave(h, CLI_FAILED);
}

void cli_hold_on_sink_failed(int code, void *arg)
{
	struct hold *h = arg;

	if (h->guest) {
		guest_leaves(h, code);
	} else if (code == -EPIPE) {
		h->die_of = SIGPIPE;
		cli_hold_wish(h, SIGPIPE, GRACE_MS * DVMI_MSEC, "nobody reads its output any more");
	} else {
		cli_say(h->cli, "writing the output: %s; job %" PRIu64 " ends", dvm_strerror(code),
			h->job);
		h->failed = CLI_FAILED;
		cli_hold_wish(h, SIGTERM, GRACE_MS * DVMI_MSEC, "its output could not be written");
	}
}

static void on_leave_timeout(uv_timer_t *t)
{
	struct hold *h = t->data;

	cli_say(h->cli, "job %" PRIu64 " has not ended yet; dvmd goes on ending it (dvm jobs)",
		h->job);
	cli_hold_leave(h, CLI_FAILED);
}

void cli_hold_leave_soon(struct hold *h)
{
	uv_timer_start(&h->leave, on_leave_timeout, LEAVE_MS, 0);
}

/* The grace period is over: also where the leader would grant a longer one. */
static void on_grace_over(uv_timer_t *t)
{
	struct hold *h = t->data;

	cli_hold_wish(h, SIGKILL, 0, "it did not end by itself");
	cli_hold_leave_soon(h);
}

static void on_end(int sig, unsigned times, void *arg)
{
	struct hold *h = arg;

	h->die_of = sig;
	if (!h->job || times > 2 || (h->guest && sig != SIGINT)) {
		cli_hold_leave(h, CLI_FAILED);
		return;
	}
	if (times == 1) {
		uv_timer_start(&h->leave, on_grace_over, GRACE_MS, 0);
		if (isatty(STDERR_FILENO))
			cli_hold_say(h, "ending job %" PRIu64 "; again to kill it at once", h->job);
		cli_hold_wish(h, sig, GRACE_MS * DVMI_MSEC,
		     sig == SIGINT ? "interrupted" : "ended by its dvm run");
	} else {
		cli_hold_leave_soon(h);
		cli_hold_wish(h, SIGKILL, 0, "killed by the user");
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

const struct cli_relay_ops cli_hold_relay_ops = {
	.end = on_end, .forward = on_forward, .flushed = on_flushed, .continued = on_continued
};
