/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bash completion, generated. The script has, for each command, a list of its options, of those
 * that take an argument, and how arguments and operands are completed; one function in front of
 * the lists finds out which of them is wanted.
 */
#include <stdio.h>
#include <string.h>

#include "libdvm/base/opt_private.h"

static void put(struct dvmi_buf *out, const char *s)
{
	dvmi_buf_put(out, s, strlen(s));
}

/* Words for inside single quotes of the script. */
static void put_quoted(struct dvmi_buf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '\'')
			put(out, "'\\''");
		else
			dvmi_buf_put(out, s, 1);
	}
}

static const char *subcommand(const struct dvmi_opt_command *c)
{
	const char *blank = strchr(c->name, ' ');

	return blank ? blank + 1 : c->name;
}

/* Is B a verb of A: "dvm guest stop" of "dvm guest"? */
static bool is_verb_of(const struct dvmi_opt_command *b, const struct dvmi_opt_command *a)
{
	size_t n = strlen(a->name);

	return !strncmp(b->name, a->name, n) && b->name[n] == ' ';
}

/* All spellings of the options (those with an argument only, if ARGS), with blanks between. */
static void put_spellings(struct dvmi_buf *out, const struct dvmi_opt *table, bool args)
{
	char s[OPT_SPELLING_MAX];

	for (const struct dvmi_opt *o = table; o->id; o++)
		for (unsigned i = 0; o->help && (o->arg || !args) && dvmi_opt_spelling(o, i, s);
		     i++)
			dvmi_buf_printf(out, "%s ", s);
	if (!args)
		put(out, "--help");
}

static void put_argument(struct dvmi_buf *out, const struct dvmi_opt *o)
{
	char s[OPT_SPELLING_MAX];

	put(out, "\t\t");
	for (unsigned i = 0; dvmi_opt_spelling(o, i, s); i++)
		dvmi_buf_printf(out, "%s%s", i ? "|" : "", s);
	put(out, ") words='");
	put_quoted(out, o->words);
	put(out, "' ;;\n");
}

static void put_command(struct dvmi_buf *out, const struct dvmi_opt_command *c, const char *label,
			bool verbs)
{
	dvmi_buf_printf(out, "\t%s)\n\t\tverbs=%s\n\t\tflags='", label, verbs ? "1" : "");
	put_spellings(out, c->options, false);
	put(out, "'\n\t\ttakes=' ");
	put_spellings(out, c->options, true);
	dvmi_buf_printf(out, "'\n\t\tstop=%s\n\t\toperands='", c->stop_at_operand ? "1" : "");
	put_quoted(out, c->words ? c->words : "");
	put(out, "'\n\t\tcase $2 in\n");
	for (const struct dvmi_opt *o = c->options; o->id; o++)
		if (o->arg && o->words)
			put_argument(out, o);
	put(out, "\t\tesac\n\t\t;;\n");
}

static const char script_words[] =
	"# The candidates for $1 that WORDS stands for.\n"
	"_%s_words() {\n"
	"\tcase $2 in\n"
	"\t@file) mapfile -t COMPREPLY < <(compgen -f -- \"$1\") ;;\n"
	"\t@dir) mapfile -t COMPREPLY < <(compgen -d -- \"$1\") ;;\n"
	"\t@user) mapfile -t COMPREPLY < <(compgen -u -- \"$1\") ;;\n"
	"\t@host) mapfile -t COMPREPLY < <(compgen -A hostname -- \"$1\") ;;\n"
	"\t@*) mapfile -t COMPREPLY < <(compgen -W \"$(dvm complete \"${2#@}\" 2>/dev/null)\""
	" -- \"$1\") ;;\n"
	"\t*) mapfile -t COMPREPLY < <(compgen -W \"$2\" -- \"$1\") ;;\n"
	"\tesac\n"
	"}\n\n";

static const char script_main[] =
	"_%s() {\n"
	"\tlocal cur=$2 prev=$3 command='%s' verbs flags takes stop operands words operand='' i w\n"
	"\tCOMPREPLY=()\n"
	"\t# --option=value comes as three words.\n"
	"\tif [[ $cur == = ]]; then cur=''\n"
	"\telif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
	"\tfi\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tw=${COMP_WORDS[i]}\n"
	"\t\tif [[ -z $command ]]; then\n"
	"\t\t\t[[ $w == -* ]] || command=$w\n"
	"\t\t\tcontinue\n"
	"\t\tfi\n"
	"\t\t_%s_options \"$command\" \"$w\"\n"
	"\t\tif [[ -n $verbs && $w != -* ]]; then\n"
	"\t\t\tcommand+=\" $w\"\n"
	"\t\t\tcontinue\n"
	"\t\tfi\n"
	"\t\tif [[ $w == -- ]]; then operand=1\n"
	"\t\telif [[ -n $operand && -n $stop ]]; then break\n"
	"\t\telif [[ $takes == *\" $w \"* ]]; then\n"
	"\t\t\t[[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))\n"
	"\t\t\t((i++))\n"
	"\t\telif [[ $w != -* ]]; then operand=1\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tif [[ -z $command ]]; then\n"
	"\t\t_%s_words \"$cur\" '%s'\n"
	"\t\treturn\n"
	"\tfi\n"
	"\t_%s_options \"$command\" \"$prev\"\n"
	"\tif [[ -n $operand && -n $stop ]]; then return\n"
	"\telif [[ $takes == *\" $prev \"* ]]; then\n"
	"\t\t[[ -z $words ]] || _%s_words \"$cur\" \"$words\"\n"
	"\telif [[ $cur == -* ]]; then _%s_words \"$cur\" \"$flags\"\n"
	"\telif [[ -n $operands ]]; then _%s_words \"$cur\" \"$operands\"\n"
	"\tfi\n"
	"}\n\n"
	"complete -o default -F _%s %s\n";

static void put_options(struct dvmi_buf *out, const char *id,
			const struct dvmi_opt_command *const *commands, size_t n)
{
	dvmi_buf_printf(
		out,
		"# Sets what is known of command $1 and, in `words`, of option $2's argument.\n"
		"_%s_options() {\n\tverbs='' flags='' takes='' stop='' operands='' words=''\n\tcase $1 in\n",
		id);
	for (size_t i = 0; i < n; i++) {
		char label[OPT_SPELLING_MAX + 3];
		snprintf(label, sizeof label, "'%s'", subcommand(commands[i]));
		put_command(out, commands[i], n > 1 ? label : "*",
			    i + 1 < n && is_verb_of(commands[i + 1], commands[i]));
	}
	put(out, "\tesac\n}\n\n");
}

/* PROGRAM as a part of shell names. */
static void make_id(char *id, size_t size, const char *program)
{
	snprintf(id, size, "%s", program);
	for (char *p = id; *p; p++)
		if (*p == '-' || *p == '.')
			*p = '_';
}

void dvmi_opt_completion(const char *program, const struct dvmi_opt_command *const *commands,
			 size_t n, struct dvmi_buf *out)
{
	struct dvmi_buf names = { 0 };
	char id[64];

	make_id(id, sizeof id, program);
	for (size_t i = 0; i < n; i++)
		if (!strchr(subcommand(commands[i]), ' '))
			dvmi_buf_printf(&names, "%s ", subcommand(commands[i]));
	dvmi_buf_put_u8(&names, 0);
	if (names.err) {
		out->err = names.err;
		return;
	}
	dvmi_buf_printf(out, "# bash completion for %s, generated from its tables of options\n\n",
			program);
	dvmi_buf_printf(out, script_words, id);
	put_options(out, id, commands, n);
	dvmi_buf_printf(out, script_main, id, n > 1 ? "" : program, id, id, (char *)names.data, id,
			id, id, id, id, program);
	dvmi_buf_free(&names);
}
