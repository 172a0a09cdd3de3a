/* SPDX-License-Identifier: BSD-3-Clause */
/* A grid of ranks that is closed in its second dimension: who is beside whom. */
#include <stdio.h>

#include <dvm/cart.h>
#include <dvm/msg.h>

int main(void)
{
	int dims[2] = { 0, 0 }, periodic[2] = { 0, 1 }, at[2], left, right, seen = -1;
	dvm_group_t *grid;
	dvm_t *d;

	if (dvm_open(&d, NULL, NULL) < 0)
		return 1;
	int rc = dvm_dims_create(dvm_size(d), 2, dims);
	if (rc == 0)
		rc = dvm_cart_create(dvm_world(d), 2, dims, periodic, 1, &grid);
	if (rc == 0) {
		int rank = dvm_group_rank(grid);
		dvm_cart_coords(grid, rank, 2, at);
		dvm_cart_shift(grid, 1, 1, &left, &right);
		rc = dvm_sendrecv(grid, &rank, sizeof rank, right, 0, &seen, sizeof seen, left, 0,
				  NULL);
		printf("rank %d at %d,%d of %dx%d, left of it %d\n", rank, at[0], at[1], dims[0],
		       dims[1], seen);
	}
	return dvm_close(d) < 0 || rc < 0;
}
