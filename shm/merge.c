/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "shm/merge.h"

#define WORD 8u
#define HEAD 4u /* of a run */
#define ALL  0xffu

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

/* The bytes of NOW that are not those of BASE. */
static size_t put_word(uint8_t *out, const uint8_t *base, const uint8_t *now)
{
	size_t n = 1;
	unsigned mask = 0;

	for (unsigned b = 0; b < WORD; b++)
		if (base[b] != now[b]) {
			mask |= 1u << b;
			out[n++] = now[b];
		}
	out[0] = (uint8_t)mask;
	return n;
}

size_t dsm_merge_make(const void *base, const void *now, size_t bytes, void *out)
{
	size_t n = bytes / WORD, len = 0, last = 0;
	const uint8_t *a = base, *b = now;
	uint8_t *p = out;

	for (size_t i = 0; i < n;) {
		if (word(a, i) == word(b, i)) {
			i++;
			continue;
		}
		uint8_t *head = p + len;
		size_t first = i;
		len += HEAD;
		for (; i < n && word(a, i) != word(b, i); i++)
			len += put_word(p + len, a + i * WORD, b + i * WORD);
		put16(head, first - last);
		put16(head + 2, i - first);
		last = i;
	}
	return len;
}

/* The bytes that COUNT words take at P, of which there are LEFT; 0: more than that. */
static size_t words_len(const uint8_t *p, size_t left, size_t count)
{
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		if (len >= left)
			return 0;
		len += 1 + (size_t)__builtin_popcount(p[len]);
	}
	return len <= left ? len : 0;
}

int dsm_merge_good(const void *changes, size_t len, size_t bytes)
{
	const uint8_t *p = changes;
	size_t n = bytes / WORD, at = 0, i = 0;

	while (i < len) {
		if (len - i < HEAD)
			return 0;
		size_t words = get16(p + i + 2);
		at += get16(p + i) + words;
		i += HEAD;
		size_t took = words_len(p + i, len - i, words);
		if (!words || at > n || !took)
			return 0;
		i += took;
	}
	return 1;
}

static size_t take_word(const uint8_t *p, uint8_t *to)
{
	size_t n = 1;

	if (p[0] == ALL) {
		memcpy(to, p + 1, WORD);
		return 1 + WORD;
	}
	for (unsigned b = 0; b < WORD; b++)
		if (p[0] >> b & 1)
			to[b] = p[n++];
	return n;
}

void dsm_merge_apply(const void *changes, size_t len, void *page)
{
	const uint8_t *p = changes;
	uint8_t *to = page;

	for (size_t i = 0; i < len;) {
		size_t words = get16(p + i + 2);
		to += get16(p + i) * WORD;
		i += HEAD;
		for (size_t w = 0; w < words; w++, to += WORD)
			i += take_word(p + i, to);
	}
}
