/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/graph/edges.h"

enum { BAD_LINES_SHOWN = 5 };

static const char blank[] = " \t\r\n\v\f";

/* Where we are in the file. */
struct place {
	const char *path;
	uint64_t line, bad;
};

static void complain(struct place *at, const char *why)
{
	if (at->bad++ < BAD_LINES_SHOWN)
		fprintf(stderr, "%s:%llu: %s\n", at->path, (unsigned long long)at->line, why);
}

static int add_edge(struct edges *l, uint32_t from, uint32_t to)
{
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 4096;
		struct edge *edge = reallocarray(l->edge, room, sizeof *edge);

		if (!edge)
			return -ENOMEM;
		l->edge = edge;
		l->room = room;
	}
	l->edge[l->n++] = (struct edge){ from, to };
	return 0;
}

/* Finds the words of TEXT, keeps the first MAX; returns how many there are before a comment. */
static int split(const char *text, const char **word, size_t *len, int max)
{
	int n = 0;

	for (text += strspn(text, blank); *text && *text != '#'; text += strspn(text, blank)) {
		size_t chars = strcspn(text, blank);

		if (n < max) {
			word[n] = text;
			len[n] = chars;
		}
		n++;
		text += chars;
	}
	return n;
}

/* Anything wrong with a line of WORDS words? NULL if not. */
static const char *fault(const char *text, size_t bytes, int words)
{
	if (strlen(text) != bytes)
		return "a zero byte; is this a text file?";
	if (words == 1)
		return "an edge needs two names, here is one";
	return words > 2 ? "an edge needs two names, here are more" : NULL;
}

static int take_line(struct edges *l, struct place *at, const char *text, size_t bytes)
{
	const char *word[2];
	size_t len[2];
	int words = split(text, word, len, 2);
	const char *why = fault(text, bytes, words);
	int64_t from, to;

	if (why)
		complain(at, why);
	if (why || words == 0)
		return 0;
	from = names_number(&l->names, word[0], len[0]);
	to = from < 0 ? from : names_number(&l->names, word[1], len[1]);
	if (to < 0)
		return (int)to;
	if (from != to)
		return add_edge(l, (uint32_t)from, (uint32_t)to);
	l->loops++;
	return 0;
}

static int read_lines(struct edges *l, struct place *at, FILE *in)
{
	char *text = NULL;
	size_t room = 0;
	ssize_t bytes;
	int rc = 0;

	while (rc == 0 && (errno = 0, bytes = getline(&text, &room, in)) >= 0) {
		at->line++;
		rc = take_line(l, at, text, (size_t)bytes);
	}
	if (rc == 0 && !feof(in))
		rc = errno ? -errno : -EIO;
	free(text);
	return rc;
}

int edges_read(struct edges *l, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *in = is_stdin ? stdin : fopen(path, "re");
	struct place at = { .path = is_stdin ? "standard input" : path };
	int rc = in ? read_lines(l, &at, in) : -errno;

	if (rc < 0)
		fprintf(stderr, "%s: %s\n", at.path, strerror(-rc));
	if (at.bad > BAD_LINES_SHOWN)
		fprintf(stderr, "%s: %llu bad lines in all\n", at.path, (unsigned long long)at.bad);
	if (in && !is_stdin)
		fclose(in);
	return rc == 0 && at.bad ? -EBADMSG : rc;
}

void edges_free(struct edges *l)
{
	names_free(&l->names);
	free(l->edge);
	*l = (struct edges){ 0 };
}
