/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What has changed in a page, as runs of words of 8 bytes: a number of words to leave as they are,
 * a number of words that follow (16 bits each, little-endian), and those words. Pure; the bytes of a
 * diff are a peer's.
 */
#ifndef SHM_DIFF_H
#define SHM_DIFF_H

#include <stddef.h>
#include <stdint.h>

/*
 * Writes to OUT how NOW differs from BASE, both of N bytes (a multiple of 8, 65536 at most). Its
 * length, which may be 0; SIZE_MAX when it would be longer than MAX.
 */
size_t dsm_diff_make(const void *base, const void *now, size_t n, void *out, size_t max);

/* Whether a diff of LEN bytes stays within N bytes. */
int dsm_diff_good(const void *diff, size_t len, size_t n);
/* Changes what is at PAGE. Only for a good one. */
void dsm_diff_apply(const void *diff, size_t len, void *page);

#endif
