/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How placement grows: ten ranks a node on 100 to 10,000 nodes of 64 cores, a third of the nodes in
 * groups of four to a host and half of the cores busy. Prints the best of five runs; linear growth
 * shows as an unchanged last column.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/clock.h"
#include "sched/dsched.h"

#define NODES_MAX 10000
#define REPEAT	  5

struct machine {
	struct dsched_topo topo;
	struct dvmi_idset busy;
	struct dsched_node nodes[NODES_MAX];
	struct dsched_host hosts[NODES_MAX];
	char names[NODES_MAX][16];
};

static struct machine *machine_new(void)
{
	static const char text[] =
		"t1 P0 N0 L 0,64x16 N1 L 16,80x16 P1 N2 L 32,96x16 N3 L 48,112x16";
	struct machine *m = calloc(1, sizeof *m);

	if (!m || dsched_topo_parse(&m->topo, text, strlen(text)) < 0 ||
	    dvmi_idset_parse(&m->busy, "0-15,32-47", DSCHED_PU_MAX) < 0)
		abort();
	for (uint32_t i = 0; i < NODES_MAX; i++) {
		snprintf(m->names[i], sizeof m->names[i], "node%u", i + 1);
		m->hosts[i] = (struct dsched_host){ .name = m->names[i] };
		m->nodes[i] = (struct dsched_node){
			.id = i + 1,
			.name = m->names[i],
			.host = i % 3 ? 0 : 1 + i / 12,
			.slots_used = 32,
			.jobs = 1,
			.topo = &m->topo,
			.busy = &m->busy,
		};
	}
	return m;
}

static void machine_destroy(struct machine *m)
{
	dsched_topo_free(&m->topo);
	dvmi_idset_free(&m->busy);
	free(m);
}

static uint64_t once(const struct dsched_snapshot *snap, const struct dsched_request *req)
{
	struct dsched_placement p;
	struct dsched_reason why;
	uint64_t start = dvmi_clock_mono();

	if (dsched_place(snap, req, &p, &why) < 0)
		abort();
	uint64_t took = dvmi_clock_mono() - start;
	dsched_placement_free(&p);
	return took;
}

static void measure(const char *what, const struct machine *m, uint32_t nnodes,
		    struct dsched_request req)
{
	struct dsched_snapshot snap = { .size = sizeof snap, .nodes = m->nodes, .nnodes = nnodes };
	uint64_t best = UINT64_MAX;

	req.size = sizeof req;
	req.ranks = 10 * nnodes;
	req.ninclude = req.include ? nnodes : 0;
	for (int i = 0; i < REPEAT; i++) {
		uint64_t took = once(&snap, &req);
		best = took < best ? took : best;
	}
	printf("%-28s %6u nodes %7u ranks %9.3f ms %7.1f ns a rank\n", what, nnodes, req.ranks,
	       (double)best / 1e6, (double)best / req.ranks);
}

int main(void)
{
	struct machine *m = machine_new();

	for (uint32_t n = 100; n <= NODES_MAX; n *= 10) {
		struct dsched_request req = { .bind = DSCHED_BIND_NONE };
		measure("slot, none", m, n, req);
		req.map = DSCHED_MAP_NODE;
		measure("node, none", m, n, req);
		req.bind = DSCHED_BIND_CORE;
		measure("node, core", m, n, req);
		req.bind = DSCHED_BIND_NUMA;
		req.nodes = n;
		req.map = DSCHED_MAP_NUMA;
		measure("numa, numa, -N", m, n, req);
		req.include = m->hosts;
		measure("numa, numa, -N, -H of all", m, n, req);
		req.oversubscribe = true;
		measure("the same, --oversubscribe", m, n, req);
	}
	machine_destroy(m);
	return 0;
}
