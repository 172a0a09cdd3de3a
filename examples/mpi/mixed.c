/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program of MPI that uses libdvm beside it: the ranks are the same, and each library has its own
 * messages. Memory that all ranks share, on whatever node they are, comes from libdvm, which MPI has
 * only within a node; so do the news of hosts and jobs.
 *
 *	mpicc -o mixed mixed.c $(pkg-config --cflags --libs libdvm) && dvm run -n 4 ./mixed
 */
#include <mpi.h>
#include <stdio.h>

#include <dvm/dvm.h>
#include <dvm/dynamic.h>
#include <dvm/mem.h>
#include <dvm/msg.h>

/* A number goes round by messages of libdvm. */
static int ring(dvm_t *d)
{
	int rank = dvm_rank(d), size = dvm_size(d), token = rank, from = -1;
	int rc = dvm_sendrecv(dvm_world(d), &token, sizeof token, (rank + 1) % size, 1, &from,
			      sizeof from, (rank + size - 1) % size, 1, NULL);

	return rc < 0 ? rc : from;
}

/* Each rank writes a place of shared memory; MPI says when all have; each reads all. */
static long sum_of_squares(dvm_t *d, dvm_seg_t *seg)
{
	long *shared = dvm_seg_base(seg), sum = 0;

	shared[dvm_rank(d)] = (long)dvm_rank(d) * dvm_rank(d);
	MPI_Barrier(MPI_COMM_WORLD);
	for (int i = 0; i < dvm_size(d); i++)
		sum += shared[i];
	MPI_Barrier(MPI_COMM_WORLD);
	return sum;
}

static int work(dvm_t *d)
{
	const dvm_seg_config_t config = { .size = sizeof config, .bytes = 65536 };
	dvm_error_t err = { 0 };
	dvm_seg_t *seg = NULL;
	int rank, size;

	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (rank != dvm_rank(d) || size != dvm_size(d))
		return fprintf(stderr, "two libraries, two opinions of who we are\n");
	dvm_watch(d, 1u << DVM_EVENT_HOST_LOST | 1u << DVM_EVENT_HOST_JOINED);
	int from = ring(d);
	if (dvm_seg_create(dvm_world(d), &config, &seg, &err) < 0)
		return fprintf(stderr, "%s\n", err.text);
	long sum = sum_of_squares(d, seg);
	printf("rank %d of %d: %d before me, squares add up to %ld\n", rank, size, from, sum);
	return dvm_seg_destroy(seg) < 0;
}

int main(int argc, char **argv)
{
	dvm_error_t err = { 0 };
	dvm_t *d;

	MPI_Init(&argc, &argv);
	if (dvm_open(&d, NULL, &err) < 0) {
		fprintf(stderr, "mixed: %s\n", err.text);
		MPI_Abort(MPI_COMM_WORLD, 1);
	}
	int bad = work(d);
	if (bad)
		MPI_Abort(MPI_COMM_WORLD, 1);
	dvm_close(d);
	MPI_Finalize();
	return 0;
}
