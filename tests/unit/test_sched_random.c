/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random machines and requests, seeded: every placement keeps the rules, every refusal is right by
 * a plain count of what there is, and the advice in it works. DVM_SEED and DVM_ROUNDS repeat or
 * prolong a run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/rng.h"
#include "tests/unit/cm.h"
#include "tests/unit/sched_check.h"

#define NODES 10
#define TOPOS 3
#define GIB   UINT64_C(1073741824)

struct world {
	struct dvmi_rng rng;
	struct dsched_topo topos[TOPOS];
	char names[NODES][16];
	struct dvmi_idset busy[NODES];
	struct dsched_node nodes[NODES];
	struct dsched_snapshot snap;
	struct dsched_host include[NODES];
	const char *exclude[2];
	struct dsched_request req;
};

static uint32_t below(struct world *w, uint32_t n)
{
	return (uint32_t)dvmi_rng_below(&w->rng, n);
}

static bool chance(struct world *w, uint32_t percent)
{
	return below(w, 100) < percent;
}

/* ---- the machine ---- */

static void random_topo(struct world *w, struct dsched_topo *t)
{
	struct dvmi_buf b = { 0 };
	uint32_t os = 0, packages = 1 + below(w, 3), numas = 1 + below(w, 2),
		 cores = 1 + below(w, 3);
	uint32_t threads = 1 + below(w, 2);

	dvmi_buf_printf(&b, "t1");
	for (uint32_t p = 0; p < packages; p++) {
		dvmi_buf_printf(&b, " P%u", p);
		for (uint32_t n = 0; n < numas; n++) {
			dvmi_buf_printf(&b, " N%u L", p * numas + n);
			/* Some CPUs are not allowed. */
			for (uint32_t c = 0; c < cores; c++) {
				os += chance(w, 20);
				dvmi_buf_printf(&b, " %u-%u", os, os + threads - 1);
				os += threads;
			}
		}
	}
	assert_int_equal(dsched_topo_parse(t, (char *)b.data, b.len), 0);
	dvmi_buf_free(&b);
}

static void random_busy(struct world *w, struct dvmi_idset *busy)
{
	for (uint32_t k = below(w, 5); k; k--) {
		uint32_t os = below(w, 16);
		assert_int_equal(dvmi_idset_add(busy, os, os + below(w, 3)), 0);
	}
}

static void random_load(struct world *w, struct dsched_node *node, struct dvmi_idset *busy)
{
	if (chance(w, 50))
		return;
	node->jobs = 1 + below(w, 2);
	node->slots_used = below(w, 8);
	node->exclusive = chance(w, 10);
	node->mem_free = node->mem ? node->mem / (1 + below(w, 4)) : 0;
	random_busy(w, busy);
	node->busy = busy;
}

static void random_node(struct world *w, uint32_t i)
{
	struct dsched_node *node = &w->nodes[i];

	snprintf(w->names[i], sizeof w->names[i], "n%u", i);
	*node = (struct dsched_node){
		.id = 100 + i,
		.name = w->names[i],
		.host = chance(w, 50) ? 1 + below(w, 3) : 0,
		.slots = chance(w, 50) ? 1 + below(w, 8) : 0,
		.topo = chance(w, 95) ? &w->topos[below(w, TOPOS)] : NULL,
		.mem = chance(w, 80) ? (1 + below(w, 32)) * GIB : 0,
	};
	node->mem_free = node->mem;
	if (chance(w, 10))
		node->state = chance(w, 50) ? DSCHED_NODE_DOWN : DSCHED_NODE_DRAINING;
	if (chance(w, 30))
		node->no_kvm = "/dev/kvm: no";
	random_load(w, node, &w->busy[i]);
}

/* ---- the request ---- */

static void random_hosts(struct world *w)
{
	for (uint32_t i = 0; i < w->snap.nnodes; i++)
		w->include[i] = (struct dsched_host){
			.name = w->names[below(w, w->snap.nnodes)],
			.slots = chance(w, 50) ? 1 + below(w, 4) : 0,
		};
	w->req.include = w->include;
	w->req.ninclude = 1 + below(w, w->snap.nnodes);
}

static void random_request(struct world *w)
{
	w->req = (struct dsched_request){
		.size = sizeof w->req,
		.ranks = chance(w, 80) ? 1 + below(w, 50) : 0,
		.nodes = chance(w, 40) ? 1 + below(w, 6) : 0,
		.map = (enum dsched_map)below(w, DSCHED_MAP_PPR_NUMA + 1),
		.ppr = 1 + below(w, 4),
		.bind = (enum dsched_bind)below(w, DSCHED_BIND_NUMA + 1),
		.oversubscribe = chance(w, 25),
		.exclusive = chance(w, 10),
		.mem_per_rank = chance(w, 30) ? (1 + below(w, 8)) * GIB : 0,
		.kvm = chance(w, 20),
	};
	if (chance(w, 25))
		random_hosts(w);
	if (chance(w, 20)) {
		w->exclude[0] = w->names[below(w, w->snap.nnodes)];
		w->req.exclude = w->exclude;
		w->req.nexclude = 1;
	}
}

static void world_init(struct world *w, uint64_t seed)
{
	*w = (struct world){ 0 };
	dvmi_rng_seed(&w->rng, seed);
	for (int i = 0; i < TOPOS; i++)
		random_topo(w, &w->topos[i]);
	w->snap = (struct dsched_snapshot){
		.size = sizeof w->snap,
		.nodes = w->nodes,
		.nnodes = 1 + below(w, NODES),
	};
	for (uint32_t i = 0; i < w->snap.nnodes; i++)
		random_node(w, i);
	random_request(w);
}

static void world_free(struct world *w)
{
	for (int i = 0; i < TOPOS; i++)
		dsched_topo_free(&w->topos[i]);
	for (int i = 0; i < NODES; i++)
		dvmi_idset_free(&w->busy[i]);
}

/* As if all its jobs had ended. */
static void make_idle(struct world *w)
{
	for (uint32_t i = 0; i < w->snap.nnodes; i++) {
		struct dsched_node *node = &w->nodes[i];
		node->slots_used = node->jobs = 0;
		node->exclusive = false;
		node->mem_free = node->mem;
		node->busy = NULL;
	}
}

/* ---- what is right, by counting ---- */

static int descending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

static bool feasible(const struct world *w, bool idle)
{
	uint64_t caps[NODES], sum = 0;
	uint32_t n = w->snap.nnodes, use = w->req.nodes ? w->req.nodes : n, open = 0;

	for (uint32_t i = 0; i < n; i++) {
		caps[i] = sched_check_capacity(&w->req, &w->nodes[i], idle);
		open += caps[i] > 0;
	}
	qsort(caps, n, sizeof *caps, descending);
	for (uint32_t i = 0; i < n && i < use; i++)
		sum += caps[i];
	return open > 0 && open >= w->req.nodes && sum >= w->req.ranks;
}

static bool contradicts(const struct dsched_request *req)
{
	return req->ranks && req->ranks < req->nodes;
}

/* A refusal because of what -H says about single nodes; those are tested by hand. */
static bool about_a_host(const struct dsched_reason *why)
{
	return why->constraint == DSCHED_C_NODE_DOWN || why->constraint == DSCHED_C_HOST_SLOTS ||
	       (why->constraint == DSCHED_C_KVM && !why->of_nodes);
}

static int place(struct world *w, struct dsched_reason *why)
{
	struct dsched_placement p;
	char broken[256];
	int rc = dsched_place(&w->snap, &w->req, &p, why);

	if (rc == 0) {
		bool good = sched_check(&w->snap, &w->req, &p, broken, sizeof broken);
		dsched_placement_free(&p);
		if (!good)
			fail_msg("%s", broken);
	}
	return rc;
}

/* Doing what the reason says is never answered with the same reason again. */
static void follow_advice(struct world *w, const struct dsched_reason *why)
{
	struct dsched_reason again;

	if (why->nearest == 0)
		return;
	if (why->of_nodes)
		w->req.nodes = (uint32_t)why->nearest;
	else
		w->req.ranks = (uint32_t)why->nearest;
	int rc = place(w, &again);
	assert_true(rc == 0 || again.constraint != why->constraint ||
		    again.of_nodes != why->of_nodes);
	/* Slots are named before memory is looked at. */
	if (!why->of_nodes && !w->req.nodes &&
	    (why->constraint == DSCHED_C_MEMORY || !w->req.mem_per_rank))
		assert_int_equal(rc, 0);
}

static void check_refusal(struct world *w, int rc, const struct dsched_reason *why)
{
	struct dsched_reason again;

	assert_int_equal(rc == -EAGAIN, why->verdict == DSCHED_WAIT);
	if (contradicts(&w->req)) {
		assert_int_equal(rc, -EINVAL);
		return;
	}
	if (about_a_host(why))
		return;
	assert_false(feasible(w, false));
	assert_int_equal(rc == -EAGAIN, feasible(w, true));
	make_idle(w);
	assert_int_equal(place(w, &again), rc == -EAGAIN ? 0 : rc);
	if (rc != -EAGAIN)
		follow_advice(w, why);
}

static void assert_same_again(struct world *w, int rc, const struct dsched_reason *why)
{
	struct dsched_placement a = { 0 }, b = { 0 };
	struct dsched_reason again;

	assert_int_equal(dsched_place(&w->snap, &w->req, &a, &again), rc);
	assert_string_equal(again.text, why->text);
	assert_int_equal(dsched_place(&w->snap, &w->req, &b, &again), rc);
	assert_int_equal(a.nranks, b.nranks);
	assert_int_equal(a.npus, b.npus);
	if (a.nranks)
		assert_memory_equal(a.ranks, b.ranks, a.nranks * sizeof *a.ranks);
	if (a.npus)
		assert_memory_equal(a.pus, b.pus, a.npus * sizeof *a.pus);
	dsched_placement_free(&a);
	dsched_placement_free(&b);
}

static uint64_t from_env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

/* Where a run got to; a failed check leaves the test by a jump, so teardown says which seed it was.
 */
struct run {
	uint64_t seed;
	bool done;
};

static int run_start(void **state)
{
	*state = calloc(1, sizeof(struct run));
	return *state ? 0 : -1;
}

static int run_end(void **state)
{
	struct run *run = *state;

	if (!run->done)
		printf("# failed; repeat with DVM_ROUNDS=1 DVM_SEED=%llu\n",
		       (unsigned long long)run->seed);
	free(run);
	return 0;
}

static void random_worlds(void **state)
{
	struct run *run = *state;
	uint64_t first = from_env("DVM_SEED", 1), rounds = from_env("DVM_ROUNDS", 20000);
	unsigned placed = 0, waited = 0, refused = 0;

	for (uint64_t seed = first; seed < first + rounds; seed++) {
		struct world w;
		struct dsched_reason why;
		run->seed = seed;
		world_init(&w, seed);
		int rc = place(&w, &why);
		if (seed % 16 == 0)
			assert_same_again(&w, rc, &why);
		if (rc < 0)
			check_refusal(&w, rc, &why);
		placed += rc == 0;
		waited += rc == -EAGAIN;
		refused += rc < 0 && rc != -EAGAIN;
		world_free(&w);
	}
	printf("# %u placed, %u wait, %u impossible\n", placed, waited, refused);
	run->done = true;
	/* Or the generator has gone stale. */
	if (rounds >= 1000)
		assert_true(placed > rounds / 5 && waited > rounds / 50 && refused > rounds / 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_worlds, run_start, run_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
