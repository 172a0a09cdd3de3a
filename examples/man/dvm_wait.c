/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbours exchange long messages at once; in between there is time for something else. */
#include <stdio.h>
#include <stdlib.h>

#include <dvm/dvm.h>
#include <dvm/msg.h>

enum { TAG = 1, COUNT = 100000 };

/* Both receives are there before anybody sends. */
static int exchange(dvm_t *d, double *mine, double *left, double *right)
{
	dvm_group_t *g = dvm_world(d);
	int size = dvm_size(d), next = (dvm_rank(d) + 1) % size, prev = (next + size - 2) % size;
	size_t bytes = COUNT * sizeof *mine;
	dvm_req_t *reqs[4] = { NULL };
	int rc = dvm_irecv(g, left, bytes, prev, TAG, &reqs[0]);

	if (rc == 0)
		rc = dvm_irecv(g, right, bytes, next, TAG + 1, &reqs[1]);
	if (rc == 0)
		rc = dvm_isend(g, mine, bytes, next, TAG, &reqs[2]);
	if (rc == 0)
		rc = dvm_isend(g, mine, bytes, prev, TAG + 1, &reqs[3]);
	/* ... what needs no halo would be computed here ... */
	int done = dvm_waitall(reqs, 4, NULL); /* NULL requests are complete */

	return rc < 0 ? rc : done;
}

int main(void)
{
	double *line = calloc(3 * COUNT, sizeof *line);
	dvm_t *d;

	if (!line || dvm_open(&d, NULL, NULL) < 0)
		return 1;
	line[0] = dvm_rank(d);
	int rc = exchange(d, line, line + COUNT, line + 2 * COUNT);
	if (rc == 0)
		printf("rank %d is between %g and %g\n", dvm_rank(d), line[COUNT], line[2 * COUNT]);
	else
		fprintf(stderr, "rank %d: %s\n", dvm_rank(d), dvm_strerror(rc));
	int closed = dvm_close(d);

	free(line);
	return closed < 0 || rc < 0;
}
