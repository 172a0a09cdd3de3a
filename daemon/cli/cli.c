/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon/cli/cli.h"
#include "daemon/cli/dump.h"
#include "daemon/cli/show.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

void cli_say(const struct cli *c, const char *fmt, ...)
{
	char line[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s: %s\n", c->program, line);
}

int cli_fail(const struct cli *c, const dvm_error_t *err)
{
	cli_say(c, "%s", err->text);
	return CLI_FAILED;
}

int cli_failf(const struct cli *c, const char *fmt, ...)
{
	char line[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	cli_say(c, "%s", line);
	return CLI_FAILED;
}

int cli_usage(const struct cli *c, const struct cli_command *cmd, const dvm_error_t *err)
{
	fprintf(stderr, "%s: %s\n", cmd->opt.name, err->text);
	if (cmd->run) /* a line of a script has no help of its own */
		fprintf(stderr, "Try `%s --help`.\n", cmd->opt.name);
	return CLI_USAGE;
}

int cli_job_parse(const char *s, uint64_t *job, dvm_error_t *err)
{
	if (dvmi_text_u64(s, 1, UINT64_MAX, job) < 0)
		return dvmi_error_set(err, -EINVAL,
				      "\"%s\" is not a job id (a number; see `dvm jobs`)", s);
	return 0;
}

static unsigned width_of(FILE *f)
{
	struct winsize w;

	if (ioctl(fileno(f), TIOCGWINSZ, &w) < 0 || w.ws_col < 40)
		return 80;
	return w.ws_col < 100 ? w.ws_col : 100;
}

/* The last word of a command's name: "run" of "dvm run", "stop" of "dvm guest stop". */
static const char *word_of(const struct cli_command *cmd)
{
	return strrchr(cmd->opt.name, ' ') + 1;
}

static int show_help(const struct cli_command *cmd)
{
	struct dvmi_buf b = { 0 };

	dvmi_opt_help(&cmd->opt, width_of(stdout), &b);
	fwrite(b.data, 1, b.len, stdout);
	int rc = b.err ? CLI_FAILED : 0;
	dvmi_buf_free(&b);
	for (size_t i = 0; cmd->verbs && cmd->verbs[i]; i++)
		printf("%s  %-9s %s\n", i ? "" : "\nVerbs:\n", word_of(cmd->verbs[i]),
		       cmd->verbs[i]->opt.brief);
	if (cmd->verbs)
		printf("\n`%s VERB --help` has everything about one.\n", cmd->opt.name);
	return rc;
}

static int set_machine(struct cli *c, const char *name, dvm_error_t *err)
{
	int rc = dvmd_name_check("machine name", name, err);

	if (rc == 0)
		c->machine = name;
	return rc;
}

int cli_options(struct cli *c, const struct cli_command *cmd, int argc, char **argv,
		struct dvmi_opt_parser *p, cli_option_fn *set, void *arg)
{
	dvm_error_t err = { 0 };
	int id, rc = 0;

	dvmi_opt_init(p, &cmd->opt, argc, argv);
	while (rc >= 0 && (id = dvmi_opt_next(p, &err)) > 0) {
		if (id == DVMI_OPT_HELP)
			return show_help(cmd);
		if (id == CLI_OPT_MACHINE)
			rc = set_machine(c, p->arg, &err);
		else
			rc = set(p, id, arg, &err);
	}
	return rc < 0 || id < 0 ? cli_usage(c, cmd, &err) : CLI_GO;
}

static const struct cli_command *find(const struct cli_command *const *list, const char *word)
{
	for (size_t i = 0; list[i]; i++)
		if (!strcmp(word_of(list[i]), word))
			return list[i];
	return NULL;
}

static int unknown_word(const struct cli *c, const char *what,
			const struct cli_command *const *list, const char *word)
{
	const char *words[64] = { NULL };
	size_t n = 0;
	dvm_error_t err;

	for (size_t i = 0; list[i] && n < 63; i++)
		if (list[i]->family)
			words[n++] = word_of(list[i]);
	dvmi_opt_unknown(what, word, words, &err);
	cli_say(c, "%s", err.text);
	return CLI_USAGE;
}

static int unknown_command(const struct cli *c, const char *word)
{
	unknown_word(c, "command", cli_commands, word);
	fprintf(stderr, "Try `dvm --help`.\n");
	return CLI_USAGE;
}

int cli_run_verb(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct dvmi_opt_parser p;
	int rc = cli_options(c, cmd, argc, argv, &p, NULL, NULL);

	if (rc != CLI_GO)
		return rc;
	const struct cli_command *verb = find(cmd->verbs, p.operands[0]);
	if (verb)
		return verb->run(c, verb, p.n_operands, p.operands);
	unknown_word(c, "verb", cmd->verbs, p.operands[0]);
	fprintf(stderr, "Try `%s --help`.\n", cmd->opt.name);
	return CLI_USAGE;
}

static void list_commands(void)
{
	const char *family = NULL;

	for (size_t i = 0; cli_commands[i]; i++) {
		const struct cli_command *cmd = cli_commands[i];

		if (!cmd->family)
			continue;
		if (!family || strcmp(family, cmd->family))
			printf("\n%s:\n", cmd->family);
		family = cmd->family;
		printf("  %-9s %s\n", word_of(cmd), cmd->opt.brief);
	}
}

static int show_overview(void)
{
	puts("Usage: dvm [-M NAME] COMMAND [OPTION]… [ARG]…\n"
	     "One machine made of many: starts it, shows it and runs jobs on it.");
	list_commands();
	puts("\nFirst steps:\n"
	     "  dvm up -n 4                 a machine of four nodes on this host\n"
	     "  dvm run -n 8 ./program      eight ranks of a program on it\n"
	     "  dvm COMMAND --help          everything about one command");
	return 0;
}

static int show_version(void)
{
	puts("dvm " PACKAGE_VERSION);
	return 0;
}

/* The options in front of the command; *at is moved behind them. */
static int global_options(struct cli *c, int argc, char **argv, int *at)
{
	dvm_error_t err;

	for (; *at < argc && argv[*at][0] == '-'; (*at)++) {
		const char *o = argv[*at], *value = NULL;

		if (!strcmp(o, "--help") || !strcmp(o, "-h"))
			return show_overview();
		if (!strcmp(o, "--version") || !strcmp(o, "-V"))
			return show_version();
		if (!strcmp(o, "--dump-options"))
			return cli_dump(argc - *at - 1, argv + *at + 1);
		if (!strncmp(o, "--machine=", 10))
			value = o + 10;
		else if (!strncmp(o, "-M", 2) && o[2])
			value = o + 2;
		else if ((!strcmp(o, "-M") || !strcmp(o, "--machine")) && *at + 1 < argc)
			value = argv[++*at];
		if (!value) {
			cli_say(c, "%s comes before the command and is not known there", o);
			fprintf(stderr, "Try `dvm --help`.\n");
			return CLI_USAGE;
		}
		if (set_machine(c, value, &err) < 0) {
			cli_say(c, "%s", err.text);
			return CLI_USAGE;
		}
	}
	return CLI_GO;
}

static int run_command(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	int rc = cmd->run(c, cmd, argc, argv);

	errno = 0;
	if (fflush(stdout) == EOF || ferror(stdout)) {
		cli_say(c, "writing the output: %s", strerror(-cli_output_failed(errno)));
		return rc ? rc : CLI_FAILED;
	}
	return rc;
}

static int help_command(struct cli *c, int argc, char **argv)
{
	if (argc < 2)
		return show_overview();
	const struct cli_command *cmd = find(cli_commands, argv[1]);
	if (cmd && cmd->verbs && argc > 2)
		cmd = find(cmd->verbs, argv[2]);
	return cmd ? show_help(cmd) : unknown_command(c, argv[argc > 2 ? 2 : 1]);
}

/* What is opened next must not become standard output by chance. */
static void open_closed_stdio(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);
}

int cli_main(int argc, char **argv)
{
	const char *env = getenv("DVM_MACHINE"), *slash = argc ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc ? argv[0] : "dvm";
	struct cli c = { .program = "dvm" };
	dvm_error_t err;
	int at = 1;

	open_closed_stdio();
	/* A daemon may die while it is being written to; who reads stdout gets its own treatment.
	 */
	signal(SIGPIPE, SIG_IGN);
	if (env && *env && set_machine(&c, env, &err) < 0)
		return cli_failf(&c, "$DVM_MACHINE: %s", err.text);
	if (!strcmp(name, "dvmrun")) {
		c.program = "dvmrun";
		if (argc > 1 && !strcmp(argv[1], "--version"))
			return show_version();
		return run_command(&c, &cli_cmd_dvmrun, argc, argv);
	}
	int rc = global_options(&c, argc, argv, &at);
	if (rc != CLI_GO)
		return rc;
	if (at >= argc) {
		show_overview();
		return CLI_USAGE;
	}
	if (!strcmp(argv[at], "help"))
		return help_command(&c, argc - at, argv + at);
	const struct cli_command *cmd = find(cli_commands, argv[at]);
	return cmd ? run_command(&c, cmd, argc - at, argv + at) : unknown_command(&c, argv[at]);
}
