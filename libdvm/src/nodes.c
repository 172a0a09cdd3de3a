/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/src/handle.h"
#include "libdvm/src/nodes.h"

#define NONE UINT32_MAX

/* Numbers the places in the order of their lowest ranks. INDEX has one entry per place. */
static void number(struct dvmi_nodes *n, const uint32_t *where, uint32_t size, uint32_t *index)
{
	for (uint32_t r = 0; r < size; r++) {
		if (index[where[r]] == NONE)
			index[where[r]] = n->count++;
		n->node_of[r] = index[where[r]];
	}
}

/* Counts the ranks of each node and lays them out one after the other. */
static void lay_out(struct dvmi_nodes *n, uint32_t size)
{
	memset(n->first, 0, (n->count + 1) * sizeof *n->first);
	for (uint32_t r = 0; r < size; r++)
		n->first[n->node_of[r] + 1]++;
	for (uint32_t i = 0; i < n->count; i++) {
		if (n->first[i + 1] > n->most)
			n->most = n->first[i + 1];
		n->first[i + 1] += n->first[i];
	}
	/* Each beginning moves to its end while the node is filled, and back. */
	for (uint32_t r = 0; r < size; r++)
		n->ranks[n->first[n->node_of[r]]++] = r;
	memmove(n->first + 1, n->first, n->count * sizeof *n->first);
	n->first[0] = 0;
}

static void find_self(struct dvmi_nodes *n, uint32_t self)
{
	n->self = n->node_of[self];
	while (n->ranks[n->first[n->self] + n->place] != self)
		n->place++;
}

struct dvmi_nodes *dvmi_nodes_make(const uint32_t *where, uint32_t size, uint32_t nplaces,
				   uint32_t self)
{
	struct dvmi_nodes *n = calloc(1, sizeof *n + (3 * (size_t)size + 1) * sizeof(uint32_t));
	uint32_t *index = malloc(nplaces * sizeof *index);

	if (!n || !index) {
		free(n);
		free(index);
		return NULL;
	}
	memset(index, 0xff, nplaces * sizeof *index);
	n->node_of = (uint32_t *)(n + 1);
	n->ranks = n->node_of + size;
	n->first = n->ranks + size;
	number(n, where, size, index);
	lay_out(n, size);
	find_self(n, self);
	free(index);
	return n;
}

static uint32_t place_of(const dvm_t *d, uint32_t peer)
{
	return d->map.map ? d->map.node_of[peer] : 0;
}

int dvmi_group_nodes(dvm_group_t *g, const struct dvmi_nodes **out)
{
	if (!g->nodes) {
		uint32_t *where = malloc(g->size * sizeof *where);
		if (!where)
			return -ENOMEM;
		/* Of another job nobody knows where: then, for all alike, everybody is alone. */
		bool known = !g->link || g->local;
		for (uint32_t r = 0; r < g->size; r++)
			where[r] = known ? place_of(g->d, dvmi_rankmap_peer(&g->map, r)) : r;
		g->nodes = dvmi_nodes_make(where, g->size, known ? g->d->env.nnodes : g->size,
					   g->rank);
		free(where);
	}
	if (!g->nodes)
		return -ENOMEM;
	*out = g->nodes;
	return 0;
}
