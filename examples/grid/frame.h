/* SPDX-License-Identifier: BSD-3-Clause */
/* Pictures of a grid. */
#ifndef EXAMPLES_GRID_FRAME_H
#define EXAMPLES_GRID_FRAME_H

/*
 * Writes W * H cells, row after row, as a picture in PNG: 0 is black, then red, yellow, and TOP is
 * white. Returns 0, or -1 after a line on standard error (also where there is no libpng).
 */
int frame_write(const char *path, const double *cell, int w, int h, double top);

#endif
