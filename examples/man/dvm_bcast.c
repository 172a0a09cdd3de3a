/* SPDX-License-Identifier: BSD-3-Clause */
/* Pi by slices: rank 0 says how many, each rank adds up its own, all get the sum. */
#include <stdint.h>
#include <stdio.h>

#include <dvm/coll.h>
#include <dvm/dvm.h>

static double slices(uint64_t n, int rank, int size)
{
	double sum = 0;

	for (uint64_t i = (uint64_t)rank; i < n; i += (uint64_t)size) {
		double x = ((double)i + 0.5) / (double)n;
		sum += 4 / (1 + x * x);
	}
	return sum / (double)n;
}

int main(void)
{
	uint64_t n = 0;
	double mine, pi = 0;
	dvm_t *d;

	if (dvm_open(&d, NULL, NULL) < 0)
		return 1;
	if (dvm_rank(d) == 0)
		n = 1000000;
	int rc = dvm_bcast(dvm_world(d), &n, sizeof n, 0);
	if (rc == 0) {
		mine = slices(n, dvm_rank(d), dvm_size(d));
		rc = dvm_allreduce(dvm_world(d), &mine, &pi, 1, DVM_DOUBLE, DVM_SUM);
	}
	if (rc < 0)
		fprintf(stderr, "rank %d: %s\n", dvm_rank(d), dvm_strerror(rc));
	else if (dvm_rank(d) == 0)
		printf("pi is %.9f\n", pi);
	return dvm_close(d) < 0 || rc < 0;
}
