/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For LD_PRELOAD: a wall clock that is as many seconds off as the file $STEP_CLOCK says, and all other
 * clocks, too, where $STEP_ALL is set.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long step(void)
{
	const char *path = getenv("STEP_CLOCK");
	FILE *f = path ? fopen(path, "re") : NULL;
	long s = 0;

	if (f && fscanf(f, "%ld", &s) != 1)
		s = 0;
	if (f)
		fclose(f);
	return s;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int rc = real(id, ts);
	if (rc == 0 && (id == CLOCK_REALTIME || getenv("STEP_ALL")))
		ts->tv_sec += step();
	return rc;
}
