/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm-pvm: PVM's part of a node. Not for people: libpvm3 and the agents themselves start it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "daemon/pvm/agent.h"

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	if (strcmp(verb, "serve") == 0) {
		int rc = pvm_serve();
		if (rc < 0 && rc != -EEXIST)
			fprintf(stderr, "dvm-pvm: %s\n", dvm_strerror(rc));
		return rc < 0 && rc != -EEXIST;
	}
	if (strcmp(verb, "attach") == 0)
		return pvm_attach(true) < 0;
	if (strcmp(verb, "find") == 0)
		return pvm_attach(false) < 0;
	if (strcmp(verb, "host") == 0)
		return pvm_host_status() < 0;
	if (strcmp(verb, "task") == 0) {
		signal(SIGPIPE, SIG_DFL);
		return pvm_task_main(argc - 2, argv + 2);
	}
	fprintf(stderr, "dvm-pvm is started by libpvm3\n");
	return 2;
}
