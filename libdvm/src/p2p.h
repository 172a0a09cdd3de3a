/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The point-to-point protocol of one rank: eager and rendezvous messages, flow control and
 * failures, over any transport. Knows no sockets, no clock and no environment, so several of
 * them run in one process over fab_loop for tests. doc/design/0008-messages.md is its paper.
 *
 * Short messages are sent at once (EAGER), as long as what the receiver has not matched yet stays
 * below the credit of the pair; long ones, and short ones beyond the credit, are announced (RTS);
 * the receiver asks (CTS) when a receive matches, and the bytes follow in DATA packets. The
 * receiver's memory for unexpected messages is so bounded, while every message can be matched.
 *
 * Not thread-safe.
 */
#ifndef DVMI_SRC_P2P_H
#define DVMI_SRC_P2P_H

#include <stdbool.h>

#include "libdvm/net/tport.h"
#include "libdvm/src/cursor.h"
#include "libdvm/src/match.h"
#include "libdvm/src/optab.h"
#include "libdvm/src/pace.h"
#include "libdvm/src/revoked.h"

enum dvmi_op_stage {
	DVMI_OP_DONE = 0,
	DVMI_OP_POSTED,	   /* receive: waits for a message */
	DVMI_OP_CTS,	   /* receive: wants to ask for the bytes */
	DVMI_OP_INCOMING,  /* receive: bytes are coming */
	DVMI_OP_EAGER,	   /* send: the packet waits for room */
	DVMI_OP_SYNC,	   /* send: the announcement with its bytes waits for room */
	DVMI_OP_RTS,	   /* send: the announcement waits for room */
	DVMI_OP_ANNOUNCED, /* send: waits for the receiver to ask */
	DVMI_OP_STREAM,	   /* send: bytes are going */
	DVMI_OP_PULL,	   /* receive: is copied from memory to memory */
	DVMI_OP_ACK,	   /* receive: that all is there wants to be said */
	DVMI_OP_PUSH,	   /* send: helps with the copy */
	DVMI_OP_PUSHED,	   /* send: has helped, waits for the receiver */
	DVMI_OP_CONTROL,   /* a packet of our own, freed when sent */
};

enum dvmi_op_kind {
	DVMI_OP_SEND = 1,
	DVMI_OP_RECV,
};

/*
 * A send or receive under way. The owner keeps it in place until its stage is DONE. What a short
 * message needs is in front, in two cache lines.
 */
struct dvmi_op {
	struct dvmi_match_recv recv; /* its key is the operation's, also of a send */
	enum dvmi_op_stage stage;
	int code;		 /* result, once done */
	uint32_t peer;		 /* rank at the other end; of a receive, once matched */
	int32_t tag;		 /* of the message; of a receive, once matched, before -1 */
	uint8_t kind;		 /* enum dvmi_op_kind */
	bool detached;		 /* goes to the finished ones when done */
	bool offered;		 /* send: the slot is ours */
	uint8_t way;		 /* receive: enum dvmi_way */
	bool turned;		 /* is copied from its end */
	uint8_t *buf;		 /* a send only reads it */
	uint64_t len;		 /* of buf */
	struct dvmi_cursor *cur; /* where the bytes are, the owner's; NULL: at buf */
	uint64_t total;		 /* of the message */
	uint64_t id;
	struct dvmi_op *next; /* in a queue of its peer, or among the finished */
	/* Of long ones, from when they have met the other end. */
	uint64_t want, moved;
	uint64_t peer_id;
	uint64_t remote; /* of a copy from memory to memory: the buffer at the other end */
	uint64_t since;	 /* receive: when it was asked for */
	uint32_t slot;	 /* of the copy: number and generation */
};

/* Where the bytes of a message come from or go to. */
struct dvmi_mem {
	void *buf;
	uint64_t len;
	struct dvmi_cursor *cur; /* at its beginning; NULL: LEN bytes at BUF */
};

struct dvmi_opq {
	struct dvmi_op *head, **tail;
};

struct dvmi_peer {
	struct dvmi_tport *tport; /* NULL until first needed */
	int down;		  /* 0, or the code all operations with it end with */
	uint32_t eager_max;	  /* of the transport, or less while long ones are copied */
	uint64_t credit;	  /* eager bytes of the pair, each way */
	uint64_t unread;	  /* our eager bytes it has not acknowledged */
	uint64_t due;		  /* its eager bytes we have matched and not acknowledged */
	uint64_t held;		  /* its eager bytes we keep unmatched; at most the credit */
	struct dvmi_opq packets;  /* EAGER, RTS, CTS, CONTROL: in order */
	struct dvmi_opq streams;
	struct dvmi_copier *copier; /* NULL until a long message could be copied */
	bool busy;		    /* in the busy list */
	struct dvmi_peer *next_busy;
};

/* Copies from memory to memory with one peer. */
#define DVMI_COPIER_CLASSES 3
struct dvmi_copier {
	struct dvmi_opq queue;
	uint64_t used; /* slots of ours */
	uint16_t gen[DVMI_TPORT_SPLITS];
	uint32_t failures;
	bool turn;				    /* the last one was */
	uint64_t last;				    /* when a long message was last complete */
	uint8_t last_way;			    /* and how it came */
	struct dvmi_pace pace[DVMI_COPIER_CLASSES]; /* by length */
};

/* How long messages go where more than one way is open. */
enum dvmi_p2p_way {
	DVMI_P2P_FASTEST, /* as measured */
	DVMI_P2P_STREAM,
	DVMI_P2P_COPY,
};

struct dvmi_p2p_stats {
	uint64_t dropped; /* packets that made no sense */
	uint64_t unexpected, rendezvous;
	uint64_t copied; /* messages received from memory to memory */
};

/*
 * What the owner knows of groups. Each may be NULL: then there is one group, of all ranks. They
 * are called from within packets and must not wait; their first argument is that of route.
 */
struct dvmi_p2p_owner {
	/* Who else may send in CTX: 0 somebody, 1 only we, or what receives from anyone end with.
	 */
	int (*anybody)(void *arg, uint32_t ctx);
	/* SRC, maybe we, revokes CTX: the owner does it here and tells whom it concerns. */
	void (*revoke)(void *arg, uint32_t src, uint32_t ctx, int code);
	/* All with PEER has ended. */
	void (*down)(void *arg, uint32_t peer);
	/* A packet of a kind that is not of this protocol; as the packet of a sink. */
	int (*packet)(void *arg, uint32_t src, const struct dvmi_pkt *pkt, const void *payload);
};

#define DVMI_P2P_FAR_MAX 65536u /* numbers for peers of other jobs; memory is touched when used */
/* Credit with peers of other jobs, which may have another size: the same on both sides. */
#define DVMI_P2P_FAR_CREDIT (UINT64_C(256) << 10)

struct dvmi_p2p {
	struct dvmi_match match;
	struct dvmi_optab ops; /* those with an id */
	uint32_t self, size;
	uint32_t others;	 /* ranks beside us that are not down */
	uint64_t credit;	 /* eager bytes per ordered pair */
	struct dvmi_peer *peers; /* [size + DVMI_P2P_FAR_MAX]: those of other jobs follow ours */
	uint32_t nfar;
	struct dvmi_peer *busy;
	struct dvmi_op *finished;     /* detached operations that are done; the user takes them */
	struct dvmi_match_link taken; /* messages taken by a probe, in order of that */
	uint8_t *stage;		      /* bytes of a packet that were not in one piece */
	size_t stage_room;
	int last_down;	/* -DVM_EPEERLOST if any peer was lost, else -DVM_ECLOSED or 0 */
	uint32_t ndown; /* peers that are down */
	struct dvmi_revoked revoked;
	struct dvmi_p2p_owner owner;
	/* The transport that reaches PEER, not NULL. */
	struct dvmi_tport *(*route)(void *arg, uint32_t peer);
	void *arg;
	uint64_t (*clock)(void); /* ns; NULL: nothing is measured, what can be copied is */
	enum dvmi_p2p_way way;
	uint32_t pulling; /* receives that are being copied: soon done, not worth a sleep */
	struct dvmi_p2p_stats stats;
};

/* 0 or -ENOMEM. ROUTE is called once per peer, when it is first needed. */
int dvmi_p2p_init(struct dvmi_p2p *p, uint32_t self, uint32_t size,
		  struct dvmi_tport *(*route)(void *arg, uint32_t peer), void *arg);
/* Operations that are not done are forgotten. */
void dvmi_p2p_fini(struct dvmi_p2p *p);
/* N numbers for peers beyond the job, the first of them in *BASE. 0 or -ENOSPC. */
int dvmi_p2p_add_far(struct dvmi_p2p *p, uint32_t n, uint32_t *base);
/* What the transports get as their sink. */
struct dvmi_sink dvmi_p2p_sink(struct dvmi_p2p *p);

/*
 * Sends now if it can be done without waiting and without an operation: 0 sent, -EAGAIN use
 * dvmi_p2p_send(), else the error the send ends with.
 */
int dvmi_p2p_send_now(struct dvmi_p2p *p, uint32_t peer, uint32_t ctx, int32_t tag, const void *buf,
		      size_t len);
/* Starts OP, which need not be initialised. It may be done on return. */
void dvmi_p2p_send(struct dvmi_p2p *p, struct dvmi_op *op, uint32_t peer, uint32_t ctx, int32_t tag,
		   const void *buf, size_t len);
void dvmi_p2p_recv(struct dvmi_p2p *p, struct dvmi_op *op, const struct dvmi_match_key *key,
		   void *buf, size_t len);
/* The same for memory of any kind. A synchronous send is done when a receive has met it. */
void dvmi_p2p_send_from(struct dvmi_p2p *p, struct dvmi_op *op, uint32_t peer, uint32_t ctx,
			int32_t tag, const struct dvmi_mem *mem, bool sync);
void dvmi_p2p_recv_into(struct dvmi_p2p *p, struct dvmi_op *op, const struct dvmi_match_key *key,
			const struct dvmi_mem *mem);
/* True when dvmi_p2p_recv_now() may be tried: nothing is posted, kept or waiting to be sent. */
bool dvmi_p2p_direct(const struct dvmi_p2p *p, const struct dvmi_match_key *key);
/*
 * Receives without an operation under way: 1 done, OP has what a finished receive has; 0 nothing
 * is there yet; -1 something else is, which only progress can take.
 */
int dvmi_p2p_recv_now(struct dvmi_p2p *p, struct dvmi_op *op, const struct dvmi_match_key *key,
		      void *buf, size_t len);
/* The length of what dvmi_p2p_recv_now() would receive: 1 and *LEN, else as there. */
int dvmi_p2p_peek_now(struct dvmi_p2p *p, const struct dvmi_match_key *key, size_t *len);
/* A posted receive ends with CODE. False when a message has met it already. */
bool dvmi_p2p_cancel(struct dvmi_p2p *p, struct dvmi_op *op, int code);

/*
 * The message a receive with KEY would take: 1 with its source, tag and length; 0 none yet; the
 * code such a receive would end with.
 */
int dvmi_p2p_probe(struct dvmi_p2p *p, const struct dvmi_match_key *key, uint32_t *source,
		   int32_t *tag, uint64_t *len);

/*
 * Takes the message a receive with KEY would take out of matching: 1 and the message in *OUT, else
 * as dvmi_p2p_probe(). It is received by dvmi_p2p_mrecv(), or ends with the engine.
 */
struct dvmi_unexpected;
int dvmi_p2p_take(struct dvmi_p2p *p, const struct dvmi_match_key *key,
		  struct dvmi_unexpected **out);
void dvmi_p2p_mrecv(struct dvmi_p2p *p, struct dvmi_op *op, struct dvmi_unexpected *u,
		    const struct dvmi_mem *mem);

/* Sends what waits for room. Returns the number of packets sent. */
int dvmi_p2p_flush(struct dvmi_p2p *p);

/* PEER is gone and has been drained: everything with it ends with CODE. */
void dvmi_p2p_down(struct dvmi_p2p *p, uint32_t peer, int code);
/* The same for all peers. */
void dvmi_p2p_all_down(struct dvmi_p2p *p, int code);

/* The code operations of CTX end with, or 0. */
static inline int dvmi_p2p_revoked(const struct dvmi_p2p *p, uint32_t ctx)
{
	return __builtin_expect(p->revoked.n, 0) ? dvmi_revoked_code(&p->revoked, ctx) : 0;
}

/* All operations of context CTX end with CODE, now and later, here and wherever it is used. */
void dvmi_p2p_revoke(struct dvmi_p2p *p, uint32_t ctx, int code);
/* The same here alone: 1 when that is news, 0 when it was so already, -ENOMEM. */
int dvmi_p2p_revoke_here(struct dvmi_p2p *p, uint32_t ctx, int code);
/* Tells PEER that CTX, as it is called there, is revoked. */
void dvmi_p2p_tell_revoked(struct dvmi_p2p *p, uint32_t peer, uint32_t ctx, int code);

/* Nobody receives in CTX any more: messages that are kept for it are dropped. */
void dvmi_p2p_forget(struct dvmi_p2p *p, uint32_t ctx);

/*
 * Sends a packet that is no message to PEER; it is copied and goes, in order with what was sent
 * before, when there is room. 0, what PEER is down with, -EMSGSIZE or -ENOMEM.
 */
int dvmi_p2p_post(struct dvmi_p2p *p, uint32_t peer, const struct dvmi_pkt *pkt,
		  const void *payload);

/* Makes OP a finished operation that moved nothing. */
void dvmi_p2p_nothing(struct dvmi_op *op, enum dvmi_op_kind kind);
/* Forgets OP, whatever its stage: its buffer is not touched any more. */
void dvmi_p2p_abandon(struct dvmi_p2p *p, struct dvmi_op *op);

/* Nothing but another call of this very thread could send what KEY asks for. */
bool dvmi_p2p_no_sender(const struct dvmi_p2p *p, const struct dvmi_match_key *key);
/* The same for the end of OP, which is not done: waiting for it is a deadlock. */
bool dvmi_p2p_is_hopeless(const struct dvmi_p2p *p, const struct dvmi_op *op);
/* If so, ends OP with -EDEADLK and returns true. */
bool dvmi_p2p_hopeless(struct dvmi_p2p *p, struct dvmi_op *op);

static inline bool dvmi_op_done(const struct dvmi_op *op)
{
	return op->stage == DVMI_OP_DONE;
}

#endif
