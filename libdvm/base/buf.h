/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes: a growing buffer to write into and a checked reader.
 *
 * Both latch their first error, so that a sequence of puts or gets needs one check at its end.
 * All integers are little-endian. Not thread-safe; the owner frees with dvmi_buf_free().
 */
#ifndef DVMI_BASE_BUF_H
#define DVMI_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct dvmi_buf {
	uint8_t *data;
	size_t len, cap;
	int err; /* 0 or -ENOMEM */
};

void dvmi_buf_free(struct dvmi_buf *b);

/* Room for N more bytes at the end, counted as used; NULL when out of memory (latched). */
uint8_t *dvmi_buf_extend(struct dvmi_buf *b, size_t n);

void dvmi_buf_put(struct dvmi_buf *b, const void *p, size_t n);
void dvmi_buf_put_u8(struct dvmi_buf *b, uint8_t v);
void dvmi_buf_put_u16(struct dvmi_buf *b, uint16_t v);
void dvmi_buf_put_u32(struct dvmi_buf *b, uint32_t v);
void dvmi_buf_put_u64(struct dvmi_buf *b, uint64_t v);
/* A length in 32 bits, then the bytes. */
void dvmi_buf_put_blob(struct dvmi_buf *b, const void *p, uint32_t n);
void dvmi_buf_put_str(struct dvmi_buf *b, const char *s);
void dvmi_buf_printf(struct dvmi_buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Drops the first N bytes. */
void dvmi_buf_consume(struct dvmi_buf *b, size_t n);

struct dvmi_reader {
	const uint8_t *p, *end;
	int err; /* 0 or -DVM_EPROTO: something was read past the end */
};

void dvmi_reader_init(struct dvmi_reader *r, const void *p, size_t n);
uint8_t dvmi_get_u8(struct dvmi_reader *r);
uint16_t dvmi_get_u16(struct dvmi_reader *r);
uint32_t dvmi_get_u32(struct dvmi_reader *r);
uint64_t dvmi_get_u64(struct dvmi_reader *r);
/* N bytes inside the source, or NULL (latched). */
const uint8_t *dvmi_get_bytes(struct dvmi_reader *r, size_t n);
/* The counterpart of put_blob, refused above MAX. The bytes stay in the source. */
const uint8_t *dvmi_get_blob(struct dvmi_reader *r, uint32_t max, uint32_t *n);
/* A fresh NUL-terminated string of at most MAX bytes without a NUL inside; NULL on error. */
char *dvmi_get_str(struct dvmi_reader *r, uint32_t max);
/* 0 when everything was read well and nothing is left, else -DVM_EPROTO. */
int dvmi_reader_done(const struct dvmi_reader *r);

#endif
