/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: grids of ranks (cartesian topology).
 *
 * A grid is a group whose ranks have coordinates: DIMS[0] × DIMS[1] × … places, the last
 * coordinate varying fastest with the rank. Along a periodic dimension the last place is beside
 * the first one.
 *
 * Threads: see dvm/dvm.h. dvm_cart_create() and dvm_cart_sub() are collective, all others are
 * local, may be called by any thread and return -EINVAL where G is NULL or no grid.
 */
#ifndef DVM_CART_H
#define DVM_CART_H

#include "dvm/group.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Most dimensions of a grid. */
#define DVM_CART_MAX 16

/*
 * Splits N places over NDIMS dimensions as evenly as can be: entries of DIMS that are 0 are filled
 * in, the larger first, others stay. Returns 0; -EINVAL: NDIMS not 1 … DVM_CART_MAX, N < 1, an
 * entry negative, or N not a multiple of the given ones (all given: not their product).
 */
DVM_PUBLIC int dvm_dims_create(int n, int ndims, int *dims);

/*
 * Makes a grid of the first DIMS[0] * … * DIMS[NDIMS - 1] ranks of G. Ranks beyond get NULL.
 * PERIODIC[i] is not 0 where dimension i closes on itself. With REORDER ranks may be numbered
 * anew, so that neighbours live on one node as far as possible. All arguments agree at all ranks.
 * Collective over G.
 *
 * Returns 0, or as dvm_group_dup(); -EINVAL: also more places than ranks, a dimension below 1.
 */
DVM_PUBLIC int dvm_cart_create(dvm_group_t *g, int ndims, const int *dims, const int *periodic,
			       int reorder, dvm_group_t **out);

/* Dimensions of G, 1 … DVM_CART_MAX; their sizes and whether they are periodic (0, 1) go to the
 * arrays, which have room for MAX entries and may be NULL. -EINVAL: also MAX too small. */
DVM_PUBLIC int dvm_cart_get(const dvm_group_t *g, int max, int *dims, int *periodic);

/* The coordinates of RANK; MAX is the room in COORDS. Returns their number. */
DVM_PUBLIC int dvm_cart_coords(const dvm_group_t *g, int rank, int max, int *coords);

/*
 * The rank at COORDS, one for each dimension. In periodic dimensions any coordinate will do; in
 * others one outside gives DVM_NOBODY.
 */
DVM_PUBLIC int dvm_cart_rank(const dvm_group_t *g, const int *coords);

/*
 * For a shift by STEPS along DIM: who sends to this rank (*SOURCE) and whom it sends to (*DEST);
 * DVM_NOBODY beyond an edge, as dvm_sendrecv() takes it. Returns 0.
 */
DVM_PUBLIC int dvm_cart_shift(const dvm_group_t *g, int dim, int steps, int *source, int *dest);

/*
 * Splits the grid G into grids of the dimensions for which KEEP[i] is not 0, one for each place in
 * the others; no dimension left makes grids of one rank and one dimension. Collective over G.
 * Returns as dvm_group_dup(); -EINVAL: also no grid.
 */
DVM_PUBLIC int dvm_cart_sub(dvm_group_t *g, const int *keep, dvm_group_t **out);

#ifdef __cplusplus
}
#endif

#endif
