/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream of packets, cut anywhere, into a sink that refuses at random; and streams of nonsense.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "libdvm/net/unpack.h"
#include "tests/unit/cm.h"

enum { PACKETS = 60, DATA_MAX = 3000, OTHER_MAX = 500, SRC = 7 };

static const struct dvmi_wire_limits limits = { .data = DATA_MAX, .other = OTHER_MAX };

/* What was put in and what came out; DATA of one receive is joined, as it may come in pieces. */
struct scene {
	struct dvmi_rng rng;
	struct dvmi_unpack u;
	uint8_t stream[PACKETS * (DATA_MAX + 16)], got[PACKETS * (DATA_MAX + 16)];
	size_t len, got_len;
	uint32_t refuse_pct;
	bool places;
	uint8_t spot[DATA_MAX];
};

static uint32_t below(struct scene *s, uint32_t n)
{
	return (uint32_t)dvmi_rng_below(&s->rng, n);
}

static void record(struct scene *s, const void *p, size_t n)
{
	assert_true(s->got_len + n <= sizeof s->got);
	if (n)
		memcpy(s->got + s->got_len, p, n);
	s->got_len += n;
}

static int on_packet(void *arg, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	struct scene *s = arg;
	struct dvmi_wire_frame f;

	assert_int_equal(src, SRC);
	if (pkt->kind != DVMI_PKT_DATA) {
		if (below(s, 100) < s->refuse_pct)
			return -EAGAIN;
		dvmi_wire_put_frame(&f, pkt);
		record(s, &f, sizeof f);
	}
	record(s, payload, pkt->len);
	return 0;
}

static void *on_place(void *arg, uint32_t src, const struct dvmi_pkt *pkt, size_t *n)
{
	struct scene *s = arg;

	assert_in_range(pkt->len, 1, DATA_MAX);
	if (!s->places || below(s, 2))
		return NULL;
	*n = 1 + below(s, pkt->len);
	return s->spot;
}

static void put(struct scene *s, uint8_t *wanted, size_t *wanted_len)
{
	struct dvmi_pkt pkt = { .kind = (uint8_t)(1 + below(s, 8)),
				.ctx = below(s, 99),
				.tag = -5 };
	struct dvmi_wire_frame f;

	pkt.len = below(s, 3) ? below(s, 40)
			      : below(s, pkt.kind == DVMI_PKT_DATA ? DATA_MAX : OTHER_MAX) + 1;
	dvmi_wire_put_frame(&f, &pkt);
	memcpy(s->stream + s->len, &f, sizeof f);
	for (uint32_t i = 0; i < pkt.len; i++)
		s->stream[s->len + sizeof f + i] = (uint8_t)below(s, 256);
	size_t skip = pkt.kind == DVMI_PKT_DATA ? sizeof f : 0; /* its frame is not handed on */
	memcpy(wanted + *wanted_len, s->stream + s->len + skip, sizeof f - skip + pkt.len);
	*wanted_len += sizeof f - skip + pkt.len;
	s->len += sizeof f + pkt.len;
}

/* As a transport reads: to the place the sink names, the rest behind it. */
static void pump(struct scene *s)
{
	size_t at = 0;

	while (at < s->len || s->u.stuck) {
		if (s->u.stuck) {
			assert_int_equal(dvmi_unpack_retry(&s->u), 0);
			continue;
		}
		size_t n = 1 + below(s, below(s, 4) ? 50 : 4000), direct = 0;
		n = n < s->len - at ? n : s->len - at;
		void *spot = dvmi_unpack_place(&s->u, &direct);
		direct = direct < n ? direct : n;
		if (spot) {
			memcpy(spot, s->stream + at, direct);
			dvmi_unpack_placed(&s->u, spot, direct);
		}
		assert_int_equal(dvmi_unpack_feed(&s->u, s->stream + at + direct, n - direct), 0);
		at += n;
	}
}

static struct scene *make(uint64_t seed)
{
	static const struct dvmi_sink calls = { .packet = on_packet, .place = on_place };
	static struct dvmi_sink sink;
	struct scene *s = calloc(1, sizeof *s);

	assert_non_null(s);
	sink = calls;
	sink.arg = s;
	dvmi_rng_seed(&s->rng, seed);
	s->u = (struct dvmi_unpack){ .src = SRC, .limits = &limits, .sink = &sink };
	return s;
}

static void destroy(struct scene *s)
{
	dvmi_unpack_fini(&s->u);
	free(s);
}

static void whatever_the_cuts_all_arrives(void **state)
{
	uint8_t *wanted = malloc(PACKETS * (DATA_MAX + 16));

	assert_non_null(wanted);
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct scene *s = make(seed);
		size_t len = 0;
		s->refuse_pct = seed % 3 ? 0 : 30;
		s->places = seed % 2;
		for (int i = 0; i < PACKETS; i++)
			put(s, wanted, &len);
		pump(s);
		assert_int_equal(s->got_len, len);
		assert_memory_equal(s->got, wanted, len);
		assert_int_equal(s->u.data.len, 0);
		destroy(s);
	}
	free(wanted);
}

static void too_long_is_refused(void **state)
{
	struct dvmi_pkt pkt[] = {
		{ .kind = DVMI_PKT_DATA, .len = DATA_MAX + 1 },
		{ .kind = DVMI_PKT_EAGER, .len = OTHER_MAX + 1 },
		{ .kind = DVMI_PKT_EAGER, .len = UINT32_MAX },
		{ .kind = 0, .len = 0 },
	};
	for (size_t i = 0; i < sizeof pkt / sizeof *pkt; i++)
		for (size_t cut = 1; cut <= sizeof(struct dvmi_wire_frame); cut++) {
			struct scene *s = make(1);
			struct dvmi_wire_frame f;
			dvmi_wire_put_frame(&f, &pkt[i]);
			int rc = dvmi_unpack_feed(&s->u, &f, cut);
			if (rc == 0)
				rc = dvmi_unpack_feed(&s->u, (uint8_t *)&f + cut, sizeof f - cut);
			assert_int_equal(rc, -DVM_EPROTO);
			assert_int_equal(s->got_len, 0);
			destroy(s);
		}
}

static void reserved_bytes_are_zero(void **state)
{
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_RTS };
	struct dvmi_wire_frame f;

	for (int i = 0; i < 3; i++) {
		struct scene *s = make(1);
		dvmi_wire_put_frame(&f, &pkt);
		f.reserved[i] = 1;
		assert_int_equal(dvmi_unpack_feed(&s->u, &f, sizeof f), -DVM_EPROTO);
		destroy(s);
	}
}

/* Nothing but a refusal or packets within the limits may come of it. */
static void nonsense_does_no_harm(void **state)
{
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		struct scene *s = make(seed);
		int rc = 0;
		for (int i = 0; i < 40 && rc == 0 && !s->u.stuck; i++) {
			uint8_t bytes[64] = { 0 };
			size_t n = 1 + below(s, sizeof bytes);
			for (size_t k = 0; k < n; k++)
				bytes[k] = below(s, 3) ? 0 : (uint8_t)below(s, 9);
			rc = dvmi_unpack_feed(&s->u, bytes, n);
		}
		assert_true(rc == 0 || rc == -DVM_EPROTO);
		destroy(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_the_cuts_all_arrives),
		cmocka_unit_test(too_long_is_refused),
		cmocka_unit_test(reserved_bytes_are_zero),
		cmocka_unit_test(nonsense_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
