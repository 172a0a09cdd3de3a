/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/show.h"
#include "libdvm/base/log.h"

struct choice {
	uint32_t lines, level;
	bool json;
};

enum { LINES = 1, LEVEL, JSON };

static const struct dvmi_opt options[] = {
	{ LINES, 'n', "lines", NULL, "N", "Output", "the newest N lines (default 50; 0: all kept)",
	  NULL },
	{ LEVEL, 0, "level", NULL, "LEVEL", NULL,
	  "only what is as urgent as LEVEL (default: debug)", "err warning notice info debug" },
	{ JSON, 0, "json", NULL, NULL, NULL, "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *c = arg;
	int level;

	switch (id) {
	case LINES:
		return dvmi_opt_u32(p, 0, 1000000, &c->lines, err);
	case LEVEL:
		level = dvmi_log_level_parse(p->arg);
		if (level < 0)
			return dvmi_opt_bad(p, err, "expected err, warning, notice, info or debug");
		c->level = (uint32_t)level;
		return 0;
	default:
		c->json = true;
		return 0;
	}
}

static int print_json(const Pb__LogReply *r)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < r->n_lines; i++) {
		const Pb__LogLine *l = r->lines[i];

		json_array_append_new(lines,
				      json_pack("{s:o, s:s, s:o}", "time", cli_json_time(l->wall),
						"level", dvmi_log_level_name((int)l->level), "line",
						cli_json_string(l->line)));
	}
	return cli_json_print(json_pack("{s:o}", "lines", lines));
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct choice choice = { .lines = 50, .level = LOG_DEBUG };
	Pb__LogRequest req = PB__LOG_REQUEST__INIT;
	struct dvmi_opt_parser p;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &choice);

	if (rc != CLI_GO)
		return rc;
	req.lines = choice.lines;
	req.level = choice.level;
	if (p.n_operands)
		req.node = p.operands[0];
	cleanup_pb Pb__LogReply *r = NULL;
	if (cli_ask(c, DVMI_MSG_LOG, &req, &pb__log_reply__descriptor, &r, &err) < 0)
		return cli_fail(c, &err);
	if (choice.json)
		return print_json(r) < 0 ? CLI_FAILED : 0;
	for (size_t i = 0; i < r->n_lines; i++)
		puts(r->lines[i]->line);
	return 0;
}

const struct cli_command cli_cmd_log = {
	.opt = { .name = "dvm log",
		 .operands = "[NODE]",
		 .brief = "print what a node's daemon has logged lately",
		 .options = options,
		 .words = "@node",
		 .max_operands = 1 },
	.family = "When something is wrong",
	.run = run,
};
