/* SPDX-License-Identifier: BSD-3-Clause */
/* A column of a matrix goes to the next rank, where it becomes a row; nothing is packed. */
#include <stdio.h>

#include <dvm/dvm.h>
#include <dvm/layout.h>
#include <dvm/msg.h>

enum { TAG = 1, N = 4 };

/* N doubles, each a whole row behind the one before. */
static int send_column(dvm_group_t *g, double m[N][N], int column, int to)
{
	dvm_layout_t *l;
	int rc = dvm_layout_vector(&l, N, 1, N, dvm_layout_of(DVM_DOUBLE));

	if (rc < 0)
		return rc;
	rc = dvm_sendl(g, &m[0][column], 1, l, to, TAG, DVM_SEND_STANDARD);
	dvm_layout_free(l);
	return rc;
}

static int run(dvm_t *d)
{
	int rank = dvm_rank(d), size = dvm_size(d), rc = 0;
	double m[N][N], row[N];

	for (int i = 0; i < N * N; i++)
		m[i / N][i % N] = i;
	if (rank + 1 < size)
		rc = send_column(dvm_world(d), m, 2, rank + 1);
	if (rc == 0 && rank > 0) {
		rc = dvm_recv(dvm_world(d), row, sizeof row, rank - 1, TAG, NULL);
		if (rc == 0)
			printf("%g %g %g %g\n", row[0], row[1], row[2], row[3]);
	}
	return rc;
}

int main(void)
{
	dvm_t *d;

	if (dvm_open(&d, NULL, NULL) < 0)
		return 1;
	int rc = run(d);
	if (rc < 0)
		fprintf(stderr, "rank %d: %s\n", dvm_rank(d), dvm_strerror(rc));
	return dvm_close(d) < 0 || rc < 0;
}
