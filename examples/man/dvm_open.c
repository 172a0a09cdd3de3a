/* SPDX-License-Identifier: BSD-3-Clause */
/* Opens the library, says where this rank is, and closes it. */
#include <stdio.h>

#include <dvm/dvm.h>

static void say(int level, const char *subsys, const char *text, void *arg)
{
	fprintf(stderr, "libdvm: %s: %s\n", subsys, text);
}

int main(void)
{
	const dvm_config_t config = { .size = sizeof config, .log_level = 4, .log = say };
	dvm_error_t err;
	dvm_t *d;

	if (dvm_open(&d, &config, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	printf("rank %d of %d, node %d of %d\n", dvm_rank(d), dvm_size(d), dvm_node(d),
	       dvm_num_nodes(d));
	return dvm_close(d) < 0;
}
