/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/show.h"
#include "libdvm/base/text.h"

static const struct dvmi_opt options[] = {
	{ 1, 0, "json", NULL, NULL, "Output", "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

static const char *state_of(const Pb__RankStatus *r, char *out, size_t size)
{
	const char *name = r->signalled ? sigabbrev_np(r->status - 128) : NULL;

	if (!r->exited)
		return r->closed ? "closing" : "running";
	if (name)
		snprintf(out, size, "signal %s", name);
	else
		snprintf(out, size, "exit %d", r->status);
	return out;
}

static void add_row(struct cli_table *t, const Pb__ProcInfo *p)
{
	char state[32], cpu[CLI_TIME_MAX], rss[DVMI_TEXT_UNIT_MAX];
	const Pb__RankStatus *r = p->rank;

	cli_table_add(t, "%" PRIu64, p->job);
	cli_table_add(t, "%u", r->rank);
	cli_table_add(t, "%s", p->node);
	cli_table_add(t, "%u", r->pid);
	cli_table_add(t, "%s", state_of(r, state, sizeof state));
	cli_table_add(t, "%s", cli_time_span(r->cpu_ns, cpu));
	cli_table_add(t, "%s", dvmi_text_size_format(r->rss_peak, rss));
	cli_table_add(t, "%s", r->connected ? "yes" : "no");
}

static int print_table(const Pb__PsReply *r)
{
	struct cli_table t = { .columns = 8, .right = 0x6b };

	cli_table_heading(&t, "JOB RANK NODE PID STATE CPU PEAK LIBDVM");
	for (size_t i = 0; i < r->n_procs; i++)
		if (r->procs[i]->rank)
			add_row(&t, r->procs[i]);
	int rc = cli_table_print(&t, stdout);
	cli_table_free(&t);
	return rc;
}

static json_t *proc_json(const Pb__ProcInfo *p)
{
	const Pb__RankStatus *r = p->rank;

	return json_pack("{s:I, s:i, s:o, s:i, s:b, s:o, s:b, s:b, s:I, s:I}", "job",
			 (json_int_t)p->job, "rank", (int)r->rank, "node", cli_json_string(p->node),
			 "pid", (int)r->pid, "exited", r->exited, "status",
			 r->exited ? json_integer(r->status) : json_null(), "signalled",
			 r->signalled, "connected", r->connected, "cpu_ns", (json_int_t)r->cpu_ns,
			 "memory_peak", (json_int_t)r->rss_peak);
}

static int print_json(const Pb__PsReply *r)
{
	json_t *ranks = json_array();

	for (size_t i = 0; i < r->n_procs; i++)
		if (r->procs[i]->rank)
			json_array_append_new(ranks, proc_json(r->procs[i]));
	return cli_json_print(json_pack("{s:o}", "ranks", ranks));
}

/* By job, then rank: they arrive node by node. */
static int by_rank(const void *a, const void *b)
{
	const Pb__ProcInfo *x = *(Pb__ProcInfo *const *)a, *y = *(Pb__ProcInfo *const *)b;
	uint32_t rx = x->rank ? x->rank->rank : 0, ry = y->rank ? y->rank->rank : 0;

	if (x->job != y->job)
		return x->job < y->job ? -1 : 1;
	return rx < ry ? -1 : rx > ry;
}

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	*(bool *)arg = true;
	return 0;
}

static int show(struct cli *c, const struct cli_command *cmd, bool json, const char *job)
{
	Pb__JobRef req = PB__JOB_REF__INIT;
	cleanup_pb Pb__PsReply *r = NULL;
	dvm_error_t err;

	if (job && cli_job_parse(job, &req.job, &err) < 0)
		return cli_usage(c, cmd, &err);
	if (cli_ask(c, DVMI_MSG_PS, &req, &pb__ps_reply__descriptor, &r, &err) < 0)
		return cli_fail(c, &err);
	if (r->n_procs)
		qsort(r->procs, r->n_procs, sizeof *r->procs, by_rank);
	int rc = json ? print_json(r) : print_table(r);
	return rc < 0 ? cli_failf(c, "%s", dvm_strerror(rc)) : 0;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct dvmi_opt_parser p;
	bool json = false;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &json);

	return rc != CLI_GO ? rc : show(c, cmd, json, p.n_operands ? p.operands[0] : NULL);
}

const struct cli_command cli_cmd_ps = {
	.opt = { .name = "dvm ps",
		 .operands = "[JOB]",
		 .brief = "list the ranks of running jobs, or of one job",
		 .text = "CPU is the processor time a rank has used, PEAK the most memory it had, "
			 "LIBDVM whether it has connected to the library.",
		 .options = options,
		 .words = "@job",
		 .max_operands = 1 },
	.family = "Jobs",
	.run = run,
};
