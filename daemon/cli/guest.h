/* SPDX-License-Identifier: BSD-3-Clause */
/* The verbs of `dvm guest` that have a file of their own. */
#ifndef DVMD_CLI_GUEST_H
#define DVMD_CLI_GUEST_H

#include "daemon/cli/guest_run.h"

extern const struct cli_command cli_guest_start_verb;
extern const struct cli_command cli_guest_list_verb;
extern const struct cli_command cli_guest_top_verb;

#endif
