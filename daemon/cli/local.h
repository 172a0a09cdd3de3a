/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The nodes of a machine that live on this host: their run-time directories, which of them run,
 * and how they were started.
 */
#ifndef DVMD_CLI_LOCAL_H
#define DVMD_CLI_LOCAL_H

#include <stdbool.h>
#include <stddef.h>

#include "dvm/error.h"

struct cli_local_node {
	char *name;
	char *dir;  /* its run-time directory */
	bool alive; /* answers on its socket */
	bool ours;  /* started by this command line: how is written beside it */
};

struct cli_local {
	struct cli_local_node *nodes; /* in the order of their names: node2 before node10 */
	size_t n, alive;
};

/* Where this user's nodes of MACHINE are: malloc'ed, not created. NULL: out of memory. */
char *cli_local_base(const char *machine);

/* Creates BASE/NAME, private to the user but for root's, with its parents. */
int cli_local_make(const char *base, const char *name, dvm_error_t *err);

/* The nodes found under BASE. An absent directory is an empty list. */
int cli_local_list(struct cli_local *out, const char *base, dvm_error_t *err);
void cli_local_free(struct cli_local *l);

/* A lock on BASE, so that two `dvm up` do not get into each other's way: a descriptor. */
int cli_local_lock(const char *base, dvm_error_t *err);

/* Removes what a node that does not run has left. */
int cli_local_remove(const char *base, const char *name);
/* Removes BASE itself where it is empty. */
void cli_local_remove_base(const char *base);

/* One line a word: kept beside a node to start it again as it was. Mode 0600. */
int cli_local_remember(const char *dir, char *const *argv);
/* NULL-terminated and malloc'ed in one piece; NULL where there is none. */
char **cli_local_recall(const char *dir);

#endif
