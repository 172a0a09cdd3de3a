/* SPDX-License-Identifier: BSD-3-Clause */
/* What process 1 of a test guest can do beside its own verbs; each prints lines of "guest: …". */
#ifndef GUEST_PROGRAMS_H
#define GUEST_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* The first line of a file, or "-"; good until the next call. */
const char *guest_line(const char *path);
/* The calling thread runs on CPU and nowhere else. */
bool guest_pin(unsigned cpu);
unsigned guest_cpus(void); /* that are online */

static inline double guest_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A sequence that looks random; never 0 from a state that is not. */
static inline uint64_t guest_next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

/* look.c: what lscpu, numactl --hardware and /proc/meminfo would say. */
void guest_look(void);

/* compute.c: a matrix product, a transform and a sort, each checked, by 1, 2 and 4 threads. */
void guest_compute(void);
/* How fast memory of the first node is read and written by the last CPU. */
void guest_stream(void);

/* stress.c: each of its parts, or the one named, on every CPU, each checked; SCALE times as long. */
void guest_stress(const char *only, unsigned scale);

#endif
