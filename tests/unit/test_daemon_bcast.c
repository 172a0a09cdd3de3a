/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bcast.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"

#define SELF   1
#define ORIGIN 50
#define PARENT 51
#define TIME   (16 * DVMI_SEC)

/* --- a small bench: one engine and what it did last ---------------------- */

struct sent {
	uint32_t to, base, count, nruns, width;
	unsigned type, final;
	struct dvmi_bcast_run run; /* the first one */
	uint32_t ids[64];
};

struct bench {
	dvmd_bcast_t *b;
	uint64_t now;
	struct sent sent[64];
	unsigned nsent, delivered, done;
	uint32_t missing;
	struct dvmd_bcast_status status[64];
	char payload[16];
};

static void keep_sent(struct bench *t, const struct dvmd_bcast_act *act)
{
	const struct dvmi_bcast_msg *m = act->msg;
	struct sent *s = &t->sent[t->nsent++];

	assert_true(t->nsent < 64);
	*s = (struct sent){ .to = act->node,
			    .type = m->type,
			    .base = m->base,
			    .count = m->count,
			    .final = m->final,
			    .nruns = m->nruns,
			    .width = m->width };
	if (m->nruns)
		s->run = m->runs[0];
	if (m->type == DVMI_BCAST_REQUEST)
		memcpy(s->ids, m->ids, m->count * sizeof(*m->ids));
}

static void drain(struct bench *t)
{
	struct dvmd_bcast_act act;
	uint32_t id;

	t->nsent = 0;
	while (dvmd_bcast_next(t->b, &act)) {
		if (act.type == DVMD_BCAST_SEND) {
			keep_sent(t, &act);
		} else if (act.type == DVMD_BCAST_DELIVER) {
			t->delivered++;
			memcpy(t->payload, act.payload, act.payload_len);
		} else {
			t->done++;
			t->missing = act.missing;
			for (uint32_t i = 0; i < act.n; i++)
				assert_int_equal(
					dvmd_bcast_done_at(t->b, &act, i, &id, &t->status[i]), 0);
			assert_int_equal(dvmd_bcast_done_at(t->b, &act, act.n, &id, &t->status[0]),
					 -ENOENT);
		}
	}
}

static void setup(struct bench *t, uint32_t width)
{
	struct dvmd_bcast_conf conf;

	*t = (struct bench){ .now = 100 * DVMI_SEC };
	dvmd_bcast_conf_init(&conf);
	conf.width = width;
	conf.ops_max = 4;
	assert_int_equal(dvmd_bcast_create(&t->b, &conf, SELF, 1000), 0);
}

static void teardown(struct bench *t)
{
	dvmd_bcast_destroy(t->b);
}

static uint64_t start(struct bench *t, uint32_t n)
{
	uint32_t ids[64];
	uint64_t op;

	for (uint32_t i = 0; i < n; i++)
		ids[i] = i + 1; /* SELF is the first */
	assert_int_equal(dvmd_bcast_start(t->b, t->now, ids, n, "do it", 6, TIME, &op), 0);
	drain(t);
	return op;
}

static void receive(struct bench *t, uint32_t from, struct dvmi_bcast_msg m)
{
	dvmd_bcast_receive(t->b, t->now, from, &m);
	drain(t);
}

/* FROM answers for base … base + count with CODE. */
static void answer_from(struct bench *t, uint32_t from, uint64_t op, uint32_t base, uint32_t count,
			int32_t code, bool final)
{
	const struct dvmi_bcast_run run = { .pos = base, .count = count, .code = code };

	receive(t, from,
		(struct dvmi_bcast_msg){ .type = DVMI_BCAST_ANSWER,
					 .origin = SELF,
					 .op = op,
					 .base = base,
					 .count = count,
					 .nruns = 1,
					 .runs = &run,
					 .final = final });
}

/* PARENT asks for base … base + n, of which SELF is the head; the others are 60, 61, … */
static void request_from(struct bench *t, uint32_t from, uint32_t base, uint32_t n)
{
	uint32_t ids[64] = { SELF };

	for (uint32_t i = 1; i < n; i++)
		ids[i] = 60 + base + i;
	receive(t, from,
		(struct dvmi_bcast_msg){ .type = DVMI_BCAST_REQUEST,
					 .origin = ORIGIN,
					 .op = 5,
					 .base = base,
					 .count = n,
					 .width = 2,
					 .remaining = TIME,
					 .ids = ids,
					 .payload = (const uint8_t *)"x",
					 .payload_len = 2 });
}

static void pass(struct bench *t, uint64_t time)
{
	t->now += time;
	dvmd_bcast_tick(t->b, t->now);
	drain(t);
}

static const struct sent *sent_to(const struct bench *t, uint32_t to)
{
	for (unsigned i = 0; i < t->nsent; i++) {
		if (t->sent[i].to == to)
			return &t->sent[i];
	}
	return NULL;
}

/* --- the origin ---------------------------------------------------------- */

static void the_list_is_split_in_contiguous_parts(void **state)
{
	struct bench t;

	setup(&t, 3);
	start(&t, 12);
	assert_int_equal(t.delivered, 1);
	assert_string_equal(t.payload, "do it");
	/* 2 … 12 are eleven: parts of 4, 4, 3 */
	assert_int_equal(t.nsent, 3);
	static const uint32_t heads[] = { 2, 6, 10 }, counts[] = { 4, 4, 3 };
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(t.sent[i].to, heads[i]);
		assert_int_equal(t.sent[i].base, heads[i] - 1);
		assert_int_equal(t.sent[i].count, counts[i]);
		for (uint32_t k = 0; k < counts[i]; k++)
			assert_int_equal(t.sent[i].ids[k], heads[i] + k);
	}
	teardown(&t);
}

static void answers_fold_into_done(void **state)
{
	struct bench t;

	setup(&t, 2);
	uint64_t op = start(&t, 5);
	answer_from(&t, 2, op, 1, 2, 0, true);
	assert_int_equal(dvmd_bcast_answer(t.b, t.now, SELF, op, 7, "me", 2), 0);
	drain(&t);
	assert_int_equal(dvmd_bcast_answer(t.b, t.now, SELF, op, 8, "me", 2), -EALREADY);
	assert_int_equal(t.done, 0);
	answer_from(&t, 4, op, 3, 2, -3, true);
	assert_int_equal(t.done, 1);
	assert_int_equal(t.missing, 0);
	assert_int_equal(t.status[0].code, 7);
	assert_int_equal(t.status[0].len, 2);
	assert_memory_equal(t.status[0].result, "me", 2);
	assert_int_equal(t.status[2].code, 0);
	assert_int_equal(t.status[4].code, -3);
	/* Whatever still comes changes nothing; after its time it is forgotten. */
	answer_from(&t, 4, op, 3, 2, 0, true);
	assert_int_equal(t.done, 1);
	assert_int_equal(dvmd_bcast_count(t.b), 1);
	pass(&t, TIME + 30 * DVMI_SEC);
	assert_int_equal(dvmd_bcast_count(t.b), 0);
	assert_true(dvmd_bcast_next_deadline(t.b) == DVMD_BCAST_NEVER);
	teardown(&t);
}

static void known_dead_nodes_are_not_asked(void **state)
{
	struct bench t;

	setup(&t, 2);
	dvmd_bcast_node_down(t.b, t.now, 2);
	dvmd_bcast_node_down(t.b, t.now, 3);
	dvmd_bcast_node_down(t.b, t.now, 3);
	dvmd_bcast_node_up(t.b, t.now, 3);
	dvmd_bcast_node_up(t.b, t.now, 4);
	uint64_t op = start(&t, 4);
	assert_int_equal(t.nsent, 2);
	assert_int_equal(t.sent[0].to, 3);
	assert_int_equal(t.sent[1].to, 4);
	answer_from(&t, 3, op, 2, 1, 0, true);
	answer_from(&t, 4, op, 3, 1, 0, true);
	dvmd_bcast_answer(t.b, t.now, SELF, op, 0, NULL, 0);
	drain(&t);
	assert_int_equal(t.missing, 1);
	assert_int_equal(t.status[1].kind, DVMI_BCAST_DEAD);
	teardown(&t);
}

static void a_dead_childs_part_is_taken_over(void **state)
{
	struct bench t;

	setup(&t, 2);
	uint64_t op = start(&t, 9);		/* 2 … 5 and 6 … 9 */
	answer_from(&t, 2, op, 3, 1, 0, false); /* part of it came already */
	dvmd_bcast_node_down(t.b, t.now, 2);
	drain(&t);
	/* of 3, 4, 5 the middle one is known */
	assert_int_equal(t.nsent, 2);
	assert_int_equal(t.sent[0].to, 3);
	assert_int_equal(t.sent[1].to, 5);
	assert_int_equal(t.sent[0].count, 1);
	teardown(&t);
}

static void a_silent_childs_part_is_taken_over(void **state)
{
	struct bench t;

	setup(&t, 2);
	start(&t, 9);
	pass(&t, DVMI_SEC);
	assert_int_equal(sent_to(&t, 2)->type, DVMI_BCAST_QUERY);
	assert_int_equal(sent_to(&t, 6)->type, DVMI_BCAST_QUERY);
	receive(&t, 6,
		(struct dvmi_bcast_msg){ .type = DVMI_BCAST_ANSWER,
					 .origin = SELF,
					 .op = 1000,
					 .base = 5,
					 .count = 4 });
	pass(&t, DVMI_SEC);
	/* the silent one by itself, and the rest of its part; the other goes on */
	assert_int_equal(sent_to(&t, 6)->type, DVMI_BCAST_QUERY);
	assert_int_equal(sent_to(&t, 2)->type, DVMI_BCAST_REQUEST);
	assert_int_equal(sent_to(&t, 2)->count, 1);
	assert_int_equal(sent_to(&t, 3)->count, 2);
	assert_int_equal(sent_to(&t, 5)->count, 1);
	assert_null(sent_to(&t, 4));
	/* silent again: everyone by itself */
	pass(&t, DVMI_SEC);
	pass(&t, DVMI_SEC);
	assert_int_equal(sent_to(&t, 3)->type, DVMI_BCAST_REQUEST);
	assert_int_equal(sent_to(&t, 3)->count, 1);
	assert_int_equal(sent_to(&t, 4)->count, 1);
	teardown(&t);
}

static void the_deadline_completes(void **state)
{
	struct bench t;

	setup(&t, 2);
	uint64_t op = start(&t, 3);
	dvmd_bcast_node_down(t.b, t.now, 3);
	pass(&t, TIME);
	assert_int_equal(t.done, 1);
	assert_int_equal(t.missing, 3);
	assert_int_equal(t.status[0].kind, DVMI_BCAST_NOANSWER);
	assert_int_equal(t.status[1].kind, DVMI_BCAST_NOANSWER);
	assert_int_equal(t.status[2].kind, DVMI_BCAST_DEAD);
	assert_int_equal(dvmd_bcast_answer(t.b, t.now, SELF, op, 0, NULL, 0), -ENOENT);
	teardown(&t);
}

static void the_origin_asks_for_what_is_missing(void **state)
{
	struct bench t;

	setup(&t, 2);
	start(&t, 6);
	for (uint64_t at = 0; at < TIME / 2; at += DVMI_SEC / 2) {
		pass(&t, DVMI_SEC / 2);
		/* Both children say that all is well, and nothing else. */
		for (uint32_t i = 0; i < 2; i++)
			receive(&t, i ? 5 : 2,
				(struct dvmi_bcast_msg){ .type = DVMI_BCAST_ANSWER,
							 .origin = SELF,
							 .op = 1000,
							 .base = 1,
							 .count = 1 });
	}
	pass(&t, 1);
	uint64_t at = t.now;
	while (!sent_to(&t, 4) && t.now < at + 2 * DVMI_SEC)
		pass(&t, DVMI_SEC / 4);
	assert_non_null(sent_to(&t, 4));
	assert_int_equal(sent_to(&t, 4)->type, DVMI_BCAST_QUERY);
	receive(&t, 4,
		(struct dvmi_bcast_msg){ .type = DVMI_BCAST_UNKNOWN,
					 .origin = SELF,
					 .op = 1000,
					 .base = 3,
					 .count = 1 });
	assert_int_equal(t.nsent, 1);
	assert_int_equal(t.sent[0].type, DVMI_BCAST_REQUEST);
	assert_int_equal(t.sent[0].to, 4);
	teardown(&t);
}

static void bad_starts(void **state)
{
	struct dvmd_bcast_conf conf;
	struct bench t;
	uint32_t ids[] = { 1, DVMI_BCAST_NOBODY };
	uint64_t op;

	setup(&t, 2);
	assert_int_equal(dvmd_bcast_start(t.b, 1, ids, 0, "", 0, TIME, &op), -EINVAL);
	assert_int_equal(dvmd_bcast_start(t.b, 1, ids, 2, "", 0, TIME, &op), -EINVAL);
	assert_int_equal(dvmd_bcast_start(t.b, 1, ids, 1, "", 0, 0, &op), -EINVAL);
	assert_int_equal(dvmd_bcast_start(t.b, 1, ids, 1, "", 0, UINT64_MAX, &op), -EINVAL);
	assert_int_equal(dvmd_bcast_start(t.b, 1, ids, 65537, "", 0, TIME, &op), -E2BIG);
	assert_int_equal(dvmd_bcast_start(t.b, 1, ids, 1, "", 1u << 30, TIME, &op), -E2BIG);
	assert_int_equal(dvmd_bcast_count(t.b), 0);
	for (int i = 0; i < 4; i++)
		start(&t, 3);
	assert_int_equal(dvmd_bcast_start(t.b, t.now, ids, 1, "", 0, TIME, &op), -EAGAIN);
	pass(&t, TIME); /* they are over, and may be forgotten */
	start(&t, 3);
	assert_int_equal(dvmd_bcast_count(t.b), 4);
	teardown(&t);
	dvmd_bcast_conf_init(&conf);
	conf.width = 1;
	assert_int_equal(dvmd_bcast_create(&t.b, &conf, 1, 1), -EINVAL);
	dvmd_bcast_destroy(NULL);
}

/* --- in the middle ------------------------------------------------------- */

static void a_request_is_passed_on_and_answered_once_complete(void **state)
{
	struct bench t;

	setup(&t, 8);
	request_from(&t, PARENT, 10, 5);
	assert_int_equal(t.delivered, 1);
	assert_int_equal(t.nsent, 2); /* the width of the origin, not our own */
	assert_int_equal(t.sent[0].to, 71);
	assert_int_equal(t.sent[0].width, 2);
	assert_int_equal(t.sent[1].to, 73);
	assert_int_equal(dvmd_bcast_answer(t.b, t.now, ORIGIN, 5, 0, NULL, 0), 0);
	drain(&t);
	assert_int_equal(t.nsent, 0);
	const struct dvmi_bcast_run run = { .pos = 11, .count = 4 };
	receive(&t, 71,
		(struct dvmi_bcast_msg){ .type = DVMI_BCAST_ANSWER,
					 .origin = ORIGIN,
					 .op = 5,
					 .base = 11,
					 .count = 4,
					 .nruns = 1,
					 .runs = &run });
	assert_int_equal(t.nsent, 1);
	assert_int_equal(t.sent[0].to, PARENT);
	assert_true(t.sent[0].final && t.sent[0].nruns == 1 && t.sent[0].run.count == 5);
	teardown(&t);
}

static void a_duplicate_is_answered_from_memory(void **state)
{
	struct bench t;

	setup(&t, 8);
	request_from(&t, PARENT, 10, 1);
	assert_int_equal(dvmd_bcast_answer(t.b, t.now, ORIGIN, 5, 3, NULL, 0), 0);
	drain(&t);
	assert_int_equal(t.sent[0].to, PARENT);
	request_from(&t, PARENT, 10, 1);
	assert_int_equal(t.delivered, 1);
	assert_int_equal(t.nsent, 1);
	assert_int_equal(t.sent[0].run.code, 3);
	/* and so is another asker, who wants more of us */
	request_from(&t, 77, 10, 2);
	assert_int_equal(t.delivered, 1);
	assert_int_equal(t.nsent, 1);
	assert_int_equal(t.sent[0].to, 71);
	teardown(&t);
}

static void an_orphan_answers_the_origin(void **state)
{
	struct bench t;

	setup(&t, 8);
	request_from(&t, PARENT, 10, 1);
	dvmd_bcast_node_down(t.b, t.now, PARENT);
	drain(&t);
	assert_int_equal(dvmd_bcast_answer(t.b, t.now, ORIGIN, 5, 3, NULL, 0), 0);
	drain(&t);
	assert_int_equal(t.nsent, 1);
	assert_int_equal(t.sent[0].to, ORIGIN);
	teardown(&t);

	/* also when the parent took the answer with it */
	setup(&t, 8);
	request_from(&t, PARENT, 10, 1);
	assert_int_equal(dvmd_bcast_answer(t.b, t.now, ORIGIN, 5, 3, NULL, 0), 0);
	drain(&t);
	dvmd_bcast_node_down(t.b, t.now, PARENT);
	drain(&t);
	assert_int_equal(t.nsent, 1);
	assert_int_equal(t.sent[0].to, ORIGIN);
	teardown(&t);
}

static void a_dead_origin_is_not_bothered(void **state)
{
	struct bench t;

	setup(&t, 8);
	request_from(&t, PARENT, 10, 4);
	dvmd_bcast_node_down(t.b, t.now, ORIGIN);
	drain(&t);
	assert_int_equal(t.nsent, 0);
	assert_int_equal(dvmd_bcast_answer(t.b, t.now, ORIGIN, 5, 3, NULL, 0), 0);
	drain(&t);
	assert_int_equal(t.nsent, 0);
	pass(&t, TIME - DVMI_SEC);
	assert_int_equal(t.nsent, 0);
	pass(&t, 60 * DVMI_SEC);
	assert_int_equal(dvmd_bcast_count(t.b), 0);
	teardown(&t);
}

static void at_our_deadline_what_is_known_is_answered(void **state)
{
	struct bench t;

	setup(&t, 8);
	request_from(&t, PARENT, 10, 2);
	pass(&t, TIME);
	assert_int_equal(sent_to(&t, PARENT)->final, 1);
	assert_int_equal(sent_to(&t, PARENT)->nruns, 0);
	/* our own answer comes late: to whom it may still matter */
	assert_int_equal(dvmd_bcast_answer(t.b, t.now, ORIGIN, 5, 3, NULL, 0), 0);
	drain(&t);
	assert_int_equal(t.nsent, 1);
	assert_int_equal(t.sent[0].to, ORIGIN);
	teardown(&t);
}

static void queries(void **state)
{
	struct bench t;
	struct dvmi_bcast_msg q = {
		.type = DVMI_BCAST_QUERY, .origin = ORIGIN, .op = 5, .base = 10, .count = 2
	};

	setup(&t, 8);
	receive(&t, PARENT, q);
	assert_int_equal(t.sent[0].type, DVMI_BCAST_UNKNOWN);
	request_from(&t, PARENT, 10, 2);
	receive(&t, PARENT, q);
	assert_int_equal(t.sent[0].type, DVMI_BCAST_ANSWER);
	assert_int_equal(t.sent[0].final, 0);
	/* another one has not told us about that part */
	receive(&t, 99, q);
	assert_int_equal(t.sent[0].type, DVMI_BCAST_UNKNOWN);
	/* but may wait for our own answer */
	q.count = 1;
	receive(&t, 99, q);
	assert_int_equal(t.sent[0].type, DVMI_BCAST_ANSWER);
	assert_int_equal(dvmd_bcast_answer(t.b, t.now, ORIGIN, 5, 3, NULL, 0), 0);
	drain(&t);
	assert_int_equal(t.nsent, 1);
	assert_int_equal(t.sent[0].to, 99);
	assert_int_equal(t.sent[0].final, 1);
	teardown(&t);
}

static void too_many_operations_are_refused(void **state)
{
	struct bench t;

	setup(&t, 8);
	for (int i = 0; i < 4; i++)
		start(&t, 3);
	request_from(&t, PARENT, 10, 4);
	assert_int_equal(t.delivered, 4); /* its own */
	assert_int_equal(t.nsent, 1);
	assert_int_equal(t.sent[0].to, PARENT);
	assert_true(t.sent[0].final && t.sent[0].run.count == 1 && t.sent[0].run.code == -EAGAIN);
	teardown(&t);
}

static void nonsense_is_ignored(void **state)
{
	struct bench t;
	uint32_t others[] = { 3, 4 }, mine[] = { SELF, 4 }, changed[] = { SELF, 5 };
	struct dvmi_bcast_msg m = { .type = DVMI_BCAST_REQUEST,
				    .origin = ORIGIN,
				    .op = 5,
				    .count = 2,
				    .width = 2,
				    .remaining = TIME,
				    .ids = others,
				    .payload = (const uint8_t *)"",
				    .payload_len = 0 };
	struct dvmi_bcast_run run = { .pos = 60, .count = 4 };

	setup(&t, 8);
	receive(&t, PARENT, m); /* not for us */
	assert_int_equal(dvmd_bcast_count(t.b), 0);
	m.ids = mine;
	m.origin = SELF; /* we would know */
	receive(&t, PARENT, m);
	assert_int_equal(dvmd_bcast_count(t.b), 0);
	m.origin = ORIGIN;
	receive(&t, SELF, m);
	assert_int_equal(dvmd_bcast_count(t.b), 0);
	receive(&t, PARENT, m);
	m.ids = changed; /* another node at a position we know */
	receive(&t, 99, m);
	assert_int_equal(t.nsent, 0);
	/* runs outside of what is ours, and our own status from another mouth */
	m = (struct dvmi_bcast_msg){ .type = DVMI_BCAST_ANSWER,
				     .origin = ORIGIN,
				     .op = 5,
				     .base = 60,
				     .count = 4,
				     .nruns = 1,
				     .runs = &run,
				     .final = 1 };
	receive(&t, 4, m);
	run = (struct dvmi_bcast_run){ .pos = 0, .count = 2 };
	m.base = 0;
	m.count = 2;
	receive(&t, 4, m);
	assert_int_equal(t.nsent, 0);
	assert_int_equal(dvmd_bcast_answer(t.b, t.now, ORIGIN, 5, 0, NULL, 0), 0);
	drain(&t);
	assert_int_equal(t.nsent, 1);
	assert_int_equal(dvmd_bcast_answer(t.b, t.now, ORIGIN, 6, 0, NULL, 0), -ENOENT);
	assert_int_equal(dvmd_bcast_answer(t.b, t.now, ORIGIN, 5, 0, NULL, 2000), -E2BIG);
	teardown(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_is_split_in_contiguous_parts),
		cmocka_unit_test(answers_fold_into_done),
		cmocka_unit_test(known_dead_nodes_are_not_asked),
		cmocka_unit_test(a_dead_childs_part_is_taken_over),
		cmocka_unit_test(a_silent_childs_part_is_taken_over),
		cmocka_unit_test(the_deadline_completes),
		cmocka_unit_test(the_origin_asks_for_what_is_missing),
		cmocka_unit_test(bad_starts),
		cmocka_unit_test(a_request_is_passed_on_and_answered_once_complete),
		cmocka_unit_test(a_duplicate_is_answered_from_memory),
		cmocka_unit_test(an_orphan_answers_the_origin),
		cmocka_unit_test(a_dead_origin_is_not_bothered),
		cmocka_unit_test(at_our_deadline_what_is_known_is_answered),
		cmocka_unit_test(queries),
		cmocka_unit_test(too_many_operations_are_refused),
		cmocka_unit_test(nonsense_is_ignored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
