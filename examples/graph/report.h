/* SPDX-License-Identifier: BSD-3-Clause */
/* What rank 0 prints when the weights are there. */
#ifndef EXAMPLES_GRAPH_REPORT_H
#define EXAMPLES_GRAPH_REPORT_H

#include <stdbool.h>

#include "examples/graph/rank.h"

/*
 * Prints the size of G, the TOP heaviest vertices by the weights X, and how the parallel run
 * ENDed. With COMPARE it repeats the run alone, for the same number of iterations.
 * Returns 0, -ERANGE where that gives other weights, or -ENOMEM.
 */
int report(const dvm_t *d, const struct graph *g, double *x, const struct outcome *end,
	   const struct recipe *how, int top, bool compare);

#endif
