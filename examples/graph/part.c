/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "examples/graph/part.h"

/* Cuts the vertices where the work (edges + vertices) before them reaches rank r's share. */
static void cut(const struct graph *g, uint32_t *bound, uint32_t ranks)
{
	uint64_t work = g->m + g->n;
	uint32_t v = 0;

	for (uint32_t r = 0; r < ranks; r++) {
		uint64_t before = work / ranks * r + work % ranks * r / ranks;

		while (v < g->n && g->first[v] + v < before)
			v++;
		bound[r] = v;
	}
	bound[ranks] = g->n;
}

/* From rank 0 to each rank: its vertices' first edges and where its edges lead. */
static int hand_out(struct part *p, const struct graph *g, size_t ranks, struct lane *l)
{
	const void *firsts = g ? g->first : NULL, *tos = g ? g->to : NULL;
	int rc;

	for (size_t r = 0; g && r < ranks; r++) {
		l->off[r] = p->bound[r] * sizeof *p->first;
		l->len[r] = (p->bound[r + 1] - p->bound[r] + 1) * sizeof *p->first;
	}
	rc = dvm_scatterv(p->group, firsts, l->len, l->off, p->first,
			  (p->own + 1) * sizeof *p->first, 0);
	if (rc < 0)
		return rc;
	p->m = p->first[p->own] - p->first[0];
	for (uint32_t v = p->own + 1; v-- > 0;)
		p->first[v] -= p->first[0];
	p->to = calloc(p->m + 1, sizeof *p->to);
	if (!p->to)
		return -ENOMEM;
	for (size_t r = 0; g && r < ranks; r++) {
		l->off[r] = g->first[p->bound[r]] * sizeof *p->to;
		l->len[r] = g->first[p->bound[r + 1]] * sizeof *p->to - l->off[r];
	}
	return dvm_scatterv(p->group, tos, l->len, l->off, p->to, p->m * sizeof *p->to, 0);
}

static int get_share(struct part *p, const struct graph *g, size_t ranks, uint32_t rank)
{
	struct lane l = { 0 };
	int rc = 0;

	p->bound = calloc(ranks + 1, sizeof *p->bound);
	if (!p->bound)
		return -ENOMEM;
	if (g)
		cut(g, p->bound, (uint32_t)ranks);
	rc = dvm_bcast(p->group, p->bound, (ranks + 1) * sizeof *p->bound, 0);
	if (rc < 0)
		return rc;
	p->n = p->bound[ranks];
	p->low = p->bound[rank];
	p->own = p->bound[rank + 1] - p->low;
	p->first = calloc((size_t)p->own + 1, sizeof *p->first);
	rc = lane_make(&l, ranks);
	if (rc == 0 && p->first)
		rc = hand_out(p, g, ranks, &l);
	lane_free(&l);
	return p->first ? rc : -ENOMEM;
}

int part_make(struct part *p, dvm_group_t *group, const struct graph *whole)
{
	size_t ranks = (size_t)dvm_group_size(group);
	int rc;

	*p = (struct part){ .group = group };
	rc = get_share(p, whole, ranks, (uint32_t)dvm_group_rank(group));
	if (rc == 0)
		rc = lane_make(&p->out, ranks);
	if (rc == 0)
		rc = lane_make(&p->in, ranks);
	return rc == 0 ? part_meet(p, ranks) : rc;
}

int part_collect(const struct part *p, const double *x, double *all)
{
	int ranks = dvm_group_size(p->group), rc;
	struct lane l = { 0 };

	rc = lane_make(&l, (size_t)ranks);
	for (int r = 0; rc == 0 && r < ranks; r++) {
		l.off[r] = p->bound[r] * sizeof *all;
		l.len[r] = (p->bound[r + 1] - p->bound[r]) * sizeof *all;
	}
	if (rc == 0)
		rc = dvm_gatherv(p->group, x, p->own * sizeof *x, all, l.len, l.off, 0);
	lane_free(&l);
	return rc;
}

void part_free(struct part *p)
{
	lane_free(&p->out);
	lane_free(&p->in);
	free(p->bound);
	free(p->first);
	free(p->to);
	free(p->at);
	free(p->inbox);
	*p = (struct part){ 0 };
}
