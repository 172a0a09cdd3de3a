/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm-guest-file FILE: guest.yaml as strings for `dvm guest start`, a program of its own so that
 * `dvm` starts without the YAML library. Its message, if there is one, is a line on stderr.
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/guestfile.h"
#include "daemon/yaml.h"
#include "libdvm/base/cleanup.h"

int main(int argc, char **argv)
{
	cleanup_free char *text = malloc(DVMD_YAML_MAX + 1);
	struct dvmi_buf out = { 0 };
	dvm_error_t err = { .text = "usage: dvm-guest-file FILE" };
	int n = -1;

	if (argc == 2 && text)
		n = dvmd_yaml_read(argv[1], text, &err);
	if (n >= 0)
		n = dvmd_guestfile_parse(argv[1], text, (size_t)n, &out, &err);
	if (n < 0)
		fprintf(stderr, "%s\n", err.text);
	else if (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout))
		n = -1;
	dvmi_buf_free(&out);
	return n < 0 ? 1 : 0;
}
