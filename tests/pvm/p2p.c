// SPDX-License-Identifier: BSD-3-Clause
/* Messages from task to task: order, tags, waiting and looking, one to many, in one go. */
#include "tests/pvm/show.h"

enum { GO = 1, DATA = 2, DONE = 3 };

static int me, kids[4];

/* ---- what the children do ---- */

static int child(void)
{
	int n, tag;

	for (;;) { /* n messages with the tag, numbered */
		pvm_recv(pvm_parent(), GO);
		pvm_upkint(&n, 1, 1);
		if (n < 0)
			break;
		pvm_upkint(&tag, 1, 1);
		for (int i = 0; i < n; i++)
			send_int(pvm_parent(), tag, i);
		send_int(pvm_parent(), DONE, n);
	}
	pvm_exit();
	return 0;
}

static void order(int who, int n, int tag)
{
	pvm_initsend(PvmDataDefault);
	pvm_pkint(&n, 1, 1);
	pvm_pkint(&tag, 1, 1);
	pvm_send(who, GO);
}

/* ---- one task, with itself ---- */

static void selection(void)
{
	head("selection");
	for (int i = 0; i < 3; i++)
		for (int tag = 10; tag < 13; tag++)
			send_int(me, tag, 100 * tag + i);
	SHOW(recv_int(me, 12));
	SHOW(recv_int(-1, 11));
	SHOW(recv_int(-1, -1));
	SHOW(recv_int(me, -1));
	SHOW(recv_int(me, 12));
	SHOW(recv_int(-1, 10));
	SHOW(recv_int(-1, -1));
	SHOW(recv_int(-1, -1));
	SHOW(recv_int(-1, -1));
	SHOW(pvm_nrecv(-1, -1));
	SHOW(send_int(me, 0, 7));
	SHOW(recv_int(-1, 0));
	SHOW(send_int(me, INT_MAX, 8));
	SHOW(recv_int(-1, INT_MAX));
}

static void looking(void)
{
	int probed, buf;

	head("looking");
	SHOW(pvm_probe(-1, -1));
	SHOW(pvm_nrecv(me, 5));
	send_int(me, 5, 50);
	send_int(me, 6, 60);
	settle();
	SHOW(pvm_probe(me, 7));
	probed = SHOW_BUF(pvm_probe(me, 6));
	show_info(probed);
	SHOW(pvm_probe(me, 6) == probed);
	SHOW(pvm_getrbuf() == probed);
	buf = pvm_recv(me, 6);
	SHOW(buf == probed);
	SHOW_BUF(pvm_nrecv(-1, -1));
	SHOW(pvm_probe(-1, -1));
}

static long since(const struct timeval *t)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (now.tv_sec - t->tv_sec) * 1000 + (now.tv_usec - t->tv_usec) / 1000;
}

static void timed(void)
{
	struct timeval zero = { 0, 0 }, some = { 0, 200000 }, t, bad = { 0, 2000000 },
		       negative = { -1, 0 };

	head("timed");
	SHOW(pvm_trecv(me, 5, &zero));
	gettimeofday(&t, NULL);
	SHOW(pvm_trecv(me, 5, &some));
	SHOW(since(&t) >= 190);
	SHOW(pvm_trecv(me, 5, &bad));
	SHOW(pvm_trecv(me, 5, &negative));
	send_int(me, 5, 1);
	settle();
	SHOW_BUF(pvm_trecv(-1, -1, &zero));
	send_int(me, 5, 1);
	SHOW_BUF(pvm_trecv(-1, -1, &some));
	send_int(me, 5, 1);
	SHOW_BUF(pvm_trecv(-1, -1, NULL));
	SHOW(some.tv_usec);
}

static int other_tag(int buf, int tid, int tag)
{
	int have;

	(void)tid;
	pvm_bufinfo(buf, NULL, &have, NULL);
	return have == tag + 1 ? 1 : 0;
}

static int matched;

static int best(int buf, int tid, int tag)
{
	int value, old;

	(void)tid, (void)tag;
	old = pvm_setrbuf(buf);
	pvm_upkint(&value, 1, 1);
	pvm_setrbuf(old);
	matched++;
	return value; /* the largest wins */
}

static void own_matching(void)
{
	head("recvf");
	send_int(me, 20, 3);
	send_int(me, 21, 9);
	send_int(me, 22, 5);
	settle();
	pvm_recvf(other_tag);
	SHOW(pvm_nrecv(-1, 23));
	SHOW(recv_int(-1, 20));
	pvm_recvf(NULL);
	send_int(me, 23, 8);
	settle();
	pvm_recvf(best);
	int buf = SHOW_BUF(pvm_recv(-1, -1));

	show_info(buf);
	SHOW(matched);
	SHOW((void *)pvm_recvf(NULL) == (void *)best);
	SHOW(recv_int(-1, -1));
	SHOW(recv_int(-1, -1));
	SHOW(pvm_nrecv(-1, -1));
}

static void in_one_go(void)
{
	int in[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, out[8] = { 0 }, tid = 0, tag = 0, len = 0, v;
	double d[2] = { 1.5, 2.5 }, od[2] = { 0 };
	char text[16] = "";

	head("psend and precv");
	SHOW(pvm_psend(me, 30, in, 8, PVM_INT));
	SHOW(pvm_precv(me, 30, out, 8, PVM_INT, &tid, &tag, &len));
	printf("  %s %d %d: %d %d\n", tid_name(tid), tag, len, out[0], out[7]);
	memset(out, 0, sizeof(out));
	pvm_psend(me, 31, in, 8, PVM_INT);
	SHOW(pvm_precv(-1, -1, out, 3, PVM_INT, &tid, &tag, &len));
	printf("  %s %d %d: %d %d %d %d\n", tid_name(tid), tag, len, out[0], out[1], out[2],
	       out[3]);
	pvm_psend(me, 32, in, 2, PVM_INT);
	SHOW(pvm_precv(-1, 32, out, 8, PVM_INT, &tid, &tag, &len));
	printf("  %d\n", len);
	pvm_psend(me, 33, d, 2, PVM_DOUBLE);
	SHOW(pvm_precv(-1, 33, od, 2, PVM_DOUBLE, NULL, NULL, NULL));
	printf("  %g %g\n", od[0], od[1]);
	pvm_psend(me, 33, in, 0, PVM_INT);
	SHOW(pvm_precv(-1, 33, out, 0, PVM_INT, &tid, &tag, &len));
	printf("  %d\n", len);
	SHOW(pvm_psend(me, 34, "hello", 0, PVM_STR));
	SHOW(pvm_precv(-1, 34, text, 16, PVM_STR, &tid, &tag, &len));
	printf("  %d '%s'\n", len, text);
	SHOW(pvm_psend(me, 35, "hello", 5, PVM_BYTE));
	SHOW(pvm_precv(-1, 35, text, 2, PVM_BYTE, &tid, &tag, &len));
	printf("  %d '%s'\n", len, text);
	/* What psend sends is a message as others. */
	pvm_psend(me, 36, in, 2, PVM_INT);
	SHOW_BUF(pvm_recv(-1, 36));
	show_info(pvm_getrbuf());
	SHOW(pvm_upkint(&v, 1, 1));
	SHOW(v);
	pvm_initsend(PvmDataRaw);
	pvm_pkint(in, 2, 1);
	pvm_send(me, 37);
	SHOW(pvm_precv(-1, 37, out, 2, PVM_INT, &tid, &tag, &len));
	printf("  %d: %d %d\n", len, out[0], out[1]);
	SHOW(pvm_psend(me, 38, in, 1, 99));
	SHOW(pvm_psend(me, 38, in, 1, -1));
	SHOW(pvm_psend(me, -1, in, 1, PVM_INT));
	SHOW(pvm_psend(-1, 1, in, 1, PVM_INT));
	SHOW(pvm_psend(0, 1, in, 1, PVM_INT));
	SHOW(pvm_precv(me, 38, out, 1, 99, NULL, NULL, NULL));
	SHOW(pvm_nrecv(-1, -1));
	/* psend leaves the send buffer alone; precv the one of recv. */
	int s = pvm_initsend(0);

	pvm_psend(me, 39, in, 1, PVM_INT);
	SHOW(pvm_getsbuf() == s);
	int r = pvm_getrbuf();

	pvm_precv(-1, 39, out, 1, PVM_INT, NULL, NULL, NULL);
	SHOW(pvm_getrbuf() == r);
}

/* ---- with children ---- */

static void streams(void)
{
	int v, sum = 0, in_order = 1;

	head("streams");
	for (int k = 0; k < 3; k++)
		order(kids[k], 100, DATA + 10);
	for (int i = 0; i < 100; i++)
		for (int k = 2; k >= 0; k--) {
			v = recv_int(kids[k], DATA + 10);
			in_order &= v == i;
			sum += v;
		}
	SHOW(in_order);
	SHOW(sum);
	for (int k = 0; k < 3; k++)
		SHOW(recv_int(-1, DONE));
	order(kids[0], 5, DATA);
	SHOW(recv_int(kids[0], DONE));
	for (int i = 0; i < 5; i++)
		SHOW(recv_int(kids[0], -1));
}

static void one_to_many(void)
{
	int tids[5] = { kids[0], kids[1], kids[2], kids[1], 0 }, n = 1, tag = DATA, none = 0;

	head("mcast");
	tids[4] = pvm_mytid();
	pvm_initsend(PvmDataDefault);
	pvm_pkint(&n, 1, 1);
	pvm_pkint(&tag, 1, 1);
	SHOW(pvm_mcast(tids, 5, GO));
	SHOW(pvm_nrecv(-1, GO));
	for (int k = 0; k < 3; k++)
		SHOW(recv_int(kids[k], DONE));
	for (int k = 0; k < 3; k++)
		SHOW(recv_int(kids[k], DATA));
	SHOW(pvm_probe(-1, DATA));
	SHOW(pvm_mcast(tids, 0, GO));
	SHOW(pvm_mcast(tids, -1, GO));
	SHOW(pvm_mcast(tids, 1, -5));
	SHOW(pvm_mcast(&none, 1, GO));
	SHOW(pvm_mcast(tids + 4, 1, 9));
	SHOW(pvm_nrecv(-1, 9));
	pvm_setsbuf(0);
	SHOW(pvm_mcast(tids, 1, 9));
}

static void bad(void)
{
	int dead = kids[3];

	head("bad arguments");
	pvm_initsend(0);
	SHOW(pvm_send(me, -1));
	SHOW(pvm_send(me, -5));
	SHOW(pvm_send(-1, 1));
	SHOW(pvm_send(0, 1));
	SHOW(pvm_send(pvm_tidtohost(me), 1));
	SHOW(pvm_nrecv(-5, 1));
	SHOW(pvm_nrecv(me, -2));
	SHOW(pvm_nrecv(0, 1));
	SHOW(pvm_probe(-5, 1));
	SHOW(pvm_probe(me, -2));

	head("a dead task");
	order(dead, -1, 0);
	pvm_notify(PvmTaskExit, 77, 1, &dead);
	pvm_recv(-1, 77);
	pvm_initsend(0);
	SHOW(pvm_send(dead, 1));
	SHOW(pvm_psend(dead, 1, &dead, 1, PVM_INT));
	SHOW(pvm_mcast(&dead, 1, 1));
	SHOW(pvm_nrecv(dead, 1));
	SHOW(pvm_send(me + 100, 1));
	SHOW(pvm_send(0x80000 + 1, 1));
}

static void lengths(void)
{
	static char out[300000], in[300000];
	const int sizes[] = { 0, 1, 4000, 4079, 4080, 4081, 100000, 300000 };

	head("lengths");
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + i / 251);
	for (int i = 0; i < COUNT(sizes); i++) {
		pvm_initsend(PvmDataRaw);
		pvm_pkbyte(out, sizes[i], 1);
		pvm_send(me, 50);
		memset(in, 0, sizeof(in));
		int buf = pvm_recv(me, 50);

		printf("%d:", buf_len(buf));
		printf(" %d", pvm_upkbyte(in, sizes[i], 1));
		printf(" %s\n", memcmp(in, out, (size_t)sizes[i]) == 0 ? "same" : "different");
	}
}

int main(int argc, char **argv)
{
	start(argc, argv, 30);
	if (is_role(argc, argv, "child"))
		return child();
	pvm_setopt(PvmAutoErr, 0);
	me = pvm_mytid();
	name_tid(me, "me");
	SHOW(pvm_nrecv(-1, -1));
	selection();
	looking();
	timed();
	own_matching();
	in_one_go();
	lengths();
	SHOW(spawn_role("child", 4, kids));
	streams();
	one_to_many();
	bad();
	for (int k = 0; k < 3; k++)
		order(kids[k], -1, 0);
	SHOW(pvm_exit());
	return 0;
}
