/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The protocol beyond the plain send: synchronous ones, matched probes, memory in pieces, detached
 * operations; each also when the other end goes away.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "libdvm/net/wire.h"
#include "libdvm/src/p2p_private.h"
#include "tests/unit/p2p_world.h"

static struct dvmi_mem flat(void *buf, size_t len)
{
	return (struct dvmi_mem){ .buf = buf, .len = len };
}

static void ssend(struct world *w, uint32_t i, struct dvmi_op *op, uint32_t to, void *buf, size_t n)
{
	struct dvmi_mem mem = flat(buf, n);

	dvmi_p2p_send_from(&w->p[i], op, to, 0, 1, &mem, true);
}

static void a_synchronous_send_waits_for_its_receive(void **state)
{
	static const size_t sizes[] = { 0, 10, 484, 485, 5000 };
	struct world w;
	uint8_t out[5000], in[5000];
	struct dvmi_op s, r;
	struct dvmi_match_key key = from(0, 1);

	open_world(&w, 2, 1, 0, 0);
	for (int i = 0; i < 10; i++) {
		size_t n = sizes[i / 2];
		pattern(out, n, (uint64_t)i);
		memset(in, 0, sizeof in);
		if (i % 2)
			dvmi_p2p_recv(&w.p[1], &r, &key, in, sizeof in);
		ssend(&w, 0, &s, 1, out, n);
		turns(&w, i % 2 ? 0 : 10);
		assert_false(dvmi_op_done(&s));
		if (i % 2 == 0)
			dvmi_p2p_recv(&w.p[1], &r, &key, in, sizeof in);
		until_done(&w, &s);
		until_done(&w, &r);
		assert_true(s.code == 0 && r.code == 0 && r.total == n);
		assert_memory_equal(in, out, n);
	}
	/* Those with bytes in front of the others cost credit. */
	assert_int_equal(w.p[0].stats.rendezvous, 4);
	assert_int_equal(w.p[0].stats.dropped + w.p[1].stats.dropped, 0);
	close_world(&w);
}

static void a_truncated_synchronous_message_is_answered(void **state)
{
	struct world w;
	uint8_t out[5000] = { 1 }, in[4];
	struct dvmi_op s, r;
	struct dvmi_match_key key = from(0, 1);

	open_world(&w, 2, 1, 30, 30);
	for (int i = 0; i < 2; i++) {
		ssend(&w, 0, &s, 1, out, i ? 5000 : 100);
		dvmi_p2p_recv(&w.p[1], &r, &key, in, i ? 4 : 0);
		until_done(&w, &r);
		until_done(&w, &s);
		assert_int_equal(r.code, -DVM_ETRUNC);
		assert_int_equal(s.code, 0);
	}
	close_world(&w);
}

static void to_oneself_synchronously(void **state)
{
	struct world w;
	uint8_t out[5000] = { 3 }, in[5000];
	struct dvmi_op s, r;
	struct dvmi_match_key key = from(0, 1);
	struct dvmi_unexpected *u;

	open_world(&w, 1, 1, 0, 0);
	for (size_t n = 50; n <= 5000; n *= 100) {
		dvmi_p2p_recv(&w.p[0], &r, &key, in, sizeof in);
		ssend(&w, 0, &s, 0, out, n);
		until_done(&w, &s);
		until_done(&w, &r);
		assert_true(s.code == 0 && r.code == 0);
		/* Nobody else can receive it: hopeless, and what was kept or taken is gone. */
		ssend(&w, 0, &s, 0, out, n);
		turns(&w, 3);
		assert_true(dvmi_p2p_hopeless(&w.p[0], &s));
		assert_int_equal(s.code, -EDEADLK);
		assert_int_equal(w.p[0].match.nmsgs, 0);
		ssend(&w, 0, &s, 0, out, n);
		turns(&w, 3);
		assert_int_equal(dvmi_p2p_take(&w.p[0], &key, &u), 1);
		assert_true(dvmi_p2p_hopeless(&w.p[0], &s));
		struct dvmi_mem mem = flat(in, sizeof in);
		dvmi_p2p_mrecv(&w.p[0], &r, u, &mem);
		assert_true(dvmi_op_done(&r) && r.code == -EDEADLK);
		assert_int_equal(w.p[0].peers[0].held, 0);
	}
	close_world(&w);
}

/* Longer than any packet, from one piece and from several: the send is done at once. */
static void to_oneself_buffered(void **state)
{
	struct world w;
	uint8_t out[6000], in[3000], want[3000];
	dvm_layout_t *l;
	struct dvmi_op s, r;
	struct dvmi_match_key key = from(0, 1);

	open_world(&w, 1, 1, 0, 0);
	assert_int_equal(dvm_layout_hvector(&l, 3000, 1, 2, dvm_layout_of(DVM_INT8)), 0);
	struct dvmi_cursor *cur = malloc(dvmi_cursor_size(l));
	dvmi_cursor_init(cur, out, 1, l);
	pattern(out, sizeof out, 4);
	for (int i = 0; i < 4; i++) {
		struct dvmi_mem mem = { .buf = out, .len = 3000, .cur = i / 2 ? cur : NULL };
		if (i / 2)
			assert_int_equal(dvm_layout_pack(out, 1, l, want, 3000), 0);
		else
			memcpy(want, out, 3000);
		if (i % 2)
			dvmi_p2p_recv(&w.p[0], &r, &key, in, sizeof in);
		dvmi_cursor_rewind(cur);
		dvmi_p2p_send_from(&w.p[0], &s, 0, 0, 1, &mem, false);
		assert_true(dvmi_op_done(&s) && s.code == 0);
		if (i % 2 == 0)
			dvmi_p2p_recv(&w.p[0], &r, &key, in, sizeof in);
		assert_true(dvmi_op_done(&r) && r.code == 0 && r.total == 3000);
		assert_memory_equal(in, want, 3000);
	}
	assert_int_equal(w.p[0].peers[0].held, 0);
	dvmi_cursor_fini(cur);
	free(cur);
	dvm_layout_free(l);
	close_world(&w);
}

/* Those that have no credit are announced without their bytes; all are received in order. */
static void a_synchronous_flood_is_bounded_by_the_credit(void **state)
{
	enum { N = 20000, LEN = 400 };
	struct world w;
	uint8_t buf[LEN] = { 0 }, in[LEN];
	struct dvmi_op *ops = calloc(N, sizeof *ops), r;
	struct dvmi_match_key key = from(0, 1);

	open_world(&w, 2, 1, 0, 0);
	for (int i = 0; i < N; i++)
		ssend(&w, 0, &ops[i], 1, buf, LEN);
	turns(&w, 2 * N);
	assert_int_equal(w.p[1].stats.unexpected, N);
	assert_true(w.p[0].stats.rendezvous > N / 2 && w.p[0].stats.rendezvous < N);
	assert_true(w.p[1].peers[0].held <= w.p[1].credit);
	for (int i = 0; i < N; i++) {
		assert_false(dvmi_op_done(&ops[i]));
		dvmi_p2p_recv(&w.p[1], &r, &key, in, LEN);
		until_done(&w, &r);
		until_done(&w, &ops[i]);
		assert_true(r.code == 0 && ops[i].code == 0);
	}
	assert_int_equal(w.p[1].peers[0].held, 0);
	free(ops);
	close_world(&w);
}

static void a_taken_message_is_out_of_matching(void **state)
{
	struct world w;
	uint8_t out[2][3000], in[3000];
	struct dvmi_op s[3], r;
	struct dvmi_match_key key = from(0, 1), any = from(DVMI_MATCH_ANY, DVMI_MATCH_ANY);
	struct dvmi_unexpected *u[3] = { NULL };
	struct dvmi_mem mem = flat(in, sizeof in);

	open_world(&w, 2, 1, 0, 0);
	for (int round = 0; round < 2; round++) {
		size_t n = round ? 3000 : 100;
		pattern(out[0], n, 1);
		pattern(out[1], n, 2);
		assert_int_equal(dvmi_p2p_take(&w.p[1], &key, &u[0]), 0);
		dvmi_p2p_send(&w.p[0], &s[0], 1, 0, 1, out[0], n);
		dvmi_p2p_send(&w.p[0], &s[1], 1, 0, 1, out[1], n);
		turns(&w, 10);
		assert_int_equal(dvmi_p2p_take(&w.p[1], &any, &u[0]), 1);
		assert_int_equal(dvmi_p2p_take(&w.p[1], &key, &u[1]), 1);
		assert_int_equal(dvmi_p2p_take(&w.p[1], &any, &u[2]), 0);
		assert_int_equal(w.p[1].match.nmsgs, 0);
		/* In the other order. */
		for (int i = 1; i >= 0; i--) {
			dvmi_p2p_mrecv(&w.p[1], &r, u[i], &mem);
			until_done(&w, &r);
			assert_true(r.code == 0 && r.total == n && r.tag == 1 && r.peer == 0);
			assert_memory_equal(in, out[i], n);
		}
		until_done(&w, &s[0]);
		until_done(&w, &s[1]);
	}
	assert_int_equal(w.p[1].peers[0].held, 0);
	/* One that is never received ends with the engine. */
	dvmi_p2p_send(&w.p[0], &s[0], 1, 0, 1, out[0], 3000);
	dvmi_p2p_send(&w.p[0], &s[1], 1, 0, 1, out[0], 10);
	turns(&w, 5);
	assert_int_equal(dvmi_p2p_take(&w.p[1], &key, &u[0]), 1);
	close_world(&w);
}

static void a_taken_message_of_a_lost_sender(void **state)
{
	struct world w;
	uint8_t buf[3000] = { 0 };
	struct dvmi_op s[3], r;
	struct dvmi_match_key key = from(0, 1);
	struct dvmi_unexpected *u[3];
	struct dvmi_mem mem = flat(buf, sizeof buf);

	open_world(&w, 3, 1, 0, 0);
	dvmi_p2p_send(&w.p[0], &s[0], 1, 0, 1, buf, 3000);
	dvmi_p2p_send(&w.p[0], &s[1], 1, 0, 1, buf, 30);
	ssend(&w, 0, &s[2], 1, buf, 30);
	turns(&w, 5);
	for (int i = 0; i < 3; i++)
		assert_int_equal(dvmi_p2p_take(&w.p[1], &key, &u[i]), 1);
	dvmi_p2p_down(&w.p[1], 0, -DVM_EPEERLOST);
	for (int i = 0; i < 3; i++) {
		dvmi_p2p_mrecv(&w.p[1], &r, u[i], &mem);
		assert_true(dvmi_op_done(&r));
		/* What had come is received all the same. */
		assert_int_equal(r.code, i ? 0 : -DVM_EPEERLOST);
	}
	assert_int_equal(dvmi_p2p_take(&w.p[1], &key, &u[0]), -DVM_EPEERLOST);
	/* A context that is revoked takes the taken ones with it. */
	dvmi_p2p_send(&w.p[2], &s[0], 1, 7, 1, buf, 30);
	turns(&w, 5);
	struct dvmi_match_key k7 = { .ctx = 7, .source = 2, .tag = 1 };
	assert_int_equal(dvmi_p2p_take(&w.p[1], &k7, &u[0]), 1);
	dvmi_p2p_revoke(&w.p[1], 7, -DVM_EREVOKED);
	dvmi_p2p_mrecv(&w.p[1], &r, u[0], &mem);
	assert_true(dvmi_op_done(&r) && r.code == -DVM_EREVOKED);
	assert_int_equal(w.p[1].peers[2].held, 0);
	close_world(&w);
}

/* A synchronous send in each stage, and a receive that has its bytes but cannot answer. */
static void whoever_waits_for_an_answer_ends(void **state)
{
	struct world w;
	uint8_t buf[3000] = { 0 }, in[3000];
	struct dvmi_op s[4], r;
	struct dvmi_match_key key = from(0, 1);

	open_world(&w, 2, 1, 0, 0);
	ssend(&w, 0, &s[0], 1, buf, 10);
	ssend(&w, 0, &s[1], 1, buf, 3000);
	turns(&w, 5);
	dvmi_p2p_down(&w.p[0], 1, -DVM_ECLOSED);
	for (int i = 0; i < 2; i++)
		assert_true(dvmi_op_done(&s[i]) && s[i].code == -DVM_ECLOSED);
	ssend(&w, 0, &s[2], 1, buf, 10);
	assert_true(dvmi_op_done(&s[2]) && s[2].code == -DVM_ECLOSED);
	/* Nothing of rank 1 gets out any more: the answer waits. */
	close_world(&w);
	open_world(&w, 2, 1, 100, 0);
	struct dvmi_sink sink = dvmi_p2p_sink(&w.p[1]);
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_SYNC, .tag = 1, .len = 26 };
	dvmi_wire_put_rts((struct dvmi_wire_rts *)buf, 10, 5);
	assert_int_equal(sink.packet(sink.arg, 0, &pkt, buf), 0);
	dvmi_p2p_recv(&w.p[1], &r, &key, in, sizeof in);
	assert_false(dvmi_op_done(&r));
	dvmi_p2p_down(&w.p[1], 0, -DVM_EPEERLOST);
	assert_true(dvmi_op_done(&r) && r.code == 0 && r.total == 10);
	close_world(&w);
}

static void nonsense_is_dropped(void **state)
{
	struct world w;
	uint8_t buf[100] = { 0 };
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_SYNC, .len = 15 };
	int n = 0;

	open_world(&w, 2, 1, 0, 0);
	struct dvmi_sink sink = dvmi_p2p_sink(&w.p[0]);
	dvmi_wire_put_rts((struct dvmi_wire_rts *)buf, 11, 5);
	assert_int_equal(sink.packet(sink.arg, 1, &pkt, buf), 0); /* cut */
	pkt.len = 26;
	assert_int_equal(sink.packet(sink.arg, 1, &pkt, buf), 0); /* another length */
	dvmi_wire_put_rts((struct dvmi_wire_rts *)buf, 10, 0);
	assert_int_equal(sink.packet(sink.arg, 1, &pkt, buf), 0); /* no number */
	assert_int_equal(w.p[0].stats.dropped, 3);
	/* It keeps to its credit like all others. */
	dvmi_wire_put_rts((struct dvmi_wire_rts *)buf, 10, 5);
	for (; n < 1000000 && !w.p[0].peers[1].down; n++)
		assert_int_equal(sink.packet(sink.arg, 1, &pkt, buf), 0);
	assert_int_equal(w.p[0].peers[1].down, -DVM_EPROTO);
	close_world(&w);
}

static void detached_operations_are_handed_over(void **state)
{
	enum { N = 5 };
	struct world w;
	uint8_t buf[3000] = { 0 };
	struct dvmi_op s[N], r;
	struct dvmi_match_key key = from(0, 1);
	int n = 0;

	open_world(&w, 2, 1, 20, 20);
	for (int i = 0; i < N; i++) {
		dvmi_p2p_send(&w.p[0], &s[i], 1, 0, 1, buf, 3000);
		s[i].detached = true;
	}
	for (int i = 0; i < 3; i++) {
		dvmi_p2p_recv(&w.p[1], &r, &key, buf, sizeof buf);
		until_done(&w, &r);
	}
	turns(&w, 50);
	dvmi_p2p_down(&w.p[0], 1, -DVM_EPEERLOST);
	for (struct dvmi_op *op = w.p[0].finished; op; op = op->next, n++)
		assert_true(dvmi_op_done(op));
	assert_int_equal(n, N);
	close_world(&w);
}

/* A vector of elements, or one piece, with what its bytes must be. */
struct shape {
	uint8_t *memory;
	struct dvmi_cursor *cur;
	dvm_layout_t *l;
	size_t count, len;
};

static void draw_shape(struct shape *s, struct dvmi_rng *r, size_t len)
{
	size_t block = 1 + dvmi_rng_below(r, 40), gap = dvmi_rng_below(r, 20);

	*s = (struct shape){ .count = (len + block - 1) / block };
	assert_int_equal(dvm_layout_hvector(&s->l, s->count, block, (int64_t)(block + gap),
					    dvm_layout_of(DVM_INT8)),
			 0);
	s->len = s->count * block;
	s->memory = calloc(s->count + 1, block + gap);
	s->cur = malloc(dvmi_cursor_size(s->l));
	dvmi_cursor_init(s->cur, s->memory, 1, s->l);
}

static void free_shape(struct shape *s)
{
	dvmi_cursor_fini(s->cur);
	dvm_layout_free(s->l);
	free(s->cur);
	free(s->memory);
}

/* Messages of all modes between memory of all kinds, received in order, some by matched probes. */
static void random_modes(uint64_t seed)
{
	enum { MSGS = 40, LEN = 4000 };
	struct world w;
	struct dvmi_rng rng;
	uint8_t *want = malloc(2 * LEN), *got = malloc(2 * LEN);

	dvmi_rng_seed(&rng, seed);
	open_world(&w, 2 + (uint32_t)(seed % 3), seed, seed % 2 ? 30 : 0, 20);
	for (int m = 0; m < MSGS; m++) {
		uint32_t i = dvmi_rng_below(&rng, w.n), k = dvmi_rng_below(&rng, w.n);
		struct shape out, in;
		struct dvmi_op s, r;
		struct dvmi_match_key key = from((int32_t)i, m);
		draw_shape(&out, &rng, dvmi_rng_below(&rng, m % 2 ? 500 : LEN));
		draw_shape(&in, &rng, dvmi_rng_below(&rng, 4) ? out.len : out.len / 2);
		pattern(want, out.len, (uint64_t)m);
		assert_int_equal(dvm_layout_unpack(want, out.len, out.memory, 1, out.l), 0);
		struct dvmi_mem from_mem = { .len = out.len, .cur = out.cur };
		struct dvmi_mem to_mem = { .len = in.len, .cur = in.cur };
		uint32_t how = dvmi_rng_below(&rng, 3);
		if (how == 0)
			dvmi_p2p_recv_into(&w.p[k], &r, &key, &to_mem);
		dvmi_p2p_send_from(&w.p[i], &s, k, 0, m, &from_mem, dvmi_rng_below(&rng, 2));
		turns(&w, (int)dvmi_rng_below(&rng, 5));
		if (how == 1)
			dvmi_p2p_recv_into(&w.p[k], &r, &key, &to_mem);
		struct dvmi_unexpected *u;
		for (int t = 0; how == 2; t++, turns(&w, 1)) {
			assert_true(t < 10000);
			if (dvmi_p2p_take(&w.p[k], &key, &u) == 0)
				continue;
			dvmi_p2p_mrecv(&w.p[k], &r, u, &to_mem);
			break;
		}
		until_done(&w, &r);
		until_done(&w, &s);
		assert_int_equal(s.code, 0);
		assert_int_equal(r.code, in.len < out.len ? -DVM_ETRUNC : 0);
		size_t n = in.len < out.len ? in.len : out.len;
		assert_int_equal(dvm_layout_pack(in.memory, 1, in.l, got, in.len), 0);
		assert_memory_equal(got, want, n);
		free_shape(&out);
		free_shape(&in);
	}
	for (uint32_t i = 0; i < w.n; i++)
		assert_int_equal(w.p[i].stats.dropped, 0);
	free(want);
	free(got);
	close_world(&w);
}

static void random_programs(void **state)
{
	for (uint64_t seed = 1; seed <= 60; seed++)
		random_modes(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_synchronous_send_waits_for_its_receive),
		cmocka_unit_test(a_truncated_synchronous_message_is_answered),
		cmocka_unit_test(to_oneself_synchronously),
		cmocka_unit_test(to_oneself_buffered),
		cmocka_unit_test(a_synchronous_flood_is_bounded_by_the_credit),
		cmocka_unit_test(a_taken_message_is_out_of_matching),
		cmocka_unit_test(a_taken_message_of_a_lost_sender),
		cmocka_unit_test(whoever_waits_for_an_answer_ends),
		cmocka_unit_test(nonsense_is_dropped),
		cmocka_unit_test(detached_operations_are_handed_over),
		cmocka_unit_test(random_programs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
