/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rank table: what became of each rank of this node. Pure.
 */
#ifndef SHEP_RANKS_H
#define SHEP_RANKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "libdvm/proto/pb.h"

struct shep_rank {
	uint32_t rank;
	pid_t pid; /* also its process group; 0: never started */
	bool exited;
	bool signalled;
	bool connected; /* said hello through libdvm */
	bool closed;	/* said goodbye */
	int status;	/* exit code, or 128 + signal */
	uint64_t order; /* 1, 2, … in which they ended, as far as known */
	uint64_t cpu_ns;
	uint64_t rss_peak; /* bytes */
};

struct shep_ranks {
	struct shep_rank *r; /* ascending by rank; the index is the local rank */
	size_t n;
	size_t exited;
	uint64_t began; /* when the first was started, monotonic */
	uint64_t ended; /* places given out in the order of ends */
};

int shep_ranks_init(struct shep_ranks *t, const Pb__NodeShare *share);
void shep_ranks_free(struct shep_ranks *t);

/* NULL: not one of this node's. */
struct shep_rank *shep_ranks_find(const struct shep_ranks *t, uint32_t rank);
/* One that has not been reaped. */
struct shep_rank *shep_ranks_by_pid(const struct shep_ranks *t, pid_t pid);

/* Notes that a rank has dropped its connection without a goodbye: its end will follow. */
void shep_ranks_lost(struct shep_ranks *t, struct shep_rank *r);

/* Notes the end of a rank; WAIT is a status of wait4(), USAGE may be NULL. */
void shep_ranks_ended(struct shep_ranks *t, struct shep_rank *r, int wait,
		      const struct rusage *usage);

/* A rank that never ran: counts as ended by SIGNAL, or with the exit code CODE. */
void shep_ranks_unstarted(struct shep_ranks *t, struct shep_rank *r, int code, int signal);

static inline bool shep_ranks_over(const struct shep_ranks *t)
{
	return t->exited == t->n;
}

/* Fills OUT, an array of n reports, and LIST with pointers to them. */
void shep_ranks_report(const struct shep_ranks *t, Pb__RankStatus *out, Pb__RankStatus **list);

#endif
