// SPDX-License-Identifier: BSD-3-Clause
/* Being told of what has happened: tasks that end, hosts that go and come. */
#include "tests/pvm/show.h"

enum { GO = 1, GONE = 10 };

static int me, kids[4];

static int child_wait(void)
{
	wait_word(GO);
	pvm_exit();
	return 0;
}

static int child_crash(void)
{
	pvm_mytid();
	wait_word(GO);
	abort();
}

static int child_leave(void)
{
	pvm_mytid();
	wait_word(GO);
	return 3; /* without pvm_exit */
}

/* What has come: how long it is, from whom, whose id is inside. */
static void show_note(int tag)
{
	int tid = 0, len = -1, from = 0, have = -1, buf;
	struct timeval patience = { 5, 0 };

	buf = pvm_trecv(-1, tag, &patience);
	if (buf <= 0) {
		printf("no note: %d\n", buf);
		return;
	}
	pvm_bufinfo(buf, &len, &have, &from);
	pvm_upkint(&tid, 1, 1);
	printf("note: %d bytes, tag %d, from %s: %s", len, have, tid_name(from), tid_name(tid));
	printf(", then %d\n", pvm_upkint(&tid, 1, 1));
}

static void ends(void)
{
	head("tasks that end");
	spawn_role("wait", 2, kids);
	spawn_role("crash", 1, kids + 2);
	spawn_role("leave", 1, kids + 3);
	SHOW(pvm_notify(PvmTaskExit, GONE, 4, kids));
	SHOW(pvm_nrecv(-1, GONE));
	for (int i = 0; i < 4; i++) {
		if (i == 1)
			pvm_kill(kids[1]);
		else
			say_word(kids + i, 1, GO);
		show_note(GONE);
	}
	SHOW(pvm_nrecv(-1, GONE));
}

static void dead(void)
{
	int twice[2] = { kids[0], kids[0] }, never = me + 500;

	head("tasks that have ended");
	SHOW(pvm_notify(PvmTaskExit, GONE + 1, 1, kids));
	show_note(GONE + 1);
	SHOW(pvm_notify(PvmTaskExit, GONE + 1, 2, twice));
	show_note(GONE + 1);
	show_note(GONE + 1);
	SHOW(pvm_notify(PvmTaskExit, GONE + 1, 1, &never));
	SHOW_BUF(pvm_recv(-1, GONE + 1));
	SHOW(pvm_nrecv(-1, GONE + 1));
}

static void cancelled(void)
{
	head("cancelled");
	spawn_role("wait", 1, kids);
	SHOW(pvm_notify(PvmTaskExit, GONE + 2, 1, kids));
	SHOW(pvm_notify(PvmTaskExit, GONE + 3, 1, kids));
	SHOW(pvm_notify(PvmTaskExit | PvmNotifyCancel, GONE + 2, 1, kids));
	show_note(GONE + 2);
	SHOW(pvm_nrecv(-1, -1));
	SHOW(pvm_notify(PvmTaskExit | PvmNotifyCancel, GONE + 4, 1, kids));
	SHOW(pvm_nrecv(-1, -1));
	say_word(kids, 1, GO);
	show_note(GONE + 3);
	SHOW(pvm_nrecv(-1, -1));
}

static void twice(void)
{
	head("asked twice");
	spawn_role("wait", 1, kids);
	SHOW(pvm_notify(PvmTaskExit, GONE + 5, 1, kids));
	SHOW(pvm_notify(PvmTaskExit, GONE + 5, 1, kids));
	say_word(kids, 1, GO);
	show_note(GONE + 5);
	show_note(GONE + 5);
	SHOW(pvm_nrecv(-1, -1));
}

static void own(void)
{
	int host = pvm_tidtohost(me), none = 0, nowhere = (int)(0x80000000U | 0x3fc0000);

	head("hosts");
	SHOW(pvm_notify(PvmHostDelete, GONE + 6, 1, &host));
	SHOW(pvm_notify(PvmHostDelete, GONE + 7, 1, &nowhere));
	name_tid(nowhere, "nowhere");
	show_note(GONE + 7);
	SHOW(pvm_notify(PvmHostAdd, GONE + 8, -1, NULL));
	SHOW(pvm_notify(PvmHostAdd, GONE + 8, 1, NULL));
	SHOW(pvm_notify(PvmHostAdd, GONE + 8, 0, &none));
	SHOW(pvm_nrecv(-1, -1));

	head("bad arguments");
	SHOW(pvm_notify(0, 1, 1, kids));
	SHOW(pvm_notify(17, 1, 1, kids));
	SHOW(pvm_notify(PvmTaskExit, -1, 1, kids));
	SHOW(pvm_notify(PvmTaskExit, 1, 0, kids));
	SHOW(pvm_notify(PvmTaskExit, 1, -1, kids));
	SHOW(pvm_notify(PvmTaskExit, 1, 1, &none));
	SHOW(pvm_notify(PvmTaskExit, 1, 1, &host));
	SHOW(pvm_notify(PvmHostDelete, 1, 1, &none));
	settle();
	SHOW(pvm_nrecv(-1, -1) > 0);
	SHOW(pvm_notify(PvmHostDelete, 1, 1, &me));
	settle();
	SHOW(pvm_nrecv(-1, -1) > 0);
}

int main(int argc, char **argv)
{
	start(argc, argv, 30);
	if (is_role(argc, argv, "wait"))
		return child_wait();
	if (is_role(argc, argv, "crash"))
		return child_crash();
	if (is_role(argc, argv, "leave"))
		return child_leave();
	pvm_setopt(PvmAutoErr, 0);
	me = pvm_mytid();
	name_tid(me, "me");
	name_tid((int)0x80000000U, "the system");
	ends();
	dead();
	cancelled();
	twice();
	own();
	SHOW(pvm_exit());
	return 0;
}
