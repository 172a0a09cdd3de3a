/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "examples/util.h"

bool int_option(const char *name, int low, int high, int *out)
{
	double value = *out;

	if (!real_option(name, low, high, &value))
		return false;
	if (value != (int)value) {
		if (opterr)
			fprintf(stderr, "--%s: '%s' is no whole number\n", name, optarg);
		return false;
	}
	*out = (int)value;
	return true;
}

bool real_option(const char *name, double low, double high, double *out)
{
	char *end;
	double value = strtod(optarg, &end);

	if (end == optarg || *end || !(value >= low && value <= high)) {
		if (opterr)
			fprintf(stderr, "--%s: '%s' is no number from %.7g to %.7g\n", name, optarg,
				low, high);
		return false;
	}
	*out = value;
	return true;
}

double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}
