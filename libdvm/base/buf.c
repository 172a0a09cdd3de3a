/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/buf.h"

void dvmi_buf_free(struct dvmi_buf *b)
{
	free(b->data);
	*b = (struct dvmi_buf){ 0 };
}

static int reserve(struct dvmi_buf *b, size_t n)
{
	if (b->err)
		return b->err;
	if (n > SIZE_MAX / 2 - b->len)
		return b->err = -ENOMEM;
	size_t want = b->len + n, cap = b->cap ? b->cap : 64;
	if (b->data && want <= b->cap)
		return 0;
	while (cap < want)
		cap *= 2;
	uint8_t *data = realloc(b->data, cap);
	if (!data)
		return b->err = -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

uint8_t *dvmi_buf_extend(struct dvmi_buf *b, size_t n)
{
	if (reserve(b, n) < 0)
		return NULL;
	uint8_t *p = b->data + b->len;
	b->len += n;
	return p;
}

void dvmi_buf_put(struct dvmi_buf *b, const void *p, size_t n)
{
	uint8_t *dst = dvmi_buf_extend(b, n);

	if (dst && n)
		memcpy(dst, p, n);
}

static void put_le(struct dvmi_buf *b, uint64_t v, int bytes)
{
	uint8_t *p = dvmi_buf_extend(b, (size_t)bytes);

	for (int i = 0; p && i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

void dvmi_buf_put_u8(struct dvmi_buf *b, uint8_t v)
{
	put_le(b, v, 1);
}

void dvmi_buf_put_u16(struct dvmi_buf *b, uint16_t v)
{
	put_le(b, v, 2);
}

void dvmi_buf_put_u32(struct dvmi_buf *b, uint32_t v)
{
	put_le(b, v, 4);
}

void dvmi_buf_put_u64(struct dvmi_buf *b, uint64_t v)
{
	put_le(b, v, 8);
}

void dvmi_buf_put_blob(struct dvmi_buf *b, const void *p, uint32_t n)
{
	dvmi_buf_put_u32(b, n);
	dvmi_buf_put(b, p, n);
}

void dvmi_buf_put_str(struct dvmi_buf *b, const char *s)
{
	dvmi_buf_put_blob(b, s, (uint32_t)strlen(s));
}

void dvmi_buf_printf(struct dvmi_buf *b, const char *fmt, ...)
{
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	/* vsnprintf wants room for a NUL, which is then not counted. */
	if (n >= 0 && reserve(b, (size_t)n + 1) == 0) {
		vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void dvmi_buf_consume(struct dvmi_buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

void dvmi_reader_init(struct dvmi_reader *r, const void *p, size_t n)
{
	*r = (struct dvmi_reader){ .p = p, .end = (const uint8_t *)p + n };
}

const uint8_t *dvmi_get_bytes(struct dvmi_reader *r, size_t n)
{
	if (r->err || (size_t)(r->end - r->p) < n) {
		r->err = -DVM_EPROTO;
		return NULL;
	}
	const uint8_t *p = r->p;
	r->p += n;
	return p;
}

static uint64_t get_le(struct dvmi_reader *r, int bytes)
{
	const uint8_t *p = dvmi_get_bytes(r, (size_t)bytes);
	uint64_t v = 0;

	for (int i = 0; p && i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint8_t dvmi_get_u8(struct dvmi_reader *r)
{
	return (uint8_t)get_le(r, 1);
}

uint16_t dvmi_get_u16(struct dvmi_reader *r)
{
	return (uint16_t)get_le(r, 2);
}

uint32_t dvmi_get_u32(struct dvmi_reader *r)
{
	return (uint32_t)get_le(r, 4);
}

uint64_t dvmi_get_u64(struct dvmi_reader *r)
{
	return get_le(r, 8);
}

const uint8_t *dvmi_get_blob(struct dvmi_reader *r, uint32_t max, uint32_t *n)
{
	uint32_t len = dvmi_get_u32(r);

	*n = 0;
	if (len > max)
		r->err = -DVM_EPROTO;
	const uint8_t *p = dvmi_get_bytes(r, len);
	if (p)
		*n = len;
	return p;
}

char *dvmi_get_str(struct dvmi_reader *r, uint32_t max)
{
	uint32_t n;
	const uint8_t *p = dvmi_get_blob(r, max, &n);

	if (!p)
		return NULL;
	if (memchr(p, 0, n)) {
		r->err = -DVM_EPROTO;
		return NULL;
	}
	char *s = strndup((const char *)p, n);
	if (!s)
		r->err = -ENOMEM;
	return s;
}

int dvmi_reader_done(const struct dvmi_reader *r)
{
	if (r->err)
		return r->err;
	return r->p == r->end ? 0 : -DVM_EPROTO;
}
