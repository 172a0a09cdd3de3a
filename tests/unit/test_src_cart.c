/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "libdvm/src/cart.h"
#include "tests/unit/cm.h"

static struct dvmi_cart grid(int n, const int *dims)
{
	static const int open[DVM_CART_MAX];
	struct dvmi_cart c;

	assert_true(dvmi_cart_set(&c, n, dims, open) > 0);
	return c;
}

static void there_and_back(void **state)
{
	struct dvmi_cart c = grid(3, (int[]){ 3, 4, 5 });
	int x[3];

	(void)state;
	for (int r = 0; r < 60; r++) {
		dvmi_cart_coords(&c, r, x);
		assert_int_equal(dvmi_cart_rank(&c, x), r);
	}
	dvmi_cart_coords(&c, 7, x);
	assert_int_equal(x[2], 2);
	x[2] = 5;
	assert_int_equal(dvmi_cart_rank(&c, x), DVM_NOBODY);
	c.periodic[2] = true;
	assert_int_equal(dvmi_cart_rank(&c, x), 5);
	x[2] = -6;
	assert_int_equal(dvmi_cart_rank(&c, x), 9);
}

static void too_much(void **state)
{
	int dims[] = { 65536, 65536 }, open[2] = { 0 };
	struct dvmi_cart c;

	(void)state;
	assert_true(dvmi_cart_set(&c, 2, dims, open) < 0);
}

/* Nodes of four in a plane are squares, nodes of two along whatever is cut anyhow. */
static void tiles(void **state)
{
	struct dvmi_cart c = grid(2, (int[]){ 8, 8 });
	int tile[2];

	(void)state;
	assert_true(dvmi_cart_tile(&c, 4, tile));
	assert_int_equal(tile[0], 2);
	assert_int_equal(tile[1], 2);
	assert_true(dvmi_cart_tile(&c, 64, tile));
	assert_int_equal(tile[0], 8);
	assert_false(dvmi_cart_tile(&c, 3, tile));
	c = grid(2, (int[]){ 2, 8 });
	assert_true(dvmi_cart_tile(&c, 4, tile));
	assert_int_equal(tile[0], 2);
	assert_int_equal(tile[1], 2);
}

/* Every place of the grid is in exactly one tile. */
static void tiles_cover(void **state)
{
	struct dvmi_cart c = grid(3, (int[]){ 4, 6, 2 });
	int tile[3];
	char seen[48] = { 0 };

	(void)state;
	assert_true(dvmi_cart_tile(&c, 12, tile));
	for (int t = 0; t < 4; t++)
		for (int i = 0; i < 12; i++) {
			int r = dvmi_cart_in_tile(&c, tile, t, i);
			assert_in_range(r, 0, 47);
			assert_int_equal(seen[r]++, 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(too_much),
		cmocka_unit_test(tiles),
		cmocka_unit_test(tiles_cover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
