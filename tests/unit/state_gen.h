/* SPDX-License-Identifier: BSD-3-Clause */
/* Seeded random commands for the cluster state: mostly acceptable ones, some that are not. */
#ifndef TESTS_UNIT_STATE_GEN_H
#define TESTS_UNIT_STATE_GEN_H

#include "daemon/cstate.h"
#include <stdbool.h>

#include "libdvm/base/rng.h"

#define GEN_SHARES_MAX 4
#define GEN_RANKS_MAX  8

struct state_gen {
	struct dvmi_rng rng;
	uint64_t wall;
	Pb__Command cmd;
	Pb__Founding founding;
	Pb__Member member;
	Pb__MemberChange member_change;
	Pb__MemberDrain member_drain;
	Pb__JobSuspend job_suspend;
	Pb__JobLimit job_limit;
	Pb__JobRoom job_room;
	Pb__Reservation reservation;
	uint32_t reserved[2];
	Pb__Token token;
	Pb__JobRecord job;
	Pb__JobSpec spec;
	Pb__Placement placement;
	Pb__NodeShare share[GEN_SHARES_MAX], *shares[GEN_SHARES_MAX];
	uint32_t ranks[GEN_SHARES_MAX][GEN_RANKS_MAX];
	Pb__JobChange job_change;
	Pb__ServiceName service;
	Pb__Waiting waiting;
	Pb__After after, *afters[1];
	Pb__WaitingChange waiting_change;
	Pb__WaitingEnd waiting_end;
	uint8_t key[32], id[16];
	char name[32], address[32], reason[64], program[32], variable[32];
	char service_name[32], value[8];
	char *argv[1], *env[1];
};

void state_gen_init(struct state_gen *g, uint64_t seed);

/* The next command for a machine in state S; it lives until the next call. */
const Pb__Command *state_gen_next(struct state_gen *g, const struct dvmd_cstate *s);

/* Single ones, all acceptable as they are where their ids are the next ones. */
const Pb__Command *state_gen_founding(struct state_gen *g);
const Pb__Command *state_gen_member(struct state_gen *g, uint32_t id, unsigned key);
const Pb__Command *state_gen_drain(struct state_gen *g, uint32_t id, bool draining);
const Pb__Command *state_gen_room(struct state_gen *g, uint64_t id, uint32_t room,
				  uint64_t wanted_by);
const Pb__Command *state_gen_suspend(struct state_gen *g, uint64_t id, Pb__Suspended how);
const Pb__Command *state_gen_limit(struct state_gen *g, uint64_t id, uint64_t limit);
/* Reservation NUMBER of node NODE and the next one, from START to END. */
const Pb__Command *state_gen_reserve(struct state_gen *g, unsigned number, uint32_t node,
				     uint64_t start, uint64_t end);
const Pb__Command *state_gen_unreserve(struct state_gen *g, unsigned number);
const Pb__Command *state_gen_token(struct state_gen *g, unsigned key, uint32_t uses);
/* RANKS ranks, one share of all of them on each of NODES nodes from FIRST on. */
const Pb__Command *state_gen_job(struct state_gen *g, uint64_t id, uint32_t first, unsigned nodes,
				 unsigned ranks);
const Pb__Command *state_gen_job_change(struct state_gen *g, uint64_t id, Pb__JobState state,
					int32_t exit_code, const char *reason);

/* Rank 0 of JOB publishes "service NUMBER"; with ADD false takes it back. */
const Pb__Command *state_gen_name(struct state_gen *g, bool add, uint64_t job, unsigned number);
/* The same under any name, for one reader; rank 0 of JOB reads it. */
const Pb__Command *state_gen_say(struct state_gen *g, uint64_t job, const char *service);
const Pb__Command *state_gen_hear(struct state_gen *g, uint64_t job, const char *service);

/* Job ID waits, for job AFTER where that is not 0. */
const Pb__Command *state_gen_waiting(struct state_gen *g, uint64_t id, uint64_t after);
const Pb__Command *state_gen_waiting_end(struct state_gen *g, uint64_t id, int32_t exit_code);

#endif
