/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the ranks of a group live: for collectives that know of nodes. Computed when first asked
 * for, then kept with the group; constant, so read by any thread.
 */
#ifndef DVMI_SRC_NODES_H
#define DVMI_SRC_NODES_H

#include <stdint.h>

#include "dvm/dvm.h"

struct dvmi_nodes {
	uint32_t count;	   /* nodes with a rank of the group, in the order of their lowest ranks */
	uint32_t self;	   /* this rank's node, 0 … count - 1 */
	uint32_t place;	   /* of this rank among those of its node */
	uint32_t most;	   /* ranks on the node that has most of them */
	uint32_t *node_of; /* [size] by rank */
	uint32_t *first;   /* [count + 1]: where the ranks of a node begin in ranks */
	uint32_t *ranks;   /* [size]: node by node, ascending within each */
};

/* The nodes of G. 0 and *OUT, which lives as long as G; -ENOMEM. Under the handle's lock. */
int dvmi_group_nodes(dvm_group_t *g, const struct dvmi_nodes **out);

/* Lowest rank on NODE. */
static inline uint32_t dvmi_nodes_leader(const struct dvmi_nodes *n, uint32_t node)
{
	return n->ranks[n->first[node]];
}

/* Ranks on NODE. */
static inline uint32_t dvmi_nodes_size(const struct dvmi_nodes *n, uint32_t node)
{
	return n->first[node + 1] - n->first[node];
}

/*
 * The same for SIZE ranks of which rank r lives at place WHERE[r] < NPLACES and SELF is this one.
 * One piece of memory for free(), or NULL.
 */
struct dvmi_nodes *dvmi_nodes_make(const uint32_t *where, uint32_t size, uint32_t nplaces,
				   uint32_t self);

#endif
