/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A token goes round all ranks: `ring [ROUNDS [BYTES]]`. Rank 0 prints the time per hop and checks
 * that every rank has added one to the token each time.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <dvm/dvm.h>
#include <dvm/msg.h>

enum { TAG = 7 };

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* One visit of the token: rank 0 sends first, the others pass on what they get. */
static int one_round(dvm_t *d, uint64_t *token, size_t bytes)
{
	dvm_group_t *world = dvm_world(d);
	int rank = dvm_rank(d), size = dvm_size(d);
	int next = (rank + 1) % size, prev = (rank + size - 1) % size, rc;

	if (rank == 0) {
		token[0]++;
		rc = dvm_send(world, token, bytes, next, TAG);
		return rc < 0 ? rc : dvm_recv(world, token, bytes, prev, TAG, NULL);
	}
	rc = dvm_recv(world, token, bytes, prev, TAG, NULL);
	if (rc < 0)
		return rc;
	token[0]++;
	return dvm_send(world, token, bytes, next, TAG);
}

static int run(dvm_t *d, long rounds, size_t bytes)
{
	uint64_t *token = calloc(1, bytes);
	int rc = token ? 0 : -1;
	double start = seconds();

	for (long i = 0; i < rounds && rc == 0; i++)
		rc = one_round(d, token, bytes);
	double hops = (double)rounds * dvm_size(d), took = seconds() - start;
	if (rc < 0) {
		fprintf(stderr, "ring: rank %d: %s\n", dvm_rank(d), dvm_strerror(rc));
	} else if (dvm_rank(d) == 0) {
		printf("%ld rounds of %zu bytes over %d ranks: %.3f us per hop\n", rounds, bytes,
		       dvm_size(d), took / hops * 1e6);
		rc = token[0] == (uint64_t)rounds * (uint64_t)dvm_size(d) ? 0 : -1;
		if (rc < 0)
			fprintf(stderr, "ring: the token says %llu\n", (unsigned long long)token[0]);
	}
	free(token);
	return rc;
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 1000;
	long bytes = argc > 2 ? atol(argv[2]) : 8;
	dvm_error_t err;
	dvm_t *d;

	if (rounds < 1 || bytes < 8) {
		fprintf(stderr, "usage: ring [ROUNDS [BYTES]], at least 1 and 8\n");
		return 2;
	}
	if (dvm_open(&d, NULL, &err) < 0) {
		fprintf(stderr, "ring: %s\n", err.text);
		return 1;
	}
	int rc = run(d, rounds, (size_t)bytes);
	return dvm_close(d) < 0 || rc < 0;
}
