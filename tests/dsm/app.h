/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the programs for shared memory in this directory have in common: options, random numbers,
 * shares of work, and the last line. They are written to dvm/parmacs.h, and check themselves.
 *
 *	dvm run -n 4 heat [-p PROCESSES] [-n SIZE] [-i ITERATIONS]
 */
#ifndef TESTS_DSM_APP_H
#define TESTS_DSM_APP_H

#include <dvm/parmacs.h>

#include <math.h>

EXTERN_ENV

/* A process' share of n things: [first, last). */
struct app_share {
	long first, last;
};

struct app_options {
	int p;
	long n, i;
};

static inline long app_number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n < 1) {
		fprintf(stderr, "%s is no number\n", text);
		exit(2);
	}
	return n;
}

/* After MAIN_INITENV, for as many processes as the job has ranks by default. */
static inline struct app_options app_options(int argc, char **argv, long n, long i)
{
	struct app_options o = { .p = dvm_parmacs.size, .n = n, .i = i };
	int c;

	while ((c = getopt(argc, argv, "p:n:i:")) != -1) {
		if (c == 'p')
			o.p = (int)app_number(optarg);
		else if (c == 'n')
			o.n = app_number(optarg);
		else if (c == 'i')
			o.i = app_number(optarg);
		else
			exit(2);
	}
	return o;
}

static inline struct app_share app_share(long n, int self, int p)
{
	return (struct app_share){ n * self / p, n * (self + 1) / p };
}

static inline void *app_alloc(size_t bytes)
{
	void *at = G_MALLOC(bytes);

	if (!at) {
		fprintf(stderr, "no memory for %zu bytes\n", bytes);
		exit(1);
	}
	return at;
}

static inline uint64_t app_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline double app_unit(uint64_t *state)
{
	return (double)(app_random(state) >> 11) * 0x1p-53;
}

static inline double app_now(void)
{
	return dvm_parmacs_now();
}

/* The last line; the exit status. */
static inline int app_result(const char *name, const struct app_options *o, double seconds, int good)
{
	printf("%s processes %d size %ld seconds %.6f %s\n", name, o->p, o->n, seconds,
	       good ? "correct" : "WRONG");
	return !good;
}

#endif
