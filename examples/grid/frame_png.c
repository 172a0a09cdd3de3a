/* SPDX-License-Identifier: BSD-3-Clause */
#include <png.h>
#include <stdio.h>
#include <stdlib.h>

#include "examples/grid/frame.h"

/* How bright a colour is at heat T that starts to shine at FROM, and shines fully by FROM + 1/3. */
static png_byte shine(double t, double from)
{
	double light = (t - from) * 3;

	return light <= 0 ? 0 : light >= 1 ? 255 : (png_byte)(light * 255);
}

int frame_write(const char *path, const double *cell, int w, int h, double top)
{
	size_t cells = (size_t)w * (size_t)h;
	png_byte *rgb = calloc(cells, 3);
	png_image image = { .version = PNG_IMAGE_VERSION,
			    .width = (png_uint_32)w,
			    .height = (png_uint_32)h,
			    .format = PNG_FORMAT_RGB };
	int good = 0;

	for (size_t i = 0; rgb && i < cells; i++)
		for (int colour = 0; colour < 3; colour++)
			rgb[3 * i + (size_t)colour] = shine(cell[i] / top, colour / 3.0);
	if (rgb)
		good = png_image_write_to_file(&image, path, 0, rgb, 0, NULL);
	if (!good)
		fprintf(stderr, "%s: %s\n", path, rgb ? image.message : "out of memory");
	free(rgb);
	return good ? 0 : -1;
}
