/* SPDX-License-Identifier: BSD-3-Clause */
/* A sum over all ranks that is taken again, by those that are left, whenever ranks are lost. */
#include <stdio.h>

#include <dvm/coll.h>
#include <dvm/ft.h>

/* The same result at all ranks that live: 1 all have the sum, 0 some has not. */
static int everybody(dvm_group_t *g, int rc)
{
	uint32_t ok = rc == 0;

	if (rc < 0)
		dvm_group_revoke(g); /* so that nobody waits for us */
	dvm_group_agree(g, &ok);
	return (int)ok;
}

int main(void)
{
	int one = 1, sum = 0;
	dvm_group_t *g;
	dvm_t *d;

	if (dvm_open(&d, NULL, NULL) < 0)
		return 1;
	g = dvm_world(d);
	while (!everybody(g, dvm_allreduce(g, &one, &sum, 1, DVM_INT32, DVM_SUM)))
		if (dvm_group_shrink(g, &g) < 0)
			return 1;
	printf("rank %d: %d of %d are left\n", dvm_rank(d), sum, dvm_size(d));
	return dvm_close(d) < 0;
}
