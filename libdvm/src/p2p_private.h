/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the p2p_*.c files. */
#ifndef DVMI_SRC_P2P_PRIVATE_H
#define DVMI_SRC_P2P_PRIVATE_H

#include <stdlib.h>

#include "libdvm/src/p2p.h"

/* What an eager message costs of the credit, so that empty ones are bounded, too. */
#define DVMI_P2P_OVERHEAD 64u

/* A message no receive has met yet: the bytes of an eager one, or the announcement. */
struct dvmi_unexpected {
	struct dvmi_match_msg msg;
	uint64_t len;
	uint64_t rts; /* id of the sender's operation; 0: the bytes are here */
	uint8_t bytes[];
};

struct dvmi_peer *dvmi_p2p_peer(struct dvmi_p2p *p, uint32_t rank);

void dvmi_opq_push(struct dvmi_opq *q, struct dvmi_op *op);
struct dvmi_op *dvmi_opq_pop(struct dvmi_opq *q);
/* True when OP was in Q. */
bool dvmi_opq_remove(struct dvmi_opq *q, struct dvmi_op *op);

/* PEER has something to send. */
void dvmi_p2p_set_busy(struct dvmi_p2p *p, struct dvmi_peer *peer);
/* Tries to send OP's packet now, else queues it. */
void dvmi_p2p_submit(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op);
void dvmi_p2p_finish(struct dvmi_p2p *p, struct dvmi_op *op, int code);
/* COST bytes of PEER's credit are free again. */
void dvmi_p2p_acknowledge(struct dvmi_p2p *p, struct dvmi_peer *peer, uint64_t cost);

/* An eager message is not kept any more: its cost is free again. The caller frees U. */
void dvmi_p2p_release(struct dvmi_p2p *p, const struct dvmi_unexpected *u);
/* The REVOKE of another rank. */
void dvmi_p2p_revoke_here(struct dvmi_p2p *p, uint32_t ctx, int code);

static inline struct dvmi_op *dvmi_op_of(struct dvmi_match_recv *r)
{
	return (struct dvmi_op *)r; /* its first member */
}

static inline struct dvmi_unexpected *dvmi_unexpected_of(struct dvmi_match_msg *m)
{
	return (struct dvmi_unexpected *)m;
}

#endif
