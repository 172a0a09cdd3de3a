/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/jobmap.h"
#include "daemon/shepherd/peers.h"
#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "tests/unit/cm.h"

/* Node 11 is ours with ranks 0 and 2; ranks 1 and 3 live on node 12, rank 4 on node 13. */
struct job {
	struct dvmi_jobmap *map;
	struct shep_peers *peers;
	char said[512];
};

static const uint32_t ids[] = { 11, 12, 13 };

static void say(struct job *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct job *j, const char *fmt, ...)
{
	size_t n = strlen(j->said);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(j->said + n, sizeof j->said - n, fmt, ap);
	va_end(ap);
}

static void on_answer(uint32_t local, uint32_t rank, int code, const uint8_t *addr, size_t len,
		      void *arg)
{
	say(arg, "answer %u: %u %d %.*s; ", local, rank, code, (int)len, (const char *)addr);
}

static void on_wanted(uint32_t local, void *arg)
{
	say(arg, "wanted %u; ", local);
}

static void on_send(const Pb__PeerMessage *m, void *arg)
{
	assert_int_equal(m->job, 5);
	assert_int_equal(m->from, 11);
	if (m->kind == PB__PEER_MESSAGE__KIND__LOOKUP)
		say(arg, "ask %u: %u; ", m->to, m->rank);
	else
		say(arg, "tell %u: %u %d %.*s; ", m->to, m->rank, m->code, (int)m->address.len,
		    (const char *)m->address.data);
}

static struct dvmi_jobmap *make_map(void)
{
	uint32_t ranks[3][2] = { { 0, 2 }, { 1, 3 }, { 4 } };
	char text[] = "";
	Pb__Launch launch = PB__LAUNCH__INIT;
	Pb__Placement placement = PB__PLACEMENT__INIT;
	Pb__NodeShare share[3], *shares[3];
	struct dvmi_jobmap *map = calloc(1, shep_jobmap_bytes(5, 2, 3));

	for (uint32_t i = 0; i < 3; i++) {
		shares[i] = &share[i];
		pb__node_share__init(shares[i]);
		share[i].node = ids[i];
		share[i].name = share[i].address = text;
		share[i].ranks = ranks[i];
		share[i].n_ranks = i < 2 ? 2 : 1;
	}
	placement.ranks = 5;
	placement.nodes = shares;
	placement.n_nodes = 3;
	launch.placement = &placement;
	assert_int_equal(shep_jobmap_build(map, &launch, 0, 1), 0);
	return map;
}

static int setup(void **state)
{
	struct job *j = calloc(1, sizeof *j);
	j->map = make_map();
	const struct shep_peers_config config = { .job = 5,
						  .node = 11,
						  .map = j->map,
						  .node_ids = ids,
						  .answer = on_answer,
						  .wanted = on_wanted,
						  .send = on_send,
						  .arg = j };

	*state = j;
	return shep_peers_create(&j->peers, &config);
}

static int teardown(void **state)
{
	struct job *j = *state;

	shep_peers_destroy(j->peers);
	free(j->map);
	free(j);
	return 0;
}

static void expect(struct job *j, const char *said)
{
	assert_string_equal(j->said, said);
	j->said[0] = 0;
}

static void message(struct job *j, uint32_t from, Pb__PeerMessage__Kind kind, uint32_t rank,
		    int code, const char *addr)
{
	Pb__PeerMessage m = PB__PEER_MESSAGE__INIT;

	m.job = 5;
	m.from = from;
	m.kind = kind;
	m.rank = rank;
	m.code = code;
	m.address = (ProtobufCBinaryData){ .len = strlen(addr), .data = (uint8_t *)addr };
	shep_peers_message(j->peers, &m);
}

#define LOOKUP	PB__PEER_MESSAGE__KIND__LOOKUP
#define ADDRESS PB__PEER_MESSAGE__KIND__ADDRESS

static void one_question_for_all_who_ask(void **state)
{
	struct job *j = *state;

	shep_peers_lookup(j->peers, 0, 1);
	shep_peers_lookup(j->peers, 1, 1);
	shep_peers_lookup(j->peers, 1, 1);
	expect(j, "ask 12: 1; ");
	assert_int_equal(shep_peers_ask_again(j->peers), 1);
	expect(j, "ask 12: 1; ");
	message(j, 12, ADDRESS, 1, 0, "here");
	expect(j, "answer 0: 1 0 here; answer 1: 1 0 here; ");
	message(j, 12, ADDRESS, 1, 0, "here"); /* the second answer */
	expect(j, "");
	assert_int_equal(shep_peers_ask_again(j->peers), 0);
	shep_peers_lookup(j->peers, 0, 1);
	expect(j, "answer 0: 1 0 here; ");
}

static void ranks_of_one_node_find_each_other_too(void **state)
{
	struct job *j = *state;

	shep_peers_lookup(j->peers, 0, 2);
	expect(j, "wanted 1; ");
	assert_true(shep_peers_is_wanted(j->peers, 2));
	assert_false(shep_peers_is_wanted(j->peers, 0));
	assert_int_equal(shep_peers_ask_again(j->peers), 0);
	shep_peers_publish(j->peers, 2, (const uint8_t *)"two", 3);
	expect(j, "answer 0: 2 0 two; ");
	assert_false(shep_peers_is_wanted(j->peers, 2));
}

static void questions_from_elsewhere_wait_for_the_rank(void **state)
{
	struct job *j = *state;

	message(j, 12, LOOKUP, 2, 0, "");
	message(j, 13, LOOKUP, 2, 0, "");
	message(j, 13, LOOKUP, 2, 0, "");
	expect(j, "wanted 1; wanted 1; wanted 1; ");
	shep_peers_publish(j->peers, 2, (const uint8_t *)"two", 3);
	expect(j, "tell 12: 2 0 two; tell 13: 2 0 two; ");
	message(j, 12, LOOKUP, 2, 0, "");
	expect(j, "tell 12: 2 0 two; ");
	shep_jobmap_mark(j->map, 2, DVMI_RANK_CLOSED);
	message(j, 12, LOOKUP, 2, 0, "");
	char text[64];
	snprintf(text, sizeof text, "tell 12: 2 %d ; ", -DVM_ECLOSED);
	expect(j, text);
}

static void who_waits_for_the_dead_is_told_once(void **state)
{
	struct job *j = *state;
	char text[64];

	shep_peers_lookup(j->peers, 0, 4);
	expect(j, "ask 13: 4; ");
	shep_peers_changed(j->peers, 4); /* nothing has */
	expect(j, "");
	shep_jobmap_mark(j->map, 4, DVMI_RANK_GONE);
	shep_peers_changed(j->peers, 4);
	snprintf(text, sizeof text, "answer 0: 4 %d ; ", -DVM_EPEERLOST);
	expect(j, text);
	shep_peers_changed(j->peers, 4);
	expect(j, "");
	assert_int_equal(shep_peers_ask_again(j->peers), 0);
	shep_peers_changed(j->peers, 99);
}

static void who_has_left_is_not_answered(void **state)
{
	struct job *j = *state;

	shep_peers_lookup(j->peers, 0, 1);
	shep_peers_lookup(j->peers, 1, 1);
	shep_peers_forget(j->peers, 0);
	j->said[0] = 0;
	message(j, 12, ADDRESS, 1, 0, "x");
	expect(j, "answer 1: 1 0 x; ");
}

static void what_makes_no_sense_is_dropped(void **state)
{
	struct job *j = *state;
	char big[DVMI_RANK_ADDR_MAX + 2];

	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = 0;
	shep_peers_lookup(j->peers, 0, 1);
	expect(j, "ask 12: 1; ");
	message(j, 13, ADDRESS, 1, 0, "lie");  /* not its rank */
	message(j, 11, ADDRESS, 1, 0, "self"); /* from ourselves */
	message(j, 99, ADDRESS, 1, 0, "who");  /* not of the job */
	message(j, 12, ADDRESS, 1, 0, "");
	message(j, 12, ADDRESS, 1, 0, big);
	message(j, 12, ADDRESS, 3, 0, "unasked");
	message(j, 12, ADDRESS, 99, 0, "no rank");
	message(j, 12, LOOKUP, 3, 0, ""); /* not ours to answer */
	message(j, 12, LOOKUP, 99, 0, "");
	message(j, 12, PB__PEER_MESSAGE__KIND__STATES, 2, 0, "");
	expect(j, "");
	shep_peers_lookup(j->peers, 0, 5);
	char text[64];
	snprintf(text, sizeof text, "answer 0: 5 %d ; ", -EINVAL);
	expect(j, text);
	message(j, 12, ADDRESS, 1, 7, ""); /* no error is positive */
	snprintf(text, sizeof text, "answer 0: 1 %d ; ", -DVM_EPROTO);
	expect(j, text);
}

/* Any storm of messages leaves it able to answer one honest question. */
static void a_storm_is_weathered(void **state)
{
	struct job *j = *state;
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, 42);
	for (int i = 0; i < 20000; i++) {
		uint32_t rank = (uint32_t)dvmi_rng_below(&rng, 7);
		uint32_t local = (uint32_t)dvmi_rng_below(&rng, 2);
		j->said[0] = 0;
		switch (dvmi_rng_below(&rng, 5)) {
		case 0:
			shep_peers_lookup(j->peers, local, rank);
			break;
		case 1:
			shep_peers_forget(j->peers, local);
			break;
		case 2:
			shep_peers_ask_again(j->peers);
			break;
		default:
			message(j, 10 + (uint32_t)dvmi_rng_below(&rng, 5),
				(Pb__PeerMessage__Kind)dvmi_rng_below(&rng, 3), rank,
				dvmi_rng_below(&rng, 4) ? 0 : -5, "addr");
		}
	}
	j->said[0] = 0;
	shep_peers_publish(j->peers, 2, (const uint8_t *)"final", 5);
	j->said[0] = 0;
	shep_peers_lookup(j->peers, 0, 2);
	expect(j, "answer 0: 2 0 final; ");
}

/* ---- between jobs ---- */

static void on_send_linked(const Pb__PeerMessage *m, void *arg)
{
	say(arg, "%s %llu.%u from %llu.%u: %u %d %.*s; ",
	    m->kind == PB__PEER_MESSAGE__KIND__LOOKUP ? "ask" : "tell", (unsigned long long)m->job,
	    m->to, (unsigned long long)m->from_job, m->from, m->rank, m->code, (int)m->address.len,
	    (const char *)m->address.data);
}

/* Job 5, seen from node 12 by job 8; or by itself from node 11. */
static void make_linked(struct job *j, uint64_t own)
{
	const struct shep_peers_config config = { .job = 5,
						  .own = own,
						  .node = own ? 12 : 11,
						  .map = j->map,
						  .node_ids = ids,
						  .answer = on_answer,
						  .wanted = on_wanted,
						  .send = on_send_linked,
						  .arg = j };

	shep_peers_destroy(j->peers);
	assert_int_equal(shep_peers_create(&j->peers, &config), 0);
}

static void foreign(struct job *j, uint64_t job, uint32_t from, Pb__PeerMessage__Kind kind,
		    uint32_t rank, const char *addr)
{
	Pb__PeerMessage m = PB__PEER_MESSAGE__INIT;

	m.from_job = job;
	m.from = from;
	m.kind = kind;
	m.rank = rank;
	m.address = (ProtobufCBinaryData){ .len = strlen(addr), .data = (uint8_t *)addr };
	shep_peers_message(j->peers, &m);
}

static void ranks_of_a_linked_job_are_asked_for_wherever_they_are(void **state)
{
	struct job *j = *state;

	make_linked(j, 8);
	shep_peers_lookup(j->peers, 0, 0);
	expect(j, "ask 5.11 from 8.12: 0 0 ; ");
	shep_peers_lookup(j->peers, 1, 1); /* on this very node, and not ours */
	expect(j, "ask 5.12 from 8.12: 1 0 ; ");
	assert_int_equal(shep_peers_ask_again(j->peers), 2);
	j->said[0] = 0;
	foreign(j, 5, 13, ADDRESS, 0, "liar"); /* that node speaks for rank 4 alone */
	expect(j, "");
	foreign(j, 5, 11, ADDRESS, 0, "there");
	foreign(j, 5, 12, ADDRESS, 1, "near");
	expect(j, "answer 0: 0 0 there; answer 1: 1 0 near; ");
	foreign(j, 5, 11, LOOKUP, 1, ""); /* nobody asks us for their ranks */
	expect(j, "");
	assert_int_equal(shep_peers_ask_again(j->peers), 0);
}

static void shepherds_of_other_jobs_are_answered(void **state)
{
	struct job *j = *state;

	make_linked(j, 0);
	foreign(j, 8, 12, LOOKUP, 2, "");
	expect(j, "wanted 1; ");
	foreign(j, 9, 12, LOOKUP, 2, "");
	foreign(j, 9, 12, LOOKUP, 2, "");
	foreign(j, 9, 12, LOOKUP, 1, ""); /* not on this node */
	foreign(j, 9, 12, LOOKUP, 99, "");
	foreign(j, 9, 12, ADDRESS, 2, "liar");
	assert_true(shep_peers_is_wanted(j->peers, 2));
	j->said[0] = 0;
	shep_peers_publish(j->peers, 2, (const uint8_t *)"here", 4);
	expect(j, "tell 8.12 from 5.11: 2 0 here; tell 9.12 from 5.11: 2 0 here; ");
	assert_false(shep_peers_is_wanted(j->peers, 2));
	foreign(j, 9, 13, LOOKUP, 2, "");
	expect(j, "tell 9.13 from 5.11: 2 0 here; ");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_question_for_all_who_ask),
		T(ranks_of_one_node_find_each_other_too),
		T(questions_from_elsewhere_wait_for_the_rank),
		T(who_waits_for_the_dead_is_told_once),
		T(who_has_left_is_not_answered),
		T(what_makes_no_sense_is_dropped),
		T(a_storm_is_weathered),
		T(ranks_of_a_linked_job_are_asked_for_wherever_they_are),
		T(shepherds_of_other_jobs_are_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
