/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks, flushes and fences. A lock within reach is changed right there; its owner does it for
 * those who ask by message, out of a queue, since the latch may be somebody else's at the moment.
 */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/rma.h"
#include "libdvm/src/rma_hook.h"
#include "libdvm/src/wait.h"

struct lock_of {
	dvm_win_t *w;
	uint32_t target;
};

static bool is_gone(void *arg, uint32_t rank)
{
	const struct lock_of *of = arg;
	const dvm_win_t *w = of->w;

	return rank < w->size && w->d->p2p.peers[w->far[rank].peer].down;
}

static void poke(dvm_win_t *w, uint32_t rank)
{
	struct dvmi_rma_head h = { .win = w->id };
	struct dvmi_am_msg m = {
		.ctx = w->ctx, .id = DVMI_RMA_POKE, .head = &h, .head_len = sizeof h
	};

	if (rank != w->rank)
		dvmi_am_answer(w->d, w->far[rank].peer, &m);
}

/* Who has been granted it may be asleep; who asked by message hears it from the target. */
static void on_granted(void *arg, uint32_t rank)
{
	const struct lock_of *of = arg;

	poke(of->w, dvmi_win_shares(of->w, rank, of->target) ? rank : of->target);
}

static struct dvmi_rma_locker locker(struct lock_of *of)
{
	return (struct dvmi_rma_locker){
		.l = of->w->far[of->target].lock,
		.n = of->w->size,
		.self = of->w->rank,
		.gone = is_gone,
		.granted = on_granted,
		.arg = of,
	};
}

int dvmi_rma_ask_later(dvm_win_t *w, uint32_t target, uint32_t rank, uint16_t mode, uint64_t id)
{
	struct dvmi_rma *rma = w->d->rma;
	struct dvmi_rma_ask *a = malloc(sizeof *a);

	if (!a)
		return -ENOMEM;
	*a = (struct dvmi_rma_ask){
		.w = w, .target = target, .rank = rank, .mode = mode, .id = id
	};
	*rma->asks_tail = a;
	rma->asks_tail = &a->next;
	return 0;
}

void dvmi_rma_forget_asks(dvm_win_t *w)
{
	struct dvmi_rma *rma = w->d->rma;

	for (struct dvmi_rma_ask **pp = &rma->asks, *a; (a = *pp);) {
		if (a->w != w) {
			pp = &a->next;
			continue;
		}
		*pp = a->next;
		free(a);
	}
	rma->asks_tail = &rma->asks;
	while (*rma->asks_tail)
		rma->asks_tail = &(*rma->asks_tail)->next;
	rma->asking -= w->asking;
}

static void wait_no_more(dvm_win_t *w, uint32_t rank)
{
	if (!w->far[rank].asks)
		return;
	w->far[rank].asks = 0;
	w->asking--;
	w->d->rma->asking--;
}

static void answer(dvm_win_t *w, uint32_t rank, uint64_t id, int code)
{
	dvmi_rma_reply(w->d, w->far[rank].peer, w->ctx, id, 0, code, NULL, 0);
}

/* 0 or -EAGAIN. */
static int serve_ask(const struct dvmi_rma_ask *a)
{
	struct lock_of of = { a->w, a->target };
	struct dvmi_rma_locker k = locker(&of);
	int rc = a->mode ? dvmi_rma_lock_ask(&k, a->rank, a->mode == DVM_LOCK_EXCLUSIVE)
			 : dvmi_rma_lock_drop(&k, a->rank);

	if (rc == -EAGAIN)
		return rc;
	if (a->mode && rc == 0) {
		wait_no_more(a->w, a->rank);
		a->w->far[a->rank].asks = a->id;
		a->w->asking++;
		a->w->d->rma->asking++;
		return 0;
	}
	if (!a->mode && a->target == a->w->rank)
		wait_no_more(a->w, a->rank);
	answer(a->w, a->rank, a->id, rc);
	return 0;
}

/* Tells those who wait by message and have it now. */
static int tell_granted(dvm_win_t *w)
{
	int n = 0;

	for (uint32_t r = 0; r < w->size && w->asking; r++) {
		uint64_t id = w->far[r].asks;
		if (!id || !dvmi_rma_lock_has(w->far[w->rank].lock, r))
			continue;
		wait_no_more(w, r);
		answer(w, r, id, 0);
		n++;
	}
	return n;
}

int dvmi_rma_serve(dvm_t *d)
{
	struct dvmi_rma *rma = d->rma;
	struct dvmi_rma_ask *a;
	int n = 0;

	while ((a = rma->asks) && serve_ask(a) == 0) {
		rma->asks = a->next;
		if (!rma->asks)
			rma->asks_tail = &rma->asks;
		free(a);
		n++;
	}
	for (dvm_win_t *w = rma->wins; w && rma->asking; w = w->next)
		n += tell_granted(w);
	return n;
}

/* Whoever is gone gives up what it had locked, as far as we reach the locks. */
static void drop_all(dvm_win_t *w, uint32_t rank)
{
	for (uint32_t t = 0; t < w->size; t++)
		if (w->far[t].lock && dvmi_rma_lock_asked(w->far[t].lock, rank))
			dvmi_rma_ask_later(w, t, rank, 0, 0);
}

void dvmi_rma_down(dvm_t *d, uint32_t peer)
{
	for (dvm_win_t *w = d->rma ? d->rma->wins : NULL; w; w = w->next) {
		int64_t rank = w->far ? dvmi_rankmap_rank(&w->g->map, peer) : -ENOENT;
		if (rank >= 0)
			drop_all(w, (uint32_t)rank);
	}
}

static int down(const dvm_win_t *w, uint32_t rank)
{
	return w->d->p2p.peers[w->far[rank].peer].down;
}

/* Repeats until the latch is free; others run meanwhile. */
static void drop_here(dvm_win_t *w, uint32_t target)
{
	struct lock_of of = { w, target };
	struct dvmi_rma_locker k = locker(&of);
	struct dvmi_wait wait = { 0 };

	while (dvmi_rma_lock_drop(&k, w->rank) == -EAGAIN)
		dvmi_wait_round(w->d, &wait);
	/* Maybe somebody has it now who waits for a message of ours. */
	if (w->d->rma->asking)
		dvmi_rma_serve(w->d);
}

static int lock_here(dvm_win_t *w, uint32_t target, int mode)
{
	struct lock_of of = { w, target };
	struct dvmi_rma_locker k = locker(&of);
	struct dvmi_wait wait = { 0 };
	int rc;

	while ((rc = dvmi_rma_lock_ask(&k, w->rank, mode == DVM_LOCK_EXCLUSIVE)) == -EAGAIN)
		dvmi_wait_round(w->d, &wait);
	while (rc == 0 && !dvmi_rma_lock_has(k.l, w->rank)) {
		dvmi_wait_round(w->d, &wait);
		rc = down(w, target);
		if (rc < 0)
			drop_here(w, target);
	}
	return rc;
}

static int lock_there(dvm_win_t *w, uint32_t target, enum dvmi_rma_kind kind, int mode)
{
	struct dvmi_rma_op op = { .w = w, .target = target, .kind = kind, .mode = (uint16_t)mode };

	return dvmi_rma_run(&op);
}

static int lock(dvm_win_t *w, uint32_t target, int mode)
{
	struct dvmi_win_far *far = &w->far[target];
	int rc = far->locked ? -EALREADY : down(w, target);

	if (rc < 0)
		return rc;
	/* Before waiting: another thread must not ask again. */
	far->locked = (uint8_t)mode;
	dvmi_win_reach(w, target);
	rc = far->lock ? lock_here(w, target, mode) : lock_there(w, target, DVMI_RMA_LOCK, mode);
	if (rc < 0)
		far->locked = 0;
	return rc;
}

static int unlock(dvm_win_t *w, uint32_t target)
{
	struct dvmi_win_far *far = &w->far[target];
	int rc, flushed;

	if (!far->locked)
		return -EPERM;
	flushed = dvmi_rma_flush(w, target);
	far->locked = 0;
	if (far->lock) {
		drop_here(w, target);
		return flushed;
	}
	rc = lock_there(w, target, DVMI_RMA_UNLOCK, 0);
	return flushed < 0 ? flushed : rc;
}

/* What calls that may wait check first. */
static int check(dvm_win_t *w, int rank)
{
	if (!w || rank < 0 || (uint32_t)rank >= w->size)
		return -EINVAL;
	return dvmi_am_inside(&w->d->am) ? -EBUSY : 0;
}

int dvm_win_lock(dvm_win_t *win, int mode, int rank)
{
	int rc = check(win, rank);

	if (rc == 0 && mode != DVM_LOCK_SHARED && mode != DVM_LOCK_EXCLUSIVE)
		rc = -EINVAL;
	if (rc < 0)
		return rc;
	dvmi_enter(win->d);
	rc = lock(win, (uint32_t)rank, mode);
	dvmi_leave(win->d);
	return rc;
}

int dvm_win_unlock(dvm_win_t *win, int rank)
{
	int rc = check(win, rank);

	if (rc < 0)
		return rc;
	dvmi_enter(win->d);
	rc = unlock(win, (uint32_t)rank);
	dvmi_leave(win->d);
	return rc;
}

int dvm_win_lock_all(dvm_win_t *win)
{
	int rc = check(win, 0);
	uint32_t t = 0;

	if (rc < 0)
		return rc;
	dvmi_enter(win->d);
	while (t < win->size && (rc = lock(win, t, DVM_LOCK_SHARED)) == 0)
		t++;
	while (rc < 0 && t-- > 0)
		unlock(win, t);
	dvmi_leave(win->d);
	return rc;
}

int dvm_win_unlock_all(dvm_win_t *win)
{
	int first = check(win, 0);

	if (first < 0)
		return first;
	dvmi_enter(win->d);
	for (uint32_t t = 0; t < win->size; t++) {
		int rc = unlock(win, t);
		first = first < 0 ? first : rc;
	}
	dvmi_leave(win->d);
	return first;
}

/*
 * Shared memory and nothing under way: a fence is all. Only now and then is there a look for news,
 * since memory does not tell that its owner has died.
 */
static inline bool flush_is_fence(dvm_win_t *w, uint32_t rank)
{
	const struct dvmi_win_far *far = &w->far[rank];

	if (w->d->threads.on || !far->lock || far->dirty || far->tasks ||
	    ++w->looks % DVMI_RMA_LOOKS == 0)
		return false;
	dvmi_fence();
	return down(w, rank) == 0;
}

int dvm_win_flush(dvm_win_t *win, int rank)
{
	int rc = check(win, rank);

	if (__builtin_expect(rc < 0, 0))
		return rc;
	if (__builtin_expect(flush_is_fence(win, (uint32_t)rank), 1))
		return 0;
	dvmi_enter(win->d);
	rc = dvmi_rma_flush(win, (uint32_t)rank);
	dvmi_leave(win->d);
	return rc;
}

int dvm_win_flush_all(dvm_win_t *win)
{
	int first = check(win, 0);

	if (first < 0)
		return first;
	dvmi_enter(win->d);
	for (uint32_t t = 0; t < win->size; t++) {
		int rc = dvmi_rma_flush(win, t);
		first = first < 0 ? first : rc;
	}
	dvmi_leave(win->d);
	return first;
}

int dvm_win_flush_local(dvm_win_t *win, int rank)
{
	int rc = check(win, rank);

	if (rc < 0)
		return rc;
	dvmi_enter(win->d);
	dvmi_rma_settle(win, (uint32_t)rank);
	dvmi_leave(win->d);
	return 0;
}

int dvm_win_fence(dvm_win_t *win)
{
	int flushed = dvm_win_flush_all(win);

	if (flushed == -EINVAL || flushed == -EBUSY)
		return flushed;
	/* Also after a failure: the others wait, and hear of it by themselves. */
	int rc = dvm_barrier(win->g);
	dvmi_fence();
	return flushed < 0 ? flushed : rc;
}

int dvm_win_sync(dvm_win_t *win)
{
	if (!win)
		return -EINVAL;
	dvmi_fence();
	return 0;
}
