/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the p2p_*.c files. */
#ifndef DVMI_SRC_P2P_PRIVATE_H
#define DVMI_SRC_P2P_PRIVATE_H

#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/copy.h"
#include "libdvm/src/p2p.h"

/* What an eager message costs of the credit, so that empty ones are bounded, too. */
#define DVMI_P2P_OVERHEAD 64u

/* A message no receive has met yet: the bytes of an eager one, or the announcement. */
struct dvmi_unexpected {
	struct dvmi_match_msg msg; /* its order links the taken ones */
	uint64_t len;
	uint64_t rts;	 /* id of the sender's operation, which wants an answer; 0: it does not */
	bool here;	 /* the bytes are */
	int lost;	 /* taken, but can only end with this code */
	uint64_t remote; /* of an announcement: as in an offer, or 0 */
	uint32_t slot;
	void *owner; /* of a taken one */
	uint8_t bytes[];
};

/* A message that arrives, as in struct dvmi_unexpected. */
struct dvmi_arrival {
	struct dvmi_match_key key;
	uint64_t len, rts;
	const void *bytes; /* NULL: not here */
	uint64_t remote;   /* of an offer, or 0 */
	uint32_t slot;
};

/* A packet that is no message, while it waits for room. */
struct dvmi_control {
	struct dvmi_op op;
	struct dvmi_pkt pkt;
	uint8_t bytes[];
};

/* PEER is first needed. */
void dvmi_p2p_connect(struct dvmi_p2p *p, struct dvmi_peer *peer, uint32_t rank);

static inline struct dvmi_peer *dvmi_p2p_peer(struct dvmi_p2p *p, uint32_t rank)
{
	struct dvmi_peer *peer = &p->peers[rank];

	if (__builtin_expect(!peer->tport, 0))
		dvmi_p2p_connect(p, peer, rank);
	return peer;
}

void dvmi_opq_push(struct dvmi_opq *q, struct dvmi_op *op);
struct dvmi_op *dvmi_opq_pop(struct dvmi_opq *q);
/* True when OP was in Q. */
bool dvmi_opq_remove(struct dvmi_opq *q, struct dvmi_op *op);

/* PEER has something to send. */
void dvmi_p2p_set_busy(struct dvmi_p2p *p, struct dvmi_peer *peer);
/* Tries to send OP's packet now, else queues it. */
void dvmi_p2p_submit(struct dvmi_p2p *p, struct dvmi_peer *peer, struct dvmi_op *op);
/* OP's number is free again, and its slot, if it has one. */
void dvmi_p2p_unnumber(struct dvmi_p2p *p, struct dvmi_op *op);
/* OP has met the announced message A: asks for as much of it as there is room for. */
void dvmi_p2p_ask(struct dvmi_p2p *p, struct dvmi_op *op, const struct dvmi_arrival *a);
/* OP has all of a synchronous message: says so, and is done when that is sent. */
void dvmi_p2p_take_sync(struct dvmi_p2p *p, struct dvmi_op *op, const void *bytes, uint64_t sender);
/* A message with all its bytes arrives: 0 or -EAGAIN. */
int dvmi_p2p_on_bytes(struct dvmi_p2p *p, const struct dvmi_arrival *a);
/* U is not kept any more: if it has bytes, their cost is free again. The caller frees U. */
void dvmi_p2p_release(struct dvmi_p2p *p, const struct dvmi_unexpected *u);
/* OP is a receive that has met nothing yet. */
void dvmi_p2p_recv_init(struct dvmi_op *op, const struct dvmi_match_key *key,
			const struct dvmi_mem *mem);
/* OP receives U, which is out of matching. */
void dvmi_p2p_take_unexpected(struct dvmi_p2p *p, struct dvmi_op *op, struct dvmi_unexpected *u);
/* What a receive with KEY ends with when no message is there: 0 it may wait. */
int dvmi_p2p_nobody_left(struct dvmi_p2p *p, const struct dvmi_match_key *key);
/* Calls FN for each message, in matching or taken. FN may drop those in matching. */
void dvmi_p2p_each_message(struct dvmi_p2p *p,
			   void (*fn)(struct dvmi_p2p *p, struct dvmi_unexpected *u, bool taken,
				      void *arg),
			   void *arg);
/* Room for N bytes of one packet, or NULL; until the next call. */
uint8_t *dvmi_p2p_stage(struct dvmi_p2p *p, size_t n);
/* The same with all bytes of OP behind HEAD bytes of room. */
uint8_t *dvmi_p2p_stage_all(struct dvmi_p2p *p, struct dvmi_op *op, size_t head);
/* A long message has passed: its room is not kept. */
void dvmi_p2p_trim_stage(struct dvmi_p2p *p);
/* The owner's anybody(), or what it stands for. */
int dvmi_p2p_anybody(const struct dvmi_p2p *p, uint32_t ctx);
/* SRC, maybe we, says that CTX is revoked. */
void dvmi_p2p_spread(struct dvmi_p2p *p, uint32_t src, uint32_t ctx, int code);

/* The next N bytes of what OP receives; MOVED is their place. */
static inline void dvmi_op_put(struct dvmi_op *op, uint64_t moved, const void *bytes, size_t n)
{
	if (__builtin_expect(op->cur != NULL, 0))
		dvmi_cursor_scatter(op->cur, bytes, n);
	else
		dvmi_copy(op->buf + moved, bytes, n);
}

static inline void dvmi_p2p_finish(struct dvmi_p2p *p, struct dvmi_op *op, int code)
{
	if (op->id)
		dvmi_p2p_unnumber(p, op);
	op->code = code;
	op->stage = DVMI_OP_DONE;
	if (__builtin_expect(op->detached, 0)) {
		op->next = p->finished;
		p->finished = op;
	}
}

/* The receive OP has met a message. */
static inline void dvmi_op_meet(struct dvmi_op *op, uint32_t src, int32_t tag, uint64_t total)
{
	op->peer = src;
	op->tag = tag;
	op->total = total;
}

/* What the receive OP ends with when it has all it has room for. */
static inline int dvmi_op_received(const struct dvmi_op *op)
{
	return op->total > op->len ? -DVM_ETRUNC : 0;
}

static inline void dvmi_p2p_take_eager(struct dvmi_p2p *p, struct dvmi_op *op, const void *bytes)
{
	dvmi_op_put(op, 0, bytes, op->total < op->len ? op->total : op->len);
	dvmi_p2p_finish(p, op, dvmi_op_received(op));
}

/* p2p_copy.c */

/* Takes a slot for a send that will be announced, if its bytes could be copied. */
void dvmi_copy_offer(struct dvmi_p2p *p, struct dvmi_op *op);
/* The slot is free again, its copy is over. */
void dvmi_copy_withdraw(struct dvmi_p2p *p, struct dvmi_op *op);
/* The way of a receive that has met an announcement. REMOTE is 0 where nothing was offered. */
void dvmi_copy_choose(struct dvmi_p2p *p, struct dvmi_op *op, uint64_t remote, uint32_t slot);
void dvmi_copy_measure(struct dvmi_p2p *p, struct dvmi_op *op);
/* The sender shall write a part of it. */
bool dvmi_copy_needs_join(const struct dvmi_op *op);
/* Queues OP, which becomes STAGE. */
void dvmi_copy_start(struct dvmi_p2p *p, struct dvmi_op *op, enum dvmi_op_stage stage);
/* OP is copied no more, by neither side; for any operation that is not done. */
void dvmi_copy_stop(struct dvmi_p2p *p, struct dvmi_op *op);
/* Copies a piece. The number of operations that got on. */
int dvmi_copy_turn(struct dvmi_p2p *p, struct dvmi_peer *peer);
int dvmi_copy_send_done(struct dvmi_p2p *p, struct dvmi_op *op);
void dvmi_copy_on_join(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt,
		       const void *payload);
void dvmi_copy_on_done(struct dvmi_p2p *p, uint32_t src, const struct dvmi_pkt *pkt);

/* COST bytes of PEER's credit are free again. */
static inline void dvmi_p2p_acknowledge(struct dvmi_p2p *p, struct dvmi_peer *peer, uint64_t cost)
{
	peer->due += cost;
	if (__builtin_expect(peer->due >= peer->credit / 2, 0))
		dvmi_p2p_set_busy(p, peer);
}

static inline struct dvmi_op *dvmi_op_of(struct dvmi_match_recv *r)
{
	return (struct dvmi_op *)r; /* its first member */
}

static inline struct dvmi_unexpected *dvmi_unexpected_of(struct dvmi_match_msg *m)
{
	return (struct dvmi_unexpected *)m;
}

#endif
