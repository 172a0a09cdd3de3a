/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/hold.h"
#include "daemon/cli/jobspec.h"
#include "daemon/cli/turn.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

static int start(struct cli *c, const struct cli_jobspec *js)
{
	struct cli_hold_config config = { .cli = c,
					  .output = js->output,
					  .dir = js->dir,
					  .launch_timeout = js->launch_timeout,
					  .report_bindings = js->report_bindings,
					  .quiet = js->quiet,
					  .may_wait = !js->no_wait && !js->dry_run };
	Pb__RunRequest req;

	if (js->unset && !js->quiet)
		cli_say(c, "-x %s: it is not set here, and will not be for the ranks", js->unset);
	pb__run_request__init(&req);
	req.spec = js->spec;
	req.dry_run = js->dry_run;
	req.report_bindings = js->report_bindings;
	int rc = cli_hold_run(&config, &req);
	while (rc == CLI_HOLD_WAIT) {
		rc = cli_turn_wait(c, js->spec, js->quiet, &req.ticket);
		if (rc == 0)
			rc = cli_hold_run(&config, &req);
	}
	return rc;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct dvmi_opt_parser p;
	struct cli_jobspec js;
	dvm_error_t err;

	int rc = cli_jobspec_here(&js);
	if (rc < 0)
		return cli_failf(c, "the environment here: %s", dvm_strerror(rc));
	rc = cli_options(c, cmd, argc, argv, &p, cli_jobspec_set, &js);
	if (rc == CLI_GO) {
		rc = cli_programs_finish(&js, &cmd->opt, p.operands, (size_t)p.n_operands, &err);
		rc = rc < 0 ? cli_usage(c, cmd, &err) : start(c, &js);
	}
	cli_jobspec_free(&js);
	return rc;
}

const struct cli_command cli_cmd_run = {
	.opt = { .name = "dvm run",
		 .operands = "PROG [ARG]… [: PROG [ARG]…]…",
		 .brief = "run a program on the machine and wait for it",
		 .text = "Starts PROG once a rank and passes its output, input and signals on. The "
			 "exit "
			 "code is that of the first rank that failed (128 + N for signal N), 124 "
			 "after "
			 "--timeout, 0 only when every rank returned 0.\n\n"
			 "Behind a \":\" follows one more program of the same job, perhaps with -n, -x and "
			 "--wdir of its own in front of it. It has the ranks behind those of the one "
			 "before; without -n that is one.\n\n"
			 "Ctrl-C ends the job: its ranks get TERM and 2 seconds; pressed again, "
			 "they "
			 "are killed at once; a third time, the prompt comes back whatever "
			 "happens. "
			 "Ctrl-Z stops the ranks, too.",
		 .options = cli_run_options,
		 .stop_at_operand = true,
		 .min_operands = 1 },
	.family = "Jobs",
	.run = run,
};

const struct cli_command cli_cmd_dvmrun = {
	.opt = { .name = "dvmrun",
		 .operands = "PROG [ARG]… [: PROG [ARG]…]…",
		 .brief = "run a parallel program, spelled as mpirun is",
		 .text = "The same as `dvm run`, with the options people know from mpirun and "
			 "mpiexec.",
		 .options = cli_dvmrun_options,
		 .stop_at_operand = true,
		 .min_operands = 1 },
	.run = run,
};
