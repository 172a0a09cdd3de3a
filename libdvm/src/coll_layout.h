/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the ranks of a group are, and teams: subsets of them in which an algorithm runs, such as
 * the ranks of one node or one rank of each. Pure.
 */
#ifndef DVMI_SRC_COLL_LAYOUT_H
#define DVMI_SRC_COLL_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "libdvm/src/nodes.h"

/* Ranks are those of the group. Arrays are those of its nodes.h. */
struct dvmi_layout {
	uint32_t rank, size, nnodes;
	uint32_t node;		 /* of this rank */
	const uint32_t *node_of; /* [size] */
	const uint32_t *first;	 /* [nnodes + 1]: where a node's ranks begin in members */
	const uint32_t *members; /* [size]: ranks by node, ascending in each */
	bool shared;		 /* some node has several ranks */
	bool runs;		 /* members is 0, 1, 2, …: a node's ranks are neighbours */
};

/* The layout seen by RANK of SIZE; NODES must outlive it. */
struct dvmi_layout dvmi_layout_of(const struct dvmi_nodes *nodes, uint32_t rank, uint32_t size);

/* Team rank i is rank RANKS[i] of the group. */
struct dvmi_team {
	uint32_t rank, size;
	const uint32_t *ranks; /* NULL: the same numbers */
};

static inline uint32_t dvmi_team_rank(const struct dvmi_team *t, uint64_t i)
{
	return t->ranks ? t->ranks[i] : (uint32_t)i;
}

/* The neighbour STEP (below the size) further on, round the team. */
static inline uint32_t dvmi_team_after(const struct dvmi_team *t, uint64_t step)
{
	return (uint32_t)((t->rank + step) % t->size);
}

static inline uint32_t dvmi_team_before(const struct dvmi_team *t, uint64_t step)
{
	return (uint32_t)((t->rank + t->size - step) % t->size);
}

struct dvmi_team dvmi_layout_all(const struct dvmi_layout *l);
/* The ranks of this rank's node. */
struct dvmi_team dvmi_layout_local(const struct dvmi_layout *l);
/* The lowest rank of NODE. */
uint32_t dvmi_layout_leader(const struct dvmi_layout *l, uint32_t node);

#endif
