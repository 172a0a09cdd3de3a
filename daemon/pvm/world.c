/* SPDX-License-Identifier: BSD-3-Clause */
/* Hosts and tasks: who is there. */
#include <errno.h>
#include <stdio.h>

#include "daemon/pvm/world_private.h"

int pvm_world_create(struct pvm_world **out, const struct pvm_world_ops *ops, void *arg)
{
	struct pvm_world *w = calloc(1, sizeof *w);

	if (!w)
		return -ENOMEM;
	w->ops = *ops;
	w->arg = arg;
	*out = w;
	return 0;
}

/* ---- hosts ---- */

struct host *pvm_host(const struct pvm_world *w, uint32_t index)
{
	return index >= 1 && index <= w->nhosts ? &w->hosts[index - 1] : NULL;
}

struct host *pvm_host_named(const struct pvm_world *w, const char *name)
{
	for (uint32_t i = 0; i < w->nhosts; i++)
		if (w->hosts[i].up && strcmp(w->hosts[i].name, name) == 0)
			return &w->hosts[i];
	return NULL;
}

struct host *pvm_host_of(const struct pvm_world *w, int tid)
{
	struct host *h = pvm_host(w, ((uint32_t)tid & PVMI_TIDHOST) >> PVMI_HOST_SHIFT);

	return h && h->up ? h : NULL;
}

int pvm_host_tid(const struct host *h)
{
	return (int)(h->index << PVMI_HOST_SHIFT);
}

const char *pvm_world_host_name(const struct pvm_world *w, uint32_t index)
{
	const struct host *h = pvm_host(w, index);

	return h ? h->name : NULL;
}

bool pvm_world_host_is_up(const struct pvm_world *w, uint32_t index)
{
	const struct host *h = pvm_host(w, index);

	return h && h->up;
}

bool pvm_world_has_host(const struct pvm_world *w, const char *name)
{
	return pvm_host_named(w, name) != NULL;
}

/* A node that comes back is another host, as in PVM: what was known of the old one is void. */
int pvm_world_host_up(struct pvm_world *w, const char *name)
{
	if (pvm_host_named(w, name))
		return PvmDupHost;
	if (w->nhosts == PVM_HOSTS_MAX)
		return PvmOutOfRes;
	struct host *more = realloc(w->hosts, (w->nhosts + 1) * sizeof *more);
	char *copy = strdup(name);
	if (more)
		w->hosts = more;
	if (!more || !copy) {
		free(copy);
		return PvmNoMem;
	}
	w->hosts[w->nhosts++] = (struct host){ .name = copy, .index = w->nhosts, .up = true };
	struct host *h = &w->hosts[w->nhosts - 1];
	h->index = w->nhosts;
	pvm_notify_host(w, h, true);
	return (int)h->index;
}

void pvm_world_host_down(struct pvm_world *w, const char *name)
{
	const struct host *h = pvm_host_named(w, name);

	if (h)
		pvm_world_host_lost(w, h->index);
}

void pvm_world_host_lost(struct pvm_world *w, uint32_t index)
{
	struct host *h = pvm_host(w, index);
	struct task *t, *next;

	if (!h || !h->up)
		return;
	h->up = false;
	HASH_ITER(hh, w->tasks, t, next)
		if (t->host == h->index)
			pvm_task_end(w, t, false);
	pvm_notify_host(w, h, false);
	pvm_role_host_end(w, h);
}

/* ---- tasks ---- */

struct task *pvm_task(const struct pvm_world *w, int tid)
{
	struct task *t;

	HASH_FIND_INT(w->tasks, &tid, t);
	return t;
}

static struct task *task_at(const struct pvm_world *w, uint32_t host, uint32_t rank)
{
	for (struct task *t = w->tasks; t; t = t->hh.next)
		if (t->host == host && t->rank == rank)
			return t;
	return NULL;
}

int pvm_next_tid(struct pvm_world *w, struct host *h)
{
	for (uint32_t i = 0; i < PVMI_TIDLOCAL; i++) {
		h->last = h->last >= PVMI_TIDLOCAL ? 1 : h->last + 1;
		int tid = (int)(h->index << PVMI_HOST_SHIFT | h->last);
		if (!pvm_task(w, tid))
			return tid;
	}
	return PvmOutOfRes;
}

struct task *pvm_task_new(struct pvm_world *w, struct host *h, int tid, uint32_t rank, int pid)
{
	struct task *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	*t = (struct task){ .tid = tid, .host = h->index, .rank = rank, .pid = pid };
	HASH_ADD_INT(w->tasks, tid, t);
	return t;
}

static void free_task(struct pvm_world *w, struct task *t)
{
	HASH_DEL(w->tasks, t);
	free(t->program);
	free(t->siblings);
	free(t);
}

static void tell_gone(struct pvm_world *w, const struct task *t, bool closed)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, t->rank);
	dvmi_buf_put_u32(&b, (uint32_t)t->tid);
	dvmi_buf_put_u32(&b, closed);
	for (uint32_t i = 0; i < w->nhosts; i++)
		if (w->hosts[i].up)
			w->ops.to_agent(w->arg, i + 1, PVMI_RANK_GONE, 0, 0, &b);
	dvmi_buf_free(&b);
}

static void drop_waiters(struct pvm_world *w, int tid)
{
	for (struct waiter **p = &w->waiters, *x; (x = *p);) {
		if (x->tid != tid) {
			p = &x->next;
			continue;
		}
		*p = x->next;
		free(x->name);
		free(x);
	}
}

void pvm_task_end(struct pvm_world *w, struct task *t, bool closed)
{
	int tid = t->tid;

	tell_gone(w, t, closed);
	drop_waiters(w, tid);
	pvm_role_task_end(w, t);
	pvm_notify_task_end(w, t);
	free_task(w, t);
	pvm_group_task_end(w, tid);
	pvm_mbox_task_end(w, tid);
}

/* Those who are being started, or whose output still comes, have ranks as well. */
void pvm_look_idle(struct pvm_world *w)
{
	if (!w->tasks && !w->spawns && !w->outlets)
		w->ops.idle(w->arg);
}

void pvm_world_exit(struct pvm_world *w, uint32_t host, uint32_t rank, bool closed)
{
	struct task *t = task_at(w, host, rank);

	if (t)
		pvm_task_end(w, t, closed);
	else
		pvm_spawn_rank_end(w, host, rank);
	pvm_look_idle(w);
}

/* ---- what is sent ---- */

void pvm_answer(struct pvm_world *w, int tid, uint32_t id, int code, const struct dvmi_buf *body)
{
	w->ops.to_task(w->arg, tid, PVMI_ANSWER, id, body && body->err ? PvmNoMem : code, body);
}

void pvm_deliver(struct pvm_world *w, int tid, int src, int tag, int ctx, int enc, int wid,
		 const void *body, uint32_t len)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, (uint32_t)src);
	dvmi_buf_put_u32(&b, (uint32_t)tag);
	dvmi_buf_put_u32(&b, (uint32_t)ctx);
	dvmi_buf_put_u32(&b, (uint32_t)enc);
	dvmi_buf_put_u32(&b, (uint32_t)wid);
	dvmi_buf_put_blob(&b, body, len);
	if (!b.err)
		w->ops.to_task(w->arg, tid, PVMI_DELIVER, 0, 0, &b);
	dvmi_buf_free(&b);
}

void pvm_message(struct pvm_world *w, int tid, int tag, int ctx, const int *v, uint32_t n)
{
	uint32_t words[64];

	for (uint32_t i = 0; i < n && i < 64; i++)
		words[i] = __builtin_bswap32((uint32_t)v[i]);
	pvm_deliver(w, tid, SYSTEM_TID, tag, ctx, ENC_XDR, 0, words, 4 * (n < 64 ? n : 64));
}

static void put_where(struct dvmi_buf *b, const struct pvm_where *x)
{
	dvmi_buf_put_u32(b, (uint32_t)x->tid);
	dvmi_buf_put_u32(b, (uint32_t)x->tag);
	dvmi_buf_put_u32(b, (uint32_t)x->ctx);
}

void pvm_tell_enrolled(struct pvm_world *w, struct task *t, uint32_t id)
{
	struct dvmi_buf b = { 0 };

	t->connected = true;
	t->flags |= 4;
	dvmi_buf_put_u32(&b, t->rank);
	dvmi_buf_put_u32(&b, (uint32_t)t->tid);
	dvmi_buf_put_u32(&b, (uint32_t)t->parent);
	put_where(&b, &t->out);
	put_where(&b, &t->trace);
	dvmi_buf_put_u32(&b, (uint32_t)t->ctx);
	dvmi_buf_put_u32(&b, t->nsiblings ? t->nsiblings : 1);
	for (uint32_t i = 0; i < t->nsiblings; i++)
		dvmi_buf_put_u32(&b, (uint32_t)t->siblings[i]);
	if (!t->nsiblings)
		dvmi_buf_put_u32(&b, (uint32_t)t->tid);
	w->ops.to_agent(w->arg, t->host, PVMI_ENROLLED, id, b.err ? PvmNoMem : 0, &b);
	dvmi_buf_free(&b);
	pvm_role_enrolled(w, t);
}

/* ---- questions ---- */

static pvm_call *const calls[] = {
	[PVMI_WHERE] = pvm_call_where,
	[PVMI_CONFIG] = pvm_call_config,
	[PVMI_TASKS] = pvm_call_tasks,
	[PVMI_SPAWN] = pvm_call_spawn,
	[PVMI_SIGNAL] = pvm_call_signal,
	[PVMI_NOTIFY] = pvm_call_notify,
	[PVMI_HOSTS_ADD] = pvm_call_hosts_add,
	[PVMI_HOSTS_DEL] = pvm_call_hosts_del,
	[PVMI_PSTAT] = pvm_call_pstat,
	[PVMI_MSTAT] = pvm_call_mstat,
	[PVMI_CONTEXT] = pvm_call_context,
	[PVMI_MBOX] = pvm_call_mbox,
	[PVMI_GROUP] = pvm_call_group,
	[PVMI_HALT] = pvm_call_halt,
	[PVMI_HOSTSYNC] = pvm_call_hostsync,
	[PVMI_TICKLE] = pvm_call_tickle,
	[PVMI_REGISTER] = pvm_call_register,
	[PVMI_POST] = pvm_call_post,
	[PVMI_SETOPT] = pvm_call_setopt,
	[PVMI_NORESETS] = pvm_call_noresets,
};

void pvm_world_ask(struct pvm_world *w, int tid, uint16_t type, uint32_t id, struct dvmi_reader *r)
{
	struct task *t = pvm_task(w, tid);

	if (!t)
		return; /* it has ended meanwhile */
	if (type >= sizeof calls / sizeof *calls || !calls[type])
		pvm_answer(w, tid, id, PvmNotImpl, NULL);
	else
		calls[type](w, t, id, r);
}

void pvm_world_destroy(struct pvm_world *w)
{
	struct task *t, *next;

	if (!w)
		return;
	HASH_ITER(hh, w->tasks, t, next)
		free_task(w, t);
	for (uint32_t i = 0; i < w->nhosts; i++)
		free(w->hosts[i].name);
	pvm_spawns_free(w);
	pvm_outlets_free(w);
	pvm_notifies_free(w);
	pvm_boxes_free(w);
	pvm_groups_free(w);
	pvm_changes_free(w);
	for (struct waiter *x; (x = w->waiters);) {
		w->waiters = x->next;
		free(x->name);
		free(x);
	}
	free(w->contexts);
	free(w->hosts);
	free(w);
}
