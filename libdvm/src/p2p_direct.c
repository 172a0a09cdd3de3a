/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The short way of a blocking receive from one rank: its bytes go straight from the transport's
 * memory to the user's, no operation is posted. Allowed only while nothing is posted and nothing
 * is kept, so matching cannot see the difference: the next packet of the rank is then the oldest
 * message of the rank, and nobody else can want it.
 */
#include "dvm/error.h"
#include "libdvm/base/copy.h"
#include "libdvm/net/wire.h"
#include "libdvm/src/p2p_private.h"

bool dvmi_p2p_direct(const struct dvmi_p2p *p, const struct dvmi_match_key *key)
{
	if (key->source < 0 || p->match.nmsgs || p->match.nexact || p->match.nwild || p->busy ||
	    dvmi_p2p_revoked(p, key->ctx))
		return false;
	const struct dvmi_peer *peer = &p->peers[key->source];
	return peer->tport && peer->tport->ops->peek && !peer->down;
}

static inline bool takes(const struct dvmi_match_key *key, const struct dvmi_pkt *pkt)
{
	return pkt->kind == DVMI_PKT_EAGER && pkt->ctx == key->ctx &&
	       (key->tag == pkt->tag || key->tag == DVMI_MATCH_ANY);
}

int dvmi_p2p_peek_now(struct dvmi_p2p *p, const struct dvmi_match_key *key, size_t *len)
{
	struct dvmi_tport *t = p->peers[key->source].tport;
	const void *payload;
	struct dvmi_pkt pkt;

	if (!t->ops->peek(t, (uint32_t)key->source, &pkt, &payload))
		return 0;
	if (!takes(key, &pkt))
		return -1;
	*len = pkt.len;
	return 1;
}

int dvmi_p2p_recv_now(struct dvmi_p2p *p, struct dvmi_op *op, const struct dvmi_match_key *key,
		      void *buf, size_t len)
{
	uint32_t rank = (uint32_t)key->source;
	struct dvmi_peer *peer = &p->peers[rank];
	const void *payload;
	struct dvmi_pkt pkt;

	if (!peer->tport->ops->peek(peer->tport, rank, &pkt, &payload))
		return 0;
	if (__builtin_expect(!takes(key, &pkt), 0))
		return -1;
	dvmi_copy(buf, payload, pkt.len < len ? pkt.len : len);
	peer->tport->ops->took(peer->tport, rank);
	op->kind = DVMI_OP_RECV;
	op->stage = DVMI_OP_DONE;
	op->code = pkt.len > len ? -DVM_ETRUNC : 0;
	op->peer = rank;
	op->tag = pkt.tag;
	op->total = pkt.len;
	op->len = len;
	dvmi_p2p_acknowledge(p, peer, (uint64_t)pkt.len + DVMI_P2P_OVERHEAD);
	return 1;
}
