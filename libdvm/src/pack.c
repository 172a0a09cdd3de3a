/* SPDX-License-Identifier: BSD-3-Clause */
/* Packing and unpacking of values. */
#include <errno.h>
#include <string.h>

#include "libdvm/src/packbuf.h"

static const struct dvmi_packed int8_type = { 1, true, false }, uint8_type = { 1, false, false };
static const struct dvmi_packed int16_type = { 2, true, false }, uint16_type = { 2, false, false };
static const struct dvmi_packed type32 = { 4, false, false }, type64 = { 8, false, false };
static const struct dvmi_packed byte_type = { 1, false, true };

static bool bad(const dvm_buf_t *b, const void *v, size_t n, ptrdiff_t stride)
{
	return !b || (n && !v) || (n > 1 && !stride);
}

/* Room for BYTES more. */
static int extend(dvm_buf_t *b, int64_t bytes)
{
	size_t len;

	if (bytes < 0 || __builtin_add_overflow(b->len, (size_t)bytes, &len) || len > INT64_MAX)
		return -EOVERFLOW;
	return dvmi_buf_reserve(b, len);
}

static int pack(dvm_buf_t *b, struct dvmi_packed t, const void *v, size_t n, ptrdiff_t stride)
{
	if (bad(b, v, n, stride))
		return -EINVAL;
	int64_t bytes = dvmi_code_size(dvmi_buf_code(b), t, n);
	int rc = extend(b, bytes);
	if (rc < 0)
		return rc;
	dvmi_encode(dvmi_buf_code(b), t, b->bytes + b->len, v, n, stride);
	b->len += (size_t)bytes;
	return 0;
}

static int unpack(dvm_buf_t *b, struct dvmi_packed t, void *v, size_t n, ptrdiff_t stride)
{
	if (bad(b, v, n, stride))
		return -EINVAL;
	int64_t bytes = dvmi_code_size(dvmi_buf_code(b), t, n);
	if (bytes < 0 || (size_t)bytes > b->len - b->pos)
		return -ENODATA;
	if (!dvmi_decode(dvmi_buf_code(b), t, b->bytes + b->pos, v, n, stride))
		return -DVM_EPROTO;
	b->pos += (size_t)bytes;
	return 0;
}

int dvm_pack_int8(dvm_buf_t *b, const int8_t *v, size_t n, ptrdiff_t stride)
{
	return pack(b, int8_type, v, n, stride);
}

int dvm_pack_uint8(dvm_buf_t *b, const uint8_t *v, size_t n, ptrdiff_t stride)
{
	return pack(b, uint8_type, v, n, stride);
}

int dvm_pack_int16(dvm_buf_t *b, const int16_t *v, size_t n, ptrdiff_t stride)
{
	return pack(b, int16_type, v, n, stride);
}

int dvm_pack_uint16(dvm_buf_t *b, const uint16_t *v, size_t n, ptrdiff_t stride)
{
	return pack(b, uint16_type, v, n, stride);
}

int dvm_pack_int32(dvm_buf_t *b, const int32_t *v, size_t n, ptrdiff_t stride)
{
	return pack(b, type32, v, n, stride);
}

int dvm_pack_uint32(dvm_buf_t *b, const uint32_t *v, size_t n, ptrdiff_t stride)
{
	return pack(b, type32, v, n, stride);
}

int dvm_pack_int64(dvm_buf_t *b, const int64_t *v, size_t n, ptrdiff_t stride)
{
	return pack(b, type64, v, n, stride);
}

int dvm_pack_uint64(dvm_buf_t *b, const uint64_t *v, size_t n, ptrdiff_t stride)
{
	return pack(b, type64, v, n, stride);
}

int dvm_pack_float(dvm_buf_t *b, const float *v, size_t n, ptrdiff_t stride)
{
	return pack(b, type32, v, n, stride);
}

int dvm_pack_double(dvm_buf_t *b, const double *v, size_t n, ptrdiff_t stride)
{
	return pack(b, type64, v, n, stride);
}

int dvm_pack_bytes(dvm_buf_t *b, const void *v, size_t n, ptrdiff_t stride)
{
	return pack(b, byte_type, v, n, stride);
}

int dvm_unpack_int8(dvm_buf_t *b, int8_t *v, size_t n, ptrdiff_t stride)
{
	return unpack(b, int8_type, v, n, stride);
}

int dvm_unpack_uint8(dvm_buf_t *b, uint8_t *v, size_t n, ptrdiff_t stride)
{
	return unpack(b, uint8_type, v, n, stride);
}

int dvm_unpack_int16(dvm_buf_t *b, int16_t *v, size_t n, ptrdiff_t stride)
{
	return unpack(b, int16_type, v, n, stride);
}

int dvm_unpack_uint16(dvm_buf_t *b, uint16_t *v, size_t n, ptrdiff_t stride)
{
	return unpack(b, uint16_type, v, n, stride);
}

int dvm_unpack_int32(dvm_buf_t *b, int32_t *v, size_t n, ptrdiff_t stride)
{
	return unpack(b, type32, v, n, stride);
}

int dvm_unpack_uint32(dvm_buf_t *b, uint32_t *v, size_t n, ptrdiff_t stride)
{
	return unpack(b, type32, v, n, stride);
}

int dvm_unpack_int64(dvm_buf_t *b, int64_t *v, size_t n, ptrdiff_t stride)
{
	return unpack(b, type64, v, n, stride);
}

int dvm_unpack_uint64(dvm_buf_t *b, uint64_t *v, size_t n, ptrdiff_t stride)
{
	return unpack(b, type64, v, n, stride);
}

int dvm_unpack_float(dvm_buf_t *b, float *v, size_t n, ptrdiff_t stride)
{
	return unpack(b, type32, v, n, stride);
}

int dvm_unpack_double(dvm_buf_t *b, double *v, size_t n, ptrdiff_t stride)
{
	return unpack(b, type64, v, n, stride);
}

int dvm_unpack_bytes(dvm_buf_t *b, void *v, size_t n, ptrdiff_t stride)
{
	return unpack(b, byte_type, v, n, stride);
}

int dvm_pack_string(dvm_buf_t *b, const char *s)
{
	if (!b || !s)
		return -EINVAL;
	size_t len = strlen(s), before = b->len;
	uint32_t n = (uint32_t)len;
	if (len > UINT32_MAX)
		return -EOVERFLOW;
	int rc = pack(b, type32, &n, 1, 1);
	if (rc == 0)
		rc = pack(b, byte_type, s, len, 1);
	if (rc < 0)
		b->len = before;
	return rc;
}

/* The length of the next string into *N; the place of its bytes, or the code. */
static int64_t look_at_string(const dvm_buf_t *b, uint32_t *n)
{
	enum dvmi_code code = dvmi_buf_code(b);
	size_t left = b->len - b->pos, at = b->pos + sizeof *n;

	if (left < sizeof *n)
		return -ENODATA;
	dvmi_decode(code, type32, b->bytes + b->pos, n, 1, 1);
	if ((size_t)dvmi_code_size(code, byte_type, *n) > left - sizeof *n)
		return -ENODATA;
	return memchr(b->bytes + at, 0, *n) ? -DVM_EPROTO : (int64_t)at;
}

int dvm_unpack_string(dvm_buf_t *b, char *s, size_t room, size_t *len)
{
	uint32_t n;

	if (!b || (!s && room))
		return -EINVAL;
	int64_t at = look_at_string(b, &n);
	if (at < 0)
		return (int)at;
	if (n >= room) {
		if (len)
			*len = n;
		return -ENOSPC;
	}
	if (!dvmi_decode(dvmi_buf_code(b), byte_type, b->bytes + at, s, n, 1))
		return -DVM_EPROTO;
	s[n] = 0;
	if (len)
		*len = n;
	b->pos = (size_t)at + (size_t)dvmi_code_size(dvmi_buf_code(b), byte_type, n);
	return 0;
}
