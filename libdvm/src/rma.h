/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Windows. What a rank can reach (its own memory, and that of windows the library made on its node)
 * it reads and updates itself; else operations are active messages of the group's third context to
 * the target, which does the same there. doc/design/0013-one-sided.md.
 *
 * Under the handle's lock, but for the pointers and sizes in dvm_win.ranks, which are read by any
 * thread at any time.
 */
#ifndef DVMI_SRC_RMA_H
#define DVMI_SRC_RMA_H

#include "dvm/rma.h"
#include "libdvm/src/handle.h"
#include "libdvm/src/rma_atomic.h"
#include "libdvm/src/rma_lock.h"

#define DVMI_RMA_LOOKS 64 /* every so many flushes of shared memory look for news */

enum dvmi_rma_kind {
	DVMI_RMA_PUT = 1,
	DVMI_RMA_GET,
	DVMI_RMA_ACC,
	DVMI_RMA_FETCH, /* accumulate with reply */
	DVMI_RMA_CAS,	/* payload: compare, value */
	DVMI_RMA_FLUSH,
	DVMI_RMA_LOCK,
	DVMI_RMA_UNLOCK,
	DVMI_RMA_REPLY,
	DVMI_RMA_POKE, /* says nothing: whoever slept looks again */
};

/* Head of every message; little-endian. */
struct dvmi_rma_head {
	uint32_t win;
	uint8_t type, op;
	uint16_t mode; /* of a lock */
	uint64_t off;  /* in the target's memory */
	uint64_t id;   /* of the asker's operation, 0: no reply */
	uint64_t at;   /* where in that operation this part belongs */
	uint32_t len;  /* bytes wanted */
	int32_t code;  /* of a reply */
} __attribute__((packed));

_Static_assert(sizeof(struct dvmi_rma_head) == 40, "wire format");

/* What operations look at first. */
struct dvmi_win_rank {
	uint8_t *ptr; /* NULL: out of reach, or not mapped yet */
	uint64_t bytes;
};

/* All else about a rank of a window. */
struct dvmi_win_far {
	uint32_t peer;		    /* in the job */
	int64_t offset;		    /* in its arena, where its memory is shared on this node; -1 */
	struct dvmi_rma_lock *lock; /* NULL: out of reach */
	void *map;
	uint8_t locked; /* how we have it locked, 0 not */
	bool dirty;	/* we have sent what no flush has confirmed */
	uint32_t tasks; /* operations under way */
	int error;	/* of what it has sent and nobody waits for: told at its flush */
	uint64_t asks;	/* id of its request for our lock, 0 none */
};

struct dvm_win {
	struct dvmi_win_rank *ranks; /* [size] */
	uint32_t size, rank;
	struct dvmi_win_far *far; /* [size] */
	dvm_group_t *g;
	dvm_t *d;
	uint32_t id, ctx;
	bool shared;	/* the memory is the library's */
	void *own;	/* the library's memory for this rank, lock in front; NULL: none */
	int64_t offset; /* of it in our arena, -1: from malloc */
	uint32_t looks, asking;
	struct dvm_win *next;
};

/* An operation that takes messages. */
struct dvmi_rma_op {
	struct dvmi_task task;
	dvm_win_t *w;
	uint32_t target;
	enum dvmi_rma_kind kind;
	uint8_t type, op;
	uint16_t mode;
	bool begun;
	const uint8_t *in; /* NULL: messages carry no bytes */
	uint8_t *out;	   /* NULL: no bytes come back */
	uint64_t off, len, sent, got, id;
	uint8_t pair[16]; /* compare and value */
};

/* A change of a lock that is to be made here. */
struct dvmi_rma_ask {
	struct dvmi_rma_ask *next;
	dvm_win_t *w;
	uint32_t target, rank; /* whose lock, for whom */
	uint16_t mode;	       /* 0: drop */
	uint64_t id;	       /* of the request that is answered, or 0 */
};

/* Everything of a handle. */
struct dvmi_rma {
	struct dvm_win *wins;
	struct dvmi_optab ops; /* that await replies */
	struct dvmi_rma_ask *asks, **asks_tail;
	uint32_t asking; /* ranks that wait for a lock of ours and get a message */
	uint8_t *scratch;
};

/* RANK reaches TARGET's memory without messages. */
bool dvmi_win_shares(const dvm_win_t *w, uint32_t rank, uint32_t target);
/* Loads and stores before it precede those behind it. (The builtin: the thread sanitizer knows no
 * C11 fence.) */
static inline void dvmi_fence(void)
{
	__sync_synchronize();
}

/* Maps RANK's memory if this process can reach it. True when it is there. */
bool dvmi_win_reach(dvm_win_t *w, uint32_t rank);

/* LEN bytes at OFFSET of RANK as this process sees them; NULL: out of reach or out of bounds. */
static inline uint8_t *dvmi_win_at(const dvm_win_t *w, int rank, uint64_t offset, uint64_t len)
{
	if (__builtin_expect(!w || (uint32_t)rank >= w->size, 0))
		return NULL;
	const struct dvmi_win_rank *r = &w->ranks[rank];
	uint8_t *p = __atomic_load_n(&r->ptr, __ATOMIC_ACQUIRE);
	if (__builtin_expect(!p || offset > r->bytes || len > r->bytes - offset, 0))
		return NULL;
	return p + offset;
}

/* The same for operations that found nothing: 0 with *P (NULL: by message), or -E…. */
int dvmi_win_slow(dvm_win_t *w, int rank, uint64_t offset, uint64_t len, uint8_t **p);

/* Starts OP, whose w, target, kind and what belongs to it are set. May be done on return. */
void dvmi_rma_start(struct dvmi_rma_op *op);
/* Starts it and waits. The handle is locked. */
int dvmi_rma_run(struct dvmi_rma_op *op);
/* A copy of OP as a request. */
int dvmi_rma_request(const struct dvmi_rma_op *op, struct dvm_req **req);

/* What SRC asks of us. BYTES is the payload. */
void dvmi_rma_target(dvm_t *d, uint32_t src, uint32_t ctx, uint32_t kind,
		     const struct dvmi_rma_head *h, const uint8_t *bytes, uint32_t len);
/* Answers operation ID of PEER. */
void dvmi_rma_reply(dvm_t *d, uint32_t peer, uint32_t ctx, uint64_t id, uint64_t at, int code,
		    const void *bytes, uint32_t len);

/* Waits until all at RANK is complete. The handle is locked. */
int dvmi_rma_flush(dvm_win_t *w, uint32_t rank);
/* Waits until operations with RANK that take messages have ended. */
void dvmi_rma_settle(dvm_win_t *w, uint32_t rank);

/* Queues a change of a lock; 0 or -ENOMEM. */
int dvmi_rma_ask_later(dvm_win_t *w, uint32_t target, uint32_t rank, uint16_t mode, uint64_t id);
/* What is asked for in W is forgotten. */
void dvmi_rma_forget_asks(dvm_win_t *w);

#endif
