/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A place in memory that is laid out somehow, from which or to which the bytes of a message move
 * in pieces of any length. A pure engine: it only copies. Not thread-safe.
 */
#ifndef DVMI_SRC_CURSOR_H
#define DVMI_SRC_CURSOR_H

#include "libdvm/src/layout.h"

struct dvmi_level {
	const struct dvmi_run *run, *end;
	uint64_t i;	/* block of the run */
	uintptr_t base; /* an address: those of scattered pieces count from zero */
};

struct dvmi_cursor {
	const struct dvm_layout *layout; /* a reference of our own */
	uintptr_t buf;
	uint64_t len;  /* bytes in all */
	uint64_t skip; /* bytes of the current block that are done */
	uint32_t top;  /* level that is being gone through */
	struct dvmi_run root;
	struct dvmi_level level[]; /* one more than the layout has */
};

/* Room for any cursor, for those on the stack. */
#define DVMI_CURSOR_BYTES                                                                          \
	(sizeof(struct dvmi_cursor) + (DVMI_LAYOUT_DEPTH + 1) * sizeof(struct dvmi_level))

/* Bytes that a cursor for L takes. */
size_t dvmi_cursor_size(const struct dvm_layout *l);
/* At the beginning of COUNT copies of L at BUF, which were checked by dvmi_layout_bytes(). */
void dvmi_cursor_init(struct dvmi_cursor *c, void *buf, uint64_t count, const struct dvm_layout *l);
void dvmi_cursor_fini(struct dvmi_cursor *c);
/* Back to the beginning. */
void dvmi_cursor_rewind(struct dvmi_cursor *c);

/* Keeps the place of C in TO, which has room for it, and brings C back there. */
void dvmi_cursor_save(struct dvmi_cursor *to, const struct dvmi_cursor *c);
void dvmi_cursor_restore(struct dvmi_cursor *c, const struct dvmi_cursor *from);

/* Copies the next N bytes to OUT; fewer when the end comes before. Returns their number. */
size_t dvmi_cursor_gather(struct dvmi_cursor *c, void *out, size_t n);
/* Copies N bytes at IN to the next N places. */
size_t dvmi_cursor_scatter(struct dvmi_cursor *c, const void *in, size_t n);
/*
 * The next bytes that are in one piece, at most MAX of them: their number, and in *AT where they
 * are; 0 at the end. Nothing is copied.
 */
size_t dvmi_cursor_piece(struct dvmi_cursor *c, size_t max, uintptr_t *at);

#endif
