/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "examples/graph/report.h"

/* Two ways to add up the same numbers differ by rounding, not by more. */
static const double rounding = 1e-12;

/* The heavier first, and the one listed first where weights are equal. */
static int by_weight(const void *a, const void *b, void *weights)
{
	uint32_t v = *(const uint32_t *)a, w = *(const uint32_t *)b;
	const double *x = weights;

	return x[v] != x[w] ? (x[v] < x[w]) - (x[v] > x[w]) : (v > w) - (v < w);
}

static int print_top(const struct graph *g, double *x, uint32_t k)
{
	uint32_t *vertex = calloc((size_t)g->n + 1, sizeof *vertex);

	if (!vertex)
		return -ENOMEM;
	for (uint32_t v = 0; v < g->n; v++)
		vertex[v] = v;
	qsort_r(vertex, g->n, sizeof *vertex, by_weight, x);
	for (uint32_t i = 0; i < k && i < g->n; i++)
		printf("%4u  %.6f  %s\n", i + 1, x[vertex[i]], g->names.name[vertex[i]]);
	free(vertex);
	return 0;
}

/* Runs alone for as many iterations as all together have taken, and compares. */
static int check(const struct graph *g, const struct recipe *how, const double *x,
		 const struct outcome *parallel)
{
	struct recipe same = { how->damping, 0, parallel->iterations };
	double *y = calloc((size_t)g->n + 1, sizeof *y), worst = 0;
	struct outcome serial;
	int rc = y ? rank_serial(g, &same, y, &serial) : -ENOMEM;

	if (rc == 0) {
		for (uint32_t v = 0; v < g->n; v++)
			if (!(fabs(x[v] - y[v]) <= worst)) /* true for NaN, too */
				worst = fabs(x[v] - y[v]);
		rc = worst <= rounding ? 0 : -ERANGE;
		printf("serial:   %.4f s, largest difference: %.1e, %s\n", serial.seconds, worst,
		       rc == 0 ? "good" : "WRONG");
	}
	free(y);
	return rc;
}

int report(const dvm_t *d, const struct graph *g, double *x, const struct outcome *end,
	   const struct recipe *how, int top, bool compare)
{
	int rc;

	printf("graph: %u vertices, %llu edges (left out: %llu listed twice, %llu self loops)\n",
	       g->n, (unsigned long long)g->m, (unsigned long long)g->twice,
	       (unsigned long long)g->loops);
	rc = print_top(g, x, (uint32_t)top);
	printf("%d iterations, residual %.2e%s\n", end->iterations, end->residual,
	       end->residual < how->tolerance ? "" : " (not converged)");
	printf("parallel: %.4f s, ranks: %d, nodes: %d\n", end->seconds, dvm_size(d),
	       dvm_num_nodes(d));
	return rc == 0 && compare ? check(g, how, x, end) : rc;
}
