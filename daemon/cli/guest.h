/* SPDX-License-Identifier: BSD-3-Clause */
/* The verbs of `dvm guest` that have a file of their own. */
#ifndef DVMD_CLI_GUEST_H
#define DVMD_CLI_GUEST_H

#include "daemon/cli/guest_run.h"

/*
 * What the verbs with one operand do first: parses with SET, finds the guest that is named and, if
 * ALIVE, insists that it runs. CLI_GO, or the exit code.
 */
int cli_guest_begin(struct cli *c, const struct cli_command *cmd, int argc, char **argv,
		    cli_option_fn *set, void *arg, bool alive, struct cli_guest *g);

extern const struct cli_command cli_guest_start_verb;
extern const struct cli_command cli_guest_list_verb;
extern const struct cli_command cli_guest_top_verb;

#endif
