/* SPDX-License-Identifier: BSD-3-Clause */
/* A counter at rank 0 that all others add to, without rank 0 receiving anything. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <dvm/am.h>
#include <dvm/dvm.h>

enum { ADD = 1, TIMES = 1000 };

/* Runs in whatever call rank 0 is in. */
static void add(dvm_group_t *g, int source, const void *head, size_t head_len, const void *payload,
		size_t len, void *arg)
{
	uint64_t *counter = arg, n;

	if (head_len == sizeof n) {
		memcpy(&n, head, sizeof n);
		*counter += n;
	}
}

int main(void)
{
	uint64_t counter = 0;
	dvm_t *d;

	if (dvm_open(&d, NULL, NULL) < 0)
		return 1;
	dvm_group_t *world = dvm_world(d);
	uint64_t n = (uint64_t)dvm_rank(d), wanted = 0;
	int rc = dvm_am_register(world, ADD, add, &counter);

	for (int i = 0; i < TIMES && rc == 0 && n > 0; i++)
		rc = dvm_am_send(world, 0, ADD, &n, sizeof n, NULL, 0);
	for (int i = 1; i < dvm_size(d); i++)
		wanted += (uint64_t)i * TIMES;
	while (rc >= 0 && dvm_rank(d) == 0 && counter < wanted)
		rc = dvm_progress(d, -1);
	if (rc < 0)
		fprintf(stderr, "rank %d: %s\n", dvm_rank(d), dvm_strerror(rc));
	else if (n == 0)
		printf("%llu\n", (unsigned long long)counter);
	return dvm_close(d) < 0 || rc < 0;
}
