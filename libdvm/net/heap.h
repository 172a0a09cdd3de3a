/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared memory of a node: ranges that one local rank allocates and every local rank of the job
 * can map, as windows and the scratch of collectives.
 *
 * They lie in the job's ring memory, far behind the rings: one arena per local rank, of a size
 * that is only a number, since the file is sparse. A rank hands out ranges of its own arena and
 * keeps the books in private memory, so there is nothing to lock and nothing a dying rank could
 * leave half done. Others learn of a range by message; what they were told is checked against the
 * bounds of the arena before it is mapped. Pages exist from their first touch until the range is
 * freed; a fresh range is all zero.
 *
 * Not thread-safe.
 */
#ifndef DVMI_NET_HEAP_H
#define DVMI_NET_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define DVMI_HEAP_RANKS_MAX 1024		 /* on one node */
#define DVMI_HEAP_BASE	    (UINT64_C(64) << 40) /* of the first arena; the rings end before */
#define DVMI_HEAP_ARENA	    (UINT64_C(1) << 40)	 /* bytes of each */

struct dvmi_heap;

/*
 * Gives the ring memory FD of a node with N ranks its size: rings of RING_BYTES and the arenas.
 * Every rank does it. Where the process may not make files of that size (RLIMIT_FSIZE) there is
 * room for the rings only. 0 or -E….
 */
int dvmi_heap_size_file(int fd, uint32_t n, uint64_t ring_bytes);

/*
 * The heap of local rank SELF of N. FD, which must outlive it, is the ring memory; -1 where there
 * is none, then N is 1 and memory of our own is made when it is first needed. 0, -EINVAL or
 * -ENOMEM.
 */
int dvmi_heap_create(struct dvmi_heap **out, int fd, uint32_t self, uint32_t n);
/*
 * Ranges that were not freed stay as they are until the job ends, for those who have them mapped;
 * so do maps of ours. NULL is accepted.
 */
void dvmi_heap_destroy(struct dvmi_heap *h);

/*
 * BYTES (at least 1) of our arena, all zero: the offset, a multiple of the page size; -ENOMEM, or
 * -EFBIG where files may not be that large.
 */
int64_t dvmi_heap_alloc(struct dvmi_heap *h, uint64_t bytes);
/*
 * Ends the range at OFFSET: its memory goes back to the system at once, also under the maps of
 * others, who must not use them any more. Unknown offsets and -1 are ignored.
 */
void dvmi_heap_free(struct dvmi_heap *h, int64_t offset);

/*
 * Maps BYTES at OFFSET of the arena of local rank LOCAL, readable and writable: 0 and *OUT;
 * -EINVAL (outside of the arena, not at a page), -EFBIG as above, -ENOMEM.
 */
int dvmi_heap_map(struct dvmi_heap *h, uint32_t local, int64_t offset, uint64_t bytes, void **out);
/*
 * Gives the memory of BYTES at OFFSET of LOCAL's arena back to the system, whose owner has ended and
 * which nobody uses any more. What makes no sense is ignored.
 */
void dvmi_heap_drop(struct dvmi_heap *h, uint32_t local, int64_t offset, uint64_t bytes);
/* Undoes a map; P may be NULL. */
void dvmi_heap_unmap(void *p, uint64_t bytes);

#endif
