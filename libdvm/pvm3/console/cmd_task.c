// SPDX-License-Identifier: BSD-3-Clause
/* Tasks: id, kill, ps, pstat, reset, sig. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/pvm3/console/console.h"

static bool id(struct console *c, int argc, char **argv)
{
	(void)c, (void)argc, (void)argv;
	printf("t%x\n", (unsigned)pvm_mytid());
	return true;
}

/* ---- ps ---- */

static int host_named(const char *name)
{
	struct pvmhostinfo *hosts;
	int n;

	if (pvm_config(&n, NULL, &hosts) >= 0)
		for (int i = 0; i < n; i++)
			if (strcmp(hosts[i].hi_name, name) == 0)
				return hosts[i].hi_tid;
	printf("%s: %s\n", name, result_text(PvmNoHost));
	return -1;
}

/* The host of -h and of -n: the rest of the word. */
static bool ps_host(struct task_filter *f, const char *option)
{
	int tid = *option == 'n' ? host_named(option + 1) : parse_tid(option + 1);

	if (tid == -1)
		return false;
	f->where = pvm_tidtohost(tid);
	return true;
}

static bool ps_letters(struct task_filter *f, const char *letters)
{
	for (; *letters; letters++)
		switch (*letters) {
		case 'a':
			f->all = true;
			break;
		case 'l':
			f->ids = true;
			break;
		case 'x':
			f->hidden = true;
			break;
		case 'h':
		case 'n':
			return ps_host(f, letters);
		default:
			printf("unknown flag -%c\n", *letters);
			return false;
		}
	return true;
}

static bool ps(struct console *c, int argc, char **argv)
{
	struct task_filter f = { 0 };
	int rc;

	(void)c;
	for (int i = 1; i < argc; i++)
		if (argv[i][0] != '-') {
			printf("ps: wrong #args\n");
			return false;
		} else if (!ps_letters(&f, argv[i] + 1)) {
			return false;
		}
	tasks_heading(f.ids);
	rc = tasks_print(&f);
	if (rc < 0)
		printf("%s\n", result_text(rc));
	return rc >= 0;
}

/* ---- one after the other ---- */

/* Does to each task of the words what DO_ONE does; says what goes wrong. */
static bool each(int argc, char **argv, int (*do_one)(int tid, int arg), int arg)
{
	bool good = true;

	for (int i = 0; i < argc; i++) {
		int tid = parse_tid(argv[i]), rc = tid == -1 ? PvmBadParam : do_one(tid, arg);

		if (rc < 0 && tid != -1)
			printf("%s: %s\n", argv[i], result_text(rc));
		good = good && rc >= 0;
	}
	return good;
}

static int kill_one(int tid, int arg)
{
	(void)arg;
	return pvm_kill(tid);
}

static int kill_children(int tid, int arg)
{
	struct pvmtaskinfo *tasks;
	int n, rc = pvm_tasks(0, &n, &tasks);

	(void)arg;
	for (int i = 0; rc >= 0 && i < n; i++)
		if (tasks[i].ti_ptid == tid)
			pvm_kill(tasks[i].ti_tid);
	return rc;
}

static bool kill_tasks(struct console *c, int argc, char **argv)
{
	(void)c;
	if (strcmp(argv[1], "-c") == 0)
		return each(argc - 2, argv + 2, kill_children, 0);
	return each(argc - 1, argv + 1, kill_one, 0);
}

/* 15, TERM or SIGTERM; -1 for what is none. */
static int parse_signal(const char *word)
{
	const char *name = strncmp(word, "SIG", 3) == 0 ? word + 3 : word, *known;
	char *end;
	long number = strtol(word, &end, 10);

	if (*word && *end == '\0')
		return number >= 0 && number < NSIG ? (int)number : -1;
	for (int s = 1; s < NSIG; s++) {
		known = sigabbrev_np(s);
		if (known && strcmp(known, name) == 0)
			return s;
	}
	return -1;
}

static bool sig(struct console *c, int argc, char **argv)
{
	int signum = parse_signal(argv[1]);

	(void)c;
	if (signum < 0) {
		printf("%s is no signal\n", argv[1]);
		return false;
	}
	return each(argc - 2, argv + 2, pvm_sendsig, signum);
}

static bool pstat(struct console *c, int argc, char **argv)
{
	bool good = true;

	(void)c;
	for (int i = 1; i < argc; i++) {
		int tid = parse_tid(argv[i]), rc = tid == -1 ? PvmBadParam : pvm_pstat(tid);

		if (tid != -1)
			printf("t%8x  %s\n", (unsigned)tid, rc == PvmOk ? "run" : result_text(rc));
		good = good && rc == PvmOk;
	}
	return good;
}

/* ---- reset ---- */

static bool contains(const int *tids, int n, int tid)
{
	for (int i = 0; i < n; i++)
		if (tids[i] == tid)
			return true;
	return false;
}

static void kill_all(void)
{
	struct pvmtaskinfo *tasks;
	int *spared, num_spared = 0, n;

	if (pvm_getnoresets(&spared, &num_spared) < 0)
		num_spared = 0;
	if (pvm_tasks(0, &n, &tasks) < 0)
		return;
	for (int i = 0; i < n; i++)
		if (tasks[i].ti_tid != pvm_mytid() &&
		    !contains(spared, num_spared, tasks[i].ti_tid))
			pvm_kill(tasks[i].ti_tid);
}

/* Entries whose owners are no more, of a class (or all) and with an index (or all). */
static void delete_orphans(char *class, int index)
{
	struct pvmmboxinfo *list;
	int n;

	if (pvm_getmboxinfo(class, &n, &list) < 0)
		return;
	for (int i = 0; i < n; i++)
		for (int e = 0; e < list[i].mi_nentries; e++)
			if (list[i].mi_owners[e] == 0 &&
			    (index < 0 || index == list[i].mi_indices[e]))
				pvm_delinfo(list[i].mi_name, list[i].mi_indices[e], PvmMboxDefault);
}

static bool reset(struct console *c, int argc, char **argv)
{
	char all[] = "*";

	(void)c;
	if (argc > 1 && strcmp(argv[1], "info") != 0) {
		printf("reset: wrong #args\n");
		return false;
	}
	if (argc == 1)
		kill_all();
	delete_orphans(argc > 2 ? argv[2] : all, argc > 3 ? atoi(argv[3]) : -1);
	return true;
}

const struct command task_commands[] = {
	{ "id", id, 0, 0, "Print the task id of the console", "Syntax:  id\n" },
	{ "kill", kill_tasks, 1, -1, "End tasks",
	  "Syntax:  kill [ -c ] tid ...\n"
	  "Options:  -c   not the tasks, but their children\n" },
	{ "ps", ps, 0, -1, "List tasks",
	  "Syntax:  ps [ -alx ] [ -hTID | -nHOST ]\n"
	  "Options:  -a       of all hosts; else of this one\n"
	  "          -hTID    of the host with that daemon or task\n"
	  "          -nHOST   of the host of that name\n"
	  "          -l       with their parents and process numbers\n"
	  "          -x       also those without a name, as consoles\n"
	  "Flags:  f  started by the machine   c  connected   a  not yet let in   o  leaving\n"
	  "        H  hoster   R  resource manager   T  tasker\n" },
	{ "pstat", pstat, 1, -1, "Show whether tasks run", "Syntax:  pstat tid ...\n" },
	{ "reset", reset, 0, 3, "Kill all tasks, and delete what they have left in mailboxes",
	  "Syntax:  reset\n"
	  "         reset info [ class [ index ] ]   only mailboxes\n" },
	{ "sig", sig, 2, -1, "Send a signal to tasks", "Syntax:  sig signal tid ...\n" },
	{ 0 },
};
