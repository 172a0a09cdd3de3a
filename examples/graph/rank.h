/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PageRank by repeated pushing: a vertex gives DAMPING of its weight along its edges in equal
 * parts, the rest to all vertices. One without edges gives everything to all. The weights of all
 * vertices add up to 1.
 */
#ifndef EXAMPLES_GRAPH_RANK_H
#define EXAMPLES_GRAPH_RANK_H

#include "examples/graph/graph.h"
#include "examples/graph/part.h"

struct recipe {
	double damping;
	double tolerance; /* ends when an iteration changes less than this, summed up over all */
	int iterations;	  /* and at the latest after so many */
};

struct outcome {
	int iterations;
	double residual; /* change of the last iteration, summed up over all vertices */
	double seconds;
};

/* All ranks together: the weights of P's own vertices to X. Returns 0 or an error. */
int rank_parallel(struct part *p, const struct recipe *how, double *x, struct outcome *end);

/* One rank alone: the weights of all vertices of G to X. Returns 0 or -ENOMEM. */
int rank_serial(const struct graph *g, const struct recipe *how, double *x, struct outcome *end);

#endif
