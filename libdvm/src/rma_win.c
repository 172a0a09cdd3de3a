/* SPDX-License-Identifier: BSD-3-Clause */
/* Making and ending windows, and reaching the memory of others on this node. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libdvm/src/coll.h"
#include "libdvm/src/rma.h"
#include "libdvm/src/rma_hook.h"

/* What the ranks tell each other. */
struct offer {
	uint64_t bytes;
	int64_t offset; /* in the rank's arena, or -1 */
	int64_t code;	/* why it cannot take part, or 0 */
};

static struct dvmi_rma *make_rma(dvm_t *d)
{
	if (!d->rma) {
		d->rma = calloc(1, sizeof *d->rma);
		if (d->rma)
			d->rma->asks_tail = &d->rma->asks;
	}
	return d->rma;
}

/* The lock lies in front of the memory, which begins at a page. */
static uint64_t front(uint32_t size)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (dvmi_rma_lock_bytes(size) + page - 1) / page * page;
}

/* From the heap of the node, else private: then the others come by message. */
static int allocate(dvm_win_t *w, uint64_t bytes)
{
	uint64_t all = front(w->size) + bytes;

	if (w->shared)
		w->offset = dvmi_heap_alloc(w->d->heap, all);
	if (w->offset >= 0)
		return dvmi_heap_map(w->d->heap, w->d->env.local_rank, w->offset, all, &w->own);
	if (w->shared && w->offset != -EFBIG)
		return -ENOMEM;
	w->offset = -1;
	if (posix_memalign(&w->own, (size_t)sysconf(_SC_PAGESIZE), all))
		return -ENOMEM;
	memset(w->own, 0, all);
	return 0;
}

static void free_own(dvm_win_t *w)
{
	uint64_t all = front(w->size) + w->ranks[w->rank].bytes;

	if (w->offset >= 0) {
		dvmi_heap_unmap(w->own, all);
		dvmi_heap_free(w->d->heap, w->offset);
	} else {
		free(w->own);
	}
}

static void unlink_win(dvm_win_t *w)
{
	for (dvm_win_t **pp = &w->d->rma->wins; *pp; pp = &(*pp)->next)
		if (*pp == w) {
			*pp = w->next;
			return;
		}
}

static void destroy(dvm_win_t *w)
{
	uint64_t lock = front(w->size);

	unlink_win(w);
	w->g->users--;
	dvmi_rma_forget_asks(w);
	for (uint32_t r = 0; r < w->size; r++)
		if (w->far[r].map)
			dvmi_heap_unmap(w->far[r].map, lock + w->ranks[r].bytes);
	free_own(w);
	free(w->far);
	free(w->ranks);
	free(w);
}

static dvm_win_t *blank(dvm_group_t *g, bool shared)
{
	dvm_win_t *w = make_rma(g->d) ? calloc(1, sizeof *w) : NULL;

	if (!w)
		return NULL;
	w->g = g;
	w->d = g->d;
	w->ctx = g->ctx + DVMI_CTX_RMA;
	w->size = g->size;
	w->rank = g->rank;
	w->shared = shared;
	w->offset = -1;
	w->ranks = calloc(w->size, sizeof *w->ranks);
	w->far = calloc(w->size, sizeof *w->far);
	if (w->ranks && w->far)
		return w;
	free(w->ranks);
	free(w->far);
	free(w);
	return NULL;
}

static int prepare(dvm_win_t *w, void *base, uint64_t bytes)
{
	struct dvmi_win_rank *r = &w->ranks[w->rank];
	struct dvmi_win_far *far = &w->far[w->rank];
	int rc = allocate(w, w->shared ? bytes : 0);

	if (rc < 0)
		return rc;
	far->lock = w->own;
	r->bytes = bytes;
	r->ptr = w->shared ? (uint8_t *)w->own + front(w->size) : base;
	return 0;
}

/* The progress thread may be serving those who have heard of all before. */
static void take_offers(dvm_win_t *w, const struct offer *all)
{
	dvmi_enter(w->d);
	for (uint32_t i = 0; i < w->size; i++) {
		w->far[i].offset = all[i].offset;
		w->ranks[i].bytes = all[i].bytes;
	}
	dvmi_leave(w->d);
}

static int check_offers(const struct offer *all, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (all[i].code < 0)
			return (int)all[i].code;
	for (uint32_t i = 0; i < n; i++)
		if (all[i].bytes > INT64_MAX)
			return -DVM_EPROTO;
	return 0;
}

/* Not even enough memory to tell the others so: their collective ends. */
static int give_up(dvm_group_t *g)
{
	dvmi_enter(g->d);
	dvmi_coll_revoke(g, -ENOMEM);
	dvmi_leave(g->d);
	return -ENOMEM;
}

/* Others may use the window as soon as they have heard of all, so it is there before. */
static int agree(dvm_win_t *w, uint64_t bytes, int code)
{
	struct offer *all = malloc(w->size * sizeof *all);
	struct offer mine = { .bytes = bytes, .offset = w->shared ? w->offset : -1, .code = code };

	if (!all)
		return give_up(w->g);
	int rc = dvm_allgather(w->g, &mine, sizeof mine, all);
	if (rc == 0)
		rc = check_offers(all, w->size);
	if (rc == 0)
		take_offers(w, all);
	free(all);
	return rc;
}

static int make(dvm_group_t *g, void *base, uint64_t bytes, bool shared, dvm_win_t **out)
{
	dvm_t *d = g->d;

	if (g->link)
		return -ENOTSUP;
	if (dvmi_am_inside(&d->am))
		return -EBUSY;
	dvmi_enter(d);
	dvm_win_t *w = blank(g, shared);
	int rc = w ? prepare(w, base, bytes) : -ENOMEM;
	if (w) {
		w->id = g->win_seq++;
		g->users++;
		for (uint32_t i = 0; i < w->size; i++) {
			w->far[i].peer = dvmi_rankmap_peer(&g->map, i);
			w->far[i].offset = -1;
		}
		w->next = d->rma->wins;
		d->rma->wins = w;
	}
	dvmi_leave(d);
	if (!w)
		return give_up(g);
	rc = agree(w, bytes, rc);
	if (rc < 0) {
		dvmi_enter(d);
		destroy(w);
		dvmi_leave(d);
		return rc;
	}
	*out = w;
	return 0;
}

int dvm_win_create(dvm_group_t *g, void *base, uint64_t bytes, dvm_win_t **win)
{
	if (!g || g->local || !win || (!base && bytes) || bytes > INT64_MAX)
		return -EINVAL;
	return make(g, base, bytes, false, win);
}

int dvm_win_allocate(dvm_group_t *g, uint64_t bytes, dvm_win_t **win)
{
	if (!g || g->local || !win || bytes > INT64_MAX)
		return -EINVAL;
	return make(g, NULL, bytes, true, win);
}

int dvm_win_free(dvm_win_t *win)
{
	if (!win)
		return 0;
	if (dvmi_am_inside(&win->d->am))
		return -EBUSY;
	dvm_t *d = win->d;
	int rc = dvm_win_fence(win);
	dvmi_enter(d);
	destroy(win);
	dvmi_leave(d);
	return rc;
}

void dvmi_rma_fini(dvm_t *d)
{
	struct dvmi_rma *rma = d->rma;

	if (!rma)
		return;
	while (rma->wins)
		destroy(rma->wins);
	dvmi_optab_fini(&rma->ops);
	free(rma->scratch);
	free(rma);
	d->rma = NULL;
}

/* Ranks of other jobs are never taken to be here: their memory is not in our heap. */
static bool same_node(const dvm_t *d, uint32_t a, uint32_t b)
{
	return a == b || (d->map.map && a < d->env.size && b < d->env.size &&
			  d->map.node_of[a] == d->map.node_of[b]);
}

bool dvmi_win_shares(const dvm_win_t *w, uint32_t rank, uint32_t target)
{
	return rank == target || (w->far[target].offset >= 0 &&
				  same_node(w->d, w->far[rank].peer, w->far[target].peer));
}

bool dvmi_win_reach(dvm_win_t *w, uint32_t rank)
{
	struct dvmi_win_rank *r = &w->ranks[rank];
	struct dvmi_win_far *far = &w->far[rank];
	uint64_t lock = front(w->size);

	if (far->lock)
		return true;
	if (!dvmi_win_shares(w, w->rank, rank))
		return false;
	/* What does not work, a message does. */
	if (dvmi_heap_map(w->d->heap, w->d->map.local_of[far->peer], far->offset, lock + r->bytes,
			  &far->map) < 0)
		return false;
	far->lock = far->map;
	__atomic_store_n(&r->ptr, (uint8_t *)far->map + lock, __ATOMIC_RELEASE);
	return true;
}

int dvmi_win_slow(dvm_win_t *w, int rank, uint64_t offset, uint64_t len, uint8_t **p)
{
	if (!w || rank < 0 || (uint32_t)rank >= w->size)
		return -EINVAL;
	if (offset > w->ranks[rank].bytes || len > w->ranks[rank].bytes - offset)
		return -EINVAL;
	/* A handler has the lock already, and may do what takes no message. */
	bool inside = dvmi_am_inside(&w->d->am);
	if (!inside)
		dvmi_enter(w->d);
	dvmi_win_reach(w, (uint32_t)rank);
	if (!inside)
		dvmi_leave(w->d);
	*p = dvmi_win_at(w, rank, offset, len);
	return inside && !*p && len ? -EBUSY : 0;
}

void *dvm_win_base(dvm_win_t *win, int rank)
{
	uint8_t *p = dvmi_win_at(win, rank, 0, 0);

	if (!p && dvmi_win_slow(win, rank, 0, 0, &p) < 0)
		return NULL;
	return p;
}

int64_t dvm_win_size(const dvm_win_t *win, int rank)
{
	return win && rank >= 0 && (uint32_t)rank < win->size ? (int64_t)win->ranks[rank].bytes
							      : -EINVAL;
}
