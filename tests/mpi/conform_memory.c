/* SPDX-License-Identifier: BSD-3-Clause */
/* One-sided communication, memory shared on a node, files, threads. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/mpi/conform.h"

static int next(void)
{
	return (rank + 1) % size;
}

static int prev(void)
{
	return (rank + size - 1) % size;
}

void check_fence(void)
{
	int *mem, put = 100 + rank, got = -1;
	MPI_Win win;

	MPI_Win_allocate(4 * sizeof *mem, sizeof *mem, MPI_INFO_NULL, MPI_COMM_WORLD, &mem, &win);
	for (int i = 0; i < 4; i++)
		mem[i] = 0;
	MPI_Win_fence(0, win);
	MPI_Put(&put, 1, MPI_INT, next(), 1, 1, MPI_INT, win);
	MPI_Accumulate(&put, 1, MPI_INT, 0, 2, 1, MPI_INT, MPI_SUM, win);
	MPI_Win_fence(0, win);
	CHECK(mem[1] == 100 + prev());
	CHECK(rank || mem[2] == 100 * size + size * (size - 1) / 2);
	MPI_Get(&got, 1, MPI_INT, next(), 1, 1, MPI_INT, win);
	MPI_Win_fence(0, win);
	CHECK(got == 100 + rank);
	MPI_Win_free(&win);
}

/* All count one counter up, by two ways. */
void check_lock(void)
{
	enum { TIMES = 20 };
	int *mem, one = 1, old, seen, expected;
	MPI_Win win;

	MPI_Win_allocate(2 * sizeof *mem, sizeof *mem, MPI_INFO_NULL, MPI_COMM_WORLD, &mem, &win);
	mem[0] = mem[1] = 0;
	MPI_Barrier(MPI_COMM_WORLD);
	for (int i = 0; i < TIMES; i++) {
		MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, win);
		MPI_Fetch_and_op(&one, &old, MPI_INT, 0, 0, MPI_SUM, win);
		MPI_Win_unlock(0, win);
		CHECK(old >= i && old < TIMES * size);
	}
	MPI_Win_lock_all(0, win);
	do {
		MPI_Get_accumulate(NULL, 0, MPI_INT, &seen, 1, MPI_INT, 0, 1, 1, MPI_INT,
				   MPI_NO_OP, win);
		MPI_Win_flush(0, win);
		expected = seen;
		old = seen + 1;
		MPI_Compare_and_swap(&old, &expected, &seen, MPI_INT, 0, 1, win);
		MPI_Win_flush(0, win);
	} while (seen != expected);
	MPI_Win_unlock_all(win);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, win);
	MPI_Get(&old, 1, MPI_INT, 0, 0, 1, MPI_INT, win);
	MPI_Get(&seen, 1, MPI_INT, 0, 1, 1, MPI_INT, win);
	MPI_Win_unlock(0, win);
	CHECK(old == TIMES * size && seen == size);
	MPI_Win_free(&win);
}

/* All add to all, in doubles, which not every transport adds by itself. */
void check_doubles(void)
{
	enum { TIMES = 10 };
	double *mem, old, sum;
	MPI_Win win;

	MPI_Win_allocate(size * (MPI_Aint)sizeof *mem, sizeof *mem, MPI_INFO_NULL, MPI_COMM_WORLD,
			 &mem, &win);
	for (int i = 0; i < size; i++)
		mem[i] = 0;
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_lock_all(0, win);
	for (int i = 0; i < TIMES * size; i++) {
		double x = rank + 0.5;
		MPI_Fetch_and_op(&x, &old, MPI_DOUBLE, i % size, rank, MPI_SUM, win);
		MPI_Win_flush(i % size, win);
		CHECK(old == i / size * x);
	}
	MPI_Win_unlock_all(win);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_lock(MPI_LOCK_SHARED, next(), 0, win);
	MPI_Get_accumulate(NULL, 0, MPI_DOUBLE, &sum, 1, MPI_DOUBLE, next(), rank, 1, MPI_DOUBLE,
			   MPI_NO_OP, win);
	MPI_Win_unlock(next(), win);
	CHECK(sum == TIMES * (rank + 0.5));
	MPI_Win_free(&win);
}

/* Memory that a window gets later, found by its address. */
void check_dynamic(void)
{
	int mem[2] = { 11 * rank, -1 }, got = -1;
	MPI_Aint mine, theirs;
	MPI_Win win;

	MPI_Win_create_dynamic(MPI_INFO_NULL, MPI_COMM_WORLD, &win);
	MPI_Win_attach(win, mem, sizeof mem);
	MPI_Get_address(mem, &mine);
	MPI_Sendrecv(&mine, 1, MPI_AINT, prev(), 6, &theirs, 1, MPI_AINT, next(), 6, MPI_COMM_WORLD,
		     MPI_STATUS_IGNORE);
	MPI_Win_lock_all(0, win);
	MPI_Put(&rank, 1, MPI_INT, next(), MPI_Aint_add(theirs, sizeof *mem), 1, MPI_INT, win);
	MPI_Get(&got, 1, MPI_INT, next(), theirs, 1, MPI_INT, win);
	MPI_Win_flush_all(win);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_unlock_all(win);
	MPI_Barrier(MPI_COMM_WORLD);
	CHECK(got == 11 * next() && mem[1] == prev());
	MPI_Win_detach(win, mem);
	MPI_Win_free(&win);
}

/* Only neighbours take part. */
void check_post(void)
{
	int *mem, x = 7 * rank, to = next(), from = prev();
	MPI_Group world, targets, origins;
	MPI_Win win;

	MPI_Comm_group(MPI_COMM_WORLD, &world);
	MPI_Group_incl(world, 1, &to, &targets);
	MPI_Group_incl(world, 1, &from, &origins);
	MPI_Win_allocate(sizeof *mem, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &mem, &win);
	*mem = -1;
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_post(origins, 0, win);
	MPI_Win_start(targets, 0, win);
	MPI_Put(&x, 1, MPI_INT, to, 0, 1, MPI_INT, win);
	MPI_Win_complete(win);
	MPI_Win_wait(win);
	CHECK(*mem == 7 * prev());
	MPI_Win_free(&win);
	MPI_Group_free(&origins);
	MPI_Group_free(&targets);
	MPI_Group_free(&world);
}

void check_shared(void)
{
	MPI_Comm node;
	MPI_Win win;
	MPI_Aint bytes;
	int n, me, unit, *mine, *first;

	MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
	MPI_Comm_rank(node, &me);
	MPI_Comm_size(node, &n);
	MPI_Win_allocate_shared(sizeof *mine, sizeof *mine, MPI_INFO_NULL, node, &mine, &win);
	MPI_Win_shared_query(win, 0, &bytes, &unit, &first);
	CHECK(bytes == sizeof *mine && unit == sizeof *mine);
	MPI_Win_lock_all(MPI_MODE_NOCHECK, win);
	*mine = 31 * me;
	MPI_Win_sync(win);
	MPI_Barrier(node);
	MPI_Win_sync(win);
	for (int i = 0; i < n; i++)
		CHECK(first[i] == 31 * i); /* they lie behind each other */
	MPI_Win_unlock_all(win);
	MPI_Win_free(&win);
	MPI_Comm_free(&node);
}

/* One file, written by all in strips and read back in others. */
static void strips(const char *path)
{
	enum { STRIP = 5, ROUNDS = 8 };
	int out[ROUNDS * STRIP], in[ROUNDS * STRIP], bad = 0;
	MPI_Offset bytes;
	MPI_Datatype strip;
	MPI_File f;
	MPI_Status st;

	for (int i = 0; i < ROUNDS * STRIP; i++)
		out[i] = (i / STRIP * size + rank) * STRIP + i % STRIP; /* its own place */
	CHECK(MPI_File_open(MPI_COMM_WORLD, path, MPI_MODE_CREATE | MPI_MODE_RDWR, MPI_INFO_NULL,
			    &f) == MPI_SUCCESS);
	MPI_Type_vector(ROUNDS, STRIP, STRIP * size, MPI_INT, &strip);
	MPI_Type_commit(&strip);
	MPI_File_set_view(f, (MPI_Offset)(rank * STRIP * (int)sizeof(int)), MPI_INT, strip, "native",
			  MPI_INFO_NULL);
	MPI_File_write_all(f, out, ROUNDS * STRIP, MPI_INT, &st);
	MPI_File_sync(f);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_File_set_view(f, 0, MPI_INT, MPI_INT, "native", MPI_INFO_NULL);
	MPI_File_get_size(f, &bytes);
	CHECK(bytes == (MPI_Offset)sizeof(int) * ROUNDS * STRIP * size);
	MPI_File_read_at_all(f, (MPI_Offset)next() * ROUNDS * STRIP, in, ROUNDS * STRIP, MPI_INT,
			     &st);
	for (int i = 0; i < ROUNDS * STRIP; i++)
		bad |= in[i] != next() * ROUNDS * STRIP + i;
	CHECK(!bad);
	MPI_File_close(&f);
	MPI_Type_free(&strip);
}

void check_file(void)
{
	char path[256] = "";

	if (rank == 0)
		snprintf(path, sizeof path, "%s/conform.%d",
			 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
	MPI_Bcast(path, sizeof path, MPI_CHAR, 0, MPI_COMM_WORLD);
	strips(path);
	MPI_Barrier(MPI_COMM_WORLD);
	if (rank == 0)
		MPI_File_delete(path, MPI_INFO_NULL);
}

/* Two threads of each rank talk to those of the next one, each in its own communicator. */
struct talker {
	MPI_Comm comm;
	int bad;
};

static void *talk(void *arg)
{
	struct talker *t = arg;

	for (int i = 0; i < 100; i++) {
		int out = 1000 * rank + i, in = -1;
		MPI_Sendrecv(&out, 1, MPI_INT, next(), i, &in, 1, MPI_INT, prev(), i, t->comm,
			     MPI_STATUS_IGNORE);
		t->bad |= in != 1000 * prev() + i;
	}
	return NULL;
}

void check_threads(void)
{
	struct talker talkers[2] = { 0 };
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		MPI_Comm_dup(MPI_COMM_WORLD, &talkers[i].comm);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&threads[i], NULL, talk, &talkers[i]) == 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 2; i++) {
		CHECK(!talkers[i].bad);
		MPI_Comm_free(&talkers[i].comm);
	}
}
