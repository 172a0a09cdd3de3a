/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "libdvm/proto/envelope.h"
#include "tests/unit/cm.h"

static struct dvmi_envelope example(void)
{
	return (struct dvmi_envelope){ .version = DVMI_ENVELOPE_VERSION,
				       .highest = 3,
				       .type = 0x0102,
				       .flags = DVMI_FLAG_REPLY,
				       .request = 0x03040506,
				       .view = UINT64_C(0x0708090a0b0c0d0e) };
}

/* The layout is a promise to other releases: byte for byte. */
static void the_layout_is_fixed(void **state)
{
	static const uint8_t want[DVMI_ENVELOPE_BYTES] = {
		'd',  'v',  'm',  '1',	1,    3,    0x02, 0x01, 1,    0,    0,	  0,
		0x06, 0x05, 0x04, 0x03, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08, 0x07,
	};
	struct dvmi_envelope env = example();
	uint8_t out[DVMI_ENVELOPE_BYTES];

	dvmi_envelope_encode(&env, out);
	assert_memory_equal(out, want, sizeof want);
}

static void round_trip(void **state)
{
	struct dvmi_envelope env = example(), back = { 0 };
	uint8_t out[DVMI_ENVELOPE_BYTES];

	dvmi_envelope_encode(&env, out);
	assert_int_equal(dvmi_envelope_decode(out, sizeof out, &back), 0);
	assert_int_equal(back.version, env.version);
	assert_int_equal(back.highest, env.highest);
	assert_int_equal(back.type, env.type);
	assert_int_equal(back.flags, env.flags);
	assert_int_equal(back.request, env.request);
	assert_true(back.view == env.view);
}

static void other_sizes_are_refused(void **state)
{
	struct dvmi_envelope env = example(), back;
	uint8_t out[2 * DVMI_ENVELOPE_BYTES] = { 0 };

	dvmi_envelope_encode(&env, out);
	for (size_t n = 0; n <= sizeof out; n++) {
		uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees a byte too far */
		memcpy(exact, out, n);
		assert_int_equal(dvmi_envelope_decode(exact, n, &back),
				 n == DVMI_ENVELOPE_BYTES ? 0 : -DVM_EPROTO);
		free(exact);
	}
}

static void wrong_magic_and_flags_are_refused(void **state)
{
	struct dvmi_envelope env = example(), back = { .request = 99 };
	uint8_t out[DVMI_ENVELOPE_BYTES];

	for (int bit = 0; bit < 32; bit++) {
		dvmi_envelope_encode(&env, out);
		out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(dvmi_envelope_decode(out, sizeof out, &back), -DVM_EPROTO);
	}
	for (int bit = 2; bit < 32; bit++) {
		env.flags = 1u << bit;
		dvmi_envelope_encode(&env, out);
		assert_int_equal(dvmi_envelope_decode(out, sizeof out, &back), -DVM_EPROTO);
	}
	assert_int_equal(back.request, 99); /* outputs untouched on failure */
}

/* Of a version that we do not know nothing but the first six bytes means anything. */
static void another_version_is_recognised_whatever_its_size(void **state)
{
	struct dvmi_envelope env = example(), back = { 0 };
	uint8_t out[64];

	memset(out, 0xff, sizeof out);
	env.version = DVMI_ENVELOPE_VERSION + 1;
	env.highest = 7;
	dvmi_envelope_encode(&env, out);
	memset(out + 6, 0xff, DVMI_ENVELOPE_BYTES - 6);
	for (size_t n = 6; n <= sizeof out; n++) {
		assert_int_equal(dvmi_envelope_decode(out, n, &back), -DVM_EVERSION);
		assert_int_equal(back.version, DVMI_ENVELOPE_VERSION + 1);
		assert_int_equal(back.highest, 7);
	}
	assert_int_equal(dvmi_envelope_decode(out, 5, &back), -DVM_EPROTO);
	out[4] = 0;
	assert_int_equal(dvmi_envelope_decode(out, 24, &back), -DVM_EVERSION);
}

/* What is accepted is what was meant: decoding and encoding again gives the same bytes. */
static void random_headers(void **state)
{
	struct dvmi_envelope env;
	struct dvmi_rng rng;
	unsigned accepted = 0;

	dvmi_rng_seed(&rng, 7);
	for (int i = 0; i < 200000; i++) {
		uint8_t in[DVMI_ENVELOPE_BYTES], out[DVMI_ENVELOPE_BYTES];
		for (size_t k = 0; k < sizeof in; k++)
			in[k] = (uint8_t)dvmi_rng_next(&rng);
		memcpy(in, "dvm1\1", 5);
		if (i % 2)
			memset(in + 9, 0, 3);
		if (dvmi_envelope_decode(in, sizeof in, &env) < 0)
			continue;
		accepted++;
		dvmi_envelope_encode(&env, out);
		assert_memory_equal(in, out, sizeof in);
	}
	assert_true(accepted > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_layout_is_fixed),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(other_sizes_are_refused),
		cmocka_unit_test(wrong_magic_and_flags_are_refused),
		cmocka_unit_test(another_version_is_recognised_whatever_its_size),
		cmocka_unit_test(random_headers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
