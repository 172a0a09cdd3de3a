/* SPDX-License-Identifier: BSD-3-Clause */
/* The plate of heat.c and heat_msg.c: n by n points with a border, warm on one side. */
#ifndef TESTS_DSM_PLATE_H
#define TESTS_DSM_PLATE_H

#include <stddef.h>

#define PLATE_OMEGA 1.5

static inline size_t plate_bytes(long n)
{
	return (size_t)(n + 2) * (size_t)(n + 2) * sizeof(double);
}

static inline void plate_fill(double *plate, long n)
{
	for (long y = 0; y < n + 2; y++)
		for (long x = 0; x < n + 2; x++)
			plate[y * (n + 2) + x] = y == 0 ? 100.0 : x == 0 ? (double)(n - y) / 7 : 0;
}

/* Relaxes the points of a colour in row Y, 1 to n. */
static inline void plate_row(double *plate, long n, long y, int colour)
{
	double *row = plate + y * (n + 2), *above = row - (n + 2), *below = row + (n + 2);

	for (long x = 1 + (y + colour) % 2; x <= n; x += 2)
		row[x] += PLATE_OMEGA * ((above[x] + below[x] + row[x - 1] + row[x + 1]) / 4 - row[x]);
}

#endif
