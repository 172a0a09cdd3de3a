/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Long messages from memory to memory, without a copy in between.
 *
 * The sender OFFERs the address of its buffer and a slot (net/split.h). The receiver, when it has
 * matched the message, reads chunks of it, and if there is more than one, lets the sender JOIN and
 * write some. When all are there it says DONE. Whatever goes wrong with the copying itself, the
 * receiver asks for the message as a stream, as if nothing had been offered.
 *
 * The receiver's buffer is given back only after the sender has stopped writing (stop); the
 * sender's at once, since the receiver sees the slot withdrawn and does not take what it has read.
 */
#include <errno.h>
#include <sched.h>

#include "dvm/error.h"
#include "libdvm/net/split.h"
#include "libdvm/net/wire.h"
#include "libdvm/src/p2p_private.h"

#define SLOT_BITS     16
#define FAILURES_MAX  8	    /* copies that failed, then no more are tried with the peer */
#define SETTLE_ROUNDS 20000 /* yields for a chunk that is being written */

static const uint64_t class_bounds[DVMI_COPIER_CLASSES - 1] = { 128 * 1024, 1024 * 1024 };

static struct dvmi_copier *copier_of(struct dvmi_peer *peer)
{
	if (!peer->copier) {
		peer->copier = calloc(1, sizeof *peer->copier);
		if (peer->copier)
			peer->copier->queue.tail = &peer->copier->queue.head;
	}
	return peer->copier;
}

static uint32_t slot_of(const struct dvmi_op *op)
{
	return op->slot & ((1u << SLOT_BITS) - 1);
}

static uint16_t gen_of(const struct dvmi_op *op)
{
	return (uint16_t)(op->slot >> SLOT_BITS);
}

static struct dvmi_split *split_of(struct dvmi_p2p *p, const struct dvmi_op *op)
{
	struct dvmi_tport *t = p->peers[op->peer].tport;

	return t->ops->split(t, op->peer, op->kind == DVMI_OP_SEND, slot_of(op));
}

static bool may_copy(struct dvmi_p2p *p, struct dvmi_peer *peer, uint32_t rank)
{
	struct dvmi_tport *t = peer->tport;

	return t->ops->reaches && p->way != DVMI_P2P_STREAM && t->ops->reaches(t, rank) &&
	       copier_of(peer) && peer->copier->failures < FAILURES_MAX;
}

void dvmi_copy_offer(struct dvmi_p2p *p, struct dvmi_op *op)
{
	struct dvmi_peer *peer = &p->peers[op->peer];

	if (op->cur)
		return;
	if (!may_copy(p, peer, op->peer)) {
		peer->eager_max = peer->tport->eager_max;
		return;
	}
	if (peer->copier->used == UINT64_MAX)
		return;
	uint32_t slot = (uint32_t)__builtin_ctzll(~peer->copier->used);
	struct dvmi_split *s = peer->tport->ops->split(peer->tport, op->peer, true, slot);
	if (!s)
		return;
	op->slot = slot | (uint32_t)peer->copier->gen[slot] << SLOT_BITS;
	op->offered = true;
	peer->copier->used |= UINT64_C(1) << slot;
	dvmi_split_offer(s, gen_of(op));
}

void dvmi_copy_withdraw(struct dvmi_p2p *p, struct dvmi_op *op)
{
	struct dvmi_copier *c = p->peers[op->peer].copier;

	dvmi_split_withdraw(split_of(p, op), gen_of(op));
	c->gen[slot_of(op)]++;
	c->used &= ~(UINT64_C(1) << slot_of(op));
	op->offered = false;
}

static struct dvmi_pace *pace_of(struct dvmi_copier *c, uint64_t len)
{
	uint32_t i = 0;

	while (i < DVMI_COPIER_CLASSES - 1 && len > class_bounds[i])
		i++;
	return &c->pace[i];
}

void dvmi_copy_choose(struct dvmi_p2p *p, struct dvmi_op *op, uint64_t remote, uint32_t slot)
{
	struct dvmi_peer *peer = &p->peers[op->peer];

	op->way = DVMI_WAY_STREAM;
	op->remote = remote;
	op->slot = slot;
	op->since = 0;
	op->turned = false;
	if (!op->want || op->cur || !peer->tport->ops->reaches)
		return;
	bool copy = remote && remote + op->want >= remote && may_copy(p, peer, op->peer) &&
		    split_of(p, op);
	/* One read is never slower than what a stream begins with. */
	if (copy && !dvmi_copy_needs_join(op)) {
		op->way = DVMI_WAY_COPY;
		return;
	}
	op->since = p->clock ? p->clock() : 0;
	if (!copy)
		return;
	op->way = DVMI_WAY_COPY;
	if (p->clock && p->way == DVMI_P2P_FASTEST)
		op->way = dvmi_pace_choose(pace_of(peer->copier, op->want));
	/* With messages the other way, too, the sender has its own to read. */
	op->turned = peer->copier->used && !peer->copier->turn;
	peer->copier->turn = op->turned;
	atomic_store_explicit(&split_of(p, op)->turned, op->turned, memory_order_relaxed);
}

/*
 * A message of OP's peer has come: how long it took counts from when the one before it had. What
 * overlaps with one that went the other way says nothing.
 */
void dvmi_copy_measure(struct dvmi_p2p *p, struct dvmi_op *op)
{
	struct dvmi_copier *c = p->peers[op->peer].copier;

	if (!c || !p->clock || !op->since)
		return;
	bool alone = op->since >= c->last, alike = op->way == c->last_way;
	uint64_t now = p->clock(), from = alone ? op->since : c->last;
	c->last = now;
	c->last_way = op->way;
	if (alone || alike)
		dvmi_pace_sample(pace_of(c, op->want), op->way, op->want, now - from);
}

bool dvmi_copy_needs_join(const struct dvmi_op *op)
{
	return dvmi_split_chunks(op->want) > 1;
}

void dvmi_copy_start(struct dvmi_p2p *p, struct dvmi_op *op, enum dvmi_op_stage stage)
{
	struct dvmi_peer *peer = &p->peers[op->peer];

	op->stage = stage;
	if (stage == DVMI_OP_PULL)
		p->pulling++;
	dvmi_opq_push(&peer->copier->queue, op);
	dvmi_p2p_set_busy(p, peer);
}

/* Out of the queue of copies. */
static void leave(struct dvmi_p2p *p, struct dvmi_op *op)
{
	dvmi_opq_remove(&p->peers[op->peer].copier->queue, op);
	if (op->stage == DVMI_OP_PULL)
		p->pulling--;
}

/*
 * Nobody writes into OP's buffer any more when this returns; or the sender's process has been
 * standing still for so long, between two of its instructions, that it is taken for dead.
 */
static void settle(struct dvmi_split *s, uint16_t gen, uint32_t n)
{
	dvmi_split_close(s, gen, n);
	for (int i = 0; i < SETTLE_ROUNDS; i++) {
		if (dvmi_split_state(s, gen, n) != DVMI_SPLIT_WAITING)
			return;
		sched_yield();
	}
}

void dvmi_copy_stop(struct dvmi_p2p *p, struct dvmi_op *op)
{
	if (op->stage == DVMI_OP_PULL)
		settle(split_of(p, op), gen_of(op), dvmi_split_chunks(op->want));
	if (op->stage == DVMI_OP_PULL || op->stage == DVMI_OP_PUSH)
		leave(p, op);
}

/* It does not work this way. */
static void ask_for_stream(struct dvmi_p2p *p, struct dvmi_op *op)
{
	struct dvmi_peer *peer = &p->peers[op->peer];

	dvmi_copy_stop(p, op);
	peer->copier->failures++;
	op->way = DVMI_WAY_STREAM;
	op->since = 0;
	op->stage = DVMI_OP_CTS;
	dvmi_p2p_submit(p, peer, op);
}

/* The sender has given up its send; what that means we are told otherwise. */
static void withdrawn(struct dvmi_p2p *p, struct dvmi_op *op)
{
	leave(p, op);
	op->stage = DVMI_OP_INCOMING;
}

static void complete(struct dvmi_p2p *p, struct dvmi_op *op)
{
	leave(p, op);
	p->stats.copied++;
	dvmi_copy_measure(p, op);
	op->stage = DVMI_OP_ACK;
	dvmi_p2p_submit(p, &p->peers[op->peer], op);
}

/* What follows from how the copy stands: 1 when that was something. */
static int conclude(struct dvmi_p2p *p, struct dvmi_op *op, enum dvmi_split_state state)
{
	switch (state) {
	case DVMI_SPLIT_COMPLETE:
		complete(p, op);
		return 1;
	case DVMI_SPLIT_BROKEN:
		ask_for_stream(p, op);
		return 1;
	case DVMI_SPLIT_WITHDRAWN:
		withdrawn(p, op);
		return 1;
	default:
		return 0;
	}
}

static int pull_some(struct dvmi_p2p *p, struct dvmi_op *op)
{
	struct dvmi_tport *t = p->peers[op->peer].tport;
	struct dvmi_split *s = split_of(p, op);
	uint32_t n = dvmi_split_chunks(op->want);
	int64_t k = dvmi_split_front(s, gen_of(op), n);

	if (k < 0)
		return conclude(p, op, dvmi_split_state(s, gen_of(op), n));
	uint64_t len, off = dvmi_split_at(op->want, (uint64_t)k, op->turned, &len);
	if (t->ops->pull(t, op->peer, op->buf + off, op->remote + off, len) < 0)
		ask_for_stream(p, op);
	else
		conclude(p, op, dvmi_split_state(s, gen_of(op), n));
	return 1;
}

static int push_some(struct dvmi_p2p *p, struct dvmi_op *op)
{
	struct dvmi_tport *t = p->peers[op->peer].tport;
	struct dvmi_split *s = split_of(p, op);
	int64_t k = dvmi_split_back(s, gen_of(op), dvmi_split_chunks(op->want));

	if (k >= 0) {
		uint64_t len, off = dvmi_split_at(op->want, (uint64_t)k, op->turned, &len);
		int rc = t->ops->push(t, op->peer, op->remote + off, op->buf + off, len);
		dvmi_split_pushed(s, rc == 0);
		if (rc == 0)
			return 1;
		p->peers[op->peer].copier->failures++;
	}
	leave(p, op);
	op->stage = DVMI_OP_PUSHED;
	return 1;
}

/*
 * A chunk is long enough for one turn. Our own messages come first: when both sides have some, each
 * is best at writing where its own cache will be needed.
 */
int dvmi_copy_turn(struct dvmi_p2p *p, struct dvmi_peer *peer)
{
	struct dvmi_op *op, *next;

	for (op = peer->copier->queue.head; op; op = next) {
		next = op->next;
		if (op->stage == DVMI_OP_PULL && pull_some(p, op))
			return 1;
	}
	for (op = peer->copier->queue.head; op; op = next) {
		next = op->next;
		if (op->stage == DVMI_OP_PUSH && push_some(p, op))
			return 1;
	}
	return 0;
}

int dvmi_copy_send_done(struct dvmi_p2p *p, struct dvmi_op *op)
{
	struct dvmi_peer *peer = &p->peers[op->peer];
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_DONE };

	dvmi_pkt_set64(&pkt, op->peer_id);
	int rc = peer->tport->ops->send(peer->tport, op->peer, &pkt, NULL);
	if (rc == 0)
		dvmi_p2p_finish(p, op, dvmi_op_received(op));
	return rc;
}

void dvmi_copy_on_join(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt,
		       const void *payload)
{
	struct dvmi_wire_join w;
	struct dvmi_op *op = NULL;

	if (dvmi_wire_get_join(payload, pkt->len, &w) == 0)
		op = dvmi_optab_get(&p->ops, w.sender);
	if (!op || op->stage != DVMI_OP_ANNOUNCED || op->peer != src || !op->offered || !w.want ||
	    w.want > op->len || w.addr + w.want < w.addr) {
		p->stats.dropped++;
		return;
	}
	op->want = w.want;
	op->remote = w.addr;
	op->turned = atomic_load_explicit(&split_of(p, op)->turned, memory_order_relaxed) != 0;
	dvmi_copy_start(p, op, DVMI_OP_PUSH);
}

static bool can_be_done(const struct dvmi_op *op)
{
	return op->kind == DVMI_OP_SEND && op->offered &&
	       (op->stage == DVMI_OP_ANNOUNCED || op->stage == DVMI_OP_PUSH ||
		op->stage == DVMI_OP_PUSHED);
}

void dvmi_copy_on_done(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt)
{
	struct dvmi_op *op = dvmi_optab_get(&p->ops, dvmi_pkt_get64(pkt));

	if (!op || op->peer != src || !can_be_done(op)) {
		p->stats.dropped++;
		return;
	}
	dvmi_copy_stop(p, op);
	dvmi_p2p_finish(p, op, 0);
}
