/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/rng.h"
#include "libdvm/src/match.h"
#include "libdvm/src/optab.h"
#include "tests/unit/cm.h"

static struct dvmi_match_key key(uint32_t ctx, int32_t source, int32_t tag)
{
	return (struct dvmi_match_key){ .ctx = ctx, .source = source, .tag = tag };
}

static void oldest_fitting_receive_wins(void **state)
{
	struct dvmi_match m;
	struct dvmi_match_recv r[4] = {
		{ .key = key(0, 1, 5) },
		{ .key = key(0, DVMI_MATCH_ANY, 5) },
		{ .key = key(0, 1, 5) },
		{ .key = key(0, 1, DVMI_MATCH_ANY) },
	};
	struct dvmi_match_key k = key(0, 1, 5), other = key(1, 1, 5);

	assert_int_equal(dvmi_match_init(&m), 0);
	for (int i = 0; i < 4; i++)
		dvmi_match_post(&m, &r[i]);
	assert_null(dvmi_match_arrive(&m, &other));
	for (int i = 0; i < 4; i++)
		assert_ptr_equal(dvmi_match_arrive(&m, &k), &r[i]);
	assert_null(dvmi_match_arrive(&m, &k));
	dvmi_match_fini(&m);
}

static void oldest_fitting_message_wins(void **state)
{
	struct dvmi_match m;
	struct dvmi_match_msg msg[3] = { { .key = key(0, 2, 9) },
					 { .key = key(0, 1, 5) },
					 { .key = key(0, 2, 5) } };
	struct dvmi_match_key any = key(0, DVMI_MATCH_ANY, 5);
	struct dvmi_match_key from2 = key(0, 2, DVMI_MATCH_ANY), exact = key(0, 2, 5);

	assert_int_equal(dvmi_match_init(&m), 0);
	for (int i = 0; i < 3; i++)
		dvmi_match_keep(&m, &msg[i]);
	assert_ptr_equal(dvmi_match_peek(&m, &any), &msg[1]);
	assert_ptr_equal(dvmi_match_take(&m, &any), &msg[1]);
	assert_ptr_equal(dvmi_match_peek(&m, &exact), &msg[2]);
	assert_ptr_equal(dvmi_match_take(&m, &from2), &msg[0]);
	assert_ptr_equal(dvmi_match_take(&m, &exact), &msg[2]);
	assert_null(dvmi_match_take(&m, &any));
	dvmi_match_fini(&m);
}

/*
 * Random programs against two plain arrays, searched from the front. With few keys and up to
 * 2000 entries, so that bins are long, grow, and hold several keys.
 */
struct model {
	struct dvmi_match_recv *recv[4000];
	struct dvmi_match_msg *msg[4000];
	int nrecv, nmsg;
};

static bool fits(const struct dvmi_match_key *r, const struct dvmi_match_key *k)
{
	return r->ctx == k->ctx && (r->source < 0 || r->source == k->source) &&
	       (r->tag < 0 || r->tag == k->tag);
}

static struct dvmi_match_recv *model_arrive(struct model *m, const struct dvmi_match_key *k)
{
	for (int i = 0; i < m->nrecv; i++)
		if (fits(&m->recv[i]->key, k)) {
			struct dvmi_match_recv *r = m->recv[i];
			memmove(&m->recv[i], &m->recv[i + 1],
				(size_t)(--m->nrecv - i) * sizeof m->recv[0]);
			return r;
		}
	return NULL;
}

static struct dvmi_match_msg *model_take(struct model *m, const struct dvmi_match_key *k)
{
	for (int i = 0; i < m->nmsg; i++)
		if (fits(k, &m->msg[i]->key)) {
			struct dvmi_match_msg *msg = m->msg[i];
			memmove(&m->msg[i], &m->msg[i + 1],
				(size_t)(--m->nmsg - i) * sizeof m->msg[0]);
			return msg;
		}
	return NULL;
}

static struct dvmi_match_key random_key(struct dvmi_rng *rng, bool wild)
{
	struct dvmi_match_key k =
		key((uint32_t)dvmi_rng_below(rng, 2), (int32_t)dvmi_rng_below(rng, 5),
		    (int32_t)dvmi_rng_below(rng, 6));

	if (wild && dvmi_rng_below(rng, 4) == 0)
		k.source = DVMI_MATCH_ANY;
	if (wild && dvmi_rng_below(rng, 4) == 0)
		k.tag = DVMI_MATCH_ANY;
	return k;
}

static void step_recv(struct dvmi_match *m, struct model *o, struct dvmi_rng *rng)
{
	struct dvmi_match_key k = random_key(rng, true);
	struct dvmi_match_msg *got = dvmi_match_take(m, &k), *want = model_take(o, &k);

	assert_ptr_equal(got, want);
	free(got);
	if (got || o->nrecv == 2000)
		return;
	struct dvmi_match_recv *r = malloc(sizeof *r);
	r->key = k;
	dvmi_match_post(m, r);
	o->recv[o->nrecv++] = r;
}

static void step_message(struct dvmi_match *m, struct model *o, struct dvmi_rng *rng)
{
	struct dvmi_match_key k = random_key(rng, false);
	struct dvmi_match_recv *got = dvmi_match_arrive(m, &k), *want = model_arrive(o, &k);

	assert_ptr_equal(got, want);
	free(got);
	if (got || o->nmsg == 2000)
		return;
	struct dvmi_match_msg *msg = malloc(sizeof *msg);
	msg->key = k;
	dvmi_match_keep(m, msg);
	o->msg[o->nmsg++] = msg;
}

static void step_cancel(struct dvmi_match *m, struct model *o, struct dvmi_rng *rng)
{
	if (!o->nrecv)
		return;
	int i = (int)dvmi_rng_below(rng, (uint64_t)o->nrecv);
	struct dvmi_match_recv *r = o->recv[i];

	dvmi_match_cancel(m, r);
	memmove(&o->recv[i], &o->recv[i + 1], (size_t)(--o->nrecv - i) * sizeof o->recv[0]);
	free(r);
}

static void free_recv(struct dvmi_match_recv *r, void *arg)
{
	dvmi_match_cancel(arg, r);
	free(r);
}

static void free_msg(struct dvmi_match_msg *msg, void *arg)
{
	dvmi_match_drop(arg, msg);
	free(msg);
}

static void random_programs(void **state)
{
	static struct model o;

	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct dvmi_rng rng;
		struct dvmi_match m;
		/* Leaning to receives, to messages, or to neither. */
		uint64_t lean = 20 + 30 * (seed % 3);

		o.nrecv = o.nmsg = 0;
		dvmi_rng_seed(&rng, seed);
		assert_int_equal(dvmi_match_init(&m), 0);
		for (int i = 0; i < 3000; i++) {
			uint64_t what = dvmi_rng_below(&rng, 100);
			if (what < 3)
				step_cancel(&m, &o, &rng);
			else if (what < lean)
				step_recv(&m, &o, &rng);
			else
				step_message(&m, &o, &rng);
			assert_int_equal(m.nexact + m.nwild, o.nrecv);
			assert_int_equal(m.nmsgs, o.nmsg);
		}
		dvmi_match_each_recv(&m, free_recv, &m);
		dvmi_match_each_msg(&m, free_msg, &m);
		assert_int_equal(m.nexact + m.nwild + m.nmsgs, 0);
		dvmi_match_fini(&m);
	}
}

static void numbers_of_ended_operations_find_nothing(void **state)
{
	struct dvmi_optab t = { 0 };
	uint64_t id[100], again;
	int things[100];

	assert_null(dvmi_optab_get(&t, 0));
	for (int i = 0; i < 100; i++) {
		assert_int_equal(dvmi_optab_add(&t, &things[i], &id[i]), 0);
		assert_int_not_equal(id[i], 0);
	}
	for (int i = 0; i < 100; i++)
		assert_ptr_equal(dvmi_optab_get(&t, id[i]), &things[i]);
	dvmi_optab_remove(&t, id[7]);
	dvmi_optab_remove(&t, id[7]);
	assert_null(dvmi_optab_get(&t, id[7]));
	assert_int_equal(dvmi_optab_add(&t, &things[7], &again), 0);
	assert_int_not_equal(again, id[7]);
	assert_null(dvmi_optab_get(&t, id[7]));
	assert_null(dvmi_optab_get(&t, UINT64_MAX));
	dvmi_optab_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oldest_fitting_receive_wins),
		cmocka_unit_test(oldest_fitting_message_wins),
		cmocka_unit_test(random_programs),
		cmocka_unit_test(numbers_of_ended_operations_find_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
