/* SPDX-License-Identifier: BSD-3-Clause */
/* A table that all ranks write to, each its own entries, and then all read. */
#include <stdio.h>

#include <dvm/coll.h>
#include <dvm/dvm.h>
#include <dvm/mem.h>

enum { N = 6000 };

static int run(dvm_t *d)
{
	dvm_seg_config_t config = { .size = sizeof config, .bytes = N * sizeof(long) };
	dvm_error_t err;
	dvm_seg_t *seg;
	long sum = 0;
	int rc = dvm_seg_create(dvm_world(d), &config, &seg, &err);

	if (rc < 0) {
		fprintf(stderr, "%s\n", err.text);
		return rc;
	}
	/* Plain memory, at the same address everywhere. */
	long *table = dvm_seg_base(seg);
	for (int i = dvm_rank(d); i < N; i += dvm_size(d))
		table[i] = i;
	rc = dvm_barrier(dvm_world(d));
	for (int i = 0; i < N; i++)
		sum += table[i];
	if (dvm_rank(d) == 0)
		printf("%d entries by %d ranks add up to %ld\n", N, dvm_size(d), sum);
	int ended = dvm_seg_destroy(seg);
	return rc < 0 ? rc : ended;
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
