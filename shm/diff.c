/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "shm/diff.h"
#include "shm/words.h"

/* The first word from I on that is the same, or is not (SAME). */
static size_t until(const void *a, const void *b, size_t i, size_t n, int same)
{
	while (i < n && (dsm_word(a, i) == dsm_word(b, i)) != same)
		i++;
	return i;
}

size_t dsm_diff_make(const void *base, const void *now, size_t bytes, void *out, size_t max)
{
	size_t n = bytes / DSM_WORD, len = 0, at = 0;
	uint8_t *p = out;

	for (;;) {
		size_t from = until(base, now, at, n, 0), to = until(base, now, from, n, 1);
		size_t words = (to - from) * DSM_WORD;
		if (from == n)
			return len;
		if (len + DSM_RUN_HEAD + words > max)
			return SIZE_MAX;
		dsm_run_put(p + len, from - at, to - from);
		memcpy(p + len + DSM_RUN_HEAD, (const uint8_t *)now + from * DSM_WORD, words);
		len += DSM_RUN_HEAD + words;
		at = to;
	}
}

int dsm_diff_good(const void *diff, size_t len, size_t bytes)
{
	const uint8_t *p = diff;
	size_t n = bytes / DSM_WORD, at = 0, i = 0;

	while (i < len) {
		if (len - i < DSM_RUN_HEAD)
			return 0;
		size_t words = dsm_run_follow(p + i);
		at += dsm_run_left(p + i) + words;
		i += DSM_RUN_HEAD;
		if (at > n || words * DSM_WORD > len - i)
			return 0;
		i += words * DSM_WORD;
	}
	return 1;
}

void dsm_diff_apply(const void *diff, size_t len, void *page)
{
	const uint8_t *p = diff;
	size_t at = 0;

	for (size_t i = 0; i < len;) {
		size_t words = dsm_run_follow(p + i);
		at += dsm_run_left(p + i);
		memcpy((uint8_t *)page + at * DSM_WORD, p + i + DSM_RUN_HEAD, words * DSM_WORD);
		at += words;
		i += DSM_RUN_HEAD + words * DSM_WORD;
	}
}
