/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "examples/graph/edges.h"
#include "examples/graph/graph.h"

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Sorts each vertex' edges, drops those said twice and closes the gaps. */
static void drop_doubles(struct graph *g)
{
	uint64_t begin = 0, kept = 0;

	for (uint32_t v = 0; v < g->n; v++) {
		uint64_t end = g->first[v + 1], mine = kept;

		qsort(g->to + begin, end - begin, sizeof *g->to, by_number);
		for (uint64_t e = begin; e < end; e++)
			if (kept == mine || g->to[kept - 1] != g->to[e])
				g->to[kept++] = g->to[e];
		begin = end;
		g->first[v + 1] = kept;
	}
	g->twice = g->m - kept;
	g->m = kept;
}

/* From a list of edges to the edges of each vertex: a counting sort. */
static int build(struct graph *g, const struct edges *l)
{
	g->n = l->names.n;
	g->m = l->n;
	g->first = calloc((size_t)g->n + 2, sizeof *g->first);
	g->to = calloc(g->m + 1, sizeof *g->to);
	if (!g->first || !g->to)
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++)
		g->first[l->edge[i].from + 2]++;
	for (uint32_t v = 0; v < g->n; v++)
		g->first[v + 2] += g->first[v + 1];
	for (size_t i = 0; i < l->n; i++) /* first[v + 1] moves from the begin of v to its end */
		g->to[g->first[l->edge[i].from + 1]++] = l->edge[i].to;
	drop_doubles(g);
	return 0;
}

int graph_read(struct graph *g, const char *path)
{
	struct edges list = { 0 };
	int rc = edges_read(&list, path);

	*g = (struct graph){ .loops = list.loops };
	if (rc == 0)
		rc = build(g, &list);
	g->names = list.names; /* taken over */
	list.names = (struct names){ 0 };
	edges_free(&list);
	return rc;
}

void graph_free(struct graph *g)
{
	names_free(&g->names);
	free(g->first);
	free(g->to);
	*g = (struct graph){ 0 };
}
