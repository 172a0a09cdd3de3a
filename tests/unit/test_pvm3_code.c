/* SPDX-License-Identifier: BSD-3-Clause */
/* Data in messages of PVM: what XDR and raw make of each type, and what hostile bytes cannot do. */
#include <stdlib.h>
#include <string.h>

#include "pvm3.h"
#include "libdvm/base/rng.h"
#include "libdvm/pvm3/code.h"
#include "tests/unit/cm.h"

static struct pvmi_msg *message(int enc)
{
	struct pvmi_msg *m = pvmi_msg_new(enc);

	assert_non_null(m);
	pvmi_msg_packing(m);
	return m;
}

static void test_xdr_of_a_few(void **state)
{
	struct pvmi_msg *m = message(PVMI_ENC_XDR);
	const double d[2] = { 1, 2 };
	static const uint8_t one[] = { 0x3f, 0xf0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t word[] = { 0, 0, 0, 6, 'h', 'e', 'l', 'l', 'o', 0, 0, 0 };

	(void)state;
	assert_int_equal(pvmi_pack(m, PVM_DOUBLE, d, 2, 1), 0);
	assert_int_equal(pvmi_pack_str(m, "hello"), 0);
	assert_int_equal(pvmi_pack(m, PVM_BYTE, "abc", 3, 1), 0);
	assert_int_equal(m->len, 32);
	assert_memory_equal(pvmi_blob_data(m->blob), one, sizeof one);
	assert_memory_equal(pvmi_blob_data(m->blob) + 16, word, sizeof word);
	pvmi_msg_free(m);
}

static void test_raw_of_the_same(void **state)
{
	struct pvmi_msg *m = message(PVMI_ENC_RAW);
	const double d[2] = { 1, 2 };

	(void)state;
	pvmi_pack(m, PVM_DOUBLE, d, 2, 1);
	pvmi_pack_str(m, "hello");
	pvmi_pack(m, PVM_BYTE, "abc", 3, 1);
	assert_int_equal(m->len, 29);
	pvmi_msg_free(m);
}

/* A long takes 32 bits in XDR and comes back without a sign, as PVM has it. */
static void test_longs(void **state)
{
	struct pvmi_msg *m = message(PVMI_ENC_XDR);
	const long in[3] = { -5, 7, 1L << 33 };
	long out[3] = { 0 };

	(void)state;
	assert_int_equal(pvmi_pack(m, PVM_LONG, in, 3, 1), 0);
	assert_int_equal(m->len, 12);
	pvmi_msg_unpacking(m);
	assert_int_equal(pvmi_unpack(m, PVM_LONG, out, 3, 1), 0);
	assert_true(out[0] == 4294967291 && out[1] == 7 && out[2] == 0);
	pvmi_msg_free(m);
}

static void test_ends(void **state)
{
	struct pvmi_msg *m = message(PVMI_ENC_XDR);
	int v[4] = { 1, 2, 3, 4 }, got[4] = { 0 };
	char text[16];

	(void)state;
	assert_int_equal(pvmi_pack(m, PVM_INT, v, -1, 1), PvmBadParam);
	assert_int_equal(pvmi_pack(m, PVM_STR, v, 1, 1), PvmBadParam);
	assert_int_equal(pvmi_pack(m, 99, v, 1, 1), PvmBadParam);
	assert_int_equal(pvmi_pack(m, PVM_INT, v, 2, 2), 0);
	pvmi_msg_unpacking(m);
	assert_int_equal(pvmi_unpack(m, PVM_INT, got, 3, 1), PvmNoData);
	assert_true(got[0] == 1 && got[1] == 3 && got[2] == 0);
	assert_int_equal(pvmi_unpack_str(m, text), PvmNoData);
	pvmi_msg_free(m);
}

/* A string says how long it is: more than there is, or than fits, is not believed. */
static void test_sec_string_length(void **state)
{
	static const uint32_t lengths[] = { 0x7fffffff, 0xffffffff, 0x80000000, 5, 4 };
	char text[8];

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		struct pvmi_msg *m = message(PVMI_ENC_XDR);
		int n = (int)lengths[i];
		pvmi_pack(m, PVM_INT, &n, 1, 1);
		pvmi_pack(m, PVM_BYTE, "abc", 4, 1);
		pvmi_msg_unpacking(m);
		assert_int_equal(pvmi_unpack_str(m, text), n == 4 ? 0 : PvmNoData);
		pvmi_msg_free(m);
	}
}

static void test_in_place(void **state)
{
	struct pvmi_msg *m = message(PVMI_ENC_PLACE);
	int v[2] = { 1, 2 };
	size_t len;

	(void)state;
	assert_int_equal(pvmi_pack(m, PVM_INT, v, 1, 2), PvmNotImpl);
	assert_int_equal(pvmi_pack_str(m, "x"), PvmNotImpl);
	assert_int_equal(pvmi_pack(m, PVM_INT, v, 2, 1), 0);
	assert_int_equal(m->len, 0);
	v[1] = 7; /* read when it is sent */
	struct pvmi_blob *b = pvmi_msg_bytes(m, &len);
	assert_non_null(b);
	assert_int_equal(len, sizeof v);
	assert_memory_equal(pvmi_blob_data(b), v, sizeof v);
	pvmi_blob_unref(b);
	pvmi_msg_free(m);
}

/* What is in flight stays as it was, whatever is packed behind it. */
static void test_shared_bytes(void **state)
{
	struct pvmi_msg *m = message(PVMI_ENC_RAW);
	size_t len;
	int v = 1;

	(void)state;
	pvmi_pack(m, PVM_INT, &v, 1, 1);
	struct pvmi_blob *b = pvmi_msg_bytes(m, &len);
	for (v = 2; v < 1000; v++)
		assert_int_equal(pvmi_pack(m, PVM_INT, &v, 1, 1), 0);
	assert_true(m->blob != b);
	v = 1;
	assert_memory_equal(pvmi_blob_data(b), &v, sizeof v);
	pvmi_blob_unref(b);
	pvmi_msg_free(m);
}

static const int types[] = { PVM_BYTE,	 PVM_SHORT,  PVM_INT,  PVM_FLOAT,  PVM_CPLX, PVM_DOUBLE,
			     PVM_DCPLX, PVM_LONG, PVM_USHORT, PVM_UINT, PVM_ULONG };

/* Packs a random array with one stride and unpacks it with another. */
static void round_trip(struct dvmi_rng *rng, int enc)
{
	int type = types[dvmi_rng_below(rng, sizeof types / sizeof *types)];
	int n = (int)dvmi_rng_below(rng, 20), in_step = 1 + (int)dvmi_rng_below(rng, 3);
	int out_step = 1 + (int)dvmi_rng_below(rng, 3);
	size_t size = pvmi_type_size(type);
	uint8_t in[16 * 64] = { 0 }, out[16 * 64] = { 0 };
	struct pvmi_msg *m = message(enc);

	for (int i = 0; i < n; i++)
		for (size_t k = 0; k < size; k++) /* of longs what 32 bits hold */
			in[(size_t)i * (size_t)in_step * size + k] =
				k < 4 || (type != PVM_LONG && type != PVM_ULONG) ?
					(uint8_t)dvmi_rng_below(rng, 256) : 0;
	assert_int_equal(pvmi_pack(m, type, in, n, in_step), 0);
	pvmi_msg_unpacking(m);
	assert_int_equal(pvmi_unpack(m, type, out, n, out_step), 0);
	assert_int_equal(pvmi_msg_left(m), 0);
	for (int i = 0; i < n; i++) {
		size_t want = type == PVM_SHORT || type == PVM_USHORT ? 2 : size;
		assert_memory_equal(out + (size_t)i * (size_t)out_step * size,
				    in + (size_t)i * (size_t)in_step * size, want);
	}
	pvmi_msg_free(m);
}

static void test_random_arrays(void **state)
{
	struct dvmi_rng rng;

	(void)state;
	dvmi_rng_seed(&rng, 7);
	for (int i = 0; i < 4000; i++) {
		round_trip(&rng, PVMI_ENC_XDR);
		round_trip(&rng, PVMI_ENC_RAW);
	}
}

static void test_numbers(void **state)
{
	struct pvmi_mids t = { 0 };
	struct pvmi_msg *m[40];

	(void)state;
	for (int i = 0; i < 40; i++) {
		m[i] = message(PVMI_ENC_XDR);
		assert_int_equal(pvmi_mids_add(&t, m[i]), i + 1);
	}
	assert_null(pvmi_mids_get(&t, 0));
	assert_null(pvmi_mids_get(&t, -1));
	assert_null(pvmi_mids_get(&t, 1 << 20));
	assert_ptr_equal(pvmi_mids_get(&t, 17), m[16]);
	pvmi_mids_remove(&t, m[16]);
	assert_null(pvmi_mids_get(&t, 17));
	assert_int_equal(pvmi_mids_add(&t, m[16]), 17); /* the one freed last comes first */
	for (int i = 0; i < 40; i++)
		pvmi_msg_free(m[i]);
	free(t.msgs);
	free(t.free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_xdr_of_a_few),	   cmocka_unit_test(test_raw_of_the_same),
		cmocka_unit_test(test_longs),		   cmocka_unit_test(test_ends),
		cmocka_unit_test(test_sec_string_length),  cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_shared_bytes),	   cmocka_unit_test(test_random_arrays),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
