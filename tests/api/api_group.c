/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm/group.h, dvm/cart.h: wrong arguments first, then groups of one. Several: run-jobs.t. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/cart.h>
#include <dvm/coll.h>
#include <dvm/msg.h>

#include "tests/api/alone.h"
#include "tests/api/cm.h"

static void asking_arguments(void **state)
{
	int r = 0, bad = 1;

	assert_int_equal(dvm_group_rank(NULL), -EINVAL);
	assert_int_equal(dvm_group_size(NULL), -EINVAL);
	assert_int_equal(dvm_group_remote_size(NULL), -EINVAL);
	assert_null(dvm_group_handle(NULL));
	assert_null(dvm_group_name(NULL));
	assert_int_equal(dvm_group_set_name(NULL, "x"), -EINVAL);
	assert_int_equal(dvm_group_set_name(w, NULL), -EINVAL);
	assert_int_equal(dvm_group_num_nodes(NULL), -EINVAL);
	assert_int_equal(dvm_group_node_of(NULL, 0), -EINVAL);
	assert_int_equal(dvm_group_node_of(w, 1), -EINVAL);
	assert_int_equal(dvm_group_node_of(w, -1), -EINVAL);
	assert_int_equal(dvm_group_translate(NULL, 1, &r, w, &r), -EINVAL);
	assert_int_equal(dvm_group_translate(w, 1, &r, NULL, &r), -EINVAL);
	assert_int_equal(dvm_group_translate(w, 1, NULL, w, &r), -EINVAL);
	assert_int_equal(dvm_group_translate(w, 1, &r, w, NULL), -EINVAL);
	assert_int_equal(dvm_group_translate(w, 1, &bad, w, &r), -EINVAL);
	bad = -1;
	assert_int_equal(dvm_group_translate(w, 1, &bad, w, &r), -EINVAL);
}

static void making_arguments(void **state)
{
	dvm_group_t *g = (dvm_group_t *)&state;
	int zero = 0, one = 1, twice[] = { 0, 0 };

	assert_int_equal(dvm_group_dup(NULL, &g), -EINVAL);
	assert_int_equal(dvm_group_dup(w, NULL), -EINVAL);
	assert_int_equal(dvm_group_split(NULL, 0, 0, &g), -EINVAL);
	assert_int_equal(dvm_group_split(w, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_group_split_node(NULL, 0, &g), -EINVAL);
	assert_int_equal(dvm_group_split_node(w, 0, NULL), -EINVAL);
	assert_int_equal(dvm_group_create(NULL, 1, &zero, 0, &g), -EINVAL);
	assert_int_equal(dvm_group_create(w, 1, NULL, 0, &g), -EINVAL);
	assert_int_equal(dvm_group_create(w, 1, &zero, -1, &g), -EINVAL);
	assert_int_equal(dvm_group_create(w, 1, &zero, 0, NULL), -EINVAL);
	assert_int_equal(dvm_group_create(w, 1, &one, 0, &g), -EINVAL);
	assert_int_equal(dvm_group_create(w, 0, &zero, 0, &g), -EINVAL);
	assert_int_equal(dvm_group_create(w, 2, twice, 0, &g), -EINVAL);
	assert_int_equal(dvm_intergroup_create(NULL, 0, w, 0, 0, &g), -EINVAL);
	assert_int_equal(dvm_intergroup_create(w, 1, w, 0, 0, &g), -EINVAL);
	assert_int_equal(dvm_intergroup_create(w, 0, NULL, 0, 0, &g), -EINVAL);
	assert_int_equal(dvm_intergroup_create(w, 0, w, 1, 0, &g), -EINVAL);
	assert_int_equal(dvm_intergroup_create(w, 0, w, 0, 0, &g), -EINVAL); /* oneself */
	assert_int_equal(dvm_intergroup_create(w, 0, w, 0, -1, &g), -EINVAL);
	assert_int_equal(dvm_intergroup_create(w, 0, w, 0, 0, NULL), -EINVAL);
	assert_int_equal(dvm_intergroup_merge(NULL, 0, &g), -EINVAL);
	assert_int_equal(dvm_intergroup_merge(w, 0, &g), -EINVAL);
	assert_int_equal(dvm_group_free(w), -EINVAL);
	assert_int_equal(dvm_group_free(NULL), 0);
	assert_ptr_equal(g, &state);
}

static void cart_arguments(void **state)
{
	int one = 1, zero = 0, two = 2, x[DVM_CART_MAX + 1] = { 0 };
	dvm_group_t *g = (dvm_group_t *)&state;

	assert_int_equal(dvm_cart_create(NULL, 1, &one, &zero, 0, &g), -EINVAL);
	assert_int_equal(dvm_cart_create(w, 0, &one, &zero, 0, &g), -EINVAL);
	assert_int_equal(dvm_cart_create(w, DVM_CART_MAX + 1, x, x, 0, &g), -EINVAL);
	assert_int_equal(dvm_cart_create(w, 1, NULL, &zero, 0, &g), -EINVAL);
	assert_int_equal(dvm_cart_create(w, 1, &one, NULL, 0, &g), -EINVAL);
	assert_int_equal(dvm_cart_create(w, 1, &zero, &zero, 0, &g), -EINVAL);
	assert_int_equal(dvm_cart_create(w, 1, &two, &zero, 0, &g), -EINVAL);
	assert_int_equal(dvm_cart_create(w, 1, &one, &zero, 0, NULL), -EINVAL);
	assert_int_equal(dvm_cart_sub(NULL, &one, &g), -EINVAL);
	assert_int_equal(dvm_cart_sub(w, &one, &g), -EINVAL);
	assert_ptr_equal(g, &state);
	assert_int_equal(dvm_cart_get(NULL, 1, x, x), -EINVAL);
	assert_int_equal(dvm_cart_get(w, 1, x, x), -EINVAL);
	assert_int_equal(dvm_cart_coords(NULL, 0, 1, x), -EINVAL);
	assert_int_equal(dvm_cart_coords(w, 0, 1, x), -EINVAL);
	assert_int_equal(dvm_cart_rank(NULL, x), -EINVAL);
	assert_int_equal(dvm_cart_rank(w, x), -EINVAL);
	assert_int_equal(dvm_cart_shift(NULL, 0, 1, x, x), -EINVAL);
	assert_int_equal(dvm_cart_shift(w, 0, 1, x, x), -EINVAL);
	assert_int_equal(dvm_dims_create(0, 1, x), -EINVAL);
	assert_int_equal(dvm_dims_create(1, 0, x), -EINVAL);
	assert_int_equal(dvm_dims_create(1, DVM_CART_MAX + 1, x), -EINVAL);
	assert_int_equal(dvm_dims_create(1, 1, NULL), -EINVAL);
	assert_int_equal(dvm_dims_create(3, 1, &two), -EINVAL);
	one = -1;
	assert_int_equal(dvm_dims_create(3, 1, &one), -EINVAL);
}

static void groups_of_one(void **state)
{
	dvm_group_t *a, *b;
	int r[] = { 0, DVM_NOBODY };

	assert_string_equal(dvm_group_name(w), "world");
	assert_int_equal(dvm_group_num_nodes(w), 1);
	assert_int_equal(dvm_group_node_of(w, 0), 0);
	assert_int_equal(dvm_group_remote_size(w), 0);
	assert_int_equal(dvm_group_dup(w, &a), 0);
	assert_string_equal(dvm_group_name(a), "");
	assert_ptr_equal(dvm_group_handle(a), d);
	assert_int_equal(dvm_group_translate(w, 2, r, a, r), 0);
	assert_int_equal(r[0], 0);
	assert_int_equal(r[1], DVM_NOBODY);
	assert_int_equal(dvm_group_split(a, -1, 0, &b), 0);
	assert_null(b);
	assert_int_equal(dvm_group_split(a, 7, 0, &b), 0);
	assert_int_equal(dvm_group_free(a), 0);
	assert_int_equal(dvm_group_split_node(b, 0, &a), 0);
	assert_int_equal(dvm_barrier(a), 0);
	assert_int_equal(dvm_recv(a, NULL, 0, 0, 0, NULL), -EDEADLK);
	assert_int_equal(dvm_recv(a, NULL, 0, DVM_ANY_SOURCE, 0, NULL), -EDEADLK);
	assert_int_equal(dvm_send(a, NULL, 0, 0, 0), 0); /* never received: dropped */
	assert_int_equal(dvm_group_free(a), 0);
	assert_int_equal(dvm_group_create(w, 1, r, 5, &a), 0);
	assert_int_equal(dvm_group_size(a), 1);
}

static void names(void **state)
{
	char longer[2 * DVM_GROUP_NAME_MAX];
	dvm_group_t *g;

	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	assert_int_equal(dvm_group_dup(w, &g), 0);
	assert_int_equal(dvm_group_set_name(g, "rows"), 0);
	assert_string_equal(dvm_group_name(g), "rows");
	assert_int_equal(dvm_group_set_name(g, dvm_group_name(g)), 0);
	assert_string_equal(dvm_group_name(g), "rows");
	assert_int_equal(dvm_group_set_name(g, longer), 0);
	assert_int_equal(strlen(dvm_group_name(g)), DVM_GROUP_NAME_MAX - 1);
}

static void a_grid_of_one(void **state)
{
	int dims[] = { 1, 1 }, periodic[] = { 1, 0 }, c[] = { 5, 0 }, from, to;
	dvm_group_t *g, *sub;

	assert_int_equal(dvm_cart_create(w, 2, dims, periodic, 1, &g), 0);
	assert_int_equal(dvm_cart_get(g, 1, dims, NULL), -EINVAL);
	assert_int_equal(dvm_cart_get(g, 2, dims, periodic), 2);
	assert_int_equal(dvm_cart_coords(g, 1, 2, c), -EINVAL);
	assert_int_equal(dvm_cart_coords(g, 0, 1, c), -EINVAL);
	assert_int_equal(dvm_cart_coords(g, 0, 2, NULL), -EINVAL);
	assert_int_equal(dvm_cart_rank(g, NULL), -EINVAL);
	assert_int_equal(dvm_cart_rank(g, c), 0);
	c[1] = 1;
	assert_int_equal(dvm_cart_rank(g, c), DVM_NOBODY);
	assert_int_equal(dvm_cart_shift(g, 2, 1, &from, &to), -EINVAL);
	assert_int_equal(dvm_cart_shift(g, -1, 1, &from, &to), -EINVAL);
	assert_int_equal(dvm_cart_shift(g, 0, 1, NULL, &to), -EINVAL);
	assert_int_equal(dvm_cart_shift(g, 0, 1, &from, NULL), -EINVAL);
	assert_int_equal(dvm_cart_shift(g, 0, INT_MIN, &from, &to), 0);
	assert_int_equal(from, 0);
	assert_int_equal(to, 0);
	assert_int_equal(dvm_cart_shift(g, 1, INT_MIN, &from, &to), 0);
	assert_int_equal(from, DVM_NOBODY);
	assert_int_equal(to, DVM_NOBODY);
	assert_int_equal(dvm_cart_sub(g, NULL, &sub), -EINVAL);
	assert_int_equal(dvm_cart_sub(g, periodic, NULL), -EINVAL);
	assert_int_equal(dvm_cart_sub(g, periodic, &sub), 0);
	assert_int_equal(dvm_cart_get(sub, 0, NULL, NULL), 1);
}

static void dimensions(void **state)
{
	static const struct {
		int n, given[4], want[4], k, rc;
	} table[] = {
		{ 12, { 0, 0 }, { 4, 3 }, 2, 0 },
		{ 7, { 0, 0 }, { 7, 1 }, 2, 0 },
		{ 64, { 0, 0, 0 }, { 4, 4, 4 }, 3, 0 },
		{ 24, { 0, 2, 0 }, { 4, 2, 3 }, 3, 0 },
		{ 1, { 0, 0, 0, 0 }, { 1, 1, 1, 1 }, 4, 0 },
		{ 6, { 3, 2 }, { 3, 2 }, 2, 0 },
		{ 6, { 3, 1 }, { 3, 1 }, 2, -EINVAL },
		{ 2147483647, { 0, 0 }, { 2147483647, 1 }, 2, 0 },
		{ 720720, { 0, 0, 0 }, { 91, 90, 88 }, 3, 0 },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		int dims[4];
		memcpy(dims, table[i].given, sizeof dims);
		assert_int_equal(dvm_dims_create(table[i].n, table[i].k, dims), table[i].rc);
		for (int k = 0; k < table[i].k; k++)
			assert_int_equal(dims[k], table[i].want[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asking_arguments),
		cmocka_unit_test(making_arguments),
		cmocka_unit_test(cart_arguments),
		cmocka_unit_test(groups_of_one),
		cmocka_unit_test(names),
		cmocka_unit_test(a_grid_of_one),
		cmocka_unit_test(dimensions),
	};
	return cmocka_run_group_tests(tests, open_handle, close_handle);
}
