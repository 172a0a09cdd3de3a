/* SPDX-License-Identifier: BSD-3-Clause */
/* Heat on a plate: in each step neighbouring cells even out a part of their difference. */
#ifndef EXAMPLES_GRID_PLATE_H
#define EXAMPLES_GRID_PLATE_H

#include "examples/grid/block.h"

/* Heats B's cells as they are at the start: 1 in some places of the plate, else 0. */
void plate_start(struct block *b);

/* One step, from B's cells and its halo, which must be fresh. */
void plate_step(struct block *b);

/* The sum of B's cells. */
double plate_total(const struct block *b);

/* The whole plate alone, W by H, from the start on: to CELL (W * H). Returns 0 or -ENOMEM. */
int plate_serial(int w, int h, int steps, double *cell);

#endif
