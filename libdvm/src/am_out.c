/* SPDX-License-Identifier: BSD-3-Clause */
/* Active messages that go out: at once, or through the queue of their peer; and credit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/net/wire.h"
#include "libdvm/src/handle.h"
#include "libdvm/src/p2p_private.h"
#include "libdvm/src/wait.h"

#define ON_STACK 1024u

struct dvmi_am_peer *dvmi_am_peer(dvm_t *d, uint32_t rank)
{
	struct dvmi_am *a = &d->am;

	if (__builtin_expect(!a->peers, 0)) {
		a->peers = calloc((size_t)d->p2p.size + DVMI_P2P_FAR_MAX,
				  sizeof(struct dvmi_am_peer *));
		if (!a->peers)
			return NULL;
	}
	struct dvmi_am_peer *p = a->peers[rank];
	if (__builtin_expect(p != NULL, 1))
		return p;
	p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->rank = rank;
	p->tail = &p->head;
	return a->peers[rank] = p;
}

static void set_busy(dvm_t *d, struct dvmi_am_peer *p)
{
	if (p->busy)
		return;
	p->busy = true;
	p->next_busy = d->am.busy;
	d->am.busy = p;
}

static uint64_t cost_of(const struct dvmi_am_msg *m)
{
	return (uint64_t)m->head_len + m->len + DVMI_AM_OVERHEAD;
}

static int send_gathered(dvm_t *d, struct dvmi_tport *t, uint32_t rank, const struct dvmi_pkt *pkt,
			 const struct dvmi_am_msg *m)
{
	uint8_t stack[ON_STACK], *buf = stack;

	if (pkt->len > ON_STACK) {
		if (!d->am.scratch)
			d->am.scratch = malloc(DVM_AM_HEAD_MAX + DVM_AM_MAX);
		if (!d->am.scratch)
			return -ENOMEM;
		buf = d->am.scratch;
	}
	memcpy(buf, m->head, m->head_len);
	memcpy(buf + m->head_len, m->payload, m->len);
	return t->ops->send(t, rank, pkt, buf);
}

static inline int put(dvm_t *d, uint32_t rank, const struct dvmi_am_msg *m, bool exempt)
{
	struct dvmi_tport *t = dvmi_p2p_peer(&d->p2p, rank)->tport;
	struct dvmi_pkt pkt = {
		.kind = DVMI_PKT_ACTIVE,
		.ctx = m->ctx,
		.tag = dvmi_wire_am_tag(m->id, m->head_len, exempt),
		.len = m->head_len + m->len,
	};

	if (m->head_len && m->len)
		return send_gathered(d, t, rank, &pkt, m);
	return t->ops->send(t, rank, &pkt, m->head_len ? m->head : m->payload);
}

/* What ends all with RANK in CTX, or 0. */
static int dead(dvm_t *d, uint32_t rank, uint32_t ctx)
{
	int code = d->p2p.peers[rank].down;

	return __builtin_expect(code, 0) ? code : dvmi_p2p_revoked(&d->p2p, ctx);
}

static bool has_credit(dvm_t *d, const struct dvmi_am_peer *p, uint64_t cost)
{
	return p->unread + cost <= DVM_AM_CREDIT || p->rank == d->p2p.self;
}

/* A message to ourselves runs its handler at once, which must not happen inside another. */
static bool would_nest(dvm_t *d, uint32_t rank)
{
	return rank == d->p2p.self && dvmi_am_inside(&d->am);
}

/* Tries to send; the queue is the caller's concern. */
static inline int try(dvm_t *d, struct dvmi_am_peer *p, const struct dvmi_am_msg *m, bool exempt)
{
	int rc = dead(d, p->rank, m->ctx);

	if (rc < 0)
		return rc;
	if (would_nest(d, p->rank) || (!exempt && !has_credit(d, p, cost_of(m))))
		return -EAGAIN;
	/* Before: to ourselves it is acknowledged before send returns. */
	if (!exempt)
		p->unread += cost_of(m);
	rc = put(d, p->rank, m, exempt);
	if (rc < 0 && !exempt)
		p->unread -= cost_of(m);
	return rc;
}

int dvmi_am_send_now(dvm_t *d, uint32_t rank, const struct dvmi_am_msg *m)
{
	struct dvmi_am_peer *p = dvmi_am_peer(d, rank);

	if (__builtin_expect(!p, 0))
		return -ENOMEM;
	return p->head ? -EAGAIN : try(d, p, m, false);
}

int dvmi_am_queue(dvm_t *d, uint32_t rank, struct dvmi_am_out *out)
{
	struct dvmi_am_peer *p = dvmi_am_peer(d, rank);
	int rc = p ? dead(d, rank, out->m.ctx) : -ENOMEM;

	if (rc < 0)
		return rc;
	out->done = false;
	out->code = 0;
	out->next = NULL;
	*p->tail = out;
	p->tail = &out->next;
	p->answers += out->exempt;
	set_busy(d, p);
	return 0;
}

static struct dvmi_am_out *copy_of(const struct dvmi_am_msg *m)
{
	struct dvmi_am_out *out = malloc(sizeof *out + m->head_len + m->len);

	if (!out)
		return NULL;
	uint8_t *bytes = (uint8_t *)(out + 1);
	*out = (struct dvmi_am_out){ .m = *m, .exempt = true };
	if (m->head_len)
		memcpy(bytes, m->head, m->head_len);
	if (m->len)
		memcpy(bytes + m->head_len, m->payload, m->len);
	out->m.head = bytes;
	out->m.payload = bytes + m->head_len;
	return out;
}

int dvmi_am_answer(dvm_t *d, uint32_t rank, const struct dvmi_am_msg *m)
{
	struct dvmi_am_peer *p = dvmi_am_peer(d, rank);

	if (!p)
		return -ENOMEM;
	int rc = p->head ? -EAGAIN : try(d, p, m, true);
	if (rc != -EAGAIN)
		return rc;
	struct dvmi_am_out *out = copy_of(m);
	rc = out ? dvmi_am_queue(d, rank, out) : -ENOMEM;
	if (rc < 0)
		free(out);
	else
		d->am.queued += cost_of(m);
	return rc;
}

static void finish(dvm_t *d, struct dvmi_am_out *out, int code)
{
	if (out->exempt) {
		d->am.queued -= cost_of(&out->m);
		free(out);
		return;
	}
	out->done = true;
	out->code = code;
	if (out->task)
		dvmi_task_end(out->task, code);
}

void dvmi_am_unqueue(dvm_t *d, uint32_t rank, struct dvmi_am_out *out)
{
	struct dvmi_am_peer *p = d->am.peers[rank];

	for (struct dvmi_am_out **pp = &p->head; *pp; pp = &(*pp)->next) {
		if (*pp != out)
			continue;
		*pp = out->next;
		if (!*pp)
			p->tail = pp;
		return;
	}
}

int dvmi_am_send_wait(dvm_t *d, uint32_t rank, const struct dvmi_am_msg *m)
{
	int rc = dvmi_am_send_now(d, rank, m);

	if (__builtin_expect(rc != -EAGAIN, 1))
		return rc;
	struct dvmi_am_out out = { .m = *m };
	struct dvmi_wait w = { 0 };
	rc = dvmi_am_queue(d, rank, &out);
	if (rc < 0)
		return rc;
	while (!out.done)
		dvmi_wait_round(d, &w);
	return out.code;
}

static struct dvmi_am_out *pop(struct dvmi_am_peer *p)
{
	struct dvmi_am_out *out = p->head;

	p->head = out->next;
	if (!p->head)
		p->tail = &p->head;
	p->answers -= out->exempt;
	return out;
}

/*
 * Not more than wait now: a handler of ours may queue the next one. What is in front of an answer
 * goes without credit, too, or two ranks could wait for each other's.
 */
static int flush_queue(dvm_t *d, struct dvmi_am_peer *p)
{
	struct dvmi_am_out **end = p->tail;
	int n = 0;

	for (bool last = false; p->head && !last; n++) {
		struct dvmi_am_out *out = p->head;
		last = &out->next == end;
		int rc = try(d, p, &out->m, p->answers > 0);
		if (rc == -EAGAIN)
			break;
		pop(p);
		finish(d, out, rc);
	}
	return n;
}

/* Credit is held back while our own answers pile up: who asks has to take them in first. */
static bool owes_credit(dvm_t *d, const struct dvmi_am_peer *p)
{
	return p->due >= DVM_AM_CREDIT / 2 && d->am.queued <= DVMI_AM_QUEUED &&
	       !d->p2p.peers[p->rank].down;
}

static int flush_credit(dvm_t *d, struct dvmi_am_peer *p)
{
	struct dvmi_tport *t = dvmi_p2p_peer(&d->p2p, p->rank)->tport;
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_ACTIVE_CREDIT };
	uint64_t due = p->due;

	if (!owes_credit(d, p))
		return 0;
	dvmi_pkt_set64(&pkt, due);
	p->due = 0;
	if (t->ops->send(t, p->rank, &pkt, NULL) == 0)
		return 1;
	p->due += due;
	return 0;
}

void dvmi_am_acknowledge(dvm_t *d, uint32_t src, uint64_t cost)
{
	struct dvmi_am_peer *p = d->am.peers[src];

	if (src == d->p2p.self) {
		p->unread -= cost;
		return;
	}
	p->due += cost;
	if (__builtin_expect(p->due >= DVM_AM_CREDIT / 2, 0))
		set_busy(d, p);
}

int dvmi_am_flush(dvm_t *d)
{
	struct dvmi_am_peer *list = d->am.busy, *p;
	int n = 0;

	d->am.busy = NULL;
	while ((p = list)) {
		list = p->next_busy;
		p->busy = false;
		n += flush_queue(d, p);
		n += flush_credit(d, p);
		if (p->head || (p->due >= DVM_AM_CREDIT / 2 && !d->p2p.peers[p->rank].down))
			set_busy(d, p);
	}
	return n;
}

void dvmi_am_down(dvm_t *d, uint32_t rank, int code)
{
	struct dvmi_am_peer *p = d->am.peers ? d->am.peers[rank] : NULL;

	while (p && p->head)
		finish(d, pop(p), code);
}

static void free_peer(struct dvmi_am_peer *p)
{
	if (!p)
		return;
	while (p->head) {
		struct dvmi_am_out *out = pop(p);
		if (out->exempt)
			free(out);
	}
	free(p);
}

void dvmi_am_init(struct dvmi_am *a)
{
	a->kept = NULL;
	a->kept_tail = &a->kept;
}

void dvmi_am_fini(dvm_t *d)
{
	struct dvmi_am *a = &d->am;

	for (struct dvmi_am_kept *k = a->kept, *next; k; k = next) {
		next = k->next;
		free(k);
	}
	dvmi_am_init(a);
	while (a->sets)
		dvmi_am_forget(d, a->sets->ctx - DVMI_CTX_ACTIVE);
	for (uint32_t i = 0; a->peers && i < d->p2p.size + d->p2p.nfar; i++)
		free_peer(a->peers[i]);
	free(a->peers);
	free(a->scratch);
}
