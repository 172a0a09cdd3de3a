/* SPDX-License-Identifier: BSD-3-Clause */
/* A job that spawns another of the same program: each child tells its parent who it is. */
#include <stdio.h>

#include <dvm/connect.h>
#include <dvm/msg.h>

int main(int argc, char **argv)
{
	const char *again[] = { argv[0], NULL };
	dvm_spawn_config_t child = { .size = sizeof child, .argv = again, .ranks = 3 };
	dvm_error_t err;
	dvm_group_t *g;
	dvm_t *d;
	int rank, rc;

	if (dvm_open(&d, NULL, NULL) < 0)
		return 1;
	if (dvm_parent_job(d, NULL)) {
		rc = dvm_parent(d, &g, &err);
		rank = dvm_rank(d);
		if (rc == 0)
			rc = dvm_send(g, &rank, sizeof rank, 0, 0);
	} else {
		rc = dvm_spawn(dvm_world(d), 0, &child, &g, &err);
		for (int i = 0; rc == 0 && dvm_rank(d) == 0 && i < dvm_group_remote_size(g); i++) {
			rc = dvm_recv(g, &rank, sizeof rank, i, 0, NULL);
			printf("rank %d of my child is there\n", rank);
		}
	}
	if (rc == 0)
		rc = dvm_disconnect(g);
	else
		printf("%s\n", err.text);
	return dvm_close(d) < 0 || rc < 0;
}
