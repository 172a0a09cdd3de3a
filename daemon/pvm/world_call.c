/* SPDX-License-Identifier: BSD-3-Clause */
/* What tasks ask of the machine and of one another. */
#include <time.h>

#include "daemon/pvm/world_private.h"

#define ARCH	  "LINUX64"
#define SPEED	  1000
#define SIGNATURE 0x408c41

static void answer_words(struct pvm_world *w, int tid, uint32_t id, int code, const uint32_t *v,
			 uint32_t n)
{
	struct dvmi_buf b = { 0 };

	for (uint32_t i = 0; i < n; i++)
		dvmi_buf_put_u32(&b, v[i]);
	pvm_answer(w, tid, id, code, &b);
	dvmi_buf_free(&b);
}

/* ---- tasks ---- */

void pvm_call_where(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	const struct task *x = pvm_task(w, (int)dvmi_get_u32(r));

	if (x)
		answer_words(w, t->tid, id, 0, &x->rank, 1);
	else
		pvm_answer(w, t->tid, id, PvmNoTask, NULL);
}

void pvm_call_pstat(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	int tid = (int)dvmi_get_u32(r);
	int rc = !pvmi_is_task(tid) ? PvmBadParam : pvm_task(w, tid) ? 0 : PvmNoTask;

	pvm_answer(w, t->tid, id, rc, NULL);
}

void pvm_signal_task(struct pvm_world *w, const struct task *t, int sig)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, t->rank);
	dvmi_buf_put_u32(&b, (uint32_t)sig);
	w->ops.to_agent(w->arg, t->host, PVMI_KILL, 0, 0, &b);
	dvmi_buf_free(&b);
}

/* Whoever is gone hears no signal, which is no error. */
void pvm_call_signal(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	int tid = (int)dvmi_get_u32(r), sig = (int)dvmi_get_u32(r);
	const struct task *x = pvmi_is_task(tid) ? pvm_task(w, tid) : NULL;

	if (x)
		pvm_signal_task(w, x, sig);
	pvm_answer(w, t->tid, id, pvmi_is_task(tid) ? 0 : PvmBadParam, NULL);
}

static void put_task(struct dvmi_buf *b, const struct task *t)
{
	dvmi_buf_put_u32(b, (uint32_t)t->tid);
	dvmi_buf_put_u32(b, (uint32_t)t->parent);
	dvmi_buf_put_u32(b, t->host << PVMI_HOST_SHIFT);
	dvmi_buf_put_u32(b, (uint32_t)t->flags);
	dvmi_buf_put_str(b, t->program ? t->program : "");
	dvmi_buf_put_u32(b, (uint32_t)t->pid);
}

static bool wanted(const struct task *t, int where)
{
	if (!where)
		return true;
	if ((uint32_t)where & PVMI_TIDLOCAL)
		return t->tid == where;
	return t->host == ((uint32_t)where & PVMI_TIDHOST) >> PVMI_HOST_SHIFT;
}

void pvm_call_tasks(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	int where = (int)dvmi_get_u32(r);
	struct dvmi_buf all = { 0 }, b = { 0 };
	uint32_t n = 0;

	if (where && !pvm_host_of(w, where)) {
		pvm_answer(w, t->tid, id, PvmNoHost, NULL);
		return;
	}
	for (const struct task *x = w->tasks; x; x = x->hh.next)
		if (wanted(x, where)) {
			put_task(&all, x);
			n++;
		}
	dvmi_buf_put_u32(&b, n);
	dvmi_buf_put(&b, all.data, all.len);
	pvm_answer(w, t->tid, id, all.err ? PvmNoMem : 0, &b);
	dvmi_buf_free(&all);
	dvmi_buf_free(&b);
}

void pvm_call_setopt(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	uint32_t what = dvmi_get_u32(r);

	if (what == PvmNoReset)
		t->no_reset = dvmi_get_u32(r) != 0;
	pvm_answer(w, t->tid, id, 0, NULL);
}

void pvm_call_noresets(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	struct dvmi_buf b = { 0 };
	uint32_t n = 0;

	(void)r;
	for (const struct task *x = w->tasks; x; x = x->hh.next)
		n += x->no_reset;
	dvmi_buf_put_u32(&b, n);
	for (const struct task *x = w->tasks; x; x = x->hh.next)
		if (x->no_reset)
			dvmi_buf_put_u32(&b, (uint32_t)x->tid);
	pvm_answer(w, t->tid, id, 0, &b);
	dvmi_buf_free(&b);
}

/* ---- hosts ---- */

static uint32_t hosts_up(const struct pvm_world *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->nhosts; i++)
		n += w->hosts[i].up;
	return n;
}

void pvm_call_config(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	struct dvmi_buf b = { 0 };

	(void)r;
	dvmi_buf_put_u32(&b, hosts_up(w));
	for (uint32_t i = 0; i < w->nhosts; i++) {
		const struct host *h = &w->hosts[i];
		if (!h->up)
			continue;
		dvmi_buf_put_u32(&b, (uint32_t)pvm_host_tid(h));
		dvmi_buf_put_str(&b, h->name);
		dvmi_buf_put_str(&b, ARCH);
		dvmi_buf_put_u32(&b, h->speed ? (uint32_t)h->speed : SPEED);
		dvmi_buf_put_u32(&b, SIGNATURE);
	}
	pvm_answer(w, t->tid, id, 0, &b);
	dvmi_buf_free(&b);
}

void pvm_call_mstat(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	char *name = dvmi_get_str(r, PVMI_NAME_MAX);
	int rc = !name || !*name ? PvmBadParam : pvm_host_named(w, name) ? 0 : PvmNoHost;

	pvm_answer(w, t->tid, id, rc, NULL);
	free(name);
}

void pvm_call_hostsync(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	const struct host *h = pvm_host_of(w, (int)dvmi_get_u32(r));
	struct dvmi_buf b = { 0 };

	if (!h) {
		pvm_answer(w, t->tid, id, PvmNoHost, NULL);
		return;
	}
	dvmi_buf_put_u32(&b, (uint32_t)t->tid);
	dvmi_buf_put_u32(&b, id);
	w->ops.to_agent(w->arg, h->index, PVMI_CLOCK, 0, 0, &b);
	dvmi_buf_free(&b);
}

void pvm_call_halt(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	(void)r;
	pvm_answer(w, t->tid, id, 0, NULL);
	w->ops.halt(w->arg);
}

/* ---- contexts ---- */

static int new_context(struct pvm_world *w)
{
	int *more = realloc(w->contexts, (w->ncontexts + 1) * sizeof *more);

	if (!more)
		return PvmNoMem;
	w->contexts = more;
	w->contexts[w->ncontexts++] = ++w->last_context;
	return w->last_context;
}

static int free_context(struct pvm_world *w, int ctx)
{
	for (uint32_t i = 0; i < w->ncontexts; i++)
		if (w->contexts[i] == ctx) {
			w->contexts[i] = w->contexts[--w->ncontexts];
			return 0;
		}
	return PvmNotFound;
}

void pvm_call_context(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	bool make = dvmi_get_u32(r) == 0;
	int ctx = (int)dvmi_get_u32(r);
	int rc = make ? new_context(w) : free_context(w, ctx);

	pvm_answer(w, t->tid, id, rc, NULL);
}

void pvm_call_tickle(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	const uint32_t none = 0;

	(void)r;
	answer_words(w, t->tid, id, 0, &none, 1);
}
