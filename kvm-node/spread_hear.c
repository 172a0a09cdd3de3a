/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What other hosts say. Interrupts, rows, orders, answers and times are seen to at once, by whatever
 * thread works for the node, which must not wait; what calls devices (accesses, EOIs) or takes long
 * goes to a thread of its own, in order.
 */
#include <errno.h>
#include <string.h>

#include "kvm-node/spread_private.h"
#include "libdvm/base/clock.h"

#define TIME_SOON (20 * DVMI_MSEC)  /* while there is something to correct */
#define TIME_LATE (320 * DVMI_MSEC) /* when there has been nothing for long */
#define LOOK_EVERY TIME_LATE	     /* whether others still speak */

/* ---- answers at once; locked ---- */

static void answer_now(struct vmm_spread *s, unsigned from, const struct vmm_msg *a)
{
	if (a->id && spread_post(s, from, a, NULL, 0) == -ENOMEM)
		dvmi_log(s->log, "spread", LOG_ERR, "no memory for an answer to %s", s->names[from]);
}

/* Who asks what makes no sense, or cannot be kept, shall not wait for ever: it fails, or reads as ones. */
static void refuse(struct vmm_spread *s, unsigned from, uint32_t id)
{
	const struct vmm_msg a = { .kind = VMM_MSG_ANSWER, .id = id, .value = UINT64_MAX };

	spread_count(&s->n.bad);
	answer_now(s, from, &a);
}

static void not_kept(struct vmm_spread *s, unsigned from, const struct vmm_msg *n)
{
	dvmi_log(s->log, "spread", LOG_ERR, "no memory for what %s says", s->names[from]);
	refuse(s, from, n->id);
}

/* ---- the worker ---- */

static void enqueue(struct vmm_spread *s, unsigned from, const struct vmm_msg *n)
{
	if (vmm_inbox_put(s->inbox, from, n, NULL, 0) < 0)
		not_kept(s, from, n);
}

void vmm_spread_settle(struct vmm_spread *s)
{
	vmm_inbox_settle(s->inbox);
}

static void answer(struct vmm_spread *s, const struct vmm_letter *w, uint64_t value,
		   const struct dvmi_buf *text)
{
	const struct vmm_msg n = { .kind = VMM_MSG_ANSWER, .id = w->msg.id, .value = value };

	if (w->msg.id)
		spread_post_long(s, w->from, &n, text ? text->data : NULL, text ? text->len : 0);
}

static void do_stat(struct vmm_spread *s, const struct vmm_letter *w)
{
	struct dvmi_buf b = { 0 };

	s->ops.stat(s->ops.arg, &b);
	if (b.err || b.len > SPREAD_TEXT_MAX)
		b.len = 0;
	answer(s, w, 0, &b);
	dvmi_buf_free(&b);
}

static void do_access(struct vmm_spread *s, const struct vmm_letter *w)
{
	struct vmm_access a;

	vmm_msg_to_access(&w->msg, &a);
	spread_count(&s->n.accesses_in);
	s->ops.access(s->ops.arg, w->from, &a);
	answer(s, w, a.data, NULL);
}

static void do_free(struct vmm_spread *s, const struct vmm_letter *w)
{
	spread_free_here(s, w->msg.addr, w->msg.value);
	answer(s, w, 0, NULL);
}

static void see_to(void *arg, const struct vmm_letter *w)
{
	struct vmm_spread *s = arg;

	switch (w->msg.kind) {
	case VMM_MSG_EOI: s->ops.eoi(s->ops.arg, w->msg.vector); break;
	case VMM_MSG_ACCESS: do_access(s, w); break;
	case VMM_MSG_FREE: do_free(s, w); break;
	case VMM_MSG_SETTLE: answer(s, w, 0, NULL); break;
	default: do_stat(s, w);
	}
}

/* ---- at once; locked ---- */

static void hear_row(struct vmm_spread *s, unsigned from, const struct vmm_msg *n)
{
	const struct vmm_msg a = { .kind = VMM_MSG_ANSWER, .id = n->id };
	struct vmm_apic_row row;

	vmm_msg_to_row(n, &row);
	s->ops.row(s->ops.arg, n->cpu, &row);
	answer_now(s, from, &a);
}

static void hear_intr(struct vmm_spread *s, const struct vmm_msg *n)
{
	struct vmm_intr msg;

	vmm_msg_to_intr(n, &msg);
	spread_count(&s->n.intr_in);
	s->ops.interrupt(s->ops.arg, n->cpu, &msg);
}

static void hear_end(struct vmm_spread *s, const struct vmm_msg *n, const char *text, size_t len)
{
	char why[512] = { 0 };

	memcpy(why, text, len < sizeof why ? len : sizeof why - 1);
	s->ops.ended(s->ops.arg, (enum vmm_end)n->op, n->code, why);
}

static void hear_time(struct vmm_spread *s, unsigned from, const struct vmm_msg *n)
{
	if (n->value)
		s->ops.later(s->ops.arg, n->value);
	uint64_t now = s->ops.time(s->ops.arg);
	const struct vmm_msg is = { .kind = VMM_MSG_TIME_IS, .addr = now, .value = n->value };
	const struct vmm_msg answer = { .kind = VMM_MSG_ANSWER, .id = n->id, .value = now };

	spread_post(s, from, n->id ? &answer : &is, NULL, 0);
}

/* Clocks that run apart are no guest's clock; that they do shows only here. */
static void complain_of_clock(struct vmm_spread *s)
{
	dvmi_log(s->log, "spread", LOG_WARNING,
		 "the guest's time here runs away from that of host %s, by more than can be made good: "
		 "their time stamp counters have different rates; it is off by %llu ticks",
		 s->names[0], (unsigned long long)s->drift.worst);
}

static void hear_time_is(struct vmm_spread *s, const struct vmm_msg *n)
{
	int64_t delta = 0;

	if (s->time_stands || !n->value)
		return;
	s->ops.later(s->ops.arg, n->addr);
	if (!vmm_drift_answer(&s->drift, n->value, n->addr, s->ops.time(s->ops.arg), &delta))
		return;
	if (delta)
		s->ops.adjust(s->ops.arg, delta);
	if (s->drift.lost)
		complain_of_clock(s);
	s->time_every = delta ? TIME_SOON : s->time_every * 2;
}

static void hear_load(struct vmm_spread *s, unsigned from, const struct vmm_msg *n)
{
	const struct vmm_load load = { .busy = n->addr, .waited = n->value };

	s->ops.load(s->ops.arg, from, &load);
}

static void hear_queue(struct vmm_spread *s, unsigned from, const struct vmm_msg *n, const char *text,
		       size_t len)
{
	if (s->ops.queue(s->ops.arg, from, n, text, len) < 0)
		not_kept(s, from, n);
}

static void act(struct vmm_spread *s, unsigned from, const struct vmm_msg *n, const char *text,
		size_t len)
{
	switch (n->kind) {
	case VMM_MSG_INTR: hear_intr(s, n); break;
	case VMM_MSG_ROW: hear_row(s, from, n); break;
	case VMM_MSG_ANSWER: spread_answered(s, from, n, text, len); break;
	case VMM_MSG_END: hear_end(s, n, text, len); break;
	case VMM_MSG_ORDER: s->ops.order(s->ops.arg, n->id, (enum vmm_order)n->op); break;
	case VMM_MSG_ASK: s->ops.asked(s->ops.arg, (enum vmm_ask)n->op); break;
	case VMM_MSG_CPU: s->ops.cpu(s->ops.arg, from, n->cpu, text, len); break;
	case VMM_MSG_LOAD: hear_load(s, from, n); break;
	case VMM_MSG_HERE: break; /* that is all */
	case VMM_MSG_TIME: hear_time(s, from, n); break;
	case VMM_MSG_TIME_IS: hear_time_is(s, n); break;
	case VMM_MSG_LEND:
	case VMM_MSG_RECALL:
	case VMM_MSG_REQUESTS:
	case VMM_MSG_USED:
	case VMM_MSG_SIGNAL: hear_queue(s, from, n, text, len); break;
	default: enqueue(s, from, n);
	}
}

/* The first host decides; who else says what only it may say has erred. */
static bool fits(const struct vmm_spread *s, unsigned from, uint8_t kind)
{
	switch (kind) {
	case VMM_MSG_EOI:
	case VMM_MSG_END:
	case VMM_MSG_ASK:
	case VMM_MSG_LOAD:
	case VMM_MSG_TIME: return s->self == 0;
	case VMM_MSG_CPU: return s->self == 0 || from == 0;
	case VMM_MSG_ORDER:
	case VMM_MSG_FREE:
	case VMM_MSG_TIME_IS:
	case VMM_MSG_STAT: return from == 0;
	default: return true;
	}
}

static void note_speaker(struct vmm_spread *s, unsigned from, uint64_t now)
{
	if (from == s->self)
		return;
	if (s->look_at == UINT64_MAX)
		s->look_at = now + LOOK_EVERY;
	if (vmm_silence_heard(&s->silence, from))
		dvmi_log(s->log, "spread", LOG_WARNING, "host %s is heard again, and the guest goes on",
			 s->names[from]);
}

static void look_for_silent(struct vmm_spread *s)
{
	uint64_t silent = vmm_silence_look(&s->silence);

	for (unsigned i = 0; i < s->hosts; i++)
		if (silent >> i & 1)
			dvmi_log(s->log, "spread", LOG_WARNING,
				 "the guest waits for host %s, of which nothing is heard", s->names[i]);
}

/* The first one hears from all, and all from it: they ask it for the time. The others have to say it. */
static void tell_others(struct vmm_spread *s)
{
	const struct vmm_msg here = { .kind = VMM_MSG_HERE };

	for (unsigned i = 1; s->self && i < s->hosts; i++)
		if (i != s->self)
			spread_post(s, i, &here, NULL, 0);
}

static void look_at_others(struct vmm_spread *s, uint64_t now)
{
	s->look_at = now + LOOK_EVERY;
	tell_others(s);
	look_for_silent(s);
}

static void on_message(void *arg, uint32_t from, const void *message, size_t len, uint64_t now)
{
	struct vmm_spread *s = arg;
	const struct vmm_msg_bounds b = { s->cpus, VMM_ENDS, VMM_ORDERS, VMM_ASKS };
	struct vmm_msg n;
	const char *text;
	size_t text_len;

	if (vmm_msg_parse(message, len, &b, &n, &text, &text_len) < 0 || !s->attached ||
	    !fits(s, from, n.kind)) {
		refuse(s, from, vmm_msg_question(message, len));
		return;
	}
	note_speaker(s, from, now);
	act(s, from, &n, text, text_len);
}

static uint64_t deadline(void *arg)
{
	const struct vmm_spread *s = arg;

	if (!s->attached)
		return UINT64_MAX;
	return s->ask_time_at < s->look_at ? s->ask_time_at : s->look_at;
}

static void tick(void *arg, uint64_t now)
{
	struct vmm_spread *s = arg;

	if (s->attached && now >= s->look_at)
		look_at_others(s, now);
	if (!s->attached || now < s->ask_time_at)
		return;
	s->time_every = s->time_every < TIME_SOON ? TIME_SOON :
			s->time_every > TIME_LATE ? TIME_LATE :
						    s->time_every;
	s->ask_time_at = now + s->time_every;
	spread_ask_time(s);
}

/* ---- life ---- */

int spread_hear_start(struct vmm_spread *s)
{
	const struct dsm_service service = {
		.message = on_message, .deadline = deadline, .tick = tick, .arg = s
	};
	int rc = vmm_inbox_create(&s->inbox, &(struct vmm_reader){ .name = "spread",
								   .read = see_to,
								   .arg = s });

	return rc < 0 ? rc : dsm_node_serve(s->node, SPREAD_SERVICE, &service);
}

void spread_hear_stop(struct vmm_spread *s)
{
	if (s->node)
		dsm_node_unserve(s->node, SPREAD_SERVICE);
	vmm_inbox_destroy(s->inbox);
	s->inbox = NULL;
}

void vmm_spread_attach(struct vmm_spread *s, const struct vmm_spread_ops *ops, unsigned cpus)
{
	dsm_node_enter(s->node);
	s->ops = *ops;
	s->cpus = cpus;
	s->attached = true;
	dsm_node_leave(s->node);
}

void vmm_spread_detach(struct vmm_spread *s)
{
	dsm_node_enter(s->node);
	s->attached = false;
	s->ask_time_at = s->look_at = UINT64_MAX;
	dsm_node_leave(s->node);
	vmm_spread_settle(s); /* what the worker has in hand is about the guest, which may go now */
}
