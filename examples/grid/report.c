/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "examples/grid/plate.h"
#include "examples/grid/report.h"
#include "examples/util.h"

/* Adding up the same numbers in another order changes this share of the sum, not more. */
static const double rounding = 1e-11;

int report(const dvm_t *d, const struct block *b, int steps, double took, const double *total)
{
	bool kept = fabs(total[1] - total[0]) <= rounding * total[0];

	printf("plate: %d x %d cells in %d x %d blocks, %d steps\n", b->grid_w, b->grid_h,
	       b->across, b->down, steps);
	printf("heat: %.9g at the start, %.9g at the end, %s\n", total[0], total[1],
	       kept ? "good" : "WRONG");
	printf("parallel: %.4f s, ranks: %d, nodes: %d\n", took, dvm_size(d), dvm_num_nodes(d));
	return kept ? 0 : TOLD;
}

int compare(const struct block *b, int steps, const double *whole)
{
	size_t cells = (size_t)b->grid_w * (size_t)b->grid_h;
	double *want = calloc(cells, sizeof *want), worst = 0, start = seconds();
	int rc = want ? plate_serial(b->grid_w, b->grid_h, steps, want) : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < cells; i++)
		if (!(fabs(whole[i] - want[i]) <= worst)) /* true for NaN, too */
			worst = fabs(whole[i] - want[i]);
	if (rc == 0) {
		rc = worst <= rounding ? 0 : TOLD;
		printf("serial:   %.4f s, largest difference: %.1e, %s\n", seconds() - start, worst,
		       rc == 0 ? "good" : "WRONG");
	}
	free(want);
	return rc;
}
