/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm requeue, suspend and resume: what the queue can do to jobs that run. */
#include "daemon/cli/commands.h"

static const struct dvmi_opt options[] = { CLI_GENERAL_OPTIONS };

static int ask(struct cli *c, const struct cli_command *cmd, int argc, char **argv,
	       Pb__QueueRequest *req)
{
	struct dvmi_opt_parser p;
	int rc = cli_options(c, cmd, argc, argv, &p, NULL, NULL);

	return rc != CLI_GO ? rc : cli_queue_change(c, cmd, p.operands, p.n_operands, req);
}

static int run_requeue(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	Pb__QueueRequest req = PB__QUEUE_REQUEST__INIT;

	req.what_case = PB__QUEUE_REQUEST__WHAT_REQUEUE;
	req.requeue = true;
	return ask(c, cmd, argc, argv, &req);
}

static int run_suspend(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	Pb__QueueRequest req = PB__QUEUE_REQUEST__INIT;

	req.what_case = PB__QUEUE_REQUEST__WHAT_SUSPENDED;
	req.suspended = cmd == &cli_cmd_suspend;
	return ask(c, cmd, argc, argv, &req);
}

const struct cli_command cli_cmd_requeue = {
	.opt = { .name = "dvm requeue",
		 .operands = "JOB…",
		 .brief = "end jobs that were submitted and let them wait again",
		 .text = "Each waits and runs again as a new job, which `dvm jobs JOB` names; `dvm wait` "
			 "and jobs that depend on it follow.",
		 .options = options,
		 .words = "@job",
		 .min_operands = 1 },
	.family = "The queue",
	.run = run_requeue,
};

const struct cli_command cli_cmd_suspend = {
	.opt = { .name = "dvm suspend",
		 .operands = "JOB…",
		 .brief = "stop the ranks of jobs; they keep their slots",
		 .options = options,
		 .words = "@job",
		 .min_operands = 1 },
	.family = "The queue",
	.run = run_suspend,
};

const struct cli_command cli_cmd_resume = {
	.opt = { .name = "dvm resume",
		 .operands = "JOB…",
		 .brief = "let suspended jobs go on",
		 .options = options,
		 .words = "@job",
		 .min_operands = 1 },
	.family = "The queue",
	.run = run_suspend,
};
