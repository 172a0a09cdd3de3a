/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks, condition variables, barriers and cells, as their home keeps them. Pure: a request goes
 * in, replies come out, at once or when what was asked for has become true.
 * doc/design/0022-sync.md.
 *
 * The state lies in memory of the caller, without pointers, all zero at first, so that the
 * processes of a node can share it: each has a view of its own, and whoever is at hand serves a
 * request, one at a time. Objects need no creation: those that nobody uses do not exist. An object
 * is named by a space (what it belongs to) and a number, once for each class, so a lock and a cell
 * may have the same number.
 *
 * Locks are granted in the order of asking, readers next to each other together, so neither readers
 * nor writers starve. When who holds a lock exclusively dies, all who get it from then on are told
 * (DSM_SYNC_OWNER_DEAD), up to and including the first that gets it exclusively.
 */
#ifndef SHM_SYNC_H
#define SHM_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dsm_sync_op {
	DSM_SYNC_LOCK = 1,
	DSM_SYNC_TRYLOCK, /* -EBUSY where it would have to wait */
	DSM_SYNC_READ,	  /* readers-writer lock: with others that read */
	DSM_SYNC_WRITE,	  /* alone */
	DSM_SYNC_UNLOCK,  /* a: ticket of the request that got it, b: its op */
	DSM_SYNC_WAIT,	  /* condition variable: replies DSM_SYNC_QUEUED, later 0 */
	DSM_SYNC_SIGNAL,  /* wakes a of those who wait, the oldest first; value: how many */
	DSM_SYNC_BARRIER, /* waits until a have come; value: 1 for the last */
	DSM_SYNC_CANCEL,  /* a: ticket, b: op (WAIT or BARRIER); that one ends with -ECANCELED */
	DSM_SYNC_LOAD,	  /* cells: 64 bits, zero at first; value: what was there before */
	DSM_SYNC_STORE,	  /* a */
	DSM_SYNC_SWAP,	  /* a */
	DSM_SYNC_ADD,	  /* a, modulo 2^64 */
	DSM_SYNC_CAS,	  /* b where a is there */
	DSM_SYNC_OPS
};

/* Codes of replies beside 0 and -E…. */
enum {
	DSM_SYNC_OWNER_DEAD = 1, /* the lock is held; who held it before died with it */
	DSM_SYNC_QUEUED = 2,	 /* waits from now on; another reply follows */
};

struct dsm_sync_req {
	uint64_t space, id;
	uint64_t ticket; /* names the request among those of its rank */
	uint64_t a, b;
	uint32_t rank; /* who asks */
	uint32_t op;   /* enum dsm_sync_op */
};

struct dsm_sync_reply {
	uint64_t ticket, value;
	int32_t code;
};

/* Tells RANK. May be called several times from within one call; must not call the engine. */
typedef void dsm_sync_tell_fn(void *arg, uint32_t rank, const struct dsm_sync_reply *r);

struct dsm_sync_mem;
struct dsm_sync_object;
struct dsm_sync_entry;

/* A view. Its fields are the engine's. */
struct dsm_sync {
	struct dsm_sync_mem *m;
	struct dsm_sync_object *objects; /* from 1 */
	struct dsm_sync_entry *entries;	 /* from 1 */
	uint32_t *buckets;
	uint32_t nobjects, nentries, nbuckets; /* a power of two */
	dsm_sync_tell_fn *tell;
	void *arg;
};

/*
 * Bytes for at most OBJECTS objects in use and ENTRIES requests that wait or hold a lock. Memory
 * is touched as far as it is used.
 */
size_t dsm_sync_bytes(uint32_t objects, uint32_t entries);
/* A view of MEM, which is aligned to 64 bytes and was all zero when the first view was made. */
void dsm_sync_open(struct dsm_sync *s, void *mem, uint32_t objects, uint32_t entries,
		   dsm_sync_tell_fn *tell, void *arg);

/*
 * Serves Q. What is refused is told by the reply, too: -EINVAL (op, or another number of ranks than
 * the others of a barrier), -EPERM (UNLOCK by who has no such lock; ticket unknown to CANCEL),
 * -EBUSY, -ENOMEM. LOCK and UNLOCK may be asked again with the same ticket after an answer was
 * lost, with the same effect as once.
 */
void dsm_sync_serve(struct dsm_sync *s, const struct dsm_sync_req *q);

/* RANK is gone: it waits no more, what it held is for others. Twice is as good as once. */
void dsm_sync_death(struct dsm_sync *s, uint32_t rank);
/* All in spaces that are SPACE in the bits of MASK is forgotten; nobody is told. */
void dsm_sync_forget(struct dsm_sync *s, uint64_t space, uint64_t mask);

/* Objects and requests there are, for tests and statistics. */
uint32_t dsm_sync_objects(const struct dsm_sync *s);
uint32_t dsm_sync_entries(const struct dsm_sync *s);

#endif
