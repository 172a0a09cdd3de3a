/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "libdvm/proto/member_msg.h"
#include "tests/unit/cm.h"

static struct dvmi_member_msg sample(unsigned nupdates)
{
	struct dvmi_member_msg m = {
		.type = DVMI_MEMBER_ACK,
		.state = DVMI_MEMBER_LEFT,
		.nupdates = (uint16_t)nupdates,
		.seq = 0x01020304,
		.target = 7,
		.incarnation = UINT64_C(0x1122334455667788),
		.applied = 99,
		.digest = UINT64_MAX,
		.load = { .mem_free = UINT64_C(1) << 40, .load100 = 275, .slots_used = 12 },
	};

	for (unsigned i = 0; i < nupdates && i < DVMI_MEMBER_UPDATES_MAX; i++) {
		m.updates[i] = (struct dvmi_member_update){
			.id = i, .incarnation = i * 3, .by = i + 1, .state = (uint8_t)(i % 4)
		};
	}
	return m;
}

static void assert_same(const struct dvmi_member_msg *a, const struct dvmi_member_msg *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->nupdates, b->nupdates);
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->target, b->target);
	assert_true(a->incarnation == b->incarnation && a->applied == b->applied);
	assert_true(a->digest == b->digest && a->load.mem_free == b->load.mem_free);
	assert_int_equal(a->load.load100, b->load.load100);
	assert_int_equal(a->load.slots_used, b->load.slots_used);
	for (unsigned i = 0; i < a->nupdates; i++) {
		assert_true(a->updates[i].incarnation == b->updates[i].incarnation);
		assert_int_equal(a->updates[i].id, b->updates[i].id);
		assert_int_equal(a->updates[i].by, b->updates[i].by);
		assert_int_equal(a->updates[i].state, b->updates[i].state);
	}
}

static void round_trip(void **state)
{
	for (unsigned n = 0; n <= DVMI_MEMBER_UPDATES_MAX; n++) {
		struct dvmi_member_msg m = sample(n), back;
		struct dvmi_buf b = { 0 };

		assert_int_equal(dvmi_member_msg_encode(&m, &b), 0);
		assert_int_equal(b.len, dvmi_member_msg_size(&m));
		assert_true(b.len <= DVMI_MEMBER_MSG_BYTES_MAX);
		assert_int_equal(dvmi_member_msg_decode(&back, b.data, b.len), 0);
		assert_same(&m, &back);
		dvmi_buf_free(&b);
	}
}

static void layout_is_fixed(void **state)
{
	struct dvmi_member_msg m = sample(1);
	struct dvmi_buf b = { 0 };
	static const uint8_t start[] = { 3, 3, 1, 0, 4, 3, 2, 1, 7, 0, 0, 0, 0x88, 0x77 };

	assert_int_equal(dvmi_member_msg_encode(&m, &b), 0);
	assert_memory_equal(b.data, start, sizeof(start));
	assert_int_equal(b.len, 69);
	dvmi_buf_free(&b);
}

static void encode_refuses_what_decode_would(void **state)
{
	struct dvmi_buf b = { 0 };
	struct dvmi_member_msg m = sample(DVMI_MEMBER_UPDATES_MAX + 1);

	assert_int_equal(dvmi_member_msg_encode(&m, &b), -EINVAL);
	m = sample(1);
	m.type = 0;
	assert_int_equal(dvmi_member_msg_encode(&m, &b), -EINVAL);
	m = sample(1);
	m.state = DVMI_MEMBER_DEAD;
	assert_int_equal(dvmi_member_msg_encode(&m, &b), -EINVAL);
	m = sample(1);
	m.updates[0].state = DVMI_MEMBER_STATES;
	assert_int_equal(dvmi_member_msg_encode(&m, &b), -EINVAL);
	m = sample(1);
	m.updates[0].incarnation = UINT64_MAX;
	assert_int_equal(dvmi_member_msg_encode(&m, &b), -EINVAL);
	assert_int_equal(b.len, 0);
	dvmi_buf_free(&b);
}

static void every_truncation_and_extension_is_refused(void **state)
{
	struct dvmi_member_msg m = sample(5), out = { .seq = 4711 };
	struct dvmi_buf b = { 0 };

	assert_int_equal(dvmi_member_msg_encode(&m, &b), 0);
	size_t full = b.len;
	for (size_t n = 0; n < full; n++)
		assert_int_equal(dvmi_member_msg_decode(&out, b.data, n), -DVM_EPROTO);
	dvmi_buf_put_u8(&b, 0);
	assert_int_equal(dvmi_member_msg_decode(&out, b.data, b.len), -DVM_EPROTO);
	assert_int_equal(out.seq, 4711);
	dvmi_buf_free(&b);
}

/* One byte of a good message, by offset, set to a value that must not pass. */
static void hostile_bytes_are_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} bad[] = {
		{ 0, 0 },  { 0, 5 },	{ 0, 255 }, /* type */
		{ 1, 1 },  { 1, 2 },	{ 1, 4 },   /* state of the sender */
		{ 2, 4 },  { 2, 6 },	{ 2, 33 },  /* number of updates */
		{ 3, 1 },  { 3, 255 },		    /* its high byte */
		{ 68, 4 }, { 68, 255 },		    /* state of the first update */
	};
	struct dvmi_member_msg m = sample(5), out;
	struct dvmi_buf b = { 0 };

	assert_int_equal(dvmi_member_msg_encode(&m, &b), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		uint8_t was = b.data[bad[i].at];
		b.data[bad[i].at] = bad[i].value;
		assert_int_equal(dvmi_member_msg_decode(&out, b.data, b.len), -DVM_EPROTO);
		b.data[bad[i].at] = was;
	}
	memset(b.data + 12, 0xff, 8);
	assert_int_equal(dvmi_member_msg_decode(&out, b.data, b.len), -DVM_EPROTO);
	dvmi_buf_free(&b);
}

/* Whatever decodes must encode to the same bytes: there is one form of each message. */
static void mutated_messages_are_refused_or_canonical(void **state)
{
	struct dvmi_member_msg m = sample(3), out;
	struct dvmi_buf b = { 0 };
	struct dvmi_rng rng;
	unsigned passed = 0, refused = 0;

	dvmi_rng_seed(&rng, 1);
	assert_int_equal(dvmi_member_msg_encode(&m, &b), 0);
	for (int i = 0; i < 20000; i++) {
		uint8_t raw[DVMI_MEMBER_MSG_BYTES_MAX];
		struct dvmi_buf again = { 0 };
		size_t n = b.len;

		memcpy(raw, b.data, n);
		for (uint64_t k = dvmi_rng_below(&rng, 4); k > 0; k--)
			raw[dvmi_rng_below(&rng, n)] = (uint8_t)dvmi_rng_next(&rng);
		if (dvmi_rng_below(&rng, 8) == 0)
			n = dvmi_rng_below(&rng, n);
		if (dvmi_member_msg_decode(&out, raw, n) < 0) {
			refused++;
			continue;
		}
		passed++;
		assert_int_equal(dvmi_member_msg_encode(&out, &again), 0);
		assert_int_equal(again.len, n);
		assert_memory_equal(again.data, raw, n);
		dvmi_buf_free(&again);
	}
	assert_true(passed > 1000 && refused > 1000);
	dvmi_buf_free(&b);
}

static void names(void **state)
{
	assert_string_equal(dvmi_member_msg_type_name(DVMI_MEMBER_PING_REQ), "ping-req");
	assert_string_equal(dvmi_member_msg_type_name(0), "?");
	assert_string_equal(dvmi_member_state_name(DVMI_MEMBER_LEFT), "left");
	assert_string_equal(dvmi_member_state_name(4), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(layout_is_fixed),
		cmocka_unit_test(encode_refuses_what_decode_would),
		cmocka_unit_test(every_truncation_and_extension_is_refused),
		cmocka_unit_test(hostile_bytes_are_refused),
		cmocka_unit_test(mutated_messages_are_refused_or_canonical),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
