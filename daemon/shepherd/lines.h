/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The line cutter: turns what comes out of a rank's pipe, in pieces of any size, into blocks of
 * whole lines. Pure: no descriptor, no clock.
 *
 * Only the unfinished last line is kept, so that a stream that is between lines costs no memory.
 * A line longer than SHEP_LINE_MAX leaves in parts, each marked partial; the part that ends with
 * the newline is not.
 */
#ifndef SHEP_LINES_H
#define SHEP_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHEP_LINE_MAX (64u << 10)

/* One per stream; a zeroed struct is an empty one. */
struct shep_lines {
	uint8_t *tail; /* the unfinished line */
	size_t len, cap;
	uint64_t since; /* `now` of the tail's first byte */
};

/* Gets whole lines, or with PARTIAL a piece of one. The bytes are valid during the call only. */
typedef void shep_lines_fn(const uint8_t *p, size_t n, bool partial, void *arg);

/* Takes N bytes and hands on what they complete. Without memory for a tail it leaves as partial. */
void shep_lines_feed(struct shep_lines *l, const void *p, size_t n, uint64_t now,
		     shep_lines_fn *emit, void *arg);

/* Hands on the unfinished line, if there is one, as partial, and frees its memory. */
void shep_lines_flush(struct shep_lines *l, shep_lines_fn *emit, void *arg);

/* Flushes when the unfinished line has waited since DEADLINE or longer; true if it still waits. */
bool shep_lines_expire(struct shep_lines *l, uint64_t deadline, shep_lines_fn *emit, void *arg);

void shep_lines_free(struct shep_lines *l);

#endif
