/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting sends. What waits for room goes on in p2p_out.c. */
#include <errno.h>

#include "dvm/error.h"
#include "libdvm/net/wire.h"
#include "libdvm/src/p2p_private.h"

#define SYNC_MAX (UINT32_C(64) << 10) /* bytes and all of an announcement that has them */

static bool has_credit(const struct dvmi_p2p *p, const struct dvmi_peer *peer, uint32_t rank,
		       uint64_t cost)
{
	return peer->unread + cost <= peer->credit || rank == p->self;
}

int dvmi_p2p_send_now(struct dvmi_p2p *p, uint32_t rank, uint32_t ctx, int32_t tag, const void *buf,
		      size_t len)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, rank);

	if (dvmi_p2p_revoked(p, ctx))
		return dvmi_p2p_revoked(p, ctx);
	if (peer->down)
		return peer->down;
	if (len > peer->eager_max || peer->packets.head ||
	    !has_credit(p, peer, rank, len + DVMI_P2P_OVERHEAD))
		return -EAGAIN;
	struct dvmi_pkt pkt = {
		.kind = DVMI_PKT_EAGER, .ctx = ctx, .tag = tag, .len = (uint32_t)len
	};
	int rc = peer->tport->ops->send(peer->tport, rank, &pkt, buf);
	if (rc == 0)
		peer->unread += len + DVMI_P2P_OVERHEAD;
	return rc;
}

/* To ourselves short ones are copied twice when they are synchronous, others but once. */
static uint32_t sync_max(const struct dvmi_peer *peer)
{
	return peer->tport->eager_max < SYNC_MAX ? peer->tport->eager_max : SYNC_MAX;
}

/* How OP begins: with its bytes if they are few and the peer has room. */
static enum dvmi_op_stage first_stage(const struct dvmi_p2p *p, const struct dvmi_op *op,
				      const struct dvmi_peer *peer, bool sync)
{
	uint64_t cost = op->len + DVMI_P2P_OVERHEAD;

	if (!has_credit(p, peer, op->peer, cost))
		return DVMI_OP_RTS;
	if (sync)
		return op->len + sizeof(struct dvmi_wire_rts) <= sync_max(peer) ? DVMI_OP_SYNC
										: DVMI_OP_RTS;
	/* What is not in one piece cannot be copied from memory to memory. */
	return op->len <= (op->cur ? peer->tport->eager_max : peer->eager_max) ? DVMI_OP_EAGER
									       : DVMI_OP_RTS;
}

/* Standard messages to ourselves are buffered, also those that are too long for a packet. */
static void to_ourselves(struct dvmi_p2p *p, struct dvmi_op *op)
{
	struct dvmi_arrival a = {
		.key = dvmi_match_key(op->recv.key.ctx, (int32_t)p->self, op->tag),
		.len = op->len,
		.bytes = op->cur ? dvmi_p2p_stage_all(p, op, 0) : op->buf,
	};
	int rc = a.bytes ? dvmi_p2p_on_bytes(p, &a) : -ENOMEM;

	dvmi_p2p_trim_stage(p);
	dvmi_p2p_finish(p, op, rc == -EAGAIN ? -ENOMEM : rc);
}

void dvmi_p2p_send_from(struct dvmi_p2p *p, struct dvmi_op *op, uint32_t rank, uint32_t ctx,
			int32_t tag, const struct dvmi_mem *mem, bool sync)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, rank);

	*op = (struct dvmi_op){
		.kind = DVMI_OP_SEND,
		.recv.key = { .ctx = ctx, .source = (int32_t)p->self, .tag = tag },
		.peer = rank,
		.tag = tag,
		.buf = mem->buf,
		.len = mem->len,
		.cur = mem->cur,
		.total = mem->len,
	};
	int code = dvmi_p2p_revoked(p, ctx);
	if (!code)
		code = peer->down;
	if (code) {
		dvmi_p2p_finish(p, op, code);
		return;
	}
	if (__builtin_expect(rank == p->self && !sync && op->len > peer->tport->eager_max, 0)) {
		to_ourselves(p, op);
		return;
	}
	op->stage = first_stage(p, op, peer, sync);
	if (op->stage != DVMI_OP_EAGER)
		code = dvmi_optab_add(&p->ops, op, &op->id);
	if (code < 0) {
		dvmi_p2p_finish(p, op, code);
		return;
	}
	if (op->stage == DVMI_OP_RTS) {
		p->stats.rendezvous++;
		dvmi_copy_offer(p, op);
	} else {
		peer->unread += op->len + DVMI_P2P_OVERHEAD;
	}
	dvmi_p2p_submit(p, peer, op);
}

void dvmi_p2p_send(struct dvmi_p2p *p, struct dvmi_op *op, uint32_t rank, uint32_t ctx, int32_t tag,
		   const void *buf, size_t len)
{
	struct dvmi_mem mem = { .buf = (void *)(uintptr_t)buf, .len = len };

	dvmi_p2p_send_from(p, op, rank, ctx, tag, &mem, false);
}
