/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Long messages from memory to memory: several engines in one process over fab_loop, where packets
 * are refused and delayed, and copies fail, at random.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "libdvm/net/fab_loop.h"
#include "libdvm/net/split.h"
#include "libdvm/net/wire.h"
#include "libdvm/src/p2p.h"
#include "tests/unit/cm.h"

enum { RANKS = 3, LONG = 300000 };

struct world {
	struct dvmi_loop *l;
	struct dvmi_p2p p[RANKS];
	struct dvmi_tport *t[RANKS];
};

static struct dvmi_tport *route(void *arg, uint32_t peer)
{
	return *(struct dvmi_tport **)arg;
}

static void open_world(struct world *w, const struct dvmi_loop_config *more)
{
	struct dvmi_loop_config cfg = *more;

	cfg.n = RANKS;
	cfg.eager_max = 500;
	cfg.chunk = 20000;
	cfg.copies = true;
	*w = (struct world){ .l = dvmi_loop_create(&cfg) };
	assert_non_null(w->l);
	for (uint32_t i = 0; i < RANKS; i++) {
		assert_int_equal(dvmi_p2p_init(&w->p[i], i, RANKS, route, &w->t[i]), 0);
		assert_int_equal(dvmi_loop_end(w->l, i, dvmi_p2p_sink(&w->p[i]), &w->t[i]), 0);
	}
}

static void close_world(struct world *w)
{
	for (uint32_t i = 0; i < RANKS; i++) {
		assert_int_equal(w->p[i].pulling, 0);
		for (uint32_t k = 0; k < RANKS; k++)
			if (w->p[i].peers[k].copier)
				assert_int_equal(w->p[i].peers[k].copier->used, 0);
		dvmi_p2p_fini(&w->p[i]);
		dvmi_tport_destroy(w->t[i]);
	}
	dvmi_loop_destroy(w->l);
}

static void turn(struct world *w, uint32_t i)
{
	w->t[i]->ops->progress(w->t[i]);
	dvmi_p2p_flush(&w->p[i]);
}

static void until_done(struct world *w, struct dvmi_op *op)
{
	for (int i = 0; i < 100000 && !dvmi_op_done(op); i++)
		for (uint32_t k = 0; k < RANKS; k++)
			turn(w, k);
	assert_true(dvmi_op_done(op));
}

static struct dvmi_match_key from(int32_t source, int32_t tag)
{
	return (struct dvmi_match_key){ .source = source, .tag = tag };
}

static uint8_t *pattern(size_t n, uint64_t seed)
{
	uint8_t *buf = malloc(n + 1);

	for (size_t i = 0; i < n; i++)
		buf[i] = (uint8_t)(seed * 31 + i * 7 + (i >> 8));
	return buf;
}

struct item {
	struct dvmi_op send, recv;
	uint8_t *out, *in;
	size_t len, room;
};

static void start(struct world *w, struct item *x, uint32_t i, uint32_t k, int tag, bool first)
{
	struct dvmi_match_key key = from((int32_t)i, tag);

	if (first)
		dvmi_p2p_recv(&w->p[k], &x->recv, &key, x->in, x->room);
	dvmi_p2p_send(&w->p[i], &x->send, k, 0, tag, x->out, x->len);
	if (!first)
		dvmi_p2p_recv(&w->p[k], &x->recv, &key, x->in, x->room);
}

static void check(struct world *w, struct item *x)
{
	size_t n = x->len < x->room ? x->len : x->room;

	until_done(w, &x->recv);
	until_done(w, &x->send);
	assert_int_equal(x->recv.code, x->len > x->room ? -DVM_ETRUNC : 0);
	assert_int_equal(x->send.code, 0);
	assert_int_equal(x->recv.total, x->len);
	assert_memory_equal(x->in, x->out, n);
	assert_int_equal(x->in[x->room], 0x5a);
	free(x->in);
	free(x->out);
}

/* Messages of each ordered pair of ranks, some truncated, some to oneself. */
static uint64_t random_program(uint64_t seed, uint32_t fail_pct)
{
	enum { MSGS = 12 };
	static const size_t most[] = { 600, 40000, 100000, LONG };
	struct dvmi_loop_config cfg = { .seed = seed,
					.refuse_pct = seed % 2 ? 40 : 0,
					.hold_pct = 20,
					.pull_fail_pct = fail_pct,
					.push_fail_pct = fail_pct };
	struct item *it = calloc(RANKS * RANKS * MSGS, sizeof *it), *x = it;
	struct dvmi_rng rng;
	struct world w;
	uint64_t copied = 0;

	dvmi_rng_seed(&rng, seed);
	open_world(&w, &cfg);
	for (int m = 0; m < MSGS; m++)
		for (uint32_t i = 0; i < RANKS * RANKS; i++, x++) {
			x->len = dvmi_rng_below(&rng, most[dvmi_rng_below(&rng, 4)]);
			x->room = dvmi_rng_below(&rng, 5) ? LONG : dvmi_rng_below(&rng, LONG);
			x->out = pattern(x->len, seed + (uint64_t)m + i);
			x->in = malloc(LONG + 1);
			x->in[x->room] = 0x5a;
			start(&w, x, i / RANKS, i % RANKS, m, dvmi_rng_below(&rng, 2));
			for (uint64_t n = dvmi_rng_below(&rng, 8); n; n--)
				turn(&w, (uint32_t)dvmi_rng_below(&rng, RANKS));
		}
	for (int i = 0; i < RANKS * RANKS * MSGS; i++)
		check(&w, &it[i]);
	for (uint32_t i = 0; i < RANKS; i++) {
		copied += w.p[i].stats.copied;
		assert_int_equal(w.p[i].stats.dropped, 0);
	}
	free(it);
	close_world(&w);
	return copied;
}

static void random_programs(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		assert_true(random_program(seed, 0) > 10);
}

static void copies_that_fail_become_streams(void **state)
{
	for (uint64_t seed = 1; seed <= 15; seed++)
		random_program(seed, 30);
	assert_int_equal(random_program(99, 100), 0);
}

struct transfer {
	struct world w;
	struct dvmi_op send, recv;
	uint8_t *out, *in;
};

/* A long message of rank 0 to rank 1: until the receiver has read one chunk. */
static void begin(struct transfer *x)
{
	struct dvmi_loop_config cfg = { .seed = 1 };
	struct dvmi_match_key key = from(0, 1);

	open_world(&x->w, &cfg);
	x->out = pattern(1 << 20, 1);
	x->in = calloc(1 << 20, 1);
	dvmi_p2p_recv(&x->w.p[1], &x->recv, &key, x->in, 1 << 20);
	dvmi_p2p_send(&x->w.p[0], &x->send, 1, 0, 1, x->out, 1 << 20);
	while (x->recv.stage != DVMI_OP_PULL)
		x->w.t[1]->ops->progress(x->w.t[1]);
	dvmi_p2p_flush(&x->w.p[1]);
}

/* And until the sender has written one. */
static void join(struct transfer *x)
{
	while (x->send.stage != DVMI_OP_PUSH)
		x->w.t[0]->ops->progress(x->w.t[0]);
	dvmi_p2p_flush(&x->w.p[0]);
	assert_memory_equal(x->in + (3 << 18), x->out + (3 << 18), 1 << 18);
	assert_int_equal(x->recv.stage, DVMI_OP_PULL);
}

static void end(struct transfer *x)
{
	free(x->out);
	free(x->in);
	close_world(&x->w);
}

static void an_absent_sender_is_not_missed(void **state)
{
	struct transfer x;

	begin(&x);
	for (int i = 0; i < 10; i++)
		turn(&x.w, 1);
	assert_true(dvmi_op_done(&x.recv) && x.recv.code == 0);
	assert_memory_equal(x.in, x.out, 1 << 20);
	until_done(&x.w, &x.send);
	assert_int_equal(x.send.code, 0);
	end(&x);
}

/* Each way to end it half-way, on each side: nobody touches a buffer any more. */
static void who_gives_up_is_left_alone(void **state)
{
	for (int how = 0; how < 6; how++) {
		struct transfer x;
		uint32_t who = how % 2, other = 1 - who;
		begin(&x);
		if (how >= 2)
			join(&x);
		struct dvmi_op *mine = who ? &x.recv : &x.send, *yours = who ? &x.send : &x.recv;
		if (how < 4)
			dvmi_p2p_abandon(&x.w.p[who], mine);
		else
			dvmi_p2p_revoke(&x.w.p[who], 0, -DVM_EPEERLOST);
		assert_true(dvmi_op_done(mine) && mine->code < 0);
		memset(who ? x.in : x.out, 0xee, 1 << 20);
		for (int i = 0; i < 20; i++)
			for (uint32_t k = 0; k < RANKS; k++)
				turn(&x.w, k);
		if (who)
			for (int i = 0; i < 1 << 20; i += 4096)
				assert_int_equal(x.in[i], 0xee);
		else
			assert_false(dvmi_op_done(yours) && yours->code == 0);
		dvmi_p2p_down(&x.w.p[other], who, -DVM_ECLOSED);
		assert_true(dvmi_op_done(yours) && yours->code < 0);
		end(&x);
	}
}

static void who_loses_the_peer_is_told(void **state)
{
	for (int how = 0; how < 4; how++) {
		struct transfer x;
		uint32_t victim = how % 2, other = 1 - victim;
		begin(&x);
		if (how >= 2)
			join(&x);
		dvmi_loop_cut(x.w.l, victim);
		for (int i = 0; i < 20; i++)
			turn(&x.w, other);
		struct dvmi_op *op = other ? &x.recv : &x.send;
		assert_false(dvmi_op_done(op));
		dvmi_p2p_down(&x.w.p[other], victim, -DVM_EPEERLOST);
		assert_true(dvmi_op_done(op) && op->code == -DVM_EPEERLOST);
		dvmi_p2p_all_down(&x.w.p[victim], -DVM_EPEERLOST);
		end(&x);
	}
}

/* More messages than slots: the rest goes as a stream. */
static void slots_run_out(void **state)
{
	enum { N = DVMI_TPORT_SPLITS + 5, LEN = 40000 };
	struct dvmi_loop_config cfg = { .seed = 1 };
	struct item *it = calloc(N, sizeof *it);
	struct world w;

	open_world(&w, &cfg);
	for (int i = 0; i < N; i++) {
		it[i] = (struct item){ .len = LEN, .room = LEN, .out = pattern(LEN, (uint64_t)i) };
		it[i].in = malloc(LEN + 1);
		it[i].in[LEN] = 0x5a;
		dvmi_p2p_send(&w.p[0], &it[i].send, 1, 0, i, it[i].out, LEN);
	}
	assert_true(it[DVMI_TPORT_SPLITS - 1].send.offered);
	assert_false(it[DVMI_TPORT_SPLITS].send.offered);
	for (int i = 0; i < N; i++) {
		struct dvmi_match_key key = from(0, i);
		dvmi_p2p_recv(&w.p[1], &it[i].recv, &key, it[i].in, LEN);
	}
	for (int i = 0; i < N; i++)
		check(&w, &it[i]);
	assert_int_equal(w.p[1].stats.copied, DVMI_TPORT_SPLITS);
	free(it);
	close_world(&w);
}

/* What an honest receiver would not say: dropped, and the message still goes. */
static void nonsense_is_dropped(void **state)
{
	struct dvmi_loop_config cfg = { .seed = 1 };
	struct world w;
	uint8_t *out = pattern(LONG, 1), *in = malloc(LONG);
	struct dvmi_op s;
	struct dvmi_match_key key = from(0, 1);

	open_world(&w, &cfg);
	struct dvmi_sink sink = dvmi_p2p_sink(&w.p[0]);
	dvmi_p2p_send(&w.p[0], &s, 1, 0, 1, out, LONG);
	struct dvmi_wire_join bad[] = {
		{ .sender = s.id, .receiver = 1, .want = LONG + 1, .addr = 4096 },
		{ .sender = s.id, .receiver = 1, .want = 0, .addr = 4096 },
		{ .sender = s.id, .receiver = 1, .want = LONG, .addr = UINT64_MAX - 10 },
		{ .sender = s.id + 1, .receiver = 1, .want = LONG, .addr = 4096 },
	};
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_JOIN, .len = sizeof bad[0] };
	struct dvmi_wire_join j;
	for (size_t i = 0; i < 4; i++) {
		dvmi_wire_put_join(&j, &bad[i]);
		assert_int_equal(sink.packet(sink.arg, 1, &pkt, &j), 0);
	}
	bad[0].want = LONG;
	dvmi_wire_put_join(&j, &bad[0]);
	assert_int_equal(sink.packet(sink.arg, 2, &pkt, &j), 0); /* of another rank */
	pkt.len--;
	assert_int_equal(sink.packet(sink.arg, 1, &pkt, &j), 0);
	pkt = (struct dvmi_pkt){ .kind = DVMI_PKT_DONE };
	dvmi_pkt_set64(&pkt, s.id);
	assert_int_equal(sink.packet(sink.arg, 2, &pkt, NULL), 0);
	dvmi_pkt_set64(&pkt, s.id + 1);
	assert_int_equal(sink.packet(sink.arg, 1, &pkt, NULL), 0);
	assert_int_equal(w.p[0].stats.dropped, 8);
	assert_false(dvmi_op_done(&s));
	struct item x = { .len = LONG, .room = LONG - 1, .out = out, .in = in };
	in[LONG - 1] = 0x5a;
	x.send = s;
	dvmi_p2p_recv(&w.p[1], &x.recv, &key, in, LONG - 1);
	until_done(&w, &x.recv);
	until_done(&w, &s);
	assert_memory_equal(in, out, LONG - 1);
	free(in);
	free(out);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_programs),
		cmocka_unit_test(copies_that_fail_become_streams),
		cmocka_unit_test(an_absent_sender_is_not_missed),
		cmocka_unit_test(who_gives_up_is_left_alone),
		cmocka_unit_test(who_loses_the_peer_is_told),
		cmocka_unit_test(slots_run_out),
		cmocka_unit_test(nonsense_is_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
