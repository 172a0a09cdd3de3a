/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The asker's side of shm/sync.h: requests under way, what is held, and what becomes of both when
 * ranks die. Pure.
 *
 * A home is a node; any rank there serves it, so while one of them lives its locks live on. An
 * answer may die with the rank that was to send it, whichever that was: therefore, whenever a rank
 * of a home dies, what may be asked twice is asked again, and the rest ends with -DVM_EPEERLOST.
 * Who waits for a condition or at a barrier may be waiting for the dead: these waits end, too.
 */
#ifndef SHM_SYNC_CLIENT_H
#define SHM_SYNC_CLIENT_H

#include "shm/sync.h"

/* A request of one's own. Made by the caller, who sets q.space, id, a, b, op; and home. */
struct dsm_sync_call {
	struct dsm_sync_req q;
	uint32_t home; /* node */
	int64_t agent; /* rank there that was asked */
	bool done;     /* code and value tell how */
	bool queued;   /* WAIT: it is known at the home */
	bool detached; /* the engine's own, freed by it */
	int32_t code;  /* 0, DSM_SYNC_OWNER_DEAD or -E… */
	uint64_t value;
	struct dsm_sync_call *next;
};

struct dsm_sync_client_ops {
	/* A living rank of HOME to ask for ID: PREFERRED, if it lives (-1: none is); or -1. */
	int64_t (*agent)(void *arg, uint32_t home, uint64_t id, int64_t preferred);
	/* Sends Q to AGENT; replies may come from inside the call. 0 or -E…: it is not sent. */
	int (*send)(void *arg, uint32_t home, uint32_t agent, const struct dsm_sync_req *q);
	/* CALL is done or queued: whoever waits for that goes on. May be NULL. */
	void (*changed)(void *arg, struct dsm_sync_call *call);
};

/* A lock that is held, by which request. */
struct dsm_sync_hold {
	uint64_t space, id, ticket;
	uint32_t op, home;
	int64_t agent;
};

struct dsm_sync_client {
	uint32_t rank;
	uint64_t tickets;
	struct dsm_sync_call *calls; /* under way */
	struct dsm_sync_hold *holds; /* [nholds] */
	uint32_t nholds, room;
	const struct dsm_sync_client_ops *ops;
	void *arg;
};

void dsm_sync_client_init(struct dsm_sync_client *c, uint32_t rank,
			  const struct dsm_sync_client_ops *ops, void *arg);
/* Forgets what is under way. */
void dsm_sync_client_fini(struct dsm_sync_client *c);

/* Asks. CALL stays where it is until it is done, which it may be on return. */
void dsm_sync_start(struct dsm_sync_client *c, struct dsm_sync_call *call);
/* Gives back the lock that was got by OP (LOCK, READ or WRITE). 0, -EPERM (not held), -ENOMEM. */
int dsm_sync_unlock(struct dsm_sync_client *c, uint64_t space, uint64_t id, uint32_t op);
/* Gives back all that is held in SPACE. 0 or -ENOMEM: not all. */
int dsm_sync_unlock_all(struct dsm_sync_client *c, uint64_t space);
/* Whether that lock is held. */
bool dsm_sync_holds(const struct dsm_sync_client *c, uint64_t space, uint64_t id, uint32_t op);
/* CALL, a WAIT or BARRIER that is under way, shall end: with -ECANCELED, unless it was too late. */
void dsm_sync_withdraw(struct dsm_sync_client *c, struct dsm_sync_call *call);

/* A reply has come. It is input: of an unknown ticket it is ignored. */
void dsm_sync_replied(struct dsm_sync_client *c, const struct dsm_sync_reply *r);
/* RANK, of node HOME, is gone. */
void dsm_sync_lost(struct dsm_sync_client *c, uint32_t rank, uint32_t home);
/* All that is under way ends with CODE. */
void dsm_sync_fail(struct dsm_sync_client *c, int code);

#endif
