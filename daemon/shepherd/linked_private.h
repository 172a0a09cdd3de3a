/* SPDX-License-Identifier: BSD-3-Clause */
/* What links.c (the table and its upkeep) and links_wire.c (messages between jobs) share. */
#ifndef SHEP_LINKED_PRIVATE_H
#define SHEP_LINKED_PRIVATE_H

#include "daemon/shepherd/shepherd_private.h"

struct shep_linked {
	struct shep_linked *prev, *next;
	struct shep *s;
	uint64_t job;
	uint64_t key, parent;
	uint32_t parent_rank;
	struct shep_jobmem mem;
	uint32_t *node_ids;	  /* by node index */
	bool *heard;		  /* the same: has told its states since we said WATCH */
	struct shep_peers *peers;
	struct dvmi_idset locals; /* ranks of ours that have linked it */
	uint8_t *told;		  /* [size]: its exit has been told */
	uint32_t n_told;
	uint64_t watch_at;	  /* say WATCH again then */
	uint64_t ask_again;	  /* addresses that wait; 0: none */
	uint64_t over_by;	  /* the job is over: what is not known then will never be; 0: it is not */
	bool ended;		  /* … and that has been told */
	int32_t exit_code;
	char reason[DVMI_RANK_TEXT_MAX];
};

/* A shepherd of another job that wants to know of our ranks. */
struct shep_watcher {
	uint64_t job;
	uint32_t node; /* id */
	uint64_t until;
};

/* ---- links.c ---- */
/* RANK has moved on. */
void shep_linked_mark(struct shep_linked *l, uint32_t rank, enum dvmi_rank_state state);
/* It has ended; told once. */
void shep_linked_exit(struct shep_linked *l, uint32_t rank, int32_t status, uint32_t signal);

/* ---- links_wire.c ---- */
/* WATCH to all its shepherds, or to those that have not been heard. */
void shep_linked_watch(struct shep_linked *l, bool all);

#endif
