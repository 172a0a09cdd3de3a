// SPDX-License-Identifier: BSD-3-Clause
/* What children print: caught by the parent, or sent as messages to whom it may concern. */
#include "tests/pvm/show.h"

enum { GO = 1, OUT = 20 };

static int me, kid;

static int child(void)
{
	pvm_mytid();
	printf("first line\n");
	printf("second line\n");
	fflush(stdout);
	fprintf(stderr, "an error\n");
	wait_word(GO);
	printf("no end of line");
	fflush(stdout);
	pvm_exit();
	return 0;
}

static int child_quiet(void)
{
	pvm_mytid();
	wait_word(GO);
	pvm_exit();
	return 0;
}

/* Task ids and the order of lines of several tasks differ; so the lines are shown one child at a
 * time, and ids are taken out. */
static void show_caught(FILE *f)
{
	char line[256], *end;

	rewind(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		end = strchr(line, ']');
		if (strncmp(line, "[t", 2) == 0 && end)
			printf("  [tid]%s\n", end + 1);
		else
			printf("  %s\n", line);
	}
	fclose(f);
}

static void caught(int tids)
{
	FILE *f = tmpfile();

	pvm_setopt(PvmShowTids, tids);
	SHOW(pvm_catchout(f));
	spawn_role("child", 1, &kid);
	say_word(&kid, 1, GO);
	pvm_notify(PvmTaskExit, 9, 1, &kid);
	pvm_recv(-1, 9);
	SHOW(pvm_catchout(NULL)); /* waits for the rest? */
	fflush(f);
	/* Exiting does wait. */
	pvm_exit();
	me = pvm_mytid();
	show_caught(f);
}

/* Output as messages: an int (how long it is, or what has happened), and the text. */
static void show_output(void)
{
	struct timeval patience = { 5, 0 };
	int tid, n;
	char text[4096];

	while (pvm_trecv(-1, OUT, &patience) > 0) {
		pvm_upkint(&tid, 1, 1);
		pvm_upkint(&n, 1, 1);
		if (n == -2) {
			pvm_upkint(&n, 1, 1);
			printf("  %s begins, started by %s\n", tid_name(tid), tid_name(n));
		} else if (n == -1) {
			printf("  -1 of %s\n", tid_name(tid));
		} else if (n == 0) {
			printf("  the end of %s\n", tid_name(tid));
			return;
		} else if (n > 0 && n < 4096) {
			pvm_upkbyte(text, n, 1);
			text[n] = '\0';
			printf("  %s", text);
		} else {
			printf("  %d of %s\n", n, tid_name(tid));
		}
	}
	printf("  no end\n");
}

static void as_messages(void)
{
	head("as messages");
	SHOW(pvm_setopt(PvmOutputTid, me) >= 0);
	SHOW(pvm_setopt(PvmOutputCode, OUT));
	SHOW_TID(pvm_getopt(PvmOutputTid));
	SHOW(pvm_getopt(PvmOutputCode));
	spawn_role("quiet", 1, &kid);
	say_word(&kid, 1, GO);
	show_output();
	SHOW(pvm_setopt(PvmOutputTid, 0) > 0);
}

int main(int argc, char **argv)
{
	start(argc, argv, 30);
	if (is_role(argc, argv, "child"))
		return child();
	if (is_role(argc, argv, "quiet"))
		return child_quiet();
	pvm_setopt(PvmAutoErr, 0);
	me = pvm_mytid();
	name_tid(me, "me");
	head("caught, with ids");
	caught(1);
	head("caught, without");
	caught(0);
	name_tid(me, "me");
	as_messages();
	head("files");
	SHOW(pvm_catchout(NULL));
	SHOW(pvm_exit());
	return 0;
}
