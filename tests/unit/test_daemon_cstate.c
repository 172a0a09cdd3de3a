/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cstate.h"
#include "tests/unit/cm.h"
#include "tests/unit/state_gen.h"

/* The allocation after so many fails, once; -1: none. */
static int fail_after = -1;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
char *__wrap_strdup(const char *s);

static bool fails_now(void)
{
	return fail_after >= 0 && fail_after-- == 0;
}

void *__wrap_malloc(size_t n)
{
	return fails_now() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : __real_calloc(n, size);
}

char *__wrap_strdup(const char *s)
{
	return fails_now() ? NULL : __real_strdup(s);
}

struct fixture {
	struct dvmd_cstate *s;
	struct state_gen g;
};

static int apply(struct fixture *f, const Pb__Command *cmd)
{
	return dvmd_cstate_apply(f->s, dvmd_cstate_index(f->s) + 1, cmd);
}

/* Applies CMD, which must be accepted. */
static void accept(struct fixture *f, const Pb__Command *cmd)
{
	dvm_error_t err = { 0 };

	if (dvmd_cstate_check(f->s, cmd, &err) < 0)
		fail_msg("refused: %s", err.text);
	assert_int_equal(apply(f, cmd), 0);
}

/* CMD is refused with CODE and a text, and applying it changes the index only. */
static void refuse(struct fixture *f, const Pb__Command *cmd, int code)
{
	uint64_t refused = dvmd_cstate_refused(f->s);
	Pb__StateSnapshot *before, *after;
	struct dvmi_buf a = { 0 }, b = { 0 };
	dvm_error_t err = { 0 };

	assert_int_equal(dvmd_cstate_check(f->s, cmd, &err), code);
	assert_int_equal(err.code, code);
	assert_true(strlen(err.text) > 5);
	assert_int_equal(dvmd_cstate_snapshot(f->s, &before), 0);
	assert_int_equal(apply(f, cmd), 0);
	assert_int_equal(dvmd_cstate_refused(f->s), refused + 1);
	assert_int_equal(dvmd_cstate_snapshot(f->s, &after), 0);
	assert_int_equal(after->index, ++before->index);
	dvmi_pb_pack(&a, before);
	dvmi_pb_pack(&b, after);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	dvmi_pb_free(before);
	dvmi_pb_free(after);
	dvmi_buf_free(&a);
	dvmi_buf_free(&b);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	state_gen_init(&f->g, 1);
	assert_int_equal(dvmd_cstate_create(&f->s), 0);
	*state = f;
	return 0;
}

/* A machine with nodes 1 … 4 (keys 1 … 4). */
static int setup_machine(void **state)
{
	setup(state);
	struct fixture *f = *state;
	accept(f, state_gen_founding(&f->g));
	for (unsigned i = 1; i <= 4; i++)
		accept(f, state_gen_member(&f->g, i, i));
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	dvmd_cstate_destroy(f->s);
	free(f);
	return 0;
}

static void founding_comes_first_and_once(void **state)
{
	struct fixture *f = *state;

	assert_null(dvmd_cstate_founding(f->s));
	refuse(f, state_gen_member(&f->g, 1, 1), -EINVAL);
	state_gen_founding(&f->g);
	f->g.founding.machine = (char *)"../etc";
	refuse(f, &f->g.cmd, -EINVAL);
	state_gen_founding(&f->g);
	f->g.founding.id.len = 15;
	refuse(f, &f->g.cmd, -EINVAL);
	accept(f, state_gen_founding(&f->g));
	assert_string_equal(dvmd_cstate_founding(f->s)->machine, "lab");
	refuse(f, state_gen_founding(&f->g), -EEXIST);
}

static void the_index_must_be_the_next(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(dvmd_cstate_apply(f->s, 0, state_gen_founding(&f->g)), -EINVAL);
	assert_int_equal(dvmd_cstate_apply(f->s, 2, state_gen_founding(&f->g)), -EINVAL);
	assert_int_equal(dvmd_cstate_index(f->s), 0);
	assert_null(dvmd_cstate_founding(f->s));
}

static void an_empty_command_is_refused(void **state)
{
	struct fixture *f = *state;
	Pb__Command cmd = PB__COMMAND__INIT;

	refuse(f, &cmd, -EINVAL);
}

static int collect(const Pb__Member *m, void *arg)
{
	uint32_t **next = arg;

	*(*next)++ = m->id;
	return 0;
}

static void members_are_found_by_id_name_and_key(void **state)
{
	struct fixture *f = *state;
	uint32_t ids[8] = { 0 }, *next = ids;

	assert_int_equal(dvmd_cstate_members(f->s), 4);
	const Pb__Member *m = dvmd_cstate_member(f->s, 3);
	assert_string_equal(m->name, "node3");
	assert_ptr_equal(dvmd_cstate_member_by_name(f->s, "node3"), m);
	assert_ptr_equal(dvmd_cstate_member_by_key(f->s, m->key.data), m);
	assert_int_equal(m->since, f->g.wall - 1);
	assert_null(dvmd_cstate_member(f->s, 5));
	assert_null(dvmd_cstate_member_by_name(f->s, "node5"));
	assert_int_equal(dvmd_cstate_each_member(f->s, collect, &next), 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(ids[i], i + 1);
}

static int stop_with_error(const Pb__Member *m, void *arg)
{
	return ++*(int *)arg == 2 ? -ECANCELED : 0;
}

static void a_walk_can_be_stopped(void **state)
{
	struct fixture *f = *state;
	int seen = 0;

	assert_int_equal(dvmd_cstate_each_member(f->s, stop_with_error, &seen), -ECANCELED);
	assert_int_equal(seen, 2);
}

static void a_known_key_replaces_the_member(void **state)
{
	struct fixture *f = *state;

	state_gen_member(&f->g, 2, 2);
	f->g.member.name = (char *)"other";
	f->g.member.address = (char *)"fe80::1";
	f->g.member.slots = 99;
	uint64_t since = dvmd_cstate_member(f->s, 2)->since;
	accept(f, &f->g.cmd);
	const Pb__Member *m = dvmd_cstate_member(f->s, 2);
	assert_string_equal(m->name, "other");
	assert_string_equal(m->address, "fe80::1");
	assert_int_equal(m->slots, 99);
	assert_int_equal(m->since, since); /* up as before */
	assert_null(dvmd_cstate_member_by_name(f->s, "node2"));
	assert_ptr_equal(dvmd_cstate_member_by_name(f->s, "other"), m);
	assert_int_equal(dvmd_cstate_members(f->s), 4);
	assert_int_equal(dvmd_cstate_next_node(f->s), 5);
	/* The old name is free again, and the order by id is kept. */
	uint32_t ids[8] = { 0 }, *next = ids;
	state_gen_member(&f->g, 5, 5);
	f->g.member.name = (char *)"node2";
	accept(f, &f->g.cmd);
	dvmd_cstate_each_member(f->s, collect, &next);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(ids[i], i + 1);
}

static void a_member_that_is_not_right_is_refused(void **state)
{
	struct fixture *f = *state;
	char long_name[65];
	static const char *const bad_names[] = { "", "a b", ".", "..", "-x", "a/b", "a\n", "näm" };
	static const char *const bad_addresses[] = { "", "host", "1.2.3", "1.2.3.4.5", "::g" };

	for (size_t i = 0; i < sizeof bad_names / sizeof bad_names[0]; i++) {
		state_gen_member(&f->g, 5, 5);
		f->g.member.name = (char *)bad_names[i];
		refuse(f, &f->g.cmd, -EINVAL);
	}
	for (size_t i = 0; i < sizeof bad_addresses / sizeof bad_addresses[0]; i++) {
		state_gen_member(&f->g, 5, 5);
		f->g.member.address = (char *)bad_addresses[i];
		refuse(f, &f->g.cmd, -EINVAL);
	}
	memset(long_name, 'a', 64);
	long_name[64] = 0;
	state_gen_member(&f->g, 5, 5);
	f->g.member.name = long_name;
	refuse(f, &f->g.cmd, -EINVAL);
	long_name[63] = 0;
	accept(f, &f->g.cmd);
}

static void a_member_with_bad_numbers_is_refused(void **state)
{
	struct fixture *f = *state;
	static const uint32_t bad_ports[] = { 0, 65536, UINT32_MAX };

	for (size_t i = 0; i < 3; i++) {
		state_gen_member(&f->g, 5, 5);
		f->g.member.port = bad_ports[i];
		refuse(f, &f->g.cmd, -EINVAL);
	}
	state_gen_member(&f->g, 5, 5);
	f->g.member.slots = UINT32_MAX;
	refuse(f, &f->g.cmd, -EINVAL);
	state_gen_member(&f->g, 5, 5);
	f->g.member.key.len = 31;
	refuse(f, &f->g.cmd, -EINVAL);
	state_gen_member(&f->g, 5, 5);
	f->g.member.key = (ProtobufCBinaryData){ 0 };
	refuse(f, &f->g.cmd, -EINVAL);
	state_gen_member(&f->g, 5, 5);
	memset(f->g.key, 0, sizeof f->g.key);
	refuse(f, &f->g.cmd, -EINVAL);
	state_gen_member(&f->g, 5, 5);
	f->g.member.state = (Pb__MemberState)7;
	refuse(f, &f->g.cmd, -EINVAL);
}

static void ids_names_and_keys_are_unique(void **state)
{
	struct fixture *f = *state;

	refuse(f, state_gen_member(&f->g, 6, 6), -EINVAL); /* 5 is the next */
	refuse(f, state_gen_member(&f->g, 1, 5), -EINVAL); /* another key */
	refuse(f, state_gen_member(&f->g, 5, 4), -EINVAL); /* key of node 4 */
	state_gen_member(&f->g, 5, 5);
	f->g.member.name = (char *)"node1";
	refuse(f, &f->g.cmd, -EEXIST);
	state_gen_member(&f->g, 2, 2);
	f->g.member.name = (char *)"node1";
	refuse(f, &f->g.cmd, -EEXIST);
	accept(f, state_gen_token(&f->g, 5, 1));
	refuse(f, state_gen_member(&f->g, 5, 5), -EEXIST);
}

static const Pb__Command *change(struct fixture *f, uint32_t id, Pb__MemberState to)
{
	pb__member_change__init(&f->g.member_change);
	f->g.member_change.id = id;
	f->g.member_change.state = to;
	pb__command__init(&f->g.cmd);
	f->g.cmd.wall = 77;
	f->g.cmd.what_case = PB__COMMAND__WHAT_MEMBER_CHANGE;
	f->g.cmd.member_change = &f->g.member_change;
	return &f->g.cmd;
}

static void members_go_down_and_up_and_away(void **state)
{
	struct fixture *f = *state;
	Pb__Command cmd = PB__COMMAND__INIT;

	refuse(f, change(f, 9, PB__MEMBER_STATE__MEMBER_DOWN), -ENOENT);
	refuse(f, change(f, 1, PB__MEMBER_STATE__MEMBER_UP), -EALREADY);
	refuse(f, change(f, 1, (Pb__MemberState)3), -EINVAL);
	accept(f, change(f, 1, PB__MEMBER_STATE__MEMBER_DOWN));
	assert_int_equal(dvmd_cstate_member(f->s, 1)->since, 77);
	refuse(f, change(f, 1, PB__MEMBER_STATE__MEMBER_DOWN), -EALREADY);
	accept(f, change(f, 1, PB__MEMBER_STATE__MEMBER_UP));
	cmd.what_case = PB__COMMAND__WHAT_MEMBER_REMOVE;
	cmd.member_remove = 4;
	accept(f, &cmd);
	refuse(f, &cmd, -ENOENT);
	assert_int_equal(dvmd_cstate_members(f->s), 3);
	/* Its id is gone for good; name and key may come again as a new member. */
	refuse(f, state_gen_member(&f->g, 4, 4), -EINVAL);
	state_gen_member(&f->g, 5, 4);
	f->g.member.name = (char *)"node4";
	accept(f, &f->g.cmd);
}

static void a_drained_node_stays_so(void **state)
{
	struct fixture *f = *state;

	refuse(f, state_gen_drain(&f->g, 9, true), -ENOENT);
	refuse(f, state_gen_drain(&f->g, 1, false), -EALREADY);
	state_gen_drain(&f->g, 1, true);
	f->g.member_drain.why = (char *)"two\nlines";
	refuse(f, &f->g.cmd, -EINVAL);
	accept(f, state_gen_drain(&f->g, 1, true));
	/* Nor does the node decide about it, when it comes back or joins. */
	accept(f, state_gen_member(&f->g, 1, 1));
	assert_true(dvmd_cstate_member(f->s, 1)->draining);
	assert_string_equal(dvmd_cstate_member(f->s, 1)->drain_why, "disk 1");
	assert_string_equal(dvmd_cstate_member(f->s, 1)->drained_by, "ann");
	state_gen_member(&f->g, 5, 5);
	f->g.member.draining = true;
	accept(f, &f->g.cmd);
	assert_false(dvmd_cstate_member(f->s, 5)->draining);
	accept(f, state_gen_drain(&f->g, 1, false));
	assert_false(dvmd_cstate_member(f->s, 1)->draining);
	assert_string_equal(dvmd_cstate_member(f->s, 1)->drain_why, "");
}

static void tokens_are_used_up(void **state)
{
	struct fixture *f = *state;
	Pb__Command cmd = PB__COMMAND__INIT;
	uint8_t key[32];

	memset(key, 11, sizeof key);
	refuse(f, state_gen_token(&f->g, 10, 0), -EINVAL);
	refuse(f, state_gen_token(&f->g, 1, 1), -EEXIST); /* key of node 1 */
	accept(f, state_gen_token(&f->g, 10, 3));
	refuse(f, state_gen_token(&f->g, 10, 3), -EEXIST);
	refuse(f, state_gen_token(&f->g, 10, 4), -EEXIST);
	accept(f, state_gen_token(&f->g, 10, 2));
	assert_int_equal(dvmd_cstate_token(f->s, key)->uses, 2);
	cmd.what_case = PB__COMMAND__WHAT_TOKEN_REMOVE;
	cmd.token_remove = (ProtobufCBinaryData){ .data = key, .len = 31 };
	refuse(f, &cmd, -EINVAL);
	cmd.token_remove.len = 32;
	accept(f, &cmd);
	assert_null(dvmd_cstate_token(f->s, key));
	refuse(f, &cmd, -ENOENT);
}

static void a_job_that_is_not_right_is_refused(void **state)
{
	struct fixture *f = *state;
	struct state_gen *g = &f->g;

	refuse(f, state_gen_job(g, 2, 1, 2, 2), -EINVAL); /* 1 is the next */
	refuse(f, state_gen_job(g, 1, 4, 2, 2), -ENOENT); /* no node 5 */
	state_gen_job(g, 1, 1, 2, 2);
	g->job.origin = 9;
	refuse(f, &g->cmd, -ENOENT);
	state_gen_job(g, 1, 1, 2, 2);
	g->job.state = PB__JOB_STATE__JOB_RUNNING;
	refuse(f, &g->cmd, -EINVAL);
	state_gen_job(g, 1, 1, 2, 2);
	g->spec.n_argv = 0;
	refuse(f, &g->cmd, -EINVAL);
	state_gen_job(g, 1, 1, 2, 2);
	g->job.spec = NULL;
	refuse(f, &g->cmd, -EINVAL);
	state_gen_job(g, 1, 1, 2, 2);
	g->job.placement = NULL;
	refuse(f, &g->cmd, -EINVAL);
	state_gen_job(g, 1, 1, 2, 2);
	g->job.exit_code = 256;
	refuse(f, &g->cmd, -EINVAL);
	assert_int_equal(dvmd_cstate_next_job(f->s), 1);
}

static void a_placement_that_does_not_add_up_is_refused(void **state)
{
	struct fixture *f = *state;
	struct state_gen *g = &f->g;
	char *cpus[] = { (char *)"0" };

	state_gen_job(g, 1, 1, 2, 2);
	g->placement.ranks = 5; /* one is nowhere */
	refuse(f, &g->cmd, -EINVAL);
	state_gen_job(g, 1, 1, 2, 2);
	g->placement.ranks = 0;
	refuse(f, &g->cmd, -EINVAL);
	state_gen_job(g, 1, 1, 2, 2);
	g->placement.ranks = UINT32_MAX;
	refuse(f, &g->cmd, -EINVAL);
	state_gen_job(g, 1, 1, 2, 2);
	g->ranks[1][1] = 4; /* out of range */
	refuse(f, &g->cmd, -EINVAL);
	state_gen_job(g, 1, 1, 2, 2);
	g->ranks[1][0] = 1; /* twice */
	refuse(f, &g->cmd, -EINVAL);
	state_gen_job(g, 1, 1, 2, 2);
	g->ranks[0][0] = 1; /* does not ascend */
	refuse(f, &g->cmd, -EINVAL);
	state_gen_job(g, 1, 1, 2, 2);
	g->share[1].node = 1; /* node twice */
	refuse(f, &g->cmd, -EINVAL);
	state_gen_job(g, 1, 1, 2, 2);
	g->share[1].n_ranks = 0;
	refuse(f, &g->cmd, -EINVAL);
	state_gen_job(g, 1, 1, 2, 2);
	g->share[0].n_cpus = 1; /* one binding for two ranks */
	g->share[0].cpus = cpus;
	refuse(f, &g->cmd, -EINVAL);
}

/* Every cell: a job in state FROM is asked to become TO. */
static void job_states_only_go_forward(void **state)
{
	struct fixture *f = *state;

	for (int from = 0; from <= 3; from++) {
		for (int to = 0; to <= 3; to++) {
			uint64_t id = dvmd_cstate_next_job(f->s);
			accept(f, state_gen_job(&f->g, id, 1, 1, 1));
			if (from)
				accept(f,
				       state_gen_job_change(&f->g, id, (Pb__JobState)from, 0, ""));
			state_gen_job_change(&f->g, id, (Pb__JobState)to, 3, "r");
			if (to > from)
				accept(f, &f->g.cmd);
			else
				refuse(f, &f->g.cmd, to == from ? -EALREADY : -EINVAL);
			assert_int_equal(dvmd_cstate_job(f->s, id)->state, to > from ? to : from);
		}
	}
}

static void a_job_is_remembered_without_its_environment(void **state)
{
	struct fixture *f = *state;
	struct state_gen *g = &f->g;

	accept(f, state_gen_job(g, 1, 1, 2, 2));
	assert_int_equal(dvmd_cstate_job(f->s, 1)->submitted, g->wall);
	accept(f, state_gen_job_change(g, 1, PB__JOB_STATE__JOB_RUNNING, 0, ""));
	uint64_t started = g->wall;
	assert_int_equal(dvmd_cstate_job(f->s, 1)->spec->n_env, 1);
	accept(f, state_gen_job_change(g, 1, PB__JOB_STATE__JOB_ENDING, 7, "rank 3 exited with 7"));
	refuse(f, state_gen_job_change(g, 1, PB__JOB_STATE__JOB_DONE, 256, ""), -EINVAL);
	refuse(f, state_gen_job_change(g, 1, PB__JOB_STATE__JOB_DONE, -1, ""), -EINVAL);
	refuse(f, state_gen_job_change(g, 2, PB__JOB_STATE__JOB_DONE, 0, ""), -ENOENT);
	accept(f, state_gen_job_change(g, 1, PB__JOB_STATE__JOB_DONE, 7, ""));
	const Pb__JobRecord *j = dvmd_cstate_job(f->s, 1);
	assert_int_equal(j->started, started);
	assert_int_equal(j->ended, g->wall);
	assert_int_equal(j->exit_code, 7);
	assert_string_equal(j->reason, "rank 3 exited with 7");
	assert_int_equal(j->spec->n_env, 0);
	assert_string_equal(j->spec->argv[0], "prog1");
}

static void only_a_finished_job_is_removed(void **state)
{
	struct fixture *f = *state;
	Pb__Command cmd = PB__COMMAND__INIT;

	cmd.what_case = PB__COMMAND__WHAT_JOB_REMOVE;
	cmd.job_remove = 1;
	refuse(f, &cmd, -ENOENT);
	accept(f, state_gen_job(&f->g, 1, 1, 1, 1));
	refuse(f, &cmd, -EBUSY);
	accept(f, state_gen_job_change(&f->g, 1, PB__JOB_STATE__JOB_DONE, 0, ""));
	accept(f, &cmd);
	assert_null(dvmd_cstate_job(f->s, 1));
	accept(f, state_gen_job(&f->g, 2, 1, 1, 1));
}

static void a_waiting_job_starts_or_ends(void **state)
{
	struct fixture *f = *state;
	struct state_gen *g = &f->g;

	refuse(f, state_gen_waiting(g, 2, 0), -EINVAL);
	refuse(f, state_gen_waiting(g, 1, 1), -ENOENT);
	accept(f, state_gen_waiting(g, 1, 0));
	uint64_t submitted = g->wall;
	accept(f, state_gen_job(g, 2, 1, 1, 1));
	accept(f, state_gen_waiting(g, 3, 1));
	assert_int_equal(dvmd_cstate_queued(f->s), 2);
	assert_int_equal(dvmd_cstate_waiting(f->s, 3)->after[0]->job, 1);
	assert_int_equal(dvmd_cstate_waiting(f->s, 1)->spec->n_env, 1);
	assert_null(dvmd_cstate_job(f->s, 1));
	accept(f, state_gen_job(g, 1, 1, 1, 1));
	refuse(f, state_gen_job(g, 1, 1, 1, 1), -EINVAL); /* never twice */
	assert_null(dvmd_cstate_waiting(f->s, 1));
	assert_int_equal(dvmd_cstate_job(f->s, 1)->submitted, submitted);
	refuse(f, state_gen_waiting_end(g, 3, 256), -EINVAL);
	accept(f, state_gen_waiting_end(g, 3, 143));
	uint64_t ended = g->wall;
	refuse(f, state_gen_waiting_end(g, 3, 143), -ENOENT);
	const Pb__JobRecord *j = dvmd_cstate_job(f->s, 3);
	assert_int_equal(j->state, PB__JOB_STATE__JOB_DONE);
	assert_int_equal(j->exit_code, 143);
	assert_string_equal(j->reason, "cancelled");
	assert_int_equal(j->started, 0);
	assert_int_equal(j->ended, ended);
	assert_int_equal(j->spec->n_env, 0);
	assert_int_equal(dvmd_cstate_queued(f->s), 0);
}

static void a_job_waits_again(void **state)
{
	struct fixture *f = *state;
	struct state_gen *g = &f->g;

	accept(f, state_gen_waiting(g, 1, 0));
	uint64_t submitted = g->wall;
	g->spec.n_env = 0; /* the record of one that has waited has its environment from there */
	state_gen_job(g, 1, 1, 1, 1);
	g->spec.n_env = 0;
	accept(f, &g->cmd);
	assert_int_equal(dvmd_cstate_job(f->s, 1)->spec->n_env, 1);
	state_gen_job_change(g, 1, PB__JOB_STATE__JOB_RUNNING, 0, "");
	g->job_change.again = true;
	refuse(f, &g->cmd, -EINVAL);
	state_gen_job_change(g, 1, PB__JOB_STATE__JOB_DONE, 1, "lost");
	g->job_change.again = true;
	accept(f, &g->cmd);
	assert_int_equal(dvmd_cstate_job(f->s, 1)->next, 2);
	assert_int_equal(dvmd_cstate_job(f->s, 1)->spec->n_env, 0);
	const Pb__Waiting *w = dvmd_cstate_waiting(f->s, 2);
	assert_non_null(w);
	assert_int_equal(w->restarts, 1);
	assert_int_equal(w->submitted, submitted);
	assert_string_equal(w->spec->env[0], "A=1");
	assert_int_equal(dvmd_cstate_next_job(f->s), 3);
	/* One that a client holds cannot. */
	state_gen_job(g, 3, 1, 1, 1);
	g->spec.detached = false;
	accept(f, &g->cmd);
	state_gen_job_change(g, 3, PB__JOB_STATE__JOB_DONE, 1, "lost");
	g->job_change.again = true;
	refuse(f, &g->cmd, -EINVAL);
}

static void a_limit_is_changed(void **state)
{
	struct fixture *f = *state;
	struct state_gen *g = &f->g;

	refuse(f, state_gen_limit(g, 1, 7), -ENOENT);
	accept(f, state_gen_job(g, 1, 1, 1, 1));
	accept(f, state_gen_limit(g, 1, 7));
	assert_int_equal(dvmd_cstate_job(f->s, 1)->spec->timeout_ns, 7);
	accept(f, state_gen_job_change(g, 1, PB__JOB_STATE__JOB_DONE, 0, ""));
	refuse(f, state_gen_limit(g, 1, 0), -ESRCH);
}

/* It was over before anybody heard of its start. */
static void a_short_job_has_run(void **state)
{
	struct fixture *f = *state;
	struct state_gen *g = &f->g;
	Pb__JobUsage usage = PB__JOB_USAGE__INIT;

	accept(f, state_gen_job(g, 1, 1, 1, 1));
	state_gen_job_change(g, 1, PB__JOB_STATE__JOB_DONE, 0, "");
	usage.ran_ns = 1;
	g->job_change.usage = &usage;
	g->job_change.ran = true;
	accept(f, &g->cmd);
	const Pb__JobRecord *r = dvmd_cstate_job(f->s, 1);
	assert_true(r->ended - r->started <= 1);
	assert_true(r->started >= r->submitted);
	accept(f, state_gen_job(g, 2, 1, 1, 1));
	state_gen_job_change(g, 2, PB__JOB_STATE__JOB_DONE, 0, "");
	usage.ran_ns = UINT64_MAX; /* a node may say anything */
	g->job_change.usage = &usage;
	g->job_change.ran = true;
	accept(f, &g->cmd);
	r = dvmd_cstate_job(f->s, 2);
	assert_int_equal(r->started, r->submitted);
}

static void a_job_is_suspended(void **state)
{
	struct fixture *f = *state;
	struct state_gen *g = &f->g;

	refuse(f, state_gen_suspend(g, 1, PB__SUSPENDED__BY_USER), -ENOENT);
	accept(f, state_gen_job(g, 1, 1, 1, 1));
	refuse(f, state_gen_suspend(g, 1, PB__SUSPENDED__BY_USER), -EINVAL);
	accept(f, state_gen_job_change(g, 1, PB__JOB_STATE__JOB_RUNNING, 0, ""));
	refuse(f, state_gen_suspend(g, 1, PB__SUSPENDED__NOT_SUSPENDED), -EALREADY);
	refuse(f, state_gen_suspend(g, 1, (Pb__Suspended)3), -EINVAL);
	accept(f, state_gen_suspend(g, 1, PB__SUSPENDED__FOR_ANOTHER));
	assert_int_equal(dvmd_cstate_job(f->s, 1)->suspended, PB__SUSPENDED__FOR_ANOTHER);
	accept(f, state_gen_job_change(g, 1, PB__JOB_STATE__JOB_DONE, 0, ""));
	assert_int_equal(dvmd_cstate_job(f->s, 1)->suspended, PB__SUSPENDED__NOT_SUSPENDED);
}

static void elastic_jobs_get_room_and_give_it_back(void **state)
{
	struct fixture *f = *state;
	struct state_gen *g = &f->g;

	refuse(f, state_gen_room(g, 1, 4, 0), -ENOENT);
	accept(f, state_gen_job(g, 1, 1, 1, 1));
	refuse(f, state_gen_room(g, 1, 4, 0), -EINVAL);
	refuse(f, state_gen_room(g, 1, 0, 9), -EINVAL);
	state_gen_job(g, 2, 1, 1, 1);
	g->spec.ranks_max = 4;
	accept(f, &g->cmd);
	refuse(f, state_gen_room(g, 2, 5, 0), -EINVAL);
	refuse(f, state_gen_room(g, 2, 0, 9), -EINVAL);
	accept(f, state_gen_room(g, 2, 4, 0));
	assert_int_equal(dvmd_cstate_job(f->s, 2)->room, 4);
	state_gen_job(g, 3, 1, 1, 1);
	g->spec.lent = true;
	accept(f, &g->cmd);
	accept(f, state_gen_room(g, 3, 0, 9));
	assert_int_equal(dvmd_cstate_job(f->s, 3)->wanted_by, 9);
	refuse(f, state_gen_room(g, 3, 0, 10), -EALREADY);
	accept(f, state_gen_job_change(g, 3, PB__JOB_STATE__JOB_DONE, 0, ""));
	refuse(f, state_gen_room(g, 3, 0, 9), -ESRCH);
}

static void nodes_are_set_apart_once(void **state)
{
	struct fixture *f = *state;
	struct state_gen *g = &f->g;

	refuse(f, state_gen_reserve(g, 1, 1, 20, 20), -EINVAL);
	refuse(f, state_gen_reserve(g, 1, 4, 10, 20), -ENOENT);
	state_gen_reserve(g, 1, 1, 10, 20);
	g->reservation.n_nodes = 0;
	refuse(f, &g->cmd, -EINVAL);
	state_gen_reserve(g, 1, 1, 10, 20);
	g->reserved[1] = 1;
	refuse(f, &g->cmd, -EINVAL);
	accept(f, state_gen_reserve(g, 1, 1, 10, 20));
	refuse(f, state_gen_reserve(g, 1, 3, 10, 20), -EEXIST);
	refuse(f, state_gen_reserve(g, 2, 2, 19, 30), -EBUSY);
	accept(f, state_gen_reserve(g, 2, 2, 20, 30));
	accept(f, state_gen_reserve(g, 3, 3, 10, 20));
	assert_int_equal(dvmd_cstate_reservations(f->s), 3);
	refuse(f, state_gen_unreserve(g, 4), -ENOENT);
	accept(f, state_gen_unreserve(g, 1));
	assert_null(dvmd_cstate_reservation(f->s, "r1"));
	assert_non_null(dvmd_cstate_reservation(f->s, "r2"));
}

static void a_name_belongs_to_its_job(void **state)
{
	struct fixture *f = *state;
	struct state_gen *g = &f->g;

	refuse(f, state_gen_name(g, true, 1, 1), -ENOENT);
	accept(f, state_gen_job(g, 1, 1, 1, 1));
	accept(f, state_gen_job(g, 2, 1, 1, 1));
	accept(f, state_gen_name(g, true, 1, 1));
	accept(f, state_gen_name(g, true, 2, 2));
	refuse(f, state_gen_name(g, true, 2, 1), -EEXIST);
	refuse(f, state_gen_name(g, false, 2, 1), -ENOENT);
	assert_int_equal(dvmd_cstate_name(f->s, 0, "service 1")->job, 1);
	assert_null(dvmd_cstate_name(f->s, 1, "service 1")); /* of another user */
	accept(f, state_gen_name(g, false, 1, 1));
	assert_null(dvmd_cstate_name(f->s, 0, "service 1"));
	accept(f, state_gen_name(g, true, 1, 1));
	accept(f, state_gen_job_change(g, 1, PB__JOB_STATE__JOB_DONE, 0, ""));
	assert_null(dvmd_cstate_name(f->s, 0, "service 1"));
	assert_non_null(dvmd_cstate_name(f->s, 0, "service 2"));
}

static uint64_t reader_of(const struct fixture *f, const char *service)
{
	const Pb__ServiceName *n = dvmd_cstate_name(f->s, 0, service);

	assert_non_null(n);
	return n->reader_job;
}

/* Job 1 accepts; 2 and 3 connect at once. What 1 says to 2 is not for 3, who may speak already. */
static void an_answer_is_for_who_was_heard(void **state)
{
	struct fixture *f = *state;
	struct state_gen *g = &f->g;

	for (uint64_t job = 1; job <= 3; job++)
		accept(f, state_gen_job(g, job, 1, 1, 1));
	accept(f, state_gen_say(g, 2, "port:connect"));
	refuse(f, state_gen_say(g, 3, "port:connect"), -EEXIST);
	accept(f, state_gen_say(g, 1, "port:accept"));
	accept(f, state_gen_say(g, 1, "other:accept"));
	accept(f, state_gen_say(g, 1, "port"));
	accept(f, state_gen_say(g, 3, "port:x"));
	assert_int_equal(reader_of(f, "port:accept"), 0);
	accept(f, state_gen_hear(g, 1, "port:connect"));
	assert_int_equal(reader_of(f, "port:accept"), 2);
	assert_int_equal(reader_of(f, "other:accept"), 0);
	assert_int_equal(reader_of(f, "port"), 0);
	assert_int_equal(reader_of(f, "port:x"), 0); /* of another publisher */
	accept(f, state_gen_say(g, 3, "port:connect"));
	accept(f, state_gen_hear(g, 1, "port:connect"));
	assert_int_equal(reader_of(f, "port:accept"), 2);
	/* A reader that is over leaves room for the next answer. */
	accept(f, state_gen_job_change(g, 2, PB__JOB_STATE__JOB_DONE, 0, ""));
	assert_null(dvmd_cstate_name(f->s, 0, "port:accept"));
	accept(f, state_gen_say(g, 1, "port:accept"));
}

static void a_name_that_is_not_right_is_refused(void **state)
{
	struct fixture *f = *state;
	struct state_gen *g = &f->g;
	static uint8_t value[65537];
	static char long_name[129];

	accept(f, state_gen_job(g, 1, 1, 1, 1));
	const Pb__Command *cmd = state_gen_name(g, true, 1, 1);
	g->service.rank = 1;
	refuse(f, cmd, -EINVAL);
	g->service.rank = 0;
	g->service.uid = 1;
	refuse(f, cmd, -ENOENT);
	g->service.uid = 0;
	g->service.value = (ProtobufCBinaryData){ .data = value, .len = 65537 };
	refuse(f, cmd, -EINVAL);
	g->service.value.len = 65536;
	memset(long_name, 'x', 128);
	g->service.service = long_name;
	refuse(f, cmd, -EINVAL);
	assert_null(dvmd_cstate_name(f->s, 0, long_name));
	long_name[0] = 0;
	refuse(f, cmd, -EINVAL);
	memset(long_name, 'x', 127);
	long_name[127] = 0;
	accept(f, cmd);
	assert_int_equal(dvmd_cstate_name(f->s, 0, long_name)->value.len, 65536);
}

/* Job 1 ends last, so that it must outlive those that ended before it. */
static void the_jobs_that_ended_first_are_forgotten_first(void **state)
{
	struct fixture *f = *state;
	Pb__StateSnapshot *snap;
	struct dvmd_cstate *copy;
	uint64_t id;

	accept(f, state_gen_job(&f->g, 1, 1, 1, 1));
	for (id = 2; id <= DVMD_CSTATE_JOBS_KEPT + 1; id++) {
		accept(f, state_gen_job(&f->g, id, 1, 1, 1));
		accept(f, state_gen_job_change(&f->g, id, PB__JOB_STATE__JOB_DONE, 0, ""));
	}
	assert_non_null(dvmd_cstate_job(f->s, 2));
	accept(f, state_gen_job_change(&f->g, 1, PB__JOB_STATE__JOB_DONE, 0, ""));
	assert_null(dvmd_cstate_job(f->s, 2));
	assert_non_null(dvmd_cstate_job(f->s, 1));
	/* A restored state forgets in the same order. */
	assert_int_equal(dvmd_cstate_snapshot(f->s, &snap), 0);
	assert_int_equal(dvmd_cstate_restore(&copy, snap, NULL), 0);
	dvmi_pb_free(snap);
	dvmd_cstate_destroy(f->s);
	f->s = copy;
	accept(f, state_gen_job(&f->g, id, 1, 1, 1));
	accept(f, state_gen_job_change(&f->g, id, PB__JOB_STATE__JOB_DONE, 0, ""));
	assert_null(dvmd_cstate_job(f->s, 3));
	assert_non_null(dvmd_cstate_job(f->s, 1));
}

static struct dvmd_cstate *restored(const struct dvmd_cstate *s)
{
	Pb__StateSnapshot *snap;
	struct dvmd_cstate *copy;
	dvm_error_t err = { 0 };

	assert_int_equal(dvmd_cstate_snapshot(s, &snap), 0);
	if (dvmd_cstate_restore(&copy, snap, &err) < 0)
		fail_msg("%s", err.text);
	dvmi_pb_free(snap);
	return copy;
}

/*
 * Two replicas get the same commands, the second one as bytes and restarted from a snapshot now
 * and then: they never differ.
 */
static void replicas_agree(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct state_gen g;
		struct dvmd_cstate *a, *b;

		state_gen_init(&g, seed);
		assert_int_equal(dvmd_cstate_create(&a), 0);
		assert_int_equal(dvmd_cstate_create(&b), 0);
		for (uint64_t i = 1; i <= 800; i++) {
			const Pb__Command *cmd = state_gen_next(&g, a);
			cleanup_pb Pb__Command *copy = dvmi_pb_dup(cmd);
			assert_int_equal(dvmd_cstate_apply(a, i, cmd), 0);
			assert_int_equal(dvmd_cstate_apply(b, i, copy), 0);
			if (dvmi_rng_below(&g.rng, 50) == 0) {
				struct dvmd_cstate *c = restored(b);
				dvmd_cstate_destroy(b);
				b = c;
			}
			if (dvmd_cstate_hash(a) != dvmd_cstate_hash(b))
				fail_msg("seed %d, entry %d: the replicas differ", (int)seed,
					 (int)i);
		}
		/* The sequences are worth something: much was accepted, something refused. */
		assert_in_range(dvmd_cstate_refused(a), 50, 600);
		assert_true(dvmd_cstate_members(a) > 5);
		dvmd_cstate_destroy(a);
		dvmd_cstate_destroy(b);
	}
}

static void the_hash_sees_every_change(void **state)
{
	struct state_gen g;
	struct dvmd_cstate *s;

	state_gen_init(&g, 99);
	assert_int_equal(dvmd_cstate_create(&s), 0);
	uint64_t before = dvmd_cstate_hash(s);
	for (uint64_t i = 1; i <= 300; i++) {
		assert_int_equal(dvmd_cstate_apply(s, i, state_gen_next(&g, s)), 0);
		assert_int_not_equal(dvmd_cstate_hash(s), before);
		before = dvmd_cstate_hash(s);
	}
	dvmd_cstate_destroy(s);
}

/* However far an apply gets before memory runs out, the state is as it was and goes on. */
static void out_of_memory_changes_nothing(void **state)
{
	struct state_gen g;
	struct dvmd_cstate *s;

	state_gen_init(&g, 5);
	assert_int_equal(dvmd_cstate_create(&s), 0);
	unsigned failures = 0;
	for (uint64_t i = 1; i <= 600; i++) {
		const Pb__Command *cmd = state_gen_next(&g, s);
		uint64_t before = dvmd_cstate_hash(s);
		int rc = -ENOMEM;
		for (int n = 0; rc == -ENOMEM; n++) {
			fail_after = n;
			rc = dvmd_cstate_apply(s, i, cmd);
			fail_after = -1;
			if (rc == -ENOMEM) {
				assert_int_equal(dvmd_cstate_hash(s), before);
				failures++;
			}
		}
		assert_int_equal(rc, 0);
		assert_int_equal(dvmd_cstate_index(s), i);
	}
	assert_true(failures > 300);
	dvmd_cstate_destroy(s);
}

static void expect_no_restore(const Pb__StateSnapshot *snap, const char *hint)
{
	struct dvmd_cstate *s = NULL;
	dvm_error_t err = { 0 };

	assert_int_equal(dvmd_cstate_restore(&s, snap, &err), -DVM_EPROTO);
	assert_int_equal(err.code, -DVM_EPROTO);
	assert_null(s);
	if (!strstr(err.text, hint))
		fail_msg("\"%s\" does not say \"%s\"", err.text, hint);
}

static void snapshots_that_do_not_fit_are_refused(void **state)
{
	struct fixture *f = *state;
	cleanup_pb Pb__StateSnapshot *snap = NULL;

	accept(f, state_gen_token(&f->g, 9, 1));
	accept(f, state_gen_job(&f->g, 1, 1, 1, 1));
	assert_int_equal(dvmd_cstate_snapshot(f->s, &snap), 0);
	Pb__Command **c = snap->commands, *first = c[0];
	assert_int_equal(snap->n_commands, 7); /* founding, 4 nodes, token, job */
	snap->next_node = 4;
	expect_no_restore(snap, "node 4");
	snap->next_node = 0;
	expect_no_restore(snap, "next ids");
	snap->next_node = 5;
	snap->next_job = 1;
	expect_no_restore(snap, "job 1");
	snap->next_job = 2;
	c[0] = c[1];
	expect_no_restore(snap, "founding");
	c[0] = first;
	c[2]->member_add->id = 1;
	expect_no_restore(snap, "node 1");
	c[2]->member_add->id = 2;
	c[2]->member_add->port = 0;
	expect_no_restore(snap, "port 0");
	c[2]->member_add->port = 1;
	memset(c[5]->token_add->key.data, 2, 32);
	expect_no_restore(snap, "token");
	memset(c[5]->token_add->key.data, 99, 32);
	c[6]->job_add->exit_code = 400;
	expect_no_restore(snap, "exit code");
}

int main(void)
{
#define on_machine(t) cmocka_unit_test_setup_teardown(t, setup_machine, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(founding_comes_first_and_once, setup, teardown),
		cmocka_unit_test_setup_teardown(the_index_must_be_the_next, setup, teardown),
		cmocka_unit_test_setup_teardown(an_empty_command_is_refused, setup, teardown),
		on_machine(members_are_found_by_id_name_and_key),
		on_machine(a_walk_can_be_stopped),
		on_machine(a_known_key_replaces_the_member),
		on_machine(a_member_that_is_not_right_is_refused),
		on_machine(a_member_with_bad_numbers_is_refused),
		on_machine(ids_names_and_keys_are_unique),
		on_machine(members_go_down_and_up_and_away),
		on_machine(a_drained_node_stays_so),
		on_machine(a_job_waits_again),
		on_machine(a_job_is_suspended),
		on_machine(a_limit_is_changed),
		on_machine(a_short_job_has_run),
		on_machine(elastic_jobs_get_room_and_give_it_back),
		on_machine(nodes_are_set_apart_once),
		on_machine(tokens_are_used_up),
		on_machine(a_job_that_is_not_right_is_refused),
		on_machine(a_placement_that_does_not_add_up_is_refused),
		on_machine(job_states_only_go_forward),
		on_machine(a_job_is_remembered_without_its_environment),
		on_machine(a_name_belongs_to_its_job),
		on_machine(an_answer_is_for_who_was_heard),
		on_machine(a_name_that_is_not_right_is_refused),
		on_machine(only_a_finished_job_is_removed),
		on_machine(a_waiting_job_starts_or_ends),
		on_machine(the_jobs_that_ended_first_are_forgotten_first),
		cmocka_unit_test(replicas_agree),
		cmocka_unit_test(the_hash_sees_every_change),
		cmocka_unit_test(out_of_memory_changes_nothing),
		on_machine(snapshots_that_do_not_fit_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
