/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Corners: who reports to whom, receives that find nothing or are told no, names of mailboxes by
 * patterns, notes that are not wanted any more, hosts by two descriptions at once.
 */
#include "tests/pvm/show.h"

static const int reports[] = {
	PvmOutputTid,	 PvmOutputCode,	    PvmOutputContext, PvmSelfOutputTid,
	PvmSelfOutputCode, PvmSelfOutputContext, PvmTraceTid,	      PvmTraceCode,
	PvmTraceContext, PvmSelfTraceTid,   PvmSelfTraceCode, PvmSelfTraceContext,
};

static int me;

static int shown(int v)
{
	return v == me ? -777 : v;
}

static void set(int what, int value)
{
	printf("option %d is set to %d: %d;", what, shown(value), shown(pvm_setopt(what, value)));
	for (size_t i = 0; i < sizeof reports / sizeof *reports; i++)
		printf(" %d", shown(pvm_getopt(reports[i])));
	printf("\n");
}

static void report_options(void)
{
	static const int steps[][2] = {
		{ PvmSelfOutputTid, 99 }, { PvmSelfOutputCode, 5 }, { PvmOutputCode, 6 },
		{ PvmOutputContext, 7 },  { PvmOutputTid, 0 },	    { PvmOutputTid, 98 },
		{ PvmOutputCode, 8 },	  { PvmSelfOutputContext, 9 }, { PvmSelfOutputTid, 0 },
		{ PvmSelfOutputCode, 1 }, { PvmSelfTraceTid, 97 },  { PvmSelfTraceCode, 4 },
		{ PvmTraceCode, 3 },	  { PvmTraceContext, 2 },   { PvmTraceTid, 0 },
		{ PvmTraceContext, 2 },	  { PvmSelfTraceContext, 1 }, { PvmSelfTraceTid, 0 },
		{ PvmSelfTraceCode, 6 },  	};

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		set(steps[i][0], steps[i][1]);
	set(PvmOutputTid, me);
	set(PvmOutputCode, 2);
	set(PvmOutputTid, 0);
	set(PvmOutputCode, 0);
}

/* A message that has come for sure, which PVM's daemon may take its time for. */
static void arrives(int tag)
{
	pvm_initsend(PvmDataDefault);
	pvm_send(me, tag);
	for (int i = 0; i < 1000 && pvm_probe(me, tag) <= 0; i++)
		usleep(1000);
}

static void is_kept(const char *after, int buffer)
{
	printf("after %s the buffer is %s, %d\n", after,
	       pvm_getrbuf() == buffer ? "there" : "not there", pvm_bufinfo(buffer, NULL, NULL, NULL));
}

static void receives_that_fail(void)
{
	struct timeval now = { 0, 0 };
	int buffer;

	arrives(1);
	buffer = pvm_recv(me, 1);
	pvm_probe(me, 2);
	is_kept("probe", buffer);
	pvm_nrecv(me, 2);
	is_kept("nrecv", buffer);
	arrives(1);
	buffer = pvm_recv(me, 1);
	pvm_trecv(me, 2, &now);
	is_kept("trecv", buffer);
}

static int says_no(int buffer, int tid, int tag)
{
	(void)buffer;
	(void)tid;
	return tag == 3 ? -5 : 0;
}

static void matching_that_fails(void)
{
	struct timeval now = { 0, 0 };
	int (*before)(int, int, int) = pvm_recvf(says_no);

	arrives(3);
	SHOW(pvm_nrecv(-1, 3));
	SHOW(pvm_probe(-1, 3));
	SHOW(pvm_trecv(-1, 3, &now));
	printf("and nothing: %d\n", pvm_nrecv(-1, 4));
	pvm_recvf(before);
	printf("without it: %d\n", pvm_recv(me, 3) > 0);
}

static void patterns(void)
{
	static char *const names[] = { "cown", "cow", "clock", "caXb", "cb.1", "cb.22" };
	static char *const tried[] = { "c*", "ow", "*ow", "w", "clo", "c?", "c[ab]*", "b.*", "*.1",
					     "c*k", "a*b", "c**w", "^c", "n$", "nothing" };
	struct pvmmboxinfo *all;
	int n;

	pvm_initsend(PvmDataDefault);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		pvm_putinfo(names[i], pvm_getsbuf(), 0);
	for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
		printf("'%s': %d", tried[i], pvm_getmboxinfo(tried[i], &n, &all));
		for (int k = 0; k < n; k++)
			if (all[k].mi_name[0] == 'c')
				printf(" %s", all[k].mi_name);
		printf("\n");
	}
}

static void notes(void)
{
	struct timeval while_ = { 0, 200000 };

	printf("hosts that come: %d\n", pvm_notify(PvmHostAdd, 20, -1, NULL));
	printf("not any more: %d\n", pvm_notify(PvmHostAdd | PvmNotifyCancel, 20, 0, NULL));
	printf("told: %d\n", pvm_trecv(-1, 20, &while_));
}

static void places(char *self)
{
	char *args[] = { "child", NULL };
	int tid, n;

	n = pvm_spawn(self, args, PvmTaskHost | PvmTaskArch, ".", 1, &tid);
	printf("here, and of an architecture: %d\n", n);
	n = pvm_spawn(self, args, PvmTaskHost | PvmTaskArch, "LINUX64", 1, &tid);
	printf("a host called as one: %d %d\n", n, tid);
	n = pvm_spawn(self, args, PvmTaskHost, "localhost", 1, &tid);
	printf("localhost: %d\n", n);
	SHOW(pvm_joingroup("cg"));
	SHOW(pvm_freezegroup("cg", 0));
}

int main(int argc, char **argv)
{
	char self[PATH_MAX];

	me = pvm_mytid();
	if (argc > 1) {
		pvm_exit();
		return 0;
	}
	pvm_setopt(PvmAutoErr, 0);
	if (!realpath(argv[0], self))
		return 1;
	report_options();
	receives_that_fail();
	matching_that_fails();
	patterns();
	notes();
	places(self);
	SHOW(pvm_exit());
	return 0;
}
