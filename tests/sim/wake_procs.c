/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No wake-up is lost: a number in shared memory goes round, and there is nothing else by which a node
 * could be woken. Nodes do not look by themselves now and then here, so the first packet, fault or
 * word that a sleeper misses stops everything, and the alarm of procs.c ends it. Each goes on after
 * another time, so that packets come while others go to sleep, sleep, look, or are busy.
 *
 * wake_procs [ROUNDS]
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "libdvm/base/rng.h"
#include "tests/sim/procs.h"

enum { ROUNDS = 1500, WORK = 20000 };

static void work(struct dvmi_rng *rng)
{
	for (uint64_t n = dvmi_rng_below(rng, WORK); n; n--)
		atomic_signal_fence(memory_order_seq_cst);
}

static int host(struct procs *p, void *arg)
{
	uint64_t rounds = *(const uint64_t *)arg;
	struct dvmi_rng rng;
	int rc = procs_join(p, p->nodes);

	if (rc < 0)
		return rc;
	dvmi_rng_seed(&rng, p->self + 1);
	procs_meet(p);
	for (uint64_t i = p->self; i < rounds * p->nodes; i += p->nodes) {
		/* Pages in turn: each has another home. */
		_Atomic uint64_t *from = (void *)(p->base + i % p->nodes * PROCS_PAGE);
		_Atomic uint64_t *to = (void *)(p->base + (i + 1) % p->nodes * PROCS_PAGE);
		while (atomic_load(from) != i)
			sched_yield();
		work(&rng);
		atomic_store(to, i + 1);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		uint32_t nodes, flags;
		const char *name;
	} worlds[] = {
		{ 2, 0, "two nodes" },
		{ 3, DSM_NO_SPIN, "three that sleep at once" },
		{ 2, DSM_SIGBUS, "two, faults as signals" },
		{ 3, DSM_SIGBUS | DSM_NO_SPIN, "three that sleep at once, faults as signals" },
	};
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : ROUNDS;
	int n = sizeof worlds / sizeof worlds[0], bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		int rc = procs_run(worlds[i].nodes, worlds[i].flags | PROCS_QUIET, host, &rounds);
		printf("%s %d - nobody sleeps on: %s%s\n", rc && rc != 77 ? "not ok" : "ok", i + 1,
		       worlds[i].name, rc == 77 ? " # SKIP no userfaultfd" : "");
		bad |= rc && rc != 77;
	}
	return bad;
}
