/* SPDX-License-Identifier: BSD-3-Clause */
/* What rank 0 says about a run. */
#ifndef EXAMPLES_GRID_REPORT_H
#define EXAMPLES_GRID_REPORT_H

#include <errno.h>

#include <dvm/dvm.h>

#include "examples/grid/block.h"

/* An error code that says: the user knows already. */
enum { TOLD = -ECANCELED };

/*
 * Prints how the plate was cut, how long STEPS took (seconds), and the TOTAL heat at the start and
 * at the end. Returns 0, or TOLD where heat was lost.
 */
int report(const dvm_t *d, const struct block *b, int steps, double took, const double *total);

/* Repeats the run alone. Returns 0, TOLD where it ends with other cells than WHOLE, or -ENOMEM. */
int compare(const struct block *b, int steps, const double *whole);

#endif
