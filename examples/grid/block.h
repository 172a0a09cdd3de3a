/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One rank's block of a grid of numbers, with a border of one cell (the halo) that holds copies of
 * the neighbours' outermost cells. The grid is cut into rows and columns of blocks such that as
 * few cells as possible lie along the cuts.
 */
#ifndef EXAMPLES_GRID_BLOCK_H
#define EXAMPLES_GRID_BLOCK_H

#include <stddef.h>

#include <dvm/msg.h>

enum side { LEFT, RIGHT, UP, DOWN, SIDES };

struct block {
	dvm_group_t *group;
	int grid_w, grid_h; /* cells of the whole grid */
	int across, down;   /* blocks of the whole grid */
	int x, y, w, h;	    /* our cells: x … x + w - 1, y … y + h - 1 */
	int next_to[SIDES]; /* ranks, DVM_NOBODY at the edge of the grid */
	double *cell;	    /* (w + 2) * (h + 2), row after row */
	double *next;	    /* as many, for the next step */
	double *column[4];  /* LEFT and RIGHT, going out; and coming in at 2 + LEFT, 2 + RIGHT */
};

/* The cell at column X and row Y of the block; -1, w and h are the halo's. */
static inline double *block_at(const struct block *b, int x, int y)
{
	return &b->cell[(size_t)(y + 1) * (size_t)(b->w + 2) + (size_t)(x + 1)];
}

/*
 * Cuts a grid of W by H for the ranks of GROUP and makes this rank's block, all cells 0. The
 * caller ends it with block_free() in any case. Returns 0, -ENOMEM, or -EDOM where there is no
 * way to give each rank a cell.
 */
int block_make(struct block *b, dvm_group_t *group, int w, int h);

/* Sets x, y, w and h to those of RANK's block, in a struct that knows how the grid is cut. */
void block_locate(struct block *b, int rank);

/* Refreshes the halo: all neighbours at once. Beyond the edge of the grid lies a mirror. */
int block_exchange(struct block *b);

/* Collects the cells of all blocks as one grid (grid_w * grid_h) at WHOLE of rank 0. */
int block_collect(const struct block *b, double *whole);

void block_free(struct block *b);

#endif
