/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the test program `job` share. Only installed headers beside this one. */
#ifndef TESTS_API_JOB_H
#define TESTS_API_JOB_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/dvm.h>
#include <dvm/coll.h>
#include <dvm/msg.h>

struct job {
	dvm_t *d;
	dvm_group_t *w;
	int rank, size;
	char **args; /* behind the verb, NULL-terminated */
};

/* A verb returns 0 when all was well; the handle may have been closed and set to NULL. */
typedef int verb_fn(struct job *j);

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "rank %d: %s:%d: %s\n", j->rank, __FILE__, __LINE__,       \
				#cond);                                                            \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

#define CHECK_INT(expr, want)                                                                      \
	do {                                                                                       \
		long long got_ = (long long)(expr), want_ = (long long)(want);                     \
		if (got_ != want_) {                                                               \
			fprintf(stderr, "rank %d: %s:%d: %s is %lld, not %lld\n", j->rank,         \
				__FILE__, __LINE__, #expr, got_, want_);                           \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

/* A well-mixed number of A and B. */
uint64_t mix(uint64_t a, uint64_t b);
/* N bytes that depend on SEED, and whether they are there. */
void fill(void *buf, size_t n, uint64_t seed);
int filled(const void *buf, size_t n, uint64_t seed);
/* Argument I as a number, or OTHER. */
long arg(const struct job *j, int i, long other);

verb_fn order, wildcards, truncation, longer, flood, crossing, gathered, probing, probes_last,
	threads, huge, survives_close, place;
verb_fn dies_while_received, dies_while_any, dies_announced, dies_flooded, dies_sending,
	dies_in_collective, dies_at_once, lacks_fabric, wanted_without_fabric, shepherd_vanishes,
	closes_in_collective, refuses_closed;
verb_fn players, synchronous, mixed_order, truncated, halo, scattered, some, matched, detached,
	packed, folded;
verb_fn dies_synchronous, dies_probed, dies_columns, dies_persistent, dies_detached, closes_probed;
verb_fn mem_seen, mem_count, mem_ring, mem_system_calls, mem_attach, mem_several, mem_stream,
	mem_random, mem_fork, mem_hints, mem_moves, mem_lives, mem_larger, mem_limited, dies_mem, dies_mem_busy, stops_mem,
	mem_numbers, mem_moves_apart, mem_rc_first_touch, mem_rc_moves, mem_extend, mem_extend_homes, mem_rc_writers, mem_rc_locks, mem_rc_passed_on, mem_rc_threads, mem_rc_many, mem_rc_pushed,
	dies_mem_rc, ends_mem, leaves_mem, leaves_mem_later;
verb_fn am_echo, am_answers, am_late, am_loop, am_helper, dies_active;
verb_fn rma_copy, rma_layouts, rma_requests, rma_tickets, rma_random, rma_flags, rma_locks,
	rma_passive, dies_rma;
verb_fn computes_after, stands_still, dies_streaming;
verb_fn no_machine, vanishes_asked;
verb_fn random_program, collectives, subgroups, minloc, barriers, disagree;
verb_fn sync_locks, sync_barriers, sync_conditions, sync_ranges, sync_threads, dies_sync;
verb_fn dies_copying, closes_copying;

void choose_way(dvm_t *d);
verb_fn groups, groups_disagree, groups_many, intergroups, carts, random_groups;
verb_fn revoked, revoked_inside, dies_revoking, agrees, acknowledges, dies_agreeing, dies_shrinking,
	dies_grouping, recovers, outlives;

#endif
