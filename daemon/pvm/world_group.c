/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups: tasks by instance, the lowest free one for who joins. A group is there as long as it has
 * members. A barrier is over when as many have come as all of them say.
 */
#include "daemon/pvm/world_private.h"

static struct group *find(const struct pvm_world *w, const char *name)
{
	struct group *g;

	LL_FOREACH(w->groups, g)
		if (strcmp(g->name, name) == 0)
			return g;
	return NULL;
}

static int instance(const struct group *g, int tid)
{
	for (uint32_t i = 0; tid && i < g->n; i++)
		if (g->tids[i] == tid)
			return (int)i;
	return PvmNotInGroup;
}

static int size(const struct group *g)
{
	int n = 0;

	for (uint32_t i = 0; i < g->n; i++)
		n += g->tids[i] != 0;
	return n;
}

static struct group *new_group(struct pvm_world *w, const char *name)
{
	struct group *g = calloc(1, sizeof *g);

	if (!g)
		return NULL;
	g->name = strdup(name);
	if (!g->name) {
		free(g);
		return NULL;
	}
	LL_PREPEND(w->groups, g);
	return g;
}

static void free_group(struct pvm_world *w, struct group *g)
{
	LL_DELETE(w->groups, g);
	free(g->name);
	free(g->tids);
	free(g);
}

static int lowest_free(struct group *g)
{
	uint32_t i = 0;

	while (i < g->n && g->tids[i])
		i++;
	if (i == g->room) {
		int *more = realloc(g->tids, (g->room ? 2 * g->room : 8) * sizeof *more);
		if (!more)
			return PvmNoMem;
		g->tids = more;
		g->room = g->room ? 2 * g->room : 8;
	}
	if (i == g->n)
		g->n++;
	return (int)i;
}

/* ---- those who wait ---- */

/* Ends the waiting of all for OP of G with CODE. */
static void release(struct pvm_world *w, const struct group *g, uint16_t op, int code,
		    const struct dvmi_buf *body)
{
	struct waiter *x, *next;

	LL_FOREACH_SAFE(w->waiters, x, next)
		if (x->kind == PVMI_GROUP && x->op == op && strcmp(x->name, g->name) == 0) {
			pvm_answer(w, x->tid, x->id, code, body);
			pvm_wait_free(w, x);
		}
}

static void put_members(const struct group *g, struct dvmi_buf *b)
{
	dvmi_buf_put_u32(b, g->n);
	for (uint32_t i = 0; i < g->n; i++)
		dvmi_buf_put_u32(b, (uint32_t)g->tids[i]);
}

/* Who wants to freeze G waits until it is large enough. */
static void look_at_freezers(struct pvm_world *w, struct group *g)
{
	struct waiter *x, *next;
	struct dvmi_buf b = { 0 };

	put_members(g, &b);
	LL_FOREACH_SAFE(w->waiters, x, next)
		if (x->kind == PVMI_GROUP && x->op == PVMI_GROUP_FREEZE && size(g) >= x->a &&
		    strcmp(x->name, g->name) == 0) {
			g->frozen = true;
			pvm_answer(w, x->tid, x->id, 0, &b);
			pvm_wait_free(w, x);
		}
	dvmi_buf_free(&b);
}

/* ---- questions ---- */

static int join(struct pvm_world *w, struct group *g, const char *name, int tid)
{
	if (g && instance(g, tid) >= 0)
		return PvmDupGroup;
	if (g && g->frozen)
		return PvmNotInGroup;
	if (!g)
		g = new_group(w, name);
	int i = g ? lowest_free(g) : PvmNoMem;
	if (i < 0)
		return i;
	g->tids[i] = tid;
	look_at_freezers(w, g);
	return i;
}

static int leave(struct pvm_world *w, struct group *g, int tid)
{
	int i = instance(g, tid);

	if (i < 0)
		return i;
	g->tids[i] = 0;
	if (!size(g)) {
		release(w, g, PVMI_GROUP_BARRIER, PvmNoGroup, NULL);
		free_group(w, g);
	}
	return 0;
}

static void barrier(struct pvm_world *w, struct group *g, const struct task *t, uint32_t id,
		    int count)
{
	int rc = instance(g, t->tid);

	/* A count of 0 spoils those of -1 (all members) until somebody says a real one, as in PVM. */
	g->spoilt = count == 0 || (g->spoilt && count < 0);
	if (count == -1 && !g->spoilt)
		count = size(g);
	if (rc >= 0 && (count < 1 || (g->there && count != g->barrier)))
		rc = PvmMismatch;
	struct waiter *x = rc < 0 ? NULL : pvm_wait_new(w, t->tid, id, PVMI_GROUP, g->name);
	if (!x) {
		pvm_answer(w, t->tid, id, rc < 0 ? rc : PvmNoMem, NULL);
		return;
	}
	x->op = PVMI_GROUP_BARRIER;
	g->barrier = count;
	if (++g->there < (uint32_t)count)
		return;
	g->there = 0;
	release(w, g, PVMI_GROUP_BARRIER, 0, NULL);
}

static void freeze(struct pvm_world *w, struct group *g, const struct task *t, uint32_t id,
		   int count)
{
	int rc = instance(g, t->tid);

	if (rc >= 0 && count == 0)
		rc = PvmMismatch;
	struct waiter *x = rc < 0 ? NULL : pvm_wait_new(w, t->tid, id, PVMI_GROUP, g->name);

	if (!x) {
		pvm_answer(w, t->tid, id, rc < 0 ? rc : PvmNoMem, NULL);
		return;
	}
	x->op = PVMI_GROUP_FREEZE;
	x->a = count;
	look_at_freezers(w, g);
}

static void members(struct pvm_world *w, const struct group *g, int tid, uint32_t id)
{
	struct dvmi_buf b = { 0 };

	put_members(g, &b);
	pvm_answer(w, tid, id, (int)g->n, &b);
	dvmi_buf_free(&b);
}

/* What one number answers. */
static int number(struct pvm_world *w, uint32_t op, struct group *g, const char *name,
		  const struct task *t, int a)
{
	if (op == PVMI_GROUP_JOIN)
		return join(w, g, name, t->tid);
	if (!g)
		return PvmNoGroup;
	switch (op) {
	case PVMI_GROUP_LEAVE:
		return leave(w, g, t->tid);
	case PVMI_GROUP_INST:
		return instance(g, a);
	case PVMI_GROUP_TID:
		return a >= 0 && (uint32_t)a < g->n && g->tids[a] ? g->tids[a] : PvmNoInst;
	case PVMI_GROUP_SIZE:
		return size(g);
	default:
		return PvmNotImpl;
	}
}

/* All groups: name, and members by instance. */
static void list(struct pvm_world *w, int tid, uint32_t id)
{
	struct dvmi_buf b = { 0 };
	const struct group *g;
	uint32_t n = 0;

	LL_FOREACH(w->groups, g)
		n++;
	dvmi_buf_put_u32(&b, n);
	LL_FOREACH(w->groups, g) {
		dvmi_buf_put_str(&b, g->name);
		put_members(g, &b);
	}
	pvm_answer(w, tid, id, (int)n, &b);
	dvmi_buf_free(&b);
}

void pvm_call_group(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	uint32_t op = dvmi_get_u32(r);
	char *name = dvmi_get_str(r, PVMI_NAME_MAX);
	int a = (int)dvmi_get_u32(r);
	struct group *g = name ? find(w, name) : NULL;

	dvmi_get_u32(r);
	if (r->err || !name || (!*name && op != PVMI_GROUP_LIST))
		pvm_answer(w, t->tid, id, PvmNullGroup, NULL);
	else if (op == PVMI_GROUP_LIST)
		list(w, t->tid, id);
	else if (g && op == PVMI_GROUP_BARRIER)
		barrier(w, g, t, id, a);
	else if (g && op == PVMI_GROUP_FREEZE)
		freeze(w, g, t, id, a);
	else if (g && op == PVMI_GROUP_MEMBERS)
		members(w, g, t->tid, id);
	else
		pvm_answer(w, t->tid, id, number(w, op, g, name, t, a), NULL);
	free(name);
}

/* Who ends while others wait for it has not come to the barrier; if it has, it counts no more. */
void pvm_group_task_end(struct pvm_world *w, int tid)
{
	struct group *g, *next;
	struct waiter *x;

	LL_FOREACH_SAFE(w->groups, g, next) {
		uint32_t there = 0;
		LL_FOREACH(w->waiters, x)
			there += x->kind == PVMI_GROUP && x->op == PVMI_GROUP_BARRIER &&
				 strcmp(x->name, g->name) == 0;
		g->there = there;
		leave(w, g, tid);
	}
}

void pvm_groups_free(struct pvm_world *w)
{
	while (w->groups)
		free_group(w, w->groups);
}
