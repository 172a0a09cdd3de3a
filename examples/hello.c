/* SPDX-License-Identifier: BSD-3-Clause */
/* Every rank says who and where it is; rank 0 prints, so that the lines come in order. */
#include <stdio.h>
#include <string.h>

#include <dvm/dvm.h>
#include <dvm/msg.h>

static int print_all(dvm_t *d, dvm_group_t *world)
{
	char line[128];

	for (int rank = 0; rank < dvm_size(d); rank++) {
		if (rank == 0) {
			snprintf(line, sizeof line, "hello from rank 0 of %d on node %d (%s)",
				 dvm_size(d), dvm_node(d), dvm_node_name(d));
		} else {
			int rc = dvm_recv(world, line, sizeof line, rank, 1, NULL);
			if (rc < 0)
				return rc;
		}
		puts(line);
	}
	return 0;
}

static int report(dvm_t *d, dvm_group_t *world)
{
	char line[128];

	snprintf(line, sizeof line, "hello from rank %d of %d on node %d (%s)", dvm_rank(d),
		 dvm_size(d), dvm_node(d), dvm_node_name(d));
	return dvm_send(world, line, strlen(line) + 1, 0, 1);
}

int main(void)
{
	dvm_t *d;
	dvm_error_t err;

	if (dvm_open(&d, NULL, &err) < 0) {
		fprintf(stderr, "hello: %s\n", err.text);
		return 1;
	}
	dvm_group_t *world = dvm_world(d);
	int rc = dvm_rank(d) == 0 ? print_all(d, world) : report(d, world);
	if (rc < 0)
		fprintf(stderr, "hello: rank %d: %s\n", dvm_rank(d), dvm_strerror(rc));
	return dvm_close(d) < 0 || rc < 0;
}
