/* SPDX-License-Identifier: BSD-3-Clause */
/* The ranks of each node as a group of its own: who this one is in it. */
#include <stdio.h>

#include <dvm/dvm.h>
#include <dvm/group.h>

int main(void)
{
	dvm_group_t *node;
	dvm_t *d;

	if (dvm_open(&d, NULL, NULL) < 0)
		return 1;
	int rc = dvm_group_split_node(dvm_world(d), 0, &node);
	if (rc == 0) {
		printf("rank %d of a group of %d\n", dvm_group_rank(node), dvm_group_size(node));
		dvm_group_free(node);
	}
	return dvm_close(d) < 0 || rc < 0;
}
