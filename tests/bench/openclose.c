/* SPDX-License-Identifier: BSD-3-Clause */
/* Opens and closes libdvm: what tests/bench/launch times against MPI_Init and MPI_Finalize. */
#include <stdio.h>

#include <dvm/dvm.h>

int main(void)
{
	dvm_t *d = NULL;
	dvm_error_t err;

	if (dvm_open(&d, NULL, &err) < 0) {
		fprintf(stderr, "openclose: %s\n", err.text);
		return 1;
	}
	dvm_close(d);
	return 0;
}
