/* SPDX-License-Identifier: BSD-3-Clause */
/* What the daemon says, and what it is told when it is new. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/shepherd/procs.h"
#include "daemon/shepherd/shepherd_private.h"
#include "libdvm/base/clock.h"
#include "libdvm/proto/dispatch.h"

#define GRACE_DEFAULT (2 * DVMI_SEC)
#define REFUSED_FOR   (2 * DVMI_SEC)

static void pack_hello(const Pb__JobStatus *st, void *arg)
{
	void **both = arg;
	const struct shep *s = both[0];
	Pb__ShepherdHello hello = PB__SHEPHERD_HELLO__INIT;

	hello.job = st->job;
	hello.cookie =
		(ProtobufCBinaryData){ .len = SHEP_COOKIE_BYTES, .data = (uint8_t *)s->c->cookie };
	hello.pid = (uint32_t)getpid();
	hello.status = (Pb__JobStatus *)st;
	dvmi_pb_pack(both[1], &hello);
}

static void on_hello(struct dvmi_buf *body, void *arg)
{
	struct shep *s = arg;
	void *both[] = { s, body };

	s->status.output_seq = s->output ? shep_output_seq(s->output) : 0;
	if (shep_status_report(&s->status, &s->ranks, pack_hello, both) < 0)
		body->err = -ENOMEM;
	s->news.greeting = s->status.serial;
}

/* News may have been missed. */
static void ask_all_again(struct shep *s)
{
	shep_links_up(s);
	shep_events_hosts_again(s);
	shep_ask_names_news(s);
	shep_room_up(s);
}

static void on_up(void *arg)
{
	struct shep *s = arg;

	s->refused = 0;
	/* What was to be reported between our greeting and its answer went nowhere. */
	if (s->status.serial != s->news.greeting)
		s->news.report = true;
	if (s->output)
		shep_output_resend(s->output);
	if (s->input)
		shep_input_ack_again(s->input);
	shep_wire_link_up(s);
	shep_asks_up(s);
	ask_all_again(s);
}

static void on_down(void *arg)
{
	shep_asks_down(arg);
}

static void on_reply(uint32_t request, uint16_t type, const uint8_t *body, size_t len, void *arg)
{
	shep_asks_replied(arg, request, type, body, len);
}

/*
 * The job is over for the machine. But a daemon that has just come back may not have read of a job
 * that was started the moment before it died, so it must say so for a while.
 */
static bool on_refused(int code, const char *text, void *arg)
{
	struct shep *s = arg;
	uint64_t now = dvmi_clock_mono();

	if (code != -ENOENT && code != -EPERM && code != -DVM_EAUTH)
		return false;
	if (!s->refused)
		s->refused = now;
	if (!s->after.done && now - s->refused < REFUSED_FOR)
		return false;
	dvmi_log(s->c->log, "shepherd", LOG_WARNING, "job %llu is not wanted any more: %s",
		 (unsigned long long)s->c->launch->job, text);
	s->unwanted = true;
	shep_life_release(s);
	return true;
}

static bool is_ours(const struct shep *s, uint64_t job)
{
	return job == s->c->launch->job;
}

/* What a job may be sent without ending: the rest is the business of JobSignal.end. */
static int forwarded(int sig)
{
	switch (sig) {
	case SIGTSTP:
		/* Nobody continues a rank that stops itself at leisure: stop it for certain. */
		return SIGSTOP;
	case SIGINT:
	case SIGQUIT:
	case SIGTERM:
	case SIGHUP:
	case SIGUSR1:
	case SIGUSR2:
	case SIGCONT:
	case SIGSTOP:
	case SIGWINCH:
	case SIGALRM:
	case SIGURG:
	case SIGABRT:
		return sig;
	default:
		return 0;
	}
}

static void take_signal(struct shep *s, const Pb__JobSignal *msg)
{
	if (!is_ours(s, msg->job))
		return;
	if (msg->end || msg->signal == SIGKILL) {
		uint64_t grace = msg->signal == SIGKILL ? 0
				 : msg->grace_ns	? msg->grace_ns
							: GRACE_DEFAULT;
		shep_life_end(s, grace, msg->reason);
	} else if (forwarded(msg->signal)) {
		shep_procs_signal(&s->ranks, forwarded(msg->signal));
	}
}

static void take_release(struct shep *s, const Pb__JobRef *msg)
{
	if (is_ours(s, msg->job))
		shep_life_release(s);
}

static void take_status_wanted(struct shep *s, const Pb__JobRef *msg)
{
	if (msg->job == 0 || is_ours(s, msg->job))
		s->news.report = true;
}

static void take_ack(struct shep *s, const Pb__OutputAck *msg)
{
	if (!is_ours(s, msg->job) || msg->node != s->share->node || !s->output)
		return;
	if (msg->forget)
		shep_output_forget(s->output);
	shep_output_ack(s->output, msg->seq, msg->again);
}

static void take_stdin(struct shep *s, const Pb__Stdin *msg)
{
	if (is_ours(s, msg->job) && s->input)
		shep_input_message(s->input, msg);
}

static void take_peer(struct shep *s, const Pb__PeerMessage *msg)
{
	if (is_ours(s, msg->job))
		shep_wire_peer_message(s, msg);
}

static void take_lost(struct shep *s, const Pb__RanksState *msg)
{
	if (is_ours(s, msg->job))
		shep_wire_ranks_lost(s, msg);
}

static void take_news(struct shep *s, const Pb__News *n)
{
	switch (n->kind) {
	case PB__NEWS__KIND__JOB:
		shep_links_job(s, n);
		shep_ask_spawn_news(s, n->job);
		if (s->mpi && n->state == PB__JOB_STATE__JOB_DONE)
			shep_mpi_job_over(s->mpi, n->job);
		break;
	case PB__NEWS__KIND__HOST:
		shep_events_host(s, n);
		break;
	case PB__NEWS__KIND__ROOM:
		shep_room_news(s, n);
		break;
	case PB__NEWS__KIND__NAME:
		shep_ask_names_news(s);
		break;
	default:
		ask_all_again(s);
	}
}

static const struct dvmi_taker takers[] = {
	DVMI_TAKES(DVMI_MSG_JOB_KILL, job_signal, take_signal),
	DVMI_TAKES(DVMI_MSG_JOB_RELEASE, job_ref, take_release),
	DVMI_TAKES(DVMI_MSG_STATUS_WANTED, job_ref, take_status_wanted),
	DVMI_TAKES(DVMI_MSG_OUTPUT_ACK, output_ack, take_ack),
	DVMI_TAKES(DVMI_MSG_STDIN, stdin, take_stdin),
	DVMI_TAKES(DVMI_MSG_PEER, peer_message, take_peer),
	DVMI_TAKES(DVMI_MSG_RANKS_LOST, ranks_state, take_lost),
	DVMI_TAKES(DVMI_MSG_NEWS, news, take_news),
};

static void on_message(uint16_t type, const uint8_t *body, size_t len, void *arg)
{
	struct shep *s = arg;
	int rc = dvmi_dispatch(takers, sizeof takers / sizeof takers[0], type, body, len, s);

	if (rc < 0)
		dvmi_log(s->c->log, "shepherd", LOG_WARNING, "message 0x%x: %s", type,
			 dvm_strerror(rc));
	else if (rc == 0)
		dvmi_log(s->c->log, "shepherd", LOG_DEBUG, "message 0x%x is not for shepherds",
			 type);
}

const struct shep_link_ops shep_orders_ops = {
	.hello = on_hello,
	.up = on_up,
	.down = on_down,
	.reply = on_reply,
	.message = on_message,
	.refused = on_refused,
};
