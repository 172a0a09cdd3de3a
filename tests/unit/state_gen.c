/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "tests/unit/state_gen.h"

#define KEYS 24

void state_gen_init(struct state_gen *g, uint64_t seed)
{
	memset(g, 0, sizeof *g);
	dvmi_rng_seed(&g->rng, seed);
	g->wall = 1000;
}

static unsigned below(struct state_gen *g, uint64_t n)
{
	return (unsigned)dvmi_rng_below(&g->rng, n);
}

static const Pb__Command *command(struct state_gen *g, Pb__Command__WhatCase which, void *msg)
{
	pb__command__init(&g->cmd);
	g->cmd.wall = ++g->wall;
	g->cmd.what_case = which;
	g->cmd.founding = msg;
	return &g->cmd;
}

static ProtobufCBinaryData key_of(struct state_gen *g, unsigned key)
{
	memset(g->key, (int)(key + 1), sizeof g->key);
	return (ProtobufCBinaryData){ .data = g->key, .len = sizeof g->key };
}

const Pb__Command *state_gen_founding(struct state_gen *g)
{
	pb__founding__init(&g->founding);
	g->founding.machine = (char *)"lab";
	memset(g->id, 0x5a, sizeof g->id);
	g->founding.id = (ProtobufCBinaryData){ .data = g->id, .len = sizeof g->id };
	return command(g, PB__COMMAND__WHAT_FOUNDING, &g->founding);
}

const Pb__Command *state_gen_member(struct state_gen *g, uint32_t id, unsigned key)
{
	Pb__Member *m = &g->member;

	pb__member__init(m);
	snprintf(g->name, sizeof g->name, "node%u", id);
	snprintf(g->address, sizeof g->address, "127.0.%u.%u", id / 256 % 256, id % 256);
	m->id = id;
	m->name = g->name;
	m->key = key_of(g, key);
	m->address = g->address;
	m->port = 7117;
	m->slots = 4;
	m->version = (char *)"0.1.0";
	m->host = (char *)"host";
	return command(g, PB__COMMAND__WHAT_MEMBER_ADD, m);
}

const Pb__Command *state_gen_drain(struct state_gen *g, uint32_t id, bool draining)
{
	pb__member_drain__init(&g->member_drain);
	snprintf(g->reason, sizeof g->reason, "disk %u", id);
	g->member_drain.id = id;
	g->member_drain.draining = draining;
	g->member_drain.why = g->reason;
	g->member_drain.by = (char *)"ann";
	return command(g, PB__COMMAND__WHAT_MEMBER_DRAIN, &g->member_drain);
}

const Pb__Command *state_gen_room(struct state_gen *g, uint64_t id, uint32_t room,
				  uint64_t wanted_by)
{
	pb__job_room__init(&g->job_room);
	g->job_room.id = id;
	g->job_room.room = room;
	g->job_room.wanted_by = wanted_by;
	return command(g, PB__COMMAND__WHAT_JOB_ROOM, &g->job_room);
}

const Pb__Command *state_gen_suspend(struct state_gen *g, uint64_t id, Pb__Suspended how)
{
	pb__job_suspend__init(&g->job_suspend);
	g->job_suspend.id = id;
	g->job_suspend.suspended = how;
	return command(g, PB__COMMAND__WHAT_JOB_SUSPEND, &g->job_suspend);
}

const Pb__Command *state_gen_limit(struct state_gen *g, uint64_t id, uint64_t limit)
{
	pb__job_limit__init(&g->job_limit);
	g->job_limit.id = id;
	g->job_limit.limit_ns = limit;
	return command(g, PB__COMMAND__WHAT_JOB_LIMIT, &g->job_limit);
}

const Pb__Command *state_gen_reserve(struct state_gen *g, unsigned number, uint32_t node,
				     uint64_t start, uint64_t end)
{
	pb__reservation__init(&g->reservation);
	snprintf(g->service_name, sizeof g->service_name, "r%u", number);
	g->reserved[0] = node;
	g->reserved[1] = node + 1;
	g->reservation.name = g->service_name;
	g->reservation.start = start;
	g->reservation.end = end;
	g->reservation.nodes = g->reserved;
	g->reservation.n_nodes = 2;
	g->reservation.by = (char *)"ann";
	return command(g, PB__COMMAND__WHAT_RESERVE_ADD, &g->reservation);
}

const Pb__Command *state_gen_unreserve(struct state_gen *g, unsigned number)
{
	snprintf(g->service_name, sizeof g->service_name, "r%u", number);
	command(g, PB__COMMAND__WHAT_RESERVE_REMOVE, NULL);
	g->cmd.reserve_remove = g->service_name;
	return &g->cmd;
}

const Pb__Command *state_gen_token(struct state_gen *g, unsigned key, uint32_t uses)
{
	pb__token__init(&g->token);
	g->token.key = key_of(g, key);
	g->token.uses = uses;
	return command(g, PB__COMMAND__WHAT_TOKEN_ADD, &g->token);
}

static void fill_share(struct state_gen *g, unsigned i, uint32_t node, unsigned ranks)
{
	Pb__NodeShare *share = &g->share[i];

	pb__node_share__init(share);
	share->node = node;
	share->n_ranks = ranks;
	share->ranks = g->ranks[i];
	for (unsigned k = 0; k < ranks; k++)
		g->ranks[i][k] = i * ranks + k;
	g->shares[i] = share;
}

static void fill_spec(struct state_gen *g, uint64_t id)
{
	pb__job_spec__init(&g->spec);
	snprintf(g->program, sizeof g->program, "prog%llu", (unsigned long long)id);
	snprintf(g->variable, sizeof g->variable, "A=%llu", (unsigned long long)id);
	g->argv[0] = g->program;
	g->env[0] = g->variable;
	g->spec.n_argv = 1;
	g->spec.argv = g->argv;
	g->spec.n_env = 1;
	g->spec.env = g->env;
	g->spec.detached = id % 2;
}

const Pb__Command *state_gen_job(struct state_gen *g, uint64_t id, uint32_t first, unsigned nodes,
				 unsigned ranks)
{
	pb__job_record__init(&g->job);
	pb__placement__init(&g->placement);
	fill_spec(g, id);
	for (unsigned i = 0; i < nodes; i++)
		fill_share(g, i, first + i, ranks);
	g->placement.ranks = nodes * ranks;
	g->placement.n_nodes = nodes;
	g->placement.nodes = g->shares;
	g->job.id = id;
	g->job.spec = &g->spec;
	g->job.placement = &g->placement;
	g->job.origin = first;
	return command(g, PB__COMMAND__WHAT_JOB_ADD, &g->job);
}

const Pb__Command *state_gen_job_change(struct state_gen *g, uint64_t id, Pb__JobState state,
					int32_t exit_code, const char *reason)
{
	pb__job_change__init(&g->job_change);
	snprintf(g->reason, sizeof g->reason, "%s", reason);
	g->job_change.id = id;
	g->job_change.state = state;
	g->job_change.exit_code = exit_code;
	g->job_change.reason = g->reason;
	return command(g, PB__COMMAND__WHAT_JOB_CHANGE, &g->job_change);
}

const Pb__Command *state_gen_name(struct state_gen *g, bool add, uint64_t job, unsigned number)
{
	pb__service_name__init(&g->service);
	snprintf(g->service_name, sizeof g->service_name, "service %u", number);
	snprintf(g->value, sizeof g->value, "v%u", number);
	g->service.service = g->service_name;
	g->service.job = job;
	g->service.value = (ProtobufCBinaryData){ .data = (uint8_t *)g->value,
						  .len = strlen(g->value) };
	return command(g, add ? PB__COMMAND__WHAT_NAME_ADD : PB__COMMAND__WHAT_NAME_REMOVE,
		       &g->service);
}

const Pb__Command *state_gen_say(struct state_gen *g, uint64_t job, const char *service)
{
	const Pb__Command *cmd = state_gen_name(g, true, job, 0);

	snprintf(g->service_name, sizeof g->service_name, "%s", service);
	g->service.once = true;
	return cmd;
}

const Pb__Command *state_gen_hear(struct state_gen *g, uint64_t job, const char *service)
{
	const Pb__Command *cmd = state_gen_name(g, false, 0, 0);

	snprintf(g->service_name, sizeof g->service_name, "%s", service);
	g->service.reader_job = job;
	return cmd;
}

const Pb__Command *state_gen_waiting(struct state_gen *g, uint64_t id, uint64_t after)
{
	pb__waiting__init(&g->waiting);
	pb__after__init(&g->after);
	fill_spec(g, id);
	g->spec.ranks = 1 + (uint32_t)id % 8;
	g->after.job = after;
	g->afters[0] = &g->after;
	g->waiting.id = id;
	g->waiting.spec = &g->spec;
	g->waiting.origin = 1;
	g->waiting.after = g->afters;
	g->waiting.n_after = after != 0;
	return command(g, PB__COMMAND__WHAT_QUEUE_ADD, &g->waiting);
}

const Pb__Command *state_gen_waiting_end(struct state_gen *g, uint64_t id, int32_t exit_code)
{
	pb__waiting_end__init(&g->waiting_end);
	g->waiting_end.id = id;
	g->waiting_end.exit_code = exit_code;
	g->waiting_end.reason = (char *)"cancelled";
	return command(g, PB__COMMAND__WHAT_QUEUE_END, &g->waiting_end);
}

static const Pb__Command *change_waiting(struct state_gen *g, uint64_t id)
{
	pb__waiting_change__init(&g->waiting_change);
	g->waiting_change.id = id;
	g->waiting_change.held = below(g, 2);
	g->waiting_change.priority = (int32_t)below(g, 2200) - 1100;
	g->waiting_change.limit = g->wall;
	return command(g, PB__COMMAND__WHAT_QUEUE_CHANGE, &g->waiting_change);
}

static const Pb__Command *next_queue(struct state_gen *g, const struct dvmd_cstate *s)
{
	uint64_t next = dvmd_cstate_next_job(s), any = 1 + below(g, (unsigned)next);

	switch (below(g, 6)) {
	case 0:
		return change_waiting(g, any);
	case 1:
		return state_gen_waiting_end(g, any, (int32_t)below(g, 260));
	case 2: /* it starts, if it waits */
		return state_gen_job(g, any, 1 + below(g, dvmd_cstate_next_node(s)), 1, 2);
	default:
		return state_gen_waiting(g, next, below(g, 2) ? below(g, (unsigned)next) : 0);
	}
}

static const Pb__Command *next_member(struct state_gen *g, const struct dvmd_cstate *s)
{
	unsigned key = below(g, KEYS);
	const Pb__Member *known = dvmd_cstate_member_by_key(s, key_of(g, key).data);
	uint32_t id = known ? known->id : dvmd_cstate_next_node(s);

	state_gen_member(g, id, key);
	g->member.slots = below(g, 64);
	g->member.state = (Pb__MemberState)below(g, 2);
	if (below(g, 3) == 0)
		snprintf(g->name, sizeof g->name, "n%u", below(g, KEYS));
	if (below(g, 10) == 0)
		g->member.port = 0;
	return &g->cmd;
}

static const Pb__Command *next_member_change(struct state_gen *g, const struct dvmd_cstate *s)
{
	if (below(g, 3) == 0)
		return state_gen_drain(g, below(g, dvmd_cstate_next_node(s) + 1), below(g, 2));
	pb__member_change__init(&g->member_change);
	g->member_change.id = below(g, dvmd_cstate_next_node(s) + 1);
	g->member_change.state = (Pb__MemberState)below(g, 2);
	return command(g, PB__COMMAND__WHAT_MEMBER_CHANGE, &g->member_change);
}

static const Pb__Command *next_removal(struct state_gen *g, const struct dvmd_cstate *s)
{
	switch (below(g, 3)) {
	case 0:
		command(g, PB__COMMAND__WHAT_MEMBER_REMOVE, NULL);
		g->cmd.member_remove = below(g, dvmd_cstate_next_node(s) + 1);
		break;
	case 1:
		command(g, PB__COMMAND__WHAT_TOKEN_REMOVE, NULL);
		g->cmd.token_remove = key_of(g, KEYS + below(g, KEYS));
		break;
	default:
		command(g, PB__COMMAND__WHAT_JOB_REMOVE, NULL);
		g->cmd.job_remove = below(g, dvmd_cstate_next_job(s) + 1);
	}
	return &g->cmd;
}

static const Pb__Command *next_job_change(struct state_gen *g, const struct dvmd_cstate *s)
{
	uint64_t id = 1 + below(g, dvmd_cstate_next_job(s));

	if (below(g, 8) == 0)
		return state_gen_suspend(g, id, (Pb__Suspended)below(g, 3));
	if (below(g, 8) == 0)
		return state_gen_room(g, id, below(g, 4), below(g, 3));
	if (below(g, 8) == 0)
		return state_gen_limit(g, id, below(g, 1000));
	state_gen_job_change(g, id, (Pb__JobState)below(g, 4), (int32_t)below(g, 260),
				    below(g, 2) ? "because" : "");
	g->job_change.again = below(g, 6) == 0;
	return &g->cmd;
}

/* One of few names, so that there are pairs of them. */
static const Pb__Command *next_exchange(struct state_gen *g, const struct dvmd_cstate *s)
{
	static const char *const names[] = { "a:connect", "a:accept", "a:b:send", "a:b:recv" };
	const char *name = names[below(g, sizeof names / sizeof names[0])];
	uint64_t job = below(g, dvmd_cstate_next_job(s) + 1);

	return below(g, 2) ? state_gen_say(g, job, name) : state_gen_hear(g, job, name);
}

const Pb__Command *state_gen_next(struct state_gen *g, const struct dvmd_cstate *s)
{
	if (!dvmd_cstate_founding(s))
		return state_gen_founding(g);
	switch (below(g, 21)) {
	case 20:
		return state_gen_reserve(g, below(g, 6), below(g, dvmd_cstate_next_node(s)) + 1,
					 below(g, 50), below(g, 60));
	case 19:
		return state_gen_unreserve(g, below(g, 6));
	case 18:
		return next_exchange(g, s);
	case 14:
	case 15:
	case 16:
	case 17:
		return next_queue(g, s);
	case 12:
	case 13:
		return state_gen_name(g, below(g, 3) > 0, below(g, dvmd_cstate_next_job(s) + 1),
				      below(g, KEYS));
	case 0:
	case 1:
	case 2:
		return next_member(g, s);
	case 3:
	case 4:
		return next_member_change(g, s);
	case 5:
		return state_gen_token(g, KEYS + below(g, KEYS), below(g, 4));
	case 6:
		return next_removal(g, s);
	case 7:
	case 8:
		return state_gen_job(g, dvmd_cstate_next_job(s),
				     1 + below(g, dvmd_cstate_next_node(s)), 1 + below(g, 3),
				     1 + below(g, GEN_RANKS_MAX));
	default:
		return next_job_change(g, s);
	}
}
