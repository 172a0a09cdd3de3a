/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The nodes of a machine that live on this host, and how they were started: beside each node that
 * `dvm up` or `dvm join` started is a file `start` with the arguments to start it again.
 */
#ifndef DVMD_CLI_LOCAL_H
#define DVMD_CLI_LOCAL_H

#include "daemon/cli/cli.h"
#include "daemon/paths.h"

/* Nodes of ours (not those of root, for another user), in the order of their names. */
struct cli_local {
	struct dvmd_present *nodes;
	size_t n, alive;
};

/* An empty list where the machine is not known here. */
int cli_local_list(struct cli_local *out, const char *machine, dvm_error_t *err);
/* Asks those that seem alive: one that is just dying still has its socket. */
void cli_local_verify(struct cli_local *l);
void cli_local_free(struct cli_local *l);

/* Removes what NODE, which does not run, has left. */
int cli_local_remove(const struct dvmd_present *node, dvm_error_t *err);

/* Keeps ARGV (NULL-terminated; no newlines in it) in the node's run-time directory RUN. */
int cli_local_remember(const char *run, char *const *argv);
/* What was kept, NULL-terminated, to be freed with one free(); NULL where there is nothing. */
char **cli_local_recall(const char *run);

/* Name of the machine that is meant: as it was said, else the one that runs, else "default". */
int cli_local_machine(struct cli *c, dvm_error_t *err);

#endif
