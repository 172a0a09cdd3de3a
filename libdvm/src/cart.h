/* SPDX-License-Identifier: BSD-3-Clause */
/* Grids: their arithmetic, and how groups become such. */
#ifndef DVMI_SRC_CART_H
#define DVMI_SRC_CART_H

#include <stdbool.h>
#include <stdint.h>

#include "dvm/cart.h"

struct dvmi_cart {
	int n; /* dimensions */
	int dims[DVM_CART_MAX];
	bool periodic[DVM_CART_MAX];
};

/* Checks the arguments of dvm_cart_create(). Places of the grid, or -EINVAL. */
int dvmi_cart_set(struct dvmi_cart *c, int ndims, const int *dims, const int *periodic);
void dvmi_cart_coords(const struct dvmi_cart *c, int rank, int *coords);
/* The rank at COORDS or DVM_NOBODY. */
int dvmi_cart_rank(const struct dvmi_cart *c, const int *coords);

/*
 * Tiles for nodes of EACH ranks: TILE[i] divides dims[i], their product is EACH and they have the
 * least surface that can be had. False when there is no such tile.
 */
bool dvmi_cart_tile(const struct dvmi_cart *c, int each, int *tile);
/* The place of the rank that is number I of tile T, tiles in order of the grid of tiles. */
int dvmi_cart_in_tile(const struct dvmi_cart *c, const int *tile, int t, int i);

/* dvmi_group_split() into grids of the form C. */
int dvmi_cart_split(dvm_group_t *g, int color, int key, const struct dvmi_cart *c,
		    dvm_group_t **out);

#endif
