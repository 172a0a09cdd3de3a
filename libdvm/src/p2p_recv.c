/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting receives, and what becomes of one that has met its message. */
#include <errno.h>

#include "dvm/error.h"
#include "libdvm/src/p2p_private.h"

void dvmi_p2p_ask(struct dvmi_p2p *p, struct dvmi_op *op, const struct dvmi_arrival *a)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, op->peer);

	op->want = op->total < op->len ? op->total : op->len;
	op->moved = 0;
	op->peer_id = a->rts;
	int rc = peer->down ? peer->down : dvmi_optab_add(&p->ops, op, &op->id);
	if (rc < 0) {
		dvmi_p2p_finish(p, op, rc);
		return;
	}
	op->stage = DVMI_OP_CTS;
	dvmi_copy_choose(p, op, a->remote, a->slot);
	if (op->way == DVMI_WAY_COPY && !dvmi_copy_needs_join(op))
		dvmi_copy_start(p, op, DVMI_OP_PULL);
	else
		dvmi_p2p_submit(p, peer, op);
}

void dvmi_p2p_take_sync(struct dvmi_p2p *p, struct dvmi_op *op, const void *bytes, uint64_t sender)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, op->peer);

	dvmi_op_put(op, 0, bytes, op->total < op->len ? op->total : op->len);
	if (peer->down) {
		dvmi_p2p_finish(p, op, dvmi_op_received(op));
		return;
	}
	op->want = 0;
	op->peer_id = sender;
	op->stage = DVMI_OP_CTS;
	dvmi_p2p_submit(p, peer, op);
}

void dvmi_p2p_release(struct dvmi_p2p *p, const struct dvmi_unexpected *u)
{
	struct dvmi_peer *peer = dvmi_p2p_peer(p, (uint32_t)u->msg.key.source);
	uint64_t cost = u->len + DVMI_P2P_OVERHEAD;

	if (!u->here)
		return;
	peer->held -= cost;
	dvmi_p2p_acknowledge(p, peer, cost);
}

void dvmi_p2p_take_unexpected(struct dvmi_p2p *p, struct dvmi_op *op, struct dvmi_unexpected *u)
{
	dvmi_op_meet(op, (uint32_t)u->msg.key.source, u->msg.key.tag, u->len);
	if (!u->here) {
		struct dvmi_arrival a = { .rts = u->rts, .remote = u->remote, .slot = u->slot };
		dvmi_p2p_ask(p, op, &a);
	} else if (u->rts)
		dvmi_p2p_take_sync(p, op, u->bytes, u->rts);
	else
		dvmi_p2p_take_eager(p, op, u->bytes);
	dvmi_p2p_release(p, u);
	free(u);
}

int dvmi_p2p_nobody_left(struct dvmi_p2p *p, const struct dvmi_match_key *key)
{
	/* Whoever is received from has to be reached, too: a transport may begin with that. */
	int down = key->source >= 0 ? dvmi_p2p_peer(p, (uint32_t)key->source)->down : 0;
	int revoked = dvmi_p2p_revoked(p, key->ctx);

	if (revoked || down)
		return revoked ? revoked : down;
	if (key->source >= 0 || !p->ndown)
		return 0;
	int anybody = dvmi_p2p_anybody(p, key->ctx);
	return anybody < 0 ? anybody : 0;
}

/* A short look: the answer no may be wrong. */
static inline bool is_there(const struct dvmi_p2p *p, const struct dvmi_match_key *key)
{
	const struct dvmi_peer *peer = key->source >= 0 ? &p->peers[key->source] : NULL;

	return peer && peer->tport && !peer->down && !dvmi_p2p_revoked(p, key->ctx);
}

void dvmi_p2p_recv_init(struct dvmi_op *op, const struct dvmi_match_key *key,
			const struct dvmi_mem *mem)
{
	op->recv.key = *key;
	op->kind = DVMI_OP_RECV;
	op->stage = DVMI_OP_POSTED;
	op->code = 0;
	op->peer = 0;
	op->tag = -1;
	op->detached = false;
	op->buf = mem->buf;
	op->len = mem->len;
	op->cur = mem->cur;
	op->total = 0;
	op->id = 0;
	op->next = NULL;
	op->offered = false;
	op->way = DVMI_WAY_STREAM;
}

static inline void receive(struct dvmi_p2p *p, struct dvmi_op *op, const struct dvmi_match_key *key,
			   const struct dvmi_mem *mem)
{
	dvmi_p2p_recv_init(op, key, mem);
	struct dvmi_match_msg *msg = dvmi_match_take(&p->match, key);
	if (msg) {
		dvmi_p2p_take_unexpected(p, op, dvmi_unexpected_of(msg));
		return;
	}
	int code = is_there(p, key) ? 0 : dvmi_p2p_nobody_left(p, key);
	if (__builtin_expect(code < 0, 0))
		dvmi_p2p_finish(p, op, code);
	else
		dvmi_match_post(&p->match, &op->recv);
}

void dvmi_p2p_recv_into(struct dvmi_p2p *p, struct dvmi_op *op, const struct dvmi_match_key *key,
			const struct dvmi_mem *mem)
{
	receive(p, op, key, mem);
}

void dvmi_p2p_recv(struct dvmi_p2p *p, struct dvmi_op *op, const struct dvmi_match_key *key,
		   void *buf, size_t len)
{
	struct dvmi_mem mem = { .buf = buf, .len = len };

	receive(p, op, key, &mem);
}

bool dvmi_p2p_cancel(struct dvmi_p2p *p, struct dvmi_op *op, int code)
{
	if (op->stage != DVMI_OP_POSTED)
		return false;
	dvmi_match_cancel(&p->match, &op->recv);
	dvmi_p2p_finish(p, op, code);
	return true;
}

int dvmi_p2p_probe(struct dvmi_p2p *p, const struct dvmi_match_key *key, uint32_t *source,
		   int32_t *tag, uint64_t *len)
{
	struct dvmi_match_msg *msg = dvmi_match_peek(&p->match, key);

	if (!msg)
		return dvmi_p2p_nobody_left(p, key);
	*source = (uint32_t)msg->key.source;
	*tag = msg->key.tag;
	*len = dvmi_unexpected_of(msg)->len;
	return 1;
}
