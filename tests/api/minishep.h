/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A minimal shepherd for tests: one process that plays the shepherd of every node of a job, with
 * all nodes on this host. Serves libdvm/proto/rank.h and nothing else.
 */
#ifndef TESTS_API_MINISHEP_H
#define TESTS_API_MINISHEP_H

#include <stdbool.h>
#include <stdint.h>

struct mini_options {
	uint32_t ranks, nodes; /* rank r lives on node r * nodes / ranks */
	uint32_t cores;	       /* what the job map says, per node */
	const char *interfaces; /* of the nodes, separated by commas; NULL: 127.0.0.1 */
	unsigned seconds;      /* then everything is killed and the result is 124 */
	bool kills_are_good;   /* a rank that died of SIGKILL is no failure */
	char **argv;	       /* the program */
};

/* Runs the job. The first failing rank's exit code, 128 + signal, or 0. */
int mini_run(const struct mini_options *opt);

/* A text given to dvm_abort() that makes the shepherd close all its sockets and live on. */
#define MINI_VANISH "mini:vanish"

#endif
