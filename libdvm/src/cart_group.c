/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups that are grids. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/src/cart.h"
#include "libdvm/src/group.h"

/*
 * Ranks counted node by node; TILE is for nodes of equally many, *EACH. False where the nodes of
 * the group differ or no tile fits: then the order stays as it is.
 */
static bool find_tile(dvm_group_t *g, const struct dvmi_cart *c, int places, int *each, int *tile)
{
	const struct dvmi_nodes *n;

	if ((uint32_t)places != g->size || dvmi_group_nodes(g, &n) < 0 || n->count < 2 ||
	    n->most == 1 || n->most * n->count != g->size)
		return false;
	*each = (int)n->most;
	return dvmi_cart_tile(c, *each, tile);
}

/* The place of this rank in the grid. */
static int find_place(dvm_group_t *g, const struct dvmi_cart *c, int places)
{
	int tile[DVM_CART_MAX], each, place = (int)g->rank;

	dvmi_enter(g->d);
	if (find_tile(g, c, places, &each, tile))
		place = dvmi_cart_in_tile(c, tile, (int)g->nodes->self, (int)g->nodes->place);
	dvmi_leave(g->d);
	return place;
}

/* G, if there is one, is the grid C from now on. On failure it is freed. */
static int put(dvm_group_t *g, const struct dvmi_cart *c)
{
	struct dvmi_cart *copy = g ? malloc(sizeof *copy) : NULL;

	if (!g)
		return 0;
	if (!copy) {
		dvm_group_free(g);
		return -ENOMEM;
	}
	*copy = *c;
	g->cart = copy;
	return 0;
}

int dvmi_cart_split(dvm_group_t *g, int color, int key, const struct dvmi_cart *c,
		    dvm_group_t **out)
{
	dvm_group_t *new;
	int rc = dvmi_group_split(g, color, key, &new);

	if (rc == 0)
		rc = put(new, c);
	if (rc == 0)
		*out = new;
	return rc;
}

int dvm_cart_create(dvm_group_t *g, int ndims, const int *dims, const int *periodic, int reorder,
		    dvm_group_t **out)
{
	struct dvmi_cart c;
	int places = g && out ? dvmi_cart_set(&c, ndims, dims, periodic) : -EINVAL;

	if (places < 0 || (uint32_t)places > g->size)
		return -EINVAL;
	int place = reorder ? find_place(g, &c, places) : (int)g->rank;
	return dvmi_cart_split(g, place < places ? 0 : -1, place, &c, out);
}

int dvm_cart_sub(dvm_group_t *g, const int *keep, dvm_group_t **out)
{
	if (!g || !g->cart || !keep || !out)
		return -EINVAL;
	const struct dvmi_cart *c = g->cart;
	struct dvmi_cart sub = { 0 };
	int coords[DVM_CART_MAX], color = 0, key = 0;
	dvmi_cart_coords(c, (int)g->rank, coords);
	for (int i = 0; i < c->n; i++) {
		if (!keep[i]) {
			color = color * c->dims[i] + coords[i];
			continue;
		}
		key = key * c->dims[i] + coords[i];
		sub.dims[sub.n] = c->dims[i];
		sub.periodic[sub.n++] = c->periodic[i];
	}
	if (!sub.n)
		sub.dims[sub.n++] = 1;
	return dvmi_cart_split(g, color, key, &sub, out);
}

int dvm_cart_get(const dvm_group_t *g, int max, int *dims, int *periodic)
{
	if (!g || !g->cart || ((dims || periodic) && max < g->cart->n))
		return -EINVAL;
	for (int i = 0; i < g->cart->n; i++) {
		if (dims)
			dims[i] = g->cart->dims[i];
		if (periodic)
			periodic[i] = g->cart->periodic[i];
	}
	return g->cart->n;
}

int dvm_cart_coords(const dvm_group_t *g, int rank, int max, int *coords)
{
	if (!g || !g->cart || rank < 0 || (uint32_t)rank >= g->size || !coords || max < g->cart->n)
		return -EINVAL;
	dvmi_cart_coords(g->cart, rank, coords);
	return g->cart->n;
}

int dvm_cart_rank(const dvm_group_t *g, const int *coords)
{
	return g && g->cart && coords ? dvmi_cart_rank(g->cart, coords) : -EINVAL;
}

static int at(const struct dvmi_cart *c, const int *from, int dim, long long steps)
{
	int coords[DVM_CART_MAX];

	memcpy(coords, from, (size_t)c->n * sizeof *coords);
	if (c->periodic[dim])
		coords[dim] += (int)(steps % c->dims[dim]);
	else if (steps >= c->dims[dim] || steps <= -c->dims[dim])
		return DVM_NOBODY;
	else
		coords[dim] += (int)steps;
	return dvmi_cart_rank(c, coords);
}

int dvm_cart_shift(const dvm_group_t *g, int dim, int steps, int *source, int *dest)
{
	int coords[DVM_CART_MAX];

	if (!g || !g->cart || dim < 0 || dim >= g->cart->n || !source || !dest)
		return -EINVAL;
	dvmi_cart_coords(g->cart, (int)g->rank, coords);
	*dest = at(g->cart, coords, dim, steps);
	*source = at(g->cart, coords, dim, -(long long)steps);
	return 0;
}
