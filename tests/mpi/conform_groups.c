/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranks together: collectives, communicators of every kind, what hangs on them. */
#include <stdlib.h>
#include <string.h>

#include "tests/mpi/conform.h"

static int *ints(int n)
{
	int *p = calloc((size_t)n + 1, sizeof *p);

	CHECK(p);
	return p;
}

static void check_reductions(void)
{
	struct {
		double value;
		int index;
	} mine = { (rank * 7) % size, rank }, most;
	int sum, before = -1, x = rank + 1, prod_expected = 1, prod;

	MPI_Allreduce(&x, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	CHECK(sum == size * (size + 1) / 2);
	MPI_Scan(&x, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	CHECK(sum == (rank + 1) * (rank + 2) / 2);
	MPI_Exscan(&x, &before, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	CHECK(rank == 0 || before == rank * (rank + 1) / 2);
	MPI_Allreduce(&mine, &most, 1, MPI_DOUBLE_INT, MPI_MAXLOC, MPI_COMM_WORLD);
	CHECK((most.index * 7) % size == most.value);
	x = 1 + rank % 2;
	for (int i = 0; i < size && i < 20; i++)
		prod_expected *= i < 20 ? 1 + i % 2 : 1;
	if (rank >= 20)
		x = 1;
	MPI_Reduce(&x, &prod, 1, MPI_INT, MPI_PROD, size - 1, MPI_COMM_WORLD);
	CHECK(rank != size - 1 || prod == prod_expected);
}

/* An operation of our own, which does not commute: the first of each pair stays. */
static void first(void *in, void *inout, int *n, MPI_Datatype *type)
{
	int *a = in, *b = inout;

	for (int i = 0; i < *n; i++)
		b[i] = a[i];
}

static void check_own_operation(void)
{
	MPI_Op op;
	int x = rank + 100, got;

	MPI_Op_create(first, 0, &op);
	MPI_Allreduce(&x, &got, 1, MPI_INT, op, MPI_COMM_WORLD);
	CHECK(got == 100);
	MPI_Op_free(&op);
}

void check_collectives(void)
{
	int *all = ints(size), *some = ints(size), x;

	for (int root = 0; root < size; root++) {
		x = rank == root ? 50 + root : -1;
		MPI_Bcast(&x, 1, MPI_INT, root, MPI_COMM_WORLD);
		CHECK(x == 50 + root);
	}
	x = rank * rank;
	MPI_Allgather(&x, 1, MPI_INT, all, 1, MPI_INT, MPI_COMM_WORLD);
	for (int i = 0; i < size; i++)
		CHECK(all[i] == i * i);
	MPI_Scatter(all, 1, MPI_INT, &x, 1, MPI_INT, 0, MPI_COMM_WORLD);
	CHECK(x == rank * rank);
	MPI_Gather(&x, 1, MPI_INT, some, 1, MPI_INT, 1, MPI_COMM_WORLD);
	for (int i = 0; rank == 1 && i < size; i++)
		CHECK(some[i] == i * i);
	for (int i = 0; i < size; i++)
		some[i] = 1000 * rank + i;
	MPI_Alltoall(some, 1, MPI_INT, all, 1, MPI_INT, MPI_COMM_WORLD);
	for (int i = 0; i < size; i++)
		CHECK(all[i] == 1000 * i + rank);
	MPI_Alltoall(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, 1, MPI_INT, MPI_COMM_WORLD);
	for (int i = 0; i < size; i++)
		CHECK(all[i] == 1000 * rank + i);
	MPI_Reduce_scatter_block(all, &x, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	CHECK(x == 1000 * (size * (size - 1) / 2) + size * rank);
	check_reductions();
	check_own_operation();
	free(all);
	free(some);
}

/* Rank i has i + 1 elements. */
void check_vectors(void)
{
	int total = size * (size + 1) / 2, *counts = ints(size), *at = ints(size), *all = ints(total),
	    *mine = ints(size), *ones = ints(size), *steps = ints(size);

	for (int i = 0; i < size; i++) {
		counts[i] = i + 1;
		at[i] = i * (i + 1) / 2;
		ones[i] = 1;
		steps[i] = i;
	}
	for (int i = 0; i <= rank; i++)
		mine[i] = 100 * rank + i;
	MPI_Allgatherv(mine, rank + 1, MPI_INT, all, counts, at, MPI_INT, MPI_COMM_WORLD);
	for (int i = 0; i < size; i++)
		for (int k = 0; k <= i; k++)
			CHECK(all[at[i] + k] == 100 * i + k);
	memset(mine, 0, (size_t)size * sizeof *mine);
	MPI_Scatterv(all, counts, at, MPI_INT, mine, rank + 1, MPI_INT, 0, MPI_COMM_WORLD);
	for (int k = 0; k <= rank; k++)
		CHECK(mine[k] == 100 * rank + k);
	for (int i = 0; i < size; i++)
		mine[i] = 10 * rank + i;
	MPI_Alltoallv(mine, ones, steps, MPI_INT, all, ones, steps, MPI_INT, MPI_COMM_WORLD);
	for (int i = 0; i < size; i++)
		CHECK(all[i] == 10 * i + rank);
	free(counts);
	free(at);
	free(all);
	free(mine);
	free(ones);
	free(steps);
}

/* Several under way at once, in two communicators. */
void check_nonblocking(void)
{
	MPI_Request reqs[5];
	MPI_Status statuses[5];
	MPI_Comm other;
	int a = rank, sum, b = rank == 0 ? 77 : 0, *all = ints(size), top;

	MPI_Comm_dup(MPI_COMM_WORLD, &other);
	MPI_Iallreduce(&a, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD, &reqs[0]);
	MPI_Ibcast(&b, 1, MPI_INT, 0, other, &reqs[1]);
	MPI_Iallgather(&a, 1, MPI_INT, all, 1, MPI_INT, MPI_COMM_WORLD, &reqs[2]);
	MPI_Ibarrier(other, &reqs[3]);
	MPI_Iallreduce(&a, &top, 1, MPI_INT, MPI_MAX, other, &reqs[4]);
	MPI_Waitall(5, reqs, statuses);
	CHECK(sum == size * (size - 1) / 2 && b == 77 && top == size - 1);
	for (int i = 0; i < size; i++)
		CHECK(all[i] == i);
	MPI_Comm_free(&other);
	free(all);
}

void check_groups(void)
{
	MPI_Group world, even, odd, both;
	MPI_Comm comm;
	int *list = ints(size), n = 0, me, result, x = 1, sum, zero = 0, where;

	for (int i = 0; i < size; i += 2)
		list[n++] = i;
	MPI_Comm_group(MPI_COMM_WORLD, &world);
	MPI_Group_incl(world, n, list, &even);
	MPI_Group_difference(world, even, &odd);
	MPI_Group_union(even, odd, &both);
	MPI_Group_compare(world, both, &result);
	CHECK(result == (size > 2 ? MPI_SIMILAR : MPI_IDENT));
	MPI_Group_rank(even, &me);
	CHECK(me == (rank % 2 ? MPI_UNDEFINED : rank / 2));
	MPI_Group_translate_ranks(even, 1, &zero, world, &where);
	CHECK(where == 0);
	MPI_Comm_create(MPI_COMM_WORLD, even, &comm);
	CHECK((comm == MPI_COMM_NULL) == (rank % 2));
	if (comm != MPI_COMM_NULL) {
		MPI_Allreduce(&x, &sum, 1, MPI_INT, MPI_SUM, comm);
		CHECK(sum == n);
		MPI_Comm_free(&comm);
	}
	if (rank % 2 == 0) {
		MPI_Comm_create_group(MPI_COMM_WORLD, even, 5, &comm);
		MPI_Allreduce(&x, &sum, 1, MPI_INT, MPI_SUM, comm);
		CHECK(sum == n);
		MPI_Comm_free(&comm);
	}
	MPI_Group_free(&both);
	MPI_Group_free(&odd);
	MPI_Group_free(&even);
	MPI_Group_free(&world);
	free(list);
}

void check_split(void)
{
	MPI_Comm part, same, node;
	int me, n, result, shared;

	MPI_Comm_split(MPI_COMM_WORLD, rank % 3, -rank, &part);
	MPI_Comm_rank(part, &me);
	MPI_Comm_size(part, &n);
	CHECK(n == (size - rank % 3 + 2) / 3);
	CHECK(me == n - 1 - rank / 3); /* keys are backwards */
	MPI_Comm_dup(part, &same);
	MPI_Comm_compare(part, same, &result);
	CHECK(result == MPI_CONGRUENT);
	MPI_Comm_free(&same);
	MPI_Comm_free(&part);
	MPI_Comm_split(MPI_COMM_WORLD, rank ? MPI_UNDEFINED : 1, 0, &part);
	CHECK((part == MPI_COMM_NULL) == (rank != 0));
	if (part != MPI_COMM_NULL)
		MPI_Comm_free(&part);
	MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
	MPI_Comm_size(node, &shared);
	/* As many as dvm has put here. */
	CHECK(!getenv("DVM_LOCAL_SIZE") || shared == atoi(getenv("DVM_LOCAL_SIZE")));
	MPI_Comm_free(&node);
}

void check_cart(void)
{
	int dims[2] = { 0, 0 }, wraps[2] = { 1, 0 }, at[2], me, up, down, token = rank, got = -1;
	MPI_Comm cart, line;

	MPI_Dims_create(size, 2, dims);
	CHECK(dims[0] * dims[1] == size);
	MPI_Cart_create(MPI_COMM_WORLD, 2, dims, wraps, 0, &cart);
	MPI_Comm_rank(cart, &me);
	MPI_Cart_coords(cart, me, 2, at);
	CHECK(at[0] * dims[1] + at[1] == me);
	MPI_Cart_shift(cart, 0, 1, &up, &down);
	MPI_Sendrecv(&token, 1, MPI_INT, down, 2, &got, 1, MPI_INT, up, 2, cart, MPI_STATUS_IGNORE);
	CHECK(got == up);
	MPI_Cart_sub(cart, (int[]){ 0, 1 }, &line);
	MPI_Comm_size(line, &got);
	CHECK(got == dims[1]);
	MPI_Comm_free(&line);
	MPI_Comm_free(&cart);
}

void check_intercomm(void)
{
	MPI_Comm half, inter, merged;
	int side = rank % 2, others, x = rank, got = -1, me, n;

	MPI_Comm_split(MPI_COMM_WORLD, side, rank, &half);
	MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, side ? 0 : 1, 8, &inter);
	MPI_Comm_remote_size(inter, &others);
	CHECK(others == (size + side) / 2);
	MPI_Comm_rank(half, &me);
	if (me < others && me < (size + 1 - side) / 2)
		MPI_Sendrecv(&x, 1, MPI_INT, me, 1, &got, 1, MPI_INT, me, 1, inter,
			     MPI_STATUS_IGNORE);
	CHECK(got == -1 || got == rank + (side ? -1 : 1));
	MPI_Allreduce(&x, &got, 1, MPI_INT, MPI_MIN, inter); /* of the other side */
	CHECK(got == !side);
	MPI_Intercomm_merge(inter, side, &merged);
	MPI_Comm_size(merged, &n);
	MPI_Comm_rank(merged, &me);
	CHECK(n == size && (me < (size + 1) / 2) == !side);
	MPI_Comm_free(&merged);
	MPI_Comm_free(&inter);
	MPI_Comm_free(&half);
}

static int copies, deletions;

/* A ring of ranks who may change places, each of whom hears of the one before it and of the one behind. */
void check_graph(void)
{
	int next[] = { (rank + 1) % size, (rank + size - 1) % size }, weights[] = { 5, 1 };
	int degree = 2, me, in, out, weighted, sources[2], targets[2], from[2], to[2], got[2];
	MPI_Comm ring;

	MPI_Dist_graph_create(MPI_COMM_WORLD, 1, &rank, &degree, next, weights, MPI_INFO_NULL, 1, &ring);
	MPI_Comm_rank(ring, &me);
	MPI_Dist_graph_neighbors_count(ring, &in, &out, &weighted);
	CHECK(in == 2 && out == 2 && weighted);
	MPI_Dist_graph_neighbors(ring, 2, sources, from, 2, targets, to);
	MPI_Neighbor_allgather(&me, 1, MPI_INT, got, 1, MPI_INT, ring);
	CHECK(got[0] == sources[0] && got[1] == sources[1]);
	CHECK(from[0] + from[1] == 6 && to[0] + to[1] == 6);
	MPI_Comm_free(&ring);
}

static int on_copy(MPI_Comm comm, int key, void *extra, void *in, void *out, int *flag)
{
	*(void **)out = in;
	*flag = 1;
	copies++;
	return MPI_SUCCESS;
}

static int on_delete(MPI_Comm comm, int key, void *value, void *extra)
{
	deletions++;
	return MPI_SUCCESS;
}

void check_attributes(void)
{
	char name[MPI_MAX_OBJECT_NAME];
	MPI_Comm copy;
	int key, found, len, *top;
	void *value;

	MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &top, &found);
	CHECK(found && *top >= 32767);
	MPI_Comm_create_keyval(on_copy, on_delete, &key, NULL);
	MPI_Comm_dup(MPI_COMM_WORLD, &copy);
	MPI_Comm_set_attr(copy, key, name);
	MPI_Comm second;
	MPI_Comm_dup(copy, &second);
	MPI_Comm_get_attr(second, key, &value, &found);
	CHECK(found && value == name && copies == 1);
	MPI_Comm_set_name(second, "second");
	MPI_Comm_get_name(second, name, &len);
	CHECK(len == 6 && !strcmp(name, "second"));
	MPI_Comm_free(&second);
	MPI_Comm_free(&copy);
	CHECK(deletions == 2);
	MPI_Comm_free_keyval(&key);
}

/* An error is an error where it is wanted so, and the library goes on. */
void check_errors(void)
{
	MPI_Comm comm;
	char text[MPI_MAX_ERROR_STRING];
	int class, len, two[2] = { 1, 2 }, x = 1;

	MPI_Comm_dup(MPI_COMM_WORLD, &comm);
	MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
	int rc = MPI_Send(&x, 1, MPI_INT, size, 1, comm);
	MPI_Error_class(rc, &class);
	CHECK(class == MPI_ERR_RANK);
	MPI_Error_string(rc, text, &len);
	CHECK(len > 0);
	if (rank == 0)
		MPI_Send(two, 2, MPI_INT, 1, 1, comm);
	if (rank == 1) {
		rc = MPI_Recv(&x, 1, MPI_INT, 0, 1, comm, MPI_STATUS_IGNORE);
		MPI_Error_class(rc, &class);
		CHECK(class == MPI_ERR_TRUNCATE);
	}
	MPI_Comm_free(&comm);
}
