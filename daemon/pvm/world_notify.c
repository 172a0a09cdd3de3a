/* SPDX-License-Identifier: BSD-3-Clause */
/* Who wants to be told of what: each is told once, by a message with the id of whom it is about. */
#include "daemon/pvm/world_private.h"

static int add(struct pvm_world *w, const struct notify *what)
{
	struct notify *n = malloc(sizeof *n);

	if (!n)
		return PvmNoMem;
	*n = *what;
	n->next = NULL;
	LL_APPEND(w->notifies, n);
	return 0;
}

static void tell(struct pvm_world *w, const struct notify *n)
{
	pvm_message(w, n->who, n->tag, n->ctx, &n->about, 1);
}

/* Tells one who waits for it, and forgets that. */
static void tell_and_remove(struct pvm_world *w, struct notify *n)
{
	LL_DELETE(w->notifies, n);
	tell(w, n);
	free(n);
}

static bool is_there(const struct pvm_world *w, int what, int about)
{
	return what == PvmTaskExit ? pvm_task(w, about) != NULL : pvm_host_of(w, about) != NULL;
}

static int ask(struct pvm_world *w, const struct notify *n)
{
	if (is_there(w, n->what, n->about))
		return add(w, n);
	tell(w, n);
	return 0;
}

/* Who does not want to hear of it any more is told at once; of hosts that may come, nothing. */
static void cancel(struct pvm_world *w, const struct notify *like)
{
	struct notify *n, *next;

	LL_FOREACH_SAFE(w->notifies, n, next)
		if (n->who == like->who && n->what == like->what && n->tag == like->tag &&
		    n->ctx == like->ctx && (n->about == like->about || n->what == PvmHostAdd)) {
			LL_DELETE(w->notifies, n);
			if (n->what != PvmHostAdd)
				tell(w, n);
			free(n);
		}
}

void pvm_call_notify(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	int what = (int)dvmi_get_u32(r);
	struct notify n = { .who = t->tid, .what = what & ~PvmNotifyCancel };
	int rc = 0;

	n.tag = (int)dvmi_get_u32(r);
	n.ctx = (int)dvmi_get_u32(r);
	n.count = (int)dvmi_get_u32(r);
	uint32_t about = dvmi_get_u32(r);
	if (n.what == PvmHostAdd && !(what & PvmNotifyCancel))
		rc = n.count ? add(w, &n) : 0;
	else if (n.what == PvmHostAdd)
		cancel(w, &n);
	for (uint32_t i = 0; n.what != PvmHostAdd && i < about && rc == 0 && !r->err; i++) {
		n.about = (int)dvmi_get_u32(r);
		if (what & PvmNotifyCancel)
			cancel(w, &n);
		else
			rc = ask(w, &n);
	}
	pvm_answer(w, t->tid, id, rc, NULL);
}

void pvm_notify_task_end(struct pvm_world *w, const struct task *t)
{
	struct notify *n, *next;

	LL_FOREACH_SAFE(w->notifies, n, next) {
		if (n->who == t->tid) {
			LL_DELETE(w->notifies, n);
			free(n);
		} else if (n->what == PvmTaskExit && n->about == t->tid) {
			tell_and_remove(w, n);
		}
	}
}

static void host_added(struct pvm_world *w, struct notify *n, const struct host *h)
{
	const int v[] = { 1, pvm_host_tid(h) };

	pvm_message(w, n->who, n->tag, n->ctx, v, 2);
	if (n->count > 0 && --n->count == 0) {
		LL_DELETE(w->notifies, n);
		free(n);
	}
}

void pvm_notify_host(struct pvm_world *w, const struct host *h, bool added)
{
	const uint32_t bits = h->index << PVMI_HOST_SHIFT;
	struct notify *n, *next;

	LL_FOREACH_SAFE(w->notifies, n, next) {
		if (added && n->what == PvmHostAdd)
			host_added(w, n, h);
		else if (!added && n->what == PvmHostDelete &&
			 ((uint32_t)n->about & PVMI_TIDHOST) == bits)
			tell_and_remove(w, n);
	}
}

void pvm_notifies_free(struct pvm_world *w)
{
	struct notify *n, *next;

	LL_FOREACH_SAFE(w->notifies, n, next)
		free(n);
	w->notifies = NULL;
}
