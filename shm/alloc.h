/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An allocator of ranges within a segment. Pure: it hands out offsets and never looks at what they
 * stand for, so no mistake of a program with its memory is one of ours, and no page of the segment
 * travels for it. Its books lie in memory of the caller, without pointers, all zero at first, and
 * are touched as far as they are used. doc/design/0022-sync.md.
 *
 * What is small shares a page only with what the same rank has allocated in the same size, in whole
 * cache lines; what is not has pages of its own. Pages are those that travel, or larger ones in
 * very large segments.
 */
#ifndef SHM_ALLOC_H
#define SHM_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dsm_alloc_books;
struct dsm_alloc_page;

/* A view. Its fields are the engine's. */
struct dsm_alloc {
	struct dsm_alloc_books *b;
	struct dsm_alloc_page *pages; /* [npages] */
	uint64_t page;		      /* bytes */
	uint32_t npages, ranks;
};

/* Bytes of the books for a segment of BYTES, in units of UNIT (a power of two), of RANKS. */
size_t dsm_alloc_bytes(uint64_t bytes, uint64_t unit, uint32_t ranks);
/* A view of the books at MEM. */
void dsm_alloc_open(struct dsm_alloc *a, void *mem, uint64_t bytes, uint64_t unit, uint32_t ranks);

/*
 * BYTES (at least 1), aligned to ALIGN, a power of two, for RANK: 0 and *OFFSET; -EINVAL, -ENOMEM.
 */
int dsm_alloc_take(struct dsm_alloc *a, uint32_t rank, uint64_t bytes, uint64_t align,
		   uint64_t *offset);
/* What begins at OFFSET is free. -EINVAL: nothing that was taken does. */
int dsm_alloc_give(struct dsm_alloc *a, uint64_t offset);

/* Pages that are in use. */
uint64_t dsm_alloc_used(const struct dsm_alloc *a);
/* Whether the books make sense: for tests. */
bool dsm_alloc_check(const struct dsm_alloc *a);

#endif
