/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/bench/msg: an MPI. The driver builds it with the mpicc of each one that is installed. */
#include <mpi.h>

#include "tests/bench/msg.h"

const unsigned msg_sys_caps = MSG_P2P | MSG_COLL | MSG_RMA;
const struct msg_case msg_sys_cases[] = { { .name = NULL } };

#define WORLD MPI_COMM_WORLD

static MPI_Request reqs[MSG_WINDOW];
static MPI_Win win;
static int rank, size;

void sys_open(int *argc, char ***argv)
{
	if (MPI_Init(argc, argv) != MPI_SUCCESS)
		msg_die("MPI_Init", "failed");
	MPI_Comm_rank(WORLD, &rank);
	MPI_Comm_size(WORLD, &size);
}

int sys_rank(void)
{
	return rank;
}

int sys_size(void)
{
	return size;
}

void sys_close(void)
{
	MPI_Finalize();
}

/* Errors end an MPI program by themselves. */

void sys_send(const void *buf, size_t len, int to)
{
	MPI_Send(buf, (int)len, MPI_BYTE, to, 1, WORLD);
}

void sys_recv(void *buf, size_t len, int from)
{
	MPI_Recv(buf, (int)len, MPI_BYTE, from, 1, WORLD, MPI_STATUS_IGNORE);
}

void sys_isend(int slot, const void *buf, size_t len, int to)
{
	MPI_Isend(buf, (int)len, MPI_BYTE, to, 1, WORLD, &reqs[slot]);
}

void sys_irecv(int slot, void *buf, size_t len, int from)
{
	MPI_Irecv(buf, (int)len, MPI_BYTE, from, 1, WORLD, &reqs[slot]);
}

void sys_waitall(int n)
{
	MPI_Waitall(n, reqs, MPI_STATUSES_IGNORE);
}

void sys_barrier(void)
{
	MPI_Barrier(WORLD);
}

void sys_bcast(void *buf, size_t len, int root)
{
	MPI_Bcast(buf, (int)len, MPI_BYTE, root, WORLD);
}

void sys_allreduce(const double *in, double *out, size_t count)
{
	MPI_Allreduce(in, out, (int)count, MPI_DOUBLE, MPI_SUM, WORLD);
}

void sys_alltoall(const void *in, size_t len, void *out)
{
	MPI_Alltoall(in, (int)len, MPI_BYTE, out, (int)len, MPI_BYTE, WORLD);
}

void sys_win_open(size_t len)
{
	void *base;

	MPI_Win_allocate((MPI_Aint)len, 1, MPI_INFO_NULL, WORLD, &base, &win);
	MPI_Win_lock_all(MPI_MODE_NOCHECK, win);
}

void sys_win_close(void)
{
	MPI_Win_unlock_all(win);
	MPI_Win_free(&win);
}

void sys_put8(uint64_t value, int to)
{
	MPI_Put(&value, 1, MPI_UINT64_T, to, 0, 1, MPI_UINT64_T, win);
	MPI_Win_flush(to, win);
}

uint64_t sys_add8(uint64_t value, int to)
{
	uint64_t old;

	MPI_Fetch_and_op(&value, &old, MPI_UINT64_T, to, 0, MPI_SUM, win);
	MPI_Win_flush(to, win);
	return old;
}
