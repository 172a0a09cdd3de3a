/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The protocol of several ranks in one process, over a fabric that refuses and delays at random:
 * random programs, floods, and every kind of loss.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "libdvm/net/wire.h"
#include "tests/unit/p2p_world.h"

/* MSGS messages of each pair, received in order, some posted before they are sent. */
static void random_program(uint64_t seed)
{
	enum { MSGS = 60, LEN = 3000 };
	struct item {
		struct dvmi_op send, recv;
		uint8_t out[LEN], in[LEN];
		size_t len;
	};
	struct world w;
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, seed);
	open_world(&w, 2 + (uint32_t)(seed % 3), seed, seed % 2 ? 30 : 0, 20);
	struct item *it = calloc((size_t)w.n * w.n * MSGS, sizeof *it);
	for (int m = 0; m < MSGS; m++)
		for (uint32_t i = 0; i < w.n; i++)
			for (uint32_t k = 0; k < w.n; k++) {
				struct item *x = &it[((size_t)i * w.n + k) * MSGS + (size_t)m];
				struct dvmi_match_key key = from((int32_t)i, m % 3);
				x->len = dvmi_rng_below(&rng, m % 4 ? 600 : LEN);
				pattern(x->out, x->len, (uint64_t)m + i);
				bool first = dvmi_rng_below(&rng, 2);
				if (first)
					dvmi_p2p_recv(&w.p[k], &x->recv, &key, x->in, LEN);
				dvmi_p2p_send(&w.p[i], &x->send, k, 0, m % 3, x->out, x->len);
				turns(&w, (int)dvmi_rng_below(&rng, 3));
				if (!first)
					dvmi_p2p_recv(&w.p[k], &x->recv, &key, x->in, LEN);
			}
	for (size_t i = 0; i < (size_t)w.n * w.n * MSGS; i++) {
		until_done(&w, &it[i].recv);
		until_done(&w, &it[i].send);
		assert_int_equal(it[i].recv.code, 0);
		assert_int_equal(it[i].send.code, 0);
		assert_int_equal(it[i].recv.total, it[i].len);
		assert_memory_equal(it[i].in, it[i].out, it[i].len);
	}
	for (uint32_t i = 0; i < w.n; i++)
		assert_int_equal(w.p[i].stats.dropped, 0);
	free(it);
	close_world(&w);
}

static void random_programs(void **state)
{
	for (uint64_t seed = 1; seed <= 25; seed++)
		random_program(seed);
}

static void a_flood_is_bounded_by_the_credit(void **state)
{
	enum { N = 20000, LEN = 400 };
	struct world w;
	uint8_t buf[LEN] = { 0 };
	struct dvmi_op *ops = calloc(N, sizeof *ops), r;
	struct dvmi_match_key key = from(0, 1);

	open_world(&w, 2, 1, 0, 0);
	for (int i = 0; i < N; i++)
		dvmi_p2p_send(&w.p[0], &ops[i], 1, 0, 1, buf, LEN);
	turns(&w, 2 * N);
	uint64_t eager = w.p[1].stats.unexpected - w.p[0].stats.rendezvous;
	assert_int_equal(w.p[1].stats.unexpected, N);
	assert_true(eager * LEN <= w.p[0].credit);
	assert_true(eager > 100);
	for (int i = 0; i < N; i++) {
		dvmi_p2p_recv(&w.p[1], &r, &key, buf, LEN);
		until_done(&w, &r);
		assert_int_equal(r.code, 0);
	}
	turns(&w, 10);
	for (int i = 0; i < N; i++)
		assert_true(dvmi_op_done(&ops[i]) && ops[i].code == 0);
	assert_true(w.p[0].peers[1].unread < w.p[0].credit);
	free(ops);
	close_world(&w);
}

/* Every stage of a send and a receive with a peer that then goes down. */
static void whatever_waits_for_a_lost_peer_ends(void **state)
{
	struct world w;
	uint8_t buf[5000] = { 0 };
	struct dvmi_op posted, any, announced, eager, streaming, incoming, asks;
	struct dvmi_match_key key = from(1, 1), every = from(DVMI_MATCH_ANY, 1);

	open_world(&w, 2, 1, 0, 0);
	/* Long ones under way in both directions. */
	struct dvmi_op peer_recv, peer_send;
	struct dvmi_match_key k3 = from(0, 3), k4 = from(1, 4);
	dvmi_p2p_recv(&w.p[1], &peer_recv, &k3, buf, sizeof buf);
	dvmi_p2p_send(&w.p[1], &peer_send, 0, 0, 4, buf, sizeof buf);
	dvmi_p2p_recv(&w.p[0], &incoming, &k4, buf, sizeof buf);
	dvmi_p2p_send(&w.p[0], &streaming, 1, 0, 3, buf, sizeof buf);
	while (streaming.stage != DVMI_OP_STREAM || incoming.stage != DVMI_OP_INCOMING) {
		w.t[1]->ops->progress(w.t[1]);
		w.t[0]->ops->progress(w.t[0]);
	}
	dvmi_p2p_send(&w.p[0], &announced, 1, 0, 2, buf, sizeof buf);
	dvmi_p2p_recv(&w.p[0], &posted, &key, buf, 1);
	dvmi_p2p_recv(&w.p[0], &any, &every, buf, 1);
	assert_false(dvmi_op_done(&announced) || dvmi_op_done(&posted) || dvmi_op_done(&any));

	dvmi_p2p_down(&w.p[0], 1, -DVM_ECLOSED);
	struct dvmi_op *ended[] = { &posted, &any, &announced, &streaming, &incoming };
	for (size_t i = 0; i < sizeof ended / sizeof ended[0]; i++) {
		assert_true(dvmi_op_done(ended[i]));
		assert_int_equal(ended[i]->code, -DVM_ECLOSED);
	}
	/* And what comes later. */
	dvmi_p2p_send(&w.p[0], &eager, 1, 0, 1, buf, 1);
	assert_true(dvmi_op_done(&eager) && eager.code == -DVM_ECLOSED);
	dvmi_p2p_recv(&w.p[0], &asks, &every, buf, 1);
	assert_true(dvmi_op_done(&asks) && asks.code == -DVM_ECLOSED);
	assert_int_equal(dvmi_p2p_send_now(&w.p[0], 1, 0, 1, buf, 1), -DVM_ECLOSED);
	dvmi_p2p_flush(&w.p[0]);
	close_world(&w);
}

static void a_queue_for_a_lost_peer_is_emptied(void **state)
{
	enum { N = 10 };
	struct world w;
	struct dvmi_op ops[N];
	uint8_t buf[5000] = { 0 };

	open_world(&w, 3, 1, 100, 0); /* nothing goes out at all */
	for (int i = 0; i < N; i++)
		dvmi_p2p_send(&w.p[0], &ops[i], 1 + (uint32_t)i % 2, 0, 1, buf, i < 5 ? 10 : 5000);
	dvmi_p2p_flush(&w.p[0]);
	dvmi_p2p_down(&w.p[0], 2, -DVM_EPEERLOST);
	for (int i = 0; i < N; i++)
		assert_int_equal(dvmi_op_done(&ops[i]), i % 2);
	dvmi_p2p_abandon(&w.p[0], &ops[0]);
	dvmi_p2p_abandon(&w.p[0], &ops[6]);
	assert_true(dvmi_op_done(&ops[0]) && dvmi_op_done(&ops[6]));
	dvmi_p2p_flush(&w.p[0]);
	dvmi_p2p_all_down(&w.p[0], -DVM_EPEERLOST);
	for (int i = 0; i < N; i++)
		assert_true(dvmi_op_done(&ops[i]));
	close_world(&w);
}

static void an_announcement_of_a_lost_peer_is_forgotten(void **state)
{
	struct world w;
	struct dvmi_op s, r;
	uint8_t buf[5000] = { 0 };
	struct dvmi_match_key key = from(0, 1), any = from(DVMI_MATCH_ANY, 1);

	open_world(&w, 3, 1, 0, 0);
	dvmi_p2p_send(&w.p[0], &s, 1, 0, 1, buf, 5000);
	dvmi_p2p_send(&w.p[0], &r, 1, 0, 1, buf, 10);
	turns(&w, 5);
	dvmi_p2p_down(&w.p[1], 0, -DVM_ECLOSED);
	/* The short one was sent before and is still there. */
	dvmi_p2p_recv(&w.p[1], &r, &key, buf, 5000);
	assert_true(dvmi_op_done(&r) && r.code == 0 && r.total == 10);
	dvmi_p2p_recv(&w.p[1], &r, &any, buf, 5000);
	assert_false(dvmi_op_done(&r)); /* rank 2 lives */
	close_world(&w);
}

static void a_revoked_context_ends_everywhere(void **state)
{
	struct world w;
	struct dvmi_op r[3], other, s;
	uint8_t buf[10];
	struct dvmi_match_key key = { .ctx = 1, .source = 0, .tag = 1 }, k0 = from(0, 1);

	open_world(&w, 3, 1, 50, 50);
	for (uint32_t i = 1; i < 3; i++)
		dvmi_p2p_recv(&w.p[i], &r[i], &key, buf, 10);
	dvmi_p2p_recv(&w.p[1], &other, &k0, buf, 10);
	dvmi_p2p_revoke(&w.p[0], 1, -DVM_EPEERLOST);
	for (uint32_t i = 1; i < 3; i++) {
		until_done(&w, &r[i]);
		assert_int_equal(r[i].code, -DVM_EPEERLOST);
		assert_int_equal(dvmi_p2p_revoked(&w.p[i], 1), -DVM_EPEERLOST);
	}
	assert_false(dvmi_op_done(&other));
	dvmi_p2p_send(&w.p[2], &s, 1, 1, 1, buf, 10);
	assert_true(dvmi_op_done(&s) && s.code == -DVM_EPEERLOST);
	close_world(&w);
}

/* Packets no rank of ours would send: dropped, and nothing is harmed. */
static void nonsense_is_dropped(void **state)
{
	struct world w;
	struct dvmi_op s, r;
	uint8_t buf[5000] = { 0 };
	struct dvmi_wire_cts cts;
	struct dvmi_match_key key = from(0, 1);

	open_world(&w, 3, 1, 0, 0);
	struct dvmi_sink sink = dvmi_p2p_sink(&w.p[0]);
	dvmi_p2p_send(&w.p[0], &s, 1, 0, 1, buf, sizeof buf);
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_CTS, .len = sizeof cts };
	dvmi_wire_put_cts(&cts, s.id, 1, sizeof buf + 1); /* more than announced */
	assert_int_equal(sink.packet(sink.arg, 1, &pkt, &cts), 0);
	dvmi_wire_put_cts(&cts, s.id, 1, 10); /* from another rank */
	assert_int_equal(sink.packet(sink.arg, 2, &pkt, &cts), 0);
	dvmi_wire_put_cts(&cts, s.id + 1, 1, 10);
	assert_int_equal(sink.packet(sink.arg, 1, &pkt, &cts), 0);
	pkt.len = 3;
	assert_int_equal(sink.packet(sink.arg, 1, &pkt, &cts), 0);
	pkt = (struct dvmi_pkt){ .kind = DVMI_PKT_DATA, .len = 10 };
	dvmi_pkt_set64(&pkt, s.id);
	assert_int_equal(sink.packet(sink.arg, 1, &pkt, buf), 0);
	pkt.kind = 200;
	assert_int_equal(sink.packet(sink.arg, 1, &pkt, buf), 0);
	assert_int_equal(w.p[0].stats.dropped, 6);
	dvmi_p2p_recv(&w.p[1], &r, &key, buf, sizeof buf);
	until_done(&w, &r);
	until_done(&w, &s);
	assert_true(r.code == 0 && s.code == 0);
	close_world(&w);
}

static void who_ignores_the_credit_is_cut_off(void **state)
{
	struct world w;
	uint8_t buf[500] = { 0 };
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_EAGER, .len = sizeof buf };
	struct dvmi_op r;
	struct dvmi_match_key key = from(1, 0), none = from(1, 1);
	int n = 0;

	open_world(&w, 2, 1, 0, 0);
	struct dvmi_sink sink = dvmi_p2p_sink(&w.p[0]);
	for (; n < 100000 && !w.p[0].peers[1].down; n++)
		assert_int_equal(sink.packet(sink.arg, 1, &pkt, buf), 0);
	assert_int_equal(w.p[0].peers[1].down, -DVM_EPROTO);
	assert_true((uint64_t)n * sizeof buf <= w.p[0].credit);
	dvmi_p2p_recv(&w.p[0], &r, &key, buf, sizeof buf);
	assert_true(dvmi_op_done(&r) && r.code == 0);
	dvmi_p2p_recv(&w.p[0], &r, &none, buf, sizeof buf);
	assert_true(dvmi_op_done(&r) && r.code == -DVM_EPROTO);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_programs),
		cmocka_unit_test(a_flood_is_bounded_by_the_credit),
		cmocka_unit_test(whatever_waits_for_a_lost_peer_ends),
		cmocka_unit_test(a_queue_for_a_lost_peer_is_emptied),
		cmocka_unit_test(an_announcement_of_a_lost_peer_is_forgotten),
		cmocka_unit_test(a_revoked_context_ends_everywhere),
		cmocka_unit_test(nonsense_is_dropped),
		cmocka_unit_test(who_ignores_the_credit_is_cut_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
