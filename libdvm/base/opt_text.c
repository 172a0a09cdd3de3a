/* SPDX-License-Identifier: BSD-3-Clause */
/* --help and the manual's options, out of the table that is parsed. */
#include <stdio.h>
#include <string.h>

#include "libdvm/base/opt_private.h"

#define HELP_COLUMN 28

/* Columns that N bytes of UTF-8 take: its characters, none of which is wide or combining. */
static size_t columns(const char *s, size_t n)
{
	size_t c = 0;

	for (size_t i = 0; i < n; i++)
		c += ((unsigned char)s[i] & 0xc0) != 0x80;
	return c;
}

static void put(struct dvmi_buf *out, const char *s)
{
	dvmi_buf_put(out, s, strlen(s));
}

static void put_blanks(struct dvmi_buf *out, size_t n)
{
	while (n--)
		put(out, " ");
}

/* Writes S wrapped at WIDTH, further lines indented; the cursor stands at column INDENT. */
static void put_wrapped(struct dvmi_buf *out, const char *s, size_t indent, size_t width)
{
	size_t at = indent;

	for (s += strspn(s, " \n"); *s; s += strspn(s, " \n")) {
		size_t n = strcspn(s, " \n"), cols = columns(s, n);
		if (at > indent && at + 1 + cols > width) {
			put(out, "\n");
			put_blanks(out, indent);
			at = indent;
		} else if (at > indent) {
			put(out, " ");
			at++;
		}
		dvmi_buf_put(out, s, n);
		at += cols;
		s += n;
	}
	put(out, "\n");
}

/* Paragraphs are separated by an empty line; each is handed to FN without it. */
static void each_paragraph(const char *text, void (*fn)(struct dvmi_buf *, const char *, size_t),
			   struct dvmi_buf *out, size_t width)
{
	while (text && *text) {
		const char *end = strstr(text, "\n\n");
		size_t n = end ? (size_t)(end - text) : strlen(text);
		struct dvmi_buf one = { 0 };
		dvmi_buf_put(&one, text, n);
		dvmi_buf_put_u8(&one, 0);
		if (one.err)
			out->err = one.err;
		else
			fn(out, (const char *)one.data, width);
		dvmi_buf_free(&one);
		text = end ? end + 2 : NULL;
	}
}

static void put_paragraph(struct dvmi_buf *out, const char *text, size_t width)
{
	put(out, "\n");
	put_wrapped(out, text, 0, width);
}

static void spellings(const struct dvmi_opt *o, struct dvmi_buf *line)
{
	char s[OPT_SPELLING_MAX];

	if (!o->letter)
		put(line, "    ");
	for (unsigned i = 0; dvmi_opt_spelling(o, i, s); i++)
		dvmi_buf_printf(line, "%s%s", i ? ", " : "", s);
	if (o->arg)
		dvmi_buf_printf(line, " %s", o->arg);
}

static void put_option(struct dvmi_buf *out, const struct dvmi_opt *o, size_t width)
{
	struct dvmi_buf line = { 0 };

	put(&line, "  ");
	spellings(o, &line);
	size_t used = line.err ? 0 : columns((const char *)line.data, line.len);
	if (line.err)
		out->err = line.err;
	dvmi_buf_put(out, line.data, line.len);
	dvmi_buf_free(&line);
	if (used + 2 > HELP_COLUMN) {
		put(out, "\n");
		used = 0;
	}
	put_blanks(out, HELP_COLUMN - used);
	put_wrapped(out, o->help, HELP_COLUMN, width);
}

/* Is --help, in either of its spellings, the table's own? */
static bool lists_help(const struct dvmi_opt *table)
{
	return dvmi_opt_find(table, "--help", 6) != &dvmi_opt_help_option;
}

/* The built-in option as it can be spelled beside TABLE. */
static struct dvmi_opt builtin_help(const struct dvmi_opt *table)
{
	struct dvmi_opt o = dvmi_opt_help_option;

	if (dvmi_opt_find(table, "-h", 2) != &dvmi_opt_help_option)
		o.letter = 0;
	return o;
}

void dvmi_opt_help(const struct dvmi_opt_command *command, unsigned width, struct dvmi_buf *out)
{
	size_t w = width ? width : 80;
	const char *group = NULL;

	if (w < HELP_COLUMN + 20)
		w = HELP_COLUMN + 20;
	dvmi_buf_printf(out, "usage: %s [OPTION]…", command->name);
	if (command->operands)
		dvmi_buf_printf(out, " %s", command->operands);
	dvmi_buf_printf(out, "\n%s\n", command->brief);
	for (const struct dvmi_opt *o = command->options; o->id; o++) {
		if (!o->help)
			continue;
		if (o->group || o == command->options) {
			group = o->group ? o->group : "Options";
			dvmi_buf_printf(out, "\n%s:\n", group);
		}
		put_option(out, o, w);
	}
	if (!lists_help(command->options)) {
		struct dvmi_opt o = builtin_help(command->options);
		if (!group)
			put(out, "\nOptions:\n");
		put_option(out, &o, w);
	}
	each_paragraph(command->text, put_paragraph, out, w);
}

/* Text in which nothing is markup. */
static void put_rst(struct dvmi_buf *out, const char *s)
{
	for (; *s; s++) {
		if (strchr("*`|\\_", *s))
			put(out, "\\");
		dvmi_buf_put(out, s, 1);
	}
}

static void rst_option(struct dvmi_buf *out, const struct dvmi_opt *o)
{
	char s[OPT_SPELLING_MAX];

	put(out, "\n");
	for (unsigned i = 0; dvmi_opt_spelling(o, i, s); i++) {
		dvmi_buf_printf(out, "%s**%s**", i ? ", " : "", s);
		if (o->arg) {
			put(out, " *");
			put_rst(out, o->arg);
			put(out, "*");
		}
	}
	put(out, "\n    ");
	put_rst(out, o->help);
	put(out, "\n");
}

static void rst_title(struct dvmi_buf *out, const char *title, char line)
{
	dvmi_buf_printf(out, "\n%s\n", title);
	for (size_t n = columns(title, strlen(title)); n; n--)
		dvmi_buf_put_u8(out, (uint8_t)line);
	put(out, "\n");
}

static void rst_paragraph(struct dvmi_buf *out, const char *text, size_t width)
{
	put(out, "\n");
	put_rst(out, text);
	put(out, "\n");
}

void dvmi_opt_manual(const struct dvmi_opt_command *command, struct dvmi_buf *out)
{
	rst_title(out, "SYNOPSIS", '=');
	dvmi_buf_printf(out, "\n**%s** [*OPTION*]…", command->name);
	if (command->operands) {
		put(out, " ");
		put_rst(out, command->operands);
	}
	put(out, "\n");
	each_paragraph(command->text, rst_paragraph, out, 0);
	rst_title(out, "OPTIONS", '=');
	for (const struct dvmi_opt *o = command->options; o->id; o++) {
		if (!o->help)
			continue;
		if (o->group)
			rst_title(out, o->group, '-');
		rst_option(out, o);
	}
	if (!lists_help(command->options)) {
		struct dvmi_opt o = builtin_help(command->options);
		rst_option(out, &o);
	}
}
