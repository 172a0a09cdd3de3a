/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tasks that take over parts of our work, with the messages that PVM has for that (pvmproto.h):
 * the hoster starts what makes hosts ours, a tasker starts the tasks of its host, and the resource
 * manager is asked by other tasks what they would ask us. Each does so until it ends.
 */
#include <signal.h>
#include <stdio.h>

#include "pvmproto.h"
#include "daemon/pvm/world_private.h"
#include "daemon/pvm/xdr.h"

#define ARCH	  "LINUX64"
#define SPEED	  1000
#define SIGNATURE 0x408c41

/* ---- who ---- */

/* All tasks ask the manager, or us where there is none. */
static void tell_manager(struct pvm_world *w)
{
	const int rm = w->roles[PVMI_ROLE_RM];

	for (const struct task *t = w->tasks; t; t = t->hh.next)
		if (t->connected)
			w->ops.to_task(w->arg, t->tid, PVMI_MANAGER, 0, rm, NULL);
}

static void set_tasker(struct pvm_world *w, struct host *h, int tid)
{
	h->tasker = tid;
	w->ops.to_agent(w->arg, h->index, PVMI_TASKER, 0, tid != 0, NULL);
}

static void set_role(struct pvm_world *w, struct host *h, uint32_t role, int tid)
{
	if (role == PVMI_ROLE_TASKER) {
		set_tasker(w, h, tid);
		return;
	}
	w->roles[role] = tid;
	if (role == PVMI_ROLE_RM)
		tell_manager(w);
}

void pvm_call_register(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	uint32_t role = dvmi_get_u32(r), on = dvmi_get_u32(r);
	struct host *h = pvm_host(w, t->host);

	if (role < 1 || role > PVMI_ROLE_TRACER || r->err) {
		pvm_answer(w, t->tid, id, PvmBadParam, NULL);
		return;
	}
	int has = role == PVMI_ROLE_TASKER ? h->tasker : w->roles[role];
	if (on && has && has != t->tid) {
		pvm_answer(w, t->tid, id, PvmAlready, NULL);
		return;
	}
	pvm_answer(w, t->tid, id, 0, NULL);
	set_role(w, h, role, on ? t->tid : 0);
}

/* ---- what they are told ---- */

static void send(struct pvm_world *w, int tid, int tag, int wid, struct dvmi_buf *b)
{
	if (!b->err)
		pvm_deliver(w, tid, SYSTEM_TID, tag, 0, ENC_XDR, wid, b->data, (uint32_t)b->len);
	dvmi_buf_free(b);
}

static void send_ints(struct pvm_world *w, int tid, int tag, int wid, const int *v, int n)
{
	struct dvmi_buf b = { 0 };

	for (int i = 0; i < n; i++)
		pvm_xdr_put_int(&b, v[i]);
	send(w, tid, tag, wid, &b);
}

void pvm_role_enrolled(struct pvm_world *w, const struct task *t)
{
	const int began[] = { 1, t->tid }, rm = w->roles[PVMI_ROLE_RM];

	if (!rm)
		return;
	w->ops.to_task(w->arg, t->tid, PVMI_MANAGER, 0, rm, NULL);
	if (!t->spawn)
		send_ints(w, rm, SM_EXECACK, 0, began, 2);
}

/* A tasker has ended: nobody will start what was left to it, or say how that has ended. */
static void end_left(struct pvm_world *w, int tasker)
{
	for (const struct task *t = w->tasks; t; t = t->hh.next)
		if (t->tasker == tasker && !t->connected)
			pvm_signal_task(w, t, SIGKILL);
}

void pvm_role_task_end(struct pvm_world *w, const struct task *t)
{
	const int ended[] = { t->tid, 0, 0, 0, 0, 0 };
	struct host *h = pvm_host(w, t->host);

	if (h->tasker == t->tid)
		set_tasker(w, h, 0);
	end_left(w, t->tid);
	for (uint32_t role = 1; role <= PVMI_ROLE_TRACER; role++)
		if (w->roles[role] == t->tid)
			set_role(w, h, role, 0);
	if (w->roles[PVMI_ROLE_RM])
		send_ints(w, w->roles[PVMI_ROLE_RM], SM_TASKX, 0, ended, 6);
	if (!w->roles[PVMI_ROLE_HOSTER])
		pvm_changes_unhosted(w);
}

void pvm_role_host_end(struct pvm_world *w, const struct host *h)
{
	const int tid = pvm_host_tid(h);

	if (w->roles[PVMI_ROLE_RM])
		send_ints(w, w->roles[PVMI_ROLE_RM], SM_HOSTX, 0, &tid, 1);
}

/* ---- the tasker ---- */

static int count(char *const *list)
{
	int n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* What lets the program become the task that it is. */
static void put_environment(struct dvmi_buf *b, const struct spawn *s, const struct item *it)
{
	char text[PVMI_NAME_MAX];
	int n = count(s->env);

	pvm_xdr_put_int(b, n + 3);
	for (int i = 0; i < n; i++)
		pvm_xdr_put_str(b, s->env[i]);
	snprintf(text, sizeof text, "PVMEPID=%d", it->tid);
	pvm_xdr_put_str(b, text);
	snprintf(text, sizeof text, "%s=%u.%s", PVMI_ENV_TASK, it->slot, s->nonce);
	pvm_xdr_put_str(b, text);
	snprintf(text, sizeof text, "%s=%s", PVMI_ENV_SOCKET, it->socket);
	pvm_xdr_put_str(b, text);
}

void pvm_role_start(struct pvm_world *w, const struct spawn *s, const struct item *it,
		    struct task *t)
{
	const struct host *h = pvm_host(w, it->host);
	struct dvmi_buf b = { 0 };

	t->tasker = h->tasker;
	if (!h->tasker) { /* it has ended meanwhile */
		pvm_signal_task(w, t, SIGKILL);
		return;
	}
	pvm_xdr_put_int(&b, it->tid);
	pvm_xdr_put_int(&b, s->flags);
	pvm_xdr_put_str(&b, it->path);
	pvm_xdr_put_int(&b, count(s->argv));
	pvm_xdr_put_str(&b, it->path);
	for (int i = 1; i < count(s->argv); i++)
		pvm_xdr_put_str(&b, s->argv[i]);
	put_environment(&b, s, it);
	pvm_xdr_put_int(&b, (int)(it - s->items));
	pvm_xdr_put_int(&b, (int)s->n);
	pvm_xdr_put_int(&b, (int)s->n);
	send(w, h->tasker, SM_STTASK, it->tid, &b);
}

/* A tasker says that a task it was to start has ended; of those that enrolled we know. */
static void take_task_end(struct pvm_world *w, const struct task *t, struct dvmi_reader *r)
{
	const struct task *x = pvm_task(w, pvm_xdr_int(r));

	if (!r->err && x && !x->connected && x->tasker == t->tid)
		pvm_signal_task(w, x, SIGKILL);
}

/* ---- the hoster ---- */

bool pvm_role_hosts(struct pvm_world *w, const struct host_change *c)
{
	struct dvmi_buf b = { 0 };
	int n = 0;

	for (uint32_t i = 0; i < c->n; i++)
		n += c->codes[i] == 0;
	if (!w->roles[PVMI_ROLE_HOSTER] || !n)
		return false;
	pvm_xdr_put_int(&b, n);
	for (uint32_t i = 0; i < c->n; i++) {
		if (c->codes[i] != 0)
			continue;
		pvm_xdr_put_int(&b, pvm_change_tid(c, i));
		pvm_xdr_put_str(&b, "");
		pvm_xdr_put_str(&b, c->names[i]);
		pvm_xdr_put_str(&b, w->ops.host_command(w->arg));
	}
	send(w, w->roles[PVMI_ROLE_HOSTER], SM_STHOST, (int)c->id + 1, &b);
	w->ops.hosting(w->arg);
	return true;
}

/* A status is what the command has printed, or the name of an error. */
static int status_code(const char *text)
{
	static const struct {
		const char *name;
		int code;
	} names[] = { { "PvmDSysErr", PvmDSysErr },	{ "PvmCantStart", PvmCantStart },
		      { "PvmDupHost", PvmDupHost },	{ "PvmNoHost", PvmNoHost },
		      { "PvmBadVersion", PvmBadVersion }, { "PvmOutOfRes", PvmOutOfRes },
		      { "PvmDenied", PvmDenied },	{ "PvmNoMem", PvmNoMem } };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(text, names[i].name) == 0)
			return names[i].code;
	return strncmp(text, "Pvm", 3) == 0 || !*text ? PvmCantStart : 0;
}

static void take_hosts(struct pvm_world *w, const struct task *t, int wid, struct dvmi_reader *r)
{
	if (t->tid != w->roles[PVMI_ROLE_HOSTER])
		return;
	while (r->p < r->end && !r->err) {
		int tid = pvm_xdr_int(r);
		char *status = pvm_xdr_str(r);
		if (status)
			pvm_change_hosted(w, (uint32_t)wid - 1, tid, status_code(status));
		free(status);
	}
	pvm_change_unhosted(w, (uint32_t)wid - 1);
}

/* ---- the resource manager ---- */

static void put_host(struct dvmi_buf *b, int tid, const char *name)
{
	pvm_xdr_put_int(b, tid);
	pvm_xdr_put_str(b, name);
	pvm_xdr_put_str(b, ARCH);
	pvm_xdr_put_int(b, SPEED);
	pvm_xdr_put_int(b, SIGNATURE);
}

void pvm_role_added(struct pvm_world *w, const struct host_change *c)
{
	struct dvmi_buf b = { 0 };

	pvm_xdr_put_int(&b, (int)c->n);
	pvm_xdr_put_int(&b, 1);
	for (uint32_t i = 0; i < c->n; i++) {
		const struct host *h = c->codes[i] == 0 ? pvm_host_named(w, c->names[i]) : NULL;
		put_host(&b, h ? pvm_host_tid(h) : c->codes[i], c->names[i]);
	}
	send(w, c->asker, SM_ADDACK, c->wid, &b);
}

void pvm_role_executed(struct pvm_world *w, const struct spawn *s)
{
	struct dvmi_buf b = { 0 };

	pvm_xdr_put_int(&b, (int)s->n);
	for (uint32_t i = 0; i < s->n; i++)
		pvm_xdr_put_int(&b, s->items[i].tid);
	send(w, s->asker, SM_EXECACK, s->wid, &b);
}

static void take_add(struct pvm_world *w, struct task *t, int wid, struct dvmi_reader *r)
{
	uint32_t n;
	char **names = pvm_xdr_list(r, &n, 0);

	if (names && !r->err)
		pvm_change_asked(w, t, wid, names, n);
	for (uint32_t i = 0; names && i < n; i++)
		free(names[i]);
	free(names);
}

static void hand_off(struct pvm_world *w, const struct task *to)
{
	if (to)
		set_role(w, pvm_host(w, to->host), PVMI_ROLE_RM, to->tid);
}

/* The manager's messages go to the daemon of the host that is meant. */
static void take(struct pvm_world *w, struct task *t, int to, int tag, int wid,
		 struct dvmi_reader *r)
{
	const bool manager = t->tid == w->roles[PVMI_ROLE_RM];

	if (tag == SM_TASKX)
		take_task_end(w, t, r);
	else if (tag == SM_STHOSTACK)
		take_hosts(w, t, wid, r);
	else if (tag == SM_EXEC && manager)
		pvm_spawn_ordered(w, t, to, wid, r);
	else if (tag == SM_ADD && manager)
		take_add(w, t, wid, r);
	else if (tag == SM_HANDOFF && manager)
		hand_off(w, pvm_task(w, pvm_xdr_int(r)));
}

/* A message to a daemon: those with work of ours are heard. */
void pvm_call_post(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	int to = (int)dvmi_get_u32(r), tag = (int)dvmi_get_u32(r);
	uint32_t len = 0;
	struct dvmi_reader body;

	(void)id;
	dvmi_get_u32(r); /* its context */
	int enc = (int)dvmi_get_u32(r);
	const uint8_t *p = dvmi_get_blob(r, PVMI_FRAME_MAX, &len);
	int wid = (int)dvmi_get_u32(r);
	if (!p || r->err || enc != ENC_XDR)
		return;
	dvmi_reader_init(&body, p, len);
	take(w, t, to, tag, wid, &body);
}
