/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XDR as PVM 3.4 has it on 64-bit hosts: integers of whatever size take 32 bits, and come back as
 * what 32 bits say of them (a long without its sign); bytes fill up words.
 */
#include <endian.h>
#include <string.h>

#include "pvm3.h"
#include "libdvm/pvm3/code.h"

struct type {
	uint8_t size;  /* of an element in memory */
	uint8_t parts; /* numbers in it */
	uint8_t wide;  /* bytes of each in XDR; 0: bytes */
	bool real;
};

static const struct type types[] = {
	[PVM_BYTE] = { 1, 1, 0, false },
	[PVM_SHORT] = { sizeof(short), 1, 4, false },
	[PVM_INT] = { sizeof(int), 1, 4, false },
	[PVM_FLOAT] = { sizeof(float), 1, 4, true },
	[PVM_CPLX] = { 2 * sizeof(float), 2, 4, true },
	[PVM_DOUBLE] = { sizeof(double), 1, 8, true },
	[PVM_DCPLX] = { 2 * sizeof(double), 2, 8, true },
	[PVM_LONG] = { sizeof(long), 1, 4, false },
	[PVM_USHORT] = { sizeof(unsigned short), 1, 4, false },
	[PVM_UINT] = { sizeof(unsigned), 1, 4, false },
	[PVM_ULONG] = { sizeof(unsigned long), 1, 4, false },
};

static const struct type *type_of(int type)
{
	if (type < 0 || type >= (int)(sizeof types / sizeof *types) || !types[type].size)
		return NULL;
	return &types[type];
}

size_t pvmi_type_size(int type)
{
	const struct type *t = type_of(type);

	return t ? t->size : 0;
}

static size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* Bytes of N elements in a message. */
static size_t coded(const struct type *t, bool xdr, size_t n)
{
	if (!xdr)
		return n * t->size;
	return t->wide ? n * t->parts * t->wide : padded(n);
}

static bool is_xdr(const struct pvmi_msg *m)
{
	return m->enc == PVMI_ENC_XDR;
}

/* ---- numbers: one element ---- */

static uint32_t load_int(const struct type *t, const uint8_t *from, bool sign)
{
	uint64_t v = 0;
	int16_t half;

	memcpy(&v, from, t->size < sizeof v ? t->size : sizeof v); /* little-endian: checked below */
	if (t->size != sizeof half)
		return (uint32_t)v;
	memcpy(&half, from, sizeof half);
	return sign ? (uint32_t)(int32_t)half : (uint16_t)half;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "load_int() and PVMI_ENC_RAW");

/* The parts of a real number or a complex one: the same way there and back. */
static void swap_parts(const struct type *t, uint8_t *to, const uint8_t *from)
{
	for (unsigned i = 0; i < t->parts; i++, to += t->wide, from += t->wide) {
		uint64_t d = 0;
		memcpy(&d, from, t->wide);
		d = t->wide == 8 ? htobe64(d) : htobe32((uint32_t)d);
		memcpy(to, &d, t->wide);
	}
}

static void put_element(const struct type *t, uint8_t *to, const uint8_t *from, bool sign)
{
	if (t->real) {
		swap_parts(t, to, from);
		return;
	}
	uint32_t v = htobe32(load_int(t, from, sign));
	memcpy(to, &v, sizeof v);
}

static void get_element(const struct type *t, uint8_t *to, const uint8_t *from, bool sign)
{
	uint32_t v;

	(void)sign;
	if (t->real) {
		swap_parts(t, to, from);
		return;
	}
	memcpy(&v, from, sizeof v);
	uint64_t wide = be32toh(v);
	memcpy(to, &wide, t->size);
}

/* ---- many of them, dense: loops that a compiler makes wide ---- */

static void swap32(uint8_t *to, const uint8_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t v;
		memcpy(&v, from + 4 * i, 4);
		v = __builtin_bswap32(v);
		memcpy(to + 4 * i, &v, 4);
	}
}

static void swap64(uint8_t *to, const uint8_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t v;
		memcpy(&v, from + 8 * i, 8);
		v = __builtin_bswap64(v);
		memcpy(to + 8 * i, &v, 8);
	}
}

/* Where memory and message differ in the order of bytes only. */
static bool swaps(const struct type *t, uint8_t *to, const uint8_t *from, size_t n)
{
	if (t->wide * (size_t)t->parts != t->size)
		return false;
	if (t->wide == 8)
		swap64(to, from, n * t->parts);
	else
		swap32(to, from, n * t->parts);
	return true;
}

/* ---- arrays ---- */

static bool is_signed(int type)
{
	return type == PVM_SHORT || type == PVM_INT || type == PVM_LONG;
}

/* Where elements lie: the first, and how far the next is. */
struct lane {
	uint8_t *at;
	ptrdiff_t step;
};

/* N elements of TYPE into a message (PUT) or out of it; those in memory are MEM's. */
static void move(int type, bool xdr, bool put, const struct lane *mem, uint8_t *coded_at, size_t n)
{
	const struct type *t = type_of(type);
	const bool plain = !xdr || !t->wide;
	const struct lane msg = { coded_at, plain ? t->size : t->parts * t->wide };
	const struct lane *to = put ? &msg : mem, *from = put ? mem : &msg;

	if (mem->step == t->size && plain) {
		memcpy(to->at, from->at, n * t->size);
		return;
	}
	if (mem->step == t->size && swaps(t, to->at, from->at, n))
		return;
	for (size_t i = 0; i < n; i++) {
		uint8_t *x = to->at + (ptrdiff_t)i * to->step;
		const uint8_t *y = from->at + (ptrdiff_t)i * from->step;
		if (plain)
			memcpy(x, y, t->size);
		else
			(put ? put_element : get_element)(t, x, y, is_signed(type));
	}
}

int pvmi_pack(struct pvmi_msg *m, int type, const void *from, int n, int stride)
{
	const struct type *t = type_of(type);

	if (!t || n < 0)
		return PvmBadParam;
	if (m->enc == PVMI_ENC_PLACE) {
		if (stride != 1)
			return PvmNotImpl;
		return n ? pvmi_msg_add_piece(m, from, (size_t)n * t->size) : 0;
	}
	size_t bytes = coded(t, is_xdr(m), (size_t)n);
	if (!n)
		return 0;
	uint8_t *to = pvmi_msg_extend(m, bytes);
	if (!to)
		return PvmNoMem;
	if (is_xdr(m) && !t->wide)
		memset(to + bytes - 4, 0, 4);
	const struct lane mem = { (uint8_t *)(uintptr_t)from, (ptrdiff_t)stride * t->size };
	move(type, is_xdr(m), true, &mem, to, (size_t)n);
	return 0;
}

/* Whole elements that are left. */
static size_t there_are(const struct pvmi_msg *m, const struct type *t)
{
	size_t left = pvmi_msg_left(m);

	if (is_xdr(m) && t->wide)
		return left / ((size_t)t->parts * t->wide);
	return left / t->size;
}

int pvmi_unpack(struct pvmi_msg *m, int type, void *to, int n, int stride)
{
	const struct type *t = type_of(type);

	if (!t || n < 0)
		return PvmBadParam;
	if (m->enc == PVMI_ENC_PLACE)
		return n ? PvmNoData : 0;
	size_t have = there_are(m, t), take = (size_t)n < have ? (size_t)n : have;
	const struct lane mem = { to, (ptrdiff_t)stride * t->size };
	if (take)
		move(type, is_xdr(m), false, &mem, pvmi_blob_data(m->blob) + m->at, take);
	/* What is raw has no elements: the rest of it is gone with one that is not whole. */
	size_t used = take < (size_t)n && !is_xdr(m) ? m->len : coded(t, is_xdr(m), take);
	m->at += used < pvmi_msg_left(m) ? used : pvmi_msg_left(m);
	return take == (size_t)n ? 0 : PvmNoData;
}

/* ---- strings ---- */

int pvmi_pack_bytes(struct pvmi_msg *m, const void *p, size_t n)
{
	uint8_t *to = n ? pvmi_msg_extend(m, n) : NULL;

	if (to)
		memcpy(to, p, n);
	return to || !n ? 0 : PvmNoMem;
}

int pvmi_pack_str(struct pvmi_msg *m, const char *s)
{
	size_t n = strlen(s) + 1;

	if (m->enc == PVMI_ENC_PLACE)
		return PvmNotImpl;
	if (n > INT32_MAX)
		return PvmOverflow;
	int len = (int)n, rc = pvmi_pack(m, PVM_INT, &len, 1, 1);
	return rc < 0 ? rc : pvmi_pack(m, PVM_BYTE, s, len, 1);
}

int pvmi_peek_str(const struct pvmi_msg *m)
{
	uint32_t len;

	if (pvmi_msg_left(m) < sizeof len)
		return PvmNoData;
	memcpy(&len, pvmi_blob_data(m->blob) + m->at, sizeof len);
	len = is_xdr(m) ? be32toh(len) : le32toh(len);
	return len > pvmi_msg_left(m) - sizeof len ? PvmNoData : (int)len;
}

int pvmi_unpack_str(struct pvmi_msg *m, char *s)
{
	int len = pvmi_peek_str(m), skip;

	if (len < 0) {
		m->at = m->len;
		return len;
	}
	pvmi_unpack(m, PVM_INT, &skip, 1, 1);
	return pvmi_unpack(m, PVM_BYTE, s, len, 1);
}
