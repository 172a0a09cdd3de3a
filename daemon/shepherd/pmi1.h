/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server side of PMI-1, the "simple" wire protocol by which the ranks of MPICH and its
 * relatives find each other: lines of `cmd=NAME key=value …` over a socket per rank. Pure: bytes
 * come in and leave by callbacks.
 *
 * What the ranks of this node put is kept until all of them are in the barrier; then it leaves as
 * one piece for the other nodes, and what comes back from all of them is what `get` sees.
 */
#ifndef SHEP_PMI1_H
#define SHEP_PMI1_H

#include <stddef.h>
#include <stdint.h>

#include "libdvm/proto/pb.h"

struct shep_pmi1; /* incomplete */

enum shep_pmi1_name {
	SHEP_PMI1_PUBLISH,
	SHEP_PMI1_LOOKUP,
	SHEP_PMI1_UNPUBLISH,
};

struct shep_pmi1_config {
	uint32_t local; /* ranks on this node */
	uint32_t size;	/* of the job */
	uint64_t job;
	uint32_t universe; /* slots of the machine */
	const char *mapping; /* value of PMI_process_mapping, or NULL */
	/* One line for a local rank. */
	void (*reply)(uint32_t local, const char *line, size_t len, void *arg);
	/* All local ranks are in the barrier; shep_pmi1_exchanged() is to follow. */
	void (*barrier)(const uint8_t *data, size_t len, void *arg);
	void (*abort)(uint32_t local, int code, const char *text, void *arg);
	/* The number of a local rank's program. */
	uint32_t (*program)(uint32_t local, void *arg);
	/* A port under a name: shep_pmi1_named() is to follow. PORT is NULL for a lookup. */
	void (*name)(uint32_t local, enum shep_pmi1_name what, const char *service,
		     const char *port, void *arg);
	/* MSG, borrowed, is to be started: shep_pmi1_spawned() is to follow. */
	void (*spawn)(uint32_t local, const Pb__PmixSpawn *msg, void *arg);
	void *arg;
};

int shep_pmi1_create(struct shep_pmi1 **out, const struct shep_pmi1_config *config);
void shep_pmi1_destroy(struct shep_pmi1 *p);

/* Bytes of a local rank. 0, or -DVM_EPROTO: it speaks something else; let it go. */
int shep_pmi1_input(struct shep_pmi1 *p, uint32_t local, const char *bytes, size_t n);

/*
 * The exchange is over: with CODE 0 the pieces of all nodes, ours among them, one behind the
 * other; else why it failed, which every rank in the barrier is told.
 */
void shep_pmi1_exchanged(struct shep_pmi1 *p, int code, const uint8_t *data, size_t len);

/* What all ranks find put from the beginning, as "KEY=VALUE". -EINVAL, -ENOMEM. */
int shep_pmi1_preput(struct shep_pmi1 *p, const char *pair);

/* Answers: CODE 0 or -E…. PORT is what was looked up. */
void shep_pmi1_named(struct shep_pmi1 *p, uint32_t local, enum shep_pmi1_name what, int code,
		     const char *port);
void shep_pmi1_spawned(struct shep_pmi1 *p, uint32_t local, int code);

/* What a rank has said. */
enum shep_pmi1_state {
	SHEP_PMI1_SILENT = 0,
	SHEP_PMI1_INIT,
	SHEP_PMI1_FINALIZED,
};
enum shep_pmi1_state shep_pmi1_state(const struct shep_pmi1 *p, uint32_t local);

/*
 * The value of PMI_process_mapping for RANKS ranks, of which rank i is on node NODE_OF[i]: blocks
 * of (first node, nodes, ranks each), in the order of ranks. Returns its length; -EMSGSIZE when it
 * does not fit in SIZE bytes.
 */
int shep_pmi1_mapping(char *out, size_t size, const uint32_t *node_of, uint32_t ranks);

#endif
