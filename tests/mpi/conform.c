/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conform [NAME...]: all checks, or those named; "all N ok" by rank 0 when they are over. Two
 * are done only when they are named: threads, which change what a library does elsewhere, and post,
 * which MPICH 4.0.2 gets wrong under its own launcher, too.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/mpi/conform.h"

int rank, size;

static const struct {
	const char *name;
	void (*run)(void);
} checks[] = {
	{ "modes", check_modes },
	{ "matching", check_matching },
	{ "requests", check_requests },
	{ "types", check_types },
	{ "pack", check_pack },
	{ "big", check_big },
	{ "collectives", check_collectives },
	{ "vectors", check_vectors },
	{ "nonblocking", check_nonblocking },
	{ "groups", check_groups },
	{ "split", check_split },
	{ "cart", check_cart },
	{ "graph", check_graph },
	{ "intercomm", check_intercomm },
	{ "attributes", check_attributes },
	{ "errors", check_errors },
	{ "fence", check_fence },
	{ "lock", check_lock },
	{ "doubles", check_doubles },
	{ "dynamic", check_dynamic },
	{ "post", check_post },
	{ "shared", check_shared },
	{ "file", check_file },
	{ "threads", check_threads },
};

static int is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return 1;
	return argc < 2 && strcmp(name, "threads") != 0 && strcmp(name, "post") != 0;
}

static void begin(int *argc, char ***argv)
{
	int wanted = is_wanted("threads", *argc, *argv) ? MPI_THREAD_MULTIPLE : MPI_THREAD_SINGLE,
	    provided;

	MPI_Init_thread(argc, argv, wanted, &provided);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	CHECK(provided >= wanted);
	CHECK(size > 1);
}

int main(int argc, char **argv)
{
	int ran = 0;

	begin(&argc, &argv);
	for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
		if (!is_wanted(checks[i].name, argc, argv))
			continue;
		double start = MPI_Wtime();
		checks[i].run();
		MPI_Barrier(MPI_COMM_WORLD);
		if (rank == 0 && getenv("CONFORM_TIMES"))
			fprintf(stderr, "%s %.0f ms\n", checks[i].name,
				(MPI_Wtime() - start) * 1e3);
		ran++;
	}
	if (rank == 0)
		printf("all %d ok\n", ran);
	MPI_Finalize();
	return 0;
}
