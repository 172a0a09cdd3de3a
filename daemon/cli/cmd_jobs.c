/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/placement.h"
#include "daemon/cli/show.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/hostlist.h"
#include "libdvm/base/text.h"

struct choice {
	bool all, json;
};

enum { ALL = 1, JSON };

static const struct dvmi_opt options[] = {
	{ ALL, 'a', "all", NULL, NULL, "Output", "finished jobs, too", NULL },
	{ JSON, 0, "json", NULL, NULL, NULL, "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

/* How long it has run, or ran. */
static const char *run_time(const Pb__JobInfo *j, char out[CLI_TIME_MAX])
{
	if (!j->started)
		return "-";
	return cli_time_span((j->ended ? j->ended : dvmi_clock_wall()) - j->started, out);
}

/* Where it runs, or, in brackets, why it does not. */
static void put_nodes(struct dvmi_buf *b, const Pb__JobInfo *j)
{
	if (*j->why)
		dvmi_buf_printf(b, "(%s)", j->why);
	dvmi_hostlist_fold((const char *const *)j->nodes, j->n_nodes, b);
	dvmi_buf_put_u8(b, 0);
}

/* The job it was spawned by. */
static void add_parent(struct cli_table *t, const Pb__JobInfo *j)
{
	if (j->parent)
		cli_table_add(t, "%" PRIu64, j->parent);
	else
		cli_table_add(t, "-");
}

static void print_devices(const Pb__JobInfo *j)
{
	for (size_t i = 0; j->placement && i < j->placement->n_nodes; i++) {
		const Pb__NodeShare *s = j->placement->nodes[i];
		for (size_t k = 0; k < s->n_gres; k++) {
			printf("gres       %s: %s ", s->name, s->gres[k]->name);
			for (size_t m = 0; m < s->gres[k]->n_ids; m++)
				printf("%s%u", m ? "," : "", s->gres[k]->ids[m]);
			putchar('\n');
		}
	}
}

static void add_row(struct cli_table *t, const Pb__JobInfo *j, bool parents)
{
	char ago[CLI_TIME_MAX], took[CLI_TIME_MAX], code[16] = "-";
	struct dvmi_buf nodes = { 0 };

	put_nodes(&nodes, j);
	if (j->ended)
		snprintf(code, sizeof code, "%d", j->exit_code);
	cli_table_add(t, "%" PRIu64, j->id);
	cli_table_add(t, "%s", j->state);
	cli_table_add(t, "%u", j->ranks);
	cli_table_add(t, "%s", nodes.err || nodes.len < 2 ? "-" : (char *)nodes.data);
	cli_table_add(t, "%s", j->user);
	cli_table_add(t, "%s", cli_time_ago(j->submitted, dvmi_clock_wall(), ago));
	cli_table_add(t, "%s", run_time(j, took));
	cli_table_add(t, "%s", code);
	if (parents)
		add_parent(t, j);
	cli_table_add(t, "%s", j->name);
	dvmi_buf_free(&nodes);
}

static int print_table(const Pb__JobsReply *r)
{
	bool parents = false; /* a column for the few who need it */

	for (size_t i = 0; i < r->n_jobs; i++)
		parents |= r->jobs[i]->parent != 0;
	struct cli_table t = { .columns = parents ? 10 : 9, .right = parents ? 0x1e5 : 0xe5 };
	cli_table_heading(&t, parents ? "ID STATE RANKS NODES USER AGE TIME EXIT PARENT NAME" :
					"ID STATE RANKS NODES USER AGE TIME EXIT NAME");
	for (size_t i = 0; i < r->n_jobs; i++)
		add_row(&t, r->jobs[i], parents);
	int rc = cli_table_print(&t, stdout);
	cli_table_free(&t);
	return rc;
}

static void print_one(const Pb__JobInfo *j)
{
	char text[CLI_TIME_MAX];
	struct dvmi_buf nodes = { 0 }, argv = { 0 };

	put_nodes(&nodes, j);
	dvmi_text_quote_argv(&argv, j->argv, j->n_argv);
	dvmi_buf_put_u8(&argv, 0);
	printf("job        %" PRIu64 "\nname       %s\ncommand    %s\nuser       %s\n", j->id,
	       j->name, argv.err ? "?" : (char *)argv.data, j->user);
	printf("state      %s%s\nranks      %u\nnodes      %s\n", j->state,
	       j->detached ? " (detached)" : "", j->ranks, nodes.err ? "?" : (char *)nodes.data);
	printf("from       %s\nsubmitted  %s\n", j->origin, cli_time_rfc3339(j->submitted, text));
	if (j->parent)
		printf("parent     %" PRIu64 ", rank %u\n", j->parent, j->parent_rank);
	if (j->array)
		printf("array      %" PRIu64 ", task %u\n", j->array, j->task);
	if (*j->account)
		printf("account    %s\n", j->account);
	print_devices(j);
	if (j->ranks_max)
		printf("elastic    %u of %u ranks\n", j->ranks_all ? j->ranks_all : j->ranks,
		       j->ranks_max);
	if (j->lent)
		printf("lent       to job %" PRIu64 "\n", j->parent);
	if (j->wanted_by)
		printf("leaves     for job %" PRIu64 "\n", j->wanted_by);
	if (j->restarts)
		printf("restarts   %u\n", j->restarts);
	if (j->next)
		printf("again as   job %" PRIu64 "\n", j->next);
	if (j->limit)
		printf("limit      %s\n", cli_time_span(j->limit, text));
	if (j->expected)
		printf("expected   %s\n", cli_time_rfc3339(j->expected, text));
	if (j->started)
		printf("started    %s\n", cli_time_rfc3339(j->started, text));
	if (j->ended)
		printf("ended      %s\n", cli_time_rfc3339(j->ended, text));
	printf("time       %s\n", run_time(j, text));
	if (j->ended)
		printf("exit code  %d\n", j->exit_code);
	if (*j->reason)
		printf("reason     %s\n", j->reason);
	dvmi_buf_free(&nodes);
	dvmi_buf_free(&argv);
	if (j->placement) {
		puts("");
		cli_placement_print_map(j->placement, stdout);
	}
}

static json_t *job_json(const Pb__JobInfo *j)
{
	json_t *o = json_pack("{s:I, s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:b}", "id",
			      (json_int_t)j->id, "name", cli_json_string(j->name), "user",
			      cli_json_string(j->user), "state", cli_json_string(j->state), "ranks",
			      (int)j->ranks, "nodes", cli_json_strings(j->nodes, j->n_nodes),
			      "argv", cli_json_strings(j->argv, j->n_argv), "origin",
			      cli_json_string(j->origin), "detached", j->detached);

	json_object_set_new(o, "parent",
			    j->parent ? json_integer((json_int_t)j->parent) : json_null());
	if (j->parent)
		json_object_set_new(o, "parent_rank", json_integer(j->parent_rank));
	json_object_set_new(o, "submitted", cli_json_time(j->submitted));
	json_object_set_new(o, "started", cli_json_time(j->started));
	json_object_set_new(o, "ended", cli_json_time(j->ended));
	json_object_set_new(o, "exit_code", j->ended ? json_integer(j->exit_code) : json_null());
	json_object_set_new(o, "reason", *j->reason ? cli_json_string(j->reason) : json_null());
	json_object_set_new(o, "why", *j->why ? cli_json_string(j->why) : json_null());
	json_object_set_new(o, "expected_start", cli_json_time(j->expected));
	json_object_set_new(o, "array", j->array ? json_integer((json_int_t)j->array) : json_null());
	json_object_set_new(o, "task", j->array ? json_integer(j->task) : json_null());
	json_object_set_new(o, "limit_s",
			    j->limit ? json_real((double)j->limit / (double)DVMI_SEC) : json_null());
	json_object_set_new(o, "account", *j->account ? cli_json_string(j->account) : json_null());
	json_object_set_new(o, "ranks_max", json_integer(j->ranks_max));
	json_object_set_new(o, "ranks_all", json_integer(j->ranks_all));
	json_object_set_new(o, "lent", json_boolean(j->lent));
	json_object_set_new(o, "wanted_by",
			    j->wanted_by ? json_integer((json_int_t)j->wanted_by) : json_null());
	json_object_set_new(o, "restarts", json_integer(j->restarts));
	json_object_set_new(o, "next", j->next ? json_integer((json_int_t)j->next) : json_null());
	if (j->placement)
		json_object_set_new(o, "placement", cli_placement_json(j->placement));
	return o;
}

static int print_json(const Pb__JobsReply *r)
{
	json_t *jobs = json_array();

	for (size_t i = 0; i < r->n_jobs; i++)
		json_array_append_new(jobs, job_json(r->jobs[i]));
	return cli_json_print(json_pack("{s:o}", "jobs", jobs));
}

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *c = arg;

	c->all |= id == ALL;
	c->json |= id == JSON;
	return 0;
}

static int show(struct cli *c, const struct cli_command *cmd, const struct choice *choice,
		const char *which)
{
	Pb__JobsRequest req = PB__JOBS_REQUEST__INIT;
	cleanup_pb Pb__JobsReply *r = NULL;
	dvm_error_t err;

	req.all = choice->all;
	if (which && cli_job_parse(which, &req.job, &err) < 0)
		return cli_usage(c, cmd, &err);
	if (cli_ask(c, DVMI_MSG_JOBS, &req, &pb__jobs_reply__descriptor, &r, &err) < 0)
		return cli_fail(c, &err);
	if (which && !r->n_jobs)
		return cli_failf(c, "there is no job %s", which);
	if (which && !choice->json) {
		print_one(r->jobs[0]);
		return 0;
	}
	int rc = choice->json ? print_json(r) : print_table(r);
	return rc < 0 ? cli_failf(c, "%s", dvm_strerror(rc)) : 0;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct dvmi_opt_parser p;
	struct choice choice = { 0 };
	int rc = cli_options(c, cmd, argc, argv, &p, set, &choice);

	return rc != CLI_GO ? rc : show(c, cmd, &choice, p.n_operands ? p.operands[0] : NULL);
}

const struct cli_command cli_cmd_jobs = {
	.opt = { .name = "dvm jobs",
		 .operands = "[JOB]",
		 .brief = "list jobs, or show one",
		 .text = "AGE is the time since it was submitted, TIME how long its ranks have "
			 "run, PARENT the job that has spawned it.",
		 .options = options,
		 .words = "@job",
		 .max_operands = 1 },
	.family = "Jobs",
	.run = run,
};
