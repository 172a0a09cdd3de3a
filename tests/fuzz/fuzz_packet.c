/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets of hostile ranks, through the wire decoder into a protocol engine with operations under
 * way. Input: any number of { length u16, packet }; magic, version and key are put right, or few
 * packets would get further. Nothing is written outside of a receive's buffer, what is kept stays
 * within the credit, and every operation ends when its peers are gone.
 */
#include <string.h>

#include "libdvm/net/wire.h"
#include "tests/fuzz/engine.h"
#include "tests/fuzz/fuzz.h"

static const struct dvmi_wire_end us = {
	.key = ENGINE_KEY, .self = 0, .size = ENGINE_RANKS, .len_max = 60000
};

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
		FUZZ_CHECK(at.peer > 0 && at.peer < ENGINE_RANKS);
		sink.packet(sink.arg, at.peer, &pkt, packet + sizeof(struct dvmi_wire_hdr));
		dvmi_p2p_flush(&e->p);
		FUZZ_CHECK(e->p.peers[at.peer].held <= e->p.credit);
	}
	free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct engine e;

	engine_open(&e);
	while (size >= 2) {
		size_t n = (size_t)data[0] | (size_t)data[1] << 8;
		data += 2;
		size -= 2;
		n = n < size ? n : size;
		feed(&e, data, n);
		data += n;
		size -= n;
	}
	engine_close(&e);
	return 0;
}
