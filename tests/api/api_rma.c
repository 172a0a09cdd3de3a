/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm/rma.h: wrong arguments first, then windows of a rank by itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/am.h>
#include <dvm/rma.h>

#include "tests/api/alone.h"
#include "tests/api/cm.h"

static void making(void **state)
{
	dvm_win_t *none = (dvm_win_t *)8, *win = none;
	char c[16] = "";

	assert_int_equal(dvm_win_create(NULL, c, 16, &win), -EINVAL);
	assert_int_equal(dvm_win_create(w, NULL, 16, &win), -EINVAL);
	assert_int_equal(dvm_win_create(w, c, UINT64_MAX, &win), -EINVAL);
	assert_int_equal(dvm_win_create(w, c, 16, NULL), -EINVAL);
	assert_int_equal(dvm_win_allocate(NULL, 16, &win), -EINVAL);
	assert_int_equal(dvm_win_allocate(w, 16, NULL), -EINVAL);
	assert_int_equal(dvm_win_allocate(w, UINT64_MAX, &win), -EINVAL);
	assert_int_equal(dvm_win_allocate(w, UINT64_C(1) << 62, &win), -ENOMEM);
	assert_ptr_equal(win, none);
	assert_int_equal(dvm_win_free(NULL), 0);
	assert_null(dvm_win_base(NULL, 0));
	assert_int_equal(dvm_win_size(NULL, 0), -EINVAL);

	assert_int_equal(dvm_win_create(w, c, 16, &win), 0);
	assert_ptr_equal(dvm_win_base(win, 0), c);
	assert_int_equal(dvm_win_size(win, 0), 16);
	assert_int_equal(dvm_win_size(win, 1), -EINVAL);
	assert_int_equal(dvm_win_size(win, -1), -EINVAL);
	assert_null(dvm_win_base(win, 1));
	assert_null(dvm_win_base(win, -1));
	assert_int_equal(dvm_win_free(win), 0);

	assert_int_equal(dvm_win_create(w, NULL, 0, &win), 0);
	assert_int_equal(dvm_put(win, c, 0, 0, 0), 0);
	assert_int_equal(dvm_put(win, c, 1, 0, 0), -EINVAL);
	assert_int_equal(dvm_get(win, c, 0, 0, 0), 0);
	assert_int_equal(dvm_accumulate(win, c, 0, DVM_INT8, DVM_SUM, 0, 0), 0);
	assert_int_equal(dvm_win_lock(win, DVM_LOCK_EXCLUSIVE, 0), 0);
	assert_int_equal(dvm_win_unlock(win, 0), 0);
	assert_int_equal(dvm_win_free(win), 0);
}

static void copy_arguments(dvm_win_t *win)
{
	dvm_req_t *none = (dvm_req_t *)8, *req = none;
	char c[16] = "";

	assert_int_equal(dvm_put(NULL, c, 1, 0, 0), -EINVAL);
	assert_int_equal(dvm_put(win, NULL, 1, 0, 0), -EINVAL);
	assert_int_equal(dvm_put(win, c, 1, 1, 0), -EINVAL);
	assert_int_equal(dvm_put(win, c, 1, -1, 0), -EINVAL);
	assert_int_equal(dvm_put(win, c, 8, 0, 57), -EINVAL);
	assert_int_equal(dvm_put(win, c, 65, 0, 0), -EINVAL);
	assert_int_equal(dvm_put(win, c, 8, 0, UINT64_MAX), -EINVAL);
	assert_int_equal(dvm_get(NULL, c, 1, 0, 0), -EINVAL);
	assert_int_equal(dvm_get(win, NULL, 1, 0, 0), -EINVAL);
	assert_int_equal(dvm_get(win, c, 1, 1, 0), -EINVAL);
	assert_int_equal(dvm_get(win, c, 8, 0, 57), -EINVAL);
	assert_int_equal(dvm_rput(win, NULL, 1, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_rput(win, c, 1, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_rput(win, c, 1, 0, 64, &req), -EINVAL);
	assert_int_equal(dvm_rget(NULL, c, 1, 0, 0, &req), -EINVAL);
	assert_int_equal(dvm_rget(win, c, 1, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_rget(win, c, 65, 0, 0, &req), -EINVAL);
	assert_ptr_equal(req, none);
}

static void layout_arguments(dvm_win_t *win)
{
	const dvm_layout_t *l = dvm_layout_of(DVM_INT32);
	dvm_layout_t *far, *back;
	int32_t v[16] = { 0 };

	/* One that ends where it should, one that begins before the memory. */
	assert_int_equal(dvm_layout_hvector(&far, 2, 1, 60, l), 0);
	assert_int_equal(dvm_layout_hvector(&back, 2, 1, -8, l), 0);
	assert_int_equal(dvm_putl(NULL, v, 1, l, 0, 0, 1, l), -EINVAL);
	assert_int_equal(dvm_putl(win, NULL, 1, l, 0, 0, 1, l), -EINVAL);
	assert_int_equal(dvm_putl(win, v, 1, NULL, 0, 0, 1, l), -EINVAL);
	assert_int_equal(dvm_putl(win, v, 1, l, 0, 0, 1, NULL), -EINVAL);
	assert_int_equal(dvm_putl(win, v, 1, l, 1, 0, 1, l), -EINVAL);
	assert_int_equal(dvm_putl(win, v, 1, l, -1, 0, 1, l), -EINVAL);
	assert_int_equal(dvm_putl(win, v, 2, l, 0, 0, 1, l), -EINVAL);
	assert_int_equal(dvm_putl(win, v, 2, l, 0, 60, 2, l), -EINVAL);
	assert_int_equal(dvm_putl(win, v, 2, l, 0, 1, 1, far), -EINVAL);
	assert_int_equal(dvm_putl(win, v, 2, l, 0, 7, 1, back), -EINVAL);
	assert_int_equal(dvm_putl(win, v, 2, l, 0, UINT64_MAX, 1, far), -EINVAL);
	assert_int_equal(dvm_putl(win, v, SIZE_MAX, l, 0, 0, SIZE_MAX, l), -EOVERFLOW);
	assert_int_equal(dvm_getl(NULL, v, 1, l, 0, 0, 1, l), -EINVAL);
	assert_int_equal(dvm_getl(win, NULL, 1, l, 0, 0, 1, l), -EINVAL);
	assert_int_equal(dvm_getl(win, v, 1, l, 0, 64, 1, l), -EINVAL);
	assert_int_equal(dvm_getl(win, v, 2, l, 0, 1, 1, far), -EINVAL);
	assert_int_equal(dvm_putl(win, v, 2, l, 0, 0, 1, far), 0);
	assert_int_equal(dvm_getl(win, v, 2, l, 0, 8, 1, back), 0);
	assert_int_equal(dvm_putl(win, NULL, 0, l, 0, 0, 0, far), 0);
	dvm_layout_free(far);
	dvm_layout_free(back);
}

static void update_arguments(dvm_win_t *win)
{
	uint64_t v = 1, old = 7;

	assert_int_equal(dvm_accumulate(NULL, &v, 1, DVM_INT64, DVM_SUM, 0, 0), -EINVAL);
	assert_int_equal(dvm_accumulate(win, NULL, 1, DVM_INT64, DVM_SUM, 0, 0), -EINVAL);
	assert_int_equal(dvm_accumulate(win, &v, 1, (dvm_type_t)99, DVM_SUM, 0, 0), -EINVAL);
	assert_int_equal(dvm_accumulate(win, &v, 1, DVM_INT64, (dvm_op_t)99, 0, 0), -EINVAL);
	assert_int_equal(dvm_accumulate(win, &v, 1, DVM_INT64, DVM_NO_OP, 0, 0), -EINVAL);
	assert_int_equal(dvm_accumulate(win, &v, 1, DVM_DOUBLE, DVM_BXOR, 0, 0), -EINVAL);
	assert_int_equal(dvm_accumulate(win, &v, 1, DVM_INT64, DVM_SUM, 0, 4), -EINVAL);
	assert_int_equal(dvm_accumulate(win, &v, 9, DVM_INT64, DVM_SUM, 0, 0), -EINVAL);
	assert_int_equal(dvm_accumulate(win, &v, SIZE_MAX / 4, DVM_INT64, DVM_SUM, 0, 0), -EINVAL);
	assert_int_equal(dvm_get_accumulate(win, &v, NULL, 1, DVM_INT64, DVM_SUM, 0, 0), -EINVAL);
	assert_int_equal(dvm_get_accumulate(win, NULL, &old, 1, DVM_INT64, DVM_SUM, 0, 0), -EINVAL);
	assert_int_equal(dvm_get_accumulate(win, &v, &old, 1, DVM_INT64, DVM_SUM, 1, 0), -EINVAL);
	assert_int_equal(dvm_fetch_op(NULL, &v, &old, DVM_INT64, DVM_SUM, 0, 0), -EINVAL);
	assert_int_equal(dvm_fetch_op(win, NULL, &old, DVM_INT64, DVM_SUM, 0, 0), -EINVAL);
	assert_int_equal(dvm_fetch_op(win, &v, NULL, DVM_INT64, DVM_SUM, 0, 0), -EINVAL);
	assert_int_equal(dvm_fetch_op(win, &v, &old, DVM_INT64, DVM_SUM, 0, 57), -EINVAL);
	assert_int_equal(dvm_fetch_op(win, &v, &old, DVM_INT64, DVM_SUM, 0, 1), -EINVAL);
	assert_int_equal(dvm_fetch_op(win, &v, &old, DVM_INT64, DVM_SUM, 1, 0), -EINVAL);
	assert_int_equal(dvm_compare_swap(NULL, &v, &v, &old, DVM_INT64, 0, 0), -EINVAL);
	assert_int_equal(dvm_compare_swap(win, NULL, &v, &old, DVM_INT64, 0, 0), -EINVAL);
	assert_int_equal(dvm_compare_swap(win, &v, NULL, &old, DVM_INT64, 0, 0), -EINVAL);
	assert_int_equal(dvm_compare_swap(win, &v, &v, NULL, DVM_INT64, 0, 0), -EINVAL);
	assert_int_equal(dvm_compare_swap(win, &v, &v, &old, (dvm_type_t)0, 0, 0), -EINVAL);
	assert_int_equal(dvm_compare_swap(win, &v, &v, &old, DVM_INT64, 0, 60), -EINVAL);
	assert_int_equal(dvm_compare_swap(win, &v, &v, &old, DVM_FLOAT_INT, 0, 0), -EINVAL);
	assert_int_equal(dvm_accumulate(win, &v, 1, DVM_DOUBLE_COMPLEX, DVM_SUM, 0, 0), -EINVAL);
	assert_int_equal(dvm_accumulate(win, &v, 1, DVM_INT64, DVM_MINLOC, 0, 0), -EINVAL);
	assert_int_equal(old, 7);
}

static void sync_arguments(dvm_win_t *win)
{
	assert_int_equal(dvm_win_flush(NULL, 0), -EINVAL);
	assert_int_equal(dvm_win_flush(win, 1), -EINVAL);
	assert_int_equal(dvm_win_flush_all(NULL), -EINVAL);
	assert_int_equal(dvm_win_flush_local(NULL, 0), -EINVAL);
	assert_int_equal(dvm_win_flush_local(win, -1), -EINVAL);
	assert_int_equal(dvm_win_fence(NULL), -EINVAL);
	assert_int_equal(dvm_win_sync(NULL), -EINVAL);
	assert_int_equal(dvm_win_lock(NULL, DVM_LOCK_SHARED, 0), -EINVAL);
	assert_int_equal(dvm_win_lock(win, 0, 0), -EINVAL);
	assert_int_equal(dvm_win_lock(win, 3, 0), -EINVAL);
	assert_int_equal(dvm_win_lock(win, DVM_LOCK_SHARED, 1), -EINVAL);
	assert_int_equal(dvm_win_unlock(NULL, 0), -EINVAL);
	assert_int_equal(dvm_win_unlock(win, 1), -EINVAL);
	assert_int_equal(dvm_win_unlock(win, 0), -EPERM);
	assert_int_equal(dvm_win_lock_all(NULL), -EINVAL);
	assert_int_equal(dvm_win_unlock_all(NULL), -EINVAL);
	assert_int_equal(dvm_win_unlock_all(win), -EPERM);
}

static void wrong_arguments(void **state)
{
	dvm_win_t *win;

	assert_int_equal(dvm_win_allocate(w, 64, &win), 0);
	copy_arguments(win);
	layout_arguments(win);
	update_arguments(win);
	sync_arguments(win);
	for (int i = 0; i < 64; i++)
		assert_int_equal(((char *)dvm_win_base(win, 0))[i], 0);
	assert_int_equal(dvm_win_free(win), 0);
}

static void use(dvm_win_t *win)
{
	uint64_t *mem = dvm_win_base(win, 0), v = 5, old = 0, cmp = 12, in[3] = { 1, 2, 3 }, out[3];
	dvm_req_t *req[2];
	double x = 0.5, y;

	memset(mem, 0, 64);
	assert_int_equal(dvm_put(win, &v, 8, 0, 8), 0);
	assert_int_equal(mem[1], 5);
	assert_int_equal(dvm_get(win, &old, 8, 0, 8), 0);
	assert_int_equal(old, 5);
	assert_int_equal(dvm_rput(win, in, 24, 0, 16, &req[0]), 0);
	assert_int_equal(dvm_rget(win, out, 24, 0, 16, &req[1]), 0);
	assert_int_equal(dvm_waitall(req, 2, NULL), 0);
	assert_memory_equal(in, out, 24);
	v = 7;
	assert_int_equal(dvm_fetch_op(win, &v, &old, DVM_UINT64, DVM_SUM, 0, 8), 0);
	assert_true(old == 5 && mem[1] == 12);
	v = 100;
	assert_int_equal(dvm_compare_swap(win, &cmp, &v, &old, DVM_UINT64, 0, 8), 0);
	assert_true(old == 12 && mem[1] == 100);
	assert_int_equal(dvm_compare_swap(win, &cmp, &v, &old, DVM_UINT64, 0, 8), 0);
	assert_true(old == 100 && mem[1] == 100);
	assert_int_equal(dvm_accumulate(win, in, 3, DVM_UINT64, DVM_PROD, 0, 16), 0);
	assert_true(mem[2] == 1 && mem[3] == 4 && mem[4] == 9);
	assert_int_equal(dvm_get_accumulate(win, in, out, 3, DVM_UINT64, DVM_REPLACE, 0, 16), 0);
	assert_true(out[2] == 9 && mem[4] == 3);
	assert_int_equal(dvm_get_accumulate(win, NULL, out, 3, DVM_UINT64, DVM_NO_OP, 0, 16), 0);
	assert_memory_equal(in, out, 24);
	assert_int_equal(dvm_fetch_op(win, &x, &y, DVM_DOUBLE, DVM_SUM, 0, 56), 0);
	assert_int_equal(dvm_fetch_op(win, &x, &y, DVM_DOUBLE, DVM_SUM, 0, 56), 0);
	assert_true(y == 0.5 && ((double *)(void *)mem)[7] == 1.0);
	assert_int_equal(dvm_win_flush(win, 0), 0);
	assert_int_equal(dvm_win_flush_all(win), 0);
	assert_int_equal(dvm_win_flush_local(win, 0), 0);
	assert_int_equal(dvm_win_fence(win), 0);
	assert_int_equal(dvm_win_sync(win), 0);
	for (int mode = DVM_LOCK_SHARED; mode <= DVM_LOCK_EXCLUSIVE; mode++) {
		assert_int_equal(dvm_win_lock(win, mode, 0), 0);
		assert_int_equal(dvm_win_lock(win, mode, 0), -EALREADY);
		assert_int_equal(dvm_win_lock_all(win), -EALREADY);
		assert_int_equal(dvm_win_unlock(win, 0), 0);
	}
	assert_int_equal(dvm_win_lock_all(win), 0);
	assert_int_equal(dvm_win_unlock_all(win), 0);
}

/* A column of a matrix goes to every second element, and comes back as another column. */
static void columns(dvm_win_t *win)
{
	uint64_t *mem = dvm_win_base(win, 0);
	uint16_t m[4][3], *there = (uint16_t *)(void *)mem;
	dvm_layout_t *column, *second;

	for (int i = 0; i < 12; i++)
		m[i / 3][i % 3] = (uint16_t)(i + 1);
	memset(mem, 0, 64);
	assert_int_equal(dvm_layout_vector(&column, 4, 1, 3, dvm_layout_of(DVM_UINT16)), 0);
	assert_int_equal(dvm_layout_vector(&second, 4, 1, 2, dvm_layout_of(DVM_UINT16)), 0);
	assert_int_equal(dvm_putl(win, &m[0][1], 1, column, 0, 6, 1, second), 0);
	assert_int_equal(dvm_win_flush(win, 0), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(there[i], i < 3 || i > 9 || i % 2 == 0 ? 0 : 2 + 3 * (i - 3) / 2);
	assert_int_equal(dvm_getl(win, &m[0][0], 1, column, 0, 6, 1, second), 0);
	for (int i = 0; i < 4; i++)
		assert_true(m[i][0] == m[i][1] && m[i][2] == 3 * i + 3);
	dvm_layout_free(column);
	dvm_layout_free(second);
}

static void by_oneself(void **state)
{
	uint64_t mem[8];
	dvm_win_t *a, *b;

	assert_int_equal(dvm_win_allocate(w, 64, &a), 0);
	assert_int_equal(dvm_win_create(w, mem, sizeof mem, &b), 0);
	use(a);
	use(b);
	columns(a);
	columns(b);
	assert_int_equal(dvm_win_free(a), 0);
	use(b);
	assert_int_equal(dvm_win_free(b), 0);
}

struct seen {
	dvm_win_t *win;
	int rc[4];
};

static void in_handler(dvm_group_t *gr, int source, const void *head, size_t head_len,
		       const void *payload, size_t len, void *arg)
{
	struct seen *s = arg;
	uint64_t v = 9;
	dvm_win_t *no;

	s->rc[0] = dvm_put(s->win, &v, 8, 0, 0);
	s->rc[1] = dvm_win_lock(s->win, DVM_LOCK_SHARED, 0);
	s->rc[2] = dvm_win_flush(s->win, 0);
	s->rc[3] = dvm_win_allocate(gr, 8, &no);
}

/* Handlers may touch shared memory, and nothing that waits. */
static void within_a_handler(void **state)
{
	struct seen s;

	assert_int_equal(dvm_win_allocate(w, 64, &s.win), 0);
	assert_int_equal(dvm_am_register(w, 1, in_handler, &s), 0);
	assert_int_equal(dvm_am_send(w, 0, 1, NULL, 0, NULL, 0), 0);
	assert_int_equal(s.rc[0], 0);
	for (int i = 1; i < 4; i++)
		assert_int_equal(s.rc[i], -EBUSY);
	assert_int_equal(*(uint64_t *)dvm_win_base(s.win, 0), 9);
	assert_int_equal(dvm_win_free(s.win), 0);
}

/* What was not freed goes with the handle. */
static void left_behind(void **state)
{
	dvm_t *other;
	dvm_win_t *win;

	assert_int_equal(dvm_open(&other, NULL, NULL), 0);
	assert_int_equal(dvm_win_allocate(dvm_world(other), 1 << 20, &win), 0);
	assert_int_equal(dvm_win_lock(win, DVM_LOCK_SHARED, 0), 0);
	assert_int_equal(dvm_close(other), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(making),      cmocka_unit_test(wrong_arguments),
		cmocka_unit_test(by_oneself),  cmocka_unit_test(within_a_handler),
		cmocka_unit_test(left_behind),
	};
	return cmocka_run_group_tests(tests, open_handle, close_handle);
}
