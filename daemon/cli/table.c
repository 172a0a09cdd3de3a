/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cli/show.h"

static void append(struct cli_table *t, char *cell)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		char **cells = realloc(t->cells, cap * sizeof *cells);

		if (!cells) {
			free(cell);
			t->failed = true;
			return;
		}
		t->cells = cells;
		t->cap = cap;
	}
	t->cells[t->n++] = cell;
}

void cli_table_add(struct cli_table *t, const char *fmt, ...)
{
	char *cell;
	va_list ap;

	va_start(ap, fmt);
	int rc = vasprintf(&cell, fmt, ap);
	va_end(ap);
	if (rc < 0) {
		t->failed = true;
		return;
	}
	/* Names are what somebody has chosen: they must not move another's cursor. */
	for (char *p = cell; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	append(t, cell);
}

void cli_table_heading(struct cli_table *t, const char *words)
{
	while (*words) {
		int n = (int)strcspn(words, " ");

		cli_table_add(t, "%.*s", n, words);
		words += n + (words[n] == ' ');
	}
}

/* Columns a terminal shows S in, close enough: code points. */
static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void print_row(const struct cli_table *t, char **row, const size_t *widths, FILE *f)
{
	for (unsigned c = 0; c < t->columns; c++) {
		int pad = (int)(widths[c] - width(row[c]));
		bool right = t->right & (1u << c), last = c + 1 == t->columns;

		fprintf(f, "%*s%s%*s", right ? pad : 0, "", row[c], right || last ? 0 : pad, "");
		fputs(last ? "\n" : "  ", f);
	}
}

int cli_table_print(const struct cli_table *t, FILE *f)
{
	size_t widths[CLI_TABLE_COLUMNS] = { 0 };

	if (t->failed)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++) {
		size_t w = width(t->cells[i]);

		if (w > widths[i % t->columns])
			widths[i % t->columns] = w;
	}
	for (size_t i = 0; i + t->columns <= t->n; i += t->columns)
		print_row(t, t->cells + i, widths, f);
	return 0;
}

void cli_table_free(struct cli_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct cli_table){ .columns = t->columns };
}
