/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "libdvm/base/clock.h"

#define POLL_FIRST (10 * DVMI_MSEC)
#define POLL_MAX   (500 * DVMI_MSEC)

static const struct dvmi_opt options[] = { CLI_GENERAL_OPTIONS };

static void pause_for(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / DVMI_SEC),
			       .tv_nsec = (long)(ns % DVMI_SEC) };

	nanosleep(&ts, NULL);
}

/* A job, or an array, that is waited for. */
struct awaited {
	uint64_t job; /* its id by now: one that was put back into the queue has a new one */
	bool seen;
	int code; /* of the first task, by number, that has failed so far and is remembered */
};

/* The exit code once it is over, -1 while it is not, CLI_FAILED with a message. */
static int look(struct cli *c, struct awaited *a)
{
	Pb__JobsRequest req = PB__JOBS_REQUEST__INIT;
	cleanup_pb Pb__JobsReply *r = NULL;
	dvm_error_t err;

	req.progress = true;
	req.job = a->job;
	int rc = cli_ask(c, DVMI_MSG_JOBS, &req, &pb__jobs_reply__descriptor, &r, &err);
	if (rc == -ENOENT && a->seen)
		return a->code; /* over, and so long ago that it is forgotten */
	if (rc < 0)
		return cli_fail(c, &err);
	if (!r->progress)
		return cli_failf(c, "the daemon does not say how far job %" PRIu64 " is", a->job);
	a->seen = true;
	a->job = r->progress->job;
	if (r->progress->exit_code & 0xff)
		a->code = r->progress->exit_code & 0xff;
	return r->progress->left ? -1 : a->code;
}

int cli_wait_for(struct cli *c, uint64_t job)
{
	struct awaited a = { .job = job };
	int rc;

	for (uint64_t wait = POLL_FIRST; (rc = look(c, &a)) < 0;
	     wait = wait * 2 < POLL_MAX ? wait * 2 : POLL_MAX)
		pause_for(wait);
	return rc;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct dvmi_opt_parser p;
	dvm_error_t err;
	uint64_t job;
	int first = 0, rc = cli_options(c, cmd, argc, argv, &p, NULL, NULL);

	if (rc != CLI_GO)
		return rc;
	for (int i = 0; i < p.n_operands; i++)
		if (cli_job_parse(p.operands[i], &job, &err) < 0)
			return cli_usage(c, cmd, &err);
	for (int i = 0; i < p.n_operands; i++) {
		cli_job_parse(p.operands[i], &job, &err);
		rc = cli_wait_for(c, job);
		first = first ? first : rc;
	}
	return first;
}

const struct cli_command cli_cmd_wait = {
	.opt = { .name = "dvm wait",
		 .operands = "JOB…",
		 .brief = "wait for the end of jobs; exit as the first of them that failed",
		 .options = options,
		 .words = "@job",
		 .min_operands = 1,
		 .text = "The id of an array means all of its tasks." },
	.family = "Jobs",
	.run = run,
};
