// SPDX-License-Identifier: BSD-3-Clause
/* Options, and what is left: error texts, file descriptors, what nobody asks for twice. */
#include "tests/pvm/show.h"

static int me;

/* Shows an option, as a task if it is one. */
static void show_opt(const char *name, int what)
{
	int value = pvm_getopt(what);

	if (value == me)
		printf("%s: me\n", name);
	else
		printf("%s: %d\n", name, value);
}
#define SHOW_OPT(what) show_opt(#what, what)

static void set_opt(const char *name, int what, int value)
{
	int old = pvm_setopt(what, value);

	printf("set %s to ", name);
	printf(value == me ? "me" : "%d", value);
	printf(old == me ? ": was me\n" : ": was %d\n", old);
}
#define SET_OPT(what, value) (set_opt(#what, what, value), show_opt("  now", what))

static void all_options(void)
{
	SHOW_OPT(PvmRoute);
	SHOW_OPT(PvmDebugMask);
	SHOW_OPT(PvmAutoErr);
	SHOW_OPT(PvmOutputTid);
	SHOW_OPT(PvmOutputCode);
	SHOW_OPT(PvmTraceTid);
	SHOW_OPT(PvmTraceCode);
	SHOW_OPT(PvmTraceBuffer);
	SHOW_OPT(PvmTraceOptions);
	SHOW_OPT(PvmFragSize);
	SHOW_OPT(PvmResvTids);
	SHOW_OPT(PvmSelfOutputTid);
	SHOW_OPT(PvmSelfOutputCode);
	SHOW_OPT(PvmSelfTraceTid);
	SHOW_OPT(PvmSelfTraceCode);
	SHOW_OPT(PvmSelfTraceBuffer);
	SHOW_OPT(PvmSelfTraceOptions);
	SHOW_OPT(PvmShowTids);
	SHOW_OPT(PvmPollType);
	SHOW_OPT(PvmPollTime);
	SHOW_OPT(PvmOutputContext);
	SHOW_OPT(PvmTraceContext);
	SHOW_OPT(PvmSelfOutputContext);
	SHOW_OPT(PvmSelfTraceContext);
	SHOW_OPT(PvmNoReset);
}

static void defaults(void)
{
	head("defaults");
	all_options();
	SHOW(pvm_getopt(0));
	SHOW(pvm_getopt(26));
	SHOW(pvm_getopt(-1));
}

static void setting(void)
{
	head("setting");
	SET_OPT(PvmRoute, PvmDontRoute);
	SET_OPT(PvmRoute, PvmRouteDirect);
	SET_OPT(PvmRoute, 4);
	SET_OPT(PvmRoute, 0);
	SET_OPT(PvmRoute, PvmAllowDirect);
	SET_OPT(PvmDebugMask, 0);
	SET_OPT(PvmAutoErr, 2);
	SET_OPT(PvmAutoErr, 3);
	SET_OPT(PvmAutoErr, -1);
	SET_OPT(PvmAutoErr, 0);
	SET_OPT(PvmOutputTid, me);
	SET_OPT(PvmOutputTid, -1);
	SET_OPT(PvmOutputCode, 33);
	SET_OPT(PvmOutputTid, 0);
	SET_OPT(PvmOutputCode, 0);
	SET_OPT(PvmTraceTid, me);
	SET_OPT(PvmTraceCode, 34);
	SET_OPT(PvmTraceTid, 0);
	SET_OPT(PvmTraceBuffer, 100);
	SET_OPT(PvmTraceOptions, PvmTraceTime);
	SET_OPT(PvmFragSize, 8000);
	SET_OPT(PvmFragSize, 10);
	SET_OPT(PvmFragSize, 10000000);
	SET_OPT(PvmFragSize, 4080);
	SET_OPT(PvmResvTids, 1);
	SET_OPT(PvmResvTids, 0);
	SET_OPT(PvmShowTids, 0);
	SET_OPT(PvmShowTids, 1);
	SET_OPT(PvmPollType, PvmPollConstant);
	SET_OPT(PvmPollTime, 500);
	SET_OPT(PvmOutputContext, 3);
	SET_OPT(PvmOutputContext, 0);
	SET_OPT(PvmNoReset, 1);
	SET_OPT(PvmNoReset, 0);
	SHOW(pvm_setopt(0, 1));
	SHOW(pvm_setopt(26, 1));
	SHOW(pvm_setopt(-1, 1));
}

static void reserved(void)
{
	head("reserved");
	pvm_initsend(0);
	SHOW(pvm_send(me, -7));
	pvm_setopt(PvmResvTids, 1);
	SHOW(pvm_send(me, -7));
	SHOW_BUF(pvm_recv(me, -7));
	pvm_setopt(PvmResvTids, 0);
	SHOW(pvm_nrecv(-1, -1));
}

static void texts(void)
{
	extern int pvm_errno;

	head("errors");
	SHOW(pvm_send(me, -1));
	SHOW(pvm_errno);
	SHOW_STR(pvm_strerror());
	SHOW(pvm_mytid() == me);
	SHOW(pvm_errno);
	for (int e = 0; e >= -40; e--) {
		pvm_errno = e;
		printf("%d: %s\n", e, pvm_strerror() ? pvm_strerror() : "(null)");
	}
	pvm_errno = 3;
	SHOW_STR(pvm_strerror());
	pvm_errno = -2;
	dup2(1, 2); /* what it says goes to where errors go */
	SHOW(pvm_perror("told"));
	SHOW(pvm_perror(""));
	SHOW(pvm_perror(NULL));
}

static void leftovers(void)
{
	int *fds = NULL, n, args[10] = { 0 }, narg = 0;
	int a[4] = { 1, 2, 3, 4 }, nb = 0, b[10] = { 0 };

	head("the rest");
	n = pvm_getfds(&fds);
	SHOW(n >= 1);
	SHOW(n >= 1 && fds[0] >= 0);
	SHOW(pvm_tickle(0, args, &narg, NULL));
	SHOW(pvm_tickle(-1, a, &nb, b));
	SHOW(pvm_tickle(11, a, &nb, b));
	SHOW(strlen(pvmgettmp()) > 0);
	int *noresets, count = -1;

	SHOW(pvm_getnoresets(&noresets, &count));
	SHOW(count);
	pvm_setopt(PvmNoReset, 1);
	SHOW(pvm_getnoresets(&noresets, &count));
	SHOW(count);
	SHOW(count > 0 && noresets[0] == me);
	pvm_setopt(PvmNoReset, 0);
	SHOW(pvm_getnoresets(&noresets, &count));
	SHOW(count);
	SHOW(pvm_start_pvmd(0, NULL, 0));
	SHOW(pvm_reg_tasker());
	SHOW(pvm_reg_tasker());
	SHOW(pvm_reg_hoster());
	SHOW(pvm_reg_hoster());
}

int main(int argc, char **argv)
{
	start(argc, argv, 30);
	pvm_setopt(PvmAutoErr, 0);
	me = pvm_mytid();
	name_tid(me, "me");
	pvm_setopt(PvmAutoErr, 1);
	defaults();
	pvm_setopt(PvmAutoErr, 0);
	setting();
	reserved();
	texts();
	leftovers();
	SHOW(pvm_exit());
	return 0;
}
