/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm hold, release, update and why: what can be done to a job that waits. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/show.h"
#include "daemon/cli/submission.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

static const struct dvmi_opt no_options[] = { CLI_GENERAL_OPTIONS };

int cli_queue_change(struct cli *c, const struct cli_command *cmd, char **jobs, int n,
		  Pb__QueueRequest *req)
{
	dvm_error_t err;
	int rc = 0;

	for (int i = 0; i < n; i++)
		if (cli_job_parse(jobs[i], &req->job, &err) < 0)
			return cli_usage(c, cmd, &err);
	for (int i = 0; i < n; i++) {
		cli_job_parse(jobs[i], &req->job, &err);
		if (cli_ask(c, DVMI_MSG_QUEUE, req, NULL, NULL, &err) < 0)
			rc = cli_fail(c, &err);
	}
	return rc;
}

static int set_held(struct cli *c, const struct cli_command *cmd, int argc, char **argv, bool held)
{
	Pb__QueueRequest req = PB__QUEUE_REQUEST__INIT;
	struct dvmi_opt_parser p;
	int rc = cli_options(c, cmd, argc, argv, &p, NULL, NULL);

	req.what_case = PB__QUEUE_REQUEST__WHAT_HELD;
	req.held = held;
	return rc != CLI_GO ? rc : cli_queue_change(c, cmd, p.operands, p.n_operands, &req);
}

static int run_hold(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	return set_held(c, cmd, argc, argv, true);
}

static int run_release(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	return set_held(c, cmd, argc, argv, false);
}

/* ---- update ---- */

enum { PRIORITY = 1, TIME, BEGIN };

static const struct dvmi_opt update_options[] = {
	{ PRIORITY, 0, "priority", NULL, "P", "What", "-1000 … 1000", NULL },
	{ TIME, 't', "time", NULL, "TIME", NULL, "how long it may run (0: without limit)", NULL },
	{ BEGIN, 0, "begin", NULL, "WHEN", NULL, "not before WHEN, as for `dvm submit`", NULL },
	CLI_GENERAL_OPTIONS,
};

struct update {
	Pb__QueueRequest req[4]; /* by option */
};

static int set_update(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct update *u = arg;
	Pb__QueueRequest *r = &u->req[id];

	switch (id) {
	case PRIORITY:
		r->what_case = PB__QUEUE_REQUEST__WHAT_PRIORITY;
		return cli_submission_priority(p->arg, &r->priority, err);
	case TIME:
		r->what_case = PB__QUEUE_REQUEST__WHAT_LIMIT_NS;
		return dvmi_opt_duration(p, &r->limit_ns, err);
	default:
		r->what_case = PB__QUEUE_REQUEST__WHAT_DELAY_NS;
		return cli_submission_begin(p->arg, dvmi_clock_wall(), &r->delay_ns, err);
	}
}

static int run_update(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct update u;
	struct dvmi_opt_parser p;
	dvm_error_t err;
	bool any = false;

	for (int i = 0; i < 4; i++)
		pb__queue_request__init(&u.req[i]);
	int rc = cli_options(c, cmd, argc, argv, &p, set_update, &u);
	if (rc != CLI_GO)
		return rc;
	rc = 0;
	for (int i = 0; i < 4 && rc == 0; i++) {
		if (u.req[i].what_case == PB__QUEUE_REQUEST__WHAT__NOT_SET)
			continue;
		any = true;
		rc = cli_queue_change(c, cmd, p.operands, p.n_operands, &u.req[i]);
	}
	if (any)
		return rc;
	dvmi_error_set(&err, -EINVAL, "nothing to change: --priority, --time or --begin");
	return cli_usage(c, cmd, &err);
}

/* ---- why ---- */

enum { JSON = 1 };

static const struct dvmi_opt why_options[] = {
	{ JSON, 0, "json", NULL, NULL, "Output", "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

static int set_why(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	*(bool *)arg = true;
	return 0;
}

/* A job that runs may still have something to do with those who wait. */
static void print_lent(const Pb__JobInfo *j)
{
	if (j->ranks_max && j->ranks_all)
		printf("job %" PRIu64 " has %u ranks of the %u it may have while nobody waits\n", j->id,
		       j->ranks_all, j->ranks_max);
	if (j->lent)
		printf("job %" PRIu64 " is growth of job %" PRIu64 ": it is lent\n", j->id, j->parent);
	if (j->wanted_by)
		printf("job %" PRIu64 " has been asked to leave for job %" PRIu64 "\n", j->id,
		       j->wanted_by);
}

static void print_why(const Pb__JobInfo *j)
{
	char text[CLI_TIME_MAX];
	uint64_t now = dvmi_clock_wall();

	if (!*j->why) {
		printf("job %" PRIu64 " is %s%s%s\n", j->id, j->state, *j->reason ? ": " : "",
		       j->reason);
		print_lent(j);
		return;
	}
	printf("job %" PRIu64 " waits (%s): %s\n", j->id, j->why, j->reason);
	if (j->expected > now)
		printf("job %" PRIu64 " is expected to start in %s\n", j->id,
		       cli_time_span(j->expected - now, text));
}

static json_t *why_json(const Pb__JobInfo *j)
{
	json_t *o = json_pack("{s:I, s:o, s:o, s:o}", "id", (json_int_t)j->id, "state",
			      cli_json_string(j->state), "why",
			      *j->why ? cli_json_string(j->why) : json_null(), "reason",
			      *j->reason ? cli_json_string(j->reason) : json_null());

	json_object_set_new(o, "expected_start", cli_json_time(j->expected));
	return o;
}

static int run_why(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	Pb__JobsRequest req = PB__JOBS_REQUEST__INIT;
	cleanup_pb Pb__JobsReply *r = NULL;
	struct dvmi_opt_parser p;
	dvm_error_t err;
	bool json = false;
	int rc = cli_options(c, cmd, argc, argv, &p, set_why, &json);

	if (rc != CLI_GO)
		return rc;
	if (cli_job_parse(p.operands[0], &req.job, &err) < 0)
		return cli_usage(c, cmd, &err);
	req.all = true;
	if (cli_ask(c, DVMI_MSG_JOBS, &req, &pb__jobs_reply__descriptor, &r, &err) < 0)
		return cli_fail(c, &err);
	json_t *list = json ? json_array() : NULL;
	for (size_t i = 0; i < r->n_jobs; i++)
		if (json)
			json_array_append_new(list, why_json(r->jobs[i]));
		else
			print_why(r->jobs[i]);
	return json ? cli_json_print(json_pack("{s:o}", "jobs", list)) < 0 : 0;
}

/* ---- the commands ---- */

const struct cli_command cli_cmd_hold = {
	.opt = { .name = "dvm hold",
		 .operands = "JOB…",
		 .brief = "keep waiting jobs from starting",
		 .text = "The id of an array means all of its tasks that wait.",
		 .options = no_options,
		 .words = "@job",
		 .min_operands = 1 },
	.family = "The queue",
	.run = run_hold,
};

const struct cli_command cli_cmd_release = {
	.opt = { .name = "dvm release",
		 .operands = "JOB…",
		 .brief = "let held jobs start",
		 .options = no_options,
		 .words = "@job",
		 .min_operands = 1 },
	.family = "The queue",
	.run = run_release,
};

const struct cli_command cli_cmd_update = {
	.opt = { .name = "dvm update",
		 .operands = "JOB…",
		 .brief = "change waiting jobs, or how long one that runs may",
		 .options = update_options,
		 .words = "@job",
		 .min_operands = 1 },
	.family = "The queue",
	.run = run_update,
};

const struct cli_command cli_cmd_why = {
	.opt = { .name = "dvm why",
		 .operands = "JOB",
		 .brief = "say why a job waits, and until when",
		 .options = why_options,
		 .words = "@job",
		 .min_operands = 1,
		 .max_operands = 1 },
	.family = "The queue",
	.run = run_why,
};
