/* SPDX-License-Identifier: BSD-3-Clause */
/* dvmd's command line and dvm.conf. */
#ifndef DVMD_ARGS_H
#define DVMD_ARGS_H

#include "daemon/conf.h"
#include "daemon/paths.h"

struct dvmd_args {
	struct dvmd_conf conf;
	struct dvmd_paths_want want;
	const char *config, *join, *host;
	bool found, foreground;
	int token_fd, ready_fd;
};

/*
 * Reads dvm.conf, over it what the environment says, and over both the command line. 0; 1: asked for
 * help or the version, which has been printed; -E… and ERR. A is to be freed in each case; what it
 * points to is ARGV's.
 */
int dvmd_args_read(struct dvmd_args *a, int argc, char **argv, dvm_error_t *err);
void dvmd_args_free(struct dvmd_args *a);

#endif
