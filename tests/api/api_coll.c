/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm/coll.h: wrong arguments first, then a group of one. Jobs of several: run-jobs.t. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/coll.h>

#include "tests/api/alone.h"
#include "tests/api/cm.h"

static void moving_arguments(void **state)
{
	char a[8], b[8];
	size_t one = 1, zero = 0, two = 2;

	assert_int_equal(dvm_barrier(NULL), -EINVAL);
	assert_int_equal(dvm_bcast(NULL, a, 1, 0), -EINVAL);
	assert_int_equal(dvm_bcast(w, NULL, 1, 0), -EINVAL);
	assert_int_equal(dvm_bcast(w, a, 1, 1), -EINVAL);
	assert_int_equal(dvm_bcast(w, a, 1, -1), -EINVAL);
	assert_int_equal(dvm_gather(NULL, a, 1, b, 0), -EINVAL);
	assert_int_equal(dvm_gather(w, NULL, 1, b, 0), -EINVAL);
	assert_int_equal(dvm_gather(w, a, 1, NULL, 0), -EINVAL);
	assert_int_equal(dvm_gather(w, a, 1, b, 1), -EINVAL);
	assert_int_equal(dvm_gatherv(NULL, a, 1, b, &one, &zero, 0), -EINVAL);
	assert_int_equal(dvm_gatherv(w, a, 1, b, NULL, &zero, 0), -EINVAL);
	assert_int_equal(dvm_gatherv(w, a, 1, b, &one, NULL, 0), -EINVAL);
	assert_int_equal(dvm_gatherv(w, a, 1, b, &two, &zero, 0), -EINVAL);
	assert_int_equal(dvm_gatherv(w, a, 1, NULL, &one, &zero, 0), -EINVAL);
	assert_int_equal(dvm_gatherv(w, a, 1, b, &one, &zero, 5), -EINVAL);
	assert_int_equal(dvm_scatter(NULL, a, 1, b, 0), -EINVAL);
	assert_int_equal(dvm_scatter(w, NULL, 1, b, 0), -EINVAL);
	assert_int_equal(dvm_scatter(w, a, 1, NULL, 0), -EINVAL);
	assert_int_equal(dvm_scatter(w, a, 1, b, -1), -EINVAL);
	assert_int_equal(dvm_scatterv(NULL, a, &one, &zero, b, 1, 0), -EINVAL);
	assert_int_equal(dvm_scatterv(w, a, NULL, &zero, b, 1, 0), -EINVAL);
	assert_int_equal(dvm_scatterv(w, a, &one, NULL, b, 1, 0), -EINVAL);
	assert_int_equal(dvm_scatterv(w, a, &two, &zero, b, 1, 0), -EINVAL);
	assert_int_equal(dvm_scatterv(w, NULL, &one, &zero, b, 1, 0), -EINVAL);
	assert_int_equal(dvm_allgather(NULL, a, 1, b), -EINVAL);
	assert_int_equal(dvm_allgather(w, NULL, 1, b), -EINVAL);
	assert_int_equal(dvm_allgather(w, a, 1, NULL), -EINVAL);
	assert_int_equal(dvm_allgatherv(NULL, a, b, &one, &zero), -EINVAL);
	assert_int_equal(dvm_allgatherv(w, a, b, NULL, &zero), -EINVAL);
	assert_int_equal(dvm_allgatherv(w, a, b, &one, NULL), -EINVAL);
	assert_int_equal(dvm_allgatherv(w, NULL, b, &one, &zero), -EINVAL);
	assert_int_equal(dvm_allgatherv(w, a, NULL, &one, &zero), -EINVAL);
	assert_int_equal(dvm_alltoall(NULL, a, 1, b), -EINVAL);
	assert_int_equal(dvm_alltoall(w, NULL, 1, b), -EINVAL);
	assert_int_equal(dvm_alltoall(w, a, 1, NULL), -EINVAL);
	assert_int_equal(dvm_alltoallv(NULL, a, &one, &zero, b, &one, &zero), -EINVAL);
	assert_int_equal(dvm_alltoallv(w, a, NULL, &zero, b, &one, &zero), -EINVAL);
	assert_int_equal(dvm_alltoallv(w, a, &one, NULL, b, &one, &zero), -EINVAL);
	assert_int_equal(dvm_alltoallv(w, a, &one, &zero, b, NULL, &zero), -EINVAL);
	assert_int_equal(dvm_alltoallv(w, a, &one, &zero, b, &one, NULL), -EINVAL);
	assert_int_equal(dvm_alltoallv(w, NULL, &one, &zero, b, &one, &zero), -EINVAL);
	assert_int_equal(dvm_alltoallv(w, a, &one, &zero, b, &two, &zero), -EINVAL);
}

static void reducing_arguments(void **state)
{
	double a[2] = { 1, 2 }, b[2];

	assert_int_equal(dvm_reduce(NULL, a, b, 2, DVM_DOUBLE, DVM_SUM, 0), -EINVAL);
	assert_int_equal(dvm_reduce(w, NULL, b, 2, DVM_DOUBLE, DVM_SUM, 0), -EINVAL);
	assert_int_equal(dvm_reduce(w, a, NULL, 2, DVM_DOUBLE, DVM_SUM, 0), -EINVAL);
	assert_int_equal(dvm_reduce(w, a, b, 2, DVM_DOUBLE, DVM_SUM, 1), -EINVAL);
	assert_int_equal(dvm_reduce(w, a, b, 2, (dvm_type_t)0, DVM_SUM, 0), -EINVAL);
	assert_int_equal(dvm_reduce(w, a, b, 2, (dvm_type_t)18, DVM_SUM, 0), -EINVAL);
	assert_int_equal(dvm_reduce(w, a, b, 2, DVM_DOUBLE, (dvm_op_t)0, 0), -EINVAL);
	assert_int_equal(dvm_reduce(w, a, b, 2, DVM_DOUBLE, (dvm_op_t)13, 0), -EINVAL);
	assert_int_equal(dvm_reduce(w, a, b, 2, DVM_DOUBLE, DVM_MINLOC, 0), -EINVAL);
	assert_int_equal(dvm_reduce(w, a, b, 1, DVM_DOUBLE_INT, DVM_MIN, 0), -EINVAL);
	assert_int_equal(dvm_reduce(w, a, b, 1, DVM_DOUBLE_COMPLEX, DVM_MAX, 0), -EINVAL);
	assert_int_equal(dvm_reduce(w, a, b, 1, (dvm_type_t)dvm_type_opaque(8), DVM_SUM, 0),
			 -EINVAL);
	assert_int_equal(dvm_reduce(w, a, b, 2, DVM_DOUBLE, DVM_OP_USER, 0), -EINVAL);
	assert_int_equal(dvm_reduce(w, a, b, 2, DVM_DOUBLE, DVM_BAND, 0), -EINVAL);
	assert_int_equal(dvm_allreduce(NULL, a, b, 2, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_allreduce(w, NULL, b, 2, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_allreduce(w, a, NULL, 2, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_allreduce(w, a, b, SIZE_MAX, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_allreduce(w, a, b, 2, DVM_FLOAT, DVM_BXOR), -EINVAL);
	assert_int_equal(dvm_scan(NULL, a, b, 2, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_scan(w, NULL, b, 2, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_scan(w, a, NULL, 2, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_exscan(NULL, a, b, 2, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_exscan(w, NULL, b, 2, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_exscan(w, a, NULL, 2, DVM_DOUBLE, DVM_SUM), -EINVAL);
	size_t two = 2, huge = SIZE_MAX;
	assert_int_equal(dvm_reduce_scatter(NULL, a, b, &two, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_reduce_scatter(w, NULL, b, &two, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_reduce_scatter(w, a, NULL, &two, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_reduce_scatter(w, a, b, NULL, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_reduce_scatter(w, a, b, &huge, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_reduce_scatter_block(NULL, a, b, 2, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_reduce_scatter_block(w, NULL, b, 2, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_reduce_scatter_block(w, a, NULL, 2, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_reduce_scatter_block(w, a, b, huge, DVM_DOUBLE, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_type_size((dvm_type_t)0), -EINVAL);
	assert_int_equal(dvm_type_size((dvm_type_t)99), -EINVAL);
}

/* Of each non-blocking call one wrong argument; the rest is checked by what it shares. */
static void requests(void **state)
{
	double a[2] = { 1, 2 }, b[2];
	size_t n = sizeof a, zero = 0, one = 1;
	dvm_req_t *r = NULL, **q = &r;

	assert_int_equal(dvm_ibarrier(NULL, q), -EINVAL);
	assert_int_equal(dvm_ibarrier(w, NULL), -EINVAL);
	assert_int_equal(dvm_ibcast(w, NULL, 1, 0, q), -EINVAL);
	assert_int_equal(dvm_ibcast(w, a, 1, 0, NULL), -EINVAL);
	assert_int_equal(dvm_ireduce(w, a, b, 2, DVM_DOUBLE, DVM_SUM, 1, q), -EINVAL);
	assert_int_equal(dvm_ireduce(w, a, b, 2, DVM_DOUBLE, DVM_SUM, 0, NULL), -EINVAL);
	assert_int_equal(dvm_iallreduce(w, a, NULL, 2, DVM_DOUBLE, DVM_SUM, q), -EINVAL);
	assert_int_equal(dvm_iallreduce(w, a, b, 2, DVM_DOUBLE, DVM_SUM, NULL), -EINVAL);
	assert_int_equal(dvm_iscan(w, a, NULL, 2, DVM_DOUBLE, DVM_SUM, q), -EINVAL);
	assert_int_equal(dvm_iscan(w, a, b, 2, DVM_DOUBLE, DVM_SUM, NULL), -EINVAL);
	assert_int_equal(dvm_iexscan(w, a, NULL, 2, DVM_DOUBLE, DVM_SUM, q), -EINVAL);
	assert_int_equal(dvm_iexscan(w, a, b, 2, DVM_DOUBLE, DVM_SUM, NULL), -EINVAL);
	assert_int_equal(dvm_ireduce_scatter(w, a, b, NULL, DVM_DOUBLE, DVM_SUM, q), -EINVAL);
	assert_int_equal(dvm_ireduce_scatter(w, a, b, &one, DVM_DOUBLE, DVM_SUM, NULL), -EINVAL);
	assert_int_equal(dvm_ireduce_scatter_block(w, a, NULL, 1, DVM_DOUBLE, DVM_SUM, q), -EINVAL);
	assert_int_equal(dvm_ireduce_scatter_block(w, a, b, 1, DVM_DOUBLE, DVM_SUM, NULL), -EINVAL);
	assert_int_equal(dvm_igather(w, a, n, NULL, 0, q), -EINVAL);
	assert_int_equal(dvm_igather(w, a, n, b, 0, NULL), -EINVAL);
	assert_int_equal(dvm_igatherv(w, a, n, b, &n, NULL, 0, q), -EINVAL);
	assert_int_equal(dvm_igatherv(w, a, n, b, &n, &zero, 0, NULL), -EINVAL);
	assert_int_equal(dvm_iscatter(w, NULL, n, b, 0, q), -EINVAL);
	assert_int_equal(dvm_iscatter(w, a, n, b, 0, NULL), -EINVAL);
	assert_int_equal(dvm_iscatterv(w, a, NULL, &zero, b, n, 0, q), -EINVAL);
	assert_int_equal(dvm_iscatterv(w, a, &n, &zero, b, n, 0, NULL), -EINVAL);
	assert_int_equal(dvm_iallgather(w, a, n, NULL, q), -EINVAL);
	assert_int_equal(dvm_iallgather(w, a, n, b, NULL), -EINVAL);
	assert_int_equal(dvm_iallgatherv(w, a, b, NULL, &zero, q), -EINVAL);
	assert_int_equal(dvm_iallgatherv(w, a, b, &n, &zero, NULL), -EINVAL);
	assert_int_equal(dvm_ialltoall(w, NULL, n, b, q), -EINVAL);
	assert_int_equal(dvm_ialltoall(w, a, n, b, NULL), -EINVAL);
	assert_int_equal(dvm_ialltoallv(w, a, &n, &zero, b, &one, &zero, q), -EINVAL);
	assert_int_equal(dvm_ialltoallv(w, a, &n, &zero, b, &n, &zero, NULL), -EINVAL);
	assert_null(r);
}

static void sizes_of_types(void **state)
{
	static const int want[] = { 1, 1,  2, 2,  4, 4, 8, 8, 4, 8, sizeof(long double),
				    8, 16, 8, 16, 8, 16 };

	for (int t = DVM_INT8; t <= DVM_INT64_INT; t++)
		assert_int_equal(dvm_type_size((dvm_type_t)t), want[t - 1]);
	assert_int_equal(dvm_type_opaque(0), -EINVAL);
	assert_int_equal(dvm_type_opaque((size_t)DVM_OPAQUE_MAX + 1), -EINVAL);
	assert_int_equal(dvm_type_size((dvm_type_t)dvm_type_opaque(1)), 1);
	assert_int_equal(dvm_type_size((dvm_type_t)dvm_type_opaque(DVM_OPAQUE_MAX)),
			 DVM_OPAQUE_MAX);
	assert_int_equal(dvm_type_size(DVM_OPAQUE), -EINVAL);
}

static void nothing(void *out, const void *a, const void *b, size_t n, dvm_type_t type, void *arg)
{
}

static void operators(void **state)
{
	double a[2] = { 1, 2 };

	assert_int_equal(dvm_op_create(NULL, nothing, NULL, 1), -EINVAL);
	assert_int_equal(dvm_op_create(d, NULL, NULL, 1), -EINVAL);
	assert_int_equal(dvm_op_create(d, nothing, NULL, 2), -EINVAL);
	int op = dvm_op_create(d, nothing, NULL, 1), other = dvm_op_create(d, nothing, NULL, 0);
	assert_in_range(op, DVM_OP_USER, DVM_OP_USER_LAST);
	assert_int_not_equal(op, other);
	assert_int_equal(dvm_allreduce(w, a, a, 2, DVM_DOUBLE, (dvm_op_t)op), 0);
	assert_int_equal(dvm_allreduce(w, a, a, 1, (dvm_type_t)dvm_type_opaque(16), (dvm_op_t)op),
			 0);
	assert_int_equal(dvm_op_destroy(NULL, (dvm_op_t)op), -EINVAL);
	assert_int_equal(dvm_op_destroy(d, DVM_SUM), -EINVAL);
	assert_int_equal(dvm_op_destroy(d, (dvm_op_t)(other + 1)), -EINVAL);
	assert_int_equal(dvm_op_destroy(d, (dvm_op_t)op), 0);
	assert_int_equal(dvm_op_destroy(d, (dvm_op_t)op), -EINVAL);
	assert_int_equal(dvm_allreduce(w, a, a, 2, DVM_DOUBLE, (dvm_op_t)op), -EINVAL);
	for (int i = 0; i < 100; i++)
		assert_true(dvm_op_create(d, nothing, NULL, 1) >= DVM_OP_USER);
	assert_int_equal(dvm_allreduce(w, a, a, 2, DVM_DOUBLE, (dvm_op_t)other), 0);
}

static void alone(void **state)
{
	double a[2] = { 1, 2 }, b[2] = { 0, 0 };
	size_t n = sizeof a, zero = 0;

	assert_int_equal(dvm_group_rank(w), 0);
	assert_int_equal(dvm_group_size(w), 1);
	assert_int_equal(dvm_barrier(w), 0);
	assert_int_equal(dvm_bcast(w, a, sizeof a, 0), 0);
	assert_int_equal(dvm_reduce(w, a, b, 2, DVM_DOUBLE, DVM_PROD, 0), 0);
	assert_memory_equal(a, b, n);
	assert_int_equal(dvm_allreduce(w, a, a, 2, DVM_DOUBLE, DVM_MAX), 0);
	memset(b, 0, n);
	assert_int_equal(dvm_gather(w, a, n, b, 0), 0);
	assert_memory_equal(a, b, n);
	memset(b, 0, n);
	assert_int_equal(dvm_gatherv(w, a, n, b, &n, &zero, 0), 0);
	assert_memory_equal(a, b, n);
	memset(b, 0, n);
	assert_int_equal(dvm_scatter(w, a, n, b, 0), 0);
	assert_memory_equal(a, b, n);
	memset(b, 0, n);
	assert_int_equal(dvm_scatterv(w, a, &n, &zero, b, n, 0), 0);
	assert_memory_equal(a, b, n);
	memset(b, 0, n);
	assert_int_equal(dvm_allgather(w, a, n, b), 0);
	assert_memory_equal(a, b, n);
	memset(b, 0, n);
	assert_int_equal(dvm_allgatherv(w, a, b, &n, &zero), 0);
	assert_memory_equal(a, b, n);
	memset(b, 0, n);
	assert_int_equal(dvm_alltoall(w, a, n, b), 0);
	assert_memory_equal(a, b, n);
	memset(b, 0, n);
	assert_int_equal(dvm_alltoallv(w, a, &n, &zero, b, &n, &zero), 0);
	assert_memory_equal(a, b, n);
	memset(b, 0, n);
	assert_int_equal(dvm_reduce_scatter_block(w, a, b, 2, DVM_DOUBLE, DVM_SUM), 0);
	assert_memory_equal(a, b, n);
	memset(b, 0, n);
	assert_int_equal(dvm_scan(w, a, b, 2, DVM_DOUBLE, DVM_SUM), 0);
	assert_memory_equal(a, b, n);
	b[0] = 77;
	assert_int_equal(dvm_exscan(w, a, b, 2, DVM_DOUBLE, DVM_SUM), 0);
	assert_true(b[0] == 77);
	size_t two = 2;
	assert_int_equal(dvm_reduce_scatter(w, a, b, &two, DVM_DOUBLE, DVM_SUM), 0);
	assert_memory_equal(a, b, n);
	assert_int_equal(dvm_bcast(w, NULL, 0, 0), 0);
	assert_int_equal(dvm_allgather(w, NULL, 0, NULL), 0);
	assert_int_equal(dvm_allreduce(w, NULL, NULL, 0, DVM_INT8, DVM_BOR), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moving_arguments), cmocka_unit_test(reducing_arguments),
		cmocka_unit_test(requests),	    cmocka_unit_test(sizes_of_types),
		cmocka_unit_test(operators),	    cmocka_unit_test(alone),
	};
	return cmocka_run_group_tests(tests, open_handle, close_handle);
}
