/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets of hostile ranks, through the wire decoder into a protocol engine with operations under
 * way. Input: any number of { length u16, packet }; magic, version and key are put right, or few
 * packets would get further. Nothing is written outside of a receive's buffer, what is kept stays
 * within the credit, and every operation ends when its peers are gone.
 */
#include <string.h>

#include "dvm/error.h"
#include "libdvm/net/fab_loop.h"
#include "libdvm/net/wire.h"
#include "libdvm/src/p2p.h"
#include "tests/fuzz/fuzz.h"

enum { RANKS = 4, ROOM = 64, LONG = 3000, OPS = 5 };

struct engine {
	struct dvmi_loop *l;
	struct dvmi_tport *t;
	struct dvmi_p2p p;
	struct dvmi_op op[OPS];
	uint8_t room[OPS][ROOM + 1], out[LONG];
};

static const struct dvmi_wire_end us = { .key = 42, .self = 0, .size = RANKS, .len_max = 60000 };

static struct dvmi_tport *route(void *arg, uint32_t peer)
{
	return ((struct engine *)arg)->t;
}

static void receive(struct engine *e, int i, int32_t source, int32_t tag)
{
	struct dvmi_match_key key = { .ctx = 0, .source = source, .tag = tag };

	e->room[i][ROOM] = 0xa5;
	dvmi_p2p_recv(&e->p, &e->op[i], &key, e->room[i], ROOM);
}

static void open_engine(struct engine *e)
{
	struct dvmi_loop_config cfg = { .n = RANKS, .seed = 1, .eager_max = 500, .chunk = 300 };

	memset(e, 0, sizeof *e);
	e->l = dvmi_loop_create(&cfg);
	FUZZ_CHECK(e->l && dvmi_p2p_init(&e->p, 0, RANKS, route, e) == 0);
	FUZZ_CHECK(dvmi_loop_end(e->l, 0, dvmi_p2p_sink(&e->p), &e->t) == 0);
	receive(e, 0, DVMI_MATCH_ANY, DVMI_MATCH_ANY);
	receive(e, 1, 1, 5);
	receive(e, 2, 2, DVMI_MATCH_ANY);
	dvmi_p2p_send(&e->p, &e->op[3], 1, 0, 1, e->out, LONG); /* announced: number 1 << 32 */
	dvmi_p2p_send(&e->p, &e->op[4], 2, 0, 1, e->out, LONG);
}

static void put_right(uint8_t *packet, size_t n)
{
	struct dvmi_wire_hdr h;

	if (n < sizeof h)
		return;
	memcpy(&h, packet, sizeof h);
	memcpy(&h.magic, "dvm1", 4);
	h.version = DVMI_WIRE_VERSION;
	h.key = us.key; /* the replay runs on little-endian machines */
	memcpy(packet, &h, sizeof h);
}

static void feed(struct engine *e, const uint8_t *data, size_t n)
{
	struct dvmi_sink sink = dvmi_p2p_sink(&e->p);
	struct dvmi_wire_place at;
	struct dvmi_pkt pkt;
	uint8_t *packet = malloc(n + 1);

	FUZZ_CHECK(packet);
	memcpy(packet, data, n);
	put_right(packet, n);
	if (dvmi_wire_decode(&us, packet, n, &pkt, &at) == 0) {
		FUZZ_CHECK(at.peer > 0 && at.peer < RANKS);
		sink.packet(sink.arg, at.peer, &pkt, packet + sizeof(struct dvmi_wire_hdr));
		dvmi_p2p_flush(&e->p);
		FUZZ_CHECK(e->p.peers[at.peer].held <= e->p.credit);
	}
	free(packet);
}

static void close_engine(struct engine *e)
{
	for (int i = 0; i < 3; i++)
		FUZZ_CHECK(e->room[i][ROOM] == 0xa5);
	dvmi_p2p_all_down(&e->p, -DVM_EPEERLOST);
	for (int i = 0; i < OPS; i++)
		FUZZ_CHECK(dvmi_op_done(&e->op[i]));
	dvmi_p2p_fini(&e->p);
	dvmi_tport_destroy(e->t);
	dvmi_loop_destroy(e->l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct engine e;

	open_engine(&e);
	while (size >= 2) {
		size_t n = (size_t)data[0] | (size_t)data[1] << 8;
		data += 2;
		size -= 2;
		n = n < size ? n : size;
		feed(&e, data, n);
		data += n;
		size -= n;
	}
	close_engine(&e);
	return 0;
}
