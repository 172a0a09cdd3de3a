/* SPDX-License-Identifier: BSD-3-Clause */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "libdvm/src/pack_code.h"

#define inlined static inline __attribute__((always_inline))
#define UNIT	4u /* of XDR */

/* What 8 and 16 bits become in XDR. */
static bool is_widened(enum dvmi_code code, struct dvmi_packed t)
{
	return code == DVMI_CODE_XDR && t.width < UNIT && !t.opaque;
}

int64_t dvmi_code_size(enum dvmi_code code, struct dvmi_packed t, size_t n)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, is_widened(code, t) ? UNIT : t.width, &bytes) ||
	    bytes > INT64_MAX - UNIT)
		return -EOVERFLOW;
	if (code == DVMI_CODE_XDR)
		bytes = (bytes + UNIT - 1) / UNIT * UNIT;
	return (int64_t)bytes;
}

inlined void copy_one(uint8_t *to, const uint8_t *from, size_t width, bool swap)
{
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;

	if (!swap || width == 1) {
		memcpy(to, from, width);
	} else if (width == 2) {
		memcpy(&v16, from, 2);
		v16 = __builtin_bswap16(v16);
		memcpy(to, &v16, 2);
	} else if (width == 4) {
		memcpy(&v32, from, 4);
		v32 = __builtin_bswap32(v32);
		memcpy(to, &v32, 4);
	} else {
		memcpy(&v64, from, 8);
		v64 = __builtin_bswap64(v64);
		memcpy(to, &v64, 8);
	}
}

inlined void copy_each(uint8_t *to, ptrdiff_t step_to, const uint8_t *from, ptrdiff_t step_from,
		       size_t n, size_t width, bool swap)
{
	for (; n; n--, to += step_to, from += step_from)
		copy_one(to, from, width, swap);
}

/* N values of WIDTH from one memory to another; constants make a tight loop of each case. */
static void copy(uint8_t *to, ptrdiff_t step_to, const uint8_t *from, ptrdiff_t step_from, size_t n,
		 size_t width, bool swap)
{
	ptrdiff_t dense = (ptrdiff_t)width;

	if (step_to == dense && step_from == dense && (!swap || width == 1)) {
		memcpy(to, from, n * width);
		return;
	}
	switch (width * 2 + swap) {
	case 2:
	case 3:
		copy_each(to, step_to, from, step_from, n, 1, false);
		break;
	case 4:
		copy_each(to, step_to, from, step_from, n, 2, false);
		break;
	case 5:
		copy_each(to, step_to, from, step_from, n, 2, true);
		break;
	case 8:
		copy_each(to, step_to, from, step_from, n, 4, false);
		break;
	case 9:
		copy_each(to, step_to, from, step_from, n, 4, true);
		break;
	case 16:
		copy_each(to, step_to, from, step_from, n, 8, false);
		break;
	default:
		copy_each(to, step_to, from, step_from, n, 8, true);
	}
}

static bool is_foreign(enum dvmi_code code)
{
	return code != DVMI_CODE_RAW && !(code == DVMI_CODE_XDR && DVMI_CODE_RAW == DVMI_CODE_BIG);
}

static uint32_t widen(const uint8_t *v, struct dvmi_packed t)
{
	uint16_t v16;

	if (t.width == 1)
		return t.sign ? (uint32_t)(int32_t)(int8_t)*v : *v;
	memcpy(&v16, v, 2);
	return t.sign ? (uint32_t)(int32_t)(int16_t)v16 : v16;
}

/* The bytes behind the last value up to a whole unit. */
static size_t padding(enum dvmi_code code, struct dvmi_packed t, size_t n)
{
	return code == DVMI_CODE_XDR && t.opaque ? (UNIT - n % UNIT) % UNIT : 0;
}

void dvmi_encode(enum dvmi_code code, struct dvmi_packed t, uint8_t *out, const void *v, size_t n,
		 ptrdiff_t stride)
{
	const uint8_t *from = v;
	ptrdiff_t step = stride * t.width;

	if (!n)
		return;
	if (is_widened(code, t)) {
		for (; n; n--, out += UNIT, from += step) {
			uint32_t v32 = htobe32(widen(from, t));
			memcpy(out, &v32, UNIT);
		}
		return;
	}
	copy(out, t.width, from, step, n, t.width, is_foreign(code));
	memset(out + n * t.width, 0, padding(code, t, n));
}

/* Whether V is a value of T that was widened. */
static bool fits(uint32_t v, struct dvmi_packed t)
{
	int32_t s = (int32_t)v;

	if (t.width == 1)
		return t.sign ? s == (int8_t)s : v == (uint8_t)v;
	return t.sign ? s == (int16_t)s : v == (uint16_t)v;
}

static uint32_t unit(const uint8_t *in)
{
	uint32_t v;

	memcpy(&v, in, UNIT);
	return be32toh(v);
}

/* The low bytes of V, as they are in memory here. */
static void narrow(uint8_t *to, uint32_t v, struct dvmi_packed t)
{
	uint16_t v16 = (uint16_t)v;

	if (t.width == 1)
		*to = (uint8_t)v;
	else
		memcpy(to, &v16, 2);
}

static bool decode_widened(struct dvmi_packed t, const uint8_t *in, uint8_t *to, size_t n,
			   ptrdiff_t step)
{
	for (size_t i = 0; i < n; i++)
		if (!fits(unit(in + i * UNIT), t))
			return false;
	for (; n; n--, in += UNIT, to += step)
		narrow(to, unit(in), t);
	return true;
}

bool dvmi_decode(enum dvmi_code code, struct dvmi_packed t, const uint8_t *in, void *v, size_t n,
		 ptrdiff_t stride)
{
	ptrdiff_t step = stride * t.width;

	if (!n)
		return true;
	if (is_widened(code, t))
		return decode_widened(t, in, v, n, step);
	for (size_t i = 0; i < padding(code, t, n); i++)
		if (in[n + i])
			return false;
	copy(v, step, in, t.width, n, t.width, is_foreign(code));
	return true;
}
