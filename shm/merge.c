/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "shm/merge.h"
#include "shm/words.h"

#define ALL 0xffu

/* The bytes of NOW that are not those of BASE. */
static size_t put_word(uint8_t *out, const uint8_t *base, const uint8_t *now)
{
	size_t n = 1;
	unsigned mask = 0;

	for (unsigned b = 0; b < DSM_WORD; b++)
		if (base[b] != now[b]) {
			mask |= 1u << b;
			out[n++] = now[b];
		}
	out[0] = (uint8_t)mask;
	return n;
}

size_t dsm_merge_make(const void *base, const void *now, size_t bytes, void *out)
{
	size_t n = bytes / DSM_WORD, len = 0, last = 0;
	const uint8_t *a = base, *b = now;
	uint8_t *p = out;

	for (size_t i = 0; i < n;) {
		if (dsm_word(a, i) == dsm_word(b, i)) {
			i++;
			continue;
		}
		uint8_t *head = p + len;
		size_t first = i;
		len += DSM_RUN_HEAD;
		for (; i < n && dsm_word(a, i) != dsm_word(b, i); i++)
			len += put_word(p + len, a + i * DSM_WORD, b + i * DSM_WORD);
		dsm_run_put(head, first - last, i - first);
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
	size_t n = bytes / DSM_WORD, at = 0, i = 0;

	while (i < len) {
		if (len - i < DSM_RUN_HEAD)
			return 0;
		size_t words = dsm_run_follow(p + i);
		at += dsm_run_left(p + i) + words;
		i += DSM_RUN_HEAD;
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
		memcpy(to, p + 1, DSM_WORD);
		return 1 + DSM_WORD;
	}
	for (unsigned b = 0; b < DSM_WORD; b++)
		if (p[0] >> b & 1)
			to[b] = p[n++];
	return n;
}

void dsm_merge_apply(const void *changes, size_t len, void *page)
{
	const uint8_t *p = changes;
	uint8_t *to = page;

	for (size_t i = 0; i < len;) {
		size_t words = dsm_run_follow(p + i);
		to += dsm_run_left(p + i) * DSM_WORD;
		i += DSM_RUN_HEAD;
		for (size_t w = 0; w < words; w++, to += DSM_WORD)
			i += take_word(p + i, to);
	}
}
