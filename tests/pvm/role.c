// SPDX-License-Identifier: BSD-3-Clause
// Tasks that start others, or decide for others: what a tasker and a resource manager are told, and
// what becomes of their answers. A second process, the client, is who makes calls.
#include <fcntl.h>
#include <sys/wait.h>

#include "tests/pvm/show.h"
#include "pvmproto.h"

enum { SAID = 1, GO = 2, GONE = 3, TEXT = 200 };

#define DAEMON 0x80000000u /* in the id of one */

extern char **environ;

static int me, client;

/* ---- the client: calls when it is told to, and says what came of it ---- */

static void say(const char *text)
{
	pvm_initsend(PvmDataDefault);
	pvm_pkstr((char *)text);
	pvm_send(client, SAID);
	pvm_recv(client, SAID); /* it is printed */
}

/* How many were started, and how many of them answer. */
static void do_spawn(int n, char *where, int flags)
{
	char *args[] = { "kid", "two words", NULL }, text[TEXT];
	int tids[4] = { 0 }, heard = 0, rc = pvm_spawn(self_path(), args, flags, where, n, tids);

	/* Where somebody manages, who wants to be told has it from him. */
	if (rc > 0 && !where)
		pvm_notify(PvmTaskExit, GONE, rc, tids);
	for (int i = 0; i < rc; i++)
		pvm_recv(where ? tids[i] : -1, where ? GO : GONE);
	for (int i = 0; i < rc; i++)
		heard += where ? 1 : pvm_nrecv(tids[i], GO) > 0;
	snprintf(text, sizeof(text), "spawn -> %d, %d of them speak, then %d", rc, heard,
		 rc < n && rc >= 0 ? tids[rc] : 0);
	say(text);
}

static void do_config(void)
{
	struct pvmhostinfo *h = NULL;
	int n = -1, archs = -1, rc = pvm_config(&n, &archs, &h);
	char text[TEXT];

	snprintf(text, sizeof(text), "config -> %d: %d of %d, %s %s %d", rc, n, archs,
		 h ? h->hi_name : "", h ? h->hi_arch : "", h ? h->hi_speed : 0);
	say(text);
}

static void do_tasks(void)
{
	struct pvmtaskinfo *t = NULL;
	int n = -1, rc = pvm_tasks(0, &n, &t);
	char text[TEXT];

	snprintf(text, sizeof(text), "tasks -> %d: %d, %x %x %x %d %s %d", rc, n,
		 t ? (unsigned)t->ti_tid : 0, t ? (unsigned)t->ti_ptid : 0,
		 t ? (unsigned)t->ti_host : 0, t ? t->ti_flag : 0, t ? t->ti_a_out : "",
		 t ? t->ti_pid : 0);
	say(text);
}

static void do_hosts(void)
{
	char *names[] = { "foo", "bar" }, text[TEXT];
	int codes[2] = { 0, 0 }, rc = pvm_addhosts(names, 2, codes);

	snprintf(text, sizeof(text), "addhosts -> %d: %x, %d", rc, (unsigned)codes[0], codes[1]);
	say(text);
	rc = pvm_delhosts(names, 2, codes);
	snprintf(text, sizeof(text), "delhosts -> %d: %d, %d", rc, codes[0], codes[1]);
	say(text);
}

static void do_notify(void)
{
	char text[TEXT];

	snprintf(text, sizeof(text), "notify -> %d", pvm_notify(PvmTaskExit, 77, 1, &client));
	say(text);
}

static void do_register(void)
{
	char text[TEXT];

	snprintf(text, sizeof(text), "reg_rm -> %d", pvm_reg_rm(NULL));
	say(text);
}

static int be_client(int go, int told, const char *role)
{
	char byte;

	if (read(go, &byte, 1) != 1)
		return 1;
	int tid = pvm_mytid();

	pvm_setopt(PvmAutoErr, 0);
	if (write(told, &tid, sizeof(tid)) != sizeof(tid))
		return 1;
	pvm_recv(-1, GO);
	pvm_upkint(&client, 1, 1); /* who wants to hear */
	if (strcmp(role, "tasker") == 0) {
		do_spawn(1, NULL, PvmTaskDefault);
		do_spawn(2, NULL, PvmTaskDefault);
	} else {
		do_spawn(2, ".", PvmTaskHost);
		do_config();
		do_tasks();
		do_hosts();
		do_notify();
		do_register();
	}
	say("");
	pvm_exit();
	return 0;
}

static int kid(int argc)
{
	send_int(pvm_parent(), GO, argc - 1);
	pvm_exit();
	return 0;
}

/* ---- who takes over ---- */

/* Anything: the system's messages as well. */
static int anything(int buf, int tid, int tag)
{
	(void)buf, (void)tid, (void)tag;
	return 1;
}

static void answer(const struct pvmminfo *question, int tag)
{
	struct pvmminfo info;

	pvm_getminfo(pvm_getsbuf(), &info);
	info.wid = question->wid;
	pvm_setminfo(pvm_getsbuf(), &info);
	SHOW(pvm_send(question->src, tag));
}

static void pack_ints(int n, const int *v)
{
	pvm_pkint((int *)v, n, 1);
}

static void unpack_list(char list[][TEXT], int max, int *n)
{
	*n = -1;
	pvm_upkint(n, 1, 1);
	for (int i = 0; i < *n && i < max; i++)
		pvm_upkstr(list[i]);
}

/* ---- a tasker ---- */

static pid_t start_task(char *path, char args[][TEXT], int argc, char env[][4 * TEXT], int nenv)
{
	char *argv[9];
	pid_t pid = fork();

	if (pid)
		return pid;
	for (int i = 0; i < argc; i++)
		argv[i] = args[i];
	argv[argc] = NULL;
	for (int i = 0; i < nenv; i++)
		putenv(env[i]);
	execve(path, argv, environ);
	_exit(127);
}

static void take_start(const struct pvmminfo *m, int refuse)
{
	static char path[TEXT], args[8][TEXT], env[32][4 * TEXT];
	int tid, flags, argc, nenv = -1, epid = 0, status[6] = { 0, 256, 0, 0, 0, 0 };

	pvm_upkint(&tid, 1, 1);
	pvm_upkint(&flags, 1, 1);
	pvm_upkstr(path);
	unpack_list(args, 8, &argc);
	pvm_upkint(&nenv, 1, 1);
	for (int i = 0; i < nenv && i < 32; i++) {
		pvm_upkstr(env[i]);
		epid += strncmp(env[i], "PVMEPID=", 8) == 0;
	}
	printf("start %s with flags %d: it is %s, %d arguments (%s, %s, %s), PVMEPID %d times\n",
	       tid > 0 ? "a task" : "?", flags, strcmp(path, self_path()) == 0 ? "we" : path, argc,
	       strcmp(args[0], path) == 0 ? "its path" : args[0], args[1], args[2], epid);
	if (!refuse) {
		start_task(path, args, argc, env, nenv);
		return;
	}
	status[0] = tid;
	pvm_initsend(PvmDataDefault);
	pack_ints(6, status);
	SHOW(pvm_send(m->src, SM_TASKX));
}

/* ---- a resource manager ---- */

static struct pvmminfo asked; /* what was asked and not answered yet */

static void take_spawn(const struct pvmminfo *m)
{
	static char file[TEXT], where[TEXT], args[8][TEXT];
	static const int where_to[7];
	int flags, count, argc, nenv = -1, ints[6];

	pvm_upkstr(file);
	pvm_upkint(&flags, 1, 1);
	pvm_upkstr(where);
	pvm_upkint(&count, 1, 1);
	unpack_list(args, 8, &argc);
	pvm_upkint(ints, 6, 1);
	pvm_upkint(&nenv, 1, 1);
	printf("spawn %d of %s at '%s', flags %d, %d arguments (%s, %s), environment %d\n", count,
	       strcmp(file, self_path()) == 0 ? "us" : file, where, flags, argc, args[0], args[1],
	       nenv > 0);
	asked = *m;
	pvm_initsend(PvmDataDefault);
	pvm_pkint(&asked.src, 1, 1);
	pvm_pkstr(file);
	pvm_pkint(&flags, 1, 1);
	pvm_pkint(&count, 1, 1);
	pvm_pkint(&argc, 1, 1);
	for (int i = 0; i < argc; i++)
		pvm_pkstr(args[i]);
	pack_ints(7, where_to); /* no output, no traces, no environment */
	pack_ints(1, where_to);
	pack_ints(1, &count);
	pack_ints(1, &count);
	SHOW(pvm_send((int)(DAEMON | (unsigned)pvm_tidtohost(me)), SM_EXEC));
}

static void take_executed(void)
{
	int n = -1, tids[4] = { 0 };

	pvm_upkint(&n, 1, 1);
	pvm_upkint(tids, n > 0 && n < 4 ? n : 0, 1);
	if (asked.tag != SM_SPAWN) {
		printf("a task by hand: %d\n", n);
		return;
	}
	printf("executed: %d, %s\n", n, tids[0] > 0 && tids[1] > 0 ? "tasks" : "not all of them");
	pvm_initsend(PvmDataDefault);
	pvm_pkint(&n, 1, 1);
	pvm_pkint(tids, 2, 1);
	answer(&asked, SM_SPAWN);
	asked.tag = 0;
}

static void answer_ints(const struct pvmminfo *m, int n, const int *v)
{
	pvm_initsend(PvmDataDefault);
	pack_ints(n, v);
	answer(m, m->tag);
}

static void pack_host(int tid, char *name)
{
	static const int rest[] = { 500, 0x408c41 };

	pvm_pkint(&tid, 1, 1);
	pvm_pkstr(name);
	pvm_pkstr("ARCHX");
	pack_ints(2, rest);
}

static void answer_hosts(const struct pvmminfo *m, int n, int first, int second)
{
	const int counts[] = { n, 1 };

	pvm_initsend(PvmDataDefault);
	pack_ints(2, counts);
	pack_host(first, "hostx");
	if (n > 1)
		pack_host(second, "hosty");
	answer(m, m->tag);
}

static void take_names(const struct pvmminfo *m)
{
	static const int codes[] = { 2, 0, PvmNoHost };
	char names[2][TEXT] = { "", "" };
	int n;

	unpack_list(names, 2, &n);
	printf("%s %d hosts: %s, %s\n", m->tag == SM_ADDHOST ? "add" : "delete", n, names[0],
	       names[1]);
	if (m->tag == SM_ADDHOST)
		answer_hosts(m, 2, 0x80000, PvmNoHost);
	else
		answer_ints(m, 3, codes);
}

static void answer_tasks(const struct pvmminfo *m)
{
	static const int task[] = { 1, 0x40077, 0x40076, 0x40000, 6 };
	int where = -1, pid = 4242;

	pvm_upkint(&where, 1, 1);
	printf("tasks at %d\n", where);
	pvm_initsend(PvmDataDefault);
	pack_ints(5, task);
	pvm_pkstr("program");
	pvm_pkint(&pid, 1, 1);
	answer(m, m->tag);
}

static void take_note(void)
{
	int v[5] = { 0 };

	pvm_upkint(v, 5, 1);
	printf("notify: %d, context %d, tag %d, %d about %s\n", v[0], v[1], v[2], v[3],
	       v[4] == me ? "me" : "another");
}

static void take_question(const struct pvmminfo *m)
{
	static const int no = PvmAlready;

	if (m->tag == SM_SPAWN)
		take_spawn(m);
	else if (m->tag == SM_EXECACK)
		take_executed();
	else if (m->tag == SM_CONFIG)
		answer_hosts(m, 1, 0x40000, 0);
	else if (m->tag == SM_TASK)
		answer_tasks(m);
	else if (m->tag == SM_ADDHOST || m->tag == SM_DELHOST)
		take_names(m);
	else if (m->tag == SM_NOTIFY)
		take_note();
	else if (m->tag == SM_SCHED)
		answer_ints(m, 1, &no);
}

/* ---- */

/* One message. 0: the client has ended. */
static int serve_one(int *starts)
{
	struct pvmminfo m;
	char text[TEXT];
	int buf = pvm_recv(-1, -1);

	pvm_getminfo(buf, &m);
	if (m.tag == SAID) {
		pvm_upkstr(text);
		printf("%s\n", text);
		send_int(m.src, SAID, 0);
		return *text != '\0';
	}
	if (m.tag == SM_STTASK)
		take_start(&m, ++*starts == 3);
	else if (m.tag == SM_TASKX)
		; /* of which there may be more than we see */
	else
		take_question(&m);
	return 1;
}

static void serve(const char *role, int (*enlist)(void))
{
	int go[2], told[2], starts = 0;
	char byte = 0;

	head(role);
	pid_t pid = pipe(go) < 0 || pipe(told) < 0 ? -1 : fork();

	if (pid == 0)
		exit(be_client(go[0], told[1], role));
	me = SHOW(pvm_mytid() > 0) ? pvm_mytid() : 0;
	pvm_setopt(PvmAutoErr, 0);
	pvm_setopt(PvmResvTids, 1);
	pvm_recvf(anything);
	SHOW(enlist());
	if (write(go[1], &byte, 1) != 1 || read(told[0], &client, sizeof(client)) < 1)
		return;
	send_int(client, GO, me);
	while (serve_one(&starts))
		;
	waitpid(pid, NULL, 0);
	while (waitpid(-1, NULL, 0) > 0)
		;
	pvm_recvf(NULL);
	SHOW(pvm_exit());
}

static int manage(void)
{
	struct pvmhostinfo *h = NULL;
	int rc = pvm_reg_rm(&h);

	printf("the first host is %s %s %d\n", h ? "there," : "not there", h ? h->hi_arch : "",
	       h ? h->hi_speed : 0);
	return rc;
}

int main(int argc, char **argv)
{
	start(argc, argv, 40);
	if (is_role(argc, argv, "kid"))
		return kid(argc);
	serve("tasker", pvm_reg_tasker);
	serve("manager", manage);
	return 0;
}
