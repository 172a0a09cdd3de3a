/* SPDX-License-Identifier: BSD-3-Clause */
/* Encoding and decoding of typed values: pure, into and out of memory that was checked before. */
#ifndef DVMI_SRC_PACK_CODE_H
#define DVMI_SRC_PACK_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first byte of a buffer. */
enum dvmi_code {
	DVMI_CODE_LITTLE = 1, /* raw, little-endian */
	DVMI_CODE_BIG = 2,    /* raw, big-endian */
	DVMI_CODE_XDR = 3,
};

/* Raw as it is here. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define DVMI_CODE_RAW DVMI_CODE_BIG
#else
#define DVMI_CODE_RAW DVMI_CODE_LITTLE
#endif

/* A type of values. Floating ones are encoded as unsigned of their width. */
struct dvmi_packed {
	uint8_t width; /* bytes in memory: 1, 2, 4, 8 */
	bool sign;
	bool opaque; /* bytes: not widened, the whole is padded */
};

/* Bytes that N values of type T take, or -EOVERFLOW. */
int64_t dvmi_code_size(enum dvmi_code code, struct dvmi_packed t, size_t n);

/* Writes N values at V, STRIDE elements apart, to OUT. */
void dvmi_encode(enum dvmi_code code, struct dvmi_packed t, uint8_t *out, const void *v, size_t n,
		 ptrdiff_t stride);
/* The reverse. False, and nothing is written, where IN has what no such value is encoded as. */
bool dvmi_decode(enum dvmi_code code, struct dvmi_packed t, const uint8_t *in, void *v, size_t n,
		 ptrdiff_t stride);

#endif
