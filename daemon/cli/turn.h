/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for one's turn in the queue, as a person does: it is said for what, and Ctrl-C ends it. */
#ifndef DVMD_CLI_TURN_H
#define DVMD_CLI_TURN_H

#include "daemon/cli/cli.h"

/*
 * Waits until SPEC may run, as *TICKET (0: a new one). 0, or the exit status after a message; does not
 * return when a signal ended it.
 */
int cli_turn_wait(struct cli *c, const Pb__JobSpec *spec, bool quiet, uint64_t *ticket);

#endif
