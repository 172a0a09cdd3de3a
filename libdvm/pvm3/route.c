/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routes: what PVM has between two tasks that want to talk directly, and tells of. Here all talk
 * directly; a route is there from the first message that is sent by a task which asks for one
 * (PvmRouteDirect) until either ends. Whoever wants to be told is told by itself.
 */
#include <stdlib.h>

#include "libdvm/pvm3/code.h"
#include "libdvm/pvm3/state.h"

/* Of routes that are made (TID 0, COUNT times; negative: always), or that of TID which ends. */
struct wish {
	int tag, ctx, tid, count;
	struct wish *next;
};

static struct wish *wishes;
static int *routes, nroutes;

static int find(int tid)
{
	for (int i = 0; i < nroutes; i++)
		if (routes[i] == tid)
			return i;
	return -1;
}

/* A message to ourselves: TID. */
static void tell(const struct wish *w, int tid)
{
	struct pvmi_msg *m = pvmi_msg_new(PVMI_ENC_XDR);

	if (!m)
		return;
	m->src = m->dst = pvmi.tid;
	m->tag = w->tag;
	m->ctx = w->ctx;
	pvmi_msg_packing(m);
	if (pvmi_pack(m, PVM_INT, &tid, 1, 1) < 0)
		pvmi_msg_free(m);
	else
		pvmi_enqueue(m);
}

static void drop(struct wish **p)
{
	struct wish *w = *p;

	*p = w->next;
	free(w);
}

void pvmi_route_add(int tid)
{
	int *more = find(tid) < 0 ? realloc(routes, ((size_t)nroutes + 1) * sizeof *more) : NULL;

	if (!more)
		return;
	routes = more;
	routes[nroutes++] = tid;
	for (struct wish **p = &wishes, *w; (w = *p);) {
		if (!w->tid)
			tell(w, tid);
		if (!w->tid && w->count > 0 && --w->count == 0)
			drop(p);
		else
			p = &w->next;
	}
}

void pvmi_route_gone(int tid)
{
	int at = find(tid);

	if (at < 0)
		return;
	routes[at] = routes[--nroutes];
	for (struct wish **p = &wishes, *w; (w = *p);) {
		if (w->tid != tid) {
			p = &w->next;
			continue;
		}
		tell(w, tid);
		drop(p);
	}
}

static int wish(const struct wish *like)
{
	struct wish *w = malloc(sizeof *w);

	if (!w)
		return PvmNoMem;
	*w = *like;
	w->next = wishes;
	wishes = w;
	return 0;
}

static void forget(const struct wish *like)
{
	for (struct wish **p = &wishes; *p;)
		if ((*p)->tid == like->tid && (*p)->tag == like->tag && (*p)->ctx == like->ctx)
			drop(p);
		else
			p = &(*p)->next;
}

int pvmi_route_notify(int what, int tag, int n, const int *tids)
{
	struct wish w = { .tag = tag, .ctx = pvmi.ctx, .count = n };
	int rc = 0;

	if (what == PvmRouteAdd)
		return n ? wish(&w) : 0;
	if (what == (PvmRouteAdd | PvmNotifyCancel))
		forget(&w);
	/* Of several, PVM looks at the last one first. */
	for (int i = n - 1; i >= 0 && rc == 0 && (what & ~PvmNotifyCancel) == PvmRouteDelete; i--) {
		w.tid = tids[i];
		if (what & PvmNotifyCancel)
			forget(&w);
		else if (find(w.tid) < 0)
			tell(&w, w.tid);
		else
			rc = wish(&w);
	}
	return rc;
}

void pvmi_routes_end(void)
{
	while (wishes)
		drop(&wishes);
	free(routes);
	routes = NULL;
	nroutes = 0;
}
