/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PVM program over several hosts: `pvm_nodes VERB [ARG]`. Children echo what they get, pass words
 * to one another, and end when they are told. Each verb prints what it has found, in words that do
 * not depend on which host is which.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pvm3.h"
#include "pvmproto.h"

enum { ECHO = 1, PASS, WORD, END, GONE = 50, HOST_GONE, HOST_NEW };
enum { LONGEST = 1 << 20, MOST = 64 };

static char self[PATH_MAX], bytes[LONGEST], back[LONGEST];
static int kids[MOST];

static int child(void)
{
	int parent = pvm_parent();

	for (;;) {
		int len, tag, from, to, buf = pvm_recv(-1, -1);
		if (buf < 0 || pvm_bufinfo(buf, &len, &tag, &from) < 0 || tag == END)
			break;
		pvm_initsend(PvmDataRaw);
		if (tag == ECHO) {
			pvm_upkbyte(bytes, len, 1);
			pvm_pkbyte(bytes, len, 1);
			pvm_send(from, ECHO);
		} else if (tag == PASS) {
			pvm_upkint(&to, 1, 1);
			pvm_send(to, WORD);
		} else {
			pvm_send(parent, WORD);
		}
	}
	pvm_exit();
	return 0;
}

static int start(int n, int flags, char *where)
{
	static char verb[] = "child";
	char *args[] = { verb, NULL };

	return pvm_spawn(self, args, flags, where, n, kids);
}

static void stop(int n)
{
	pvm_initsend(PvmDataDefault);
	pvm_mcast(kids, n, END);
}

static int hosts_of(int n)
{
	int seen[MOST], count = 0;

	for (int i = 0; i < n; i++) {
		int k = 0, host = pvm_tidtohost(kids[i]);
		while (k < count && seen[k] != host)
			k++;
		seen[k] = host;
		count += k == count;
	}
	return count;
}

/* All lengths to all children and back. */
static int echo(int n)
{
	int bad = 0;

	for (int i = 0; i < n; i++)
		for (int len = 0; len <= LONGEST; len = len ? len * 32 : 1) {
			pvm_initsend(PvmDataRaw);
			pvm_pkbyte(bytes, len, 1);
			pvm_send(kids[i], ECHO);
			pvm_recv(kids[i], ECHO);
			pvm_upkbyte(back, len, 1);
			bad += memcmp(bytes, back, (size_t)len) != 0;
		}
	return bad;
}

/* Each child sends the next one a word, which tells us. */
static int pass(int n)
{
	for (int i = 0; i < n; i++) {
		pvm_initsend(PvmDataRaw);
		pvm_pkint(&kids[(i + 1) % n], 1, 1);
		pvm_send(kids[i], PASS);
	}
	for (int i = 0; i < n; i++)
		pvm_recv(-1, WORD);
	return n;
}

static int verb_talk(int n)
{
	int nhosts, started = start(n, PvmTaskDefault, NULL);

	pvm_config(&nhosts, NULL, NULL);
	printf("%d started on %d of %d hosts\n", started, hosts_of(started), nhosts);
	printf("%d echoes are wrong\n", echo(started));
	printf("%d words\n", pass(started));
	stop(started);
	return 0;
}

/* The next note with TAG: what it is about, or 0. */
static int note(int tag)
{
	struct timeval most = { 30, 0 };
	int about = 0;

	if (pvm_trecv(-1, tag, &most) > 0)
		pvm_upkint(&about, 1, 1);
	return about;
}

static char *name_of(int host)
{
	struct pvmhostinfo *hosts;
	int n;

	pvm_config(&n, NULL, &hosts);
	for (int i = 0; i < n; i++)
		if (hosts[i].hi_tid == host)
			return strdup(hosts[i].hi_name);
	return NULL;
}

/* A host leaves the virtual machine, with its tasks, and comes back. */
static int verb_hosts(void)
{
	int nhosts, code, n = start(3, PvmTaskDefault, NULL), victim = 0;

	for (int i = 0; i < n; i++)
		if (pvm_tidtohost(kids[i]) != pvm_tidtohost(pvm_mytid()))
			victim = kids[i];
	int host = pvm_tidtohost(victim);
	char *name = name_of(host);
	pvm_notify(PvmTaskExit, GONE, 1, &victim);
	pvm_notify(PvmHostDelete, HOST_GONE, 1, &host);
	pvm_notify(PvmHostAdd, HOST_NEW, 1, NULL);
	printf("deleted: %d\n", pvm_delhosts(&name, 1, &code) == 1 && code == 0);
	printf("its task is told of: %d\n", note(GONE) == victim);
	printf("the host is told of: %d\n", note(HOST_GONE) == host);
	pvm_config(&nhosts, NULL, NULL);
	printf("%d hosts\n", nhosts);
	stop(n);
	pvm_setopt(PvmAutoErr, 0);
	printf("nothing starts there: %d\n", start(1, PvmTaskHost, name) == 0 && kids[0] == PvmNoHost);
	printf("added: %d\n", pvm_addhosts(&name, 1, &code) == 1 && code > 0);
	printf("news of it: %d\n", note(HOST_NEW) == 1);
	printf("twice: %d\n", pvm_addhosts(&name, 1, &code) == 0 && code == PvmDupHost);
	printf("a task there: %d\n", start(1, PvmTaskHost, name) == 1);
	printf("it answers: %d\n", echo(1) == 0);
	stop(1);
	free(name);
	return 0;
}

/* Waits until a host is lost that has a child of ours; prints ready once it may be killed. */
static int verb_lost(char *name)
{
	int n = start(1, PvmTaskHost, name), host = pvm_tidtohost(kids[0]);

	pvm_notify(PvmTaskExit, GONE, n, kids);
	pvm_notify(PvmHostDelete, HOST_GONE, 1, &host);
	printf("ready %d %d\n", n, n ? 0 : kids[0]);
	fflush(stdout);
	printf("task: %d\n", note(GONE) == kids[0]);
	printf("host: %d\n", note(HOST_GONE) == host);
	pvm_initsend(PvmDataDefault);
	printf("a word to the dead: %d\n", pvm_send(kids[0], WORD));
	printf("it is gone: %d\n", pvm_pstat(kids[0]) == PvmNoTask);
	return 0;
}

/* ---- a host that leaves and comes back, N times, with a task each time ---- */

static int verb_churn(int n)
{
	struct pvmhostinfo *hosts;
	int count, code, deleted = 0, added = 0, answers = 0, news = 0;

	if (pvm_config(&count, NULL, &hosts) < 0 || count < 2)
		return 1;
	char *name = strdup(hosts[count - 1].hi_tid == pvm_tidtohost(pvm_mytid()) ?
				    hosts[count - 2].hi_name :
				    hosts[count - 1].hi_name);
	pvm_notify(PvmHostAdd, HOST_NEW, -1, NULL);
	for (int i = 0; i < n; i++) {
		if (start(2, PvmTaskHost, name) == 2) {
			answers += echo(2) == 0;
			pvm_notify(PvmTaskExit, GONE, 2, kids);
		}
		deleted += pvm_delhosts(&name, 1, &code) == 1 && code == 0;
		note(GONE);
		note(GONE);
		added += pvm_addhosts(&name, 1, &code) == 1 && code > 0;
		news += note(HOST_NEW) == 1;
	}
	printf("%d deleted, %d added, news of %d, %d answers\n", deleted, added, news, answers);
	free(name);
	return 0;
}

/* ---- hosts by a hoster ---- */

/* What the command prints; it can be run here, where all nodes are. */
static void run_command(const char *command, char *line, int size)
{
	FILE *f = popen(command, "r");

	if (!f || !fgets(line, size, f))
		strcpy(line, "PvmCantStart");
	line[strcspn(line, "\n")] = '\0';
	if (f)
		pclose(f);
}

/* Answers one question: by what it runs, or that it does not want to. */
static void serve_hosts(int refuse)
{
	static char text[3][PATH_MAX], line[PATH_MAX];
	int n = 0, tid, question = pvm_recv(-1, SM_STHOST), context = pvm_setcontext(0);
	struct pvmminfo asked, info;

	pvm_getminfo(question, &asked);
	pvm_upkint(&n, 1, 1);
	pvm_initsend(PvmDataDefault);
	while (n-- > 0) {
		pvm_upkint(&tid, 1, 1);
		for (int i = 0; i < 3; i++)
			pvm_upkstr(text[i]);
		strcpy(line, "PvmDenied");
		if (!refuse)
			run_command(text[2], line, sizeof(line));
		pvm_pkint(&tid, 1, 1);
		pvm_pkstr(line);
	}
	pvm_getminfo(pvm_getsbuf(), &info);
	info.wid = asked.wid;
	pvm_setminfo(pvm_getsbuf(), &info);
	pvm_send(asked.src, SM_STHOSTACK);
	pvm_setcontext(context);
}

static int hoster(void)
{
	pvm_setopt(PvmResvTids, 1);
	int rc = pvm_reg_hoster();

	pvm_initsend(PvmDataDefault);
	pvm_pkint(&rc, 1, 1);
	pvm_send(pvm_parent(), WORD);
	serve_hosts(1);
	serve_hosts(0);
	pvm_recv(-1, END);
	pvm_exit();
	return 0;
}

static int verb_hosted(void)
{
	static char verb[] = "hoster", here[] = ".";
	char *args[] = { verb, NULL }, *names[1];
	struct pvmhostinfo *hosts;
	int rc = -99, code = -99, n;

	if (pvm_spawn(self, args, PvmTaskHost, here, 1, kids) != 1 ||
	    pvm_config(&n, NULL, &hosts) < 0 || n < 2)
		return 1;
	n -= hosts[n - 1].hi_tid == pvm_tidtohost(kids[0]);
	names[0] = strdup(hosts[n - 1].hi_name);
	pvm_recv(kids[0], WORD);
	pvm_upkint(&rc, 1, 1);
	printf("a hoster: %d\n", rc);
	printf("deleted: %d\n", pvm_delhosts(names, 1, &code));
	rc = pvm_addhosts(names, 1, &code);
	printf("it does not want to: %d, %d\n", rc, code);
	rc = pvm_addhosts(names, 1, &code);
	printf("it does: %d, %s\n", rc, code > 0 ? "a host" : "none");
	stop(1);
	free(names[0]);
	return 0;
}

/* ---- a resource manager that is none ---- */

static int anything(int buf, int tid, int tag)
{
	(void)buf, (void)tid, (void)tag;
	return 1;
}

/* To SRC, what is packed, with WID. */
static void reply(int src, int tag, int wid)
{
	struct pvmminfo info;

	pvm_getminfo(pvm_getsbuf(), &info);
	info.wid = wid;
	pvm_setminfo(pvm_getsbuf(), &info);
	pvm_send(src, tag);
}

/* Answers question M wrongly, as HOW says. */
static void mislead(const struct pvmminfo *m, char *how)
{
	int v = strcmp(how, "negative") == 0 ? PvmNoMem : strcmp(how, "huge") == 0 ? 1 << 30 : 1;

	if (strcmp(how, "dies") == 0)
		kill(getpid(), SIGKILL);
	if (strcmp(how, "stops") == 0)
		kill(getpid(), SIGSTOP);
	pvm_initsend(PvmDataDefault);
	if (strcmp(how, "text") == 0)
		pvm_pkstr(how);
	else if (strcmp(how, "empty") != 0)
		pvm_pkint(&v, 1, 1);
	if (strcmp(how, "silent") != 0)
		reply(m->src, strcmp(how, "tag") == 0 ? m->tag + 1 : m->tag,
		      strcmp(how, "wid") == 0 ? m->wid + 7 : m->wid);
}

static int manager(char *how)
{
	struct pvmminfo m;

	pvm_setopt(PvmResvTids, 1);
	pvm_recvf(anything);
	int rc = pvm_reg_rm(NULL);
	pvm_initsend(PvmDataDefault);
	pvm_pkint(&rc, 1, 1);
	pvm_send(pvm_parent(), WORD);
	while (pvm_getminfo(pvm_recv(-1, -1), &m) == 0 && m.tag != END)
		if (m.tag == SM_SPAWN || m.tag == SM_CONFIG || m.tag == SM_TASK || m.tag == SM_ADDHOST)
			mislead(&m, how);
	pvm_exit();
	return 0;
}

/* What calls return then; it is to be HOW in each of them. */
static void ask_all(const char *how)
{
	char name[] = "nowhere", *names[] = { name }, child_verb[] = "child";
	char *args[] = { child_verb, NULL };
	int n = 0, tid = 0, code = 0, config = pvm_config(&n, NULL, NULL), tasks, spawned, added;

	tasks = pvm_tasks(0, &n, NULL);
	spawned = pvm_spawn(self, args, 0, NULL, 1, &tid);
	added = pvm_addhosts(names, 1, &code);
	printf("%s: config %d, tasks %d, spawn %d: %s, add %d: %d\n", how, config, tasks, spawned,
	       tid > 0 ? "a task" : pvm_errno < 0 ? "none" : "?", added, code);
	if (spawned == 1 && pvm_pstat(tid) == 0)
		pvm_kill(tid);
}

static int verb_managed(char *how)
{
	static char verb[] = "manager";
	char *args[] = { verb, how, NULL };
	int rc = -99, gone, n;

	if (pvm_spawn(self, args, 0, NULL, 1, kids) != 1)
		return 1;
	pvm_notify(PvmTaskExit, GONE, 1, kids);
	pvm_recv(kids[0], WORD);
	pvm_upkint(&rc, 1, 1);
	pvm_setopt(PvmAutoErr, 0);
	ask_all(how);
	pvm_sendsig(kids[0], SIGKILL);
	gone = note(GONE);
	rc = pvm_config(&n, NULL, NULL);
	printf("then: %d, %d hosts\n", gone == kids[0] ? rc : -99, n);
	return 0;
}

/* ---- more tasks, one after the other, than a node has ranks ---- */

static int verb_again(int n)
{
	for (int i = 0; i < n; i++)
		if (pvm_mytid() < 0 || pvm_exit() < 0) {
			printf("failed at %d\n", i);
			return 1;
		}
	printf("%d times\n", n);
	return 0;
}

/* While we live nobody gets a place again that somebody has had: N tasks need more than one bank. */
static void verb_keep(int n)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		_exit(verb_again(n) || fflush(stdout));
	waitpid(pid, NULL, 0);
	verb_talk(6);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 1;

	if (!realpath("/proc/self/exe", self))
		return 1;
	for (int i = 0; i < LONGEST; i++)
		bytes[i] = (char)(i * 7);
	if (strcmp(verb, "child") == 0)
		return child();
	if (strcmp(verb, "hoster") == 0)
		return hoster();
	if (strcmp(verb, "manager") == 0 && argc > 2)
		return manager(argv[2]);
	if (strcmp(verb, "again") == 0)
		return verb_again(n);
	if (pvm_mytid() < 0)
		return 1;
	if (strcmp(verb, "talk") == 0 && n <= MOST)
		verb_talk(n);
	else if (strcmp(verb, "keep") == 0)
		verb_keep(n);
	else if (strcmp(verb, "hosts") == 0)
		verb_hosts();
	else if (strcmp(verb, "churn") == 0)
		verb_churn(n);
	else if (strcmp(verb, "hosted") == 0)
		verb_hosted();
	else if (strcmp(verb, "managed") == 0 && argc > 2)
		verb_managed(argv[2]);
	else if (strcmp(verb, "lost") == 0 && argc > 2)
		verb_lost(argv[2]);
	pvm_exit();
	return 0;
}
