/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The waiting side of synchronisation: blocking calls over the engines of sync.h and
 * sync_client.h, for any number of threads. Two ways to the homes: memory that all ranks share
 * (they are on one node: no messages, sleepers on futexes), or a service of a dsm_node (each rank
 * is a home, served by its service thread).
 */
#ifndef SHM_SYNCER_H
#define SHM_SYNCER_H

#include "shm/dsm.h"
#include "shm/sync.h"

#define DSM_SYNC_SERVICE 0 /* number of ours among a node's */
#define DSM_SYNC_SPACES	 65536
#define DSM_SYNC_EVER	 UINT64_MAX /* as a deadline */

struct dsm_syncer; /* incomplete */

/* Ranks that share memory. */
struct dsm_syncer_plain {
	uint32_t self, ranks;
	void *mem; /* dsm_syncer_bytes(ranks), shared, all zero at first, outlives the syncer */
	/* RANK is gone, for good. By threads that wait. */
	bool (*dead)(void *arg, uint32_t rank);
	void *arg;
};

size_t dsm_syncer_bytes(uint32_t ranks);
/* 0, -EINVAL or -ENOMEM. */
int dsm_syncer_create_plain(struct dsm_syncer **out, const struct dsm_syncer_plain *config);
/* Over N, which outlives it. Likewise, or as dsm_node_serve(). */
int dsm_syncer_create(struct dsm_syncer **out, struct dsm_node *n);
/* No thread is inside a call. NULL is accepted. */
void dsm_syncer_destroy(struct dsm_syncer *s);

/*
 * Asks and waits until it is so. SPACE is below DSM_SYNC_SPACES; OP is none of UNLOCK, WAIT and
 * CANCEL. VALUE may be NULL. 0, DSM_SYNC_OWNER_DEAD, or -E…: -EBUSY, -EINVAL, -ENOMEM,
 * -DVM_EPEERLOST.
 */
int dsm_syncer_ask(struct dsm_syncer *s, uint32_t space, uint64_t id, uint32_t op, uint64_t a,
		   uint64_t b, uint64_t *value);
/* Gives back what OP got (LOCK, READ, WRITE). 0, -EPERM, -ENOMEM. Does not wait. */
int dsm_syncer_unlock(struct dsm_syncer *s, uint32_t space, uint64_t id, uint32_t op);
/* Gives back all locks of SPACE that are held here. 0 or -ENOMEM. */
int dsm_syncer_unlock_all(struct dsm_syncer *s, uint32_t space);
/* All ranks meet, by groups: nobody hears from more than DSM_SYNC_FAN others. */
#define DSM_SYNC_FAN 16
int dsm_syncer_meet(struct dsm_syncer *s, uint32_t space, uint64_t id);
/*
 * Gives back lock LOCK, waits for a signal until DEADLINE (of dvmi_clock_mono(), or DSM_SYNC_EVER)
 * and takes LOCK again. 0, DSM_SYNC_OWNER_DEAD; -EPERM (LOCK is not held), -ETIMEDOUT,
 * -DVM_EPEERLOST (who would signal may be gone), -ENOMEM. But for -EPERM and an error in taking it,
 * LOCK is held again.
 */
int dsm_syncer_wait(struct dsm_syncer *s, uint32_t space, uint64_t id, uint64_t lock,
		    uint64_t deadline);
/*
 * SPACE is a segment of BYTES in units of UNIT, in which ranges may be taken. BOOKS: memory of
 * dsm_syncer_books() where ranks share memory, zero at first, else NULL: the home of the books
 * makes them when they are first needed. At all ranks, before any of them takes one. 0 or -ENOMEM.
 */
size_t dsm_syncer_books(uint64_t bytes, uint64_t unit, uint32_t ranks);
int dsm_syncer_segment(struct dsm_syncer *s, uint32_t space, uint64_t bytes, uint64_t unit,
		       void *books);
/* As in alloc.h; or -DVM_EPEERLOST: the home of the books is gone. */
int dsm_syncer_take(struct dsm_syncer *s, uint32_t space, uint64_t bytes, uint64_t align,
		    uint64_t *offset);
int dsm_syncer_give(struct dsm_syncer *s, uint32_t space, uint64_t offset);
/* What this rank serves for SPACE is forgotten. Nobody uses it any more. */
void dsm_syncer_forget(struct dsm_syncer *s, uint32_t space);

#endif
