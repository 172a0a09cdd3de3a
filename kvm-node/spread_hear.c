/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What other hosts say. Interrupts, rows, orders, answers and times are seen to at once, by whatever
 * thread works for the node, which must not wait; what calls devices (accesses, EOIs) or takes long
 * goes to a thread of its own, in order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "kvm-node/spread_private.h"
#include "libdvm/base/clock.h"

#define TIME_SOON (20 * DVMI_MSEC)  /* while there is something to correct */
#define TIME_LATE (320 * DVMI_MSEC) /* when there has been nothing for long */

/* ---- the worker ---- */

static void enqueue(struct vmm_spread *s, unsigned from, const struct vmm_msg *n)
{
	struct spread_work *w = malloc(sizeof *w);

	if (!w) {
		dvmi_log(s->log, "spread", LOG_ERR, "no memory for what %s says", s->names[from]);
		return;
	}
	*w = (struct spread_work){ NULL, from, *n };
	pthread_mutex_lock(&s->lock);
	*s->tail = w;
	s->tail = &w->next;
	atomic_fetch_add(&s->undone, 1);
	pthread_cond_signal(&s->news);
	pthread_mutex_unlock(&s->lock);
}

static struct spread_work *dequeue(struct vmm_spread *s)
{
	pthread_mutex_lock(&s->lock);
	while (!s->head && !s->stop)
		pthread_cond_wait(&s->news, &s->lock);
	struct spread_work *w = s->head;
	if (w) {
		s->head = w->next;
		if (!s->head)
			s->tail = &s->head;
	}
	pthread_mutex_unlock(&s->lock);
	return w;
}

static void have_done(struct vmm_spread *s, struct spread_work *w)
{
	free(w);
	pthread_mutex_lock(&s->lock);
	if (atomic_fetch_sub(&s->undone, 1) == 1)
		pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
}

void vmm_spread_settle(struct vmm_spread *s)
{
	if (!atomic_load(&s->undone))
		return;
	pthread_mutex_lock(&s->lock);
	while (atomic_load(&s->undone) && !s->stop)
		pthread_cond_wait(&s->idle, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

static void answer(struct vmm_spread *s, const struct spread_work *w, uint64_t value,
		   const struct dvmi_buf *text)
{
	const struct vmm_msg n = { .kind = VMM_MSG_ANSWER, .id = w->note.id, .value = value };

	if (!w->note.id)
		return;
	dsm_node_enter(s->node);
	spread_post(s, w->from, &n, text ? text->data : NULL, text ? text->len : 0);
	dsm_node_leave(s->node);
}

static void do_stat(struct vmm_spread *s, const struct spread_work *w)
{
	struct dvmi_buf b = { 0 };

	s->ops.stat(s->ops.arg, &b);
	if (b.err || b.len > VMM_MSG_TEXT_MAX)
		b.len = 0;
	answer(s, w, 0, &b);
	dvmi_buf_free(&b);
}

static void do_access(struct vmm_spread *s, const struct spread_work *w)
{
	struct vmm_access a;

	vmm_msg_to_access(&w->note, &a);
	spread_count(&s->n.accesses_in);
	s->ops.access(s->ops.arg, w->from, &a);
	answer(s, w, a.data, NULL);
}

static void do_free(struct vmm_spread *s, const struct spread_work *w)
{
	spread_free_here(s, w->note.addr, w->note.value);
	answer(s, w, 0, NULL);
}

static void *work(void *arg)
{
	struct vmm_spread *s = arg;

	prctl(PR_SET_NAME, "spread");
	for (struct spread_work *w; (w = dequeue(s)); have_done(s, w)) {
		switch (w->note.kind) {
		case VMM_MSG_EOI: s->ops.eoi(s->ops.arg, w->note.vector); break;
		case VMM_MSG_ACCESS: do_access(s, w); break;
		case VMM_MSG_FREE: do_free(s, w); break;
		default: do_stat(s, w);
		}
	}
	return NULL;
}

/* ---- at once; locked ---- */

static void hear_row(struct vmm_spread *s, unsigned from, const struct vmm_msg *n)
{
	const struct vmm_msg a = { .kind = VMM_MSG_ANSWER, .id = n->id };
	struct vmm_apic_row row;

	vmm_msg_to_row(n, &row);
	s->ops.row(s->ops.arg, n->cpu, &row);
	spread_post(s, from, &a, NULL, 0);
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
	uint64_t now = s->ops.time(s->ops.arg);
	const struct vmm_msg is = { .kind = VMM_MSG_TIME_IS, .addr = now, .value = n->value };
	const struct vmm_msg answer = { .kind = VMM_MSG_ANSWER, .id = n->id, .value = now };

	spread_post(s, from, n->id ? &answer : &is, NULL, 0);
}

static void hear_time_is(struct vmm_spread *s, const struct vmm_msg *n)
{
	int64_t delta = 0;

	if (!vmm_drift_answer(&s->drift, n->value, n->addr, s->ops.time(s->ops.arg), &delta))
		return;
	if (delta)
		s->ops.adjust(s->ops.arg, delta);
	s->time_every = delta ? TIME_SOON : s->time_every * 2;
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
	case VMM_MSG_CPU: s->ops.cpu(s->ops.arg, n->cpu, text, len); break;
	case VMM_MSG_TIME: hear_time(s, from, n); break;
	case VMM_MSG_TIME_IS: hear_time_is(s, n); break;
	case VMM_MSG_LEND:
	case VMM_MSG_RECALL:
	case VMM_MSG_REQUESTS:
	case VMM_MSG_USED:
	case VMM_MSG_SIGNAL: s->ops.queue(s->ops.arg, from, n, text, len); break;
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
	case VMM_MSG_TIME: return s->self == 0;
	case VMM_MSG_ORDER:
	case VMM_MSG_CPU:
	case VMM_MSG_FREE:
	case VMM_MSG_TIME_IS:
	case VMM_MSG_STAT: return from == 0;
	default: return true;
	}
}

static void on_message(void *arg, uint32_t from, const void *message, size_t len, uint64_t now)
{
	struct vmm_spread *s = arg;
	const struct vmm_msg_bounds b = { s->cpus, VMM_ENDS, VMM_ORDERS, VMM_ASKS };
	struct vmm_msg n;
	const char *text;
	size_t text_len;

	if (vmm_msg_parse(message, len, &b, &n, &text, &text_len) < 0 || !s->attached ||
	    !fits(s, from, n.kind))
		spread_count(&s->n.bad);
	else
		act(s, from, &n, text, text_len);
}

static uint64_t deadline(void *arg)
{
	const struct vmm_spread *s = arg;

	return s->attached ? s->ask_time_at : UINT64_MAX;
}

static void tick(void *arg, uint64_t now)
{
	struct vmm_spread *s = arg;

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
	int rc = dsm_node_serve(s->node, SPREAD_SERVICE, &service);

	if (rc == 0)
		rc = -pthread_create(&s->worker, NULL, work, s);
	s->working = rc == 0;
	return rc;
}

void spread_hear_stop(struct vmm_spread *s)
{
	if (s->node)
		dsm_node_unserve(s->node, SPREAD_SERVICE);
	if (!s->working)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->news);
	pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->worker, NULL);
	s->working = false;
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
	s->ask_time_at = UINT64_MAX;
	dsm_node_leave(s->node);
	vmm_spread_settle(s); /* what the worker has in hand is about the guest, which may go now */
}
