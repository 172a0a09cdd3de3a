/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of the home's side: tables of objects and requests, linked by index. 0 is none. */
#ifndef SHM_SYNC_PRIVATE_H
#define SHM_SYNC_PRIVATE_H

#include "shm/sync.h"

enum dsm_sync_class {
	DSM_SYNC_NONE = 0,
	DSM_SYNC_MUTEX,
	DSM_SYNC_RW,
	DSM_SYNC_COND,
	DSM_SYNC_GATE,
	DSM_SYNC_CELL,
};

/* Elements of a table in use: a list of free ones, and those beyond `top` were never used. */
struct dsm_sync_pool {
	uint32_t free, top, used;
};

struct dsm_sync_mem {
	struct dsm_sync_pool objects, entries;
};

struct dsm_sync_object {
	uint64_t space, id;
	uint64_t value;	     /* of a cell; ranks of a barrier */
	uint32_t next;	     /* in its bucket, or free */
	uint32_t head, tail; /* who waits */
	uint32_t holders;    /* who has the lock */
	uint32_t waiting;    /* how many */
	uint8_t class;
	bool owner_dead;
};

enum dsm_sync_place { DSM_SYNC_FREE = 0, DSM_SYNC_WAITS, DSM_SYNC_HOLDS };

struct dsm_sync_entry {
	uint64_t ticket;
	uint32_t next;
	uint32_t object;
	uint32_t rank;
	uint8_t place;
	bool shared;
	bool inherits; /* it was told that the one before died */
};

/* NULL: none, or nonsense. */
static inline struct dsm_sync_object *dsm_sync_object(const struct dsm_sync *s, uint32_t i)
{
	return i && i <= s->nobjects ? &s->objects[i] : NULL;
}

static inline struct dsm_sync_entry *dsm_sync_entry(const struct dsm_sync *s, uint32_t i)
{
	return i && i <= s->nentries ? &s->entries[i] : NULL;
}

static inline uint32_t dsm_sync_index(const struct dsm_sync *s, const struct dsm_sync_object *o)
{
	return (uint32_t)(o - s->objects);
}

/* The object of CLASS that Q names; made where there is none if MAKE. NULL: none, or no room. */
struct dsm_sync_object *dsm_sync_find(struct dsm_sync *s, const struct dsm_sync_req *q,
				      uint8_t class, bool make);
/* O goes, if it is as if it had never been. */
void dsm_sync_tidy(struct dsm_sync *s, struct dsm_sync_object *o);

/* Q waits for O, behind all others. The entry, or NULL without room. */
struct dsm_sync_entry *dsm_sync_enqueue(struct dsm_sync *s, struct dsm_sync_object *o,
					const struct dsm_sync_req *q, bool shared);
/* Takes who waits longest out of O's queue. There is one. */
struct dsm_sync_entry *dsm_sync_dequeue(struct dsm_sync *s, struct dsm_sync_object *o);
/* The entry of RANK and TICKET that waits for O, or holds it; NULL. */
struct dsm_sync_entry *dsm_sync_seek(const struct dsm_sync *s, const struct dsm_sync_object *o,
				     uint8_t place, uint32_t rank, uint64_t ticket);
/* E, which waits or holds, is taken out of O's list and freed. */
void dsm_sync_unlink(struct dsm_sync *s, struct dsm_sync_object *o, struct dsm_sync_entry *e);
/* E, which is in no list, is free. */
void dsm_sync_release(struct dsm_sync *s, struct dsm_sync_entry *e);

#endif
