/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The output window: numbered messages that are kept until the other end has acknowledged them,
 * and sent again where it has not. Pure: it holds packed bodies and knows no socket.
 */
#ifndef SHEP_WINDOW_H
#define SHEP_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shep_window_msg {
	struct shep_window_msg *next;
	uint64_t seq;
	size_t len;
	uint8_t body[];
};

/* A zeroed struct with `limit` set is an empty window; the next message is number 1. */
struct shep_window {
	struct shep_window_msg *first, **end; /* kept, in order of their numbers */
	struct shep_window_msg *unsent;	      /* first one to send (again), or NULL */
	uint64_t last;			      /* number of the last message put in, 0: none */
	size_t bytes;			      /* kept */
	size_t limit;			      /* bytes at which it is full */
};

/* Takes a copy of the body as message last + 1. -ENOMEM: nothing has changed. */
int shep_window_put(struct shep_window *w, const void *body, size_t len);

/* The next message to send, which then counts as sent; NULL when all are. */
const struct shep_window_msg *shep_window_next(struct shep_window *w);

/* Forgets everything up to SEQ. Numbers from the past or the future change nothing more. */
void shep_window_ack(struct shep_window *w, uint64_t seq);

/* Forgets everything, sent or not; numbers go on from where they are. */
void shep_window_drop(struct shep_window *w);

/* Everything kept is to be sent again. */
void shep_window_rewind(struct shep_window *w);

static inline bool shep_window_full(const struct shep_window *w)
{
	return w->bytes >= w->limit;
}

static inline bool shep_window_empty(const struct shep_window *w)
{
	return !w->first;
}

void shep_window_free(struct shep_window *w);

#endif
