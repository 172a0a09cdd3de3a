/* SPDX-License-Identifier: BSD-3-Clause */
/* Stands in for frame_png.c where libpng was missing. */
#include <stdio.h>

#include "examples/grid/frame.h"

int frame_write(const char *path, const double *cell, int w, int h, double top)
{
	fprintf(stderr, "%s: built without libpng, no pictures\n", path);
	return -1;
}
