/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PageRank: `pagerank [OPTION]... FILE`, where FILE lists the edges of a graph ("from to" per
 * line). Rank 0 reads it and hands each rank a part; per iteration a rank pushes the weight of
 * its vertices along their edges, and only one number per foreign vertex crosses to another rank.
 * Vertices without edges out of them give their weight to all. Rank 0 checks the result against
 * a serial run.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/dvm.h>

#include "examples/graph/report.h"
#include "examples/util.h"

struct options {
	struct recipe recipe;
	int top;
	bool check;
	const char *path;
};

static const char usage[] =
	"usage: pagerank [OPTION]... FILE\n"
	"  FILE  edge list, two names per line, # comments; - is standard input\n"
	"  -d, --damping=D     share of the weight that follows edges, 0 to below 1 (0.85)\n"
	"  -t, --tolerance=T   stop when an iteration changes less than T in all (1e-10)\n"
	"  -i, --iterations=N  stop after N iterations (200)\n"
	"  -k, --top=K         print the first K vertices (10)\n"
	"      --no-check      skip the serial run\n";

/* Exit codes of parse() beside 0. */
enum { MISUSE = 2, HELP = -1 };

static int parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "damping", 1, NULL, 'd' },
		{ "tolerance", 1, NULL, 't' },
		{ "iterations", 1, NULL, 'i' },
		{ "top", 1, NULL, 'k' },
		{ "no-check", 0, NULL, 'n' },
		{ "help", 0, NULL, 'h' },
		{ 0 },
	};
	bool good = true;
	int c;

	*o = (struct options){ .recipe = { 0.85, 1e-10, 200 }, .top = 10, .check = true };
	while (good && (c = getopt_long(argc, argv, "d:t:i:k:h", longs, NULL)) != -1) {
		if (c == 'd')
			good = real_option("damping", 0, 1 - 1e-6, &o->recipe.damping);
		else if (c == 't')
			good = real_option("tolerance", 0, 1, &o->recipe.tolerance);
		else if (c == 'i')
			good = int_option("iterations", 1, 1000000, &o->recipe.iterations);
		else if (c == 'k')
			good = int_option("top", 0, 1000000, &o->top);
		else if (c == 'n')
			o->check = false;
		else if (c == 'h')
			return HELP;
		else
			good = false;
	}
	o->path = argv[optind];
	return good && argc == optind + 1 ? 0 : MISUSE;
}

/* All ranks, with the graph at rank 0. */
static int solve(dvm_t *d, const struct options *o, const struct graph *g)
{
	struct part p;
	struct outcome end;
	double *x = NULL, *all = NULL;
	int rc = part_make(&p, dvm_world(d), g);

	if (rc == 0) {
		x = calloc((size_t)p.own + 1, sizeof *x);
		all = g ? calloc((size_t)p.n + 1, sizeof *all) : NULL;
		rc = x && (all || !g) ? rank_parallel(&p, &o->recipe, x, &end) : -ENOMEM;
	}
	if (rc == 0)
		rc = part_collect(&p, x, all);
	if (rc == 0 && g)
		rc = report(d, g, all, &end, &o->recipe, o->top, o->check);
	if (rc < 0)
		fprintf(stderr, "pagerank: rank %d: %s\n", dvm_rank(d), dvm_strerror(rc));
	free(x);
	free(all);
	part_free(&p);
	return rc;
}

/* Rank 0 tries to read the graph, and all learn how that went. */
static int run(dvm_t *d, const struct options *o)
{
	struct graph g = { 0 };
	bool reader = dvm_rank(d) == 0;
	int graph_rc = reader ? graph_read(&g, o->path) : 0;
	int rc = dvm_bcast(dvm_world(d), &graph_rc, sizeof graph_rc, 0);

	if (rc == 0)
		rc = graph_rc;
	if (rc == 0)
		rc = solve(d, o, reader ? &g : NULL);
	graph_free(&g);
	return rc;
}

int main(int argc, char **argv)
{
	struct options o;
	dvm_error_t err;
	dvm_t *d;
	int rc;

	if (dvm_open(&d, NULL, &err) < 0) {
		fprintf(stderr, "pagerank: %s\n", err.text);
		return 1;
	}
	opterr = dvm_rank(d) == 0; /* one complaint is enough */
	rc = parse(&o, argc, argv);
	if (rc == 0)
		rc = run(d, &o) < 0;
	else if (dvm_rank(d) == 0)
		fputs(usage, rc == HELP ? stdout : stderr);
	if (dvm_close(d) < 0 && rc == 0)
		rc = 1;
	return rc == HELP ? 0 : rc;
}
