/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/show.h"

static const struct dvmi_opt options[] = {
	{ 1, 0, "json", NULL, NULL, "Output", "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

static int print_json(const Pb__InfoReply *r)
{
	return cli_json_print(json_pack(
		"{s:o, s:i, s:o, s:o, s:i, s:o, s:i, s:o, s:o, s:i, s:I, s:b}", "machine",
		cli_json_string(r->machine), "node", (int)r->node, "name", cli_json_string(r->name),
		"address", cli_json_string(r->address), "port", (int)r->port, "version",
		cli_json_string(r->version), "pid", (int)r->pid, "run_dir",
		cli_json_string(r->run_dir), "state_dir", cli_json_string(r->state_dir), "leader",
		(int)r->leader, "view", (json_int_t)r->view, "ready", r->ready));
}

static void print_text(const Pb__InfoReply *r)
{
	printf("machine      %s\nnode         %s (%u)%s\n", r->machine, r->name, r->node,
	       r->node == r->leader ? ", leads" : "");
	printf("state        %s\n", r->ready ? "ready" : "joining");
	printf("address      %s port %u\nversion      %s\n", r->address, r->port, r->version);
	printf("process      %u\nrun-time     %s\ndurable      %s\n", r->pid, r->run_dir,
	       r->state_dir);
	printf("view         %" PRIu64 "\n", r->view);
}

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	*(bool *)arg = true;
	return 0;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct dvmi_opt_parser p;
	bool json = false;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &json);

	if (rc != CLI_GO)
		return rc;
	cleanup_pb Pb__InfoReply *r = NULL;
	if (cli_ask(c, DVMI_MSG_INFO, NULL, &pb__info_reply__descriptor, &r, &err) < 0)
		return cli_fail(c, &err);
	if (json)
		return print_json(r) < 0 ? CLI_FAILED : 0;
	print_text(r);
	return 0;
}

const struct cli_command cli_cmd_info = {
	.opt = { .name = "dvm info",
		 .brief = "show the local daemon: its node, address and directories",
		 .options = options },
	.family = "When something is wrong",
	.run = run,
};
