/* SPDX-License-Identifier: BSD-3-Clause */
/* The group of all ranks: who this one is in it. */
#include <stdio.h>

#include <dvm/dvm.h>
#include <dvm/group.h>

int main(void)
{
	dvm_t *d;

	if (dvm_open(&d, NULL, NULL) < 0)
		return 1;
	dvm_group_t *world = dvm_world(d);

	printf("rank %d of a group of %d\n", dvm_group_rank(world), dvm_group_size(world));
	return dvm_close(d) < 0;
}
