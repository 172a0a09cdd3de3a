// SPDX-License-Identifier: BSD-3-Clause
/* Which commands there are, and from a line to one of them. */
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/pvm3/console/console.h"

static const struct command *const groups[] = {
	host_commands, task_commands, spawn_commands, option_commands, misc_commands,
};
#define NUM_GROUPS (sizeof(groups) / sizeof(groups[0]))

const struct command *command_find(const char *name)
{
	for (size_t g = 0; g < NUM_GROUPS; g++)
		for (const struct command *c = groups[g]; c->name; c++)
			if (strcmp(c->name, name) == 0)
				return c;
	return NULL;
}

/* ---- help, which knows the table ---- */

#define HELP_MAX 64

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct command *const *)a)->name,
		      (*(const struct command *const *)b)->name);
}

static void help_all(void)
{
	const struct command *all[HELP_MAX];
	size_t n = 0;

	for (size_t g = 0; g < NUM_GROUPS; g++)
		for (const struct command *c = groups[g]; c->name && n < HELP_MAX; c++)
			all[n++] = c;
	qsort(all, n, sizeof(all[0]), by_name);
	printf("Commands are:\n");
	for (size_t i = 0; i < n; i++)
		printf("  %-12s%s\n", all[i]->name, all[i]->brief);
}

static bool help(struct console *console, int argc, char **argv)
{
	const struct command *c = command_find(argc > 1 ? argv[1] : "help");

	(void)console;
	if (!c) {
		printf("%s: not found\n", argv[1]);
		return false;
	}
	printf("%-12s%s\n%s", c->name, c->brief, c->text);
	if (c->run == help)
		help_all();
	return true;
}

static bool alias(struct console *console, int argc, char **argv)
{
	const char *text;

	if (argc == 1) {
		aliases_print(console->aliases);
	} else if (argc == 2) {
		text = aliases_get(console->aliases, argv[1]);
		if (text)
			printf("%s\t%s\n", argv[1], text);
	} else {
		return aliases_set(console->aliases, argv[1], argc - 2, argv + 2);
	}
	return true;
}

static bool unalias(struct console *console, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		aliases_remove(console->aliases, argv[i]);
	return true;
}

static bool quit(struct console *console, int argc, char **argv)
{
	(void)argc, (void)argv;
	console->done = true;
	return true;
}

static bool echo(struct console *console, int argc, char **argv)
{
	(void)console;
	for (int i = 1; i < argc; i++)
		printf("%s%s", i > 1 ? " " : "", argv[i]);
	printf("\n");
	return true;
}

static bool version(struct console *console, int argc, char **argv)
{
	(void)console, (void)argc, (void)argv;
	printf("%s\n", pvm_version());
	return true;
}

const struct command misc_commands[] = {
	{ "help", help, 0, 1, "Tell about a command, or which there are",
	  "Syntax:  help [ command ]\n" },
	{ "alias", alias, 0, -1, "Name a command, or list the names",
	  "Syntax:  alias [ name [ command arg ... ] ]\n" },
	{ "unalias", unalias, 0, -1, "Forget aliases", "Syntax:  unalias name ...\n" },
	{ "quit", quit, 0, 0, "Leave the console; the machine goes on", "Syntax:  quit\n" },
	{ "echo", echo, 0, -1, "Print the arguments", "Syntax:  echo [ arg ... ]\n" },
	{ "version", version, 0, 0, "Print the version of PVM that this one is like",
	  "Syntax:  version\n" },
	{ 0 },
};

/* ---- lines ---- */

static bool run(struct console *console, int argc, char **argv)
{
	const struct command *c = command_find(argv[0]);

	argv[argc] = NULL;
	if (!c)
		printf("%s: not found\n", argv[0]);
	else if (argc - 1 < c->min || (c->max >= 0 && argc - 1 > c->max))
		printf("%s: wrong #args\n", argv[0]);
	else
		return c->run(console, argc, argv);
	return false;
}

static int split(char *line, char **words)
{
	int n = words_split(line, words, WORDS_MAX);

	if (n < 0)
		printf("a quote is open, or there are too many words\n");
	return n;
}

/* An alias is replaced once: it may have the name of a command that it stands for. */
bool console_do(struct console *c, const char *line)
{
	char *words[2 * WORDS_MAX + 1];
	cleanup_free char *text = strdup(line), *meaning = NULL;
	int n = text ? split(text, words) : -1, more;
	const char *alias_text;

	if (n <= 0)
		return n == 0;
	alias_text = aliases_get(c->aliases, words[0]);
	if (!alias_text)
		return run(c, n, words);
	meaning = strdup(alias_text);
	memmove(words + WORDS_MAX, words + 1, (size_t)(n - 1) * sizeof(words[0]));
	more = meaning ? split(meaning, words) : -1;
	if (more <= 0)
		return false;
	memmove(words + more, words + WORDS_MAX, (size_t)(n - 1) * sizeof(words[0]));
	return run(c, more + n - 1, words);
}
