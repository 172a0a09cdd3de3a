/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libdvm/base/opt.h"
#include "tests/unit/cm.h"

enum { OPT_OVER = 1000, OPT_SECRET };

static const struct dvmi_opt run_options[] = {
	{ .id = 'n',
	  .letter = 'n',
	  .name = "ranks",
	  .aliases = "-np --procs",
	  .arg = "N",
	  .group = "Placement",
	  .help = "start N ranks; without it, one on each slot that is free on "
		  "the nodes that were asked for" },
	{ .id = 'm',
	  .name = "map-by",
	  .arg = "HOW",
	  .help = "where ranks go",
	  .words = "core node" },
	{ .id = OPT_OVER, .name = "oversubscribe", .help = "more ranks than slots" },
	{ .id = 'v', .letter = 'v', .name = "verbose", .group = "Other", .help = "say more" },
	{ .id = 'q', .letter = 'q', .help = "say it's less" },
	{ .id = 'D',
	  .letter = 'D',
	  .name = "wdir",
	  .arg = "DIR",
	  .help = "go there",
	  .words = "@dir" },
	{ .id = OPT_SECRET, .name = "secret" },
	{ 0 },
};
static const struct dvmi_opt_command run = {
	.name = "dvm run",
	.operands = "PROG [ARG]…",
	.brief = "start a parallel job",
	.text = "First paragraph.\n\nSecond *one*.",
	.options = run_options,
	.stop_at_operand = true,
	.min_operands = 1,
};

static const struct dvmi_opt cancel_options[] = {
	{ .id = 'f', .letter = 'f', .name = "force", .help = "at once" },
	{ .id = 's', .name = "signal", .arg = "SIG", .help = "another signal" },
	{ 0 },
};
static const struct dvmi_opt_command cancel = {
	.name = "dvm cancel",
	.operands = "JOB…",
	.brief = "end jobs",
	.options = cancel_options,
	.words = "71 72",
	.min_operands = 1,
	.max_operands = 3,
};
static const struct dvmi_opt no_options[] = { { 0 } };
static const struct dvmi_opt_command guest = {
	.name = "dvm guest",
	.operands = "VERB [ARG]…",
	.brief = "virtual machines",
	.options = no_options,
	.words = "stop",
	.stop_at_operand = true,
	.min_operands = 1,
};
static const struct dvmi_opt_command guest_stop = {
	.name = "dvm guest stop",
	.operands = "NAME",
	.brief = "end one",
	.options = cancel_options,
	.words = "one two",
	.min_operands = 1,
	.max_operands = 1,
};
static const struct dvmi_opt_command halt = {
	.name = "dvm halt",
	.brief = "end the machine",
	.options = cancel_options,
};

/* Parses the words of LINE; what was seen goes to OUT as "spelled=arg …| operands". */
static int parse(const struct dvmi_opt_command *c, const char *line, char *out, dvm_error_t *err)
{
	static char words[256];
	static char *argv[32];
	struct dvmi_opt_parser p;
	int argc = 1, id;

	snprintf(words, sizeof words, "%s", line);
	argv[0] = (char *)"prog";
	for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	out[0] = 0;
	dvmi_opt_init(&p, c, argc, argv);
	while ((id = dvmi_opt_next(&p, err)) > 0)
		sprintf(out + strlen(out), "%s=%s ", p.spelled, p.arg ? p.arg : "");
	strcat(out, "|");
	for (int i = 0; id == 0 && i < p.n_operands; i++)
		sprintf(out + strlen(out), " %s", p.operands[i]);
	return id;
}

static void good_lines(void **state)
{
	static const struct {
		const struct dvmi_opt_command *c;
		const char *line, *seen;
	} rows[] = {
		{ &run, "-n 4 a", "-n=4 | a" },
		{ &run, "-n4 a", "-n=4 | a" },
		{ &run, "-np 4 a", "-np=4 | a" },
		{ &run, "-np=4 a", "-np=4 | a" },
		{ &run, "--ranks 4 a", "--ranks=4 | a" },
		{ &run, "--ranks=4 a", "--ranks=4 | a" },
		{ &run, "--procs=4 a", "--procs=4 | a" },
		{ &run, "--ranks= a", "--ranks= | a" },
		{ &run, "-vqn 4 a", "-v= -q= -n=4 | a" },
		{ &run, "-vn4 a", "-v= -n=4 | a" },
		{ &run, "-n -1 a", "-n=-1 | a" },
		{ &run, "-v a -v --bad", "-v= | a -v --bad" },
		{ &run, "-v -- -v", "-v= | -v" },
		{ &run, "-v - x", "-v= | - x" },
		{ &run, "--secret a", "--secret= | a" },
		{ &run, "--help", "--help= |" },
		{ &run, "-h a", "-h= | a" },
		{ &cancel, "1 -f 2 --signal INT 3", "-f= --signal=INT | 1 2 3" },
		{ &cancel, "1 -- -f", "| 1 -f" },
		{ &cancel, "-- --", "| --" },
		{ &halt, "", "|" },
	};
	char out[256];
	dvm_error_t err = { 0 };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int rc = parse(rows[i].c, rows[i].line, out, &err);
		if (rc != 0 && !strstr(rows[i].line, "help"))
			fail_msg("%s: %s", rows[i].line, err.text);
		assert_string_equal(out, rows[i].seen);
	}
}

static void bad_lines(void **state)
{
	static const struct {
		const struct dvmi_opt_command *c;
		const char *line, *text;
	} rows[] = {
		{ &run, "--rnaks 4 a", "unknown option --rnaks; did you mean --ranks?" },
		{ &run, "--rankss=4 a", "unknown option --rankss; did you mean --ranks?" },
		{ &run, "--oversub a", "unknown option --oversub; did you mean --oversubscribe?" },
		{ &run, "-map-by core a", "unknown option -map-by; did you mean --map-by?" },
		{ &run, "--hlep", "unknown option --hlep; did you mean --help?" },
		{ &run, "--xyzzy a", "unknown option --xyzzy" },
		{ &run, "-z a", "unknown option -z" },
		{ &run, "-vz a", "unknown option -z" },
		{ &run, "-n", "-n needs an argument: -n N" },
		{ &run, "-v --ranks", "--ranks needs an argument: --ranks N" },
		{ &run, "--verbose=2 a", "--verbose takes no argument" },
		{ &run, "", "too few operands, expected: PROG [ARG]…" },
		{ &run, "-v --", "too few operands, expected: PROG [ARG]…" },
		{ &cancel, "1 2 3 4", "unexpected operand \"4\"" },
		{ &halt, "-f now", "unexpected operand \"now\"" },
	};
	char out[256];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		dvm_error_t err = { 0 };
		assert_int_equal(parse(rows[i].c, rows[i].line, out, &err), -EINVAL);
		assert_string_equal(err.text, rows[i].text);
		assert_int_equal(err.code, -EINVAL);
		parse(rows[i].c, rows[i].line, out, NULL); /* the text is optional */
	}
}

static void a_line_may_be_empty_altogether(void **state)
{
	struct dvmi_opt_parser p;
	char *argv[] = { NULL };

	dvmi_opt_init(&p, &halt, 0, argv);
	assert_int_equal(dvmi_opt_next(&p, NULL), 0);
	assert_int_equal(p.n_operands, 0);
}

static struct dvmi_opt_parser with_arg(const char *arg)
{
	struct dvmi_opt_parser p = { .command = &run, .spelled = "-n", .arg = arg };

	return p;
}

static void values(void **state)
{
	static const char *const words[] = { "none", "core", "numa", NULL };
	struct dvmi_opt_parser p = with_arg("12");
	dvm_error_t err = { 0 };
	uint64_t v = 0;
	uint32_t u = 0;

	assert_int_equal(dvmi_opt_number(&p, 1, 99, &v, &err), 0);
	assert_int_equal(v, 12);
	assert_int_equal(dvmi_opt_u32(&p, 0, UINT32_MAX, &u, &err), 0);
	assert_int_equal(u, 12);
	assert_int_equal(dvmi_opt_number(&p, 1, 9, &v, &err), -EINVAL);
	assert_string_equal(err.text, "-n 12: it must be within 1 and 9");
	assert_int_equal(dvmi_opt_number(&p, 20, UINT64_MAX, &v, &err), -EINVAL);
	assert_string_equal(err.text, "-n 12: it must be at least 20");
	assert_int_equal(dvmi_opt_duration(&p, &v, &err), 0);
	assert_true(v == UINT64_C(12000000000));
	assert_int_equal(dvmi_opt_size(&p, &v, &err), 0);
	assert_int_equal(v, 12);
	p = with_arg("1x");
	assert_int_equal(dvmi_opt_u32(&p, 1, 9, &u, &err), -EINVAL);
	assert_string_equal(err.text, "-n 1x: not a number");
	assert_int_equal(dvmi_opt_size(&p, &v, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not a size"));
	assert_int_equal(dvmi_opt_duration(&p, &v, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not a duration"));
	p = with_arg("numa");
	assert_int_equal(dvmi_opt_choice(&p, words, &err), 2);
	p = with_arg("cor");
	assert_int_equal(dvmi_opt_choice(&p, words, &err), -EINVAL);
	assert_string_equal(err.text, "-n cor: did you mean core? (none, core, numa)");
	p = with_arg("socket");
	assert_int_equal(dvmi_opt_choice(&p, words, &err), -EINVAL);
	assert_string_equal(err.text, "-n socket: not one of none, core, numa");
	assert_int_equal(dvmi_opt_unknown("command", "cre", words, &err), -EINVAL);
	assert_string_equal(err.text, "unknown command \"cre\"; did you mean \"core\"?");
	assert_int_equal(dvmi_opt_unknown("command", "zzz", words, &err), -EINVAL);
	assert_string_equal(err.text, "unknown command \"zzz\"");
}

static void help(void **state)
{
	static const char expected[] =
		"usage: dvm run [OPTION]… PROG [ARG]…\n"
		"start a parallel job\n"
		"\n"
		"Placement:\n"
		"  -n, --ranks, -np, --procs N\n"
		"                            start N ranks; without it, one on each slot that is\n"
		"                            free on the nodes that were asked for\n"
		"      --map-by HOW          where ranks go\n"
		"      --oversubscribe       more ranks than slots\n"
		"\n"
		"Other:\n"
		"  -v, --verbose             say more\n"
		"  -q                        say it's less\n"
		"  -D, --wdir DIR            go there\n"
		"  -h, --help                show this help\n"
		"\n"
		"First paragraph.\n"
		"\n"
		"Second *one*.\n";
	struct dvmi_buf b = { 0 };

	dvmi_opt_help(&run, 80, &b);
	dvmi_buf_put_u8(&b, 0);
	assert_int_equal(b.err, 0);
	assert_string_equal((char *)b.data, expected);
	b.len = 0;
	dvmi_opt_help(&run, 1, &b); /* a very narrow terminal still gets words */
	assert_int_equal(b.err, 0);
	dvmi_buf_free(&b);
}

static void manual(void **state)
{
	struct dvmi_buf b = { 0 };

	dvmi_opt_manual(&run, &b);
	dvmi_buf_put_u8(&b, 0);
	const char *s = (const char *)b.data;
	assert_non_null(strstr(s, "\nSYNOPSIS\n========\n\n**dvm run** [*OPTION*]… PROG [ARG]…\n"));
	assert_non_null(strstr(s, "\n**-n** *N*, **--ranks** *N*, **-np** *N*, **--procs** *N*\n"
				  "    start N ranks"));
	assert_non_null(strstr(s, "\nPlacement\n---------\n"));
	assert_non_null(strstr(s, "Second \\*one\\*."));
	assert_null(strstr(s, "secret"));
	dvmi_buf_free(&b);
}

/* What bash offers for the last of WORDS; blanks between the answers. */
static void complete(const char *script, const char *program, const char *words, char *out,
		     size_t size)
{
	char command[1024];
	FILE *f;

	snprintf(command, sizeof command,
		 "exec bash -c '. %s; COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
		 "_%s %s \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"; "
		 "echo \"${COMPREPLY[*]}\"' 2>&1",
		 script, words, program, program);
	f = popen(command, "r");
	assert_non_null(f);
	size_t n = fread(out, 1, size - 1, f);
	out[n] = 0;
	assert_int_equal(pclose(f), 0);
	out[strcspn(out, "\n")] = 0;
}

static void write_script(char *path, const char *program, const struct dvmi_opt_command *const *c,
			 size_t n)
{
	struct dvmi_buf b = { 0 };
	int fd = mkstemp(path);

	dvmi_opt_completion(program, c, n, &b);
	assert_int_equal(b.err, 0);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, b.data, b.len), (ssize_t)b.len);
	close(fd);
	dvmi_buf_free(&b);
}

static void completion_of_subcommands(void **state)
{
	static const struct dvmi_opt_command *const all[] = { &run, &cancel, &guest, &guest_stop,
							      &halt };
	static const struct {
		const char *words, *offered;
	} rows[] = {
		{ "dvm \"\"", "run cancel guest halt" },
		{ "dvm ca", "cancel" },
		{ "dvm run --o", "--oversubscribe" },
		{ "dvm run -np 4 --ver", "--verbose" },
		{ "dvm run --sec", "" },
		{ "dvm run --map-by \"\"", "core node" },
		{ "dvm run --map-by = no", "node" },
		{ "dvm run --map-by =", "core node" },
		{ "dvm run -n \"\"", "" },
		{ "dvm run prog --o", "" }, /* the program's own */
		{ "dvm run --map-by core prog --o", "" },
		{ "dvm cancel 7", "71 72" },
		{ "dvm cancel 71 --f", "--force" },
		{ "dvm guest \"\"", "stop" },
		{ "dvm guest stop tw", "two" },
		{ "dvm guest stop --f", "--force" },
		{ "dvm guest stop one --f", "--force" },
		{ "dvm guest nonsense --f", "" },
		{ "dvm nonsense --f", "" },
	};
	char path[] = "/tmp/dvm-test-opt-XXXXXX", out[512];

	if (access("/bin/bash", X_OK) < 0)
		skip();
	write_script(path, "dvm", all, sizeof all / sizeof all[0]);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		complete(path, "dvm", rows[i].words, out, sizeof out);
		if (strcmp(out, rows[i].offered))
			fail_msg("%s: \"%s\" instead of \"%s\"", rows[i].words, out,
				 rows[i].offered);
	}
	unlink(path);
}

static void completion_of_one_command(void **state)
{
	static const struct dvmi_opt_command *const one[] = { &run };
	char path[] = "/tmp/dvm-test-opt-XXXXXX", out[512];

	if (access("/bin/bash", X_OK) < 0)
		skip();
	write_script(path, "dvmrun", one, 1);
	complete(path, "dvmrun", "dvmrun --map-by no", out, sizeof out);
	assert_string_equal(out, "node");
	complete(path, "dvmrun", "dvmrun -v --o", out, sizeof out);
	assert_string_equal(out, "--oversubscribe");
	complete(path, "dvmrun", "dvmrun -D /us", out, sizeof out);
	assert_string_equal(out, "/usr");
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines),
		cmocka_unit_test(bad_lines),
		cmocka_unit_test(a_line_may_be_empty_altogether),
		cmocka_unit_test(values),
		cmocka_unit_test(help),
		cmocka_unit_test(manual),
		cmocka_unit_test(completion_of_subcommands),
		cmocka_unit_test(completion_of_one_command),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
