/* SPDX-License-Identifier: BSD-3-Clause */
/* Active messages that come in: to their handlers, or kept until there is one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/net/wire.h"
#include "libdvm/src/handle.h"
#include "libdvm/src/request.h"
#include "libdvm/src/rma_hook.h"

#define HELD_MAX (2 * (uint64_t)DVM_AM_CREDIT) /* per peer; answers are exempt from credit */

static struct dvmi_am_set *find_set(struct dvmi_am *a, uint32_t ctx)
{
	if (__builtin_expect(a->last && a->last->ctx == ctx, 1))
		return a->last;
	for (struct dvmi_am_set *s = a->sets; s; s = s->next)
		if (s->ctx == ctx)
			return a->last = s;
	return NULL;
}

static const struct dvmi_am_slot *find_slot(const struct dvmi_am_set *s, uint32_t id)
{
	return s && id < s->n && s->slots[id].fn ? &s->slots[id] : NULL;
}

struct incoming {
	uint32_t src, ctx, id, head_len, len;
	const uint8_t *bytes; /* head and payload */
};

static void run(dvm_t *d, const struct dvmi_am_set *s, const struct dvmi_am_slot *slot,
		const struct incoming *in)
{
	int64_t source = dvmi_rankmap_rank(&s->g->dests, in->src);
	const void *head = in->head_len ? in->bytes : NULL;
	const void *payload = in->len ? in->bytes + in->head_len : NULL;

	if (source < 0) {
		d->am.dropped++;
		return;
	}
	atomic_store_explicit(&d->am.handling, (uintptr_t)pthread_self(), memory_order_relaxed);
	slot->fn(s->g, (int)source, head, in->head_len, payload, in->len, slot->arg);
	atomic_store_explicit(&d->am.handling, 0, memory_order_relaxed);
}

/* True when IN has met its handler. */
static bool handle(dvm_t *d, const struct incoming *in)
{
	if (in->ctx % DVMI_CTX_EACH == DVMI_CTX_RMA) {
		dvmi_rma_packet(d, in->src, in->ctx, in->id, in->bytes, in->head_len, in->len);
		return true;
	}
	const struct dvmi_am_set *s = find_set(&d->am, in->ctx);
	const struct dvmi_am_slot *slot = find_slot(s, in->id);

	if (!slot)
		return false;
	run(d, s, slot, in);
	return true;
}

static uint64_t cost_of(const struct incoming *in)
{
	return (uint64_t)in->head_len + in->len + DVMI_AM_OVERHEAD;
}

/* A sender keeps to its credit; one that does not would take all our memory. */
static int keep(dvm_t *d, struct dvmi_am_peer *p, const struct incoming *in, bool exempt)
{
	size_t n = (size_t)in->head_len + in->len;

	if (p->held + cost_of(in) > HELD_MAX && in->src != d->p2p.self) {
		d->am.dropped++;
		dvmi_p2p_down(&d->p2p, in->src, -DVM_EPROTO);
		return 0;
	}
	struct dvmi_am_kept *k = malloc(sizeof *k + n);
	if (!k)
		return -EAGAIN;
	*k = (struct dvmi_am_kept){
		.src = in->src,
		.ctx = in->ctx,
		.id = in->id,
		.head_len = in->head_len,
		.len = in->len,
		.exempt = exempt,
	};
	if (n)
		memcpy(k->bytes, in->bytes, n);
	*d->am.kept_tail = k;
	d->am.kept_tail = &k->next;
	p->held += cost_of(in);
	return 0;
}

static int on_active(dvm_t *d, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	struct incoming in = { .src = src, .ctx = pkt->ctx, .bytes = payload };
	struct dvmi_am_peer *p = dvmi_am_peer(d, src);
	bool exempt;

	if (!p)
		return -EAGAIN;
	if (dvmi_wire_am_get(pkt, &in.id, &in.head_len, &exempt) < 0 ||
	    pkt->len - in.head_len > DVM_AM_MAX) {
		d->am.dropped++;
		return 0;
	}
	in.len = pkt->len - in.head_len;
	if (!handle(d, &in) && !dvmi_p2p_revoked(&d->p2p, in.ctx))
		return keep(d, p, &in, exempt);
	if (!exempt)
		dvmi_am_acknowledge(d, src, cost_of(&in));
	return 0;
}

static int on_credit(dvm_t *d, uint32_t src, const struct dvmi_pkt *pkt)
{
	struct dvmi_am_peer *p = d->am.peers ? d->am.peers[src] : NULL;
	uint64_t n = dvmi_pkt_get64(pkt);

	if (p)
		p->unread -= n < p->unread ? n : p->unread;
	return 0;
}

int dvmi_am_packet(dvm_t *d, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	if (__builtin_expect(pkt->kind == DVMI_PKT_ACTIVE, 1))
		return on_active(d, src, pkt, payload);
	if (pkt->kind == DVMI_PKT_ACTIVE_CREDIT)
		return on_credit(d, src, pkt);
	d->am.dropped++;
	return 0;
}

/* A kept message is dealt with. */
static void release(dvm_t *d, struct dvmi_am_kept *k)
{
	uint64_t cost = (uint64_t)k->head_len + k->len + DVMI_AM_OVERHEAD;

	d->am.peers[k->src]->held -= cost;
	if (!k->exempt)
		dvmi_am_acknowledge(d, k->src, cost);
	free(k);
}

static bool concerns(const struct dvmi_am_kept *k, uint32_t ctx, int id)
{
	return k->ctx == ctx && (id < 0 || k->id == (uint32_t)id);
}

static void put_back(struct dvmi_am *a, struct dvmi_am_kept *k)
{
	k->next = NULL;
	*a->kept_tail = k;
	a->kept_tail = &k->next;
}

/*
 * Takes the kept messages apart from the list, since a handler that sends to this very rank may
 * add to it. TAKE says whether one is dealt with.
 */
static void each_kept(dvm_t *d, uint32_t ctx, int id,
		      bool (*take)(dvm_t *d, const struct dvmi_am_kept *k))
{
	struct dvmi_am_kept *k = d->am.kept, *next;

	d->am.kept = NULL;
	d->am.kept_tail = &d->am.kept;
	for (; k; k = next) {
		next = k->next;
		if (concerns(k, ctx, id) && take(d, k))
			release(d, k);
		else
			put_back(&d->am, k);
	}
}

static bool take_handled(dvm_t *d, const struct dvmi_am_kept *k)
{
	struct incoming in = {
		.src = k->src,
		.ctx = k->ctx,
		.id = k->id,
		.head_len = k->head_len,
		.len = k->len,
		.bytes = k->bytes,
	};

	return handle(d, &in);
}

static bool take_any(dvm_t *d, const struct dvmi_am_kept *k)
{
	(void)d;
	(void)k;
	return true;
}

void dvmi_am_offer(dvm_t *d, uint32_t ctx, int id)
{
	if (d->am.kept)
		each_kept(d, ctx, id, take_handled);
}

static void free_set(struct dvmi_am *a, uint32_t ctx)
{
	for (struct dvmi_am_set **sp = &a->sets, *s; (s = *sp); sp = &s->next) {
		if (s->ctx != ctx)
			continue;
		*sp = s->next;
		free(s->slots);
		free(s);
		a->last = NULL;
		return;
	}
}

void dvmi_am_forget(dvm_t *d, uint32_t ctx)
{
	free_set(&d->am, ctx + DVMI_CTX_ACTIVE);
	for (uint32_t i = DVMI_CTX_RMA; i <= DVMI_CTX_ACTIVE; i++)
		if (d->am.kept)
			each_kept(d, ctx + i, -1, take_any);
}

static struct dvmi_am_set *make_set(dvm_t *d, dvm_group_t *g)
{
	struct dvmi_am_set *s = find_set(&d->am, g->ctx + DVMI_CTX_ACTIVE);

	if (s)
		return s;
	s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->g = g;
	s->ctx = g->ctx + DVMI_CTX_ACTIVE;
	s->next = d->am.sets;
	return d->am.sets = s;
}

static int make_slot(struct dvmi_am_set *s, uint32_t id)
{
	if (id < s->n)
		return 0;
	uint32_t n = (id / 32 + 1) * 32;
	struct dvmi_am_slot *slots = realloc(s->slots, n * sizeof *slots);
	if (!slots)
		return -ENOMEM;
	memset(slots + s->n, 0, (n - s->n) * sizeof *slots);
	s->slots = slots;
	s->n = n;
	return 0;
}

int dvm_am_register(dvm_group_t *g, int id, dvm_am_fn *fn, void *arg)
{
	if (!g || id < 0 || id >= DVM_AM_IDS)
		return -EINVAL;
	dvm_t *d = g->d;
	if (dvmi_am_inside(&d->am))
		return -EBUSY;
	dvmi_enter(d);
	struct dvmi_am_set *s = make_set(d, g);
	int rc = s ? make_slot(s, (uint32_t)id) : -ENOMEM;
	if (rc == 0) {
		s->slots[id] = (struct dvmi_am_slot){ .fn = fn, .arg = arg };
		dvmi_am_offer(d, s->ctx, id);
	}
	dvmi_leave(d);
	return rc;
}
