/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packed buffers of hostile senders. Input: { number of steps, steps, buffer }; a step is a type
 * and a count. What cannot be unpacked moves and writes nothing; what can, packed again in the
 * same encoding, is the same bytes.
 */
#include <errno.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/src/packbuf.h"
#include "tests/fuzz/fuzz.h"

enum { COUNT_MAX = 16, CANARY = 0xa5 };

union values {
	int8_t i8[COUNT_MAX];
	uint8_t u8[COUNT_MAX];
	int16_t i16[COUNT_MAX];
	uint16_t u16[COUNT_MAX];
	int32_t i32[COUNT_MAX];
	int64_t i64[COUNT_MAX];
	float f[COUNT_MAX];
	double d[COUNT_MAX];
	char s[COUNT_MAX * 8];
};

static int unpack(dvm_buf_t *b, int type, union values *v, size_t n)
{
	switch (type) {
	case 0:
		return dvm_unpack_int8(b, v->i8, n, 1);
	case 1:
		return dvm_unpack_uint8(b, v->u8, n, 1);
	case 2:
		return dvm_unpack_int16(b, v->i16, n, 1);
	case 3:
		return dvm_unpack_uint16(b, v->u16, n, 1);
	case 4:
		return dvm_unpack_int32(b, v->i32, n, 1);
	case 5:
		return dvm_unpack_int64(b, v->i64, n, 1);
	case 6:
		return dvm_unpack_bytes(b, v->u8, n, 1);
	default:
		return dvm_unpack_string(b, v->s, sizeof v->s, NULL);
	}
}

static int pack(dvm_buf_t *b, int type, const union values *v, size_t n)
{
	switch (type) {
	case 0:
		return dvm_pack_int8(b, v->i8, n, 1);
	case 1:
		return dvm_pack_uint8(b, v->u8, n, 1);
	case 2:
		return dvm_pack_int16(b, v->i16, n, 1);
	case 3:
		return dvm_pack_uint16(b, v->u16, n, 1);
	case 4:
		return dvm_pack_int32(b, v->i32, n, 1);
	case 5:
		return dvm_pack_int64(b, v->i64, n, 1);
	case 6:
		return dvm_pack_bytes(b, v->u8, n, 1);
	default:
		return dvm_pack_string(b, v->s);
	}
}

static void step(dvm_buf_t *b, dvm_buf_t *copy, int type, size_t n)
{
	union values v;
	size_t before = b->pos, packed = copy->len;

	memset(&v, CANARY, sizeof v);
	int rc = unpack(b, type, &v, n);
	if (rc < 0) {
		FUZZ_CHECK(rc == -ENODATA || rc == -DVM_EPROTO || (rc == -ENOSPC && type == 7));
		FUZZ_CHECK(b->pos == before);
		for (size_t i = 0; i < sizeof v; i++)
			FUZZ_CHECK(((uint8_t *)&v)[i] == CANARY);
		return;
	}
	FUZZ_CHECK(b->pos <= b->len);
	FUZZ_CHECK(pack(copy, type, &v, n) == 0);
	FUZZ_CHECK(copy->len - packed == b->pos - before);
	FUZZ_CHECK(!memcmp(copy->bytes + packed, b->bytes + before, b->pos - before));
}

/* The buffer with no byte of room behind it, so that a sanitizer sees a byte read too far. */
static void cut_room(dvm_buf_t *b)
{
	uint8_t *exact = malloc(b->len);

	FUZZ_CHECK(exact);
	memcpy(exact, b->bytes, b->len);
	free(b->bytes);
	b->bytes = exact;
	b->room = b->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t steps = size ? data[0] : 0;
	dvm_buf_t *b, *copy;

	if (size < 1 + steps)
		return 0;
	FUZZ_CHECK(dvm_buf_create(&b, DVM_PACK_RAW) == 0 && dvm_buf_create(&copy, DVM_PACK_RAW) == 0);
	int rc = dvm_buf_load(b, data + 1 + steps, size - 1 - steps);
	FUZZ_CHECK(rc == 0 || rc == -DVM_EPROTO);
	FUZZ_CHECK(dvm_buf_load(copy, b->bytes, 1) == 0);
	cut_room(b);
	for (size_t i = 0; i < steps; i++)
		step(b, copy, data[1 + i] & 7, (size_t)(data[1 + i] >> 3) % (COUNT_MAX + 1));
	dvm_buf_free(b);
	dvm_buf_free(copy);
	return 0;
}
