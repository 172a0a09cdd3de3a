/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cgroups of one job on this node:
 *
 *   job-ID/            owned by the job's user; dvmd kills and removes it if we cannot
 *     shepherd/        we, where we were started by root for another user
 *     ranks/           what we may kill
 *       R/             one per rank, only where something is limited
 *
 * We move into the job's group only to become somebody else: the kernel lets a user start a
 * process in a group only if it may write to the nearest group above both. Where no group can be
 * made the job runs without, and processes are found by descent instead.
 */
#ifndef SHEP_GROUP_H
#define SHEP_GROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/place.h"
#include "libdvm/proto/pb.h"

struct shep_group {
	bool there;
	bool memory, cpu;    /* controllers that are on for the ranks' groups */
	int ranks_fd;	     /* directory `ranks`, or -1 */
	char path[PATH_MAX]; /* of job-ID */
	char ranks[PATH_MAX];
};

/* What each rank is held to; 0: not. */
struct shep_limits {
	uint64_t memory;     /* bytes */
	uint32_t cpu;	     /* thousandths of a processor */
	uint32_t cpu_shares; /* cpu.weight, 1 to 10000 */
};

static inline struct shep_limits shep_limits_of(const Pb__JobSpec *spec)
{
	return (struct shep_limits){ .memory = spec->mem_per_rank,
				     .cpu = spec->cpu_limit,
				     .cpu_shares = spec->cpu_shares };
}

/* Before credentials are given up. With OTHER the groups go to UID and GID. -E…: there are none. */
int shep_group_make(struct shep_group *g, const struct dvmd_place *place, bool other, uid_t uid,
		    gid_t gid, const struct shep_limits *want);

/* A group for one rank with its limits, as far as controllers are on; its descriptor, or -E…. */
int shep_group_rank(const struct shep_group *g, uint32_t rank, const struct shep_limits *limits);

/* SIGKILL to all ranks and what they started. -ENOENT where there is no group. */
int shep_group_kill(const struct shep_group *g);

/* Removes what can be removed, and forgets the group. */
void shep_group_remove(struct shep_group *g);

#endif
