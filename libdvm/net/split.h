/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One copy, divided between two processes: the receiver reads chunks from the front, the sender
 * writes chunks from the back, until they meet. Who is late or busy does less; alone, the receiver
 * does all of it.
 *
 * The word in shared memory says how many chunks each side has claimed, and a generation, which
 * the sender, whose slot it is, counts up when the copy is over for it. The receiver looks at the
 * generation after each chunk, so bytes of a buffer that is the sender's user's again never pass
 * for the message. Beside it the sender counts what it has written.
 *
 * Copies that follow one another may be turned round, every second one: what the end of one has
 * left in the cache, the next one begins with. That pays where both ways are busy, and everybody
 * reads all of its messages.
 *
 * The other side is another process: no value here leads anywhere but to a chunk below N.
 */
#ifndef DVMI_NET_SPLIT_H
#define DVMI_NET_SPLIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct dvmi_split {
	_Atomic uint64_t claim;	 /* generation 16 bits, from the back 24, from the front 24 */
	_Atomic uint64_t pushed; /* chunks the sender has written */
	_Atomic uint32_t turned; /* the receiver: what is called the front is the end */
	uint8_t pad[44];
};

_Static_assert(sizeof(struct dvmi_split) == 64, "one cache line");

#define DVMI_SPLIT_BITS	  24
#define DVMI_SPLIT_MASK	  ((UINT64_C(1) << DVMI_SPLIT_BITS) - 1)
#define DVMI_SPLIT_FAILED (UINT64_C(1) << 63) /* in pushed: the sender cannot write */

#define DVMI_SPLIT_ALONE (32u * 1024)  /* up to this length one chunk, the receiver's */
#define DVMI_SPLIT_CHUNK (256u * 1024) /* the longest, below 2 TiB */
#define DVMI_SPLIT_PAGE	 4096u

/* Bytes of a chunk of a copy of WANT bytes, at least 1. */
static inline uint64_t dvmi_split_chunk(uint64_t want)
{
	uint64_t half = (want / 2 + DVMI_SPLIT_PAGE - 1) / DVMI_SPLIT_PAGE * DVMI_SPLIT_PAGE;
	uint64_t c = DVMI_SPLIT_CHUNK;

	if (want <= DVMI_SPLIT_ALONE)
		return want ? want : 1;
	if (half <= c) /* two; the sender's is shorter, because it begins later */
		return half + DVMI_SPLIT_PAGE < want ? half + DVMI_SPLIT_PAGE : half;
	while (want / c >= DVMI_SPLIT_MASK / 2)
		c *= 2;
	return c;
}

static inline uint32_t dvmi_split_chunks(uint64_t want)
{
	uint64_t c = dvmi_split_chunk(want);

	return (uint32_t)(want / c + (want % c != 0));
}

/* Chunk K of a copy of WANT bytes: where it begins, and its length in *LEN. */
static inline uint64_t dvmi_split_at(uint64_t want, uint64_t k, bool turned, uint64_t *len)
{
	uint64_t c = dvmi_split_chunk(want), from = k * c, to = want - from < c ? want : from + c;

	*len = to - from;
	return turned ? want - to : from;
}

enum {
	DVMI_SPLIT_NONE = -1, /* all is claimed */
	DVMI_SPLIT_GONE = -2, /* the sender has withdrawn it */
};

/* The sender: a new copy of generation GEN; it is over for us. */
static inline void dvmi_split_offer(struct dvmi_split *s, uint16_t gen)
{
	atomic_store_explicit(&s->pushed, 0, memory_order_relaxed);
	atomic_store_explicit(&s->claim, (uint64_t)gen << 48, memory_order_release);
}

static inline void dvmi_split_withdraw(struct dvmi_split *s, uint16_t gen)
{
	atomic_store(&s->claim, (uint64_t)(uint16_t)(gen + 1) << 48);
}

static inline bool dvmi_split_valid(struct dvmi_split *s, uint16_t gen)
{
	return atomic_load(&s->claim) >> 48 == gen;
}

static inline uint64_t dvmi_split_back_of(uint64_t claim)
{
	return claim >> DVMI_SPLIT_BITS & DVMI_SPLIT_MASK;
}

static inline uint64_t dvmi_split_taken(uint64_t claim)
{
	return (claim & DVMI_SPLIT_MASK) + dvmi_split_back_of(claim);
}

/* The receiver claims the next chunk of N from the front; the sender from the back. Its index. */
int64_t dvmi_split_front(struct dvmi_split *s, uint16_t gen, uint32_t n);
int64_t dvmi_split_back(struct dvmi_split *s, uint16_t gen, uint32_t n);
/* The sender has written its chunk, or cannot. */
void dvmi_split_pushed(struct dvmi_split *s, bool good);

enum dvmi_split_state {
	DVMI_SPLIT_OPEN,      /* chunks are left */
	DVMI_SPLIT_WAITING,   /* the sender is writing */
	DVMI_SPLIT_COMPLETE,  /* what it has claimed is there */
	DVMI_SPLIT_BROKEN,    /* it cannot write, and does not any more */
	DVMI_SPLIT_WITHDRAWN, /* it does nothing any more */
};

/* For the receiver, who has finished what it claimed itself. */
enum dvmi_split_state dvmi_split_state(struct dvmi_split *s, uint16_t gen, uint32_t n);
/* The receiver: nobody claims any more. */
void dvmi_split_close(struct dvmi_split *s, uint16_t gen, uint32_t n);

#endif
