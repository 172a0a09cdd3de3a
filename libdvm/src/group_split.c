/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups out of a group. Every rank offers contexts of its own beside its color and key, so one
 * allgather tells each rank everything about its new group: the contexts are those that the new
 * rank 0 has offered.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/group.h"
#include "libdvm/src/cart.h"
#include "libdvm/src/group.h"

/* Little-endian, as everything that ranks of unlike hosts tell each other. */
struct offer {
	int32_t color, key;
	uint32_t ctx; /* 0: there are none left */
};

struct seat {
	int32_t key;
	uint32_t rank; /* in the old group */
};

static int by_key(const void *a, const void *b)
{
	const struct seat *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

/* The ranks of this rank's color in their new order. Returns their number. */
static uint32_t seat_all(const struct offer *all, uint32_t size, uint32_t self, struct seat *seats)
{
	uint32_t n = 0;

	for (uint32_t r = 0; r < size; r++)
		if (all[r].color == all[self].color)
			seats[n++] = (struct seat){ .key = (int32_t)le32toh((uint32_t)all[r].key),
						    .rank = r };
	qsort(seats, n, sizeof *seats, by_key);
	return n;
}

/* Its contexts must be of those that its rank may give away. */
static int found(dvm_group_t *g, const struct seat *seats, uint32_t n, uint32_t ctx,
		 dvm_group_t **out)
{
	uint32_t *peers = malloc(n * sizeof *peers), rank = 0;

	if (!peers)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		peers[i] = dvmi_rankmap_peer(&g->map, seats[i].rank);
		if (seats[i].rank == g->rank)
			rank = i;
	}
	int rc = !ctx ? -ENOSPC : dvmi_ctx_good(g->d, ctx, peers[0]) ? 0 : -DVM_EPROTO;
	if (rc == 0)
		rc = dvmi_group_new(g->d, peers, n, rank, ctx, out);
	free(peers);
	return rc;
}

static int regroup(dvm_group_t *g, const struct offer *all, dvm_group_t **out)
{
	struct seat *seats = malloc(g->size * sizeof *seats);

	if (!seats)
		return -ENOMEM;
	uint32_t n = seat_all(all, g->size, g->rank, seats);
	int rc = found(g, seats, n, le32toh(all[seats[0].rank].ctx), out);
	free(seats);
	return rc;
}

/* Offers this rank's contexts and takes in what the others say, which the caller frees. */
static int exchange(dvm_group_t *g, int color, int key, uint32_t ctx, struct offer **out)
{
	struct offer mine = {
		.color = (int32_t)htole32((uint32_t)color),
		.key = (int32_t)htole32((uint32_t)key),
		.ctx = htole32(ctx),
	};
	struct offer *all = malloc(g->size * sizeof *all);

	if (!all)
		return -ENOMEM;
	int rc = dvm_allgather(g, &mine, sizeof mine, all);
	if (rc < 0)
		free(all);
	else
		*out = all;
	return rc;
}

static uint32_t reserve(dvm_t *d)
{
	uint32_t ctx = 0;

	dvmi_enter(d);
	dvmi_ctx_reserve(d, &ctx);
	dvmi_leave(d);
	return ctx;
}

int dvmi_group_split(dvm_group_t *g, int color, int key, dvm_group_t **out)
{
	struct offer *all = NULL;
	dvm_group_t *new = NULL;
	dvm_t *d = g->d;

	if (g->local || g->link)
		return -ENOTSUP;
	uint32_t ctx = reserve(d);
	int rc = exchange(g, color, key, ctx, &all);

	dvmi_enter(d);
	if (rc == 0 && color >= 0)
		rc = regroup(g, all, &new);
	/* After a failure others may use them. */
	if (rc == 0 && (!new || new->ctx != ctx))
		dvmi_ctx_return(d, ctx);
	dvmi_leave(d);
	free(all);
	if (rc == 0)
		*out = new;
	return rc;
}

int dvm_group_split(dvm_group_t *g, int color, int key, dvm_group_t **out)
{
	return g && out ? dvmi_group_split(g, color < 0 ? -1 : color, key, out) : -EINVAL;
}

int dvm_group_dup(dvm_group_t *g, dvm_group_t **out)
{
	if (!g || !out)
		return -EINVAL;
	return g->cart ? dvmi_cart_split(g, 0, 0, g->cart, out) : dvmi_group_split(g, 0, 0, out);
}

int dvm_group_split_node(dvm_group_t *g, int key, dvm_group_t **out)
{
	if (!g || !out)
		return -EINVAL;
	int node = dvm_group_node_of(g, (int)g->rank);
	return node < 0 ? node : dvmi_group_split(g, node, key, out);
}
