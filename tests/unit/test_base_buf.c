/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "dvm/error.h"
#include "libdvm/base/buf.h"
#include "tests/unit/cm.h"

static void round_trip(void **state)
{
	struct dvmi_buf b = { 0 };

	assert_non_null(dvmi_buf_extend(&b, 0)); /* NULL means out of memory, and nothing else */
	dvmi_buf_put_u8(&b, 1);
	dvmi_buf_put_u16(&b, 0x0203);
	dvmi_buf_put_u32(&b, 0x04050607);
	dvmi_buf_put_u64(&b, UINT64_C(0x08090a0b0c0d0e0f));
	dvmi_buf_put_str(&b, "node1");
	assert_int_equal(b.err, 0);

	struct dvmi_reader r;
	dvmi_reader_init(&r, b.data, b.len);
	assert_int_equal(dvmi_get_u8(&r), 1);
	assert_int_equal(dvmi_get_u16(&r), 0x0203);
	assert_int_equal(dvmi_get_u32(&r), 0x04050607);
	assert_int_equal(dvmi_get_u64(&r), UINT64_C(0x08090a0b0c0d0e0f));
	char *s = dvmi_get_str(&r, 16);
	assert_string_equal(s, "node1");
	assert_int_equal(dvmi_reader_done(&r), 0);
	free(s);
	dvmi_buf_free(&b);
}

static void every_truncation_is_refused(void **state)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, 7);
	dvmi_buf_put_str(&b, "abc");
	for (size_t n = 0; n < b.len; n++) {
		struct dvmi_reader r;
		dvmi_reader_init(&r, b.data, n);
		dvmi_get_u32(&r);
		free(dvmi_get_str(&r, 100));
		assert_int_equal(dvmi_reader_done(&r), -DVM_EPROTO);
	}
	dvmi_buf_free(&b);
}

static void oversized_and_odd_strings_are_refused(void **state)
{
	struct dvmi_buf b = { 0 };
	struct dvmi_reader r;

	dvmi_buf_put_str(&b, "abcdef");
	dvmi_reader_init(&r, b.data, b.len);
	assert_null(dvmi_get_str(&r, 5));
	assert_int_equal(r.err, -DVM_EPROTO);
	dvmi_buf_free(&b);

	dvmi_buf_put_blob(&b, "a\0b", 3);
	dvmi_reader_init(&r, b.data, b.len);
	assert_null(dvmi_get_str(&r, 100));
	dvmi_buf_free(&b);

	dvmi_buf_put_u32(&b, UINT32_MAX);
	dvmi_reader_init(&r, b.data, b.len);
	uint32_t n = 1;
	assert_null(dvmi_get_blob(&r, UINT32_MAX, &n));
	assert_int_equal(n, 0);
	dvmi_buf_free(&b);
}

static void printf_and_consume(void **state)
{
	struct dvmi_buf b = { 0 };

	for (int i = 0; i < 100; i++)
		dvmi_buf_printf(&b, "%03d,", i);
	assert_int_equal(b.len, 400);
	dvmi_buf_consume(&b, 396);
	assert_memory_equal(b.data, "099,", 4);
	dvmi_buf_consume(&b, 100);
	assert_int_equal(b.len, 0);
	dvmi_buf_free(&b);
}

static void an_absurd_size_latches_enomem(void **state)
{
	struct dvmi_buf b = { 0 };

	assert_null(dvmi_buf_extend(&b, SIZE_MAX));
	dvmi_buf_put_u8(&b, 1);
	assert_int_equal(b.err, -ENOMEM);
	assert_int_equal(b.len, 0);
	dvmi_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(oversized_and_odd_strings_are_refused),
		cmocka_unit_test(printf_and_consume),
		cmocka_unit_test(an_absurd_size_latches_enomem),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
