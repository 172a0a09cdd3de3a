/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "daemon/cli/cli.h"
#include "daemon/cli/dump.h"

#define COMMANDS_MAX 64

static int print(struct dvmi_buf *b)
{
	int rc = b->err || !b->len ? CLI_FAILED : 0;

	if (rc == 0)
		fwrite(b->data, 1, b->len, stdout);
	dvmi_buf_free(b);
	return rc;
}

/* Those that are listed, and their verbs behind them. */
static size_t collect(const struct dvmi_opt_command *list[COMMANDS_MAX], size_t n,
		      const struct cli_command *const *from)
{
	for (size_t i = 0; from[i] && n < COMMANDS_MAX; i++) {
		if (!from[i]->family)
			continue;
		list[n++] = &from[i]->opt;
		if (from[i]->verbs)
			n = collect(list, n, from[i]->verbs);
	}
	return n;
}

static int dump_completion(const char *program)
{
	const struct dvmi_opt_command *list[COMMANDS_MAX];
	struct dvmi_buf b = { 0 };
	size_t n = 0;

	if (!strcmp(program, "dvmrun"))
		list[n++] = &cli_cmd_dvmrun.opt;
	if (!strcmp(program, "dvm"))
		n = collect(list, 0, cli_commands);
	if (n)
		dvmi_opt_completion(program, list, n, &b);
	return print(&b);
}

static void underlined(struct dvmi_buf *b, const char *text, char line)
{
	dvmi_buf_printf(b, "%s\n", text);
	for (size_t i = strlen(text); i; i--)
		dvmi_buf_put_u8(b, (uint8_t)line);
	dvmi_buf_printf(b, "\n\n");
}

/* Is LINE one of the headings each command would repeat? */
static bool is_heading(const char *line)
{
	static const char *const headings[] = { "SYNOPSIS", "OPTIONS", "DESCRIPTION" };

	for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++)
		if (!strcmp(line, headings[i]))
			return true;
	return false;
}

/*
 * One command as a section of a manual that has many: under its name, without the headings and
 * the general options that are the same for all.
 */
static void put_section(struct dvmi_buf *out, const struct dvmi_opt_command *cmd)
{
	struct dvmi_buf b = { 0 };
	char *line;

	dvmi_opt_manual(cmd, &b);
	dvmi_buf_put_u8(&b, 0);
	if (b.err)
		out->err = b.err;
	underlined(out, cmd->name, '-');
	dvmi_buf_printf(out, "%s.\n\n", cmd->brief);
	for (char *rest = b.err ? NULL : (char *)b.data; (line = strsep(&rest, "\n"));) {
		if (is_heading(line)) {
			strsep(&rest, "\n"); /* its underline */
			continue;
		}
		if (!strcmp(line, "General"))
			break;
		/* Groups of options are one level below the command. */
		if (line[0] == '-' && line[strspn(line, "-")] == '\0')
			memset(line, '~', strlen(line));
		dvmi_buf_printf(out, "%s\n", line);
	}
	dvmi_buf_free(&b);
}

static int dump_manual(const char *program)
{
	struct dvmi_buf b = { 0 };
	const char *family = NULL;

	if (!strcmp(program, "dvmrun"))
		dvmi_opt_manual(&cli_cmd_dvmrun.opt, &b);
	for (size_t i = 0; !strcmp(program, "dvm") && cli_commands[i]; i++) {
		const struct cli_command *cmd = cli_commands[i];

		if (!cmd->family)
			continue;
		if (!family || strcmp(family, cmd->family))
			underlined(&b, cmd->family, '=');
		family = cmd->family;
		put_section(&b, &cmd->opt);
		for (size_t v = 0; cmd->verbs && cmd->verbs[v]; v++)
			put_section(&b, &cmd->verbs[v]->opt);
	}
	return print(&b);
}

int cli_dump(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[0], "completion"))
		return dump_completion(argv[1]);
	if (argc == 2 && !strcmp(argv[0], "man"))
		return dump_manual(argv[1]);
	return CLI_USAGE;
}
