/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm complete WHAT: the words a shell may complete with. For the completion scripts only. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/guest_run.h"
#include "daemon/cli/local.h"

static const struct dvmi_opt options[] = { CLI_GENERAL_OPTIONS };

static void print_nodes(const struct cli *c)
{
	cleanup_pb Pb__NodesReply *r = NULL;
	dvm_error_t err;

	if (cli_ask(c, DVMI_MSG_NODES, NULL, &pb__nodes_reply__descriptor, &r, &err) < 0)
		return;
	for (size_t i = 0; i < r->n_nodes; i++)
		puts(r->nodes[i]->name);
}

static void print_jobs(const struct cli *c)
{
	Pb__JobsRequest req = PB__JOBS_REQUEST__INIT;
	cleanup_pb Pb__JobsReply *r = NULL;
	dvm_error_t err;

	req.all = true;
	if (cli_ask(c, DVMI_MSG_JOBS, &req, &pb__jobs_reply__descriptor, &r, &err) < 0)
		return;
	for (size_t i = 0; i < r->n_jobs; i++)
		printf("%" PRIu64 "\n", r->jobs[i]->id);
}

static void print_guest(const Pb__JobInfo *j, const char *name, void *arg)
{
	puts(name);
}

static void print_guests(const struct cli *c)
{
	dvm_error_t err;

	(void)cli_guest_each(c, false, print_guest, NULL, &err);
}

static void print_machines(void)
{
	struct dvmd_present *v;
	size_t n;

	if (dvmd_paths_list(&v, &n, NULL, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (i == 0 || strcmp(v[i].machine, v[i - 1].machine) != 0)
			puts(v[i].machine);
	free(v);
}

/* Silent where there is nothing to offer: a shell is in the middle of somebody's line. */
static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct dvmi_opt_parser p;
	int rc = cli_options(c, cmd, argc, argv, &p, NULL, NULL);

	if (rc != CLI_GO)
		return rc;
	if (!strcmp(p.operands[0], "node"))
		print_nodes(c);
	else if (!strcmp(p.operands[0], "job"))
		print_jobs(c);
	else if (!strcmp(p.operands[0], "guest"))
		print_guests(c);
	else if (!strcmp(p.operands[0], "machine"))
		print_machines();
	return 0;
}

const struct cli_command cli_cmd_complete = {
	.opt = { .name = "dvm complete",
		 .operands = "WHAT",
		 .brief = "list nodes, jobs, guests or machines for a shell's completion",
		 .options = options,
		 .min_operands = 1,
		 .max_operands = 1 },
	.run = run,
};
