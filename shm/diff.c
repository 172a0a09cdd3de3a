/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "shm/diff.h"

#define WORD 8u
#define HEAD 4u /* of a run */

static uint64_t word(const void *p, size_t i)
{
	uint64_t w;

	memcpy(&w, (const uint8_t *)p + i * WORD, sizeof w);
	return w;
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static size_t get16(const uint8_t *p)
{
	return (size_t)p[0] | (size_t)p[1] << 8;
}

/* The first word from I on that is the same, or is not (SAME). */
static size_t until(const void *a, const void *b, size_t i, size_t n, int same)
{
	while (i < n && (word(a, i) == word(b, i)) != same)
		i++;
	return i;
}

size_t dsm_diff_make(const void *base, const void *now, size_t bytes, void *out, size_t max)
{
	size_t n = bytes / WORD, len = 0, at = 0;
	uint8_t *p = out;

	for (;;) {
		size_t from = until(base, now, at, n, 0), to = until(base, now, from, n, 1);
		size_t words = (to - from) * WORD;
		if (from == n)
			return len;
		if (len + HEAD + words > max)
			return SIZE_MAX;
		put16(p + len, from - at);
		put16(p + len + 2, to - from);
		memcpy(p + len + HEAD, (const uint8_t *)now + from * WORD, words);
		len += HEAD + words;
		at = to;
	}
}

int dsm_diff_good(const void *diff, size_t len, size_t bytes)
{
	const uint8_t *p = diff;
	size_t n = bytes / WORD, at = 0, i = 0;

	while (i < len) {
		if (len - i < HEAD)
			return 0;
		size_t words = get16(p + i + 2);
		at += get16(p + i) + words;
		i += HEAD;
		if (at > n || words * WORD > len - i)
			return 0;
		i += words * WORD;
	}
	return 1;
}

void dsm_diff_apply(const void *diff, size_t len, void *page)
{
	const uint8_t *p = diff;
	size_t at = 0;

	for (size_t i = 0; i < len;) {
		size_t words = get16(p + i + 2);
		at += get16(p + i);
		memcpy((uint8_t *)page + at * WORD, p + i + HEAD, words * WORD);
		at += words;
		i += HEAD + words * WORD;
	}
}
