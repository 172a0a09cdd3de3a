// SPDX-License-Identifier: BSD-3-Clause
// Being told of direct routes: as they are made by the first message, and as they end.
#include "tests/pvm/show.h"

enum { PING = 1, PONG = 2, END = 3, ADDED = 50, ENDED = 51, OTHER = 52 };

static int kids[4];

static int child(void)
{
	int tag, buf;

	for (;;) {
		buf = pvm_recv(pvm_parent(), -1);
		if (buf < 0 || pvm_bufinfo(buf, NULL, &tag, NULL) < 0 || tag == END)
			break;
		send_int(pvm_parent(), PONG, 0);
	}
	pvm_exit();
	return 0;
}

static void show_note(int tag, int wait_ms)
{
	struct timeval patience = { wait_ms / 1000, wait_ms % 1000 * 1000 };
	int tid = 0, from, buf = pvm_trecv(-1, tag, &patience);

	if (buf <= 0) {
		printf("  no note: %d\n", buf);
		return;
	}
	pvm_bufinfo(buf, NULL, NULL, &from);
	pvm_upkint(&tid, 1, 1);
	printf("  note %d from %s: %s\n", tag, tid_name(from), tid_name(tid));
}

static void ping(int tid)
{
	send_int(tid, PING, 0);
	recv_int(tid, PONG);
}

int main(int argc, char **argv)
{
	start(argc, argv, 30);
	if (is_role(argc, argv, "child"))
		return child();
	pvm_setopt(PvmAutoErr, 0);
	name_tid(pvm_mytid(), "me");
	SHOW(pvm_setopt(PvmRoute, PvmRouteDirect));
	spawn_role("child", 4, kids);
	SHOW(pvm_notify(PvmRouteAdd, ADDED, -1, NULL));
	SHOW(pvm_notify(PvmRouteDelete, ENDED, 2, kids));
	show_note(ENDED, 5000);
	show_note(ENDED, 5000);
	ping(kids[0]);
	show_note(ADDED, 5000);
	SHOW(pvm_notify(PvmRouteDelete, ENDED, 1, kids));
	ping(kids[0]);
	ping(kids[1]);
	show_note(ADDED, 5000);
	show_note(ADDED, 0);
	SHOW(pvm_notify(PvmRouteAdd | PvmNotifyCancel, ADDED, 0, NULL));
	SHOW(pvm_notify(PvmRouteDelete, OTHER, 1, kids + 1));
	SHOW(pvm_notify(PvmRouteDelete | PvmNotifyCancel, OTHER, 1, kids + 1));
	SHOW(pvm_notify(PvmRouteAdd, OTHER, 1, NULL));
	ping(kids[2]);
	show_note(OTHER, 5000);
	ping(kids[3]);
	show_note(OTHER, 0);
	show_note(ADDED, 0);
	send_int(kids[0], END, 0);
	show_note(ENDED, 5000);
	for (int i = 1; i < 4; i++)
		send_int(kids[i], END, 0);
	show_note(ENDED, 200);
	SHOW(pvm_exit());
	return 0;
}
