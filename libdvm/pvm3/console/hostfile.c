/* SPDX-License-Identifier: BSD-3-Clause */
/* Host files: the hosts that there shall be, and where tasks begin and are found there. */
#include <stdio.h>
#include <string.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/pvm3/console/console.h"
#include "pvm3.h"

/*
 * Adds host NAME with what is SAID of it ("ep=… wd=…"). One that is there gets them, too: nodes of the machine
 * are hosts by themselves.
 */
static bool add_host(struct console *c, const char *name, const char *said)
{
	char text[2048], *hosts[] = { text }, *add[] = { (char[]){ "add" }, text, NULL };
	int code;

	snprintf(text, sizeof(text), "%s", name);
	if (pvm_mstat(text) != PvmOk && !command_find("add")->run(c, 2, add))
		return false;
	if (*said) {
		snprintf(text, sizeof(text), "%s %s", name, said);
		pvm_addhosts(hosts, 1, &code);
	}
	return true;
}

/* The words from the second one on, with blanks between them, and DEFAULTS behind. */
static void join_words(char *out, size_t size, char **words, int n, const char *defaults)
{
	size_t len = 0;

	*out = '\0';
	for (int i = 1; i < n && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s ", words[i]);
	if (len < size)
		snprintf(out + len, size - len, "%s", defaults);
}

/*
 * A host file of PVM: a host and what is said of it a line. A line for * is said of all behind it,
 * and one that begins with & is of a host that is not to be added now.
 */
bool hostfile_read(struct console *c, const char *path)
{
	cleanup_file FILE *f = fopen(path, "re");
	cleanup_free char *line = NULL;
	size_t size = 0;
	bool good = true;
	char defaults[1024] = "";

	if (!f) {
		fprintf(stderr, "pvm: %s cannot be read\n", path);
		return false;
	}
	while (getline(&line, &size, f) > 0) {
		char *words[WORDS_MAX], said[1024];
		int n = words_split(line, words, WORDS_MAX);

		if (n < 1 || *words[0] == '&')
			continue;
		bool all = strcmp(words[0], "*") == 0;
		join_words(said, sizeof(said), words, n, all ? "" : defaults);
		if (all)
			snprintf(defaults, sizeof(defaults), "%s", said);
		else
			good &= add_host(c, words[0], said);
	}
	return good;
}
