/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: collective operations of a group.
 *
 * Every rank of the group calls the same operations in the same order, blocking and non-blocking
 * ones in one sequence, with agreeing sizes, type, operator and root. A call returns when this
 * rank's part is done; only dvm_barrier() says anything about the others. Collectives and messages
 * of a group do not mix. Lengths and offsets are bytes; counts are elements. Buffers must not
 * overlap unless the call allows it.
 *
 * dvm_iX() starts what dvm_X() does and returns at once, with a request in *REQ for dvm_wait(),
 * dvm_test() and their like (dvm/msg.h); its status is empty. Any number may be under way and they
 * end in any order. Progress is made within other calls with the same handle. Data buffers belong
 * to the operation until it is done; arrays of lengths, offsets and counts are read before the
 * call returns. A started collective cannot be cancelled (dvm_cancel() returns -EINVAL). All of
 * them return what dvm_X() returns, and -EINVAL where REQ is NULL.
 *
 * Failures: when a rank that is needed is lost or has closed, the operation fails at every rank
 * that still waits in it, in bounded time (-DVM_EPEERLOST, -DVM_ECLOSED), and so do all other
 * collectives of the group that are under way and all later ones; some ranks may have completed
 * the operation before. Buffers then hold anything. All calls return 0 or: -EINVAL (wrong
 * arguments; checked before anything is sent), -DVM_EPEERLOST, -DVM_ECLOSED, -DVM_EPROTO (sizes or
 * roots did not agree; where that was not noticed, buffers hold anything), -ENOMEM, -EFAULT (a
 * buffer in memory that the kernel does not copy, as that of devices), -ENOTSUP (an intergroup,
 * which has dvm_barrier() alone). An error other than -EINVAL and -ENOTSUP ends the
 * group's collectives at all its ranks. A blocking and a non-blocking call do not match each other:
 * all ranks make the same one.
 *
 * Threads: see dvm/dvm.h; collectives of one group are called by one thread at a time.
 */
#ifndef DVM_COLL_H
#define DVM_COLL_H

#include "dvm/group.h"
#include "dvm/msg.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An element with where it was, for DVM_MINLOC and DVM_MAXLOC. */
typedef struct dvm_float_int {
	float value;
	int32_t index;
} dvm_float_int_t;

typedef struct dvm_double_int {
	double value;
	int32_t index;
} dvm_double_int_t;

typedef struct dvm_int32_int {
	int32_t value;
	int32_t index;
} dvm_int32_int_t;

typedef struct dvm_int64_int {
	int64_t value;
	int32_t index;
} dvm_int64_int_t;

/* Element types of reductions. */
typedef enum dvm_type {
	DVM_INT8 = 1,
	DVM_UINT8 = 2,
	DVM_INT16 = 3,
	DVM_UINT16 = 4,
	DVM_INT32 = 5,
	DVM_UINT32 = 6,
	DVM_INT64 = 7,
	DVM_UINT64 = 8,
	DVM_FLOAT = 9,
	DVM_DOUBLE = 10,
	DVM_LONG_DOUBLE = 11,
	DVM_FLOAT_COMPLEX = 12, /* two floats, the real one first */
	DVM_DOUBLE_COMPLEX = 13,
	DVM_FLOAT_INT = 14, /* dvm_float_int_t and so on */
	DVM_DOUBLE_INT = 15,
	DVM_INT32_INT = 16,
	DVM_INT64_INT = 17,
	DVM_OPAQUE = 0x1000000, /* + bytes: see dvm_type_opaque() */
} dvm_type_t;

#define DVM_OPAQUE_MAX 0xffffff /* bytes */

/*
 * Operators of reductions. Complex types have sum and product; pairs have DVM_MINLOC and
 * DVM_MAXLOC, and those only them; floating types no bitwise operators; everything else is -EINVAL.
 * Integers wrap around. Of equal values DVM_MINLOC and DVM_MAXLOC take the lower index.
 *
 * The order in which elements are combined is the library's choice, but it is the same on every
 * run with the same call, ranks, nodes and sizes, and every rank that gets an element of the
 * result gets the same bits. Operators of programs that do not commute are applied in the order
 * of ranks.
 */
typedef enum dvm_op {
	DVM_SUM = 1,
	DVM_PROD = 2,
	DVM_MIN = 3,
	DVM_MAX = 4,
	DVM_LAND = 5, /* logical and, or: the result is 0 or 1 */
	DVM_LOR = 6,
	DVM_BAND = 7, /* bitwise and, or, exclusive or */
	DVM_BOR = 8,
	DVM_BXOR = 9,
	DVM_MINLOC = 10, /* the least value and its index */
	DVM_MAXLOC = 11,
	DVM_LXOR = 12, /* logical exclusive or */
	DVM_REPLACE = 13, /* of one-sided operations only (dvm/rma.h) */
	DVM_NO_OP = 14,	  /* likewise */
	DVM_OP_USER = 0x100, /* operators of programs: from here */
	DVM_OP_USER_LAST = 0xffff, /* to here */
} dvm_op_t;

/*
 * An operator of a program: sets OUT[i] to A[i] OP B[i] for COUNT elements of TYPE. OUT is A, or
 * B, or overlaps neither. It must be associative, give the same on all ranks, and not call dvm
 * functions with the same handle. Called within collectives and, for non-blocking ones, within
 * whatever call makes progress, in its thread.
 */
typedef void dvm_op_fn(void *out, const void *a, const void *b, size_t count, dvm_type_t type,
		       void *arg);

/*
 * Makes an operator, for any type, of D. COMMUTES is 1 when A OP B is B OP A, which allows faster
 * algorithms, else 0; ranks must agree. Returns a value for the parameters of type dvm_op_t, or
 * -EINVAL, -ENOMEM, -ENOSPC (too many). It is this handle's own; ranks may have different values
 * for the same operator. Any thread.
 */
DVM_PUBLIC int dvm_op_create(dvm_t *d, dvm_op_fn *fn, void *arg, int commutes);

/*
 * Ends an operator; collectives under way still use it. 0, or -EINVAL where OP is none of D's.
 * Closing the handle ends the rest.
 */
DVM_PUBLIC int dvm_op_destroy(dvm_t *d, dvm_op_t op);

/*
 * The type of elements of BYTES bytes (1 to DVM_OPAQUE_MAX) of which only operators of programs
 * know more: a value for the parameters of type dvm_type_t, or -EINVAL. Any thread.
 */
DVM_PUBLIC int dvm_type_opaque(size_t bytes);

/* Bytes of one element of TYPE, or -EINVAL. Any thread. */
DVM_PUBLIC int dvm_type_size(dvm_type_t type);

/* Returns when every rank of G has called it. */
DVM_PUBLIC int dvm_barrier(dvm_group_t *g);

/* Copies LEN bytes at BUF of rank ROOT to BUF of all others. */
DVM_PUBLIC int dvm_bcast(dvm_group_t *g, void *buf, size_t len, int root);

/*
 * Combines COUNT elements at IN of all ranks, element by element, into OUT of rank ROOT. OUT
 * counts at ROOT only (NULL elsewhere) and may be IN.
 */
DVM_PUBLIC int dvm_reduce(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type,
			  dvm_op_t op, int root);

/* The same with the result at OUT of every rank. OUT may be IN. */
DVM_PUBLIC int dvm_allreduce(dvm_group_t *g, const void *in, void *out, size_t count,
			     dvm_type_t type, dvm_op_t op);

/*
 * Combines as dvm_reduce() and hands out the result: IN has the elements for rank 0, then those
 * for rank 1 and so on, COUNTS[i] (one entry per rank, the same everywhere) for rank i, which gets
 * them at OUT. OUT may be IN.
 */
DVM_PUBLIC int dvm_reduce_scatter(dvm_group_t *g, const void *in, void *out, const size_t *counts,
				  dvm_type_t type, dvm_op_t op);

/* The same with COUNT elements for every rank. */
DVM_PUBLIC int dvm_reduce_scatter_block(dvm_group_t *g, const void *in, void *out, size_t count,
					dvm_type_t type, dvm_op_t op);

/* OUT of rank i gets what ranks 0 to i have at IN, combined. OUT may be IN. */
DVM_PUBLIC int dvm_scan(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type,
			dvm_op_t op);

/* The same of ranks 0 to i - 1. OUT of rank 0 stays as it is. */
DVM_PUBLIC int dvm_exscan(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type,
			  dvm_op_t op);

/*
 * Collects LEN bytes at IN of every rank at OUT of rank ROOT, in rank order (LEN * size bytes).
 * OUT counts at ROOT only. IN may be its own place in OUT.
 */
DVM_PUBLIC int dvm_gather(dvm_group_t *g, const void *in, size_t len, void *out, int root);

/*
 * The same with a length of each rank's own. At ROOT, LENS[i] bytes of rank i go to OUT +
 * OFFSETS[i]; both arrays have one entry per rank and count at ROOT only, where LEN must be
 * LENS[root].
 */
DVM_PUBLIC int dvm_gatherv(dvm_group_t *g, const void *in, size_t len, void *out,
			   const size_t *lens, const size_t *offsets, int root);

/*
 * The reverse: rank i gets at OUT the LEN bytes at IN + i * LEN of rank ROOT. IN counts at ROOT
 * only. OUT may be its own place in IN.
 */
DVM_PUBLIC int dvm_scatter(dvm_group_t *g, const void *in, size_t len, void *out, int root);

/* The same with lengths: rank i gets LENS[i] (its own LEN) bytes at IN + OFFSETS[i] of ROOT. */
DVM_PUBLIC int dvm_scatterv(dvm_group_t *g, const void *in, const size_t *lens,
			    const size_t *offsets, void *out, size_t len, int root);

/* As dvm_gather(), with the result at OUT of every rank. */
DVM_PUBLIC int dvm_allgather(dvm_group_t *g, const void *in, size_t len, void *out);

/*
 * As dvm_gatherv(), with the result at OUT of every rank: LENS and OFFSETS count, and agree,
 * everywhere. This rank contributes LENS[rank] bytes at IN, which may be its own place in OUT.
 */
DVM_PUBLIC int dvm_allgatherv(dvm_group_t *g, const void *in, void *out, const size_t *lens,
			      const size_t *offsets);

/* Sends LEN bytes at IN + i * LEN to each rank i, which gets them at OUT + rank * LEN. */
DVM_PUBLIC int dvm_alltoall(dvm_group_t *g, const void *in, size_t len, void *out);

/*
 * The same with lengths: IN_LENS[i] bytes at IN + IN_OFFSETS[i] go to rank i; OUT_LENS[i] bytes of
 * rank i arrive at OUT + OUT_OFFSETS[i].
 */
DVM_PUBLIC int dvm_alltoallv(dvm_group_t *g, const void *in, const size_t *in_lens,
			     const size_t *in_offsets, void *out, const size_t *out_lens,
			     const size_t *out_offsets);

/* The same, non-blocking: see the head of this file. */
DVM_PUBLIC int dvm_ibarrier(dvm_group_t *g, dvm_req_t **req);
DVM_PUBLIC int dvm_ibcast(dvm_group_t *g, void *buf, size_t len, int root, dvm_req_t **req);
DVM_PUBLIC int dvm_ireduce(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type,
			   dvm_op_t op, int root, dvm_req_t **req);
DVM_PUBLIC int dvm_iallreduce(dvm_group_t *g, const void *in, void *out, size_t count,
			      dvm_type_t type, dvm_op_t op, dvm_req_t **req);
DVM_PUBLIC int dvm_ireduce_scatter(dvm_group_t *g, const void *in, void *out, const size_t *counts,
				   dvm_type_t type, dvm_op_t op, dvm_req_t **req);
DVM_PUBLIC int dvm_ireduce_scatter_block(dvm_group_t *g, const void *in, void *out, size_t count,
					 dvm_type_t type, dvm_op_t op, dvm_req_t **req);
DVM_PUBLIC int dvm_iscan(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type,
			 dvm_op_t op, dvm_req_t **req);
DVM_PUBLIC int dvm_iexscan(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type,
			   dvm_op_t op, dvm_req_t **req);
DVM_PUBLIC int dvm_igather(dvm_group_t *g, const void *in, size_t len, void *out, int root,
			   dvm_req_t **req);
DVM_PUBLIC int dvm_igatherv(dvm_group_t *g, const void *in, size_t len, void *out,
			    const size_t *lens, const size_t *offsets, int root, dvm_req_t **req);
DVM_PUBLIC int dvm_iscatter(dvm_group_t *g, const void *in, size_t len, void *out, int root,
			    dvm_req_t **req);
DVM_PUBLIC int dvm_iscatterv(dvm_group_t *g, const void *in, const size_t *lens,
			     const size_t *offsets, void *out, size_t len, int root,
			     dvm_req_t **req);
DVM_PUBLIC int dvm_iallgather(dvm_group_t *g, const void *in, size_t len, void *out,
			      dvm_req_t **req);
DVM_PUBLIC int dvm_iallgatherv(dvm_group_t *g, const void *in, void *out, const size_t *lens,
			       const size_t *offsets, dvm_req_t **req);
DVM_PUBLIC int dvm_ialltoall(dvm_group_t *g, const void *in, size_t len, void *out,
			     dvm_req_t **req);
DVM_PUBLIC int dvm_ialltoallv(dvm_group_t *g, const void *in, const size_t *in_lens,
			      const size_t *in_offsets, void *out, const size_t *out_lens,
			      const size_t *out_offsets, dvm_req_t **req);

#ifdef __cplusplus
}
#endif

#endif
