// SPDX-License-Identifier: BSD-3-Clause
// What each function says of arguments that make no sense, or little. Every call is made by a
// process of its own that has just begun, so none depends on another.
#include <sys/wait.h>

#include "tests/pvm/show.h"

#define TIDGROUP   0x40000000
#define PATIENCE_S 8

static int tids[10] = { 0x7ffff }, bad_tids[2] = { 0, -1 }, *list, n;
static int other_words[2] = { 99, 99 };
static char text[200] = "text", *names[] = { "no_such_host" };
static double d[20];
static float f[20];
static long l[20];
static short s[20];
static unsigned u[20];
static unsigned long ul[20];
static unsigned short us[20];
static struct timeval t, t2, zero;
static struct pvmtaskinfo *tasks;
static struct pvmminfo info;
static struct pvmmboxinfo *boxes;

static int handler(int buf)
{
	return buf;
}

/* A buffer to send, with a number in it. */
static int own_buffer(void)
{
	int one = 1, buf = pvm_initsend(PvmDataDefault);

	pvm_pkint(&one, 1, 1);
	return buf;
}

/* A message has been received: one number. */
static int own_message(int kind)
{
	int one = 1;

	pvm_initsend(kind);
	pvm_pkint(&one, 1, 1);
	pvm_send(pvm_mytid(), 1);
	return pvm_recv(-1, -1) > 0;
}

static int in_group(void)
{
	return pvm_joingroup("g") >= 0;
}

/* A process of its own for a call: true there. The others see how it has ended. */
static int apart(const char *call)
{
	int status;

	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		alarm(PATIENCE_S);
		pvm_setopt(PvmAutoErr, 0);
		return 1;
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("%s: ends by signal %d\n", call, WTERMSIG(status));
	return 0;
}

/* Codes are shown as they are; what is good may be a buffer or a task. */
static void tell(const char *call, long code)
{
	if (code > 8)
		printf("%s -> %s\n", call, code > 0x3ffff ? "great" : "good");
	else
		printf("%s -> %ld\n", call, code);
	fflush(stdout);
	pvm_exit();
	_exit(0);
}

#define BAD(call)                                                                                  \
	do {                                                                                       \
		if (apart(#call))                                                                  \
			tell(#call, (long)(call));                                                 \
	} while (0)

static void bad_tasks(void)
{
	head("tasks");
	BAD(pvm_spawn("", NULL, 0, NULL, 1, tids));
	BAD(pvm_spawn("no_such_file", NULL, 0, NULL, 0, tids));
	BAD(pvm_spawn("no_such_file", NULL, 0, NULL, -1, tids));
	BAD(pvm_spawn("no_such_file", NULL, 0, NULL, 1, NULL));
	BAD(pvm_spawn("no_such_file", NULL, 0, NULL, 2, tids));
	BAD(pvm_spawn("no_such_file", NULL, PvmTaskHost, NULL, 1, tids));
	BAD(pvm_spawn("no_such_file", NULL, PvmTaskHost, "no_such_host", 1, tids));
	BAD(pvm_spawn("no_such_file", NULL, PvmTaskArch, NULL, 1, tids));
	BAD(pvm_spawn("no_such_file", NULL, PvmTaskArch, "NOARCH", 1, tids));
	BAD(pvm_spawn("no_such_file", NULL, PvmTaskArch | PvmTaskHost, "LINUX64", 1, tids));
	BAD(pvm_spawn("no_such_file", NULL, PvmTaskHost | PvmHostCompl, "no_such_host", 1, tids));
	BAD(pvm_spawn("no_such_file", NULL, PvmTaskArch | PvmHostCompl, "LINUX64", 1, tids));
	BAD(pvm_spawn("no_such_file", NULL, 1 << 20, NULL, 1, tids));
	BAD(pvm_spawn("/", NULL, 0, NULL, 1, tids));
	BAD(pvm_spawn("/etc/passwd", NULL, 0, NULL, 1, tids));
	BAD(pvm_kill(0));
	BAD(pvm_kill(-1));
	BAD(pvm_kill(0x40000));
	BAD(pvm_kill(0x7ffff));
	BAD(pvm_kill(0x4ffff));
	BAD(pvm_kill(0x80000000));
	BAD(pvm_kill(0x80040000));
	BAD(pvm_kill(TIDGROUP | 1));
	BAD(pvm_sendsig(0, 0));
	BAD(pvm_sendsig(0x7ffff, 0));
	BAD(pvm_sendsig(pvm_mytid(), 0));
	BAD(pvm_sendsig(pvm_mytid(), -1));
	BAD(pvm_sendsig(pvm_mytid(), 1000));
	BAD(pvm_parent());
	BAD(pvm_siblings(&list));
	BAD(pvm_pstat(0));
	BAD(pvm_pstat(-1));
	BAD(pvm_pstat(0x40000));
	BAD(pvm_pstat(0x4ffff));
	BAD(pvm_pstat(0x7ffff));
	BAD(pvm_pstat(0x80000000));
	BAD(pvm_pstat(0x80040000));
	BAD(pvm_pstat(TIDGROUP | 1));
	BAD(pvm_pstat(pvm_mytid()));
	BAD(pvm_tasks(-1, &n, &tasks));
	BAD(pvm_tasks(1, &n, &tasks));
	BAD(pvm_tasks(0x40000, &n, &tasks));
	BAD(pvm_tasks(0x4ffff, &n, &tasks));
	BAD(pvm_tasks(0x7fc0000, &n, &tasks));
	BAD(pvm_tasks(0x80000000, &n, &tasks));
	BAD(pvm_tasks(0, NULL, NULL));
	BAD(pvm_tasks(pvm_mytid(), NULL, &tasks));
	BAD(pvm_export(""));
	BAD(pvm_export("NOT_SET"));
	BAD(pvm_unexport(""));
	BAD(pvm_unexport("NOT_SET"));
	BAD(pvm_catchout(NULL));
}

static void bad_hosts(void)
{
	head("hosts");
	BAD(pvm_config(NULL, NULL, NULL));
	BAD(pvm_mstat(NULL));
	BAD(pvm_mstat(""));
	BAD(pvm_mstat("no_such_host"));
	BAD(pvm_addhosts(names, 0, tids));
	BAD(pvm_addhosts(names, -1, tids));
	BAD(pvm_delhosts(names, 0, tids));
	BAD(pvm_delhosts(names, -1, tids));
	BAD(pvm_delhosts(names, 1, tids));
	BAD(pvm_delhosts(names, 1, NULL));
	BAD(pvm_tidtohost(0));
	BAD(pvm_tidtohost(-1));
	BAD(pvm_tidtohost(0x40001));
	BAD(pvm_tidtohost(0x80040000));
	BAD(pvm_tidtohost(TIDGROUP | 5));
	BAD(pvm_hostsync(0, &t, &t2));
	BAD(pvm_hostsync(-1, &t, &t2));
	BAD(pvm_hostsync(0x40000, NULL, NULL));
	BAD(pvm_hostsync(0x7fc0000, &t, &t2));
	BAD(pvm_hostsync(pvm_mytid(), &t, &t2));
	BAD(pvm_archcode(NULL));
	BAD(pvm_archcode(""));
	BAD(pvm_archcode("NOARCH"));
	BAD(pvm_start_pvmd(0, NULL, 0));
}

static void bad_options(void)
{
	head("options");
	BAD(pvm_setopt(0, 1));
	BAD(pvm_setopt(-1, 1));
	BAD(pvm_setopt(1000, 1));
	BAD(pvm_setopt(PvmRoute, 0));
	BAD(pvm_setopt(PvmRoute, 4));
	BAD(pvm_setopt(PvmAutoErr, -1));
	BAD(pvm_setopt(PvmAutoErr, 7));
	BAD(pvm_setopt(PvmOutputTid, 1));
	BAD(pvm_setopt(PvmOutputTid, TIDGROUP | 1));
	BAD(pvm_setopt(PvmOutputCode, -1));
	BAD(pvm_setopt(PvmTraceTid, 1));
	BAD(pvm_setopt(PvmFragSize, 0));
	BAD(pvm_setopt(PvmFragSize, 10));
	BAD(pvm_setopt(PvmFragSize, 1 << 21));
	BAD(pvm_setopt(PvmResvTids, -1));
	BAD(pvm_setopt(PvmSelfOutputTid, 1));
	BAD(pvm_setopt(PvmShowTids, 5));
	BAD(pvm_setopt(PvmPollType, 1));
	BAD(pvm_setopt(PvmPollTime, -1));
	BAD(pvm_setopt(PvmOutputContext, -1));
	BAD(pvm_setopt(PvmTraceBuffer, -1));
	BAD(pvm_setopt(PvmTraceOptions, 0));
	BAD(pvm_setopt(PvmTraceOptions, 9));
	BAD(pvm_setopt(PvmNoReset, 5));
	BAD(pvm_getopt(0));
	BAD(pvm_getopt(-1));
	BAD(pvm_getopt(1000));
	BAD(pvm_getopt(PvmPollType));
	BAD(pvm_getopt(PvmPollTime));
	BAD(pvm_getopt(PvmTraceOptions));
	BAD(pvm_getopt(PvmTraceBuffer));
	BAD(pvm_getfds(&list));
	BAD(pvm_tickle(0, tids, &n, tids));
	BAD(pvm_tickle(-1, tids, &n, tids));
	BAD(pvm_tickle(11, tids, &n, tids));
	BAD(pvm_tickle(1, tids, NULL, NULL));
	BAD(pvm_tickle(1, tids, &n, tids));
	BAD(pvm_tickle(2, other_words, &n, tids));
}

static void bad_buffers(void)
{
	head("buffers");
	BAD(pvm_initsend(-1));
	BAD(pvm_initsend(3));
	BAD(pvm_initsend(5));
	BAD(pvm_initsend(100));
	BAD(pvm_mkbuf(-1));
	BAD(pvm_mkbuf(3));
	BAD(pvm_mkbuf(100));
	BAD(pvm_freebuf(0));
	BAD(pvm_freebuf(-1));
	BAD(pvm_freebuf(1000));
	BAD(pvm_setsbuf(-1));
	BAD(pvm_setsbuf(1000));
	BAD(pvm_setrbuf(-1));
	BAD(pvm_setrbuf(1000));
	BAD(pvm_bufinfo(0, &n, &n, &n));
	BAD(pvm_bufinfo(-1, &n, &n, &n));
	BAD(pvm_bufinfo(1000, &n, &n, &n));
	BAD(pvm_getminfo(0, &info));
	BAD(pvm_getminfo(-1, &info));
	BAD(pvm_getminfo(1000, &info));
	BAD(pvm_setminfo(0, &info));
	BAD(pvm_setminfo(1000, &info));
	BAD(pvm_setminfo(pvm_initsend(0), &info));
}

static void bad_packing(void)
{
	head("packing");
	BAD(pvm_pkbyte(text, 1, 1));
	BAD(pvm_pkint(tids, 1, 1));
	BAD(pvm_pkdouble(d, 1, 1));
	BAD(pvm_pklong(l, 1, 1));
	BAD(pvm_initsend(0) > 0 ? pvm_pkbyte(text, -1, 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkcplx(f, -1, 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkdcplx(d, -1, 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkdouble(d, -1, 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkfloat(f, -1, 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkint(tids, -1, 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pklong(l, -1, 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkshort(s, -1, 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkuint(u, -1, 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkulong(ul, -1, 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkushort(us, -1, 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkbyte(text, 0, 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkint(tids, 0, 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkdouble(d, 0, 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkbyte(text, 2, 0) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkint(tids, 2, 0) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkdouble(d, 2, 0) : 0);
	BAD(pvm_initsend(PvmDataInPlace) > 0 ? pvm_pkbyte(text, 2, 2) : 0);
	BAD(pvm_initsend(PvmDataInPlace) > 0 ? pvm_pkint(tids, 2, 2) : 0);
	BAD(pvm_initsend(PvmDataInPlace) > 0 ? pvm_pkdouble(d, 2, 2) : 0);
	BAD(pvm_upkbyte(text, 1, 1));
	BAD(pvm_upkcplx(f, 1, 1));
	BAD(pvm_upkdcplx(d, 1, 1));
	BAD(pvm_upkdouble(d, 1, 1));
	BAD(pvm_upkfloat(f, 1, 1));
	BAD(pvm_upkint(tids, 1, 1));
	BAD(pvm_upklong(l, 1, 1));
	BAD(pvm_upkshort(s, 1, 1));
	BAD(pvm_upkuint(u, 1, 1));
	BAD(pvm_upkulong(ul, 1, 1));
	BAD(pvm_upkushort(us, 1, 1));
	BAD(own_message(0) ? pvm_upkbyte(text, -1, 1) : 0);
	BAD(own_message(0) ? pvm_upkint(tids, -1, 1) : 0);
	BAD(own_message(0) ? pvm_upkdouble(d, -1, 1) : 0);
	BAD(own_message(0) ? pvm_upklong(l, -1, 1) : 0);
	BAD(own_message(0) ? pvm_upkshort(s, -1, 1) : 0);
	BAD(own_message(0) ? pvm_upkbyte(text, 9, 1) : 0);
	BAD(own_message(0) ? pvm_upkcplx(f, 9, 1) : 0);
	BAD(own_message(0) ? pvm_upkdcplx(d, 9, 1) : 0);
	BAD(own_message(0) ? pvm_upkdouble(d, 9, 1) : 0);
	BAD(own_message(0) ? pvm_upkfloat(f, 9, 1) : 0);
	BAD(own_message(0) ? pvm_upkint(tids, 9, 1) : 0);
	BAD(own_message(0) ? pvm_upklong(l, 9, 1) : 0);
	BAD(own_message(0) ? pvm_upkshort(s, 9, 1) : 0);
	BAD(own_message(0) ? pvm_upkuint(u, 9, 1) : 0);
	BAD(own_message(0) ? pvm_upkulong(ul, 9, 1) : 0);
	BAD(own_message(0) ? pvm_upkushort(us, 9, 1) : 0);
	BAD(pvm_pkstr(text));
	BAD(pvm_upkstr(NULL));
	BAD(pvm_upkstr(text));
	BAD(own_message(0) ? pvm_upkstr(text) : 0);
	BAD(pvm_pkmesg(0));
	BAD(pvm_pkmesg(-1));
	BAD(pvm_pkmesg(1000));
	BAD(pvm_initsend(0) > 0 ? pvm_pkmesg(0) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkmesg(1000) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_pkmesg(pvm_getsbuf()) : 0);
	BAD(pvm_pkmesgbody(0));
	BAD(pvm_initsend(0) > 0 ? pvm_pkmesgbody(1000) : 0);
	BAD(pvm_upkmesg());
	BAD(own_message(0) ? pvm_upkmesg() : 0);
	BAD(pvm_packf("%d", 1));
	BAD(pvm_initsend(0) > 0 ? pvm_packf("") : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_packf("%q", 1) : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_packf("x") : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_packf("%") : 0);
	BAD(pvm_initsend(0) > 0 ? pvm_packf("%0d", tids) : 0);
	BAD(pvm_packf("%+", 0) > 0);
	BAD(pvm_packf("%+ %d", 0, 1));
	BAD(pvm_packf("%+ %d", 55, 1));
	BAD(pvm_unpackf("%d", tids));
	BAD(own_message(0) ? pvm_unpackf("%q", tids) : 0);
	BAD(own_message(0) ? pvm_unpackf("%9d", tids) : 0);
	BAD(own_message(0) ? pvm_unpackf("") : 0);
}

static void bad_messages(void)
{
	head("messages");
	BAD(pvm_send(pvm_mytid(), 1));
	BAD(own_buffer() ? pvm_send(0, 1) : 0);
	BAD(own_buffer() ? pvm_send(-1, 1) : 0);
	BAD(own_buffer() ? pvm_send(1, 1) : 0);
	BAD(own_buffer() ? pvm_send(0x40000, 1) : 0);
	BAD(own_buffer() ? pvm_send(0x4ffff, 1) : 0);
	BAD(own_buffer() ? pvm_send(0x7ffff, 1) : 0);
	BAD(own_buffer() ? pvm_send(0x80000000, 1) : 0);
	BAD(own_buffer() ? pvm_send(0x80040000, 1) : 0);
	BAD(own_buffer() ? pvm_send(TIDGROUP | 1, 1) : 0);
	BAD(own_buffer() ? pvm_send(pvm_mytid(), -1) : 0);
	BAD(own_buffer() ? pvm_send(pvm_mytid(), 0x80030001) : 0);
	BAD(pvm_mcast(tids, 1, 1));
	BAD(own_buffer() ? pvm_mcast(NULL, 0, 1) : 0);
	BAD(own_buffer() ? pvm_mcast(tids, -1, 1) : 0);
	BAD(own_buffer() ? pvm_mcast(tids, 0, 1) : 0);
	BAD(own_buffer() ? pvm_mcast(tids, 1, 1) : 0);
	BAD(own_buffer() ? pvm_mcast(bad_tids, 2, 1) : 0);
	BAD(own_buffer() ? pvm_mcast(tids, 1, -1) : 0);
	BAD(pvm_nrecv(-1, -1));
	BAD(pvm_nrecv(0, 0));
	BAD(pvm_nrecv(-2, -2));
	BAD(pvm_nrecv(TIDGROUP | 1, 1));
	BAD(pvm_trecv(-1, -1, &zero));
	BAD(pvm_trecv(-2, -1, &zero));
	BAD(pvm_probe(-1, -1));
	BAD(pvm_probe(-2, -2));
	BAD(pvm_psend(0, 1, tids, 1, PVM_INT));
	BAD(pvm_psend(-1, 1, tids, 1, PVM_INT));
	BAD(pvm_psend(0x40000, 1, tids, 1, PVM_INT));
	BAD(pvm_psend(pvm_mytid(), -1, tids, 1, PVM_INT));
	BAD(pvm_psend(pvm_mytid(), 1, tids, -1, PVM_INT));
	BAD(pvm_psend(pvm_mytid(), 1, tids, 1, 99));
	BAD(pvm_psend(pvm_mytid(), 1, tids, 1, -1));
	BAD(pvm_psend(pvm_mytid(), 1, text, 1, PVM_STR));
	BAD(own_message(0) ? pvm_precv(-1, -1, tids, 1, 99, &n, &n, &n) : 0);
	BAD(pvm_notify(0, 1, 1, tids));
	BAD(pvm_notify(99, 1, 1, tids));
	BAD(pvm_notify(-1, 1, 1, tids));
	BAD(pvm_notify(PvmTaskExit, -1, 1, tids));
	BAD(pvm_notify(PvmTaskExit, 1, 0, tids));
	BAD(pvm_notify(PvmTaskExit, 1, -1, tids));
	BAD(pvm_notify(PvmTaskExit, 1, 1, bad_tids));
	BAD(pvm_notify(PvmTaskExit, 1, 1, tids));
	BAD(pvm_notify(PvmHostDelete, 1, 0, tids));
	BAD(pvm_notify(PvmHostDelete, 1, 1, bad_tids));
	BAD(pvm_notify(PvmHostAdd, 1, 0, NULL));
	BAD(pvm_notify(PvmHostAdd, 1, -1, NULL));
	BAD(pvm_notify(PvmHostAdd, -1, 1, NULL));
	BAD(pvm_notify(PvmRouteAdd, 1, 1, NULL));
	BAD(pvm_notify(PvmRouteAdd, 1, -1, NULL));
	BAD(pvm_notify(PvmRouteDelete, 1, 1, tids));
	BAD(pvm_notify(PvmRouteDelete, 1, 0, tids));
	BAD(pvm_notify(PvmTaskExit | PvmNotifyCancel, 1, 1, tids));
	BAD(pvm_notify(PvmHostAdd | PvmNotifyCancel, 1, 0, NULL));
	BAD(pvm_freecontext(-1));
	BAD(pvm_freecontext(1000));
	BAD(pvm_setcontext(-1));
	BAD(pvm_addmhf(-1, -1, -1, NULL));
	BAD(pvm_addmhf(0, 0, 0, handler) > 0);
	BAD(pvm_delmhf(-1));
	BAD(pvm_delmhf(0));
	BAD(pvm_delmhf(1000));
}

static void bad_mailboxes(void)
{
	head("mailboxes");
	BAD(pvm_putinfo(NULL, 1, 0));
	BAD(pvm_putinfo("", own_buffer(), 0));
	BAD(pvm_putinfo("box", own_buffer(), -1));
	BAD(pvm_recvinfo(NULL, 0, 0));
	BAD(pvm_recvinfo("", 0, 0));
	BAD(pvm_recvinfo("no_box", 0, 0));
	BAD(pvm_recvinfo("no_box", -1, 0));
	BAD(pvm_recvinfo("no_box", 0, 1 << 20));
	BAD(pvm_delinfo(NULL, 0, 0));
	BAD(pvm_delinfo("", 0, 0));
	BAD(pvm_delinfo("no_box", 0, 0));
	BAD(pvm_delinfo("no_box", -1, 0));
	BAD(pvm_getmboxinfo(NULL, &n, &boxes));
	BAD(pvm_getmboxinfo("", &n, &boxes));
	BAD(pvm_getmboxinfo("*", NULL, NULL));
	BAD(pvm_getmboxinfo("no_box", &n, &boxes));
}

static void bad_groups(void)
{
	head("groups");
	BAD(pvm_joingroup(NULL));
	BAD(pvm_joingroup(""));
	BAD(pvm_lvgroup(NULL));
	BAD(pvm_lvgroup(""));
	BAD(pvm_lvgroup("no_group"));
	BAD(pvm_getinst(NULL, pvm_mytid()));
	BAD(pvm_getinst("", pvm_mytid()));
	BAD(pvm_getinst("no_group", pvm_mytid()));
	BAD(pvm_getinst("no_group", 0));
	BAD(in_group() ? pvm_getinst("g", 0) : 0);
	BAD(pvm_gettid(NULL, 0));
	BAD(pvm_gettid("no_group", 0));
	BAD(in_group() ? pvm_gettid("g", -1) : 0);
	BAD(in_group() ? pvm_gettid("g", 1) : 0);
	BAD(pvm_gsize(NULL));
	BAD(pvm_gsize(""));
	BAD(pvm_gsize("no_group"));
	BAD(pvm_barrier(NULL, 1));
	BAD(pvm_barrier("no_group", 1));
	BAD(in_group() ? pvm_barrier("g", 0) : 0);
	BAD(in_group() ? pvm_barrier("g", -2) : 0);
	BAD(in_group() ? pvm_barrier("g", 1) : 0);
	BAD(pvm_bcast(NULL, 1));
	BAD(own_buffer() ? pvm_bcast("no_group", 1) : 0);
	BAD(own_buffer() && in_group() ? pvm_bcast("g", -1) : 0);
	BAD(own_buffer() && in_group() ? pvm_bcast("g", 1) : 0);
	BAD(pvm_reduce(PvmSum, NULL, 1, PVM_INT, 1, "g", 0));
	BAD(pvm_reduce(PvmSum, tids, 1, PVM_INT, 1, NULL, 0));
	BAD(pvm_reduce(PvmSum, tids, 1, PVM_INT, 1, "no_group", 0));
	BAD(in_group() ? pvm_reduce(PvmSum, tids, 0, PVM_INT, 1, "g", 0) : 0);
	BAD(in_group() ? pvm_reduce(PvmSum, tids, -1, PVM_INT, 1, "g", 0) : 0);
	BAD(in_group() ? pvm_reduce(PvmSum, tids, 1, 99, 1, "g", 0) : 0);
	BAD(in_group() ? pvm_reduce(PvmSum, tids, 1, PVM_INT, 1, "g", 5) : 0);
	BAD(in_group() ? pvm_reduce(PvmSum, tids, 1, PVM_INT, 1, "g", -1) : 0);
	BAD(pvm_gather(tids, tids, 1, PVM_INT, 1, NULL, 0));
	BAD(pvm_gather(tids, NULL, 1, PVM_INT, 1, "g", 0));
	BAD(in_group() ? pvm_gather(NULL, tids, 1, PVM_INT, 1, "g", 0) : 0);
	BAD(in_group() ? pvm_gather(tids, tids, -1, PVM_INT, 1, "g", 0) : 0);
	BAD(in_group() ? pvm_gather(tids, tids, 1, 99, 1, "g", 0) : 0);
	BAD(in_group() ? pvm_gather(tids, tids, 1, PVM_INT, 1, "g", 5) : 0);
	BAD(pvm_scatter(tids, tids, 1, PVM_INT, 1, NULL, 0));
	BAD(pvm_scatter(NULL, tids, 1, PVM_INT, 1, "g", 0));
	BAD(in_group() ? pvm_scatter(tids, NULL, 1, PVM_INT, 1, "g", 0) : 0);
	BAD(in_group() ? pvm_scatter(tids, tids, -1, PVM_INT, 1, "g", 0) : 0);
	BAD(in_group() ? pvm_scatter(tids, tids, 1, 99, 1, "g", 0) : 0);
	BAD(in_group() ? pvm_scatter(tids, tids, 1, PVM_INT, 1, "g", 5) : 0);
	BAD(pvm_freezegroup(NULL, 1));
	BAD(pvm_freezegroup("no_group", 1));
	BAD(in_group() ? pvm_freezegroup("g", -2) : 0);
	BAD(in_group() ? pvm_freezegroup("g", 1) : 0);
}

static void bad_registration(void)
{
	head("registration");
	BAD(pvm_reg_tracer(pvm_mytid(), 0, 1, 0, "", 0, 1));
	BAD(pvm_getnoresets(NULL, NULL));
	BAD(pvm_getnoresets(&list, &n));
}

int main(int argc, char **argv)
{
	start(argc, argv, 55);
	bad_tasks();
	bad_hosts();
	bad_options();
	bad_buffers();
	bad_packing();
	bad_messages();
	bad_mailboxes();
	bad_groups();
	bad_registration();
	printf("exit -> 0\n");
	return 0;
}
