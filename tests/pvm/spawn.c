// SPDX-License-Identifier: BSD-3-Clause
/* Tasks: starting, finding, ending them; what the machine says of itself. */
#include "tests/pvm/show.h"

enum { GO = 1, DATA = 2, ENV = 3, SIG = 4, SIBLINGS = 5 };

static int me, kids[8];

/* ---- what children do ---- */

static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
	caught = sig;
}

static int child_wait(void)
{
	wait_word(GO);
	pvm_exit();
	return 0;
}

static int child_report(int argc, char **argv)
{
	int *tids, n = pvm_siblings(&tids), own = -1, mytid = pvm_mytid();
	char *env = getenv("PVM_TEST_VALUE");

	for (int i = 0; i < n; i++)
		if (tids[i] == mytid)
			own = i;
	pvm_initsend(PvmDataDefault);
	pvm_pkint(&n, 1, 1);
	pvm_pkint(&own, 1, 1);
	pvm_pkint(&argc, 1, 1);
	for (int i = 1; i < argc; i++)
		pvm_pkstr(argv[i]);
	pvm_pkstr(env ? env : "unset");
	pvm_send(pvm_parent(), SIBLINGS);
	wait_word(GO);
	pvm_exit();
	return 0;
}

static int child_signal(void)
{
	signal(SIGUSR1, on_signal);
	send_int(pvm_parent(), DATA, 0);
	while (!caught)
		usleep(1000);
	send_int(pvm_parent(), SIG, caught);
	wait_word(GO);
	pvm_exit();
	return 0;
}

static int child_again(void)
{
	int first = pvm_mytid(), parent = pvm_parent();

	pvm_exit();
	int second = pvm_mytid();

	pvm_initsend(PvmDataDefault);
	pvm_pkint(&first, 1, 1);
	pvm_pkint(&second, 1, 1);
	int now = pvm_parent();

	pvm_pkint(&now, 1, 1);
	pvm_send(parent, DATA);
	pvm_exit();
	return 0;
}

/* ---- starting ---- */

static void errors(void)
{
	int tids[4];
	char *args[] = { "wait", NULL };

	head("what cannot be started");
	memset(tids, 0, sizeof(tids));
	SHOW(pvm_spawn("/no/such/file", NULL, 0, NULL, 1, tids));
	SHOW(tids[0]);
	SHOW(pvm_spawn("no-such-file", NULL, 0, NULL, 3, tids));
	printf("  %d %d %d\n", tids[0], tids[1], tids[2]);
	SHOW(pvm_spawn(self_path(), args, PvmTaskHost, "no.such.host", 2, tids));
	printf("  %d %d\n", tids[0], tids[1]);
	SHOW(pvm_spawn(self_path(), args, PvmTaskArch, "NOARCH", 1, tids));
	printf("  %d\n", tids[0]);
	SHOW(pvm_spawn(self_path(), args, 0, NULL, 0, tids));
	SHOW(pvm_spawn(self_path(), args, 0, NULL, -1, tids));
	SHOW(pvm_spawn(self_path(), args, PvmTaskHost | PvmTaskArch, "LINUX64", 1, tids));
	SHOW(pvm_spawn("/", NULL, 0, NULL, 1, tids));
	SHOW(tids[0]);
	SHOW(pvm_spawn("", NULL, 0, NULL, 1, tids));
	SHOW(pvm_spawn("/etc/passwd", NULL, 0, NULL, 1, tids));
	SHOW(tids[0]);
}

/* One child in each way to choose where; all are one host here. */
static void flags(void)
{
	struct pvmhostinfo *hosts;
	char *args[] = { "wait", NULL }, dot[] = ".";
	int n, archs, tid;

	head("flags");
	SHOW(pvm_config(&n, &archs, &hosts));
	printf("  %d %d\n", n, archs);
	SHOW(hosts[0].hi_tid == pvm_tidtohost(me));
	SHOW(hosts[0].hi_speed);
	SHOW_STR(hosts[0].hi_arch);
	SHOW(pvm_archcode(hosts[0].hi_arch) == hosts[0].hi_dsig);

	const struct {
		int flags;
		char *where;
	} ways[] = {
		{ PvmTaskDefault, NULL },
		{ PvmTaskDefault, "ignored" },
		{ PvmTaskHost, hosts[0].hi_name },
		{ PvmTaskHost, dot },
		{ PvmTaskArch, hosts[0].hi_arch },
		{ PvmTaskTrace, NULL },
		{ PvmMppFront, NULL },
		{ PvmTaskHost | PvmHostCompl, dot },
		{ PvmTaskHost | PvmHostCompl, "no.such.host" },
		{ PvmTaskArch | PvmHostCompl, "NOARCH" },
		{ PvmHostCompl, NULL },
		{ PvmTaskHost, "" },
		{ PvmTaskHost, NULL },
	};

	for (int i = 0; i < COUNT(ways); i++) {
		tid = -99;
		printf("flags %d: %d", ways[i].flags,
		       pvm_spawn(self_path(), args, ways[i].flags, ways[i].where, 1, &tid));
		if (tid > 0) {
			printf(", on our host: %d", pvm_tidtohost(tid) == pvm_tidtohost(me));
			say_word(&tid, 1, GO);
		} else {
			printf(", %d", tid);
		}
		printf("\n");
	}
}

static void family(void)
{
	char *args[] = { "report", "second", "a third", "", NULL }, text[64];
	int *tids = NULL, n, own, argc;

	head("family");
	SHOW(pvm_parent());
	SHOW(pvm_siblings(&tids));
	SHOW(pvm_siblings(&tids) == 1 && tids[0] == me);
	setenv("PVM_TEST_VALUE", "exported", 1);
	SHOW(pvm_export("PVM_TEST_VALUE"));
	SHOW(pvm_export("NOT_SET_AT_ALL"));
	SHOW(pvm_spawn(self_path(), args, 0, NULL, 3, kids));
	for (int i = 0; i < 3; i++) {
		pvm_recv(kids[i], SIBLINGS);
		pvm_upkint(&n, 1, 1);
		pvm_upkint(&own, 1, 1);
		pvm_upkint(&argc, 1, 1);
		printf("child %d: %d siblings, number %d, %d args:", i, n, own, argc);
		for (int a = 1; a < argc; a++) {
			pvm_upkstr(text);
			printf(" '%s'", text);
		}
		pvm_upkstr(text);
		printf(", value %s\n", text);
	}
	say_word(kids, 3, GO);
	SHOW(pvm_unexport("PVM_TEST_VALUE"));
	SHOW(pvm_unexport("NEVER_EXPORTED"));
	args[1] = NULL;
	SHOW(pvm_spawn(self_path(), args, 0, NULL, 1, kids));
	pvm_recv(kids[0], SIBLINGS);
	pvm_upkint(&n, 1, 1), pvm_upkint(&n, 1, 1), pvm_upkint(&n, 1, 1);
	pvm_upkstr(text), pvm_upkstr(text);
	SHOW_STR(text);
	say_word(kids, 1, GO);
}

/* PvmNoSpawnParent: children without a parent; they tell us where to look. */
static int child_orphan(char *parent)
{
	int *tids, v[2] = { pvm_parent(), 0 };

	v[1] = pvm_siblings(&tids);
	pvm_initsend(PvmDataDefault);
	pvm_pkint(v, 2, 1);
	pvm_send(atoi(parent), DATA);
	pvm_exit();
	return 0;
}

static void orphans(void)
{
	char tid[16], *args[] = { "orphan", tid, NULL };
	int v[2];

	head("without a parent");
	snprintf(tid, sizeof(tid), "%d", me);
	SHOW(pvm_spawn(self_path(), args, PvmNoSpawnParent, NULL, 2, kids));
	for (int i = 0; i < 2; i++) {
		pvm_recv(kids[i], DATA);
		pvm_upkint(v, 2, 1);
		printf("  parent %d, siblings %d\n", v[0], v[1]);
	}
}

/* ---- asking ---- */

static void states(void)
{
	struct pvmtaskinfo *tasks;
	int n = -1, host = pvm_tidtohost(me), mine = -1, kid = -1;

	head("tasks");
	spawn_role("wait", 2, kids);
	SHOW(pvm_pstat(me));
	SHOW(pvm_pstat(kids[0]));
	SHOW(pvm_pstat(kids[0] + 1000));
	SHOW(pvm_pstat(0));
	SHOW(pvm_pstat(-1));
	SHOW(pvm_pstat(host));
	SHOW(pvm_tasks(0, &n, &tasks));
	for (int i = 0; i < n; i++) {
		if (tasks[i].ti_tid == me)
			mine = i;
		if (tasks[i].ti_tid == kids[1])
			kid = i;
	}
	SHOW(mine >= 0 && kid >= 0);
	if (mine >= 0 && kid >= 0) {
		SHOW_TID(tasks[kid].ti_ptid);
		SHOW(tasks[kid].ti_host == host);
		SHOW(tasks[kid].ti_pid > 0);
		SHOW(tasks[kid].ti_flag & 2);
		SHOW(strcmp(tasks[kid].ti_a_out, self_path()));
		SHOW_TID(tasks[mine].ti_ptid);
		SHOW(tasks[mine].ti_pid == getpid());
		SHOW(tasks[mine].ti_flag);
		SHOW_STR(tasks[mine].ti_a_out);
	}
	SHOW(pvm_tasks(kids[0], &n, &tasks));
	printf("  %d %s\n", n, n > 0 ? tid_name(tasks[0].ti_tid) : "-");
	SHOW(pvm_tasks(host, &n, &tasks));
	SHOW(n >= 3);
	SHOW(pvm_tasks(kids[0] + 1000, &n, &tasks));
	SHOW(n);
	SHOW(pvm_tasks(-1, &n, &tasks));
	SHOW(pvm_tasks(0x80000 | 1, &n, &tasks));
	SHOW(pvm_tasks(0, NULL, NULL));
	SHOW(pvm_tidtohost(kids[0]) == host);
	SHOW(pvm_tidtohost(host) == host);
	SHOW(pvm_tidtohost(0));
	SHOW(pvm_tidtohost(0x80000 | 1) == (int)(0x80000000U | 0x80000));
}

static void hosts(void)
{
	struct pvmhostinfo *hosts;
	int n, archs, codes[2] = { 0 };
	char *names[] = { "no.such.host.invalid", "another.invalid" };
	struct timeval clock = { 0, 0 }, delta = { 0, 0 };

	head("hosts");
	pvm_config(&n, &archs, &hosts);
	SHOW(pvm_mstat(hosts[0].hi_name));
	SHOW(pvm_mstat("no.such.host.invalid"));
	SHOW(pvm_mstat(""));
	SHOW(pvm_config(NULL, NULL, NULL));
	SHOW(pvm_delhosts(names, 2, codes));
	printf("  %d %d\n", codes[0], codes[1]);
	SHOW(pvm_delhosts(names, 0, codes));
	SHOW(pvm_addhosts(names, 0, codes));
	SHOW(pvm_delhosts(names, -1, codes));
	SHOW(pvm_addhosts(names, -1, codes));
	SHOW(pvm_hostsync(hosts[0].hi_tid, &clock, &delta));
	SHOW(clock.tv_sec > 1000000000);
	SHOW(pvm_hostsync(0x80000 | 1, &clock, &delta));
	SHOW(pvm_hostsync(0, &clock, &delta));
	SHOW(pvm_archcode("NOARCH"));
	SHOW(pvm_archcode("LINUX64") != 0);
	SHOW(pvm_archcode("LINUX64") == pvm_archcode("LINUX"));
	SHOW(pvm_archcode(""));
	SHOW(strcmp(pvm_version(), PVM_VER));
	SHOW_STR(pvm_version());
}

/* ---- ending ---- */

static int is_gone(int tid)
{
	for (int i = 0; i < 500; i++) {
		if (pvm_pstat(tid) != PvmOk)
			return 1;
		usleep(10000);
	}
	return 0;
}

static void ends(void)
{
	int got[3];

	head("ends");
	SHOW(pvm_kill(kids[0]));
	SHOW(is_gone(kids[0]));
	SHOW(pvm_pstat(kids[0]));
	SHOW(pvm_kill(kids[0]));
	SHOW(pvm_kill(0));
	SHOW(pvm_kill(-1));
	SHOW(pvm_kill(pvm_tidtohost(me)));
	SHOW(pvm_sendsig(kids[1], 0));
	SHOW(pvm_sendsig(kids[0], SIGTERM));
	SHOW(pvm_sendsig(0, SIGTERM));
	SHOW(pvm_sendsig(-1, SIGTERM));
	SHOW(pvm_sendsig(kids[1], SIGTERM));
	SHOW(is_gone(kids[1]));
	spawn_role("signal", 1, kids);
	recv_int(kids[0], DATA);
	SHOW(pvm_sendsig(kids[0], SIGUSR1));
	SHOW(recv_int(kids[0], SIG) == SIGUSR1);
	say_word(kids, 1, GO);
	spawn_role("again", 1, kids);
	pvm_recv(-1, DATA);
	pvm_upkint(got, 3, 1);
	SHOW(got[0] == kids[0]);
	SHOW(got[1] != got[0] && got[1] > 0);
	SHOW(got[2]);
}

static void leaving(void)
{
	int again;

	head("leaving");
	SHOW(pvm_exit());
	again = pvm_mytid();
	SHOW(again > 0 && again != me);
	SHOW(pvm_parent());
	SHOW(pvm_exit());
	SHOW(pvm_exit());
	SHOW(pvm_send(me, 1));
	SHOW(pvm_exit());
}

int main(int argc, char **argv)
{
	start(argc, argv, 40);
	if (is_role(argc, argv, "wait"))
		return child_wait();
	if (is_role(argc, argv, "report"))
		return child_report(argc, argv);
	if (is_role(argc, argv, "signal"))
		return child_signal();
	if (is_role(argc, argv, "again"))
		return child_again();
	if (is_role(argc, argv, "orphan"))
		return child_orphan(argv[2]);
	pvm_setopt(PvmAutoErr, 0);
	me = pvm_mytid();
	name_tid(me, "me");
	errors();
	flags();
	family();
	orphans();
	states();
	hosts();
	ends();
	leaving();
	return 0;
}
