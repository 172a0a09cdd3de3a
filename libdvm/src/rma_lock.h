/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fair lock for readers and writers, in memory that many processes may share, any of which may
 * die at any moment.
 *
 * One word per rank says what that rank wants: its place in the order of asking, how, and whether
 * it has it. Everything else follows from the words, so there is nothing to be left half done: who
 * has the latch goes over the words and grants what can be granted, one store each. The latch names
 * its holder; that of a dead one is taken over. To give up the locks of a dead rank is to clear its
 * word.
 *
 * Rules: an exclusive lock is granted when nobody older is there, a shared one when nobody older
 * wants it exclusively. Pure but for the memory.
 */
#ifndef DVMI_SRC_RMA_LOCK_H
#define DVMI_SRC_RMA_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dvmi_rma_lock {
	_Atomic uint32_t latch; /* rank + 1 of who goes over the words; 0 nobody */
	uint32_t reserved;
	_Atomic uint64_t words[]; /* by rank; 0: it wants nothing */
};

static inline size_t dvmi_rma_lock_bytes(uint32_t ranks)
{
	return sizeof(struct dvmi_rma_lock) + ranks * sizeof(uint64_t);
}

/* One rank's view of a lock of N ranks. */
struct dvmi_rma_locker {
	struct dvmi_rma_lock *l;
	uint32_t n, self;
	/* Whether a rank is known to be gone; its latch is then taken over. */
	bool (*gone)(void *arg, uint32_t rank);
	/* A rank has been granted what it asked for. */
	void (*granted)(void *arg, uint32_t rank);
	void *arg;
};

/* The calls below: 0; -EAGAIN: somebody has the latch, try again later. */

/* RANK asks, exclusively or not. -EALREADY where it has asked before. */
int dvmi_rma_lock_ask(const struct dvmi_rma_locker *k, uint32_t rank, bool exclusive);
/* RANK has or wants it no longer. */
int dvmi_rma_lock_drop(const struct dvmi_rma_locker *k, uint32_t rank);

/* RANK has what it asked for. */
static inline bool dvmi_rma_lock_has(const struct dvmi_rma_lock *l, uint32_t rank)
{
	return atomic_load_explicit(&l->words[rank], memory_order_acquire) & 1;
}

/* RANK has it or has asked for it. */
static inline bool dvmi_rma_lock_asked(const struct dvmi_rma_lock *l, uint32_t rank)
{
	return atomic_load_explicit(&l->words[rank], memory_order_relaxed) != 0;
}

#endif
