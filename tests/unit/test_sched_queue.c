/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sched/dsched_queue.h"
#include "tests/unit/cm.h"

#define S UINT64_C(1000000000)

#define NODES_MAX 600
#define JOBS_MAX  64

/* A queue under construction, and what was decided. */
struct fixture {
	struct dsched_node nodes[NODES_MAX];
	char names[NODES_MAX][16];
	struct dsched_snapshot snap;
	struct dsched_request reqs[JOBS_MAX];
	struct dsched_job jobs[JOBS_MAX];
	struct dsched_run runs[JOBS_MAX];
	struct dsched_use uses[JOBS_MAX];
	struct dsched_policy policy;
	struct dsched_queue q;
	struct dsched_decision d;
};

static struct fixture f;

static int set_up(void **state)
{
	memset(&f, 0, sizeof f);
	f.snap = (struct dsched_snapshot){ .size = sizeof f.snap, .nodes = f.nodes };
	f.policy = (struct dsched_policy){ .size = sizeof f.policy, .order = DSCHED_EASY };
	f.q = (struct dsched_queue){ .size = sizeof f.q,
				     .now = 1000 * S,
				     .snap = &f.snap,
				     .runs = f.runs,
				     .jobs = f.jobs,
				     .policy = &f.policy };
	return 0;
}

static int tear_down(void **state)
{
	dsched_decision_free(&f.d);
	return 0;
}

static void machine(uint32_t nodes, uint32_t slots)
{
	for (uint32_t i = 0; i < nodes; i++) {
		snprintf(f.names[i], sizeof f.names[i], "n%u", i);
		f.nodes[i] =
			(struct dsched_node){ .id = i + 1, .name = f.names[i], .slots = slots };
	}
	f.snap.nnodes = nodes;
}

/* A job that runs on SLOTS of NODE until END. */
static struct dsched_run *running(uint32_t node, uint32_t slots, uint64_t end)
{
	struct dsched_run *r = &f.runs[f.q.nruns];

	f.uses[f.q.nruns] = (struct dsched_use){ .node = node, .slots = slots };
	*r = (struct dsched_run){ .id = 100 + f.q.nruns,
				  .start = f.q.now - S,
				  .end = end,
				  .uses = &f.uses[f.q.nruns],
				  .nuses = 1 };
	f.nodes[node].slots_used += slots;
	f.nodes[node].jobs++;
	f.q.nruns++;
	return r;
}

/* Jobs are 1, 2, …, submitted one after the other. */
static struct dsched_job *job(uint32_t ranks, uint64_t limit)
{
	size_t i = f.q.njobs++;

	f.reqs[i] = (struct dsched_request){ .size = sizeof f.reqs[i], .ranks = ranks };
	f.jobs[i] = (struct dsched_job){
		.id = i + 1, .req = &f.reqs[i], .submitted = i, .limit = limit
	};
	return &f.jobs[i];
}

static void decide(void)
{
	dsched_decision_free(&f.d);
	assert_int_equal(dsched_decide(&f.q, &f.d), 0);
	assert_int_equal(f.d.n, f.q.njobs);
}

static const struct dsched_answer *answer(uint64_t id)
{
	return &f.d.answers[id - 1];
}

static enum dsched_why why(uint64_t id)
{
	return answer(id)->why;
}

static void says(uint64_t id, const char *text)
{
	struct dvmi_buf b = { 0 };

	dsched_why_text(&f.q, &f.d, id - 1, &b);
	dvmi_buf_put_u8(&b, 0);
	assert_string_equal((char *)b.data, text);
	dvmi_buf_free(&b);
}

/* ---- what starts ---- */

static void nothing_waits_without_need(void **state)
{
	machine(2, 4);
	job(3, 0);
	job(5, 0);
	decide();
	assert_int_equal(why(1), DSCHED_STARTS);
	assert_int_equal(why(2), DSCHED_STARTS);
	assert_int_equal(answer(1)->placement.nnodes, 1);
	assert_int_equal(answer(2)->placement.nodes[0].nranks, 1);
	assert_int_equal(answer(2)->placement.nodes[1].nranks, 4);
	assert_true(answer(1)->start == f.q.now);
}

static void bad_structs_are_refused(void **state)
{
	machine(1, 1);
	f.q.size--;
	assert_int_equal(dsched_decide(&f.q, &f.d), -EINVAL);
	f.q.size++;
	f.policy.size--;
	assert_int_equal(dsched_decide(&f.q, &f.d), -EINVAL);
	f.policy.size++;
	running(0, 1, 0);
	f.uses[0].node = 1;
	assert_int_equal(dsched_decide(&f.q, &f.d), -EINVAL);
}

static void fifo_lets_nobody_pass(void **state)
{
	machine(1, 4);
	f.policy.order = DSCHED_FIFO;
	running(0, 2, 1100 * S);
	job(4, 10 * S);
	job(1, S);
	decide();
	assert_int_equal(why(1), DSCHED_W_RESOURCES);
	assert_true(answer(1)->start == 1100 * S);
	assert_int_equal(why(2), DSCHED_W_PRIORITY);
	assert_int_equal(answer(2)->other, 1);
	says(1, "needs 4 slots, 2 free: running jobs hold 2");
	says(2, "job 1 comes first; nobody passes it");
}

static void easy_fills_the_gap(void **state)
{
	machine(1, 4);
	running(0, 2, 1100 * S);
	job(4, 10 * S);
	job(1, 100 * S); /* over when the first one starts */
	job(1, 101 * S); /* not quite */
	job(2, 50 * S);	 /* there is one slot left */
	job(1, 50 * S);
	decide();
	assert_int_equal(why(1), DSCHED_W_RESOURCES);
	assert_int_equal(why(2), DSCHED_STARTS);
	assert_int_equal(why(3), DSCHED_W_PRIORITY);
	assert_int_equal(why(4), DSCHED_W_PRIORITY);
	assert_int_equal(why(5), DSCHED_STARTS);
	says(3, "job 1 comes first; there is room, but not for as long as it may run");
}

static void easy_uses_what_the_first_will_not_need(void **state)
{
	machine(2, 4);
	running(0, 4, 1100 * S);
	running(1, 2, 1200 * S);
	job(5, 10 * S); /* at 1100 */
	job(1, 0);	/* for ever, but 1 slot is left beside the first */
	job(1, 0);	/* and now none */
	decide();
	assert_true(answer(1)->start == 1100 * S);
	assert_int_equal(why(2), DSCHED_STARTS);
	assert_int_equal(why(3), DSCHED_W_PRIORITY);
}

static void conservative_gives_dates_to_all(void **state)
{
	machine(1, 4);
	f.policy.order = DSCHED_CONSERVATIVE;
	running(0, 4, 1100 * S);
	job(4, 10 * S);
	job(2, 30 * S);
	job(2, 5 * S);
	job(3, 5 * S);
	decide();
	assert_true(answer(1)->start == 1100 * S);
	assert_true(answer(2)->start == 1110 * S);
	assert_true(answer(3)->start == 1110 * S);
	assert_true(answer(4)->start == 1140 * S);
}

static void a_run_without_limit_is_a_long_one(void **state)
{
	machine(1, 1);
	running(0, 1, DSCHED_NEVER);
	job(1, 0);
	decide();
	assert_int_equal(why(1), DSCHED_W_RESOURCES);
	assert_true(answer(1)->start == f.q.now - S + DSCHED_LONG);
}

static void what_never_fits_holds_nobody_up(void **state)
{
	machine(1, 4);
	job(5, 0);
	job(4, 0);
	decide();
	assert_int_equal(why(1), DSCHED_W_IMPOSSIBLE);
	assert_int_equal(why(2), DSCHED_STARTS);
	says(1, "5 ranks asked, 4 slots on 1 node: use -n 4 or --oversubscribe");
}

/* ---- what may not start ---- */

static void holds_and_dates(void **state)
{
	machine(1, 4);
	job(1, 0)->held = true;
	job(1, 0)->begin = 1500 * S;
	job(1, 0)->begin = 1000 * S;
	decide();
	assert_int_equal(why(1), DSCHED_W_HELD);
	assert_int_equal(why(2), DSCHED_W_BEGIN);
	assert_true(answer(2)->start == 1500 * S && f.d.wake == 1500 * S);
	assert_int_equal(why(3), DSCHED_STARTS);
}

static void dependencies(void **state)
{
	static const struct {
		enum dsched_after after;
		enum dsched_why why[4]; /* by fate */
	} table[] = {
		{ DSCHED_AFTER_ANY,
		  { DSCHED_W_DEPENDS, DSCHED_W_DEPENDS, DSCHED_STARTS, DSCHED_STARTS } },
		{ DSCHED_AFTER_OK,
		  { DSCHED_W_DEPENDS, DSCHED_W_DEPENDS, DSCHED_STARTS, DSCHED_W_NEVER } },
		{ DSCHED_AFTER_NOTOK,
		  { DSCHED_W_DEPENDS, DSCHED_W_DEPENDS, DSCHED_W_NEVER, DSCHED_STARTS } },
		{ DSCHED_AFTER_STARTED,
		  { DSCHED_W_DEPENDS, DSCHED_STARTS, DSCHED_STARTS, DSCHED_STARTS } },
	};
	struct dsched_depend d[4];

	for (size_t t = 0; t < 4; t++) {
		dsched_decision_free(&f.d);
		set_up(NULL);
		machine(1, 4);
		for (unsigned fate = 0; fate < 4; fate++) {
			struct dsched_job *j = job(1, 0);
			d[fate] = (struct dsched_depend){ 77, table[t].after,
							  (enum dsched_fate)fate };
			j->depends = &d[fate];
			j->ndepends = 1;
		}
		decide();
		for (unsigned fate = 0; fate < 4; fate++) {
			assert_int_equal(why(fate + 1), table[t].why[fate]);
			if (why(fate + 1) != DSCHED_STARTS)
				assert_int_equal(answer(fate + 1)->other, 77);
		}
	}
}

static void an_array_runs_so_many_at_a_time(void **state)
{
	machine(1, 8);
	running(0, 1, DSCHED_NEVER)->array = 9;
	for (int i = 0; i < 4; i++) {
		struct dsched_job *j = job(1, 0);
		j->array = 9;
		j->array_max = 3;
	}
	decide();
	assert_int_equal(why(2), DSCHED_STARTS);
	assert_int_equal(why(3), DSCHED_W_ARRAY);
	says(4, "3 tasks of array 9 run, more may not");
}

/* ---- order ---- */

static void who_has_used_less_comes_first(void **state)
{
	static const struct dsched_share users[] = { { .used = 1000 },
						     { .used = 10 },
						     { .used = 0 } };

	machine(1, 1);
	f.q.users = users;
	f.q.nusers = 3;
	f.policy.w_fair = 1000;
	for (uint32_t i = 0; i < 3; i++)
		job(1, S)->user = i;
	decide();
	assert_int_equal(why(3), DSCHED_STARTS);
	assert_true(answer(3)->priority > answer(2)->priority);
	assert_true(answer(2)->priority > answer(1)->priority);
}

static void age_and_wishes_count(void **state)
{
	machine(1, 1);
	f.policy.w_age = 1000;
	f.policy.age_full = 1000 * S;
	f.policy.w_asked = 300;
	job(1, S)->submitted = 900 * S;
	job(1, S)->submitted = 500 * S;
	job(1, S)->submitted = 800 * S;
	f.jobs[2].priority = 1000;
	decide();
	assert_int_equal(answer(1)->priority, 100);
	assert_int_equal(answer(2)->priority, 500);
	assert_int_equal(answer(3)->priority, 500);
	assert_int_equal(why(2), DSCHED_STARTS); /* it is older */
}

static void use_is_forgotten_by_halves(void **state)
{
	assert_true(dsched_decay(1000, 5 * S, 0) == 1000);
	assert_true(dsched_decay(1000, 0, S) == 1000);
	assert_true(dsched_decay(1000, S, S) == 500);
	assert_true(dsched_decay(UINT64_MAX, 3 * S, S) == UINT64_MAX / 8);
	assert_true(dsched_decay(1000, S / 2, S) == 750); /* 707, by a straight line */
	assert_true(dsched_decay(UINT64_MAX, 64 * S, S) == 0);
}

/* ---- bookings ---- */

static void bookings_are_kept_free(void **state)
{
	static const uint32_t nodes[] = { 1 };
	static const struct dsched_booking b = { "lab", 1100 * S, 1200 * S, nodes, 1 };

	machine(2, 2);
	f.q.bookings = &b;
	f.q.nbookings = 1;
	job(4, 100 * S); /* over in time */
	decide();
	assert_int_equal(why(1), DSCHED_STARTS);
	f.jobs[0].limit = 101 * S;
	decide();
	assert_int_equal(why(1), DSCHED_W_RESOURCES);
	assert_true(answer(1)->start == 1200 * S);
	job(1, S)->booking = "lab";
	job(1, S)->booking = "nonesuch";
	decide();
	assert_int_equal(why(2), DSCHED_W_BOOKING);
	says(2, "reservation \"lab\" has not begun");
	assert_true(f.d.wake == 1100 * S);
	says(3, "there is no reservation \"nonesuch\" (any more)");
	f.q.now = 1100 * S;
	decide();
	assert_int_equal(why(2), DSCHED_STARTS);
	assert_int_equal(answer(2)->placement.nodes[0].index, 1);
}

/* ---- making room ---- */

static void higher_tiers_push_out_the_youngest(void **state)
{
	machine(2, 2);
	f.policy.preempt = true;
	running(0, 2, DSCHED_NEVER)->preempt = DSCHED_PREEMPT_REQUEUE;
	running(1, 1, DSCHED_NEVER)->preempt = DSCHED_PREEMPT_REQUEUE;
	running(1, 1, DSCHED_NEVER)->preempt = DSCHED_PREEMPT_NO;
	f.runs[1].start = f.runs[0].start - S;
	job(2, 0)->tier = 1;
	job(1, 0);
	decide();
	assert_int_equal(why(1), DSCHED_W_PREEMPTS);
	assert_int_equal(f.d.nvictims, 1);
	assert_int_equal(f.d.victims[0].run, 0);
	assert_int_equal(f.d.victims[0].for_job, 1);
	assert_int_not_equal(why(2), DSCHED_STARTS);
	f.runs[0].leaving = true;
	decide();
	assert_int_equal(why(1), DSCHED_W_PREEMPTS);
	assert_int_equal(f.d.nvictims, 0);
	f.jobs[0].tier = 0;
	f.runs[0].leaving = false;
	decide();
	assert_int_equal(why(1), DSCHED_W_RESOURCES);
}

/* ---- elastic jobs ---- */

static struct dsched_elastic elastics[4];
static struct dsched_request wishes[4];

/* A job that has grown by EXTRA and may still get MOST ranks. */
static void elastic(uint32_t extra, uint32_t most)
{
	size_t i = f.q.nelastics++;

	wishes[i] = (struct dsched_request){ .size = sizeof wishes[i], .ranks = most };
	elastics[i] = (struct dsched_elastic){ &wishes[i], extra, DSCHED_NEVER };
	f.q.elastics = elastics;
}

static void what_nobody_waits_for_is_lent(void **state)
{
	machine(2, 4);
	running(0, 2, DSCHED_NEVER);
	elastic(0, 8);
	decide();
	assert_int_equal(f.d.rooms[0], 6);
	job(3, 0); /* starts: it takes its slots first */
	decide();
	assert_int_equal(why(1), DSCHED_STARTS);
	assert_int_equal(f.d.rooms[0], 3);
	job(4, 0); /* waits: nothing is lent */
	decide();
	assert_int_equal(why(2), DSCHED_W_RESOURCES);
	assert_int_equal(f.d.rooms[0], 0);
	f.jobs[1].held = true;
	decide();
	assert_int_equal(f.d.rooms[0], 3);
}

static void what_is_lent_is_lent_evenly(void **state)
{
	machine(1, 7);
	f.q.nelastics = 0;
	elastic(3, 8);
	elastic(0, 2);
	elastic(1, 8);
	decide();
	assert_int_equal(f.d.rooms[1], 2); /* who has least comes first, and wants no more */
	assert_int_equal(f.d.rooms[2], 3);
	assert_int_equal(f.d.rooms[0], 2);
	f.nodes[0].mem = f.nodes[0].mem_free = 100;
	wishes[0].mem_per_rank = wishes[1].mem_per_rank = wishes[2].mem_per_rank = 30;
	decide();
	assert_int_equal(f.d.rooms[0] + f.d.rooms[1] + f.d.rooms[2], 3);
}

static void what_is_booked_is_not_lent(void **state)
{
	static const uint32_t lab[] = { 1 };
	struct dsched_booking b = { "lab", 1100 * S, 1200 * S, lab, 1 };

	machine(2, 4);
	f.q.bookings = &b;
	f.q.nbookings = 1;
	elastic(0, 8);
	decide();
	assert_int_equal(f.d.rooms[0], 4);
	elastics[0].until = 1050 * S;
	decide();
	assert_int_equal(f.d.rooms[0], 8);
}

static void what_is_lent_is_asked_back(void **state)
{
	machine(2, 2);
	running(0, 1, DSCHED_NEVER); /* nobody may push it out */
	running(0, 1, DSCHED_NEVER)->preempt = DSCHED_PREEMPT_LEAVE;
	running(1, 1, DSCHED_NEVER)->preempt = DSCHED_PREEMPT_LEAVE;
	running(1, 1, DSCHED_NEVER)->preempt = DSCHED_PREEMPT_LEAVE;
	f.runs[2].start += S; /* the youngest */
	job(1, 0);
	decide();
	assert_int_equal(why(1), DSCHED_W_SHRINKS);
	says(1, "elastic jobs give back room for it");
	assert_int_equal(f.d.nvictims, 1);
	assert_int_equal(f.d.victims[0].run, 2);
	f.runs[2].leaving = true;
	decide();
	assert_int_equal(why(1), DSCHED_W_SHRINKS);
	assert_int_equal(f.d.nvictims, 0);
	f.reqs[0].ranks = 4; /* the first job stays: it would not help */
	decide();
	assert_int_equal(why(1), DSCHED_W_RESOURCES);
	assert_int_equal(f.d.nvictims, 0);
}

/* ---- generic resources ---- */

static void generic_resources_are_counted(void **state)
{
	static const char *const names[] = { "gpu" };

	machine(2, 4);
	f.snap.gres_names = names;
	f.snap.ngres = 1;
	f.nodes[1].gres[0] = 2;
	for (int i = 0; i < 3; i++)
		job(1, 0);
	f.reqs[0].gres[0] = f.reqs[1].gres[0] = 2;
	f.reqs[2].gres[0] = 3;
	decide();
	assert_int_equal(why(1), DSCHED_STARTS);
	assert_int_equal(answer(1)->placement.nodes[0].index, 1);
	assert_int_equal(why(2), DSCHED_W_RESOURCES);
	says(2, "needs gpu:2 on each of its nodes, 0 of 2 nodes have so many free");
	assert_int_equal(why(3), DSCHED_W_IMPOSSIBLE);
	says(3, "needs gpu:3 on each of its nodes, 0 of 2 nodes have so many: use gpu:2");
	assert_int_equal(answer(3)->reason->nearest, 2);
	f.reqs[2].nodes = f.reqs[2].ranks = 2; /* only one has any */
	decide();
	says(3, "needs gpu:3 on each of its nodes, 0 of 2 nodes have so many");
}

/* ---- big machines ---- */

static void a_stretch_is_as_good_as_the_whole(void **state)
{
	struct dsched_placement p;
	struct dsched_reason reason;

	machine(NODES_MAX, 2);
	for (uint32_t i = 0; i < 300; i++)
		f.nodes[i].slots_used = i % 3 ? 2 : 1;
	job(40, 0);
	job(700, 0);
	decide();
	assert_int_equal(dsched_place(&f.snap, &f.reqs[0], &p, &reason), 0);
	assert_int_equal(p.nnodes, answer(1)->placement.nnodes);
	for (uint32_t i = 0; i < p.nnodes; i++) {
		assert_int_equal(p.nodes[i].index, answer(1)->placement.nodes[i].index);
		assert_int_equal(p.nodes[i].nranks, answer(1)->placement.nodes[i].nranks);
	}
	dsched_placement_free(&p);
	assert_int_equal(why(2), DSCHED_W_RESOURCES);
}

static void a_stretch_suits_a_guest(void **state)
{
	machine(NODES_MAX, 2);
	for (uint32_t i = 0; i < NODES_MAX - 1; i++)
		f.nodes[i].no_kvm = "/dev/kvm: no";
	job(1, 0);
	job(1, 0);
	f.reqs[0].kvm = true;
	decide();
	assert_int_equal(answer(1)->placement.nodes[0].index, NODES_MAX - 1);
	assert_int_equal(answer(2)->placement.nodes[0].index, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(nothing_waits_without_need),
		T(bad_structs_are_refused),
		T(fifo_lets_nobody_pass),
		T(easy_fills_the_gap),
		T(easy_uses_what_the_first_will_not_need),
		T(conservative_gives_dates_to_all),
		T(a_run_without_limit_is_a_long_one),
		T(what_never_fits_holds_nobody_up),
		T(holds_and_dates),
		T(dependencies),
		T(an_array_runs_so_many_at_a_time),
		T(who_has_used_less_comes_first),
		T(age_and_wishes_count),
		T(use_is_forgotten_by_halves),
		T(bookings_are_kept_free),
		T(higher_tiers_push_out_the_youngest),
		T(what_nobody_waits_for_is_lent),
		T(what_is_lent_is_lent_evenly),
		T(what_is_booked_is_not_lent),
		T(what_is_lent_is_asked_back),
		T(generic_resources_are_counted),
		T(a_stretch_is_as_good_as_the_whole),
		T(a_stretch_suits_a_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
