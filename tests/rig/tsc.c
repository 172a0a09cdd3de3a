/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tsc: the rate of this machine's time stamp counter in kHz, which is that of the hosts it emulates. An
 * emulated host measures its own while it boots, and is wrong by several percent where the machine is busy.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#include "tests/rig/rigtool.h"

#define MEASURE 50000000u /* ns */
#define TRIES	20

struct moment {
	int64_t ns;
	uint64_t tsc;
};

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Both clocks at one time: of some readings the quickest. */
static struct moment look(void)
{
	struct moment m = { 0 };
	int64_t best = INT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		int64_t before = now();
		uint64_t tsc = __rdtsc();
		int64_t took = now() - before;
		if (took < best) {
			best = took;
			m = (struct moment){ before + took / 2, tsc };
		}
	}
	return m;
}

int rig_tsc_main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = MEASURE };
	struct moment a = look();

	(void)argc;
	(void)argv;
	nanosleep(&pause, NULL);
	struct moment b = look();
	printf("%llu\n", (unsigned long long)((b.tsc - a.tsc) * 1000000 / (uint64_t)(b.ns - a.ns)));
	return 0;
}
