/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes out: queues of packets that wait for room, streams of long messages, credit. */
#include <errno.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/net/wire.h"
#include "libdvm/src/p2p_private.h"

/* Packets of streams to one peer per round, so that what comes in gets its turn. */
#define STREAM_BURST 16
/* Packets gathered from memory in pieces: their bytes should still be in the cache when they go. */
#define STAGE_CHUNK (32u << 10)
#define STAGE_MAX   (128u << 10) /* what is kept of the room for them */

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

uint8_t *dvmi_p2p_stage(struct dvmi_p2p *p, size_t n)
{
	if (n <= p->stage_room)
		return p->stage;
	free(p->stage);
	p->stage = malloc(n);
	p->stage_room = p->stage ? n : 0;
	return p->stage;
}

void dvmi_p2p_trim_stage(struct dvmi_p2p *p)
{
	if (p->stage_room <= STAGE_MAX)
		return;
	free(p->stage);
	p->stage = NULL;
	p->stage_room = 0;
}

uint8_t *dvmi_p2p_stage_all(struct dvmi_p2p *p, struct dvmi_op *op, size_t head)
{
	uint8_t *bytes = dvmi_p2p_stage(p, head + op->len);

	if (!bytes)
		return NULL;
	if (op->cur) {
		dvmi_cursor_rewind(op->cur);
		dvmi_cursor_gather(op->cur, bytes + head, op->len);
	} else if (op->len) {
		memcpy(bytes + head, op->buf, op->len);
	}
	return bytes;
}

struct part {
	struct dvmi_cursor *cur;
	size_t n;
};

static void fill_part(void *arg, void *to)
{
	const struct part *part = arg;

	dvmi_cursor_gather(part->cur, to, part->n);
}

/* Through a buffer of ours; if the packet cannot go now, the cursor goes back. */
static int send_staged(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op,
		       const struct dvmi_pkt *pkt)
{
	_Alignas(struct dvmi_cursor) uint8_t space[DVMI_CURSOR_BYTES];
	struct dvmi_cursor *before = (struct dvmi_cursor *)space;
	uint8_t *bytes = dvmi_p2p_stage(p, pkt->len);

	if (!bytes)
		return -ENOMEM;
	dvmi_cursor_save(before, op->cur);
	dvmi_cursor_gather(op->cur, bytes, pkt->len);
	int rc = send_to(p, peer, pkt, bytes);
	if (rc < 0)
		dvmi_cursor_restore(op->cur, before);
	dvmi_p2p_trim_stage(p);
	return rc;
}

/* PKT with the next bytes of OP, which are not in one piece. */
static int send_gathered(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op,
			 const struct dvmi_pkt *pkt)
{
	struct part part = { op->cur, pkt->len };

	if (!peer->tport->ops->send_filled)
		return send_staged(p, peer, op, pkt);
	return peer->tport->ops->send_filled(peer->tport, rank_of(p, peer), pkt, fill_part, &part);
}

static int send_eager(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op)
{
	struct dvmi_pkt pkt = {
		.kind = DVMI_PKT_EAGER,
		.ctx = op->recv.key.ctx,
		.tag = op->tag,
		.len = (uint32_t)op->len,
	};
	int rc = op->cur ? send_gathered(p, peer, op, &pkt) : send_to(p, peer, &pkt, op->buf);

	if (rc == 0)
		dvmi_p2p_finish(p, op, 0);
	return rc;
}

static int send_sync(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op)
{
	struct dvmi_wire_rts w;
	struct dvmi_pkt pkt = {
		.kind = DVMI_PKT_SYNC,
		.ctx = op->recv.key.ctx,
		.tag = op->tag,
		.len = (uint32_t)(sizeof w + op->len),
	};
	uint8_t *bytes = dvmi_p2p_stage_all(p, op, sizeof w);

	if (!bytes)
		return -ENOMEM;
	dvmi_wire_put_rts(&w, op->len, op->id);
	memcpy(bytes, &w, sizeof w);
	op->stage = DVMI_OP_ANNOUNCED;
	int rc = send_to(p, peer, &pkt, bytes);
	if (rc < 0)
		op->stage = DVMI_OP_SYNC;
	return rc;
}

static int put_announcement(struct dvmi_p2p *p, struct dvmi_peer *peer, const struct dvmi_op *op)
{
	struct dvmi_pkt pkt = { .ctx = op->recv.key.ctx, .tag = op->tag };

	if (op->offered) {
		struct dvmi_wire_offer w, a = { .len = op->len,
						.id = op->id,
						.addr = (uint64_t)(uintptr_t)op->buf,
						.slot = op->slot };
		pkt.kind = DVMI_PKT_OFFER;
		pkt.len = sizeof w;
		dvmi_wire_put_offer(&w, &a);
		return send_to(p, peer, &pkt, &w);
	}
	struct dvmi_wire_rts w;
	pkt.kind = DVMI_PKT_RTS;
	pkt.len = sizeof w;
	dvmi_wire_put_rts(&w, op->len, op->id);
	return send_to(p, peer, &pkt, &w);
}

/* To ourselves the answer may come before send returns, hence the new stage before it. */
static int send_rts(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op)
{
	op->stage = DVMI_OP_ANNOUNCED;
	int rc = put_announcement(p, peer, op);
	if (rc < 0)
		op->stage = DVMI_OP_RTS;
	return rc;
}

static int send_join(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op)
{
	struct dvmi_wire_join w, host = { .sender = op->peer_id,
					  .receiver = op->id,
					  .want = op->want,
					  .addr = (uint64_t)(uintptr_t)op->buf };
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_JOIN, .len = sizeof w };

	dvmi_wire_put_join(&w, &host);
	int rc = send_to(p, peer, &pkt, &w);
	if (rc == 0)
		dvmi_copy_start(p, op, DVMI_OP_PULL);
	return rc;
}

static int send_cts(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op)
{
	struct dvmi_wire_cts w;
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_CTS, .len = sizeof w };

	if (op->way == DVMI_WAY_COPY)
		return send_join(p, peer, op);
	dvmi_wire_put_cts(&w, op->peer_id, op->id, op->want);
	op->stage = DVMI_OP_INCOMING;
	int rc = send_to(p, peer, &pkt, &w);
	if (rc < 0)
		op->stage = DVMI_OP_CTS;
	else if (!op->want)
		dvmi_p2p_finish(p, op, dvmi_op_received(op));
	return rc;
}

static int send_control(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op)
{
	struct dvmi_control *c = (struct dvmi_control *)op; /* its first member */
	int rc = send_to(p, peer, &c->pkt, c->bytes);

	if (rc == 0)
		free(op);
	return rc;
}

static int send_packet(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op)
{
	switch (op->stage) {
	case DVMI_OP_EAGER:
		return send_eager(p, peer, op);
	case DVMI_OP_SYNC:
		return send_sync(p, peer, op);
	case DVMI_OP_RTS:
		return send_rts(p, peer, op);
	case DVMI_OP_CTS:
		return send_cts(p, peer, op);
	case DVMI_OP_ACK:
		return dvmi_copy_send_done(p, op);
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

int dvmi_p2p_post(struct dvmi_p2p *p, uint32_t rank, const struct dvmi_pkt *pkt,
		  const void *payload)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, rank);

	if (peer->down)
		return peer->down;
	if (pkt->len > peer->tport->packet_max)
		return -EMSGSIZE;
	struct dvmi_control *c = malloc(sizeof *c + pkt->len);
	if (!c)
		return -ENOMEM;
	c->op = (struct dvmi_op){ .stage = DVMI_OP_CONTROL, .peer = rank };
	c->pkt = *pkt;
	if (pkt->len)
		memcpy(c->bytes, payload, pkt->len);
	dvmi_p2p_submit(p, peer, &c->op);
	return 0;
}

static int flush_credit(struct dvmi_p2p *p, struct dvmi_peer *peer)
{
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_CREDIT };

	if (peer->due < peer->credit / 2 || peer->down)
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

	if (op->cur && pkt.len > STAGE_CHUNK)
		pkt.len = STAGE_CHUNK;
	dvmi_pkt_set64(&pkt, op->peer_id);
	int rc = op->cur ? send_gathered(p, peer, op, &pkt)
			 : send_to(p, peer, &pkt, op->buf + op->moved);
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
	       (peer->copier && peer->copier->queue.head) ||
	       (peer->due >= peer->credit / 2 && !peer->down);
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
		if (peer->copier && peer->copier->queue.head)
			n += dvmi_copy_turn(p, peer);
		if (still_busy(p, peer))
			dvmi_p2p_set_busy(p, peer);
	}
	return n;
}
