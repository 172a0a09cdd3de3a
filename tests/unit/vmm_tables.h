/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of a guest's firmware, looked at byte by byte. */
#ifndef TEST_VMM_TABLES_H
#define TEST_VMM_TABLES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t get(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

/* 0 where a checksum is right. */
static inline unsigned sum(const uint8_t *p, size_t n)
{
	unsigned s = 0;

	while (n--)
		s += *p++;
	return s & 0xff;
}

#endif
