/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm cancel and dvm signal: the same request, once to end a job and once as it is. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/signals.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

struct choice {
	uint64_t grace; /* ns from TERM to KILL */
	bool now;
};

enum { NOW = 1, GRACE };

static const struct dvmi_opt cancel_options[] = {
	{ NOW, 0, "now", NULL, NULL, "How", "kill at once, without TERM first", NULL },
	{ GRACE, 0, "grace", NULL, "TIME", NULL, "time from TERM to KILL (default: 2s)", NULL },
	CLI_GENERAL_OPTIONS,
};

static const struct dvmi_opt signal_options[] = { CLI_GENERAL_OPTIONS };

static int send_signal(struct cli *c, const Pb__JobSignal *sig)
{
	dvm_error_t err;

	if (cli_ask(c, DVMI_MSG_SIGNAL, sig, NULL, NULL, &err) < 0) {
		cli_say(c, "job %" PRIu64 ": %s", sig->job, err.text);
		return CLI_FAILED;
	}
	return 0;
}

static int set_cancel(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *choice = arg;

	if (id == GRACE)
		return dvmi_opt_duration(p, &choice->grace, err);
	choice->now = true;
	return 0;
}

static int run_cancel(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct choice choice = { .grace = 2 * DVMI_SEC };
	Pb__JobSignal sig = PB__JOB_SIGNAL__INIT;
	struct dvmi_opt_parser p;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set_cancel, &choice);

	if (rc != CLI_GO)
		return rc;
	sig.signal = choice.now ? SIGKILL : SIGTERM;
	sig.end = true;
	sig.grace_ns = choice.now ? 0 : choice.grace;
	sig.reason = (char *)"cancelled";
	rc = 0;
	for (int i = 0; i < p.n_operands; i++)
		if (cli_job_parse(p.operands[i], &sig.job, &err) < 0)
			return cli_usage(c, cmd, &err);
	for (int i = 0; i < p.n_operands; i++) {
		cli_job_parse(p.operands[i], &sig.job, &err);
		rc |= send_signal(c, &sig);
	}
	return rc;
}

/* As it is documented, or the other way round where only that makes sense. */
static int parse_signal(char *const words[2], int *number, uint64_t *job, dvm_error_t *err)
{
	dvm_error_t swapped;

	if (cli_signal_parse(words[0], number, err) == 0)
		return cli_job_parse(words[1], job, err);
	if (cli_signal_parse(words[1], number, &swapped) == 0 &&
	    cli_job_parse(words[0], job, &swapped) == 0)
		return 0;
	return -EINVAL;
}

static int run_signal(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	Pb__JobSignal sig = PB__JOB_SIGNAL__INIT;
	struct dvmi_opt_parser p;
	dvm_error_t err;
	int number = 0, rc = cli_options(c, cmd, argc, argv, &p, NULL, NULL);

	if (rc != CLI_GO)
		return rc;
	if (parse_signal(p.operands, &number, &sig.job, &err) < 0)
		return cli_usage(c, cmd, &err);
	sig.signal = number;
	return send_signal(c, &sig);
}

const struct cli_command cli_cmd_cancel = {
	.opt = { .name = "dvm cancel",
		 .operands = "JOB…",
		 .brief = "end jobs: TERM to their ranks, KILL a little later",
		 .options = cancel_options,
		 .words = "@job",
		 .min_operands = 1 },
	.family = "Jobs",
	.run = run_cancel,
};

const struct cli_command cli_cmd_signal = {
	.opt = { .name = "dvm signal",
		 .operands = "SIGNAL JOB",
		 .brief = "send a signal to the ranks of a job",
		 .options = signal_options,
		 .words = "@job",
		 .min_operands = 2,
		 .max_operands = 2 },
	.family = "Jobs",
	.run = run_signal,
};
