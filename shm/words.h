/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs of words of 8 bytes, as in diffs (diff.h) and changes (merge.h): a head, then words. */
#ifndef SHM_WORDS_H
#define SHM_WORDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DSM_WORD     8u
#define DSM_RUN_HEAD 4u /* bytes: words to leave as they are, words that follow */

static inline uint64_t dsm_word(const void *p, size_t i)
{
	uint64_t w;

	memcpy(&w, (const uint8_t *)p + i * DSM_WORD, sizeof w);
	return w;
}

static inline void dsm_run_put(uint8_t *head, size_t left, size_t follow)
{
	head[0] = (uint8_t)left;
	head[1] = (uint8_t)(left >> 8);
	head[2] = (uint8_t)follow;
	head[3] = (uint8_t)(follow >> 8);
}

static inline size_t dsm_run_left(const uint8_t *head)
{
	return (size_t)head[0] | (size_t)head[1] << 8;
}

static inline size_t dsm_run_follow(const uint8_t *head)
{
	return (size_t)head[2] | (size_t)head[3] << 8;
}

#endif
