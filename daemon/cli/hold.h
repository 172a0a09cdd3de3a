/* SPDX-License-Identifier: BSD-3-Clause */
/* Holding a job from its request, or from attaching to it, to the exit status it leaves. */
#ifndef DVMD_CLI_HOLD_H
#define DVMD_CLI_HOLD_H

#include "daemon/cli/cli.h"
#include "daemon/cli/printer.h"

#define CLI_HOLD_WAIT (-2) /* from cli_hold_run(): try again when there may be room */

struct cli_hold_config {
	const struct cli *cli;
	enum cli_output output;
	const char *dir;	 /* of CLI_OUTPUT_DIR */
	uint64_t launch_timeout; /* ns until the ranks must run; 0: dvmd decides */
	bool report_bindings, quiet;
	bool may_wait; /* where it is not its turn: CLI_HOLD_WAIT, without a message */
};

/*
 * Runs until the job has ended and its output is out, and returns the exit status; does not return
 * where a signal ended the job, since then this process ends by the same one.
 */
int cli_hold_run(const struct cli_hold_config *config, const Pb__RunRequest *req);
int cli_hold_attach(const struct cli_hold_config *config, uint64_t job);

#endif
