/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of jobs, event by event. */
#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/jobctl.h"
#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"

#define RUNNING PB__SHARE_PHASE__SHARE_RUNNING
#define DONE	PB__SHARE_PHASE__SHARE_DONE
#define FAILED	PB__SHARE_PHASE__SHARE_FAILED

static const struct dvmd_jobctl_config config = { .kill_grace = 2 * DVMI_SEC,
						  .launch_timeout = 60 * DVMI_SEC,
						  .end_timeout = 30 * DVMI_SEC,
						  .notice_after = 3 * DVMI_SEC };

/* What the engine wanted since the last look, by kind, and the newest of each. */
struct seen {
	unsigned changes, kills, events, losts, releases;
	int state, exit_code, event_kind;
	uint64_t grace;
	int signal; /* of the last order to end */
	char reason[256], text[256];
	size_t n_ends;
	uint64_t end_seq;
};

static struct seen look(struct dvmd_jobctl *c)
{
	struct dvmd_jobctl_action a;
	struct seen s = { .state = -1, .exit_code = -1, .event_kind = -1 };

	while (dvmd_jobctl_next(c, &a)) {
		if (a.change) {
			s.changes++;
			s.state = (int)a.change->state;
			s.exit_code = a.change->exit_code;
			snprintf(s.reason, sizeof s.reason, "%s", a.change->reason);
		}
		if (a.kill) {
			s.kills++;
			s.grace = a.kill->grace_ns;
			s.signal = a.kill->signal;
		}
		if (a.event) {
			s.events++;
			s.event_kind = (int)a.event->kind;
			snprintf(s.text, sizeof s.text, "%s", a.event->text);
			s.n_ends = a.event->n_ends;
			s.end_seq = a.event->n_ends ? a.event->ends[0]->seq : 0;
		}
		s.losts += a.lost != NULL;
		s.releases += a.what == DVMD_DO_RELEASE;
		dvmd_jobctl_action_free(&a);
	}
	return s;
}

/* Job 1 on nodes 1…n, one rank each, started from node 9. */
static struct dvmd_jobctl *with_job(unsigned n, bool keep_going, bool detached, bool recovered,
				    Pb__JobState state)
{
	struct dvmd_jobctl *c;
	Pb__JobRecord r = PB__JOB_RECORD__INIT;
	Pb__JobSpec spec = PB__JOB_SPEC__INIT;
	Pb__Placement p = PB__PLACEMENT__INIT;
	Pb__NodeShare shares[8], *list[8];
	char names[8][16];

	assert_int_equal(dvmd_jobctl_create(&c, &config), 0);
	for (unsigned i = 0; i < n; i++) {
		pb__node_share__init(&shares[i]);
		snprintf(names[i], sizeof names[i], "node%u", i + 1);
		shares[i].node = i + 1;
		shares[i].name = names[i];
		list[i] = &shares[i];
	}
	p.nodes = list;
	p.n_nodes = n;
	p.ranks = n;
	spec.keep_going = keep_going;
	spec.detached = detached;
	spec.timeout_ns = 100 * DVMI_SEC;
	r.id = 1;
	r.spec = &spec;
	r.placement = &p;
	r.origin = 9;
	r.state = state;
	assert_int_equal(dvmd_jobctl_add(c, &r, recovered, 0), 0);
	return c;
}

static struct dvmd_jobctl *plain(unsigned n)
{
	return with_job(n, false, false, false, PB__JOB_STATE__JOB_LAUNCHING);
}

static int report(struct dvmd_jobctl *c, uint32_t node, uint64_t serial, Pb__SharePhase phase,
		  int exit_status, bool signalled)
{
	Pb__JobStatus st = PB__JOB_STATUS__INIT;
	Pb__RankStatus rank = PB__RANK_STATUS__INIT, *ranks = &rank;

	rank.rank = node - 1;
	rank.exited = exit_status >= 0;
	rank.status = exit_status >= 0 ? exit_status : 0;
	rank.signalled = signalled;
	rank.order = 1;
	st.job = 1;
	st.node = node;
	st.serial = serial;
	st.phase = phase;
	st.code = phase == FAILED ? -ENOENT : 0;
	st.text = (char *)(phase == FAILED ? "prog: no such file" : "");
	st.ranks = &ranks;
	st.n_ranks = 1;
	st.output_seq = 7;
	return dvmd_jobctl_status(c, &st, DVMI_SEC);
}

static void a_good_job_runs_and_ends_with_0(void **state)
{
	struct dvmd_jobctl *c = plain(2);

	report(c, 1, 1, RUNNING, -1, false);
	assert_int_equal(look(c).changes, 0);
	report(c, 2, 1, RUNNING, -1, false);
	struct seen s = look(c);
	assert_int_equal(s.state, PB__JOB_STATE__JOB_RUNNING);
	assert_int_equal(s.event_kind, PB__JOB_EVENT__KIND__STARTED);
	report(c, 1, 2, DONE, 0, false);
	report(c, 2, 2, DONE, 0, false);
	s = look(c);
	assert_int_equal(s.state, PB__JOB_STATE__JOB_DONE);
	assert_int_equal(s.exit_code, 0);
	assert_int_equal(s.releases, 1);
	assert_int_equal(s.n_ends, 2);
	assert_int_equal(s.end_seq, 7);
	assert_int_equal(dvmd_jobctl_count(c), 0);
	dvmd_jobctl_destroy(c);
}

static void the_first_failure_ends_the_job_and_is_its_code(void **state)
{
	struct dvmd_jobctl *c = plain(2);

	report(c, 1, 1, RUNNING, -1, false);
	report(c, 2, 1, RUNNING, 3, false);
	struct seen s = look(c);
	assert_int_equal(s.kills, 0); /* it might follow from something */
	uint64_t until = dvmd_jobctl_next_deadline(c);
	dvmd_jobctl_tick(c, until - 1);
	assert_int_equal(look(c).kills, 0);
	dvmd_jobctl_tick(c, until);
	s = look(c);
	assert_int_equal(s.state, PB__JOB_STATE__JOB_ENDING);
	assert_int_equal(s.kills, 1);
	assert_int_equal(s.grace, config.kill_grace);
	/* What the kill does to the other rank is not the reason. */
	report(c, 1, 2, DONE, 128 + 15, true);
	report(c, 2, 2, DONE, 3, false);
	s = look(c);
	assert_int_equal(s.exit_code, 3);
	assert_string_equal(s.reason, "rank 1 on node2 exited with code 3");
	dvmd_jobctl_destroy(c);
}

/* Its peers have noticed and given up before the crash itself was reported. */
static void a_crash_is_the_reason_though_it_is_heard_of_later(void **state)
{
	struct dvmd_jobctl *c = plain(3);

	for (uint32_t i = 1; i <= 3; i++)
		report(c, i, 1, RUNNING, -1, false);
	look(c);
	report(c, 1, 2, RUNNING, 1, false);
	report(c, 2, 2, RUNNING, 1, false);
	assert_int_equal(look(c).kills, 0);
	report(c, 3, 2, RUNNING, 128 + 11, true);
	struct seen s = look(c);
	assert_int_equal(s.kills, 1);
	assert_int_equal(s.exit_code, 139);
	assert_non_null(strstr(s.reason, "rank 2 on node3 was killed by signal 11"));
	/* That one stays. */
	report(c, 2, 3, RUNNING, 128 + 6, true);
	for (uint32_t i = 1; i <= 3; i++)
		report(c, i, 9, DONE, i == 3 ? 139 : 1, i == 3);
	assert_non_null(strstr(look(c).reason, "signal 11"));
	dvmd_jobctl_destroy(c);
}

static void a_lost_node_is_the_reason_though_it_is_heard_of_later(void **state)
{
	struct dvmd_jobctl *c = plain(2);

	report(c, 1, 1, RUNNING, -1, false);
	report(c, 2, 1, RUNNING, -1, false);
	report(c, 1, 2, RUNNING, 1, false);
	dvmd_jobctl_node_down(c, 2, "node2", 1);
	struct seen s = look(c);
	assert_non_null(strstr(s.reason, "node2 was lost"));
	dvmd_jobctl_destroy(c);
}

static void a_signal_is_named(void **state)
{
	struct dvmd_jobctl *c = plain(1);

	report(c, 1, 1, DONE, 128 + 11, true);
	struct seen s = look(c);
	assert_int_equal(s.exit_code, 139);
	assert_non_null(strstr(s.reason, "signal 11"));
	dvmd_jobctl_destroy(c);
}

static void keep_going_waits_but_never_returns_0(void **state)
{
	struct dvmd_jobctl *c = with_job(2, true, false, false, PB__JOB_STATE__JOB_RUNNING);

	report(c, 1, 1, DONE, 5, false);
	assert_int_equal(look(c).kills, 0);
	report(c, 2, 1, DONE, 0, false);
	assert_int_equal(look(c).exit_code, 5);
	dvmd_jobctl_destroy(c);
}

static void keep_going_outlives_a_shepherd(void **state)
{
	struct dvmd_jobctl *c = with_job(2, true, false, false, PB__JOB_STATE__JOB_LAUNCHING);

	report(c, 1, 1, RUNNING, -1, false);
	report(c, 2, 1, RUNNING, -1, false);
	look(c);
	report(c, 1, UINT64_MAX, FAILED, -1, false);
	struct seen s = look(c);
	assert_int_equal(s.kills, 0);
	assert_int_equal(s.losts, 1);
	report(c, 2, 2, DONE, 0, false);
	s = look(c);
	assert_int_equal(s.state, PB__JOB_STATE__JOB_DONE);
	assert_int_not_equal(s.exit_code, 0);
	dvmd_jobctl_destroy(c);
}

static void a_shepherd_that_never_ran_ends_even_those(void **state)
{
	struct dvmd_jobctl *c = with_job(2, true, false, false, PB__JOB_STATE__JOB_LAUNCHING);

	report(c, 1, 1, RUNNING, -1, false);
	report(c, 2, UINT64_MAX, FAILED, -1, false);
	dvmd_jobctl_tick(c, 2 * DVMI_SEC);
	assert_int_equal(look(c).kills, 1);
	dvmd_jobctl_destroy(c);
}

static void start_failures_of_many_nodes_are_folded(void **state)
{
	struct dvmd_jobctl *c = plain(3);

	report(c, 1, 1, FAILED, -1, false);
	report(c, 2, 1, FAILED, -1, false);
	report(c, 3, 1, FAILED, -1, false);
	struct seen s = look(c);
	assert_int_equal(s.exit_code, 127);
	assert_string_equal(s.reason, "node[1-3]: prog: no such file");
	dvmd_jobctl_destroy(c);
}

static void a_launch_that_no_node_got_ends_too(void **state)
{
	struct dvmd_jobctl *c = plain(2);

	dvmd_jobctl_launch_failed(c, 1, 1, -DVM_EPEERLOST, "peer lost", 0);
	dvmd_jobctl_launch_failed(c, 1, 2, -DVM_EPEERLOST, "peer lost", 0);
	assert_int_equal(look(c).state, PB__JOB_STATE__JOB_DONE);
	dvmd_jobctl_destroy(c);
	/* The other node is given a moment to say that it cannot start either, and no more. */
	c = plain(2);
	dvmd_jobctl_launch_failed(c, 1, 1, -ENOENT, "prog: no such file", 0);
	assert_int_equal(look(c).changes, 0);
	assert_true(dvmd_jobctl_next_deadline(c) < DVMI_SEC);
	dvmd_jobctl_tick(c, dvmd_jobctl_next_deadline(c));
	assert_int_equal(look(c).kills, 1);
	dvmd_jobctl_destroy(c);
}

static void a_lost_node_ends_the_job(void **state)
{
	struct dvmd_jobctl *c = plain(2);

	report(c, 1, 1, RUNNING, -1, false);
	report(c, 2, 1, RUNNING, -1, false);
	look(c);
	dvmd_jobctl_node_down(c, 2, "node2", DVMI_SEC);
	struct seen s = look(c);
	assert_int_equal(s.state, PB__JOB_STATE__JOB_ENDING);
	assert_int_equal(s.losts, 1);
	report(c, 1, 2, DONE, 128 + 15, true);
	s = look(c);
	assert_int_equal(s.exit_code, 1);
	assert_string_equal(s.reason, "node node2 was lost");
	dvmd_jobctl_destroy(c);
}

static void the_loss_of_the_origin_ends_held_jobs_only(void **state)
{
	struct dvmd_jobctl *c = plain(1);

	dvmd_jobctl_node_down(c, 9, "node9", DVMI_SEC);
	assert_int_equal(look(c).state, PB__JOB_STATE__JOB_ENDING);
	dvmd_jobctl_destroy(c);
	c = with_job(1, false, true, false, PB__JOB_STATE__JOB_RUNNING);
	dvmd_jobctl_node_down(c, 9, "node9", DVMI_SEC);
	assert_int_equal(look(c).changes, 0);
	dvmd_jobctl_destroy(c);
}

static void repeated_and_late_reports_change_nothing(void **state)
{
	struct dvmd_jobctl *c = plain(2);

	report(c, 1, 2, RUNNING, -1, false);
	report(c, 1, 1, FAILED, -1, false); /* older than what is known */
	report(c, 1, 2, FAILED, -1, false);
	assert_int_equal(look(c).changes, 0);
	assert_int_equal(report(c, 7, 1, FAILED, -1, false), 0); /* not a node of the job */
	assert_int_equal(look(c).changes, 0);
	dvmd_jobctl_destroy(c);
	c = plain(1);
	report(c, 1, 1, DONE, 0, false);
	assert_int_equal(report(c, 1, 2, DONE, 0, false), -ENOENT);
	dvmd_jobctl_destroy(c);
}

static void a_user_may_say_how_long_it_has(void **state)
{
	struct dvmd_jobctl *c = plain(1);

	assert_int_equal(dvmd_jobctl_end(c, 1, 15, "cancelled", 7 * DVMI_MSEC, 0), 0);
	struct seen s = look(c);
	assert_int_equal(s.grace, 7 * DVMI_MSEC);
	assert_int_equal(s.signal, SIGTERM);
	dvmd_jobctl_destroy(c);
}

static void a_user_ends_it_and_again_kills_at_once(void **state)
{
	struct dvmd_jobctl *c = plain(1);

	assert_int_equal(dvmd_jobctl_end(c, 2, 2, "cancelled", DVMD_JOBCTL_GRACE, 0), -ENOENT);
	assert_int_equal(dvmd_jobctl_end(c, 1, 2, "interrupted", DVMD_JOBCTL_GRACE, 0), 0);
	struct seen s = look(c);
	assert_int_equal(s.kills, 1);
	assert_int_equal(s.grace, config.kill_grace);
	dvmd_jobctl_end(c, 1, 9, "killed", 0, 0);
	s = look(c);
	assert_int_equal(s.kills, 1);
	assert_int_equal(s.grace, 0);
	assert_int_equal(s.signal, SIGKILL);
	report(c, 1, 1, DONE, 128 + 9, true);
	assert_int_equal(look(c).exit_code, 130);
	dvmd_jobctl_destroy(c);
}

static void time_limit_notice_and_giving_up(void **state)
{
	struct dvmd_jobctl *c = plain(2);

	assert_int_equal(dvmd_jobctl_next_deadline(c), config.notice_after);
	dvmd_jobctl_tick(c, config.notice_after);
	struct seen s = look(c);
	assert_int_equal(s.event_kind, PB__JOB_EVENT__KIND__PHASE);
	assert_string_equal(s.text, "waiting for node[1-2] to start the ranks");
	dvmd_jobctl_tick(c, config.launch_timeout);
	s = look(c);
	assert_int_equal(s.state, PB__JOB_STATE__JOB_ENDING);
	assert_non_null(strstr(s.reason, "launch timed out"));
	/* Nobody answers to the kill: said again, then given up. */
	dvmd_jobctl_tick(c, config.launch_timeout + 3 * DVMI_SEC);
	assert_int_equal(look(c).kills, 1);
	dvmd_jobctl_tick(c, config.launch_timeout + config.end_timeout);
	s = look(c);
	assert_int_equal(s.state, PB__JOB_STATE__JOB_DONE);
	assert_int_not_equal(s.exit_code, 0);
	dvmd_jobctl_destroy(c);

	c = plain(1);
	report(c, 1, 1, RUNNING, -1, false);
	look(c);
	assert_int_equal(dvmd_jobctl_next_deadline(c), 100 * DVMI_SEC);
	dvmd_jobctl_tick(c, 100 * DVMI_SEC);
	report(c, 1, 2, DONE, 128 + 15, true);
	assert_int_equal(look(c).exit_code, 124);
	dvmd_jobctl_destroy(c);
}

static void a_restarted_leader_goes_on_from_reports(void **state)
{
	struct dvmd_jobctl *c = with_job(1, false, false, true, PB__JOB_STATE__JOB_RUNNING);

	report(c, 1, 40, DONE, 4, false);
	assert_int_equal(look(c).exit_code, 4);
	dvmd_jobctl_destroy(c);
	c = with_job(1, false, false, true, PB__JOB_STATE__JOB_ENDING);
	dvmd_jobctl_tick(c, 0);
	assert_int_equal(look(c).kills, 1);
	dvmd_jobctl_destroy(c);
}

/* Whatever comes in whatever order: a job ends exactly once, and never with 0 after a failure. */
static void random_histories_end_once(void **state)
{
	for (unsigned seed = 1; seed <= 500; seed++) {
		srand(seed);
		struct dvmd_jobctl *c = plain(3);
		bool failed = false;
		unsigned ended = 0;
		struct seen s;
		for (unsigned i = 1; i < 40 && !ended; i++) {
			uint32_t node = 1 + (uint32_t)rand() % 3;
			int status = rand() % 5 ? 0 : 1;
			switch (rand() % 8) {
			case 0:
				dvmd_jobctl_node_down(c, node, "n", i * DVMI_SEC);
				failed = true;
				break;
			case 1:
				dvmd_jobctl_tick(c, i * DVMI_SEC);
				break;
			case 2:
			case 3:
				report(c, node, i, DONE, status, false);
				failed |= status != 0;
				break;
			default:
				report(c, node, i, RUNNING, -1, false);
			}
			s = look(c);
			ended += s.state == PB__JOB_STATE__JOB_DONE;
		}
		if (!ended) {
			dvmd_jobctl_tick(c, 1000 * DVMI_SEC);
			dvmd_jobctl_tick(c, 2000 * DVMI_SEC);
			s = look(c);
			ended += s.state == PB__JOB_STATE__JOB_DONE;
			failed = true;
		}
		assert_int_equal(ended, 1);
		assert_int_equal(dvmd_jobctl_count(c), 0);
		/* A report of an earlier life may be overtaken, so only one direction holds. */
		if (!failed)
			assert_int_equal(s.exit_code, 0);
		dvmd_jobctl_destroy(c);
	}
}

/* Jobs of one rank each on node 1, spawned by PARENT (0: by nobody). */
static void add_spawned(struct dvmd_jobctl *c, uint64_t id, uint64_t parent, bool outlives,
			bool recovered)
{
	Pb__JobRecord r = PB__JOB_RECORD__INIT;
	Pb__JobSpec spec = PB__JOB_SPEC__INIT;
	Pb__Placement p = PB__PLACEMENT__INIT;
	Pb__NodeShare share = PB__NODE_SHARE__INIT, *shares = &share;
	char name[] = "node1";

	share.node = 1;
	share.name = name;
	p.nodes = &shares;
	p.n_nodes = p.ranks = 1;
	spec.parent_job = parent;
	spec.outlives_parent = outlives;
	r.id = id;
	r.spec = &spec;
	r.placement = &p;
	r.state = recovered ? PB__JOB_STATE__JOB_RUNNING : PB__JOB_STATE__JOB_LAUNCHING;
	assert_int_equal(dvmd_jobctl_add(c, &r, recovered, 0), 0);
}

static void add_with_one_fate(struct dvmd_jobctl *c, uint64_t id, uint64_t parent)
{
	Pb__JobRecord r = PB__JOB_RECORD__INIT;
	Pb__JobSpec spec = PB__JOB_SPEC__INIT;
	Pb__Placement p = PB__PLACEMENT__INIT;
	Pb__NodeShare share = PB__NODE_SHARE__INIT, *shares = &share;
	char name[] = "node1";

	share.node = 1;
	share.name = name;
	p.nodes = &shares;
	p.n_nodes = p.ranks = 1;
	spec.parent_job = parent;
	spec.one_fate = true;
	r.id = id;
	r.spec = &spec;
	r.placement = &p;
	assert_int_equal(dvmd_jobctl_add(c, &r, false, 0), 0);
}

/* A report of a job's only share. */
static void only_share(struct dvmd_jobctl *c, uint64_t job, Pb__SharePhase phase, int exit_code)
{
	static uint64_t serial;
	Pb__JobStatus st = PB__JOB_STATUS__INIT;
	Pb__RankStatus rank = PB__RANK_STATUS__INIT, *ranks = &rank;

	rank.exited = phase == DONE;
	rank.status = exit_code;
	rank.order = 1;
	st.job = job;
	st.node = 1;
	st.serial = ++serial;
	st.phase = phase;
	st.ranks = &ranks;
	st.n_ranks = 1;
	assert_int_equal(dvmd_jobctl_status(c, &st, DVMI_SEC), 0);
}

/* Which jobs the engine orders to end now, as a set of bits. */
static unsigned killed(struct dvmd_jobctl *c)
{
	struct dvmd_jobctl_action a;
	unsigned set = 0;

	while (dvmd_jobctl_next(c, &a)) {
		if (a.kill)
			set |= 1u << a.job;
		dvmd_jobctl_action_free(&a);
	}
	return set;
}

static void children_end_with_their_parent(void **state)
{
	struct dvmd_jobctl *c;

	assert_int_equal(dvmd_jobctl_create(&c, &config), 0);
	add_spawned(c, 1, 0, false, false);
	add_spawned(c, 2, 1, false, false);
	add_spawned(c, 3, 2, false, false);
	add_spawned(c, 4, 1, true, false);
	add_spawned(c, 5, 4, false, false);
	assert_int_equal(dvmd_jobctl_end(c, 1, 0, "cancelled", DVMD_JOBCTL_GRACE, 0), 0);
	assert_int_equal(killed(c), 1u << 1 | 1u << 2 | 1u << 3);
	assert_int_equal(dvmd_jobctl_end(c, 4, 0, "cancelled", DVMD_JOBCTL_GRACE, 0), 0);
	assert_int_equal(killed(c), 1u << 4 | 1u << 5);
	dvmd_jobctl_destroy(c);
}

static void a_child_is_not_its_parents_end(void **state)
{
	struct dvmd_jobctl *c;

	assert_int_equal(dvmd_jobctl_create(&c, &config), 0);
	add_spawned(c, 1, 0, false, false);
	add_spawned(c, 2, 1, false, false);
	assert_int_equal(dvmd_jobctl_end(c, 2, 0, "cancelled", DVMD_JOBCTL_GRACE, 0), 0);
	assert_int_equal(killed(c), 1u << 2);
	dvmd_jobctl_destroy(c);
}

static void one_fate_ends_both(void **state)
{
	struct dvmd_jobctl *c;

	assert_int_equal(dvmd_jobctl_create(&c, &config), 0);
	add_spawned(c, 1, 0, false, false);
	add_with_one_fate(c, 2, 1);
	add_with_one_fate(c, 3, 2);
	only_share(c, 2, PB__SHARE_PHASE__SHARE_RUNNING, 0);
	only_share(c, 3, PB__SHARE_PHASE__SHARE_RUNNING, 0);
	assert_int_equal(killed(c), 0);
	only_share(c, 3, DONE, 5);
	assert_int_equal(killed(c), 1u << 1 | 1u << 2);
	dvmd_jobctl_destroy(c);
}

/* That is an answer to who has spawned it. */
static void one_fate_begins_when_it_runs(void **state)
{
	struct dvmd_jobctl *c;

	assert_int_equal(dvmd_jobctl_create(&c, &config), 0);
	add_spawned(c, 1, 0, false, false);
	add_with_one_fate(c, 2, 1);
	only_share(c, 2, PB__SHARE_PHASE__SHARE_FAILED, 0);
	assert_int_equal(killed(c), 0);
	assert_int_equal(dvmd_jobctl_count(c), 1);
	dvmd_jobctl_destroy(c);
}

static void one_fate_outlasts_a_good_end(void **state)
{
	struct dvmd_jobctl *c;

	assert_int_equal(dvmd_jobctl_create(&c, &config), 0);
	add_spawned(c, 1, 0, false, false);
	add_with_one_fate(c, 2, 1);
	only_share(c, 2, PB__SHARE_PHASE__SHARE_RUNNING, 0);
	only_share(c, 1, DONE, 0);
	dvmd_jobctl_tick(c, 60 * DVMI_SEC);
	assert_int_equal(killed(c), 0);
	assert_int_equal(dvmd_jobctl_count(c), 1);
	dvmd_jobctl_destroy(c);
}

static void orphans_may_end_by_themselves_for_a_moment(void **state)
{
	struct dvmd_jobctl *c;
	Pb__JobStatus st = PB__JOB_STATUS__INIT;

	assert_int_equal(dvmd_jobctl_create(&c, &config), 0);
	add_spawned(c, 1, 0, false, false);
	add_spawned(c, 2, 1, false, false);
	st.job = 1;
	st.node = 1;
	st.serial = 1;
	st.phase = DONE;
	assert_int_equal(dvmd_jobctl_status(c, &st, DVMI_SEC), 0);
	assert_int_equal(killed(c), 0);
	assert_true(dvmd_jobctl_next_deadline(c) <= 3 * DVMI_SEC);
	dvmd_jobctl_tick(c, 2 * DVMI_SEC);
	assert_int_equal(killed(c), 0);
	dvmd_jobctl_tick(c, 3 * DVMI_SEC);
	assert_int_equal(killed(c), 1u << 2);
	dvmd_jobctl_destroy(c);
}

/* The leader was away when the parent of 2 ended; that of 4 goes on. */
static void orphans_are_found_after_a_restart(void **state)
{
	struct dvmd_jobctl *c;

	assert_int_equal(dvmd_jobctl_create(&c, &config), 0);
	add_spawned(c, 2, 1, false, true);
	add_spawned(c, 4, 3, false, true);
	add_spawned(c, 3, 0, false, true);
	dvmd_jobctl_tick(c, 3 * DVMI_SEC);
	assert_int_equal(killed(c), 1u << 2);
	dvmd_jobctl_destroy(c);
}

/* What is lent may leave by itself, for so long. */
static void what_is_wanted_back_is_ended_at_last(void **state)
{
	struct dvmd_jobctl *c;

	assert_int_equal(dvmd_jobctl_create(&c, &config), 0);
	add_spawned(c, 1, 0, false, false);
	add_spawned(c, 2, 1, false, false);
	dvmd_jobctl_leave(c, 2, 7, 10 * DVMI_SEC, 0);
	dvmd_jobctl_leave(c, 2, 8, 1 * DVMI_SEC, 0); /* it has been asked */
	dvmd_jobctl_leave(c, 3, 7, 0, 0);	     /* nobody is called so */
	assert_true(dvmd_jobctl_next_deadline(c) <= 10 * DVMI_SEC);
	dvmd_jobctl_tick(c, 9 * DVMI_SEC);
	assert_int_equal(killed(c), 0);
	dvmd_jobctl_tick(c, 10 * DVMI_SEC);
	assert_int_equal(killed(c), 1u << 2);
	dvmd_jobctl_destroy(c);
}

/* Job 1 of SPEC with one rank, which has run for 4 of its 10 s at 0. */
static struct dvmd_jobctl *one_with_a_limit(Pb__JobSpec *spec)
{
	Pb__JobRecord r = PB__JOB_RECORD__INIT;
	Pb__Placement p = PB__PLACEMENT__INIT;
	Pb__NodeShare share = PB__NODE_SHARE__INIT, *shares = &share;
	char name[] = "node1";
	struct dvmd_jobctl *c;

	share.node = 1;
	share.name = name;
	p.nodes = &shares;
	p.n_nodes = p.ranks = 1;
	pb__job_spec__init(spec);
	spec->timeout_ns = 10 * DVMI_SEC;
	r.id = 1;
	r.spec = spec;
	r.placement = &p;
	r.state = PB__JOB_STATE__JOB_RUNNING;
	assert_int_equal(dvmd_jobctl_create(&c, &config), 0);
	assert_int_equal(dvmd_jobctl_add(c, &r, true, 0), 0);
	dvmd_jobctl_has_run(c, 1, 4 * DVMI_SEC, 0);
	return c;
}

static void a_limit_can_be_changed(void **state)
{
	Pb__JobSpec spec;
	struct dvmd_jobctl *c = one_with_a_limit(&spec);

	(void)state;
	assert_int_equal(dvmd_jobctl_next_deadline(c), 6 * DVMI_SEC);
	spec.timeout_ns = 20 * DVMI_SEC;
	dvmd_jobctl_limit(c, 1, &spec, 3 * DVMI_SEC);
	assert_int_equal(dvmd_jobctl_next_deadline(c), 16 * DVMI_SEC);
	dvmd_jobctl_stopped(c, 1, true, 5 * DVMI_SEC);
	spec.timeout_ns = 12 * DVMI_SEC;
	dvmd_jobctl_limit(c, 1, &spec, 50 * DVMI_SEC);
	dvmd_jobctl_stopped(c, 1, false, 100 * DVMI_SEC);
	assert_int_equal(dvmd_jobctl_next_deadline(c), 103 * DVMI_SEC);
	spec.timeout_ns = 0;
	dvmd_jobctl_limit(c, 1, &spec, 101 * DVMI_SEC);
	dvmd_jobctl_tick(c, 1000 * DVMI_SEC);
	assert_int_equal(killed(c), 0);
	spec.timeout_ns = 5 * DVMI_SEC; /* it has had more */
	dvmd_jobctl_limit(c, 1, &spec, 1000 * DVMI_SEC);
	dvmd_jobctl_tick(c, 1000 * DVMI_SEC);
	assert_int_equal(killed(c), 1u << 1);
	dvmd_jobctl_destroy(c);
}

/* While its ranks are stopped a job's time limit stands still, also over a restart. */
static void a_limit_counts_what_it_runs(void **state)
{
	Pb__JobSpec spec;
	struct dvmd_jobctl *c = one_with_a_limit(&spec);

	(void)state;
	dvmd_jobctl_stopped(c, 1, true, 5 * DVMI_SEC);
	dvmd_jobctl_tick(c, 100 * DVMI_SEC);
	assert_int_equal(killed(c), 0);
	dvmd_jobctl_stopped(c, 1, false, 100 * DVMI_SEC);
	assert_int_equal(dvmd_jobctl_next_deadline(c), 101 * DVMI_SEC);
	dvmd_jobctl_tick(c, 100 * DVMI_SEC + DVMI_SEC / 2);
	assert_int_equal(killed(c), 0);
	dvmd_jobctl_tick(c, 101 * DVMI_SEC);
	assert_int_equal(killed(c), 1u << 1);
	dvmd_jobctl_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(children_end_with_their_parent),
		cmocka_unit_test(a_child_is_not_its_parents_end),
		cmocka_unit_test(one_fate_ends_both),
		cmocka_unit_test(one_fate_begins_when_it_runs),
		cmocka_unit_test(one_fate_outlasts_a_good_end),
		cmocka_unit_test(orphans_may_end_by_themselves_for_a_moment),
		cmocka_unit_test(orphans_are_found_after_a_restart),
		cmocka_unit_test(what_is_wanted_back_is_ended_at_last),
		cmocka_unit_test(a_limit_counts_what_it_runs),
		cmocka_unit_test(a_limit_can_be_changed),
		cmocka_unit_test(a_good_job_runs_and_ends_with_0),
		cmocka_unit_test(the_first_failure_ends_the_job_and_is_its_code),
		cmocka_unit_test(a_crash_is_the_reason_though_it_is_heard_of_later),
		cmocka_unit_test(a_lost_node_is_the_reason_though_it_is_heard_of_later),
		cmocka_unit_test(a_signal_is_named),
		cmocka_unit_test(keep_going_waits_but_never_returns_0),
		cmocka_unit_test(keep_going_outlives_a_shepherd),
		cmocka_unit_test(a_shepherd_that_never_ran_ends_even_those),
		cmocka_unit_test(start_failures_of_many_nodes_are_folded),
		cmocka_unit_test(a_launch_that_no_node_got_ends_too),
		cmocka_unit_test(a_lost_node_ends_the_job),
		cmocka_unit_test(the_loss_of_the_origin_ends_held_jobs_only),
		cmocka_unit_test(repeated_and_late_reports_change_nothing),
		cmocka_unit_test(a_user_ends_it_and_again_kills_at_once),
		cmocka_unit_test(a_user_may_say_how_long_it_has),
		cmocka_unit_test(time_limit_notice_and_giving_up),
		cmocka_unit_test(a_restarted_leader_goes_on_from_reports),
		cmocka_unit_test(random_histories_end_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
