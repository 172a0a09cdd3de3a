/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The console of a virtual machine: words in, calls of libpvm3, lines out. It is a task as any
 * other, and does nothing that other tasks cannot do.
 */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdbool.h>
#include <stdio.h>

#include "pvm3.h"

struct console {
	struct aliases *aliases;
	struct jobs *jobs;
	bool done; /* no more commands */
	bool halt; /* and no more machine */
};

/*
 * A command: ARGV[0] is its name. It prints to standard output, and what goes wrong as well, as a
 * console does; false tells scripts that something did.
 */
struct command {
	const char *name;
	bool (*run)(struct console *c, int argc, char **argv);
	int min, max; /* arguments beside the name; MAX of -1: any number */
	const char *brief;
	const char *text; /* syntax and options, line by line */
};

/* ---- words.c ---- */

#define WORDS_MAX 256 /* in a line */

/*
 * Splits LINE in place into words at blanks; quotes and backslashes keep blanks, and a # where a
 * word could begin ends the line. Returns the number of words, or -1 for an open quote or too many.
 */
int words_split(char *line, char **words, int max);

/* ---- hostfile.c ---- */

/* Adds the hosts that the file at PATH names, and what it says of them. False: not all of it. */
bool hostfile_read(struct console *c, const char *path);

/* ---- commands.c ---- */

/* Does what LINE says, aliases included. */
bool console_do(struct console *c, const char *line);
const struct command *command_find(const char *name);

/* ---- what the commands share ---- */

/* A task id as people write it, t40001 or 40001: or -1, after saying so. */
int parse_tid(const char *word);
/* The text of a result. */
const char *result_text(int code);

/* ---- aliases.c ---- */

struct aliases *aliases_new(void);
void aliases_free(struct aliases *a);
/* The words that NAME stands for, one text; NULL: it is none. */
const char *aliases_get(const struct aliases *a, const char *name);
bool aliases_set(struct aliases *a, const char *name, int argc, char **argv);
void aliases_remove(struct aliases *a, const char *name);
void aliases_print(const struct aliases *a);

/* ---- jobs.c: tasks whose output comes here ---- */

struct jobs *jobs_new(void);
void jobs_free(struct jobs *j);
/* A job whose output goes to OUT, which it closes unless it is standard output. Its number. */
int jobs_begin(struct jobs *j, FILE *out);
/* What will be spawned now belongs to it; after that, to nobody. */
void jobs_attach(int number);
void jobs_detach(void);
/* All of it is started: it ends when the last of its tasks has. */
void jobs_started(struct jobs *j, int number, const int *tids, int n);
bool jobs_running(const struct jobs *j);
void jobs_print(const struct jobs *j, bool with_tasks);
/* Prints what has come. Does not wait. */
void jobs_poll(struct jobs *j);

/* ---- tasklist.c ---- */

struct task_filter {
	int where;	 /* as for pvm_tasks() */
	bool hidden;	 /* also what has no name: consoles */
	bool all;	 /* not only this host */
	bool ids;	 /* parents and processes */
	const int *only; /* nullable: only these tasks */
	int num_only;
};

int tasks_print(const struct task_filter *f);
void tasks_heading(bool ids);

/* ---- the commands, by file ---- */

extern const struct command host_commands[], task_commands[], spawn_commands[], misc_commands[],
	option_commands[];

#endif
