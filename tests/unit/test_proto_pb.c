/* SPDX-License-Identifier: BSD-3-Clause */
/* The door for protobuf bodies: every message type, whole, cut, altered, and made to do harm. */
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "libdvm/proto/envelope.h"
#include "tests/fuzz/pb_gen.h"
#include "tests/unit/cm.h"

#define ROUNDS 40

/* Decodes an exact copy, so that a sanitizer sees a byte read too far. */
static int unpack(const ProtobufCMessageDescriptor *desc, const uint8_t *p, size_t n, void *out)
{
	uint8_t *exact = malloc(n ? n : 1);

	if (n)
		memcpy(exact, p, n);
	int rc = dvmi_pb_unpack(desc, exact, n, out);
	free(exact);
	return rc;
}

/* What was accepted must survive being packed and read again, unchanged. */
static void assert_stable(ProtobufCMessage *msg)
{
	struct dvmi_buf first = { 0 }, second = { 0 };
	ProtobufCMessage *again;

	dvmi_pb_pack(&first, msg);
	assert_int_equal(unpack(msg->descriptor, first.data, first.len, &again), 0);
	dvmi_pb_pack(&second, again);
	assert_int_equal(first.len, second.len);
	if (first.len)
		assert_memory_equal(first.data, second.data, first.len);
	dvmi_pb_free(again);
	dvmi_buf_free(&first);
	dvmi_buf_free(&second);
}

static void every_type_round_trips(void **state)
{
	struct dvmi_rng rng;
	size_t n;
	const ProtobufCMessageDescriptor *const *types = pb_types(&n);

	assert_true(n > 40);
	dvmi_rng_seed(&rng, 1);
	for (size_t i = 0; i < n; i++)
		for (int round = 0; round < ROUNDS; round++) {
			struct dvmi_buf b = { 0 };
			ProtobufCMessage *msg;
			pb_generate(&b, types[i], &rng);
			assert_int_equal(unpack(types[i], b.data, b.len, &msg), 0);
			assert_stable(msg);
			dvmi_pb_free(msg);
			dvmi_buf_free(&b);
		}
}

static void every_truncation_is_survived(void **state)
{
	struct dvmi_rng rng;
	size_t n;
	const ProtobufCMessageDescriptor *const *types = pb_types(&n);

	dvmi_rng_seed(&rng, 2);
	for (size_t i = 0; i < n; i++) {
		struct dvmi_buf b = { 0 };
		pb_generate(&b, types[i], &rng);
		for (size_t len = 0; len < b.len && len < 2000; len++) {
			ProtobufCMessage *msg;
			if (unpack(types[i], b.data, len, &msg) < 0)
				continue;
			assert_stable(msg);
			dvmi_pb_free(msg);
		}
		dvmi_buf_free(&b);
	}
}

static void mutate(uint8_t *p, size_t n, struct dvmi_rng *rng)
{
	for (uint64_t k = 1 + dvmi_rng_below(rng, 4); n && k; k--) {
		size_t at = dvmi_rng_below(rng, n);
		switch (dvmi_rng_below(rng, 4)) {
		case 0:
			p[at] ^= (uint8_t)(1u << dvmi_rng_below(rng, 8));
			break;
		case 1:
			p[at] = (uint8_t)dvmi_rng_next(rng);
			break;
		case 2:
			p[at] = 0xff;
			break;
		default:
			p[at] = p[dvmi_rng_below(rng, n)];
		}
	}
}

static void mutations_are_survived(void **state)
{
	unsigned accepted = 0, refused = 0;
	struct dvmi_rng rng;
	size_t n;
	const ProtobufCMessageDescriptor *const *types = pb_types(&n);

	dvmi_rng_seed(&rng, 3);
	for (size_t i = 0; i < n; i++)
		for (int round = 0; round < 10 * ROUNDS; round++) {
			struct dvmi_buf b = { 0 };
			ProtobufCMessage *msg;
			pb_generate(&b, types[i], &rng);
			mutate(b.data, b.len, &rng);
			if (unpack(types[i], b.data, b.len, &msg) < 0) {
				refused++;
			} else {
				accepted++;
				assert_stable(msg);
				dvmi_pb_free(msg);
			}
			dvmi_buf_free(&b);
		}
	assert_true(accepted > 100 && refused > 100);
}

static int unpack_buf(const ProtobufCMessageDescriptor *desc, struct dvmi_buf *b)
{
	void *msg = NULL;

	assert_int_equal(b->err, 0);
	int rc = dvmi_pb_unpack(desc, b->data, b->len, &msg);
	dvmi_pb_free(msg);
	dvmi_buf_free(b);
	return rc;
}

static void put_filled(struct dvmi_buf *b, uint32_t field, size_t n, int with)
{
	pb_put_tag(b, field, 2);
	pb_put_varint(b, n);
	memset(dvmi_buf_extend(b, n), with, n);
}

static void strings_are_bounded(void **state)
{
	struct dvmi_buf b = { 0 };

	put_filled(&b, 2, DVMI_PB_STRING_MAX, 'x'); /* Error.text */
	assert_int_equal(unpack_buf(&pb__error__descriptor, &b), 0);
	put_filled(&b, 2, DVMI_PB_STRING_MAX + 1, 'x');
	assert_int_equal(unpack_buf(&pb__error__descriptor, &b), -DVM_EPROTO);
	put_filled(&b, 2, 10, 0);
	assert_int_equal(unpack_buf(&pb__error__descriptor, &b), -DVM_EPROTO);
}

static void bytes_are_bounded(void **state)
{
	struct dvmi_buf b = { 0 };

	put_filled(&b, 2, DVMI_PB_BYTES_MAX, 0); /* Forward.body */
	assert_int_equal(unpack_buf(&pb__forward__descriptor, &b), 0);
	put_filled(&b, 2, DVMI_PB_BYTES_MAX + 1, 0);
	assert_int_equal(unpack_buf(&pb__forward__descriptor, &b), -DVM_EPROTO);
	b = (struct dvmi_buf){ 0 };
	put_filled(&b, 99, DVMI_BODY_MAX, 0);
	assert_int_equal(unpack_buf(&pb__forward__descriptor, &b), -DVM_EPROTO);
}

static void unknown_enum_values_are_refused(void **state)
{
	struct dvmi_buf b = { 0 };

	pb_put_tag(&b, 2, 0); /* MemberChange.state */
	pb_put_varint(&b, 1);
	assert_int_equal(unpack_buf(&pb__member_change__descriptor, &b), 0);
	for (uint64_t bad = 100; bad; bad <<= 8) {
		pb_put_tag(&b, 2, 0);
		pb_put_varint(&b, bad);
		assert_int_equal(unpack_buf(&pb__member_change__descriptor, &b),
				 (int)bad == 0 ? 0 : -DVM_EPROTO);
	}
}

/* A later release may add fields. */
static void unknown_fields_are_allowed(void **state)
{
	struct dvmi_buf b = { 0 };

	pb_put_tag(&b, 1000, 0);
	pb_put_varint(&b, 5);
	put_filled(&b, 1001, 3, 'x');
	pb_put_tag(&b, 1002, 5);
	dvmi_buf_put_u32(&b, 1);
	pb_put_tag(&b, 1003, 1);
	dvmi_buf_put_u64(&b, 1);
	assert_int_equal(unpack_buf(&pb__job_ref__descriptor, &b), 0);
}

static void what_nobody_writes_is_refused(void **state)
{
	struct dvmi_buf b = { 0 };

	for (int wire = 3; wire < 8; wire++) {
		if (wire == 5)
			continue;
		pb_put_tag(&b, 1, wire); /* groups, and wire types that do not exist */
		dvmi_buf_put_u64(&b, 0);
		assert_int_equal(unpack_buf(&pb__job_ref__descriptor, &b), -DVM_EPROTO);
	}
	pb_put_tag(&b, 0, 0);
	pb_put_varint(&b, 0);
	assert_int_equal(unpack_buf(&pb__job_ref__descriptor, &b), -DVM_EPROTO);
	for (int twice = 0; twice < 2; twice++) {
		pb_put_tag(&b, 1, 0);
		pb_put_varint(&b, 7);
	}
	assert_int_equal(unpack_buf(&pb__job_ref__descriptor, &b), -DVM_EPROTO);
}

/* Two bytes an element: what the sender pays 16 MiB for would cost the receiver gigabytes. */
static void a_bomb_of_empty_elements_is_refused(void **state)
{
	struct dvmi_buf b = { 0 };
	uint8_t *p = dvmi_buf_extend(&b, DVMI_BODY_MAX);

	for (size_t i = 0; i < DVMI_BODY_MAX; i += 2) {
		p[i] = 1 << 3 | 2; /* JobsReply.jobs */
		p[i + 1] = 0;
	}
	uint64_t t0 = dvmi_clock_mono();
	assert_int_equal(unpack_buf(&pb__jobs_reply__descriptor, &b), -DVM_EPROTO);
	print_message("# refused after %llu us\n",
		      (unsigned long long)(dvmi_clock_mono() - t0) / 1000);
}

static void a_bomb_of_unknown_fields_is_refused(void **state)
{
	struct dvmi_buf b = { 0 };
	uint8_t *p = dvmi_buf_extend(&b, DVMI_BODY_MAX);

	for (size_t i = 0; i < DVMI_BODY_MAX; i += 2) {
		p[i] = 15 << 3;
		p[i + 1] = 0;
	}
	assert_int_equal(unpack_buf(&pb__job_ref__descriptor, &b), -DVM_EPROTO);
}

/* A nested message that is given again and again is merged each time: quadratic. */
static void a_bomb_of_merges_is_refused(void **state)
{
	struct dvmi_buf b = { 0 };

	for (int i = 0; i < 100000; i++) {
		pb_put_tag(&b, 1, 2); /* RunRequest.spec … */
		pb_put_varint(&b, 3);
		pb_put_tag(&b, 3, 2); /* … .env */
		pb_put_varint(&b, 1);
		dvmi_buf_put_u8(&b, 'x');
	}
	assert_int_equal(unpack_buf(&pb__run_request__descriptor, &b), -DVM_EPROTO);
}

/* And what is large but honest passes: a job with a long argument list on many nodes. */
static void an_honest_large_message_is_accepted(void **state)
{
	Pb__JobSpec spec = PB__JOB_SPEC__INIT;
	Pb__RunRequest req = PB__RUN_REQUEST__INIT;
	struct dvmi_buf b = { 0 };
	char *arg = malloc(100);

	memset(arg, 'x', 99);
	arg[99] = '\0';
	spec.n_env = spec.n_argv = 50000;
	spec.env = spec.argv = malloc(spec.n_env * sizeof *spec.env);
	for (size_t i = 0; i < spec.n_env; i++)
		spec.env[i] = arg;
	req.spec = &spec;
	dvmi_pb_pack(&b, &req);
	assert_true(b.len > 9u << 20);
	assert_int_equal(unpack_buf(&pb__run_request__descriptor, &b), 0);
	free(spec.env);
	free(arg);
}

static void dup_is_deep(void **state)
{
	char text[] = "hello";
	Pb__Error e = PB__ERROR__INIT;

	e.code = -5;
	e.text = text;
	Pb__Error *copy = dvmi_pb_dup(&e);
	text[0] = 'j';
	assert_string_equal(copy->text, "hello");
	assert_int_equal(copy->code, -5);
	dvmi_pb_free(copy);
	dvmi_pb_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_round_trips),
		cmocka_unit_test(every_truncation_is_survived),
		cmocka_unit_test(mutations_are_survived),
		cmocka_unit_test(strings_are_bounded),
		cmocka_unit_test(bytes_are_bounded),
		cmocka_unit_test(unknown_enum_values_are_refused),
		cmocka_unit_test(unknown_fields_are_allowed),
		cmocka_unit_test(what_nobody_writes_is_refused),
		cmocka_unit_test(a_bomb_of_empty_elements_is_refused),
		cmocka_unit_test(a_bomb_of_unknown_fields_is_refused),
		cmocka_unit_test(a_bomb_of_merges_is_refused),
		cmocka_unit_test(an_honest_large_message_is_accepted),
		cmocka_unit_test(dup_is_deep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
