/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm/layout.h: wrong arguments first, then what each maker makes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/layout.h>

#include "tests/api/cm.h"

static dvm_layout_t *const untouched = (dvm_layout_t *)8;

static void maker_arguments(void **state)
{
	const dvm_layout_t *d = dvm_layout_of(DVM_DOUBLE), *ofs[] = { d, NULL };
	const size_t one[] = { 1, 1 };
	const int64_t at[] = { 0, 8 };
	dvm_layout_t *l = untouched;

	assert_null(dvm_layout_of((dvm_type_t)0));
	assert_null(dvm_layout_of((dvm_type_t)9999));
	assert_int_equal(dvm_layout_contiguous(NULL, 1, d), -EINVAL);
	assert_int_equal(dvm_layout_contiguous(&l, 1, NULL), -EINVAL);
	assert_int_equal(dvm_layout_vector(NULL, 1, 1, 1, d), -EINVAL);
	assert_int_equal(dvm_layout_vector(&l, 1, 1, 1, NULL), -EINVAL);
	assert_int_equal(dvm_layout_hvector(NULL, 1, 1, 1, d), -EINVAL);
	assert_int_equal(dvm_layout_hvector(&l, 1, 1, 1, NULL), -EINVAL);
	assert_int_equal(dvm_layout_indexed(NULL, 1, one, at, d), -EINVAL);
	assert_int_equal(dvm_layout_indexed(&l, 1, NULL, at, d), -EINVAL);
	assert_int_equal(dvm_layout_indexed(&l, 1, one, NULL, d), -EINVAL);
	assert_int_equal(dvm_layout_indexed(&l, 1, one, at, NULL), -EINVAL);
	assert_int_equal(dvm_layout_hindexed(NULL, 1, one, at, d), -EINVAL);
	assert_int_equal(dvm_layout_hindexed(&l, 1, NULL, at, d), -EINVAL);
	assert_int_equal(dvm_layout_hindexed(&l, 1, one, at, NULL), -EINVAL);
	assert_int_equal(dvm_layout_struct(NULL, 1, one, at, ofs), -EINVAL);
	assert_int_equal(dvm_layout_struct(&l, 1, one, NULL, ofs), -EINVAL);
	assert_int_equal(dvm_layout_struct(&l, 1, one, at, NULL), -EINVAL);
	assert_int_equal(dvm_layout_struct(&l, 2, one, at, ofs), -EINVAL);
	assert_int_equal(dvm_layout_resize(NULL, d, 0, 1), -EINVAL);
	assert_int_equal(dvm_layout_resize(&l, NULL, 0, 1), -EINVAL);
	assert_int_equal(dvm_layout_resize(&l, d, 0, -1), -EINVAL);
	assert_int_equal(dvm_layout_contiguous(&l, (size_t)1 << 62, d), -EOVERFLOW);
	assert_ptr_equal(l, untouched);
}

static void subarray_arguments(void **state)
{
	const dvm_layout_t *d = dvm_layout_of(DVM_DOUBLE);
	const size_t sizes[] = { 4, 4 }, sub[] = { 2, 5 }, two[] = { 2, 2 }, starts[] = { 0, 3 };
	const size_t none[] = { 0, 0 };
	dvm_layout_t *l = untouched;

	assert_int_equal(dvm_layout_subarray(NULL, 2, sizes, two, none, 0, d), -EINVAL);
	assert_int_equal(dvm_layout_subarray(&l, 0, sizes, two, none, 0, d), -EINVAL);
	assert_int_equal(dvm_layout_subarray(&l, 33, sizes, two, none, 0, d), -EINVAL);
	assert_int_equal(dvm_layout_subarray(&l, 2, NULL, two, none, 0, d), -EINVAL);
	assert_int_equal(dvm_layout_subarray(&l, 2, sizes, NULL, none, 0, d), -EINVAL);
	assert_int_equal(dvm_layout_subarray(&l, 2, sizes, two, NULL, 0, d), -EINVAL);
	assert_int_equal(dvm_layout_subarray(&l, 2, sizes, two, none, 2, d), -EINVAL);
	assert_int_equal(dvm_layout_subarray(&l, 2, sizes, two, none, 0, NULL), -EINVAL);
	assert_int_equal(dvm_layout_subarray(&l, 2, sizes, sub, none, 0, d), -EINVAL);
	assert_int_equal(dvm_layout_subarray(&l, 2, sizes, two, starts, 0, d), -EINVAL);
	assert_ptr_equal(l, untouched);
}

static void question_arguments(void **state)
{
	const dvm_layout_t *d = dvm_layout_of(DVM_DOUBLE);
	double v[2] = { 1, 2 }, out[2];
	int64_t lb = 7, ext = 7;

	dvm_layout_free(NULL);
	assert_int_equal(dvm_layout_size(NULL), -EINVAL);
	assert_int_equal(dvm_layout_extent(NULL, &lb, &ext), -EINVAL);
	assert_int_equal(dvm_layout_true_extent(NULL, &lb, &ext), -EINVAL);
	assert_true(lb == 7 && ext == 7);
	assert_int_equal(dvm_layout_extent(d, NULL, NULL), 0);
	assert_int_equal(dvm_layout_pack(NULL, 1, d, out, 8), -EINVAL);
	assert_int_equal(dvm_layout_pack(v, 1, NULL, out, 8), -EINVAL);
	assert_int_equal(dvm_layout_pack(v, 1, d, NULL, 8), -EINVAL);
	assert_int_equal(dvm_layout_pack(v, 2, d, out, 15), -ENOSPC);
	assert_int_equal(dvm_layout_pack(v, SIZE_MAX, d, out, 15), -EOVERFLOW);
	assert_int_equal(dvm_layout_pack(NULL, 0, d, NULL, 0), 0);
	assert_int_equal(dvm_layout_unpack(NULL, 8, out, 1, d), -EINVAL);
	assert_int_equal(dvm_layout_unpack(v, 8, NULL, 1, d), -EINVAL);
	assert_int_equal(dvm_layout_unpack(v, 8, out, 1, NULL), -EINVAL);
	assert_int_equal(dvm_layout_unpack(v, 16, out, 1, d), -DVM_ETRUNC);
	assert_int_equal(dvm_layout_unpack(NULL, 0, NULL, 0, d), 0);
	assert_int_equal(dvm_layout_pack(v, 2, d, out, 16), 0);
	assert_true(out[0] == 1 && out[1] == 2);
}

static void expect(const dvm_layout_t *l, const int *from, size_t n, const char *values)
{
	int out[16], want[16];

	for (size_t i = 0; i < n; i++)
		want[i] = values[i] - 'a';
	assert_int_equal(dvm_layout_size(l), n * sizeof(int));
	assert_int_equal(dvm_layout_pack(from, 1, l, out, sizeof out), 0);
	assert_memory_equal(out, want, n * sizeof(int));
}

static void makers(void **state)
{
	const dvm_layout_t *i = dvm_layout_of(DVM_INT32);
	const size_t lens[] = { 2, 0, 1 }, sizes[] = { 3, 4 }, sub[] = { 2, 2 }, st[] = { 1, 1 };
	const int64_t displs[] = { 5, 0, 1 }, bytes[] = { 20, 0, 4 };
	const dvm_layout_t *ofs[] = { i, i, i };
	int v[16];
	dvm_layout_t *l;

	for (int k = 0; k < 16; k++)
		v[k] = k;
	assert_int_equal(dvm_layout_contiguous(&l, 3, i), 0);
	expect(l, v, 3, "abc");
	dvm_layout_free(l);
	assert_int_equal(dvm_layout_vector(&l, 2, 2, 5, i), 0);
	expect(l, v, 4, "abfg");
	dvm_layout_free(l);
	assert_int_equal(dvm_layout_hvector(&l, 3, 1, 8, i), 0);
	expect(l, v, 3, "ace");
	dvm_layout_free(l);
	assert_int_equal(dvm_layout_indexed(&l, 3, lens, displs, i), 0);
	expect(l, v, 3, "fgb");
	dvm_layout_free(l);
	assert_int_equal(dvm_layout_hindexed(&l, 3, lens, bytes, i), 0);
	expect(l, v, 3, "fgb");
	dvm_layout_free(l);
	assert_int_equal(dvm_layout_struct(&l, 3, lens, bytes, ofs), 0);
	expect(l, v, 3, "fgb");
	dvm_layout_free(l);
	assert_int_equal(dvm_layout_subarray(&l, 2, sizes, sub, st, DVM_ORDER_C, i), 0);
	expect(l, v, 4, "fgjk");
	dvm_layout_free(l);
	assert_int_equal(dvm_layout_subarray(&l, 2, sizes, sub, st, DVM_ORDER_FORTRAN, i), 0);
	expect(l, v, 4, "efhi");
	dvm_layout_free(l);
	assert_int_equal(dvm_layout_indexed(&l, 0, NULL, NULL, i), 0);
	expect(l, v, 0, "");
	dvm_layout_free(l);
}

/* A field of an array of structures, and a layout that outlives those it was made of. */
static void bounds(void **state)
{
	struct {
		char name[5];
		double value;
	} a[3] = { { .value = 1 }, { .value = 2 }, { .value = 3 } };
	const int64_t at[] = { (char *)&a[0].value - (char *)a };
	const size_t one[] = { 1 };
	dvm_layout_t *field, *wide;
	int64_t lb, ext;
	double out[3];

	assert_int_equal(dvm_layout_hindexed(&field, 1, one, at, dvm_layout_of(DVM_DOUBLE)), 0);
	assert_int_equal(dvm_layout_extent(field, &lb, &ext), 0);
	assert_true(lb == at[0] && ext == 8);
	assert_int_equal(dvm_layout_resize(&wide, field, 0, sizeof a[0]), 0);
	dvm_layout_free(field);
	assert_int_equal(dvm_layout_extent(wide, &lb, &ext), 0);
	assert_true(lb == 0 && ext == sizeof a[0]);
	assert_int_equal(dvm_layout_true_extent(wide, &lb, &ext), 0);
	assert_true(lb == at[0] && ext == 8);
	assert_int_equal(dvm_layout_pack(a, 3, wide, out, sizeof out), 0);
	assert_true(out[0] == 1 && out[1] == 2 && out[2] == 3);
	out[0] = 9;
	assert_int_equal(dvm_layout_unpack(out, 12, a, 3, wide), 0); /* one and a half */
	assert_true(a[0].value == 9 && a[1].value == 2 && a[2].value == 3);
	dvm_layout_free(wide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maker_arguments), cmocka_unit_test(subarray_arguments),
		cmocka_unit_test(question_arguments), cmocka_unit_test(makers),
		cmocka_unit_test(bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
