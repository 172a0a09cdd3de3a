// SPDX-License-Identifier: BSD-3-Clause
/* Contexts, which keep messages apart, and handlers, which take them before anybody sees them. */
#include "tests/pvm/show.h"

enum { GO = 1, DATA = 2 };

static int me, kids[2];

/* In which context a child finds itself; then it answers in that one. */
static int child(void)
{
	int ctx = pvm_getcontext();

	send_int(pvm_parent(), DATA, ctx);
	wait_word(GO);
	send_int(pvm_parent(), DATA, pvm_newcontext());
	wait_word(GO);
	pvm_exit();
	return 0;
}

static void contexts(void)
{
	int a, b, v;

	head("contexts");
	SHOW(pvm_getcontext());
	a = pvm_newcontext();
	b = pvm_newcontext();
	SHOW(a > 0 && b > 0 && a != b);
	SHOW(b - a);
	SHOW(pvm_getcontext());
	send_int(me, 5, 100);
	SHOW(pvm_setcontext(a));
	SHOW(pvm_getcontext() == a);
	SHOW(pvm_nrecv(-1, -1));
	SHOW(pvm_probe(me, 5));
	send_int(me, 5, 101);
	SHOW(pvm_setcontext(b) == a);
	SHOW(pvm_nrecv(-1, -1));
	SHOW(pvm_setcontext(0) == b);
	SHOW(recv_int(-1, -1));
	SHOW(pvm_nrecv(-1, -1));
	pvm_setcontext(a);
	SHOW(recv_int(-1, -1));

	/* The context of a message is the one it is sent in. */
	pvm_setcontext(0);
	v = 102;
	pvm_initsend(0);
	pvm_pkint(&v, 1, 1);
	pvm_setcontext(b);
	pvm_send(me, 6);
	settle();
	SHOW_BUF(pvm_nrecv(me, 6));
	pvm_setcontext(0);
	SHOW(pvm_nrecv(me, 6));
	SHOW(pvm_setcontext(12345));
	SHOW(pvm_getcontext());
	SHOW(pvm_setcontext(-1));
	SHOW(pvm_getcontext());
	SHOW(pvm_setcontext(0));
	SHOW(pvm_getcontext());

	SHOW(pvm_freecontext(a));
	SHOW(pvm_freecontext(a));
	SHOW(pvm_freecontext(99999));
	SHOW(pvm_freecontext(-1));
	SHOW(pvm_freecontext(b));
	SHOW(pvm_getcontext());
	a = pvm_newcontext();
	pvm_setcontext(a);
	pvm_freecontext(a);
	SHOW(pvm_getcontext() == a);
	pvm_setcontext(0);
}

static void children(void)
{
	int ctx = pvm_newcontext(), theirs, child_ctx;

	head("children");
	pvm_setcontext(ctx);
	spawn_role("child", 1, kids);
	child_ctx = recv_int(kids[0], DATA);
	SHOW(child_ctx == ctx);
	say_word(kids, 1, GO);
	theirs = recv_int(kids[0], DATA);
	SHOW(theirs != ctx && theirs > 0);
	say_word(kids, 1, GO);
	pvm_setcontext(0);
	SHOW(pvm_freecontext(ctx));
	spawn_role("child", 1, kids);
	SHOW(recv_int(kids[0], DATA));
	say_word(kids, 1, GO);
	recv_int(kids[0], DATA);
	say_word(kids, 1, GO);
}

/* ---- handlers ---- */

static int handled, last_value;

static int count(int buf)
{
	int value = -99;

	handled++;
	pvm_setrbuf(buf);
	pvm_upkint(&value, 1, 1);
	last_value = value;
	return 0;
}

static int answer(int buf)
{
	int tid, tag, value = -99;

	pvm_bufinfo(buf, NULL, &tag, &tid);
	pvm_upkint(&value, 1, 1);
	handled++;
	send_int(tid, tag + 1, value + 1);
	return 7;
}

static void show_handled(void)
{
	printf("  handled %d, last %d\n", handled, last_value);
	handled = 0;
	last_value = 0;
}

static void handlers(void)
{
	int a, b, c, d;

	head("handlers");
	a = SHOW(pvm_addmhf(-1, 40, -1, count));
	b = SHOW(pvm_addmhf(me, 41, 0, count));
	SHOW(pvm_addmhf(-1, 40, -1, count));
	SHOW(pvm_addmhf(-1, 40, 0, count));
	SHOW(pvm_addmhf(me, -1, 0, count));
	SHOW(pvm_addmhf(me, 42, 0, NULL));
	send_int(me, 40, 1);
	settle();
	show_handled();
	SHOW(pvm_nrecv(me, 40));
	show_handled();
	send_int(me, 41, 2);
	send_int(me, 5, 3);
	SHOW(recv_int(me, 5));
	show_handled();
	SHOW(pvm_delmhf(a));
	SHOW(pvm_delmhf(a));
	SHOW(pvm_delmhf(999));
	SHOW(pvm_delmhf(-1));
	send_int(me, 40, 4);
	SHOW(recv_int(me, 40));
	show_handled();
	c = SHOW(pvm_addmhf(-1, 50, 0, answer));
	send_int(me, 50, 60);
	SHOW(recv_int(me, 51));
	show_handled();
	SHOW(pvm_delmhf(b));
	SHOW(pvm_delmhf(c));
	/* A handler and the buffers of who is interrupted. */
	d = SHOW(pvm_addmhf(-1, 60, 0, answer));
	int s = pvm_initsend(0), one = 1;

	pvm_pkint(&one, 1, 1);
	pvm_send(me, 60);
	SHOW(pvm_getsbuf() == s);
	settle();
	SHOW(pvm_getsbuf() == s);
	SHOW(recv_int(-1, 61));
	SHOW(pvm_delmhf(d));
	SHOW(pvm_addmhf(-5, 1, 0, count) > 0);
	SHOW(pvm_nrecv(-1, -1));
}

int main(int argc, char **argv)
{
	start(argc, argv, 30);
	if (is_role(argc, argv, "child"))
		return child();
	pvm_setopt(PvmAutoErr, 0);
	me = pvm_mytid();
	name_tid(me, "me");
	contexts();
	children();
	handlers();
	SHOW(pvm_exit());
	return 0;
}
