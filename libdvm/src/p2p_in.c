/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that come in. Each handler returns 0, or -EAGAIN for the transport to offer it again. */
#include <errno.h>

#include "dvm/error.h"
#include "libdvm/net/wire.h"
#include "libdvm/src/p2p_private.h"

static int keep(struct dvmi_p2p *p, const struct dvmi_arrival *a)
{
	size_t n = a->bytes ? a->len : 0;
	struct dvmi_unexpected *u = malloc(sizeof *u + n);

	if (!u)
		return -EAGAIN;
	u->msg.key = a->key;
	u->len = a->len;
	u->rts = a->rts;
	u->here = a->bytes;
	u->remote = a->remote;
	u->slot = a->slot;
	u->lost = 0;
	if (n)
		memcpy(u->bytes, a->bytes, n);
	dvmi_match_keep(&p->match, &u->msg);
	p->stats.unexpected++;
	return 0;
}

/* A sender keeps to its credit; one that does not would take all our memory. */
static int keep_eager(struct dvmi_p2p *p, const struct dvmi_arrival *a)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, (uint32_t)a->key.source);
	uint64_t cost = a->len + DVMI_P2P_OVERHEAD;

	if (peer->held + cost > peer->credit && a->key.source != (int32_t)p->self) {
		p->stats.dropped++;
		dvmi_p2p_down(p, (uint32_t)a->key.source, -DVM_EPROTO);
		return 0;
	}
	int rc = keep(p, a);
	if (rc == 0)
		peer->held += cost;
	return rc;
}

static void taken(struct dvmi_p2p *p, uint32_t src, uint64_t len)
{
	dvmi_p2p_acknowledge(p, dvmi_p2p_peer(p, src), len + DVMI_P2P_OVERHEAD);
}

/* A message with all its bytes that no receive has met. */
static int unmatched(struct dvmi_p2p *p, const struct dvmi_arrival *a)
{
	if (!dvmi_p2p_revoked(p, a->key.ctx))
		return keep_eager(p, a);
	taken(p, (uint32_t)a->key.source, a->len);
	return 0;
}

int dvmi_p2p_on_bytes(struct dvmi_p2p *p, const struct dvmi_arrival *a)
{
	struct dvmi_match_recv *r = dvmi_match_arrive(&p->match, &a->key);
	uint32_t src = (uint32_t)a->key.source;

	if (!r)
		return unmatched(p, a);
	dvmi_op_meet(dvmi_op_of(r), src, a->key.tag, a->len);
	if (a->rts)
		dvmi_p2p_take_sync(p, dvmi_op_of(r), a->bytes, a->rts);
	else
		dvmi_p2p_take_eager(p, dvmi_op_of(r), a->bytes);
	taken(p, src, a->len);
	return 0;
}

static struct dvmi_match_key key_of(uint32_t src, const struct dvmi_pkt *pkt)
{
	return dvmi_match_key(pkt->ctx, (int32_t)src, pkt->tag);
}

static int on_eager(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt,
		    const void *payload)
{
	static const uint8_t none[1];
	struct dvmi_match_key key = key_of(src, pkt);
	struct dvmi_match_recv *r = dvmi_match_arrive(&p->match, &key);

	if (!r) {
		struct dvmi_arrival a = { .key = key,
					  .len = pkt->len,
					  .bytes = pkt->len ? payload : none };
		return unmatched(p, &a);
	}
	dvmi_op_meet(dvmi_op_of(r), src, pkt->tag, pkt->len);
	dvmi_p2p_take_eager(p, dvmi_op_of(r), payload);
	taken(p, src, pkt->len);
	return 0;
}

static int on_sync(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt,
		   const void *payload)
{
	const uint32_t head = sizeof(struct dvmi_wire_rts);
	struct dvmi_arrival a = { .key = key_of(src, pkt),
				  .bytes = (const uint8_t *)payload + head };

	if (pkt->len < head || dvmi_wire_get_rts(payload, head, &a.len, &a.rts) < 0 ||
	    a.len != pkt->len - head) {
		p->stats.dropped++;
		return 0;
	}
	return dvmi_p2p_on_bytes(p, &a);
}

static int announced(struct dvmi_p2p *p, const struct dvmi_arrival *a)
{
	struct dvmi_match_recv *r = dvmi_match_arrive(&p->match, &a->key);

	if (r) {
		dvmi_op_meet(dvmi_op_of(r), (uint32_t)a->key.source, a->key.tag, a->len);
		dvmi_p2p_ask(p, dvmi_op_of(r), a);
		return 0;
	}
	return dvmi_p2p_revoked(p, a->key.ctx) ? 0 : keep(p, a);
}

static int on_rts(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	struct dvmi_arrival a = { .key = key_of(src, pkt) };

	if (dvmi_wire_get_rts(payload, pkt->len, &a.len, &a.rts) < 0) {
		p->stats.dropped++;
		return 0;
	}
	return announced(p, &a);
}

static int on_offer(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt,
		    const void *payload)
{
	struct dvmi_wire_offer w;

	if (dvmi_wire_get_offer(payload, pkt->len, &w) < 0) {
		p->stats.dropped++;
		return 0;
	}
	struct dvmi_arrival a = {
		.key = key_of(src, pkt), .len = w.len, .rts = w.id, .remote = w.addr, .slot = w.slot
	};
	return announced(p, &a);
}

/* What was offered may turn out to be needed as a stream after all. */
static bool can_stream(const struct dvmi_op *op)
{
	return op->kind == DVMI_OP_SEND &&
	       (op->stage == DVMI_OP_ANNOUNCED || op->stage == DVMI_OP_PUSH ||
		op->stage == DVMI_OP_PUSHED);
}

static int on_cts(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	uint64_t sender, receiver, want;
	struct dvmi_op *op = NULL;

	if (dvmi_wire_get_cts(payload, pkt->len, &sender, &receiver, &want) == 0)
		op = dvmi_optab_get(&p->ops, sender);
	if (!op || !can_stream(op) || op->peer != src || want > op->len) {
		p->stats.dropped++;
		return 0;
	}
	dvmi_copy_stop(p, op);
	if (op->offered)
		dvmi_copy_withdraw(p, op);
	op->peer_id = receiver;
	op->want = want;
	if (!want) {
		dvmi_p2p_finish(p, op, 0);
		return 0;
	}
	struct dvmi_peer *peer = dvmi_p2p_peer(p, src);
	op->stage = DVMI_OP_STREAM;
	dvmi_opq_push(&peer->streams, op);
	dvmi_p2p_set_busy(p, peer);
	return 0;
}

/* The receive that PKT of SRC is for, if it is one. */
static struct dvmi_op *receives(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt)
{
	struct dvmi_op *op = dvmi_optab_get(&p->ops, dvmi_pkt_get64(pkt));

	return op && op->stage == DVMI_OP_INCOMING && op->peer == src ? op : NULL;
}

static int on_data(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt,
		   const void *payload)
{
	struct dvmi_op *op = receives(p, src, pkt);

	if (!op || !pkt->len || pkt->len > op->want - op->moved) {
		p->stats.dropped++;
		return 0;
	}
	/* A transport that asked for the place has brought them there itself. */
	if (op->cur || payload != op->buf + op->moved)
		dvmi_op_put(op, op->moved, payload, pkt->len);
	op->moved += pkt->len;
	if (op->moved == op->want) {
		dvmi_copy_measure(p, op);
		dvmi_p2p_finish(p, op, dvmi_op_received(op));
	}
	return 0;
}

static void *on_place(void *arg, uint32_t src, const struct dvmi_pkt *pkt, size_t *n)
{
	struct dvmi_op *op = receives(arg, src, pkt);

	if (!op || op->cur || pkt->len > op->want - op->moved)
		return NULL;
	*n = pkt->len;
	return op->buf + op->moved;
}

static int on_credit(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, src);
	uint64_t n = dvmi_pkt_get64(pkt);

	peer->unread -= n < peer->unread ? n : peer->unread;
	return 0;
}

static int on_packet(void *arg, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	struct dvmi_p2p *p = arg;

	if (__builtin_expect(pkt->kind == DVMI_PKT_EAGER, 1))
		return on_eager(p, src, pkt, payload);
	switch (pkt->kind) {
	case DVMI_PKT_SYNC:
		return on_sync(p, src, pkt, payload);
	case DVMI_PKT_RTS:
		return on_rts(p, src, pkt, payload);
	case DVMI_PKT_CTS:
		return on_cts(p, src, pkt, payload);
	case DVMI_PKT_DATA:
		return on_data(p, src, pkt, payload);
	case DVMI_PKT_OFFER:
		return on_offer(p, src, pkt, payload);
	case DVMI_PKT_JOIN:
		dvmi_copy_on_join(p, src, pkt, payload);
		return 0;
	case DVMI_PKT_DONE:
		dvmi_copy_on_done(p, src, pkt);
		return 0;
	case DVMI_PKT_CREDIT:
		return on_credit(p, src, pkt);
	case DVMI_PKT_REVOKE:
		dvmi_p2p_spread(p, src, pkt->ctx, pkt->tag < 0 ? pkt->tag : -DVM_EPROTO);
		return 0;
	default:
		if (p->owner.packet)
			return p->owner.packet(p->arg, src, pkt, payload);
		p->stats.dropped++;
		return 0;
	}
}

static void on_down(void *arg, uint32_t peer, int code)
{
	dvmi_p2p_down(arg, peer, code);
}

struct dvmi_sink dvmi_p2p_sink(struct dvmi_p2p *p)
{
	return (struct dvmi_sink){
		.packet = on_packet, .place = on_place, .down = on_down, .arg = p
	};
}
