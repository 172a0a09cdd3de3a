/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one of several writers has changed in a page, to the byte: two of them may have written
 * neighbours in one word. Runs of words: how many to leave as they are, how many follow (16 bits
 * each, little-endian), and of each of those a mask of its bytes and the bytes that are in it. Pure;
 * the changes are a peer's.
 */
#ifndef SHM_MERGE_H
#define SHM_MERGE_H

#include <stddef.h>
#include <stdint.h>

#define DSM_MERGE_PART 32768u /* bytes at most that are looked at in one go */

/* Room that the changes of N bytes may need. */
#define DSM_MERGE_ROOM(n) ((n) / 8 * 11 + 4)

/*
 * Writes to OUT how NOW differs from BASE, both of N bytes: a multiple of 8, DSM_MERGE_PART at
 * most. Their length, 0 when nothing does.
 */
size_t dsm_merge_make(const void *base, const void *now, size_t n, void *out);

/* Whether changes of LEN bytes stay within N bytes. */
int dsm_merge_good(const void *changes, size_t len, size_t n);
/*
 * Makes them in what is at PAGE. Only for good ones. No other byte is written, not even with what
 * it is already: somebody may be writing it.
 */
void dsm_merge_apply(const void *changes, size_t len, void *page);

#endif
