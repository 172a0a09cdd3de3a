/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A directed graph: the edges of each vertex side by side. An edge that was listed twice counts
 * once, and self loops are no edges: nobody votes for himself.
 */
#ifndef EXAMPLES_GRAPH_GRAPH_H
#define EXAMPLES_GRAPH_GRAPH_H

#include "examples/graph/names.h"

struct graph {
	struct names names;
	uint32_t n;	 /* vertices */
	uint64_t m;	 /* edges */
	uint64_t *first; /* n + 1: the edges of v lead to to[first[v]] … to[first[v + 1] - 1] */
	uint32_t *to;
	uint64_t twice; /* left out because listed before */
	uint64_t loops; /* left out as self loops */
};

/*
 * Reads the edge list PATH into G, which the caller ends with graph_free() in any case. Returns
 * and complains as edges_read() does.
 */
int graph_read(struct graph *g, const char *path);

void graph_free(struct graph *g);

#endif
