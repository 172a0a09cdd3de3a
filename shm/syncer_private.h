/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two ways to the homes have in common: syncer.c calls, syncer_plain.c and _node.c do. */
#ifndef SHM_SYNCER_PRIVATE_H
#define SHM_SYNCER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "shm/alloc.h"
#include "shm/sync_client.h"
#include "shm/syncer.h"

/* A call of a thread that waits for it. */
struct dsm_waiter {
	struct dsm_sync_call call; /* first */
	_Atomic uint32_t done, queued;
	bool waits; /* it is not in the middle of asking */
	bool told;  /* queued was set */
};

/* A way to the homes. All but enter are called between enter and leave. */
struct dsm_way {
	void (*enter)(struct dsm_syncer *s);
	void (*leave)(struct dsm_syncer *s);
	/* Gives up the lock until *WORD is not 0 or it is DEADLINE: 0 or -ETIMEDOUT. */
	int (*wait)(struct dsm_syncer *s, _Atomic uint32_t *word, uint64_t deadline);
	/* *WORD becomes 1, and who waits for it goes on. */
	void (*wake)(struct dsm_syncer *s, _Atomic uint32_t *word);
	void (*destroy)(struct dsm_syncer *s);
	struct dsm_sync_client_ops client;
};

/* Requests beside those of the engine. a: bytes, b: alignment; a: offset. */
enum { DSM_SYNCER_TAKE = DSM_SYNC_OPS, DSM_SYNCER_GIVE };

/* A segment in which ranges are taken. */
struct dsm_syncer_seg {
	struct dsm_syncer_seg *next;
	uint32_t space;
	uint64_t bytes, unit;
	void *books, *own; /* own: mapped by us */
	struct dsm_alloc alloc;
};

struct dsm_syncer {
	const struct dsm_way *way;
	uint32_t self, ranks, homes; /* homes: ranks, or 1 */
	bool lost;		     /* somebody is gone */
	struct dsm_sync home;	     /* what we serve */
	struct dsm_sync_client client;
	struct dsm_syncer_seg *segs;
};

/* The part of dsm_syncer_create… that both have. */
void dsm_syncer_init(struct dsm_syncer *s, const struct dsm_way *way, uint32_t self, uint32_t ranks,
		     uint32_t homes);
/* As struct dsm_sync_client_ops.changed. */
void dsm_syncer_changed(void *arg, struct dsm_sync_call *call);
/* RANK, of HOME, is gone. */
void dsm_syncer_lost(struct dsm_syncer *s, uint32_t rank, uint32_t home);
/* Serves Q at this home. */
void dsm_syncer_serve(struct dsm_syncer *s, const struct dsm_sync_req *q);
/* Forgets segments, but not what their books say. */
void dsm_syncer_fini(struct dsm_syncer *s);

/* ---- syncer_alloc.c ---- */

void dsm_syncer_serve_alloc(struct dsm_syncer *s, const struct dsm_sync_req *q);
void dsm_syncer_forget_seg(struct dsm_syncer *s, uint32_t space);

#endif
