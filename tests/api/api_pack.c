/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm/pack.h: wrong arguments first, then bytes, values and messages to oneself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/pack.h>

#include "tests/api/cm.h"

static dvm_buf_t *make(int encoding)
{
	dvm_buf_t *b;

	assert_int_equal(dvm_buf_create(&b, encoding), 0);
	return b;
}

static void buffer_arguments(void **state)
{
	dvm_buf_t *const untouched = (dvm_buf_t *)8, *b = untouched;
	const uint8_t nothing[] = { 0 }, unknown[] = { 9, 1 };

	assert_int_equal(dvm_buf_create(NULL, DVM_PACK_RAW), -EINVAL);
	assert_int_equal(dvm_buf_create(&b, 3), -EINVAL);
	assert_int_equal(dvm_buf_create(&b, -1), -EINVAL);
	assert_ptr_equal(b, untouched);
	dvm_buf_free(NULL);
	assert_int_equal(dvm_buf_reset(NULL), -EINVAL);
	assert_int_equal(dvm_buf_rewind(NULL), -EINVAL);
	assert_int_equal(dvm_buf_len(NULL), 0);
	assert_int_equal(dvm_buf_left(NULL), 0);
	assert_null(dvm_buf_data(NULL));
	assert_int_equal(dvm_buf_encoding(NULL), -EINVAL);
	assert_int_equal(dvm_buf_load(NULL, nothing, 1), -EINVAL);
	b = make(DVM_PACK_XDR);
	assert_int_equal(dvm_buf_load(b, NULL, 1), -EINVAL);
	assert_int_equal(dvm_buf_load(b, NULL, 0), -DVM_EPROTO);
	assert_int_equal(dvm_buf_load(b, nothing, 1), -DVM_EPROTO);
	assert_int_equal(dvm_buf_load(b, unknown, 2), -DVM_EPROTO);
	assert_int_equal(dvm_buf_len(b), 1);
	assert_int_equal(dvm_buf_left(b), 0);
	assert_int_equal(dvm_buf_encoding(b), DVM_PACK_XDR);
	assert_int_equal(dvm_buf_send(NULL, b, 0, 0), -EINVAL);
	assert_int_equal(dvm_buf_isend(NULL, b, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_buf_recv(NULL, b, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_buf_mrecv(NULL, b, NULL), -EINVAL);
	dvm_buf_free(b);
}

/* No buffer, with each of them. */
static void no_buffer(void **state)
{
	int8_t i8 = 0;
	uint8_t u8 = 0;
	int16_t i16 = 0;
	uint16_t u16 = 0;
	int32_t i32 = 0;
	uint32_t u32 = 0;
	int64_t i64 = 0;
	uint64_t u64 = 0;
	float f = 0;
	double d = 0;

	assert_int_equal(dvm_pack_int8(NULL, &i8, 1, 1), -EINVAL);
	assert_int_equal(dvm_unpack_int8(NULL, &i8, 1, 1), -EINVAL);
	assert_int_equal(dvm_pack_uint8(NULL, &u8, 1, 1), -EINVAL);
	assert_int_equal(dvm_unpack_uint8(NULL, &u8, 1, 1), -EINVAL);
	assert_int_equal(dvm_pack_int16(NULL, &i16, 1, 1), -EINVAL);
	assert_int_equal(dvm_unpack_int16(NULL, &i16, 1, 1), -EINVAL);
	assert_int_equal(dvm_pack_uint16(NULL, &u16, 1, 1), -EINVAL);
	assert_int_equal(dvm_unpack_uint16(NULL, &u16, 1, 1), -EINVAL);
	assert_int_equal(dvm_pack_int32(NULL, &i32, 1, 1), -EINVAL);
	assert_int_equal(dvm_unpack_int32(NULL, &i32, 1, 1), -EINVAL);
	assert_int_equal(dvm_pack_uint32(NULL, &u32, 1, 1), -EINVAL);
	assert_int_equal(dvm_unpack_uint32(NULL, &u32, 1, 1), -EINVAL);
	assert_int_equal(dvm_pack_int64(NULL, &i64, 1, 1), -EINVAL);
	assert_int_equal(dvm_unpack_int64(NULL, &i64, 1, 1), -EINVAL);
	assert_int_equal(dvm_pack_uint64(NULL, &u64, 1, 1), -EINVAL);
	assert_int_equal(dvm_unpack_uint64(NULL, &u64, 1, 1), -EINVAL);
	assert_int_equal(dvm_pack_float(NULL, &f, 1, 1), -EINVAL);
	assert_int_equal(dvm_unpack_float(NULL, &f, 1, 1), -EINVAL);
	assert_int_equal(dvm_pack_double(NULL, &d, 1, 1), -EINVAL);
	assert_int_equal(dvm_unpack_double(NULL, &d, 1, 1), -EINVAL);
}

/* Each pair of calls with what it must refuse, and one value forth and back. */
#define VALUE(type, name, value)                                                                   \
	do {                                                                                       \
		type in_ = (value), out_ = 0;                                                      \
		assert_int_equal(dvm_pack_##name(b, NULL, 1, 1), -EINVAL);                         \
		assert_int_equal(dvm_pack_##name(b, &in_, 2, 0), -EINVAL);                         \
		assert_int_equal(dvm_pack_##name(b, NULL, 0, 1), 0);                               \
		assert_int_equal(dvm_pack_##name(b, &in_, (size_t)1 << 63, 1),                     \
				 -EOVERFLOW);                                                      \
		assert_int_equal(dvm_pack_##name(b, &in_, 1, 1), 0);                               \
		assert_int_equal(dvm_unpack_##name(b, NULL, 1, 1), -EINVAL);                       \
		assert_int_equal(dvm_unpack_##name(b, &out_, 2, 0), -EINVAL);                      \
		assert_int_equal(dvm_unpack_##name(b, &out_, 3, 1), -ENODATA);                     \
		assert_true(out_ == 0);                                                            \
		assert_int_equal(dvm_unpack_##name(b, &out_, 1, 1), 0);                            \
		assert_true(out_ == in_);                                                          \
		assert_int_equal(dvm_buf_left(b), 0);                                              \
	} while (0)

static void values(void **state)
{
	for (int encoding = DVM_PACK_DEFAULT; encoding <= DVM_PACK_XDR; encoding++) {
		dvm_buf_t *b = make(encoding);
		VALUE(int8_t, int8, -7);
		VALUE(uint8_t, uint8, 200);
		VALUE(int16_t, int16, -30000);
		VALUE(uint16_t, uint16, 60000);
		VALUE(int32_t, int32, INT32_MIN);
		VALUE(uint32_t, uint32, UINT32_MAX);
		VALUE(int64_t, int64, INT64_MIN);
		VALUE(uint64_t, uint64, UINT64_MAX);
		VALUE(float, float, 0.25f);
		VALUE(double, double, -1e300);
		uint8_t x = 3, y = 0;
		assert_int_equal(dvm_pack_bytes(NULL, &x, 1, 1), -EINVAL);
		assert_int_equal(dvm_pack_bytes(b, NULL, 1, 1), -EINVAL);
		assert_int_equal(dvm_pack_bytes(b, &x, 2, 0), -EINVAL);
		assert_int_equal(dvm_pack_bytes(b, &x, 1, 1), 0);
		assert_int_equal(dvm_unpack_bytes(NULL, &y, 1, 1), -EINVAL);
		assert_int_equal(dvm_unpack_bytes(b, NULL, 1, 1), -EINVAL);
		assert_int_equal(dvm_unpack_bytes(b, &y, 5, 1), -ENODATA);
		assert_int_equal(dvm_unpack_bytes(b, &y, 1, 1), 0);
		assert_true(x == y);
		dvm_buf_free(b);
	}
}

static void strings(void **state)
{
	for (int encoding = DVM_PACK_RAW; encoding <= DVM_PACK_XDR; encoding++) {
		dvm_buf_t *b = make(encoding);
		char out[8] = "......";
		size_t len = 99;
		assert_int_equal(dvm_pack_string(NULL, "x"), -EINVAL);
		assert_int_equal(dvm_pack_string(b, NULL), -EINVAL);
		assert_int_equal(dvm_unpack_string(b, out, 8, &len), -ENODATA);
		assert_int_equal(dvm_unpack_string(NULL, out, 8, &len), -EINVAL);
		assert_int_equal(dvm_unpack_string(b, NULL, 8, &len), -EINVAL);
		assert_int_equal(len, 99);
		assert_int_equal(dvm_pack_string(b, "hello"), 0);
		assert_int_equal(dvm_pack_string(b, ""), 0);
		assert_int_equal(dvm_unpack_string(b, NULL, 0, &len), -ENOSPC);
		assert_int_equal(len, 5);
		assert_int_equal(dvm_unpack_string(b, out, 5, NULL), -ENOSPC);
		assert_string_equal(out, "......");
		assert_int_equal(dvm_unpack_string(b, out, 6, NULL), 0);
		assert_string_equal(out, "hello");
		assert_int_equal(dvm_unpack_string(b, out, 1, &len), 0);
		assert_true(len == 0 && out[0] == 0);
		assert_int_equal(dvm_buf_left(b), 0);
		dvm_buf_free(b);
	}
}

/* The very bytes, so that they stay what other programs know. */
static void encodings(void **state)
{
	static const uint8_t xdr[] = { 3,   0xff, 0xff, 0xff, 0xfe, 0,	 0,   0,   2,	'a',
				       'b', 'c',  0,	0,    0,    0,	 2,   'h', 'i', 0,
				       0,   0x3f, 0xf0, 0,    0,    0,	 0,   0,   0,	0,
				       0,   0,	  0,	0,    0,    0,	 1 };
	static const uint8_t big[] = { 2, 0xfe, 2, 'a', 'b', 'c', 0, 0, 0, 2, 'h', 'i', 0x3f, 0xf0, 0,
				       0, 0,	0, 0,	0,   0,	  0, 0, 0, 0, 0,   0,	1 };
	const struct {
		const uint8_t *bytes;
		size_t len;
	} known[] = { { xdr, sizeof xdr }, { big, sizeof big } };
	int8_t small = -2, s;
	uint8_t two = 2, u;
	double one = 1, d;
	int64_t long_one = 1, l;
	char bytes[3], text[3];

	for (int i = 0; i < 2; i++) {
		dvm_buf_t *b = make(DVM_PACK_RAW);
		assert_int_equal(dvm_buf_load(b, known[i].bytes, known[i].len), 0);
		assert_int_equal(dvm_unpack_int8(b, &s, 1, 1), 0);
		assert_int_equal(dvm_unpack_uint8(b, &u, 1, 1), 0);
		assert_int_equal(dvm_unpack_bytes(b, bytes, 3, 1), 0);
		assert_int_equal(dvm_unpack_string(b, text, 3, NULL), 0);
		assert_int_equal(dvm_unpack_double(b, &d, 1, 1), 0);
		assert_int_equal(dvm_unpack_int64(b, &l, 1, 1), 0);
		assert_true(s == small && u == two && d == one && l == long_one);
		assert_memory_equal(bytes, "abc", 3);
		assert_string_equal(text, "hi");
		assert_int_equal(dvm_buf_left(b), 0);
		/* What is appended is encoded as the rest. */
		assert_int_equal(dvm_pack_int64(b, &long_one, 1, 1), 0);
		assert_memory_equal((const uint8_t *)dvm_buf_data(b) + known[i].len,
				    known[i].bytes + known[i].len - 8, 8);
		assert_int_equal(dvm_buf_reset(b), 0);
		assert_int_equal(dvm_buf_encoding(b), DVM_PACK_RAW);
		dvm_buf_free(b);
	}
	dvm_buf_t *b = make(DVM_PACK_XDR);
	assert_int_equal(dvm_pack_int8(b, &small, 1, 1), 0);
	assert_int_equal(dvm_pack_uint8(b, &two, 1, 1), 0);
	assert_int_equal(dvm_pack_bytes(b, "abc", 3, 1), 0);
	assert_int_equal(dvm_pack_string(b, "hi"), 0);
	assert_int_equal(dvm_pack_double(b, &one, 1, 1), 0);
	assert_int_equal(dvm_pack_int64(b, &long_one, 1, 1), 0);
	assert_int_equal(dvm_buf_len(b), sizeof xdr);
	assert_memory_equal(dvm_buf_data(b), xdr, sizeof xdr);
	dvm_buf_free(b);
}

/* What cannot be of the type that is asked for. */
static void confusion(void **state)
{
	dvm_buf_t *b = make(DVM_PACK_XDR);
	int32_t v = 200;
	int8_t s = 1;
	uint16_t u = 2;
	char text[10] = "x";
	size_t len = 9;

	assert_int_equal(dvm_pack_int32(b, &v, 1, 1), 0);
	assert_int_equal(dvm_unpack_int8(b, &s, 1, 1), -DVM_EPROTO);
	assert_int_equal(dvm_unpack_string(b, text, 10, &len), -ENODATA);
	assert_true(s == 1 && text[0] == 'x' && len == 9);
	v = -1;
	assert_int_equal(dvm_unpack_int32(b, &v, 1, 1), 0);
	assert_int_equal(v, 200);
	v = -1;
	assert_int_equal(dvm_pack_int32(b, &v, 1, 1), 0);
	assert_int_equal(dvm_unpack_uint16(b, &u, 1, 1), -DVM_EPROTO);
	assert_int_equal(dvm_unpack_bytes(b, text, 1, 1), -DVM_EPROTO); /* padding */
	assert_true(u == 2 && text[0] == 'x');
	assert_int_equal(dvm_unpack_int8(b, &s, 1, 1), 0);
	assert_int_equal(s, -1);
	dvm_buf_free(b);
	b = make(DVM_PACK_RAW);
	v = 4;
	assert_int_equal(dvm_pack_int32(b, &v, 1, 1), 0);
	assert_int_equal(dvm_pack_bytes(b, "a\0bc", 4, 1), 0);
	assert_int_equal(dvm_unpack_string(b, text, 10, NULL), -DVM_EPROTO);
	dvm_buf_free(b);
}

static void strides(void **state)
{
	enum { N = 1000 };
	static int32_t in[3 * N], out[2 * N];
	static int16_t narrow[2 * N], back[3 * N];

	for (int i = 0; i < 3 * N; i++)
		in[i] = i * 7 - N;
	for (int i = 0; i < 2 * N; i++)
		narrow[i] = (int16_t)(i - N);
	for (int encoding = DVM_PACK_RAW; encoding <= DVM_PACK_XDR; encoding++) {
		dvm_buf_t *b = make(encoding);
		memset(out, 0, sizeof out);
		assert_int_equal(dvm_pack_int32(b, in, N, 3), 0);
		assert_int_equal(dvm_pack_int16(b, narrow, N, 2), 0);
		assert_int_equal(dvm_pack_int32(b, &in[N - 1], N, -1), 0);
		for (int again = 0; again < 2; again++) {
			assert_int_equal(dvm_unpack_int32(b, out, N, 2), 0);
			assert_int_equal(dvm_unpack_int16(b, back, N, 3), 0);
			for (int i = 0; i < N; i++)
				assert_true(out[2 * i] == in[3 * i] && out[2 * i + 1] == 0 &&
					    back[3 * i] == narrow[2 * i]);
			assert_int_equal(dvm_unpack_int32(b, &out[N], N, 1), 0);
			for (int i = 0; i < N; i++)
				assert_int_equal(out[N + i], in[N - 1 - i]);
			memset(out, 0, sizeof out);
			assert_int_equal(dvm_buf_rewind(b), 0);
		}
		dvm_buf_free(b);
	}
}

static void messages(void **state)
{
	dvm_t *d;
	dvm_req_t *req;
	dvm_message_t *msg;
	dvm_status_t st;
	double v[2000], out[2000];
	char text[10];

	unsetenv("DVM_SHEPHERD");
	assert_int_equal(dvm_open(&d, NULL, NULL), 0);
	dvm_group_t *w = dvm_world(d);
	dvm_buf_t *a = make(DVM_PACK_XDR), *b = make(DVM_PACK_RAW);
	assert_int_equal(dvm_buf_send(w, NULL, 0, 0), -EINVAL);
	assert_int_equal(dvm_buf_send(w, a, 1, 0), -EINVAL);
	assert_int_equal(dvm_buf_isend(w, NULL, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_buf_isend(w, a, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_buf_recv(w, NULL, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_buf_recv(w, b, 1, 0, NULL), -EINVAL);
	assert_int_equal(dvm_buf_recv(w, b, 0, 0, &st), -EDEADLK);
	for (int i = 0; i < 2000; i++)
		v[i] = i;
	assert_int_equal(dvm_pack_string(a, "doubles"), 0);
	assert_int_equal(dvm_pack_double(a, v, 2000, 1), 0);
	assert_int_equal(dvm_buf_send(w, a, 0, 3), 0);
	assert_int_equal(dvm_buf_isend(w, a, 0, 4, &req), 0);
	assert_int_equal(dvm_wait(&req, NULL), 0);
	assert_int_equal(dvm_buf_recv(w, b, DVM_ANY_SOURCE, 3, &st), 0);
	assert_true(st.tag == 3 && st.len == dvm_buf_len(a) && st.source == 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(dvm_buf_encoding(b), DVM_PACK_XDR);
		assert_int_equal(dvm_unpack_string(b, text, 10, NULL), 0);
		assert_int_equal(dvm_unpack_double(b, out, 2000, 1), 0);
		assert_string_equal(text, "doubles");
		assert_memory_equal(v, out, sizeof v);
		if (i == 0) {
			assert_int_equal(dvm_mprobe(w, 0, DVM_ANY_TAG, &msg, NULL), 0);
			assert_int_equal(dvm_buf_mrecv(&msg, b, NULL), 0);
		}
	}
	assert_int_equal(dvm_send(w, "nonsense", 8, 0, 5), 0);
	assert_int_equal(dvm_buf_recv(w, b, 0, 5, &st), -DVM_EPROTO);
	assert_true(st.error == -DVM_EPROTO && st.len == 8);
	assert_true(dvm_buf_len(b) == 1 && dvm_buf_encoding(b) == DVM_PACK_RAW);
	assert_int_equal(dvm_buf_recv(w, b, DVM_NOBODY, 5, &st), 0);
	assert_int_equal(dvm_buf_len(b), 1);
	dvm_buf_free(a);
	dvm_buf_free(b);
	assert_int_equal(dvm_close(d), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffer_arguments), cmocka_unit_test(no_buffer),
		cmocka_unit_test(values),
		cmocka_unit_test(strings),	    cmocka_unit_test(encodings),
		cmocka_unit_test(confusion),	    cmocka_unit_test(strides),
		cmocka_unit_test(messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
