/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm drain and undrain: nodes that are to be left alone. */
#include <stdlib.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/spec.h"
#include "libdvm/base/err.h"
#include "libdvm/base/hostlist.h"

static const struct dvmi_opt options[] = {
	{ 1, 0, "why", NULL, "TEXT", "What", "what `dvm nodes` says of it", NULL },
	CLI_GENERAL_OPTIONS,
};

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	*(const char **)arg = p->arg;
	return 0;
}

static int add_nodes(Pb__DrainRequest *req, const char *text, dvm_error_t *err)
{
	struct dvmi_hostlist list = { 0 };
	int rc = dvmi_hostlist_parse(&list, text, err);

	for (size_t i = 0; rc >= 0 && i < list.n; i++)
		if ((rc = dvmd_spec_add_string(&req->nodes, &req->n_nodes, list.names[i])) < 0)
			dvmi_error_code(err, rc, "%s", text);
	dvmi_hostlist_free(&list);
	return rc < 0 ? rc : 0;
}

static void free_nodes(Pb__DrainRequest *req)
{
	for (size_t i = 0; i < req->n_nodes; i++)
		free(req->nodes[i]);
	free(req->nodes);
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	Pb__DrainRequest req = PB__DRAIN_REQUEST__INIT;
	const char *why = "";
	struct dvmi_opt_parser p;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &why);

	if (rc != CLI_GO)
		return rc;
	req.draining = cmd == &cli_cmd_drain;
	req.why = (char *)why;
	rc = 0;
	for (int i = 0; rc == 0 && i < p.n_operands; i++)
		rc = add_nodes(&req, p.operands[i], &err);
	if (rc < 0)
		rc = cli_usage(c, cmd, &err);
	else if (cli_ask(c, DVMI_MSG_DRAIN, &req, NULL, NULL, &err) < 0)
		rc = cli_fail(c, &err);
	free_nodes(&req);
	return rc;
}

const struct cli_command cli_cmd_drain = {
	.opt = { .name = "dvm drain",
		 .operands = "NODE…",
		 .brief = "keep new jobs away from nodes",
		 .text = "What runs there goes on. It holds until `dvm undrain`, whatever is "
			 "restarted meanwhile.",
		 .options = options,
		 .words = "@node",
		 .min_operands = 1 },
	.family = "The machine",
	.run = run,
};

const struct cli_command cli_cmd_undrain = {
	.opt = { .name = "dvm undrain",
		 .operands = "NODE…",
		 .brief = "let new jobs go to drained nodes again",
		 .options = options,
		 .words = "@node",
		 .min_operands = 1 },
	.family = "The machine",
	.run = run,
};
