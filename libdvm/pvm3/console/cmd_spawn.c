// SPDX-License-Identifier: BSD-3-Clause
/* Starting tasks: spawn, jobs. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/pvm3/console/console.h"

struct order {
	int count;
	int flags;
	char where[1024]; /* host or architecture, and :directory */
	bool redirect;
	const char *file; /* of output; NULL: the console */
	const char *mode;
};

/* -HOST, -ARCH, each perhaps with :DIRECTORY, or that alone. */
static bool take_place(struct order *o, const char *place)
{
	char name[sizeof(o->where)];
	bool given = strncmp(place, "-host=", 6) == 0;

	if (given)
		place += 6;
	if (strlen(place) >= sizeof(o->where)) {
		printf("%s\n", result_text(PvmBadParam));
		return false;
	}
	strcpy(o->where, place);
	strcpy(name, place);
	name[strcspn(name, ":")] = '\0';
	if (!*name)
		return true;
	o->flags &= ~(PvmTaskHost | PvmTaskArch);
	o->flags |= given || pvm_archcode(name) < 0 ? PvmTaskHost : PvmTaskArch;
	return true;
}

static bool take_count(struct order *o, const char *digits)
{
	char *end;
	long n = strtol(digits, &end, 10);

	if (*end != '\0' || n < 1 || n > INT_MAX / 16)
		return false;
	o->count = (int)n;
	return true;
}

static bool all_digits(const char *s)
{
	while (isdigit((unsigned char)*s))
		s++;
	return *s == '\0';
}

static void take_redirection(struct order *o, const char *file)
{
	bool append = *file == '>';

	o->redirect = true;
	o->mode = append ? "a" : "w";
	file += append;
	o->file = *file ? file : NULL;
}

static bool take_option(struct order *o, const char *option)
{
	if (*option == '>')
		take_redirection(o, option + 1);
	else if (*option == '?')
		o->flags |= PvmTaskDebug;
	else if (*option == '@')
		o->flags |= PvmTaskTrace;
	else if (*option && all_digits(option))
		return take_count(o, option);
	else
		return take_place(o, option);
	return true;
}

/* A new job for its output, or 0 where nobody has asked for it, or -1. */
static int open_job(struct console *c, const struct order *o)
{
	FILE *out = stdout;
	int number;

	if (!o->redirect)
		return 0;
	if (o->file)
		out = fopen(o->file, o->mode);
	if (!out) {
		printf("%s: cannot be written\n", o->file);
		return -1;
	}
	number = jobs_begin(c->jobs, out);
	if (number > 0) {
		printf("[%d]\n", number);
		return number;
	}
	if (out != stdout)
		fclose(out);
	return -1;
}

static bool start(struct console *c, struct order *o, char **argv)
{
	cleanup_free int *tids = calloc((size_t)o->count, sizeof(*tids));
	int job = tids ? open_job(c, o) : -1, n;

	if (job < 0)
		return false;
	if (job > 0)
		jobs_attach(job);
	n = pvm_spawn(argv[0], argv + 1, o->flags, *o->where ? o->where : NULL, o->count, tids);
	if (job > 0) {
		jobs_detach();
		jobs_started(c->jobs, job, tids, n > 0 ? n : 0);
	}
	if (n < 0) {
		printf("%s\n", result_text(n));
		return false;
	}
	printf("%d successful\n", n);
	for (int i = 0; i < o->count; i++)
		if (tids[i] < 0)
			printf("%s\n", result_text(tids[i]));
		else
			printf("t%x\n", (unsigned)tids[i]);
	return n == o->count;
}

static bool spawn(struct console *c, int argc, char **argv)
{
	struct order o = { .count = 1 };
	int at = 1;

	for (; at < argc && argv[at][0] == '-'; at++)
		if (!take_option(&o, argv[at] + 1))
			return false;
	if (at == argc) {
		printf("incorrect arg count\n");
		return false;
	}
	return start(c, &o, argv + at);
}

static bool jobs(struct console *c, int argc, char **argv)
{
	jobs_print(c->jobs, argc > 1 && strcmp(argv[1], "-l") == 0);
	return true;
}

const struct command spawn_commands[] = {
	{ "spawn", spawn, 1, -1, "Start tasks",
	  "Syntax:  spawn [ options ] file [ arg ... ]\n"
	  "Options:  -COUNT            so many; else one\n"
	  "          -HOST             on that host; else on any\n"
	  "          -ARCH             on hosts of that architecture\n"
	  "          --host=NAME       on that host, whatever it looks like\n"
	  "          -:DIR -HOST:DIR   in that directory\n"
	  "          -?                under the debugger\n"
	  "          ->                output comes to the console\n"
	  "          ->FILE ->>FILE    output goes to the file, or is appended to it\n" },
	{ "jobs", jobs, 0, 1, "List jobs whose output comes to the console",
	  "Syntax:  jobs [ -l ]\n"
	  "Options:  -l   with their tasks\n" },
	{ 0 },
};
