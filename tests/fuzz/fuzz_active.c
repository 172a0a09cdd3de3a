/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Active messages and one-sided requests of hostile ranks, into a rank with a handler, a window and
 * operations under way. Input: any number of { source u8, kind u8, context u8, 0, tag u32,
 * length u16, bytes }. Nothing is written outside of the window or of an operation's buffer, what
 * is kept without a handler stays within bounds, and every operation ends when its peers are gone.
 */
#include <string.h>

#include "libdvm/net/fab_loop.h"
#include "libdvm/net/wire.h"
#include "libdvm/src/rma.h"
#include "libdvm/src/rma_hook.h"
#include "tests/fuzz/fuzz.h"

enum { RANKS = 4, BYTES = 256, GUARD = 64, HEADER = 10, OPS = 3 };

struct rank {
	struct dvm d;
	struct dvmi_loop *l;
	struct dvmi_tport *t;
	struct dvmi_rma rma;
	struct dvm_win w;
	struct dvmi_win_rank ranks[RANKS];
	struct dvmi_win_far far[RANKS];
	_Alignas(8) uint8_t lock[256], memory[GUARD + BYTES + GUARD], got[OPS][GUARD + 64 + GUARD];
	struct dvmi_rma_op op[OPS];
	uint64_t handled;
};

static struct dvmi_tport *route(void *arg, uint32_t peer)
{
	return ((struct rank *)arg)->t;
}

static void on_message(dvm_group_t *g, int source, const void *head, size_t head_len,
		       const void *payload, size_t len, void *arg)
{
	struct rank *r = arg;

	FUZZ_CHECK(source > 0 && source < RANKS && head_len <= DVM_AM_HEAD_MAX &&
		   len <= DVM_AM_MAX);
	FUZZ_CHECK(!head == !head_len && !payload == !len);
	if (r->handled++ % 2)
		FUZZ_CHECK(dvm_am_send(g, source, 6, head, head_len, payload, len) <= 0);
}

static void open_window(struct rank *r)
{
	r->rma.asks_tail = &r->rma.asks;
	r->d.rma = &r->rma;
	r->rma.wins = &r->w;
	r->w = (struct dvm_win){
		.ranks = r->ranks,
		.size = RANKS,
		.far = r->far,
		.g = &r->d.world,
		.d = &r->d,
		.ctx = DVMI_CTX_RMA,
	};
	for (uint32_t i = 0; i < RANKS; i++) {
		r->far[i] = (struct dvmi_win_far){ .peer = i, .offset = -1 };
		r->ranks[i].bytes = BYTES;
	}
	FUZZ_CHECK(dvmi_rma_lock_bytes(RANKS) <= sizeof r->lock);
	r->far[0].lock = (struct dvmi_rma_lock *)(void *)r->lock;
	r->ranks[0].ptr = r->memory + GUARD;
}

static void ask(struct rank *r, int i, enum dvmi_rma_kind kind, uint32_t target)
{
	r->op[i] = (struct dvmi_rma_op){
		.w = &r->w,
		.target = target,
		.kind = kind,
		.type = DVM_INT64,
		.op = DVM_NO_OP,
		.out = r->got[i] + GUARD,
		.len = kind == DVMI_RMA_CAS ? 8 : 64,
	};
	dvmi_rma_start(&r->op[i]);
}

static void open_rank(struct rank *r)
{
	struct dvmi_loop_config cfg = { .n = RANKS, .seed = 1, .eager_max = 500, .chunk = 300 };

	memset(r, 0, sizeof *r);
	memset(r->memory, 0xa5, sizeof r->memory);
	memset(r->got, 0xa5, sizeof r->got);
	r->l = dvmi_loop_create(&cfg);
	FUZZ_CHECK(r->l && dvmi_p2p_init(&r->d.p2p, 0, RANKS, route, r) == 0);
	FUZZ_CHECK(dvmi_loop_end(r->l, 0, dvmi_p2p_sink(&r->d.p2p), &r->t) == 0);
	r->d.world = (struct dvm_group){ .d = &r->d, .size = RANKS };
	dvmi_rankmap_init(&r->d.world.map, RANKS);
	r->d.world.dests = r->d.world.map;
	dvmi_am_init(&r->d.am);
	open_window(r);
	FUZZ_CHECK(dvm_am_register(&r->d.world, 5, on_message, r) == 0);
	ask(r, 0, DVMI_RMA_GET, 1); /* number 1 << 32 */
	ask(r, 1, DVMI_RMA_FETCH, 2);
	ask(r, 2, DVMI_RMA_CAS, 3);
}

static void guarded(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < GUARD; i++)
		FUZZ_CHECK(p[i] == 0xa5 && p[GUARD + n + i] == 0xa5);
}

static void feed(struct rank *r, const uint8_t *h, const uint8_t *bytes, uint32_t n)
{
	struct dvmi_pkt pkt = { .kind = h[1], .ctx = h[2], .len = n };
	uint32_t src = 1 + h[0] % (RANKS - 1);
	uint8_t *exact = malloc(n ? n : 1);

	FUZZ_CHECK(exact);
	memcpy(&pkt.tag, h + 4, 4);
	if (n)
		memcpy(exact, bytes, n);
	dvmi_am_packet(&r->d, src, &pkt, exact);
	dvmi_rma_serve(&r->d);
	dvmi_tasks_advance(&r->d);
	dvmi_am_flush(&r->d);
	if (r->d.am.peers && r->d.am.peers[src])
		FUZZ_CHECK(r->d.am.peers[src]->held <= 2 * DVM_AM_CREDIT);
	free(exact);
}

static void close_rank(struct rank *r)
{
	guarded(r->memory, BYTES);
	for (int i = 0; i < OPS; i++)
		guarded(r->got[i], 64);
	dvmi_p2p_all_down(&r->d.p2p, -DVM_EPEERLOST);
	dvmi_tasks_advance(&r->d);
	for (int i = 0; i < OPS; i++)
		FUZZ_CHECK(r->op[i].task.done);
	dvmi_rma_forget_asks(&r->w);
	dvmi_optab_fini(&r->rma.ops);
	free(r->rma.scratch);
	dvmi_am_fini(&r->d);
	dvmi_p2p_fini(&r->d.p2p);
	dvmi_tport_destroy(r->t);
	dvmi_loop_destroy(r->l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rank r;

	open_rank(&r);
	while (size >= HEADER) {
		size_t n = (size_t)data[8] | (size_t)data[9] << 8;
		n = n < size - HEADER ? n : size - HEADER;
		feed(&r, data, data + HEADER, (uint32_t)n);
		data += HEADER + n;
		size -= HEADER + n;
	}
	close_rank(&r);
	return 0;
}
