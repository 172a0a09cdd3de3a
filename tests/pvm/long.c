// SPDX-License-Identifier: BSD-3-Clause
// Long messages: what they hold in each encoding, whoever writes, sends on or leaves meanwhile.
#include "tests/pvm/show.h"

enum { GO = 1, DATA = 2, BACK = 3, END = 4, LONG = 200000 };

static int me, kids[3], data[LONG], got[LONG];

static void fill(int from, int n, int value)
{
	for (int i = 0; i < n; i++)
		data[from + i] = value + i;
}

/* The first number of a message that is not what fill() has made; -1: all are right. */
static int wrong(int n, int value)
{
	memset(got, 0, sizeof(got));
	int rc = pvm_upkint(got, n, 1);

	for (int i = 0; i < n && rc == 0; i++)
		if (got[i] != value + i)
			return i;
	return rc < 0 ? rc : -1;
}

/* ---- what the children do: say what was wrong, or send on what has come ---- */

static int child(void)
{
	int n, value, tag, buf;

	for (;;) {
		pvm_recv(pvm_parent(), GO);
		pvm_upkint(&n, 1, 1);
		pvm_upkint(&value, 1, 1);
		if (n == 0)
			break;
		buf = pvm_recv(-1, -1);
		pvm_bufinfo(buf, NULL, &tag, NULL);
		if (tag == BACK) {
			pvm_setrbuf(0);
			pvm_setsbuf(buf);
			pvm_send(pvm_parent(), BACK);
			pvm_freebuf(pvm_setsbuf(0));
		} else {
			send_int(pvm_parent(), END, wrong(n, value));
		}
	}
	pvm_exit();
	return 0;
}

/* Sends much and leaves. */
static int leaver(void)
{
	for (int i = 0; i < 4; i++) {
		fill(0, LONG, 1000 * i);
		pvm_initsend(PvmDataRaw);
		pvm_pkint(data, LONG, 1);
		pvm_send(pvm_parent(), DATA);
	}
	pvm_exit();
	return 0;
}

static void order(int who, int n, int value)
{
	int before = pvm_setsbuf(pvm_mkbuf(PvmDataDefault));

	pvm_pkint(&n, 1, 1);
	pvm_pkint(&value, 1, 1);
	pvm_send(who, GO);
	pvm_freebuf(pvm_setsbuf(before));
}

static void encodings(void)
{
	static const int kinds[] = { PvmDataDefault, PvmDataRaw, PvmDataInPlace };

	head("encodings");
	for (int n = 10; n <= LONG; n = n * 10 < LONG || n == LONG ? n * 10 : LONG)
		for (int i = 0; i < COUNT(kinds); i++) {
			fill(0, n, n);
			order(kids[0], n, n);
			pvm_initsend(kinds[i]);
			pvm_pkint(data, n, 1);
			pvm_send(kids[0], DATA);
			fill(0, n, -7); /* whatever we write now is not in it */
			printf("%d numbers, encoding %d: ", n, kinds[i]);
			SHOW(recv_int(kids[0], END));
		}
}

/* Packing goes on behind what was sent, which does not change. */
static void append(void)
{
	head("append");
	order(kids[0], LONG / 2, 5);
	fill(0, LONG, 5);
	pvm_initsend(PvmDataRaw);
	pvm_pkint(data, LONG / 2, 1);
	pvm_send(kids[0], DATA);
	order(kids[0], LONG, 5);
	pvm_pkint(data + LONG / 2, LONG / 2, 1);
	pvm_send(kids[0], DATA);
	SHOW(recv_int(kids[0], END));
	SHOW(recv_int(kids[0], END));
}

static void to_many(void)
{
	head("to many");
	for (int i = 0; i < 3; i++)
		order(kids[i], LONG, 9);
	fill(0, LONG, 9);
	pvm_initsend(PvmDataRaw);
	pvm_pkint(data, LONG, 1);
	SHOW(pvm_mcast(kids, 3, DATA));
	pvm_initsend(PvmDataRaw); /* the next one, before they have looked */
	fill(0, LONG, 77);
	pvm_pkint(data, LONG, 1);
	for (int i = 0; i < 3; i++)
		SHOW(recv_int(kids[i], END));
}

/* There and back, as it came. */
static void sent_on(void)
{
	head("sent on");
	order(kids[1], LONG, 0);
	fill(0, LONG, 3);
	pvm_initsend(PvmDataRaw);
	pvm_pkint(data, LONG, 1);
	pvm_send(kids[1], BACK);
	show_info(pvm_recv(kids[1], BACK));
	SHOW(wrong(LONG, 3));
	SHOW(pvm_upkint(got, 1, 1));
}

static void to_myself(void)
{
	head("to myself");
	fill(0, LONG, 11);
	pvm_initsend(PvmDataRaw);
	pvm_pkint(data, LONG, 1);
	pvm_send(me, DATA);
	pvm_pkint(data, LONG, 1);
	show_info(pvm_recv(me, DATA));
	SHOW(wrong(LONG, 11));
	pvm_psend(me, DATA, data, LONG, PVM_INT);
	fill(0, LONG, 0);
	SHOW(pvm_precv(-1, DATA, got, LONG, PVM_INT, NULL, NULL, NULL));
	SHOW(got[LONG - 1] == 11 + LONG - 1);
}

static void leavers(void)
{
	int tids[2], bufs[8];

	head("from tasks that have left");
	spawn_role("leaver", 2, tids);
	SHOW(pvm_notify(PvmTaskExit, END, 2, tids));
	pvm_recv(-1, END);
	pvm_recv(-1, END);
	for (int i = 0; i < 8; i++) {
		bufs[i] = pvm_recv(tids[i % 2], DATA);
		pvm_setrbuf(0); /* kept */
	}
	for (int i = 0; i < 8; i++) {
		pvm_freebuf(pvm_setrbuf(bufs[i]));
		SHOW(wrong(LONG, 1000 * (i / 2)));
	}
	SHOW(pvm_nrecv(-1, -1));
}

/* What is left of buffers. */
static void afterwards(void)
{
	int made = pvm_mkbuf(PvmDataRaw);

	head("after the end");
	fill(0, LONG, 21);
	pvm_initsend(PvmDataRaw);
	pvm_pkint(data, LONG, 1);
	pvm_send(me, DATA);
	pvm_recv(me, DATA);
	SHOW(pvm_exit());
	SHOW(pvm_getrbuf());
	SHOW(pvm_getsbuf() > 0);
	SHOW(wrong(LONG, 21));
	SHOW(pvm_bufinfo(made, NULL, NULL, NULL));
}

int main(int argc, char **argv)
{
	start(argc, argv, 50);
	if (is_role(argc, argv, "child"))
		return child();
	if (is_role(argc, argv, "leaver"))
		return leaver();
	pvm_setopt(PvmAutoErr, 0);
	me = pvm_mytid();
	name_tid(me, "me");
	spawn_role("child", 3, kids);
	encodings();
	append();
	to_many();
	sent_on();
	to_myself();
	leavers();
	for (int i = 0; i < 3; i++)
		order(kids[i], 0, 0);
	afterwards();
	printf("pvm_exit -> 0\n");
	return 0;
}
