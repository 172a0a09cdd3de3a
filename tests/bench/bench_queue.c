/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a decision costs: time and memory of dsched_decide() for machines and queues that grow.
 * "full": the machine is busy but for a few slots, and jobs of all sizes wait; "idle": nothing runs
 * yet. Prints a table of milliseconds of processor time, best of three; with --json an object a line,
 * which says also how many jobs it starts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

/* Of this process: what else the machine has to do is left out. */
static uint64_t processor_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * S + (uint64_t)t.tv_nsec;
}

static uint64_t measure(const struct dsched_queue *q, size_t *starts)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 3; i++) {
		struct dsched_decision d;
		uint64_t t = processor_time();
		if (dsched_decide(q, &d) < 0)
			return 0;
		t = processor_time() - t;
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

struct result {
	uint64_t ns;
	size_t starts;
	long mib; /* at most */
};

static struct result measure_scene(bool busy, uint32_t nodes, size_t jobs, enum dsched_order order)
{
	struct scene s = { .policy = { .size = sizeof s.policy, .order = order, .w_age = 1000 } };
	struct dvmi_rng rng;
	struct result r = { 0 };

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
	r.ns = measure(&s.q, &r.starts);
	return r;
}

/* In a process of its own, whose memory is that of this one. */
static struct result apart(bool busy, uint32_t nodes, size_t jobs, enum dsched_order order)
{
	struct result r = { 0 };
	struct rusage usage;
	int fds[2], status;

	fflush(stdout);
	if (pipe(fds) < 0)
		return r;
	pid_t pid = fork();
	if (pid == 0) {
		r = measure_scene(busy, nodes, jobs, order);
		_exit(write(fds[1], &r, sizeof r) != (ssize_t)sizeof r);
	}
	close(fds[1]);
	if (pid < 0 || read(fds[0], &r, sizeof r) != (ssize_t)sizeof r)
		fprintf(stderr, "%u nodes, %zu jobs: no result\n", nodes, jobs);
	close(fds[0]);
	if (pid > 0 && wait4(pid, &status, 0, &usage) == pid)
		r.mib = usage.ru_maxrss / 1024;
	return r;
}

static void print_json(bool busy, uint32_t nodes, size_t jobs, enum dsched_order order)
{
	struct result r = apart(busy, nodes, jobs, order);

	printf("{\"machine\": \"%s\", \"nodes\": %u, \"jobs\": %zu, \"order\": \"%s\", "
	       "\"ms\": %.2f, \"starts\": %zu, \"peak_mib\": %ld}\n",
	       busy ? "full" : "idle", nodes, jobs, dsched_order_name(order), (double)r.ns / 1e6,
	       r.starts, r.mib);
}

static void print_row(uint32_t nodes, size_t jobs)
{
	long mib = 0;

	printf("| %u | %zu |", nodes, jobs);
	for (int order = DSCHED_EASY; order <= DSCHED_CONSERVATIVE; order++)
		for (int busy = 1; busy >= 0; busy--) {
			struct result r = apart(busy, nodes, jobs, (enum dsched_order)order);
			printf(" %.1f |", (double)r.ns / 1e6);
			mib = r.mib > mib ? r.mib : mib;
		}
	printf(" %ld |\n", mib);
}

int main(int argc, char **argv)
{
	static const uint32_t nodes[] = { 10, 1000, 10000, 100000 };
	static const size_t jobs[] = { 100, 10000, 1000000 };
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;

	if (!json)
		printf("| nodes | jobs | full, EASY | idle, EASY | full, conservative "
		       "| idle, conservative | MiB |\n|---|---|---|---|---|---|---|\n");
	for (size_t j = 0; j < sizeof jobs / sizeof *jobs; j++)
		for (size_t n = 0; n < sizeof nodes / sizeof *nodes; n++)
			if (!json)
				print_row(nodes[n], jobs[j]);
			else
				for (int k = 0; k < 4; k++)
					print_json(k % 2, nodes[n], jobs[j],
						   k < 2 ? DSCHED_EASY : DSCHED_CONSERVATIVE);
	return 0;
}
