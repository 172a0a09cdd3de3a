/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading standard input without harm to whom it is shared with.
 *
 * A thread of its own reads, for the same reason sink.c has one: a descriptor may be a terminal,
 * a pipe or a file, is shared with other processes, and must not be made non-blocking. It reads
 * one piece at a time and only when asked, so that what is not wanted stays where it is.
 *
 * All calls on the loop's thread; so are the callbacks.
 */
#ifndef DVMD_CLI_FEED_H
#define DVMD_CLI_FEED_H

#include <stddef.h>
#include <uv.h>

#define CLI_FEED_PIECE (64u << 10) /* bytes at most in one piece */

/* One piece: N > 0 bytes, 0 at the end, -E… (-EIO: a terminal that is not ours to read now). */
typedef void cli_feed_fn(const void *data, ssize_t n, void *arg);

struct cli_feed;

int cli_feed_open(struct cli_feed **out, uv_loop_t *loop, int fd, cli_feed_fn *fn, void *arg);

/* Asks for one piece; FN follows when there is one. Asking again before that changes nothing. */
void cli_feed_want(struct cli_feed *f);
/* Takes the question back: a piece may still come if it was read already. */
void cli_feed_unwant(struct cli_feed *f);

/* Ends the thread, which never blocks in read() alone, and frees. NULL is allowed. */
void cli_feed_close(struct cli_feed *f);

#endif
