/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "libdvm/proto/bcast_msg.h"
#include "tests/unit/cm.h"

static const uint32_t ids[] = { 7, DVMI_BCAST_NOBODY, 9, 11, 2 };
static const struct dvmi_bcast_run runs[] = {
	{ .pos = 10, .count = 2, .code = 0, .kind = DVMI_BCAST_CODE },
	{ .pos = 12, .count = 1, .code = 0, .kind = DVMI_BCAST_DEAD },
	{ .pos = 14, .count = 1, .code = -5, .kind = DVMI_BCAST_CODE },
};
static const struct dvmi_bcast_result results[] = {
	{ .pos = 10, .len = 3, .data = (const uint8_t *)"abc" },
	{ .pos = 14, .len = 1, .data = (const uint8_t *)"x" },
};

static struct dvmi_bcast_msg sample(unsigned type)
{
	struct dvmi_bcast_msg m = {
		.type = (uint8_t)type, .origin = 3, .op = 99, .base = 10, .count = 5
	};

	if (type == DVMI_BCAST_REQUEST) {
		m.width = 8;
		m.remaining = UINT64_C(5000000000);
		m.ids = ids;
		m.payload = (const uint8_t *)"hello";
		m.payload_len = 5;
	} else if (type == DVMI_BCAST_ANSWER) {
		m.final = 1;
		m.nruns = 3;
		m.runs = runs;
		m.nresults = 2;
		m.results = results;
	}
	return m;
}

static struct dvmi_buf encoded(unsigned type)
{
	struct dvmi_bcast_msg m = sample(type);
	struct dvmi_buf b = { 0 };

	assert_int_equal(dvmi_bcast_msg_encode(&m, &b), 0);
	return b;
}

static void request_round_trip(void **state)
{
	struct dvmi_buf b = encoded(DVMI_BCAST_REQUEST);
	struct dvmi_bcast_msg m;

	assert_int_equal(dvmi_bcast_msg_decode(&m, b.data, b.len), 0);
	assert_int_equal(m.type, DVMI_BCAST_REQUEST);
	assert_true(m.origin == 3 && m.op == 99 && m.base == 10 && m.count == 5 && m.width == 8);
	assert_true(m.remaining == UINT64_C(5000000000));
	assert_memory_equal(m.ids, ids, sizeof(ids));
	assert_int_equal(m.payload_len, 5);
	assert_memory_equal(m.payload, "hello", 5);
	dvmi_bcast_msg_free(&m);
	dvmi_bcast_msg_free(&m); /* harmless */
	dvmi_buf_free(&b);
}

static void answer_round_trip(void **state)
{
	struct dvmi_buf b = encoded(DVMI_BCAST_ANSWER);
	struct dvmi_bcast_msg m;

	assert_int_equal(dvmi_bcast_msg_decode(&m, b.data, b.len), 0);
	assert_true(m.final == 1 && m.nruns == 3 && m.nresults == 2);
	for (int i = 0; i < 3; i++) {
		assert_true(m.runs[i].pos == runs[i].pos && m.runs[i].count == runs[i].count);
		assert_true(m.runs[i].code == runs[i].code && m.runs[i].kind == runs[i].kind);
	}
	assert_int_equal(m.results[0].len, 3);
	assert_memory_equal(m.results[0].data, "abc", 3);
	assert_int_equal(m.results[1].pos, 14);
	dvmi_bcast_msg_free(&m);
	dvmi_buf_free(&b);
}

static void every_truncation_and_extension_is_refused(void **state)
{
	for (unsigned type = DVMI_BCAST_REQUEST; type <= DVMI_BCAST_UNKNOWN; type++) {
		struct dvmi_buf b = encoded(type);
		struct dvmi_bcast_msg m;
		size_t full = b.len;
		for (size_t n = 0; n < full; n++)
			assert_int_equal(dvmi_bcast_msg_decode(&m, b.data, n), -DVM_EPROTO);
		dvmi_buf_put_u8(&b, 0);
		assert_int_equal(dvmi_bcast_msg_decode(&m, b.data, b.len), -DVM_EPROTO);
		dvmi_buf_free(&b);
	}
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

/* A good message with one number of four bytes replaced. */
static void assert_refused(unsigned type, size_t at, uint32_t value)
{
	struct dvmi_buf b = encoded(type);
	struct dvmi_bcast_msg m;

	put32(b.data + at, value);
	assert_int_equal(dvmi_bcast_msg_decode(&m, b.data, b.len), -DVM_EPROTO);
	dvmi_buf_free(&b);
}

static void lying_numbers_are_refused(void **state)
{
	enum { BASE = 14, COUNT = 18, BODY = 22 };
	static const uint32_t counts[] = { 0, 4, 6, 65537, UINT32_MAX };

	for (size_t i = 0; i < 5; i++)
		assert_refused(DVMI_BCAST_REQUEST, COUNT, counts[i]);
	assert_refused(DVMI_BCAST_QUERY, COUNT, 0);
	assert_refused(DVMI_BCAST_QUERY, BASE, DVMI_BCAST_NODES_MAX - 4);
	assert_refused(DVMI_BCAST_QUERY, BASE, UINT32_MAX);
	/* runs: their number; the first one's position and length; the results' number */
	assert_refused(DVMI_BCAST_ANSWER, BODY, UINT32_MAX);
	assert_refused(DVMI_BCAST_ANSWER, BODY, 2);
	assert_refused(DVMI_BCAST_ANSWER, BODY + 4, 9);
	assert_refused(DVMI_BCAST_ANSWER, BODY + 4, 13);
	assert_refused(DVMI_BCAST_ANSWER, BODY + 8, 0);
	assert_refused(DVMI_BCAST_ANSWER, BODY + 8, 3);
	assert_refused(DVMI_BCAST_ANSWER, BODY + 8, UINT32_MAX);
	assert_refused(DVMI_BCAST_ANSWER, BODY + 4 + 39, UINT32_MAX);
	/* the first result's position and length */
	assert_refused(DVMI_BCAST_ANSWER, BODY + 4 + 39 + 4, 15);
	assert_refused(DVMI_BCAST_ANSWER, BODY + 4 + 39 + 8, 0);
	assert_refused(DVMI_BCAST_ANSWER, BODY + 4 + 39 + 8, UINT32_MAX);
}

static void assert_byte_refused(unsigned type, size_t at, uint8_t value)
{
	struct dvmi_buf b = encoded(type);
	struct dvmi_bcast_msg m;

	b.data[at] = value;
	assert_int_equal(dvmi_bcast_msg_decode(&m, b.data, b.len), -DVM_EPROTO);
	dvmi_buf_free(&b);
}

static void unknown_enums_are_refused(void **state)
{
	assert_byte_refused(DVMI_BCAST_QUERY, 0, 0);
	assert_byte_refused(DVMI_BCAST_QUERY, 0, 5);
	assert_byte_refused(DVMI_BCAST_QUERY, 1, 1); /* final, but no answer */
	assert_byte_refused(DVMI_BCAST_ANSWER, 1, 2);
	assert_byte_refused(DVMI_BCAST_REQUEST, 22, 1); /* width */
	assert_byte_refused(DVMI_BCAST_REQUEST, 22, 65);
	assert_byte_refused(DVMI_BCAST_REQUEST, 30, 0xff); /* high byte of the remaining time */
	assert_byte_refused(DVMI_BCAST_ANSWER, 38, DVMI_BCAST_NOANSWER); /* kind */
	assert_byte_refused(DVMI_BCAST_ANSWER, 38, 0xff);
}

static void encode_refuses_what_decode_would(void **state)
{
	struct dvmi_buf b = { 0 };
	struct dvmi_bcast_msg m = sample(DVMI_BCAST_REQUEST);

	m.payload_len = DVMI_BCAST_PAYLOAD_MAX + 1;
	assert_int_equal(dvmi_bcast_msg_encode(&m, &b), -EINVAL);
	m = sample(DVMI_BCAST_REQUEST);
	m.count = 0;
	assert_int_equal(dvmi_bcast_msg_encode(&m, &b), -EINVAL);
	m = sample(DVMI_BCAST_ANSWER);
	m.count = 4; /* the last run is outside */
	assert_int_equal(dvmi_bcast_msg_encode(&m, &b), -EINVAL);
	assert_int_equal(b.len, 0);
	dvmi_buf_free(&b);
}

/* Whatever decodes must encode to the same bytes: there is one form of each message. */
static void mutated_messages_are_refused_or_canonical(void **state)
{
	unsigned passed = 0, refused = 0;
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, 1);
	for (int i = 0; i < 20000; i++) {
		struct dvmi_buf b = encoded(1 + (unsigned)i % 4), again = { 0 };
		struct dvmi_bcast_msg m;
		size_t n = b.len;

		for (uint64_t k = dvmi_rng_below(&rng, 4); k > 0; k--)
			b.data[dvmi_rng_below(&rng, n)] = (uint8_t)dvmi_rng_below(&rng, 12);
		if (dvmi_rng_below(&rng, 8) == 0)
			n = dvmi_rng_below(&rng, n);
		if (dvmi_bcast_msg_decode(&m, b.data, n) < 0) {
			refused++;
		} else {
			passed++;
			assert_int_equal(dvmi_bcast_msg_encode(&m, &again), 0);
			assert_int_equal(again.len, n);
			assert_memory_equal(again.data, b.data, n);
			dvmi_bcast_msg_free(&m);
			dvmi_buf_free(&again);
		}
		dvmi_buf_free(&b);
	}
	assert_true(passed > 1000 && refused > 1000);
}

static void names(void **state)
{
	assert_string_equal(dvmi_bcast_msg_type_name(DVMI_BCAST_QUERY), "query");
	assert_string_equal(dvmi_bcast_msg_type_name(9), "?");
	assert_string_equal(dvmi_bcast_kind_name(DVMI_BCAST_NOANSWER), "no answer");
	assert_string_equal(dvmi_bcast_kind_name(3), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_round_trip),
		cmocka_unit_test(answer_round_trip),
		cmocka_unit_test(every_truncation_and_extension_is_refused),
		cmocka_unit_test(lying_numbers_are_refused),
		cmocka_unit_test(unknown_enums_are_refused),
		cmocka_unit_test(encode_refuses_what_decode_would),
		cmocka_unit_test(mutated_messages_are_refused_or_canonical),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
