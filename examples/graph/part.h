/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One rank's part of a graph: a contiguous range of vertices with the edges that leave them. The
 * ranges are cut so that each rank has about as much to do (edges + vertices) as the others.
 *
 * Vertices of other ranks that our edges lead to are our ghosts. The part numbers what it sees:
 * 0 … own - 1 are its own vertices, own … own + ghosts - 1 its ghosts. A value pushed along an
 * edge is added up here first, so that each ghost costs one number per exchange, however many
 * edges lead to it.
 */
#ifndef EXAMPLES_GRAPH_PART_H
#define EXAMPLES_GRAPH_PART_H

#include <dvm/coll.h>

#include "examples/graph/graph.h"

/* What goes to or comes from each rank in one exchange; bytes, as dvm_alltoallv() wants them. */
struct lane {
	size_t *len, *off; /* one entry per rank */
	size_t n;	   /* values in all */
};

int lane_make(struct lane *l, size_t ranks);
void lane_free(struct lane *l);

struct part {
	dvm_group_t *group;
	uint32_t n;	 /* vertices of the graph */
	uint32_t *bound; /* rank r owns bound[r] … bound[r + 1] - 1 */
	uint32_t low, own, ghosts;
	uint64_t m;	 /* edges of our own vertices */
	uint64_t *first; /* own + 1, as in struct graph */
	uint32_t *to;	 /* part numbers */
	struct lane out, in;
	uint64_t *at;  /* in.n: which own vertex an arriving value is for */
	double *inbox; /* in.n */
};

/*
 * All ranks of GROUP call it; rank 0 has the whole graph, the others pass NULL. The caller ends P
 * with part_free() in any case. Returns 0, -ENOMEM or what the communication said.
 */
int part_make(struct part *p, dvm_group_t *group, const struct graph *whole);

/* The second half of part_make(): finds the ghosts and tells their owners. */
int part_meet(struct part *p, size_t ranks);

/* Sends SUM[own] … to the ghosts' owners and adds what they send to SUM[0] … SUM[own - 1]. */
int part_exchange(struct part *p, double *sum);

/* Collects X[0] … X[own - 1] of all ranks at ALL (n values) of rank 0, in vertex order. */
int part_collect(const struct part *p, const double *x, double *all);

void part_free(struct part *p);

#endif
