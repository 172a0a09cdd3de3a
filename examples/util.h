/* SPDX-License-Identifier: BSD-3-Clause */
/* What several examples need beside the library. */
#ifndef EXAMPLES_UTIL_H
#define EXAMPLES_UTIL_H

#include <stdbool.h>

/*
 * Read the whole of optarg as a number from LOW to HIGH into *OUT. Else false, *OUT is untouched
 * and, where opterr is set, standard error says what is wrong with option NAME.
 */
bool int_option(const char *name, int low, int high, int *out);
bool real_option(const char *name, double low, double high, double *out);

/* Seconds since some moment in the past. */
double seconds(void);

#endif
