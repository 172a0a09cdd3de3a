// SPDX-License-Identifier: BSD-3-Clause
/* Options, environment, mailboxes: export, getopt, names, put, setenv, setopt, trace, unexport. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libdvm/pvm3/console/console.h"

extern char **environ;

/* ---- options of the console ---- */

#define OPTION(name)                                                                               \
	{                                                                                          \
#name, name                                                                        \
	}
static const struct {
	const char *name;
	int what;
} options[] = {
	OPTION(PvmRoute),
	OPTION(PvmDebugMask),
	OPTION(PvmAutoErr),
	OPTION(PvmOutputTid),
	OPTION(PvmOutputCode),
	OPTION(PvmTraceTid),
	OPTION(PvmTraceCode),
	OPTION(PvmTraceBuffer),
	OPTION(PvmTraceOptions),
	OPTION(PvmFragSize),
	OPTION(PvmResvTids),
	OPTION(PvmSelfOutputTid),
	OPTION(PvmSelfOutputCode),
	OPTION(PvmSelfTraceTid),
	OPTION(PvmSelfTraceCode),
	OPTION(PvmSelfTraceBuffer),
	OPTION(PvmSelfTraceOptions),
	OPTION(PvmShowTids),
	OPTION(PvmOutputContext),
	OPTION(PvmTraceContext),
	OPTION(PvmSelfOutputContext),
	OPTION(PvmSelfTraceContext),
	OPTION(PvmNoReset),
};
#define NUM_OPTIONS (sizeof(options) / sizeof(options[0]))

/* Its place in the list; NUM_OPTIONS after saying that there is none. */
static size_t find_option(const char *name)
{
	size_t i = 0;

	while (i < NUM_OPTIONS && strcmp(options[i].name, name) != 0)
		i++;
	if (i == NUM_OPTIONS)
		printf("PVM Option \"%s\" Unknown.\n", name);
	return i;
}

static void print_option(size_t i)
{
	printf("%s Currently Set to %d\n", options[i].name, pvm_getopt(options[i].what));
}

static bool get_option(struct console *c, int argc, char **argv)
{
	size_t i;

	(void)c;
	if (argc > 1) {
		i = find_option(argv[1]);
		if (i < NUM_OPTIONS)
			print_option(i);
		return i < NUM_OPTIONS;
	}
	for (i = 0; i < NUM_OPTIONS; i++)
		print_option(i);
	return true;
}

static bool set_option(struct console *c, int argc, char **argv)
{
	size_t i = find_option(argv[1]);
	int value = (int)strtol(argv[2], NULL, 0), old;

	(void)c, (void)argc;
	if (i == NUM_OPTIONS)
		return false;
	old = pvm_setopt(options[i].what, value);
	if (old < 0 && old == pvm_errno) {
		printf("%s\n", result_text(old));
		return false;
	}
	printf("%s Changed from %d to %d\n", options[i].name, old, value);
	return true;
}

/* ---- environment ---- */

static bool set_env(struct console *c, int argc, char **argv)
{
	const char *value;

	(void)c;
	if (argc == 1) {
		for (char **e = environ; *e; e++)
			printf("%s\n", *e);
		return true;
	}
	if (argc > 2)
		return setenv(argv[1], argv[2], 1) == 0;
	value = getenv(argv[1]);
	printf("%s\n", value ? value : "");
	return value != NULL;
}

static bool export(struct console *c, int argc, char **argv)
{
	const char *list = getenv("PVM_EXPORT");

	(void)c;
	if (argc == 1)
		printf("PVM_EXPORT=%s\n", list ? list : "");
	for (int i = 1; i < argc; i++)
		pvm_export(argv[i]);
	return true;
}

static bool unexport(struct console *c, int argc, char **argv)
{
	(void)c;
	for (int i = 1; i < argc; i++)
		pvm_unexport(argv[i]);
	return true;
}

/* ---- mailboxes ---- */

static void print_class(const struct pvmmboxinfo *m)
{
	printf("<%s>:\n", m->mi_name);
	for (int i = 0; i < m->mi_nentries; i++)
		printf("\tindex=%d owner=0x%x/%d flags=0x%x\n", m->mi_indices[i],
		       (unsigned)m->mi_owners[i], m->mi_owners[i], (unsigned)m->mi_flags[i]);
	printf("\n");
}

static bool names(struct console *c, int argc, char **argv)
{
	struct pvmmboxinfo *list;
	char all[] = "*";
	int n, rc = pvm_getmboxinfo(argc > 1 ? argv[1] : all, &n, &list);

	(void)c;
	if (rc < 0)
		printf("%s\n", result_text(rc));
	for (int i = 0; rc >= 0 && i < n; i++)
		print_class(&list[i]);
	return rc >= 0;
}

/* The entry is a message with a text in it. It stays while the console does. */
static bool put(struct console *c, int argc, char **argv)
{
	int buf = pvm_mkbuf(PvmDataDefault), old = pvm_setsbuf(buf), rc;

	(void)c;
	rc = pvm_pkstr(argc > 2 ? argv[2] : argv[1]);
	pvm_setsbuf(old);
	if (rc >= 0)
		rc = pvm_putinfo(argv[1], buf, PvmMboxMultiInstance);
	pvm_freebuf(buf);
	if (rc < 0)
		printf("%s\n", result_text(rc));
	else
		printf("index=%d\n", rc);
	return rc >= 0;
}

static bool trace(struct console *c, int argc, char **argv)
{
	(void)c, (void)argc, (void)argv;
	printf("trace: %s\n", result_text(PvmNotImpl));
	return false;
}

const struct command option_commands[] = {
	{ "export", export, 0, -1, "Have tasks get variables of the environment",
	  "Syntax:  export [ name ... ]\n" },
	{ "getopt", get_option, 0, 1, "Show options of the console",
	  "Syntax:  getopt [ option ]\n" },
	{ "mbox", names, 0, 1, "The same as names", "Syntax:  mbox [ pattern ]\n" },
	{ "names", names, 0, 1, "List the entries of mailboxes", "Syntax:  names [ pattern ]\n" },
	{ "put", put, 1, 2, "Put a text into a mailbox", "Syntax:  put name [ text ]\n" },
	{ "setenv", set_env, 0, 2, "Show or set variables of the environment",
	  "Syntax:  setenv [ name [ value ] ]\n" },
	{ "setopt", set_option, 2, 2, "Set an option of the console",
	  "Syntax:  setopt option value\n" },
	{ "trace", trace, 0, -1, "Not here: the machine does not trace", "Syntax:  trace\n" },
	{ "unexport", unexport, 0, -1, "Have tasks not get them any more",
	  "Syntax:  unexport name ...\n" },
	{ 0 },
};
