/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: collective operations of a group.
 *
 * Every rank of the group calls the same operations in the same order, with agreeing sizes, type,
 * operator and root. A call returns when this rank's part is done; only dvm_barrier() says
 * anything about the others. Collectives and messages of a group do not mix. Lengths and offsets
 * are bytes; counts are elements. Buffers must not overlap unless the call allows it.
 *
 * Failures: when a rank that is needed is lost or has closed, the operation fails at every rank
 * that still waits in it, in bounded time (-DVM_EPEERLOST, -DVM_ECLOSED), and so do all later
 * collectives of the group; some ranks may have completed the operation before. Buffers then hold
 * anything. All calls return 0 or: -EINVAL (wrong arguments; checked before anything is sent),
 * -DVM_EPEERLOST, -DVM_ECLOSED, -DVM_EPROTO (sizes did not agree), -ENOMEM.
 *
 * Threads: see dvm/dvm.h; collectives of one group are called by one thread at a time.
 */
#ifndef DVM_COLL_H
#define DVM_COLL_H

#include "dvm/group.h"

#ifdef __cplusplus
extern "C" {
#endif

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
} dvm_type_t;

/*
 * Operators of reductions. The order in which elements are combined is the library's choice, but
 * it is the same on every run with the same ranks, nodes and sizes, and every rank gets the same
 * bits. Integers wrap around. Floating types have no bitwise operators (-EINVAL).
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
} dvm_op_t;

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

#ifdef __cplusplus
}
#endif

#endif
