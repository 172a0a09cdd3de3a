/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages from rank to rank: modes, matching, requests, datatypes. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tests/mpi/conform.h"

enum { TAG = 11 };

static int next(void)
{
	return (rank + 1) % size;
}

static int prev(void)
{
	return (rank + size - 1) % size;
}

static void expect(int value)
{
	int got = -1;

	MPI_Recv(&got, 1, MPI_INT, prev(), TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	CHECK(got == value);
}

void check_modes(void)
{
	char room[1024 + MPI_BSEND_OVERHEAD];
	MPI_Request req;
	void *old;
	int n, mine = rank;

	MPI_Isend(&mine, 1, MPI_INT, next(), TAG, MPI_COMM_WORLD, &req);
	expect(prev());
	MPI_Wait(&req, MPI_STATUS_IGNORE);
	MPI_Issend(&mine, 1, MPI_INT, next(), TAG, MPI_COMM_WORLD, &req);
	expect(prev());
	MPI_Wait(&req, MPI_STATUS_IGNORE);
	MPI_Buffer_attach(room, sizeof room);
	MPI_Bsend(&mine, 1, MPI_INT, next(), TAG, MPI_COMM_WORLD);
	expect(prev());
	MPI_Buffer_detach(&old, &n);
	CHECK(old == room && n == (int)sizeof room);
	MPI_Sendrecv_replace(&mine, 1, MPI_INT, next(), TAG, prev(), TAG, MPI_COMM_WORLD,
			     MPI_STATUS_IGNORE);
	CHECK(mine == prev());
}

/* Everybody to rank 0, which asks in all the ways there are. */
void check_matching(void)
{
	MPI_Status st;
	MPI_Message msg;
	int n, flag = 0, sum = 0, got, data[3] = { rank, rank, rank };

	if (rank) {
		MPI_Send(data, 1 + rank % 3, MPI_INT, 0, rank, MPI_COMM_WORLD);
		return;
	}
	for (int i = 1; i < size; i++) {
		while (!flag)
			MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &flag, &st);
		flag = 0;
		MPI_Get_count(&st, MPI_INT, &n);
		CHECK(st.MPI_TAG == st.MPI_SOURCE && n == 1 + st.MPI_SOURCE % 3);
		MPI_Mprobe(st.MPI_SOURCE, st.MPI_TAG, MPI_COMM_WORLD, &msg, &st);
		MPI_Mrecv(data, n, MPI_INT, &msg, &st);
		got = data[n - 1];
		CHECK(got == st.MPI_SOURCE);
		sum += got;
	}
	CHECK(sum == size * (size - 1) / 2);
	MPI_Recv(NULL, 0, MPI_INT, MPI_PROC_NULL, 0, MPI_COMM_WORLD, &st);
	CHECK(st.MPI_SOURCE == MPI_PROC_NULL);
}

/* Messages of one sender keep their order, however they are waited for. */
static void check_order(void)
{
	enum { MANY = 64 };
	MPI_Request reqs[2 * MANY];
	int in[MANY], out[MANY], done, which;

	for (int i = 0; i < MANY; i++) {
		out[i] = 1000 * rank + i;
		MPI_Irecv(&in[i], 1, MPI_INT, prev(), TAG, MPI_COMM_WORLD, &reqs[i]);
	}
	for (int i = 0; i < MANY; i++)
		MPI_Isend(&out[i], 1, MPI_INT, next(), TAG, MPI_COMM_WORLD, &reqs[MANY + i]);
	MPI_Waitany(2 * MANY, reqs, &which, MPI_STATUS_IGNORE);
	CHECK(which >= 0 && which < 2 * MANY);
	MPI_Waitall(2 * MANY, reqs, MPI_STATUSES_IGNORE);
	for (int i = 0; i < MANY; i++)
		CHECK(in[i] == 1000 * prev() + i);
	MPI_Testall(2 * MANY, reqs, &done, MPI_STATUSES_IGNORE);
	CHECK(done);
}

void check_requests(void)
{
	MPI_Request reqs[2], lone;
	MPI_Status st;
	int in = -1, out = 0, flag, never;

	check_order();
	MPI_Send_init(&out, 1, MPI_INT, next(), TAG, MPI_COMM_WORLD, &reqs[0]);
	MPI_Recv_init(&in, 1, MPI_INT, prev(), TAG, MPI_COMM_WORLD, &reqs[1]);
	for (out = 0; out < 5; out++) {
		MPI_Startall(2, reqs);
		MPI_Waitall(2, reqs, MPI_STATUSES_IGNORE);
		CHECK(in == out);
	}
	MPI_Request_free(&reqs[0]);
	MPI_Request_free(&reqs[1]);
	MPI_Irecv(&never, 1, MPI_INT, prev(), 12345, MPI_COMM_WORLD, &lone);
	MPI_Cancel(&lone);
	MPI_Wait(&lone, &st);
	MPI_Test_cancelled(&st, &flag);
	CHECK(flag);
}

struct item {
	char letter;
	double number;
	int pair[2];
};

static MPI_Datatype make_item(void)
{
	int lengths[] = { 1, 1, 2 };
	MPI_Aint at[] = { offsetof(struct item, letter), offsetof(struct item, number),
			  offsetof(struct item, pair) };
	MPI_Datatype parts[] = { MPI_CHAR, MPI_DOUBLE, MPI_INT }, raw, item;

	MPI_Type_create_struct(3, lengths, at, parts, &raw);
	MPI_Type_create_resized(raw, 0, sizeof(struct item), &item);
	MPI_Type_free(&raw);
	MPI_Type_commit(&item);
	return item;
}

static void check_structs(void)
{
	MPI_Datatype item = make_item();
	struct item out[4], in[4];
	MPI_Aint low, extent;
	int bytes;

	for (int i = 0; i < 4; i++)
		out[i] = (struct item){ (char)('a' + i), rank + i / 8.0, { i, -i } };
	MPI_Sendrecv(out, 4, item, next(), TAG, in, 4, item, prev(), TAG, MPI_COMM_WORLD,
		     MPI_STATUS_IGNORE);
	for (int i = 0; i < 4; i++)
		CHECK(in[i].letter == 'a' + i && in[i].number == prev() + i / 8.0 &&
		      in[i].pair[0] == i && in[i].pair[1] == -i);
	MPI_Type_size(item, &bytes);
	MPI_Type_get_extent(item, &low, &extent);
	CHECK(bytes == 1 + 8 + 8 && low == 0 && extent == sizeof(struct item));
	MPI_Type_free(&item);
}

/* A column of a matrix arrives as a row; a block of it as itself. */
void check_types(void)
{
	enum { N = 9 };
	int sizes[] = { N, N }, part[] = { 3, 4 }, from[] = { 2, 5 }, m[N][N], row[N],
	    block[3][4] = { 0 };
	MPI_Datatype column, sub;

	check_structs();
	for (int i = 0; i < N * N; i++)
		m[i / N][i % N] = i + rank;
	MPI_Type_vector(N, 1, N, MPI_INT, &column);
	MPI_Type_commit(&column);
	MPI_Sendrecv(&m[0][2], 1, column, next(), TAG, row, N, MPI_INT, prev(), TAG, MPI_COMM_WORLD,
		     MPI_STATUS_IGNORE);
	for (int i = 0; i < N; i++)
		CHECK(row[i] == N * i + 2 + prev());
	MPI_Type_free(&column);
	MPI_Type_create_subarray(2, sizes, part, from, MPI_ORDER_C, MPI_INT, &sub);
	MPI_Type_commit(&sub);
	MPI_Sendrecv(m, 1, sub, next(), TAG, block, 12, MPI_INT, prev(), TAG, MPI_COMM_WORLD,
		     MPI_STATUS_IGNORE);
	for (int i = 0; i < 12; i++)
		CHECK(block[i / 4][i % 4] == N * (2 + i / 4) + 5 + i % 4 + prev());
	MPI_Type_free(&sub);
}

void check_pack(void)
{
	char out[256], in[256], word[8];
	int at = 0, n = 3 * rank;
	double x = rank / 4.0;

	MPI_Pack(&n, 1, MPI_INT, out, sizeof out, &at, MPI_COMM_WORLD);
	MPI_Pack(&x, 1, MPI_DOUBLE, out, sizeof out, &at, MPI_COMM_WORLD);
	MPI_Pack("spade", 6, MPI_CHAR, out, sizeof out, &at, MPI_COMM_WORLD);
	MPI_Sendrecv(out, at, MPI_PACKED, next(), TAG, in, sizeof in, MPI_PACKED, prev(), TAG,
		     MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	at = 0;
	MPI_Unpack(in, sizeof in, &at, &n, 1, MPI_INT, MPI_COMM_WORLD);
	MPI_Unpack(in, sizeof in, &at, &x, 1, MPI_DOUBLE, MPI_COMM_WORLD);
	MPI_Unpack(in, sizeof in, &at, word, 6, MPI_CHAR, MPI_COMM_WORLD);
	CHECK(n == 3 * prev() && x == prev() / 4.0 && !strcmp(word, "spade"));
}

/* Sizes around the places where transports change their ways. */
void check_big(void)
{
	static const int sizes[] = { 0, 1, 4095, 4096, 65535, 65537, 1 << 20, (4 << 20) + 3 };
	unsigned char *out = malloc((4 << 20) + 3), *in = malloc((4 << 20) + 3);

	CHECK(out && in);
	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
		int n = sizes[s], got;
		MPI_Status st;
		for (int i = 0; i < n; i++)
			out[i] = (unsigned char)(i * 7 + rank + n);
		memset(in, 0, (size_t)n);
		MPI_Sendrecv(out, n, MPI_BYTE, next(), TAG, in, n, MPI_BYTE, prev(), TAG,
			     MPI_COMM_WORLD, &st);
		MPI_Get_count(&st, MPI_BYTE, &got);
		CHECK(got == n);
		for (int i = 0; i < n; i++)
			CHECK(in[i] == (unsigned char)(i * 7 + prev() + n));
	}
	free(out);
	free(in);
}
