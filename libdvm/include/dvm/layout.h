/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: messages from and into memory that is not in one piece.
 *
 * Two ways to say where the bytes are: a list of pieces (dvm_iov_t), or a layout, which describes
 * one element, as a column of a matrix or some fields of a structure, and is used with any buffer
 * and any number of elements. Layouts are built from others to any shape, at most 32 levels deep.
 * Long messages are never packed as a whole: their bytes go from and to their places part by part.
 *
 * Only bytes travel: the receiver may use another layout, or none. A receive into pieces that
 * overlap leaves any mixture there. Displacements and strides may be negative. All counts are 64
 * bits; whatever does not fit into 62 bits of bytes is -EOVERFLOW.
 *
 * Bounds: a layout reaches from its lower to its upper bound, and its extent, the difference, is
 * the distance of elements laid side by side. Makers set the bounds to those of what they place;
 * dvm_layout_resize() sets others. What has neither data nor extent counts for nothing. No padding is added by itself: an array of structures needs a
 * layout resized to sizeof(struct).
 *
 * Makers return 0 and a layout in *OUT, which the caller ends with dvm_layout_free(); -EINVAL (a
 * NULL that is not allowed, see each), -EOVERFLOW, -E2BIG (more than 32 levels), -ENOMEM; then
 * *OUT is untouched. They take what they need of the layouts that are passed to them: those may
 * be freed at once. The same holds for sends and receives under way.
 *
 * Threads: layouts belong to no handle and do not change; any thread may use one, also at once.
 */
#ifndef DVM_LAYOUT_H
#define DVM_LAYOUT_H

#include "dvm/coll.h"
#include "dvm/msg.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How the bytes of an element lie in memory. */
typedef struct dvm_layout dvm_layout_t;

/* A piece of memory; BASE may be NULL where LEN is 0. */
typedef struct dvm_iov {
	void *base;
	size_t len; /* bytes */
} dvm_iov_t;

/* The layout of one TYPE, a constant that need not be freed; NULL where TYPE is unknown. */
DVM_PUBLIC const dvm_layout_t *dvm_layout_of(dvm_type_t type);

/* COUNT elements OF side by side. */
DVM_PUBLIC int dvm_layout_contiguous(dvm_layout_t **out, size_t count, const dvm_layout_t *of);

/* COUNT blocks of BLOCKLEN elements OF side by side; blocks begin STRIDE extents of OF apart. */
DVM_PUBLIC int dvm_layout_vector(dvm_layout_t **out, size_t count, size_t blocklen, int64_t stride,
				 const dvm_layout_t *of);

/* The same with STRIDE in bytes. */
DVM_PUBLIC int dvm_layout_hvector(dvm_layout_t **out, size_t count, size_t blocklen, int64_t stride,
				  const dvm_layout_t *of);

/*
 * N blocks, block i of BLOCKLENS[i] elements OF, beginning DISPLS[i] extents of OF behind the
 * start of the buffer. Both arrays have N entries and may be NULL where N is 0.
 */
DVM_PUBLIC int dvm_layout_indexed(dvm_layout_t **out, size_t n, const size_t *blocklens,
				  const int64_t *displs, const dvm_layout_t *of);

/* The same with DISPLS in bytes. */
DVM_PUBLIC int dvm_layout_hindexed(dvm_layout_t **out, size_t n, const size_t *blocklens,
				   const int64_t *displs, const dvm_layout_t *of);

/* The same with a layout of its own, OFS[i], for each block. */
DVM_PUBLIC int dvm_layout_struct(dvm_layout_t **out, size_t n, const size_t *blocklens,
				 const int64_t *displs, const dvm_layout_t *const *ofs);

/* dvm_layout_subarray(): which index runs fastest in memory. */
enum {
	DVM_ORDER_C = 0,       /* the last one */
	DVM_ORDER_FORTRAN = 1, /* the first one */
};

/*
 * A block of an array with NDIMS (1 … 32) dimensions of elements OF: SIZES are those of the whole
 * array, SUBSIZES those of the block, STARTS where it begins (from 0), each with NDIMS entries.
 * The extent is that of the whole array. -EINVAL also where the block does not lie within it.
 */
DVM_PUBLIC int dvm_layout_subarray(dvm_layout_t **out, size_t ndims, const size_t *sizes,
				   const size_t *subsizes, const size_t *starts, int order,
				   const dvm_layout_t *of);

/* OF with other bounds: the lower one LB, the upper one LB + EXTENT (not negative). Bytes. */
DVM_PUBLIC int dvm_layout_resize(dvm_layout_t **out, const dvm_layout_t *of, int64_t lb,
				 int64_t extent);

/* Ends the caller's use of L. NULL and constants are accepted. */
DVM_PUBLIC void dvm_layout_free(dvm_layout_t *l);

/* Bytes of data in one element, or -EINVAL where L is NULL. */
DVM_PUBLIC int64_t dvm_layout_size(const dvm_layout_t *l);

/* The lower bound and the extent, bytes; either pointer may be NULL. 0 or -EINVAL (L NULL). */
DVM_PUBLIC int dvm_layout_extent(const dvm_layout_t *l, int64_t *lb, int64_t *extent);

/* The same of the data alone, whatever the bounds were set to. */
DVM_PUBLIC int dvm_layout_true_extent(const dvm_layout_t *l, int64_t *lb, int64_t *extent);

/*
 * Copies the data of COUNT elements L at BUF to OUT (room for ROOM bytes), without gaps. 0;
 * -ENOSPC, nothing was copied then; -EINVAL, -EOVERFLOW.
 */
DVM_PUBLIC int dvm_layout_pack(const void *buf, size_t count, const dvm_layout_t *l, void *out,
			       size_t room);

/*
 * The reverse: copies LEN bytes at IN to their places. Fewer than COUNT elements take fill the
 * first ones only. 0; -DVM_ETRUNC where LEN is more, nothing was copied then; -EINVAL, -EOVERFLOW.
 */
DVM_PUBLIC int dvm_layout_unpack(const void *in, size_t len, void *buf, size_t count,
				 const dvm_layout_t *l);

/*
 * Messages of COUNT elements L at BUF. They are as those of dvm/msg.h in everything else; MODE is
 * a DVM_SEND_… of dvm/msg.h. -EINVAL also where L is NULL, MODE unknown, or BUF NULL and there
 * are bytes to move; -EOVERFLOW. status.len is in bytes.
 */
DVM_PUBLIC int dvm_sendl(dvm_group_t *g, const void *buf, size_t count, const dvm_layout_t *l,
			 int dest, int tag, int mode);
DVM_PUBLIC int dvm_recvl(dvm_group_t *g, void *buf, size_t count, const dvm_layout_t *l, int source,
			 int tag, dvm_status_t *status);
DVM_PUBLIC int dvm_isendl(dvm_group_t *g, const void *buf, size_t count, const dvm_layout_t *l,
			  int dest, int tag, int mode, dvm_req_t **req);
DVM_PUBLIC int dvm_irecvl(dvm_group_t *g, void *buf, size_t count, const dvm_layout_t *l,
			  int source, int tag, dvm_req_t **req);
DVM_PUBLIC int dvm_sendrecvl(dvm_group_t *g, const void *sbuf, size_t scount,
			     const dvm_layout_t *sl, int dest, int stag, void *rbuf, size_t rcount,
			     const dvm_layout_t *rl, int source, int rtag, dvm_status_t *status);
DVM_PUBLIC int dvm_sendl_init(dvm_group_t *g, const void *buf, size_t count, const dvm_layout_t *l,
			      int dest, int tag, int mode, dvm_req_t **req);
DVM_PUBLIC int dvm_recvl_init(dvm_group_t *g, void *buf, size_t count, const dvm_layout_t *l,
			      int source, int tag, dvm_req_t **req);
DVM_PUBLIC int dvm_mrecvl(dvm_message_t **msg, void *buf, size_t count, const dvm_layout_t *l,
			  dvm_status_t *status);
DVM_PUBLIC int dvm_imrecvl(dvm_message_t **msg, void *buf, size_t count, const dvm_layout_t *l,
			   dvm_req_t **req);

/*
 * A message of N pieces, one behind the other; IOV itself is free on return, the memory it names
 * as usual. -EINVAL also where IOV is NULL and N is not 0, or a BASE is NULL and its LEN is not 0.
 */
DVM_PUBLIC int dvm_sendv(dvm_group_t *g, const dvm_iov_t *iov, size_t n, int dest, int tag);
DVM_PUBLIC int dvm_recvv(dvm_group_t *g, const dvm_iov_t *iov, size_t n, int source, int tag,
			 dvm_status_t *status);
DVM_PUBLIC int dvm_isendv(dvm_group_t *g, const dvm_iov_t *iov, size_t n, int dest, int tag,
			  dvm_req_t **req);
DVM_PUBLIC int dvm_irecvv(dvm_group_t *g, const dvm_iov_t *iov, size_t n, int source, int tag,
			  dvm_req_t **req);

#ifdef __cplusplus
}
#endif

#endif
