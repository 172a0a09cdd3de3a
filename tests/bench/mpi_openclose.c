/* SPDX-License-Identifier: BSD-3-Clause */
/* MPI_Init and MPI_Finalize, nothing else; built by tests/bench/launch with each MPI's mpicc. */
#include <mpi.h>

int main(int argc, char **argv)
{
	MPI_Init(&argc, &argv);
	MPI_Finalize();
	return 0;
}
