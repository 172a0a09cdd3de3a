/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One program with verbs for any MPI: each checks what it gets and says so in one line per rank, or
 * ends in the way its name says.
 *
 *	ranks hello | ring BYTES | sums | nodes | app | abort CODE | exit CODE | crash | vanish | wait
 *
 * The last five concern the last rank; all others wait for it, for ever if nobody ends them.
 */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int rank, size;

static int fail(const char *what)
{
	fprintf(stderr, "rank %d: %s\n", rank, what);
	MPI_Abort(MPI_COMM_WORLD, 99);
	return 1;
}

static int hello(void)
{
	printf("hello %d of %d\n", rank, size);
	return 0;
}

/* BYTES go round; each rank adds one to each of them. */
static int ring(int bytes)
{
	int next = (rank + 1) % size, prev = (rank + size - 1) % size;
	unsigned char *out = calloc(1, (size_t)bytes), *in = calloc(1, (size_t)bytes);

	if (!out || !in)
		return fail("memory");
	for (int lap = 0; lap < size; lap++) {
		MPI_Sendrecv(out, bytes, MPI_BYTE, next, 1, in, bytes, MPI_BYTE, prev, 1,
			     MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		for (int i = 0; i < bytes; i++)
			out[i] = (unsigned char)(in[i] + 1);
	}
	for (int i = 0; i < bytes; i++)
		if (out[i] != (unsigned char)size)
			return fail("ring");
	free(in);
	free(out);
	printf("ring %d ok\n", rank);
	return 0;
}

static int sums(void)
{
	double all[512], one[512];
	int *from = calloc((size_t)size, sizeof *from), *to = calloc((size_t)size, sizeof *to);

	if (!from || !to)
		return fail("memory");
	for (int i = 0; i < 512; i++)
		one[i] = rank + i;
	MPI_Allreduce(one, all, 512, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
	for (int i = 0; i < 512; i++)
		if (all[i] != size * (size - 1) / 2.0 + (double)size * i)
			return fail("allreduce");
	for (int i = 0; i < size; i++)
		to[i] = 1000 * rank + i;
	MPI_Alltoall(to, 1, MPI_INT, from, 1, MPI_INT, MPI_COMM_WORLD);
	for (int i = 0; i < size; i++)
		if (from[i] != 1000 * i + rank)
			return fail("alltoall");
	printf("sums %d ok\n", rank);
	free(from);
	free(to);
	return 0;
}

/* Which ranks MPI takes for neighbours on a node, and on which one dvm has put them. */
static int nodes(void)
{
	const char *node = getenv("DVM_NODE");
	MPI_Comm shared;
	int n;

	MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &shared);
	MPI_Comm_size(shared, &n);
	printf("rank %d node %s shares with %d\n", rank, node ? node : "?", n - 1);
	MPI_Comm_free(&shared);
	return 0;
}

/* Which program of the job it is, and that all programs are one world. */
static int app(void)
{
	int *number = NULL, found = 0, sum;
	const char *colour = getenv("COLOUR");

	MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, &number, &found);
	MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	if (sum != size * (size - 1) / 2)
		return fail("sum");
	printf("rank %d of %d app %d %s\n", rank, size, found ? *number : -1,
	       colour ? colour : "plain");
	return 0;
}

static int end(const char *how, int code)
{
	char never;

	/* Everybody is through MPI_Init, which has errors of its own when a rank goes. */
	MPI_Barrier(MPI_COMM_WORLD);
	if (rank != size - 1) {
		MPI_Recv(&never, 1, MPI_BYTE, size - 1, 7, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		return fail("a message that nobody has sent");
	}
	if (!strcmp(how, "abort"))
		MPI_Abort(MPI_COMM_WORLD, code);
	if (!strcmp(how, "crash"))
		raise(SIGSEGV);
	while (!strcmp(how, "wait"))
		pause();
	_Exit(code);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "hello";
	int n = argc > 2 ? atoi(argv[2]) : 0, rc;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (!strcmp(verb, "hello"))
		rc = hello();
	else if (!strcmp(verb, "ring"))
		rc = ring(n);
	else if (!strcmp(verb, "sums"))
		rc = sums();
	else if (!strcmp(verb, "nodes"))
		rc = nodes();
	else if (!strcmp(verb, "app"))
		rc = app();
	else
		rc = end(verb, n);
	MPI_Finalize();
	return rc;
}
