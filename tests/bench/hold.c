/* SPDX-License-Identifier: BSD-3-Clause */
/* Opens libdvm, meets the others once, says so and waits to be killed: for measuring memory. */
#include <stdio.h>
#include <unistd.h>

#include <dvm/dvm.h>

int main(void)
{
	dvm_t *d = NULL;
	dvm_error_t err;

	if (dvm_open(&d, NULL, &err) < 0) {
		fprintf(stderr, "hold: %s\n", err.text);
		return 1;
	}
	puts("open");
	fflush(stdout);
	pause();
	return 0;
}
