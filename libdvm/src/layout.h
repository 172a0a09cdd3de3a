/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layouts as the engine sees them: a list of runs, each of them COUNT blocks at equal distances. A
 * block is bytes in one piece or another layout. What makers put together is collapsed on the
 * way: dense repetitions become one piece, and a vector of anything that is one run stays one run,
 * so that the levels left are those that are needed.
 *
 * Layouts are constant once made and may be shared by threads; their references are counted.
 */
#ifndef DVMI_SRC_LAYOUT_H
#define DVMI_SRC_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dvm/layout.h"

#define DVMI_LAYOUT_DEPTH 32 /* levels of runs in one layout */

struct dvmi_run {
	int64_t at;	 /* of the first block, bytes from the beginning of the layout */
	uint64_t count;	 /* blocks, at least 1 */
	int64_t stride;	 /* from one block to the next, bytes */
	uint64_t len;	 /* bytes of data in a block, at least 1 */
	const struct dvm_layout *of; /* what a block looks like; NULL: one piece */
};

struct dvm_layout {
	uint32_t refs;	     /* atomic; 0: a constant that is never freed */
	uint32_t depth;	     /* levels of runs; 0: no data */
	uint64_t size;	     /* bytes of data */
	int64_t lb, ub;	     /* bounds, which say how copies are laid side by side */
	int64_t first, last; /* bounds of the data itself */
	size_t nruns;
	struct dvmi_run runs[];
};

/* A layout without data and with room for N runs, or NULL without memory. */
struct dvm_layout *dvmi_layout_new(size_t n);
/*
 * Adds COUNT copies of OF to L, the first one at AT, the others STRIDE bytes apart. 0; -EOVERFLOW
 * where 63 bits do not reach, -E2BIG where it is nested too deep.
 */
int dvmi_layout_place(struct dvm_layout *l, const struct dvm_layout *of, uint64_t count,
		      int64_t stride, int64_t at);
/* L is whole: gives back what room it does not need. */
struct dvm_layout *dvmi_layout_trim(struct dvm_layout *l);

const struct dvm_layout *dvmi_layout_ref(const struct dvm_layout *l);
/* NULL is accepted. */
void dvmi_layout_unref(const struct dvm_layout *l);

/* Bytes of COUNT copies of L side by side, or -EOVERFLOW when not all of them can be reached. */
int64_t dvmi_layout_bytes(const struct dvm_layout *l, uint64_t count);
/* The one run that COUNT (at least 1) copies side by side are; its OF is borrowed from L. */
struct dvmi_run dvmi_layout_run(const struct dvm_layout *l, uint64_t count);

static inline int64_t dvmi_layout_extent(const struct dvm_layout *l)
{
	return l->ub - l->lb;
}

#endif
