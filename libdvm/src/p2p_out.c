/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes out: queues of packets that wait for room, streams of long messages, credit. */
#include <errno.h>

#include "dvm/error.h"
#include "libdvm/net/wire.h"
#include "libdvm/src/p2p_private.h"

/* Packets of streams to one peer per round, so that what comes in gets its turn. */
#define STREAM_BURST 16

void dvmi_opq_push(struct dvmi_opq *q, struct dvmi_op *op)
{
	op->next = NULL;
	*q->tail = op;
	q->tail = &op->next;
}

static void push_front(struct dvmi_opq *q, struct dvmi_op *op)
{
	op->next = q->head;
	q->head = op;
	if (!op->next)
		q->tail = &op->next;
}

struct dvmi_op *dvmi_opq_pop(struct dvmi_opq *q)
{
	struct dvmi_op *op = q->head;

	if (op) {
		q->head = op->next;
		if (!q->head)
			q->tail = &q->head;
		op->next = NULL;
	}
	return op;
}

bool dvmi_opq_remove(struct dvmi_opq *q, struct dvmi_op *op)
{
	for (struct dvmi_op **pp = &q->head; *pp; pp = &(*pp)->next) {
		if (*pp != op)
			continue;
		*pp = op->next;
		if (!*pp)
			q->tail = pp;
		op->next = NULL;
		return true;
	}
	return false;
}

void dvmi_p2p_set_busy(struct dvmi_p2p *p, struct dvmi_peer *peer)
{
	if (peer->busy)
		return;
	peer->busy = true;
	peer->next_busy = p->busy;
	p->busy = peer;
}

static uint32_t rank_of(const struct dvmi_p2p *p, const struct dvmi_peer *peer)
{
	return (uint32_t)(peer - p->peers);
}

static int send_to(struct dvmi_p2p *p, struct dvmi_peer *peer, const struct dvmi_pkt *pkt,
		   const void *payload)
{
	return peer->tport->ops->send(peer->tport, rank_of(p, peer), pkt, payload);
}

static int send_eager(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op)
{
	struct dvmi_pkt pkt = {
		.kind = DVMI_PKT_EAGER,
		.ctx = op->recv.key.ctx,
		.tag = op->tag,
		.len = (uint32_t)op->len,
	};
	int rc = send_to(p, peer, &pkt, op->buf);

	if (rc == 0)
		dvmi_p2p_finish(p, op, 0);
	return rc;
}

/* To ourselves the answer may come before send returns, hence the new stage before it. */
static int send_rts(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op)
{
	struct dvmi_wire_rts w;
	struct dvmi_pkt pkt = {
		.kind = DVMI_PKT_RTS, .ctx = op->recv.key.ctx, .tag = op->tag, .len = sizeof w
	};

	dvmi_wire_put_rts(&w, op->len, op->id);
	op->stage = DVMI_OP_ANNOUNCED;
	int rc = send_to(p, peer, &pkt, &w);
	if (rc < 0)
		op->stage = DVMI_OP_RTS;
	return rc;
}

static int send_cts(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op)
{
	struct dvmi_wire_cts w;
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_CTS, .len = sizeof w };

	dvmi_wire_put_cts(&w, op->peer_id, op->id, op->want);
	op->stage = DVMI_OP_INCOMING;
	int rc = send_to(p, peer, &pkt, &w);
	if (rc < 0)
		op->stage = DVMI_OP_CTS;
	else if (!op->want)
		dvmi_p2p_finish(p, op, op->total > op->len ? -DVM_ETRUNC : 0);
	return rc;
}

static int send_control(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op)
{
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_REVOKE, .ctx = op->recv.key.ctx, .tag = op->code };
	int rc = send_to(p, peer, &pkt, NULL);

	if (rc == 0)
		free(op);
	return rc;
}

static int send_packet(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op)
{
	switch (op->stage) {
	case DVMI_OP_EAGER:
		return send_eager(p, peer, op);
	case DVMI_OP_RTS:
		return send_rts(p, peer, op);
	case DVMI_OP_CTS:
		return send_cts(p, peer, op);
	default:
		return send_control(p, peer, op);
	}
}

static void end(struct dvmi_p2p *p, struct dvmi_op *op, int code)
{
	if (op->stage == DVMI_OP_CONTROL)
		free(op);
	else
		dvmi_p2p_finish(p, op, code);
}

void dvmi_p2p_submit(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op)
{
	int rc = peer->packets.head ? -EAGAIN : send_packet(p, peer, op);

	if (rc == -EAGAIN) {
		dvmi_opq_push(&peer->packets, op);
		dvmi_p2p_set_busy(p, peer);
	} else if (rc < 0) {
		end(p, op, rc);
	}
}

void dvmi_p2p_acknowledge(struct dvmi_p2p *p, struct dvmi_peer *peer, uint64_t cost)
{
	peer->due += cost;
	if (__builtin_expect(peer->due >= p->credit / 2, 0))
		dvmi_p2p_set_busy(p, peer);
}

static int flush_credit(struct dvmi_p2p *p, struct dvmi_peer *peer)
{
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_CREDIT };

	if (peer->due < p->credit / 2 || peer->down)
		return 0;
	dvmi_pkt_set64(&pkt, peer->due);
	uint64_t due = peer->due;
	peer->due = 0;
	int rc = send_to(p, peer, &pkt, NULL);
	if (rc < 0)
		peer->due += due;
	return rc == 0;
}

static int flush_packets(struct dvmi_p2p *p, struct dvmi_peer *peer)
{
	struct dvmi_op *op;
	int n = 0;

	while ((op = dvmi_opq_pop(&peer->packets))) {
		int rc = send_packet(p, peer, op);
		if (rc == -EAGAIN) {
			push_front(&peer->packets, op);
			break;
		}
		if (rc < 0)
			end(p, op, rc);
		n++;
	}
	return n;
}

static int send_chunk(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op)
{
	uint64_t left = op->want - op->moved;
	struct dvmi_pkt pkt = {
		.kind = DVMI_PKT_DATA,
		.len = left < peer->tport->chunk ? (uint32_t)left : peer->tport->chunk,
	};

	dvmi_pkt_set64(&pkt, op->peer_id);
	int rc = send_to(p, peer, &pkt, op->buf + op->moved);
	if (rc < 0)
		return rc;
	op->moved += pkt.len;
	if (op->moved == op->want)
		dvmi_p2p_finish(p, op, 0);
	return 0;
}

static int flush_streams(struct dvmi_p2p *p, struct dvmi_peer *peer)
{
	int n = 0;

	while (n < STREAM_BURST && peer->streams.head) {
		struct dvmi_op *op = dvmi_opq_pop(&peer->streams);
		int rc = send_chunk(p, peer, op);
		if (rc < 0 && rc != -EAGAIN)
			dvmi_p2p_finish(p, op, rc);
		if (!dvmi_op_done(op))
			push_front(&peer->streams, op);
		if (rc == -EAGAIN)
			break;
		n++;
	}
	return n;
}

static bool still_busy(const struct dvmi_p2p *p, const struct dvmi_peer *peer)
{
	return peer->packets.head || peer->streams.head ||
	       (peer->due >= p->credit / 2 && !peer->down);
}

int dvmi_p2p_flush(struct dvmi_p2p *p)
{
	struct dvmi_peer *list = p->busy, *peer;
	int n = 0;

	p->busy = NULL;
	while ((peer = list)) {
		list = peer->next_busy;
		peer->busy = false;
		n += flush_credit(p, peer);
		n += flush_packets(p, peer);
		if (!peer->packets.head)
			n += flush_streams(p, peer);
		if (still_busy(p, peer))
			dvmi_p2p_set_busy(p, peer);
	}
	return n;
}
