/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/coll.h>

#include "examples/grid/block.h"

/* Blocks arrive one behind the other; here is what rank 0 needs to tell them apart. */
struct parcels {
	size_t *len, *off;
	double *cells;
};

static int expect(struct parcels *p, const struct block *b, int ranks)
{
	struct block other = *b;
	size_t bytes = 0;

	p->len = calloc((size_t)ranks, sizeof *p->len);
	p->off = calloc((size_t)ranks, sizeof *p->off);
	p->cells = calloc((size_t)b->grid_w * (size_t)b->grid_h, sizeof *p->cells);
	if (!p->len || !p->off || !p->cells)
		return -ENOMEM;
	for (int r = 0; r < ranks; r++) {
		block_locate(&other, r);
		p->len[r] = (size_t)other.w * (size_t)other.h * sizeof(double);
		p->off[r] = bytes;
		bytes += p->len[r];
	}
	return 0;
}

/* Puts each block's rows where they belong. */
static void unwrap(const struct parcels *p, const struct block *b, int ranks, double *whole)
{
	struct block other = *b;
	const double *row = p->cells;

	for (int r = 0; r < ranks; r++) {
		block_locate(&other, r);
		for (int y = 0; y < other.h; y++, row += other.w)
			memcpy(&whole[(size_t)(other.y + y) * (size_t)b->grid_w + (size_t)other.x],
			       row, (size_t)other.w * sizeof *row);
	}
}

int block_collect(const struct block *b, double *whole)
{
	int ranks = dvm_group_size(b->group), root = dvm_group_rank(b->group) == 0, rc;
	size_t w = (size_t)b->w, h = (size_t)b->h;
	double *mine = calloc(w * h, sizeof *mine);
	struct parcels p = { 0 };

	rc = mine ? 0 : -ENOMEM;
	for (size_t y = 0; rc == 0 && y < h; y++)
		memcpy(mine + y * w, block_at(b, 0, (int)y), w * sizeof *mine);
	if (rc == 0 && root)
		rc = expect(&p, b, ranks);
	if (rc == 0)
		rc = dvm_gatherv(b->group, mine, w * h * sizeof *mine, p.cells, p.len, p.off, 0);
	if (rc == 0 && root)
		unwrap(&p, b, ranks, whole);
	free(mine);
	free(p.len);
	free(p.off);
	free(p.cells);
	return rc;
}
