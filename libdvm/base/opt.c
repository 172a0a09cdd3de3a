/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "libdvm/base/err.h"
#include "libdvm/base/opt_private.h"
#include "libdvm/base/text.h"

#define SUGGESTIONS_MAX 256 /* spellings of one command that are searched for a near one */

const struct dvmi_opt dvmi_opt_help_option = {
	.id = DVMI_OPT_HELP,
	.letter = 'h',
	.name = "help",
	.help = "show this help",
};

static bool copy_alias(const char *aliases, unsigned i, char out[OPT_SPELLING_MAX])
{
	const char *p = aliases ? aliases : "";

	for (;; i--) {
		p += strspn(p, " ");
		size_t len = strcspn(p, " ");
		if (!len)
			return false;
		if (i == 0)
			return snprintf(out, OPT_SPELLING_MAX, "%.*s", (int)len, p) > 0;
		p += len;
	}
}

bool dvmi_opt_spelling(const struct dvmi_opt *o, unsigned i, char out[OPT_SPELLING_MAX])
{
	if (o->letter && i-- == 0)
		return snprintf(out, OPT_SPELLING_MAX, "-%c", o->letter) > 0;
	if (o->name && i-- == 0)
		return snprintf(out, OPT_SPELLING_MAX, "--%s", o->name) > 0;
	return copy_alias(o->aliases, i, out);
}

static bool is_spelled(const struct dvmi_opt *o, const char *word, size_t n)
{
	char spelling[OPT_SPELLING_MAX];

	for (unsigned i = 0; dvmi_opt_spelling(o, i, spelling); i++)
		if (strlen(spelling) == n && !memcmp(spelling, word, n))
			return true;
	return false;
}

const struct dvmi_opt *dvmi_opt_find(const struct dvmi_opt *table, const char *word, size_t n)
{
	for (const struct dvmi_opt *o = table; o->id; o++)
		if (is_spelled(o, word, n))
			return o;
	return is_spelled(&dvmi_opt_help_option, word, n) ? &dvmi_opt_help_option : NULL;
}

void dvmi_opt_init(struct dvmi_opt_parser *p, const struct dvmi_opt_command *command, int argc,
		   char **argv)
{
	*p = (struct dvmi_opt_parser){
		.command = command,
		.argc = argc,
		.argv = argv,
		.at = 1,
		.operands = argc > 0 ? argv + 1 : argv,
	};
}

/* The near spelling for an unknown WORD, in OUT, or NULL. */
static const char *suggest(const struct dvmi_opt *table, const char *word,
			   char out[OPT_SPELLING_MAX])
{
	char all[SUGGESTIONS_MAX][OPT_SPELLING_MAX];
	const char *words[SUGGESTIONS_MAX + 1], *near;
	size_t n = 0;

	for (const struct dvmi_opt *o = table; o->id; o++)
		for (unsigned i = 0; n < SUGGESTIONS_MAX && dvmi_opt_spelling(o, i, all[n]); i++)
			/* A lone letter is near to everything short. */
			if (all[n][2]) {
				words[n] = all[n];
				n++;
			}
	words[n++] = "--help";
	near = dvmi_text_nearest(word, words, n);
	return near ? strcpy(out, near) : NULL;
}

static int unknown_option(const struct dvmi_opt_parser *p, const char *word, dvm_error_t *err)
{
	char near[OPT_SPELLING_MAX], cut[OPT_SPELLING_MAX];

	snprintf(cut, sizeof cut, "%.*s", (int)strcspn(word, "="), word);
	if (suggest(p->command->options, cut, near))
		return dvmi_error_set(err, -EINVAL, "unknown option %s; did you mean %s?", cut,
				      near);
	return dvmi_error_set(err, -EINVAL, "unknown option %s", cut);
}

/* Option O was met, with what is attached to it or NULL. */
static int take_option(struct dvmi_opt_parser *p, const struct dvmi_opt *o, const char *attached,
		       dvm_error_t *err)
{
	p->opt = o == &dvmi_opt_help_option ? NULL : o;
	p->arg = attached;
	if (!o->arg && attached)
		return dvmi_error_set(err, -EINVAL, "%s takes no argument", p->spelled);
	if (o->arg && !attached) {
		if (p->at >= p->argc)
			return dvmi_error_set(err, -EINVAL, "%s needs an argument: %s %s",
					      p->spelled, p->spelled, o->arg);
		p->arg = p->argv[p->at++];
	}
	return o->id;
}

/* The next letter of -abc; what follows a letter that takes an argument is that argument. */
static int take_letter(struct dvmi_opt_parser *p, dvm_error_t *err)
{
	char c = *p->bundle++;

	snprintf(p->letter, sizeof p->letter, "-%c", c);
	p->spelled = p->letter;
	const struct dvmi_opt *o = dvmi_opt_find(p->command->options, p->letter, 2);
	if (!o)
		return unknown_option(
			p, p->bundle == p->argv[p->at - 1] + 2 ? p->argv[p->at - 1] : p->letter,
			err);
	const char *attached = NULL;
	if (o->arg && *p->bundle) {
		attached = p->bundle;
		p->bundle = NULL;
	}
	return take_option(p, o, attached, err);
}

/* A word that begins with a dash. */
static int take_dashed(struct dvmi_opt_parser *p, const char *word, dvm_error_t *err)
{
	size_t n = strcspn(word, "=");
	const struct dvmi_opt *o = n > 2 ? dvmi_opt_find(p->command->options, word, n) : NULL;

	p->at++;
	if (o) {
		snprintf(p->name, sizeof p->name, "%.*s", (int)n, word);
		p->spelled = p->name;
		return take_option(p, o, word[n] ? word + n + 1 : NULL, err);
	}
	if (word[1] == '-')
		return unknown_option(p, word, err);
	p->bundle = word + 1;
	return take_letter(p, err);
}

/* Moves the operand at p->at behind those before it. */
static void take_operand(struct dvmi_opt_parser *p)
{
	char **to = p->operands + p->n_operands, **from = p->argv + p->at;
	char *operand = *from;

	memmove(to + 1, to, (size_t)(from - to) * sizeof *to);
	*to = operand;
	p->n_operands++;
	p->at++;
}

static int finish(struct dvmi_opt_parser *p, dvm_error_t *err)
{
	const struct dvmi_opt_command *c = p->command;
	unsigned n = (unsigned)p->n_operands, max = c->operands ? c->max_operands : 0;

	if (n < c->min_operands)
		return dvmi_error_set(err, -EINVAL, "too few operands, expected: %s",
				      c->operands ? c->operands : "");
	if (n > max && (max || !c->operands))
		return dvmi_error_set(err, -EINVAL, "unexpected operand \"%s\"", p->operands[max]);
	return 0;
}

/* In a command whose operands have options of their own, all of the rest are operands. */
static void take_rest(struct dvmi_opt_parser *p)
{
	p->operands = p->argv + p->at;
	p->n_operands = p->argc - p->at;
	p->at = p->argc;
}

int dvmi_opt_next(struct dvmi_opt_parser *p, dvm_error_t *err)
{
	if (p->bundle && *p->bundle)
		return take_letter(p, err);
	p->bundle = NULL;
	p->arg = NULL;
	while (p->at < p->argc) {
		const char *word = p->argv[p->at];
		if (!p->dashed && !strcmp(word, "--")) {
			p->dashed = true;
			p->at++;
		} else if (!p->dashed && word[0] == '-' && word[1]) {
			return take_dashed(p, word, err);
		} else if (p->command->stop_at_operand) {
			take_rest(p);
		} else {
			take_operand(p);
		}
	}
	return finish(p, err);
}

const char *dvmi_opt_second(struct dvmi_opt_parser *p, dvm_error_t *err)
{
	if (p->at < p->argc)
		return p->argv[p->at++];
	dvmi_error_set(err, -EINVAL, "%s needs two arguments: %s %s", p->spelled, p->spelled,
		       p->opt->arg);
	return NULL;
}

int dvmi_opt_bad(const struct dvmi_opt_parser *p, dvm_error_t *err, const char *fmt, ...)
{
	char why[DVM_ERROR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	return dvmi_error_set(err, -EINVAL, "%s %s: %s", p->spelled, p->arg ? p->arg : "", why);
}

int dvmi_opt_number(const struct dvmi_opt_parser *p, uint64_t min, uint64_t max, uint64_t *out,
		    dvm_error_t *err)
{
	int rc = dvmi_text_u64(p->arg, min, max, out);

	if (rc == -ERANGE && max < UINT64_MAX)
		return dvmi_opt_bad(p, err, "it must be within %llu and %llu",
				    (unsigned long long)min, (unsigned long long)max);
	if (rc == -ERANGE)
		return dvmi_opt_bad(p, err, "it must be at least %llu", (unsigned long long)min);
	return rc < 0 ? dvmi_opt_bad(p, err, "not a number") : 0;
}

int dvmi_opt_u32(const struct dvmi_opt_parser *p, uint32_t min, uint32_t max, uint32_t *out,
		 dvm_error_t *err)
{
	uint64_t v;
	int rc = dvmi_opt_number(p, min, max, &v, err);

	if (rc == 0)
		*out = (uint32_t)v;
	return rc;
}

int dvmi_opt_size(const struct dvmi_opt_parser *p, uint64_t *bytes, dvm_error_t *err)
{
	int rc = dvmi_text_size_parse(p->arg, bytes);

	return rc < 0 ? dvmi_opt_bad(p, err, "not a size, such as 512MiB or 1.5G") : 0;
}

int dvmi_opt_duration(const struct dvmi_opt_parser *p, uint64_t *ns, dvm_error_t *err)
{
	int rc = dvmi_text_duration_parse(p->arg, ns);

	return rc < 0 ? dvmi_opt_bad(p, err, "not a duration, such as 90s, 1h30m or 1:30:00") : 0;
}

static size_t count_words(const char *const *words)
{
	size_t n = 0;

	while (words[n])
		n++;
	return n;
}

int dvmi_opt_choice(const struct dvmi_opt_parser *p, const char *const *words, dvm_error_t *err)
{
	size_t n = count_words(words);
	char list[256] = "";

	for (size_t i = 0; i < n; i++) {
		if (!strcmp(p->arg, words[i]))
			return (int)i;
		size_t used = strlen(list);
		snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", words[i]);
	}
	const char *near = dvmi_text_nearest(p->arg, words, n);
	if (near)
		return dvmi_opt_bad(p, err, "did you mean %s? (%s)", near, list);
	return dvmi_opt_bad(p, err, "not one of %s", list);
}

int dvmi_opt_unknown(const char *what, const char *word, const char *const *words, dvm_error_t *err)
{
	const char *near = dvmi_text_nearest(word, words, count_words(words));

	if (near)
		return dvmi_error_set(err, -EINVAL, "unknown %s \"%s\"; did you mean \"%s\"?", what,
				      word, near);
	return dvmi_error_set(err, -EINVAL, "unknown %s \"%s\"", what, word);
}
