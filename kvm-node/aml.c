/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/aml.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	OP_NAME = 0x08,
	OP_BYTE = 0x0a,
	OP_WORD = 0x0b,
	OP_DWORD = 0x0c,
	OP_STRING = 0x0d,
	OP_QWORD = 0x0e,
	OP_SCOPE = 0x10,
	OP_BUFFER = 0x11,
	OP_PACKAGE = 0x12,
	OP_EXT = 0x5b,
	OP_EXT_DEVICE = 0x82,
};

enum {
	RES_IO = 0x47,
	RES_END = 0x79,
	RES_MEM32 = 0x86,
	RES_ADDR32 = 0x87,
	RES_ADDR16 = 0x88,
	RES_IRQ = 0x89,
	RES_ADDR64 = 0x8a,
};

size_t vmm_aml_open(struct dvmi_buf *b)
{
	return b->len;
}

/* The length counts its own bytes: 6 bits in one, or 4 bits and 8 in each of up to three more. */
void vmm_aml_close(struct dvmi_buf *b, size_t at)
{
	size_t len = b->len - at, n = len + 1 < 1 << 6 ? 1 : len + 2 < 1 << 12 ? 2 : 3;

	if (!dvmi_buf_extend(b, n))
		return;
	uint8_t *p = b->data + at;
	memmove(p + n, p, len);
	len += n;
	if (n == 1) {
		p[0] = (uint8_t)len;
		return;
	}
	p[0] = (uint8_t)((n - 1) << 6 | (len & 0xf));
	for (size_t i = 1; i < n; i++)
		p[i] = (uint8_t)(len >> (i * 8 - 4));
}

size_t vmm_aml_scope(struct dvmi_buf *b, const char *path)
{
	dvmi_buf_put_u8(b, OP_SCOPE);
	size_t at = vmm_aml_open(b);
	dvmi_buf_put(b, path, strlen(path));
	return at;
}

size_t vmm_aml_device(struct dvmi_buf *b, const char *name)
{
	dvmi_buf_put_u8(b, OP_EXT);
	dvmi_buf_put_u8(b, OP_EXT_DEVICE);
	size_t at = vmm_aml_open(b);
	dvmi_buf_put(b, name, 4);
	return at;
}

void vmm_aml_name(struct dvmi_buf *b, const char *name)
{
	dvmi_buf_put_u8(b, OP_NAME);
	dvmi_buf_put(b, name, 4);
}

size_t vmm_aml_package(struct dvmi_buf *b, uint8_t n)
{
	dvmi_buf_put_u8(b, OP_PACKAGE);
	size_t at = vmm_aml_open(b);
	dvmi_buf_put_u8(b, n);
	return at;
}

void vmm_aml_int(struct dvmi_buf *b, uint64_t value)
{
	if (value <= 1) {
		dvmi_buf_put_u8(b, (uint8_t)value);
	} else if (value <= UINT8_MAX) {
		dvmi_buf_put_u8(b, OP_BYTE);
		dvmi_buf_put_u8(b, (uint8_t)value);
	} else if (value <= UINT16_MAX) {
		dvmi_buf_put_u8(b, OP_WORD);
		dvmi_buf_put_u16(b, (uint16_t)value);
	} else if (value <= UINT32_MAX) {
		dvmi_buf_put_u8(b, OP_DWORD);
		dvmi_buf_put_u32(b, (uint32_t)value);
	} else {
		dvmi_buf_put_u8(b, OP_QWORD);
		dvmi_buf_put_u64(b, value);
	}
}

void vmm_aml_str(struct dvmi_buf *b, const char *s)
{
	dvmi_buf_put_u8(b, OP_STRING);
	dvmi_buf_put(b, s, strlen(s) + 1);
}

/* Three letters of five bits, four hexadecimal digits; the bytes then in network order. */
void vmm_aml_id(struct dvmi_buf *b, const char *id)
{
	bool eisa = strlen(id) == 7;

	for (int i = 0; eisa && i < 7; i++)
		eisa = i < 3 ? isupper((unsigned char)id[i]) : isxdigit((unsigned char)id[i]);
	if (!eisa) {
		vmm_aml_str(b, id);
		return;
	}
	uint32_t v = (uint32_t)(id[0] - 'A' + 1) << 26 | (uint32_t)(id[1] - 'A' + 1) << 21 |
		     (uint32_t)(id[2] - 'A' + 1) << 16 | (uint32_t)strtoul(id + 3, NULL, 16);
	dvmi_buf_put_u8(b, OP_DWORD);
	dvmi_buf_put_u32(b, __builtin_bswap32(v));
}

/* ---- resources ---- */

void vmm_aml_crs_io(struct vmm_aml_crs *c, uint16_t base, uint8_t len)
{
	struct dvmi_buf *b = &c->bytes;

	dvmi_buf_put_u8(b, RES_IO);
	dvmi_buf_put_u8(b, 1); /* 16 bits are decoded */
	dvmi_buf_put_u16(b, base);
	dvmi_buf_put_u16(b, base);
	dvmi_buf_put_u8(b, 1);
	dvmi_buf_put_u8(b, len);
}

void vmm_aml_crs_irq(struct vmm_aml_crs *c, uint32_t gsi, bool edge)
{
	struct dvmi_buf *b = &c->bytes;

	dvmi_buf_put_u8(b, RES_IRQ);
	dvmi_buf_put_u16(b, 6);
	dvmi_buf_put_u8(b, edge ? 3 : 1); /* a consumer; active high */
	dvmi_buf_put_u8(b, 1);
	dvmi_buf_put_u32(b, gsi);
}

void vmm_aml_crs_mem32(struct vmm_aml_crs *c, uint32_t base, uint32_t len)
{
	struct dvmi_buf *b = &c->bytes;

	dvmi_buf_put_u8(b, RES_MEM32);
	dvmi_buf_put_u16(b, 9);
	dvmi_buf_put_u8(b, 1); /* writable */
	dvmi_buf_put_u32(b, base);
	dvmi_buf_put_u32(b, len);
}

static void put_window_head(struct dvmi_buf *b, uint8_t tag, uint16_t len, uint8_t type,
			    uint8_t specific)
{
	dvmi_buf_put_u8(b, tag);
	dvmi_buf_put_u16(b, len);
	dvmi_buf_put_u8(b, type);
	dvmi_buf_put_u8(b, 0x0c); /* a producer; first and last are fixed */
	dvmi_buf_put_u8(b, specific);
}

void vmm_aml_crs_bus(struct vmm_aml_crs *c, uint16_t first, uint16_t last)
{
	const uint16_t words[] = { 0, first, last, 0, (uint16_t)(last - first + 1) };

	put_window_head(&c->bytes, RES_ADDR16, 13, 2, 0);
	for (int i = 0; i < 5; i++)
		dvmi_buf_put_u16(&c->bytes, words[i]);
}

void vmm_aml_crs_window32(struct vmm_aml_crs *c, uint32_t base, uint32_t len)
{
	const uint32_t words[] = { 0, base, base + len - 1, 0, len };

	put_window_head(&c->bytes, RES_ADDR32, 23, 0, 1);
	for (int i = 0; i < 5; i++)
		dvmi_buf_put_u32(&c->bytes, words[i]);
}

void vmm_aml_crs_window64(struct vmm_aml_crs *c, uint64_t base, uint64_t len)
{
	const uint64_t words[] = { 0, base, base + len - 1, 0, len };

	put_window_head(&c->bytes, RES_ADDR64, 43, 0, 1);
	for (int i = 0; i < 5; i++)
		dvmi_buf_put_u64(&c->bytes, words[i]);
}

void vmm_aml_crs_end(struct vmm_aml_crs *c, struct dvmi_buf *b)
{
	dvmi_buf_put_u8(&c->bytes, RES_END);
	dvmi_buf_put_u8(&c->bytes, 0); /* no checksum */
	vmm_aml_name(b, "_CRS");
	dvmi_buf_put_u8(b, OP_BUFFER);
	size_t at = vmm_aml_open(b);
	vmm_aml_int(b, c->bytes.len);
	dvmi_buf_put(b, c->bytes.data, c->bytes.len);
	vmm_aml_close(b, at);
	if (c->bytes.err && !b->err)
		b->err = c->bytes.err;
	dvmi_buf_free(&c->bytes);
}
