/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "examples/grid/plate.h"

/* The share of a difference that flows in a step. Beyond 1/4 it would swing, not even out. */
static const double flow = 0.2;

/* A disc and, in a corner, a bar. */
static double at_start(int x, int y, int w, int h)
{
	double dx = (x + 0.5 - 0.3 * w) / h, dy = (y + 0.5) / h - 0.4;

	return dx * dx + dy * dy < 0.05 || (10 * x > 7 * w && 10 * y > 8 * h);
}

void plate_start(struct block *b)
{
	for (int y = 0; y < b->h; y++)
		for (int x = 0; x < b->w; x++)
			*block_at(b, x, y) = at_start(b->x + x, b->y + y, b->grid_w, b->grid_h);
}

void plate_step(struct block *b)
{
	size_t row = (size_t)b->w + 2;
	double *now = b->cell;

	for (int y = 0; y < b->h; y++) {
		const double *c = block_at(b, 0, y);
		double *out = b->next + (c - now);

		for (int x = 0; x < b->w; x++, c++)
			out[x] = *c + flow * (c[-1] + c[1] + *(c - row) + c[row] - 4 * *c);
	}
	b->cell = b->next;
	b->next = now;
}

double plate_total(const struct block *b)
{
	double sum = 0;

	for (int y = 0; y < b->h; y++)
		for (int x = 0; x < b->w; x++)
			sum += *block_at(b, x, y);
	return sum;
}

/* The same law without blocks and halos: a cell at the edge has itself as neighbour. */
static void serial_step(int w, int h, const double *c, double *out)
{
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			size_t i = (size_t)y * (size_t)w + (size_t)x;
			double left = x > 0 ? c[i - 1] : c[i];
			double right = x < w - 1 ? c[i + 1] : c[i];
			double up = y > 0 ? c[i - (size_t)w] : c[i];
			double down = y < h - 1 ? c[i + (size_t)w] : c[i];

			out[i] = c[i] + flow * (left + right + up + down - 4 * c[i]);
		}
}

int plate_serial(int w, int h, int steps, double *cell)
{
	size_t cells = (size_t)w * (size_t)h;
	double *next = calloc(cells, sizeof *next);

	if (!next)
		return -ENOMEM;
	for (size_t i = 0; i < cells; i++)
		cell[i] = at_start((int)(i % (size_t)w), (int)(i / (size_t)w), w, h);
	for (int i = 0; i < steps; i++) {
		serial_step(w, h, cell, next);
		memcpy(cell, next, cells * sizeof *cell);
	}
	free(next);
	return 0;
}
