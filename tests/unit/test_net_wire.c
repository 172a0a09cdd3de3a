/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "libdvm/net/wire.h"
#include "tests/unit/cm.h"

enum { LEN_MAX = 100 };

static const struct dvmi_wire_end us = {
	.key = UINT64_C(0x1122334455667788), .self = 3, .size = 8, .len_max = LEN_MAX
};
static const struct dvmi_wire_end them = {
	.key = UINT64_C(0x1122334455667788), .self = 5, .size = 8, .len_max = LEN_MAX
};

struct packet {
	struct dvmi_wire_hdr h;
	uint8_t payload[LEN_MAX + 1];
};

static void make(struct packet *p, uint32_t len)
{
	struct dvmi_wire_place at = { .peer = 3, .seq = 42, .ack = 17 };
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_RTS, .ctx = 9, .tag = -2, .len = len };

	memset(p, 0, sizeof *p);
	dvmi_wire_encode(&p->h, &them, &at, &pkt);
}

static int decode(const struct packet *p, size_t n)
{
	struct dvmi_wire_place at;
	struct dvmi_pkt pkt;

	return dvmi_wire_decode(&us, p, n, &pkt, &at);
}

static void round_trip(void **state)
{
	struct dvmi_wire_place at;
	struct dvmi_pkt pkt;
	struct packet p;

	make(&p, 10);
	assert_int_equal(dvmi_wire_decode(&us, &p, sizeof p.h + 10, &pkt, &at), 0);
	assert_int_equal(pkt.kind, DVMI_PKT_RTS);
	assert_int_equal(pkt.ctx, 9);
	assert_int_equal(pkt.tag, -2);
	assert_int_equal(pkt.len, 10);
	assert_int_equal(at.peer, 5);
	assert_int_equal(at.seq, 42);
	assert_int_equal(at.ack, 17);
	/* Little-endian, whatever we run on. */
	assert_memory_equal(&p.h, "dvm1", 4);
	assert_int_equal(p.h.version, 1);
	assert_memory_equal(&p.h.key, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
}

static void every_other_length_is_refused(void **state)
{
	struct packet p;

	make(&p, 10);
	for (size_t n = 0; n <= sizeof p; n++)
		assert_int_equal(decode(&p, n), n == sizeof p.h + 10 ? 0 : -DVM_EPROTO);
	make(&p, LEN_MAX + 1);
	assert_int_equal(decode(&p, sizeof p), -DVM_EPROTO);
	make(&p, UINT32_MAX);
	assert_int_equal(decode(&p, sizeof p), -DVM_EPROTO);
}

static void foreign_packets_are_refused(void **state)
{
	struct packet p;
	size_t n = sizeof p.h;

	make(&p, 0);
	p.h.key ^= 1;
	assert_int_equal(decode(&p, n), -DVM_EAUTH);
	make(&p, 0);
	p.h.magic ^= 1;
	assert_int_equal(decode(&p, n), -DVM_EAUTH);
	make(&p, 0);
	p.h.version = 2;
	assert_int_equal(decode(&p, n), -DVM_EVERSION);
	make(&p, 0);
	p.h.kind = 0;
	assert_int_equal(decode(&p, n), -DVM_EPROTO);
}

static void ranks_are_checked(void **state)
{
	static const uint32_t bad_src[] = { 3, 8, UINT32_MAX }, bad_dst[] = { 5, 8, UINT32_MAX };
	struct packet p;

	for (int i = 0; i < 3; i++) {
		make(&p, 0);
		p.h.src = bad_src[i];
		assert_int_equal(decode(&p, sizeof p.h), -DVM_EPROTO);
		make(&p, 0);
		p.h.dst = bad_dst[i];
		assert_int_equal(decode(&p, sizeof p.h), -DVM_EPROTO);
	}
}

static void bodies(void **state)
{
	struct dvmi_wire_rts rts;
	struct dvmi_wire_cts cts;
	uint64_t a, b, c;

	dvmi_wire_put_rts(&rts, UINT64_MAX - 1, 77);
	for (size_t n = 0; n < 64; n++)
		assert_int_equal(dvmi_wire_get_rts(&rts, n, &a, &b),
				 n == sizeof rts ? 0 : -DVM_EPROTO);
	dvmi_wire_get_rts(&rts, sizeof rts, &a, &b);
	assert_true(a == UINT64_MAX - 1 && b == 77);
	dvmi_wire_put_rts(&rts, 1, 0);
	assert_int_equal(dvmi_wire_get_rts(&rts, sizeof rts, &a, &b), -DVM_EPROTO);
	dvmi_wire_put_cts(&cts, 1, 2, 3);
	for (size_t n = 0; n < 64; n++)
		assert_int_equal(dvmi_wire_get_cts(&cts, n, &a, &b, &c),
				 n == sizeof cts ? 0 : -DVM_EPROTO);
	dvmi_wire_get_cts(&cts, sizeof cts, &a, &b, &c);
	assert_true(a == 1 && b == 2 && c == 3);
}

/* Every tag that is possible: what the encoder makes comes back, all else is refused. */
static void tags_of_active_messages(void **state)
{
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_ACTIVE, .len = 300 };
	uint32_t id, head;
	bool exempt;

	(void)state;
	for (uint32_t i = 0; i < 1024; i += 31)
		for (uint32_t h = 0; h <= 256; h += 16)
			for (int e = 0; e < 2; e++) {
				pkt.tag = dvmi_wire_am_tag(i, h, e);
				assert_true(pkt.tag >= 0 && pkt.tag < 1 << 24);
				assert_int_equal(dvmi_wire_am_get(&pkt, &id, &head, &exempt), 0);
				assert_true(id == i && head == h && exempt == (e == 1));
			}
	pkt.tag = dvmi_wire_am_tag(1, 257, 0);
	assert_int_equal(dvmi_wire_am_get(&pkt, &id, &head, &exempt), -DVM_EPROTO);
	pkt.tag = -1;
	assert_int_equal(dvmi_wire_am_get(&pkt, &id, &head, &exempt), -DVM_EPROTO);
	pkt.tag = 1 << 20;
	assert_int_equal(dvmi_wire_am_get(&pkt, &id, &head, &exempt), -DVM_EPROTO);
	pkt.tag = dvmi_wire_am_tag(1, 200, 0);
	pkt.len = 199;
	assert_int_equal(dvmi_wire_am_get(&pkt, &id, &head, &exempt), -DVM_EPROTO);
}

static void random_bytes_never_pass(void **state)
{
	struct dvmi_rng rng;
	struct packet p;

	dvmi_rng_seed(&rng, 1);
	for (int i = 0; i < 100000; i++) {
		uint8_t *bytes = (uint8_t *)&p;
		make(&p, (uint32_t)dvmi_rng_below(&rng, LEN_MAX));
		size_t n = sizeof p.h + p.h.len;
		/* Any change to what identifies the packet. */
		bytes[dvmi_rng_below(&rng, 5)] ^= (uint8_t)(1 + dvmi_rng_below(&rng, 255));
		bytes[8 + dvmi_rng_below(&rng, 8)] ^= (uint8_t)(1 + dvmi_rng_below(&rng, 255));
		assert_true(decode(&p, n) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(every_other_length_is_refused),
		cmocka_unit_test(foreign_packets_are_refused),
		cmocka_unit_test(ranks_are_checked),
		cmocka_unit_test(bodies),
		cmocka_unit_test(tags_of_active_messages),
		cmocka_unit_test(random_bytes_never_pass),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
