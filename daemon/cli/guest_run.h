/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest is a job: one rank for each of its hosts, dvm-vmm, the first of which answers under the guest's name on its host. So what is
 * done to a guest is done by `dvm run` and its kin, whose command lines are made here.
 */
#ifndef DVMD_CLI_GUEST_RUN_H
#define DVMD_CLI_GUEST_RUN_H

#include <jansson.h>

#include "daemon/cli/cli.h"

#define CLI_GUEST_WORDS 128u
#define CLI_GUEST_HOSTS 64u

/* A command line in the making; words are borrowed. */
struct cli_guest_line {
	const char *words[CLI_GUEST_WORDS + 1];
	int n;
	bool full;
};

void cli_guest_add(struct cli_guest_line *l, const char *word);

/* Where a guest is to run. */
struct cli_guest_place {
	const char *host; /* which nodes may be used, with commas; NULL: any */
	uint32_t hosts;	  /* on how many of them, at once; 0: one */
};

/* A guest as the machine knows it. */
struct cli_guest {
	uint64_t job, next; /* next: as which it waits again; 0: it does not */
	char name[64], state[24], node[DVMD_NAME_MAX + 1];
	char user[64]; /* whose it is; may be empty */
	bool mine, ended;
	int exit_code; /* where it has ended, */
	char reason[256]; /* ... and why; may be empty */
	uint64_t submitted;
};

/* -EINVAL for what cannot be a guest's name. */
int cli_guest_check_name(const char *name, dvm_error_t *err);

/* The guest called NAME, one's own before others'; if all have ended the last one, of one's own if there
 * is any. -ENOENT. */
int cli_guest_find(const struct cli *c, const char *name, struct cli_guest *g, dvm_error_t *err);

/* Calls EACH for every job that is a guest, ALL: ended ones, too. */
typedef void cli_guest_each_fn(const Pb__JobInfo *j, const char *name, void *arg);
int cli_guest_each(const struct cli *c, bool all, cli_guest_each_fn *each, void *arg,
		   dvm_error_t *err);

/* Prints G as a JSON object, *name*, *job*, *node* and KEY with VALUE, which is consumed. */
int cli_guest_print(const struct cli_guest *g, const char *key, json_t *value);

/* Starts NAME with the words of RUN for its job, and of VMM behind dvm-vmm's own; says so, perhaps as
 * JSON. An exit status. */
int cli_guest_start(struct cli *c, const char *name, const struct cli_guest_place *place,
		    const struct cli_guest_line *run, const struct cli_guest_line *vmm, bool json);
/* Asks the guest on its host for WHAT, which only its user can; what it answers is printed as OUTPUT says ("raw", "json"). */
int cli_guest_ask(struct cli *c, const struct cli_guest *g, const char *what, const char *output);

#endif
