// SPDX-License-Identifier: BSD-3-Clause
/* Aliases: names for the beginnings of lines. */
#include <stdlib.h>
#include <string.h>

#include "libdvm/pvm3/console/console.h"

struct alias {
	struct alias *next;
	char *text;
	char name[];
};

struct aliases {
	struct alias *first; /* in the order in which they came */
};

struct aliases *aliases_new(void)
{
	return calloc(1, sizeof(struct aliases));
}

static void alias_free(struct alias *a)
{
	free(a->text);
	free(a);
}

void aliases_free(struct aliases *a)
{
	struct alias *next;

	if (!a)
		return;
	for (struct alias *i = a->first; i; i = next) {
		next = i->next;
		alias_free(i);
	}
	free(a);
}

static struct alias **find(struct aliases *a, const char *name)
{
	struct alias **at = &a->first;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

const char *aliases_get(const struct aliases *a, const char *name)
{
	const struct alias *i = a->first;

	while (i && strcmp(i->name, name) != 0)
		i = i->next;
	return i ? i->text : NULL;
}

void aliases_remove(struct aliases *a, const char *name)
{
	struct alias **at = find(a, name), *i = *at;

	if (!i)
		return;
	*at = i->next;
	alias_free(i);
}

/* The words in one text; they were words without blanks, or will not be again. */
static char *join(int argc, char **argv)
{
	size_t len = 1;
	char *text;

	for (int i = 0; i < argc; i++)
		len += strlen(argv[i]) + 1;
	text = calloc(len, 1);
	for (int i = 0; text && i < argc; i++) {
		strcat(text, argv[i]);
		if (i + 1 < argc)
			strcat(text, " ");
	}
	return text;
}

bool aliases_set(struct aliases *a, const char *name, int argc, char **argv)
{
	size_t len = strlen(name) + 1;
	struct alias *new = malloc(sizeof(*new) + len);
	struct alias **last;

	if (!new)
		return false;
	new->next = NULL;
	new->text = join(argc, argv);
	memcpy(new->name, name, len);
	if (!new->text) {
		free(new);
		return false;
	}
	aliases_remove(a, name);
	last = &a->first;
	while (*last)
		last = &(*last)->next;
	*last = new;
	return true;
}

void aliases_print(const struct aliases *a)
{
	for (const struct alias *i = a->first; i; i = i->next)
		printf("%s\t%s\n", i->name, i->text);
}
