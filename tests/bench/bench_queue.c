/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a decision costs: time and memory of dsched_decide() for machines and queues that grow.
 * "full": the machine is busy but for a few slots, and jobs of all sizes wait; "idle": nothing runs
 * yet. Prints a table, or with --json a list.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "libdvm/base/clock.h"
#include "libdvm/base/rng.h"
#include "sched/dsched_queue.h"

#define SLOTS 8
#define S     UINT64_C(1000000000)

struct scene {
	struct dsched_node *nodes;
	char (*names)[16];
	struct dsched_use *uses;
	struct dsched_run *runs;
	struct dsched_request *reqs;
	struct dsched_job *jobs;
	struct dsched_snapshot snap;
	struct dsched_policy policy;
	struct dsched_queue q;
};

static void make_nodes(struct scene *s, uint32_t n)
{
	s->nodes = calloc(n, sizeof *s->nodes);
	s->names = calloc(n, sizeof *s->names);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(s->names[i], sizeof s->names[i], "n%u", i);
		s->nodes[i] =
			(struct dsched_node){ .id = i + 1, .name = s->names[i], .slots = SLOTS };
	}
	s->snap =
		(struct dsched_snapshot){ .size = sizeof s->snap, .nodes = s->nodes, .nnodes = n };
}

/* A job on each node, which leaves a slot on every tenth. */
static void make_runs(struct scene *s, struct dvmi_rng *rng)
{
	uint32_t n = s->snap.nnodes;

	s->uses = calloc(n, sizeof *s->uses);
	s->runs = calloc(n, sizeof *s->runs);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t slots = i % 10 ? SLOTS : SLOTS - 1;
		s->uses[i] = (struct dsched_use){ .node = i, .slots = slots };
		s->runs[i] = (struct dsched_run){ .id = i + 1,
						  .start = 0,
						  .end = (100 + dvmi_rng_below(rng, 10000)) * S,
						  .uses = &s->uses[i],
						  .nuses = 1 };
		s->nodes[i].slots_used = slots;
		s->nodes[i].jobs = 1;
	}
	s->q.nruns = n;
}

static void make_jobs(struct scene *s, size_t n, struct dvmi_rng *rng)
{
	s->reqs = calloc(n, sizeof *s->reqs);
	s->jobs = calloc(n, sizeof *s->jobs);
	for (size_t i = 0; i < n; i++) {
		uint32_t most = dvmi_rng_below(rng, 4) ? 4 : s->snap.nnodes;
		s->reqs[i] =
			(struct dsched_request){ .size = sizeof *s->reqs,
						 .ranks = 1 + (uint32_t)dvmi_rng_below(rng, most) };
		s->jobs[i] = (struct dsched_job){ .id = n + i,
						  .req = &s->reqs[i],
						  .submitted = i,
						  .limit = (60 + dvmi_rng_below(rng, 7200)) * S,
						  .user = (uint32_t)dvmi_rng_below(rng, 50) };
	}
	s->q.njobs = n;
}

static uint64_t measure(const struct dsched_queue *q, size_t *starts)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 3; i++) {
		struct dsched_decision d;
		uint64_t t = dvmi_clock_mono();
		if (dsched_decide(q, &d) < 0)
			return 0;
		t = dvmi_clock_mono() - t;
		best = t < best ? t : best;
		*starts = 0;
		for (size_t k = 0; k < d.n; k++)
			*starts += d.answers[k].why == DSCHED_STARTS;
		dsched_decision_free(&d);
		if (t > 5 * S)
			break;
	}
	return best;
}

static void row(bool json, bool *first, bool busy, uint32_t nodes, size_t jobs,
		enum dsched_order order)
{
	struct scene s = { .policy = { .size = sizeof s.policy, .order = order, .w_age = 1000 } };
	struct dvmi_rng rng;
	struct rusage usage;
	size_t starts = 0;

	dvmi_rng_seed(&rng, 1);
	make_nodes(&s, nodes);
	s.q = (struct dsched_queue){
		.size = sizeof s.q, .now = 50 * S, .snap = &s.snap, .policy = &s.policy
	};
	if (busy)
		make_runs(&s, &rng);
	make_jobs(&s, jobs, &rng);
	s.q.runs = s.runs;
	s.q.jobs = s.jobs;
	uint64_t ns = measure(&s.q, &starts);
	getrusage(RUSAGE_SELF, &usage);
	if (json)
		printf("%s{\"machine\": \"%s\", \"nodes\": %u, \"jobs\": %zu, \"order\": \"%s\", "
		       "\"ms\": %.2f, \"starts\": %zu, \"peak_mib\": %ld}",
		       *first ? "[" : ",\n ", busy ? "full" : "idle", nodes, jobs,
		       dsched_order_name(order), (double)ns / 1e6, starts, usage.ru_maxrss / 1024);
	else
		printf("%-5s %7u %8zu  %-13s %9.2f %7zu %6ld\n", busy ? "full" : "idle", nodes,
		       jobs, dsched_order_name(order), (double)ns / 1e6, starts,
		       usage.ru_maxrss / 1024);
	*first = false;
	free(s.nodes);
	free(s.names);
	free(s.uses);
	free(s.runs);
	free(s.reqs);
	free(s.jobs);
}

int main(int argc, char **argv)
{
	static const uint32_t nodes[] = { 10, 1000, 10000, 100000 };
	static const size_t jobs[] = { 100, 10000, 1000000 };
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0, first = true;

	if (!json)
		printf("%-5s %7s %8s  %-13s %9s %7s %6s\n", "", "nodes", "jobs", "order", "ms",
		       "starts", "MiB");
	for (size_t j = 0; j < sizeof jobs / sizeof *jobs; j++)
		for (size_t n = 0; n < sizeof nodes / sizeof *nodes; n++)
			for (int busy = 1; busy >= 0; busy--)
				for (int o = DSCHED_EASY; o <= DSCHED_CONSERVATIVE; o++)
					row(json, &first, busy, nodes[n], jobs[j],
					    (enum dsched_order)o);
	if (json)
		printf("]\n");
	return 0;
}
