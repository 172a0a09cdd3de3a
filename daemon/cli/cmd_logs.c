/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm logs: the output a job has left; dvm attach: the one it is giving. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/hold.h"
#include "daemon/cli/jobspec.h"
#include "daemon/cli/relay.h"
#include "libdvm/base/err.h"
#include "libdvm/base/idset.h"

#define RANK_LIST_MAX 65536 /* ranks one request may name */

struct choice {
	enum cli_output output;
	const char *dir;
	struct dvmi_idset ranks;
	bool follow, quiet;
};

enum { RANKS = 1, FOLLOW, OUTPUT, QUIET };

/* clang-format off */
#define OUTPUT_OPTION \
	{ OUTPUT, 0, "output", NULL, "HOW", NULL, \
	  "raw, lines, tag, json or dir=D, as of `dvm run`", "raw lines tag json dir=" }
/* clang-format on */

static const struct dvmi_opt logs_options[] = {
	{ RANKS, 'r', "ranks", NULL, "LIST", "Output", "only of these ranks: 0-3,7", NULL },
	{ FOLLOW, 'f', "follow", NULL, NULL, NULL, "go on until the job has ended", NULL },
	OUTPUT_OPTION,
	CLI_GENERAL_OPTIONS,
};

static const struct dvmi_opt attach_options[] = {
	{ QUIET, 'q', "quiet", NULL, NULL, "Output", "no notes and warnings, only errors", NULL },
	OUTPUT_OPTION,
	CLI_GENERAL_OPTIONS,
};

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *c = arg;

	switch (id) {
	case RANKS:
		if (dvmi_idset_parse(&c->ranks, p->arg, DVMI_IDSET_MAX) < 0)
			return dvmi_opt_bad(p, err, "expected ranks such as 0-3,7");
		if (dvmi_idset_count(&c->ranks) > RANK_LIST_MAX)
			return dvmi_opt_bad(p, err, "more than %d ranks; leave it out for all",
					    RANK_LIST_MAX);
		return 0;
	case OUTPUT:
		return cli_output_parse(p->arg, &c->output, &c->dir, err);
	case FOLLOW:
		c->follow = true;
		return 0;
	default:
		c->quiet = true;
		return 0;
	}
}

struct printing {
	struct cli_printer *printer;
	uint64_t job;
};

static int print_output(const void *msg, void *arg)
{
	const struct printing *p = arg;
	const Pb__Output *o = msg;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < o->n_chunks; i++)
		rc = cli_printer_chunk(p->printer, p->job, o->chunks[i]);
	return rc == 0 ? cli_printer_flush(p->printer) : rc;
}

/* Names of nodes for --output json, files for --output dir. */
static int tell_placement(struct cli *c, struct cli_printer *printer, uint64_t job,
			  dvm_error_t *err)
{
	Pb__JobsRequest req = PB__JOBS_REQUEST__INIT;
	cleanup_pb Pb__JobsReply *r = NULL;

	req.all = true;
	req.job = job;
	int rc = cli_ask(c, DVMI_MSG_JOBS, &req, &pb__jobs_reply__descriptor, &r, err);
	if (rc < 0)
		return rc;
	if (!r->n_jobs)
		return dvmi_error_set(err, -ENOENT, "there is no job %" PRIu64, job);
	if (r->jobs[0]->placement &&
	    (rc = cli_printer_placement(printer, job, r->jobs[0]->placement)) < 0)
		return dvmi_error_code(err, rc, "writing the output");
	return 0;
}

static int fetch(struct cli *c, struct cli_printer *printer, const Pb__LogsRequest *req)
{
	struct printing p = { printer, req->job };
	dvm_error_t err = { 0 };
	int rc = tell_placement(c, printer, req->job, &err);

	if (rc == 0)
		rc = cli_ask_stream(c, DVMI_MSG_LOGS, req, &pb__output__descriptor, print_output,
				    &p, &err);
	int last = cli_printer_finish(printer);
	if (last == -EPIPE)
		cli_relay_die(SIGPIPE);
	if (last < 0)
		return cli_failf(c, "writing the output: %s", dvm_strerror(last));
	return rc < 0 ? cli_fail(c, &err) : 0;
}

static int list_ranks(const struct dvmi_idset *set, Pb__LogsRequest *req)
{
	size_t count = (size_t)dvmi_idset_count(set);

	req->ranks = calloc(count + 1, sizeof *req->ranks);
	if (!req->ranks)
		return -ENOMEM;
	for (size_t i = 0; i < set->n; i++)
		for (uint32_t r = set->r[i].lo; r <= set->r[i].hi; r++)
			req->ranks[req->n_ranks++] = r;
	return 0;
}

static int logs(struct cli *c, const struct choice *choice, uint64_t job)
{
	struct cli_printer_config pc = { .output = choice->output,
					 .out = STDOUT_FILENO,
					 .err = STDERR_FILENO,
					 .dir = choice->dir,
					 .job = job };
	Pb__LogsRequest req = PB__LOGS_REQUEST__INIT;
	struct cli_printer *printer;
	int rc = cli_printer_create(&printer, &pc);

	if (rc < 0)
		return cli_failf(c, "%s: %s", choice->dir ? choice->dir : "output",
				 dvm_strerror(rc));
	req.job = job;
	req.follow = choice->follow;
	rc = list_ranks(&choice->ranks, &req);
	rc = rc < 0 ? cli_failf(c, "out of memory") : fetch(c, printer, &req);
	free(req.ranks);
	cli_printer_destroy(printer);
	return rc;
}

/* Its output comes to the node it was submitted on: anywhere else it is fetched. */
static bool is_elsewhere(struct cli *c, uint64_t job)
{
	Pb__JobsRequest req = PB__JOBS_REQUEST__INIT;
	cleanup_pb Pb__JobsReply *r = NULL;
	cleanup_pb Pb__InfoReply *here = NULL;
	dvm_error_t err;

	req.all = true;
	req.job = job;
	return cli_ask(c, DVMI_MSG_JOBS, &req, &pb__jobs_reply__descriptor, &r, &err) == 0 &&
	       r->n_jobs && r->jobs[0]->detached && r->jobs[0]->started &&
	       cli_ask(c, DVMI_MSG_INFO, NULL, &pb__info_reply__descriptor, &here, &err) == 0 &&
	       strcmp(here->name, r->jobs[0]->origin) != 0;
}

static int attach_elsewhere(struct cli *c, const struct choice *choice, uint64_t job)
{
	struct choice from_now = *choice;

	from_now.follow = true;
	int rc = logs(c, &from_now, job);
	return rc == 0 ? cli_wait_for(c, job) : rc;
}

static int attach(struct cli *c, const struct choice *choice, uint64_t job)
{
	if (is_elsewhere(c, job))
		return attach_elsewhere(c, choice, job);
	struct cli_hold_config config = {
		.cli = c, .output = choice->output, .dir = choice->dir, .quiet = choice->quiet
	};

	return cli_hold_attach(&config, job);
}

static int with_job(struct cli *c, const struct cli_command *cmd, int argc, char **argv,
		    int (*fn)(struct cli *, const struct choice *, uint64_t))
{
	struct choice choice = { 0 };
	struct dvmi_opt_parser p;
	dvm_error_t err;
	uint64_t job;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &choice);

	if (rc == CLI_GO)
		rc = cli_job_parse(p.operands[0], &job, &err) < 0 ? cli_usage(c, cmd, &err)
								  : fn(c, &choice, job);
	dvmi_idset_free(&choice.ranks);
	return rc;
}

static int run_logs(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	return with_job(c, cmd, argc, argv, logs);
}

static int run_attach(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	return with_job(c, cmd, argc, argv, attach);
}

const struct cli_command cli_cmd_logs = {
	.opt = { .name = "dvm logs",
		 .operands = "JOB",
		 .brief = "print the output of a job, running or finished",
		 .text = "Each node keeps a bounded part of its ranks' output until the job is "
			 "forgotten.",
		 .options = logs_options,
		 .words = "@job",
		 .min_operands = 1,
		 .max_operands = 1 },
	.family = "Jobs",
	.run = run_logs,
};

const struct cli_command cli_cmd_attach = {
	.opt = { .name = "dvm attach",
		 .operands = "JOB",
		 .brief = "take up a detached job: its output, its signals, its exit code",
		 .text = "Shows what the job prints from now on; `dvm logs` has what it printed "
			 "before. "
			 "The ranks' input stays closed. Ctrl-C ends the job, as in `dvm run`; if "
			 "dvm attach goes away in another way, a detached job goes on, and can be "
			 "attached to again. On another node than it was submitted on it also shows "
			 "what the job has printed before, and Ctrl-C leaves the job alone. It is not held back by a terminal that does not keep "
			 "up: after 2 s, output is dropped there.",
		 .options = attach_options,
		 .words = "@job",
		 .min_operands = 1,
		 .max_operands = 1 },
	.family = "Jobs",
	.run = run_attach,
};
