// SPDX-License-Identifier: BSD-3-Clause
/* dvm-pvm-console, which is also called pvm: options, and the life of the console. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libdvm/base/buf.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/opt.h"
#include "libdvm/pvm3/console/input.h"

static const struct dvmi_opt options[] = {
	{ 'c', 'c', "command", NULL, "LINE", NULL, "do LINE and leave, instead of reading commands",
	  NULL },
	{ 'e', 'e', "errors", NULL, NULL, NULL, "leave at the first command that fails", NULL },
	{ 'f', 'f', "no-rc", NULL, NULL, NULL, "do not read ~/.pvmrc", NULL },
	{ 'n', 'n', NULL, NULL, "HOST", NULL, NULL, NULL },
	{ 'd', 'd', NULL, NULL, "MASK", NULL, NULL, NULL },
	{ 0 },
};

static const struct dvmi_opt_command usage = {
	.name = "pvm",
	.operands = "[HOSTFILE]",
	.brief = "a console for the PVM tasks of a dvm machine",
	.text = "Reads commands, `help` lists them. HOSTFILE names hosts to add, one a line.",
	.options = options,
	.max_operands = 1,
};

struct request {
	const char *line;
	const char *hostfile;
	bool stop;
	bool no_rc;
};

const char *result_text(int code)
{
	pvm_errno = code;
	return pvm_strerror();
}

int parse_tid(const char *word)
{
	const char *digits = *word == 't' ? word + 1 : word;
	char *end;
	unsigned long tid = strtoul(digits, &end, 16);

	if (end == digits || *end || tid >= 0xffffffff) {
		printf("%s is no task id\n", word);
		return -1;
	}
	return (int)tid;
}

/* ---- before the first command ---- */

static void read_rc(struct console *c)
{
	char path[4096];
	const char *home = getenv("HOME");

	if (!home || snprintf(path, sizeof(path), "%s/.pvmrc", home) >= (int)sizeof(path))
		return;
	cleanup_file FILE *f = fopen(path, "re");

	if (f)
		input_file(c, f, false);
}

static bool enrol(void)
{
	pvm_setopt(PvmAutoErr, 0);
	if (pvm_mytid() < 0) {
		fprintf(stderr, "pvm: no machine answers (%s); `dvm up` starts one\n",
			pvm_strerror());
		return false;
	}
	pvm_setopt(PvmResvTids, 1);
	pvm_setopt(PvmNoReset, 1);
	return true;
}

/* ---- all of it ---- */

static bool serve(struct console *c, const struct request *r)
{
	bool good = true;

	if (!r->no_rc && !r->line)
		read_rc(c);
	if (r->hostfile)
		good = hostfile_read(c, r->hostfile);
	if (!r->line)
		return input_run(c, r->stop) && good;
	good = console_do(c, r->line) && good;
	input_drain(c);
	return good;
}

/* Ends all tasks: we are one, but have our own end. */
static void halt(void)
{
	signal(SIGTERM, SIG_IGN);
	pvm_halt();
}

static int console_main(const struct request *r)
{
	struct console c = { .aliases = aliases_new(), .jobs = jobs_new() };
	bool good = c.aliases && c.jobs && enrol();

	if (good) {
		good = serve(&c, r);
		fflush(stdout);
		if (c.halt)
			halt();
		else
			pvm_exit();
	}
	jobs_free(c.jobs);
	aliases_free(c.aliases);
	/* A session is no failure because somebody mistyped a name in it. */
	return good || (!r->line && !r->stop && c.done) ? 0 : 1;
}

static int print_help(void)
{
	struct dvmi_buf text = { 0 };

	dvmi_opt_help(&usage, 0, &text);
	fwrite(text.data, 1, text.len, stdout);
	dvmi_buf_free(&text);
	return 0;
}

int main(int argc, char **argv)
{
	struct dvmi_opt_parser p;
	struct request r = { 0 };
	dvm_error_t err;
	int id;

	dvmi_opt_init(&p, &usage, argc, argv);
	while ((id = dvmi_opt_next(&p, &err)) > 0)
		switch (id) {
		case 'c':
			r.line = p.arg;
			break;
		case 'e':
			r.stop = true;
			break;
		case 'f':
			r.no_rc = true;
			break;
		case DVMI_OPT_HELP:
			return print_help();
		default: /* -n and -d, which PVM's daemon wants */
			break;
		}
	if (id < 0) {
		fprintf(stderr, "pvm: %s\n", err.text);
		return 2;
	}
	r.hostfile = p.n_operands > 0 ? p.operands[0] : NULL;
	setvbuf(stdout, NULL, _IOLBF, 0);
	return console_main(&r);
}
