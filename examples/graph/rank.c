/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "examples/graph/rank.h"
#include "examples/util.h"

/* What the ranks agree on after each iteration. */
struct totals {
	double change;	 /* sum of |new - old| */
	double dangling; /* weight of the vertices without edges */
};

/* Adds to SUM what each vertex gives along its edges. */
static void push(const struct part *p, double damping, const double *x, double *sum)
{
	for (uint32_t v = 0; v < p->own; v++) {
		uint64_t begin = p->first[v], end = p->first[v + 1];
		double gift = damping * x[v] / (double)(end - begin);

		for (uint64_t e = begin; e < end; e++)
			sum[p->to[e]] += gift;
	}
}

/* The new weights from what has been pushed and what everyone gets. */
static struct totals renew(const struct part *p, double base, const double *sum, double *x)
{
	struct totals t = { 0 };

	for (uint32_t v = 0; v < p->own; v++) {
		double old = x[v];

		x[v] = base + sum[v];
		t.change += fabs(x[v] - old);
		if (p->first[v] == p->first[v + 1])
			t.dangling += x[v];
	}
	return t;
}

static int iterate(struct part *p, const struct recipe *how, double *x, double *sum,
		   struct outcome *end)
{
	double n = p->n;
	struct totals t;
	int rc;

	memset(sum, 0, p->own * sizeof *sum);
	t = renew(p, 1 / n, sum, x);
	do {
		rc = dvm_allreduce(p->group, &t, &t, 2, DVM_DOUBLE, DVM_SUM);
		if (rc < 0 || (end->iterations && t.change < how->tolerance) ||
		    end->iterations == how->iterations)
			break;
		memset(sum, 0, ((size_t)p->own + p->ghosts) * sizeof *sum);
		push(p, how->damping, x, sum);
		rc = part_exchange(p, sum);
		t = renew(p, (1 - how->damping + how->damping * t.dangling) / n, sum, x);
		end->iterations++;
	} while (rc == 0);
	end->residual = t.change;
	return rc;
}

int rank_parallel(struct part *p, const struct recipe *how, double *x, struct outcome *end)
{
	double *sum = calloc((size_t)p->own + p->ghosts + 1, sizeof *sum);
	int rc = sum ? dvm_barrier(p->group) : -ENOMEM;
	double start = seconds();

	*end = (struct outcome){ 0 };
	if (rc == 0)
		rc = iterate(p, how, x, sum, end);
	end->seconds = seconds() - start;
	free(sum);
	return rc;
}

/* The textbook on one page: nothing shared with the parallel way. Returns the change. */
static double one_iteration(const struct graph *g, double damping, const double *x, double *y)
{
	double spread = 1 - damping, change = 0;

	memset(y, 0, g->n * sizeof *y);
	for (uint32_t v = 0; v < g->n; v++) {
		double edges = (double)(g->first[v + 1] - g->first[v]);

		for (uint64_t e = g->first[v]; e < g->first[v + 1]; e++)
			y[g->to[e]] += damping * x[v] / edges;
		if (edges == 0)
			spread += damping * x[v];
	}
	for (uint32_t v = 0; v < g->n; v++) {
		y[v] += spread / g->n;
		change += fabs(y[v] - x[v]);
	}
	return change;
}

int rank_serial(const struct graph *g, const struct recipe *how, double *x, struct outcome *end)
{
	double *y = calloc((size_t)g->n + 1, sizeof *y), start = seconds();

	*end = (struct outcome){ .residual = INFINITY };
	if (!y)
		return -ENOMEM;
	for (uint32_t v = 0; v < g->n; v++)
		x[v] = 1.0 / g->n;
	while (end->iterations < how->iterations && end->residual >= how->tolerance) {
		end->residual = one_iteration(g, how->damping, x, y);
		memcpy(x, y, g->n * sizeof *x);
		end->iterations++;
	}
	end->seconds = seconds() - start;
	free(y);
	return 0;
}
