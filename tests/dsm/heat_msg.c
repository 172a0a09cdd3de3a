/* SPDX-License-Identifier: BSD-3-Clause */
/* heat.c by messages: each rank has its rows and copies of the two next to them. */
#include <dvm/coll.h>
#include <dvm/dvm.h>
#include <dvm/msg.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/dsm/plate.h"

static dvm_t *d;
static dvm_group_t *w;
static int self, p;
static long n = 500, iterations = 40, first, last;

static void must(int rc)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "rank %d: %s\n", self, dvm_strerror(rc));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double *row(double *plate, long y)
{
	return plate + y * (n + 2);
}

/* Rows FIRST + 1 … LAST are ours. */
static void exchange(double *plate)
{
	size_t len = (size_t)(n + 2) * sizeof(double);
	int up = self ? self - 1 : DVM_NOBODY, down = self < p - 1 ? self + 1 : DVM_NOBODY;
	dvm_req_t *req[4];

	must(dvm_irecv(w, row(plate, first), len, up, 1, &req[0]));
	must(dvm_irecv(w, row(plate, last + 1), len, down, 1, &req[1]));
	must(dvm_isend(w, row(plate, first + 1), len, up, 1, &req[2]));
	must(dvm_isend(w, row(plate, last), len, down, 1, &req[3]));
	must(dvm_waitall(req, 4, NULL));
}

static void work(double *plate)
{
	for (long i = 0; i < iterations; i++)
		for (int colour = 0; colour < 2; colour++) {
			for (long y = first + 1; y <= last; y++)
				plate_row(plate, n, y, colour);
			exchange(plate);
		}
}

static int same_as_alone(const double *plate)
{
	double *alone = malloc(plate_bytes(n));

	plate_fill(alone, n);
	for (long i = 0; i < iterations; i++)
		for (int colour = 0; colour < 2; colour++)
			for (long y = 1; y <= n; y++)
				plate_row(alone, n, y, colour);
	int same = memcmp(alone + (first + 1) * (n + 2), plate + (first + 1) * (n + 2),
			  (size_t)((last - first) * (n + 2)) * sizeof(double)) == 0;
	free(alone);
	return same;
}

int main(int argc, char **argv)
{
	double *plate, start, seconds;
	int c;

	must(dvm_open(&d, NULL, NULL));
	while ((c = getopt(argc, argv, "p:n:i:")) != -1)
		*(c == 'n' ? &n : c == 'i' ? &iterations : &first) = strtol(optarg, NULL, 10);
	w = dvm_world(d);
	self = dvm_rank(d);
	p = dvm_size(d);
	first = n * self / p;
	last = n * (self + 1) / p;
	plate = malloc(plate_bytes(n));
	plate_fill(plate, n);
	must(dvm_barrier(w));
	start = now();
	work(plate);
	must(dvm_barrier(w));
	seconds = now() - start;
	int64_t good = same_as_alone(plate), all = 0;
	must(dvm_allreduce(w, &good, &all, 1, DVM_INT64, DVM_SUM));
	if (self == 0)
		printf("heat-msg processes %d size %ld seconds %.6f %s\n", p, n, seconds,
		       all == p ? "correct" : "WRONG");
	free(plate);
	must(dvm_close(d));
	return all != p;
}
