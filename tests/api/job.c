/* SPDX-License-Identifier: BSD-3-Clause */
/* job VERB [ARG]...: one rank of a test; exit code 0 when what this rank saw was right. */
#include <unistd.h>

#include "tests/api/job.h"

#define LIMIT_S 50 /* a hang ends as a death by SIGALRM */

static const struct {
	const char *name;
	verb_fn *fn;
	uint32_t flags;
} verbs[] = {
	{ "place", place, 0 },
	{ "order", order, 0 },
	{ "wildcards", wildcards, 0 },
	{ "truncation", truncation, 0 },
	{ "longer", longer, 0 },
	{ "flood", flood, 0 },
	{ "crossing", crossing, 0 },
	{ "gathered", gathered, 0 },
	{ "probing", probing, 0 },
	{ "probes_last", probes_last, 0 },
	{ "computes_after", computes_after, 0 },
	{ "stands_still", stands_still, 0 },
	{ "dies_streaming", dies_streaming, 0 },
	{ "threads", threads, DVM_OPEN_THREADS },
	{ "huge", huge, 0 },
	{ "survives_close", survives_close, 0 },
	{ "dies_while_received", dies_while_received, 0 },
	{ "dies_while_any", dies_while_any, 0 },
	{ "dies_announced", dies_announced, 0 },
	{ "dies_flooded", dies_flooded, 0 },
	{ "dies_sending", dies_sending, 0 },
	{ "dies_in_collective", dies_in_collective, 0 },
	{ "dies_at_once", dies_at_once, 0 },
	{ "closes_in_collective", closes_in_collective, 0 },
	{ "refuses_closed", refuses_closed, 0 },
	{ "shepherd_vanishes", shepherd_vanishes, 0 },
	{ "lacks_fabric", lacks_fabric, 0 },
	{ "wanted_without_fabric", wanted_without_fabric, 0 },
	{ "synchronous", synchronous, 0 },
	{ "mixed_order", mixed_order, 0 },
	{ "truncated", truncated, 0 },
	{ "halo", halo, 0 },
	{ "scattered", scattered, 0 },
	{ "some", some, 0 },
	{ "detached", detached, 0 },
	{ "packed", packed, 0 },
	{ "folded", folded, 0 },
	{ "matched", matched, DVM_OPEN_THREADS },
	{ "players", players, DVM_OPEN_THREADS },
	{ "dies_synchronous", dies_synchronous, 0 },
	{ "dies_probed", dies_probed, 0 },
	{ "dies_columns", dies_columns, 0 },
	{ "dies_persistent", dies_persistent, 0 },
	{ "dies_detached", dies_detached, 0 },
	{ "closes_probed", closes_probed, 0 },
	{ "mem_seen", mem_seen, 0 },
	{ "mem_count", mem_count, 0 },
	{ "mem_ring", mem_ring, 0 },
	{ "mem_system_calls", mem_system_calls, 0 },
	{ "mem_attach", mem_attach, 0 },
	{ "mem_several", mem_several, 0 },
	{ "mem_numbers", mem_numbers, 0 },
	{ "mem_stream", mem_stream, 0 },
	{ "mem_random", mem_random, 0 },
	{ "mem_fork", mem_fork, 0 },
	{ "mem_hints", mem_hints, 0 },
	{ "mem_moves", mem_moves, 0 },
	{ "mem_moves_apart", mem_moves_apart, 0 },
	{ "mem_lives", mem_lives, 0 },
	{ "mem_larger", mem_larger, 0 },
	{ "mem_limited", mem_limited, 0 },
	{ "mem_rc_first_touch", mem_rc_first_touch, 0 },
	{ "mem_extend", mem_extend, 0 },
	{ "mem_extend_homes", mem_extend_homes, 0 },
	{ "mem_rc_moves", mem_rc_moves, 0 },
	{ "mem_rc_writers", mem_rc_writers, 0 },
	{ "mem_rc_locks", mem_rc_locks, 0 },
	{ "mem_rc_passed_on", mem_rc_passed_on, 0 },
	{ "mem_rc_threads", mem_rc_threads, 0 },
	{ "mem_rc_many", mem_rc_many, 0 },
	{ "mem_rc_pushed", mem_rc_pushed, 0 },
	{ "dies_mem_rc", dies_mem_rc, 0 },
	{ "ends_mem", ends_mem, 0 },
	{ "leaves_mem", leaves_mem, 0 },
	{ "leaves_mem_later", leaves_mem_later, 0 },
	{ "dies_mem", dies_mem, 0 },
	{ "dies_mem_busy", dies_mem_busy, 0 },
	{ "stops_mem", stops_mem, 0 },
	{ "no_machine", no_machine, 0 },
	{ "no_machine_threads", no_machine, DVM_OPEN_THREADS },
	{ "vanishes_asked", vanishes_asked, 0 },
	{ "am_echo", am_echo, 0 },
	{ "am_answers", am_answers, 0 },
	{ "am_late", am_late, 0 },
	{ "am_loop", am_loop, 0 },
	{ "am_helper", am_helper, DVM_OPEN_PROGRESS },
	{ "am_echo_helped", am_echo, DVM_OPEN_PROGRESS },
	{ "dies_active", dies_active, 0 },
	{ "rma_copy", rma_copy, 0 },
	{ "rma_layouts", rma_layouts, 0 },
	{ "rma_requests", rma_requests, 0 },
	{ "rma_tickets", rma_tickets, 0 },
	{ "rma_random", rma_random, 0 },
	{ "rma_flags", rma_flags, 0 },
	{ "sync_locks", sync_locks, 0 },
	{ "sync_barriers", sync_barriers, 0 },
	{ "sync_conditions", sync_conditions, 0 },
	{ "sync_ranges", sync_ranges, 0 },
	{ "sync_threads", sync_threads, 0 },
	{ "dies_sync", dies_sync, 0 },
	{ "rma_locks", rma_locks, 0 },
	{ "rma_passive", rma_passive, DVM_OPEN_PROGRESS },
	{ "rma_random_helped", rma_random, DVM_OPEN_PROGRESS },
	{ "dies_rma", dies_rma, 0 },
	{ "random", random_program, 0 },
	{ "collectives", collectives, 0 },
	{ "collectives_threads", collectives, DVM_OPEN_THREADS },
	{ "subgroups", subgroups, 0 },
	{ "minloc", minloc, 0 },
	{ "barriers", barriers, 0 },
	{ "disagree", disagree, 0 },
	{ "dies_copying", dies_copying, 0 },
	{ "closes_copying", closes_copying, 0 },
	{ "groups", groups, 0 },
	{ "groups_disagree", groups_disagree, 0 },
	{ "groups_many", groups_many, 0 },
	{ "intergroups", intergroups, 0 },
	{ "carts", carts, 0 },
	{ "random_groups", random_groups, 0 },
	{ "revoked", revoked, 0 },
	{ "revoked_inside", revoked_inside, DVM_OPEN_THREADS },
	{ "dies_revoking", dies_revoking, 0 },
	{ "agrees", agrees, 0 },
	{ "acknowledges", acknowledges, 0 },
	{ "dies_agreeing", dies_agreeing, 0 },
	{ "dies_shrinking", dies_shrinking, 0 },
	{ "dies_grouping", dies_grouping, 0 },
	{ "recovers", recovers, 0 },
	{ "outlives", outlives, 0 },
};

uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = a * UINT64_C(0x9e3779b97f4a7c15) + b;

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

void fill(void *buf, size_t n, uint64_t seed)
{
	uint8_t *p = buf;
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		uint64_t v = mix(seed, i);
		memcpy(p + i, &v, 8);
	}
	for (; i < n; i++)
		p[i] = (uint8_t)mix(seed, i);
}

int filled(const void *buf, size_t n, uint64_t seed)
{
	const uint8_t *p = buf;
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		uint64_t v = mix(seed, i);
		if (memcmp(p + i, &v, 8))
			return 0;
	}
	for (; i < n; i++)
		if (p[i] != (uint8_t)mix(seed, i))
			return 0;
	return 1;
}

long arg(const struct job *j, int i, long other)
{
	for (int k = 0; k <= i; k++)
		if (!j->args[k])
			return other;
	return strtol(j->args[i], NULL, 10);
}

static void log_line(int level, const char *subsys, const char *text, void *arg_)
{
	fprintf(stderr, "# rank %d: %s: %s\n", *(const int *)arg_, subsys, text);
}

static int run(verb_fn *fn, uint32_t flags, char **args)
{
	struct job job = { .args = args }, *j = &job;
	dvm_error_t err;
	dvm_config_t cfg = { .size = sizeof cfg,
			     .flags = flags,
			     .log_level = 4,
			     .log = log_line,
			     .log_arg = &job.rank };

	if (dvm_open(&j->d, &cfg, &err) < 0) {
		fprintf(stderr, "open: %s\n", err.text);
		return 1;
	}
	choose_way(j->d);
	j->w = dvm_world(j->d);
	j->rank = dvm_rank(j->d);
	j->size = dvm_size(j->d);
	if (fn(j))
		return 1;
	if (j->d)
		CHECK_INT(dvm_close(j->d), 0);
	return 0;
}

int main(int argc, char **argv)
{
	alarm(LIMIT_S);
	for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++)
		if (!strcmp(verbs[i].name, argv[1]))
			return run(verbs[i].fn, verbs[i].flags, argv + 2);
	fprintf(stderr, "usage: job VERB [ARG]...\n");
	return 2;
}
