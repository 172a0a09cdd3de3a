/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random traces through the queue, seeded: every job that can run runs, no slot is used twice, and
 * nobody starts later than it was first foretold (by a queue in which nobody comes later with more
 * right). DVM_SEED and DVM_ROUNDS repeat or prolong a run.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/rng.h"
#include "sched/dsched_replay.h"

#define S     UINT64_C(1000000000)
#define NODES 12
#define JOBS  150

struct scene {
	struct dsched_node nodes[NODES];
	char names[NODES][16];
	struct dsched_snapshot snap;
	struct dsched_trace trace;
	struct dsched_policy policy;
	bool depends; /* some of its jobs wait for others */
};

static uint64_t pick(struct dvmi_rng *r, uint64_t n)
{
	return dvmi_rng_below(r, n);
}

static void make_machine(struct scene *s, struct dvmi_rng *r)
{
	s->snap = (struct dsched_snapshot){ .size = sizeof s->snap, .nodes = s->nodes };
	s->snap.nnodes = 1 + (uint32_t)pick(r, NODES);
	for (uint32_t i = 0; i < s->snap.nnodes; i++) {
		snprintf(s->names[i], sizeof s->names[i], "n%u", i);
		s->nodes[i] = (struct dsched_node){ .id = i + 1,
						    .name = s->names[i],
						    .slots = 1 + (uint32_t)pick(r, 8) };
		if (pick(r, 2))
			s->nodes[i].mem = s->nodes[i].mem_free = 16 * s->nodes[i].slots;
		s->nodes[i].gres[0] = (uint32_t)pick(r, 3);
	}
}

static void make_request(struct dsched_request *q, struct dvmi_rng *r)
{
	*q = (struct dsched_request){ .size = sizeof *q, .ranks = 1 + (uint32_t)pick(r, 20) };
	if (pick(r, 4) == 0)
		q->nodes = 1 + (uint32_t)pick(r, q->ranks < 4 ? q->ranks : 4);
	q->exclusive = pick(r, 10) == 0;
	if (pick(r, 3) == 0)
		q->mem_per_rank = 1 + pick(r, 20);
	if (pick(r, 6) == 0)
		q->gres[0] = 1 + (uint32_t)pick(r, 2);
	if (pick(r, 5) == 0)
		q->map = DSCHED_MAP_NODE;
}

static int make_jobs(struct scene *s, struct dvmi_rng *r)
{
	uint64_t at = 0;

	s->trace.jobs = calloc(JOBS, sizeof *s->trace.jobs);
	if (!s->trace.jobs)
		return -1;
	s->trace.n = s->trace.cap = 1 + pick(r, JOBS);
	for (size_t i = 0; i < s->trace.n; i++) {
		struct dsched_trace_job *j = &s->trace.jobs[i];
		at += pick(r, 3) ? pick(r, 30) * S : 0;
		*j = (struct dsched_trace_job){ .id = i + 1,
						.submit = at,
						.runtime = (1 + pick(r, 200)) * S };
		j->limit = pick(r, 10) ? j->runtime + pick(r, 300) * S : 0;
		make_request(&j->req, r);
		if (s->depends && i && pick(r, 12) == 0)
			j->after = 1 + pick(r, i);
	}
	return 0;
}

/* ---- what must hold ---- */

static uint64_t used_at(const struct scene *s, uint64_t at)
{
	uint64_t used = 0;

	for (size_t i = 0; i < s->trace.n; i++) {
		const struct dsched_trace_job *j = &s->trace.jobs[i];
		if (j->start <= at && at < j->end)
			used += j->req.ranks;
	}
	return used;
}

static const char *check_job(const struct scene *s, const struct dsched_trace_job *j)
{
	struct dsched_reason reason;
	bool feasible = dsched_feasible(&s->snap, &j->req, &reason) == 0;

	if (feasible != (j->start != DSCHED_NEVER)) {
		/* One that waits for a job that never ran never runs. */
		if (feasible && j->after && s->trace.jobs[j->after - 1].start == DSCHED_NEVER)
			return NULL;
		return feasible ? "a job never ran" : "an impossible job ran";
	}
	if (!feasible)
		return NULL;
	if (j->start < j->submit)
		return "a job ran before it was submitted";
	if (j->after && j->start < s->trace.jobs[j->after - 1].end)
		return "a job ran before the one it waits for";
	/*
	 * One that waits for another comes late, and with more right than others. Where many have
	 * dates, one that can start sooner than foretold may cost those behind it theirs.
	 */
	if (!s->depends && s->policy.order != DSCHED_CONSERVATIVE && j->promised != DSCHED_NEVER &&
	    j->start > j->promised)
		return "a job ran later than it was foretold";
	return NULL;
}

static const char *check(const struct scene *s, const struct dsched_replay *r)
{
	for (size_t i = 0; i < s->trace.n; i++) {
		const char *fault = check_job(s, &s->trace.jobs[i]);
		if (fault)
			return fault;
	}
	for (size_t i = 0; i < s->trace.n; i++)
		if (s->trace.jobs[i].start != DSCHED_NEVER &&
		    used_at(s, s->trace.jobs[i].start) > r->slots)
			return "more slots are used than there are";
	if (s->policy.order == DSCHED_FIFO && r->passed && !s->depends)
		return "a job was passed in a FIFO";
	return NULL;
}

/* A second time, everything is the same. */
static const char *check_again(struct scene *s, const struct dsched_replay *r)
{
	struct dsched_replay again;
	uint64_t starts[JOBS];
	const char *fault = NULL;

	for (size_t i = 0; i < s->trace.n; i++)
		starts[i] = s->trace.jobs[i].start;
	if (dsched_replay(&s->trace, &s->snap, &s->policy, &again) < 0)
		return "the second replay failed";
	for (size_t i = 0; i < s->trace.n; i++)
		if (s->trace.jobs[i].start != starts[i])
			fault = "the second replay was another one";
	if (again.decisions != r->decisions)
		fault = "the second replay decided otherwise";
	dsched_replay_free(&again);
	return fault;
}

static const char *one_round(uint64_t seed)
{
	struct scene s = { .policy.size = sizeof s.policy };
	struct dsched_replay r;
	struct dvmi_rng rng;
	const char *fault = NULL;

	dvmi_rng_seed(&rng, seed);
	make_machine(&s, &rng);
	s.policy.order = (enum dsched_order)pick(&rng, 3);
	s.depends = pick(&rng, 3) == 0;
	if (make_jobs(&s, &rng) < 0 || dsched_replay(&s.trace, &s.snap, &s.policy, &r) < 0) {
		dsched_trace_free(&s.trace);
		return "out of memory";
	}
	fault = check(&s, &r);
	if (!fault)
		fault = check_again(&s, &r);
	dsched_replay_free(&r);
	dsched_trace_free(&s.trace);
	return fault;
}

int main(void)
{
	const char *seed = getenv("DVM_SEED"), *rounds = getenv("DVM_ROUNDS");
	uint64_t first = seed ? strtoull(seed, NULL, 0) : 1,
		 n = rounds ? strtoull(rounds, NULL, 0) : 400;

	printf("1..1\n");
	for (uint64_t i = 0; i < n; i++) {
		const char *fault = one_round(first + i);
		if (fault) {
			printf("not ok 1 - seed %" PRIu64 ": %s\n", first + i, fault);
			return 1;
		}
	}
	printf("ok 1 - %" PRIu64 " random traces from seed %" PRIu64 "\n", n, first);
	return 0;
}
