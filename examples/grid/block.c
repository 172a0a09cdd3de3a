/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/coll.h>

#include "examples/grid/block.h"

/* Where part I of PARTS begins when N cells are dealt out evenly. */
static int begin_of(int i, int parts, int n)
{
	return (int)((long long)n * i / parts);
}

/* Of all ways to have RANKS blocks the one with the fewest cells along the cuts. */
static int cut(struct block *b, int ranks)
{
	long long least = LLONG_MAX;

	for (int across = 1; across <= ranks; across++) {
		int down = ranks / across;
		long long cells = (across - 1LL) * b->grid_h + (down - 1LL) * b->grid_w;

		if (across * down != ranks || across > b->grid_w || down > b->grid_h ||
		    cells >= least)
			continue;
		least = cells;
		b->across = across;
		b->down = down;
	}
	return least == LLONG_MAX ? -EDOM : 0;
}

void block_locate(struct block *b, int rank)
{
	int i = rank % b->across, j = rank / b->across;

	b->x = begin_of(i, b->across, b->grid_w);
	b->y = begin_of(j, b->down, b->grid_h);
	b->w = begin_of(i + 1, b->across, b->grid_w) - b->x;
	b->h = begin_of(j + 1, b->down, b->grid_h) - b->y;
}

static void find_neighbours(struct block *b, int rank)
{
	int i = rank % b->across, j = rank / b->across;

	b->next_to[LEFT] = i > 0 ? rank - 1 : DVM_NOBODY;
	b->next_to[RIGHT] = i < b->across - 1 ? rank + 1 : DVM_NOBODY;
	b->next_to[UP] = j > 0 ? rank - b->across : DVM_NOBODY;
	b->next_to[DOWN] = j < b->down - 1 ? rank + b->across : DVM_NOBODY;
}

int block_make(struct block *b, dvm_group_t *group, int w, int h)
{
	int rank = dvm_group_rank(group), rc;

	*b = (struct block){ .group = group, .grid_w = w, .grid_h = h };
	rc = cut(b, dvm_group_size(group));
	if (rc < 0)
		return rc;
	block_locate(b, rank);
	find_neighbours(b, rank);
	b->cell = calloc((size_t)(b->w + 2) * (size_t)(b->h + 2), sizeof *b->cell);
	b->next = calloc((size_t)(b->w + 2) * (size_t)(b->h + 2), sizeof *b->next);
	for (int i = 0; i < 4; i++) {
		b->column[i] = calloc((size_t)b->h, sizeof(double));
		if (!b->column[i])
			return -ENOMEM;
	}
	return b->cell && b->next ? 0 : -ENOMEM;
}

static void take_column(const struct block *b, int x, double *column)
{
	for (int y = 0; y < b->h; y++)
		column[y] = *block_at(b, x, y);
}

static void put_column(struct block *b, int x, const double *column)
{
	for (int y = 0; y < b->h; y++)
		*block_at(b, x, y) = column[y];
}

/* The mirror: beyond an edge lies what is on this side of it, so that nothing flows. */
static void mirror(struct block *b)
{
	for (int y = 0; y < b->h; y++) {
		if (b->next_to[LEFT] == DVM_NOBODY)
			*block_at(b, -1, y) = *block_at(b, 0, y);
		if (b->next_to[RIGHT] == DVM_NOBODY)
			*block_at(b, b->w, y) = *block_at(b, b->w - 1, y);
	}
	if (b->next_to[UP] == DVM_NOBODY)
		memcpy(block_at(b, 0, -1), block_at(b, 0, 0), (size_t)b->w * sizeof(double));
	if (b->next_to[DOWN] == DVM_NOBODY)
		memcpy(block_at(b, 0, b->h), block_at(b, 0, b->h - 1),
		       (size_t)b->w * sizeof(double));
}

/* A message is tagged with the side it leaves at, and the sides face each other in pairs. */
static int swap_halo(struct block *b)
{
	double *out[SIDES] = { b->column[LEFT], b->column[RIGHT], block_at(b, 0, 0),
			       block_at(b, 0, b->h - 1) };
	double *in[SIDES] = { b->column[2 + LEFT], b->column[2 + RIGHT], block_at(b, 0, -1),
			      block_at(b, 0, b->h) };
	dvm_req_t *req[2 * SIDES] = { NULL };
	int rc = 0, done;

	for (int s = 0; s < SIDES && rc == 0; s++) {
		size_t bytes = (size_t)(s < UP ? b->h : b->w) * sizeof(double);

		rc = dvm_irecv(b->group, in[s], bytes, b->next_to[s], s ^ 1, &req[s]);
		if (rc == 0)
			rc = dvm_isend(b->group, out[s], bytes, b->next_to[s], s, &req[SIDES + s]);
	}
	done = dvm_waitall(req, 2 * SIDES, NULL);
	return rc < 0 ? rc : done;
}

int block_exchange(struct block *b)
{
	int rc;

	take_column(b, 0, b->column[LEFT]);
	take_column(b, b->w - 1, b->column[RIGHT]);
	rc = swap_halo(b);
	put_column(b, -1, b->column[2 + LEFT]);
	put_column(b, b->w, b->column[2 + RIGHT]);
	mirror(b);
	return rc;
}

void block_free(struct block *b)
{
	for (int i = 0; i < 4; i++)
		free(b->column[i]);
	free(b->cell);
	free(b->next);
	*b = (struct block){ 0 };
}
