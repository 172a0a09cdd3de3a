/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages that are not given away before their time: those that came lately are held, so that who fought for
 * them gets something done, and some are pinned.
 */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "shm/protocol_private.h"

struct dsm_held *dsm_held_find(const struct dsm *d, uint64_t page)
{
	struct dsm_held *h;

	HASH_FIND(hh, d->held, &page, sizeof page, h);
	return h;
}

static void unlist(struct dsm *d, struct dsm_held *h)
{
	if (h->pinned)
		return;
	if (h->woken)
		DL_DELETE(d->held_list, h);
	else
		DL_DELETE(d->asleep, h);
}

static void unhold(struct dsm *d, struct dsm_held *h)
{
	HASH_DEL(d->held, h);
	unlist(d, h);
	free(h);
}

/* PAGE has just come. Without memory it is simply not held. */
void dsm_hold(struct dsm *d, uint64_t page)
{
	struct dsm_held *h = d->held ? dsm_held_find(d, page) : NULL;

	if (!d->c.hold || (h && (h->pinned || h->asked)))
		return;
	if (h) /* of the last time that it was here */
		unhold(d, h);
	h = calloc(1, sizeof *h);
	if (!h)
		return;
	h->page = page;
	HASH_ADD(hh, d->held, page, sizeof h->page, h);
	DL_APPEND(d->asleep, h);
}

/*
 * That nobody wants it while it is held is not worth a timer: its time is looked at when somebody
 * does.
 */
static bool is_over(const struct dsm *d, const struct dsm_held *h)
{
	return h->woken && !h->pinned && !h->asked && h->until <= d->now;
}

/* What holds PAGE now, or NULL. */
static struct dsm_held *holding(struct dsm *d, uint64_t page)
{
	struct dsm_held *h = d->held ? dsm_held_find(d, page) : NULL;

	if (h && is_over(d, h)) {
		unhold(d, h);
		h = NULL;
	}
	return h;
}

bool dsm_is_held(struct dsm *d, uint64_t page)
{
	return holding(d, page);
}

/*
 * One took so long. Those that waited for others' holds say nothing of the way, and would make ours
 * longer and longer; so what counts is what the quicker ones take.
 */
void dsm_learn_trip(struct dsm *d, uint64_t took)
{
	if (!d->trip)
		d->trip = took;
	else if (took < d->trip)
		d->trip -= (d->trip - took) / 4;
	else
		d->trip += (took < 2 * d->trip ? took - d->trip : d->trip) / 16;
}

static uint64_t hold_time(const struct dsm *d)
{
	uint64_t t = d->trip < d->c.hold_max ? d->trip : d->c.hold_max;

	return t > d->c.hold ? t : d->c.hold;
}

void dsm_woken(struct dsm *d, uint64_t now)
{
	struct dsm_held *h, *tmp;
	uint64_t until = now + hold_time(d);

	while (d->held_list && is_over(d, d->held_list))
		unhold(d, d->held_list);
	/* The list stays in order also when pages come quicker than before. */
	if (d->held_list && d->held_list->prev->until > until)
		until = d->held_list->prev->until;
	DL_FOREACH_SAFE(d->asleep, h, tmp) {
		DL_DELETE(d->asleep, h);
		h->woken = true;
		h->until = until;
		DL_APPEND(d->held_list, h);
	}
}

uint64_t dsm_trip(const struct dsm *d)
{
	return d->trip;
}

void dsm_held_clear(struct dsm *d)
{
	struct dsm_held *h, *tmp;

	HASH_ITER(hh, d->held, h, tmp)
		unhold(d, h);
}

/* Keeps M for later if its page is held. A home asks one thing of a page at a time. */
bool dsm_deferred(struct dsm *d, const struct dsm_msg *m)
{
	struct dsm_held *h = holding(d, m->page);

	if (!h || h->asked)
		return false;
	h->asked = true;
	h->m = *m;
	d->stats.deferred++;
	return true;
}

uint64_t dsm_deadline(const struct dsm *d)
{
	const struct dsm_held *h = d->held_list;

	if (d->asleep)
		return 0;
	while (h && !h->asked)
		h = h->next;
	return h ? h->until : UINT64_MAX;
}

/* Who has asked for its page meanwhile gets it. */
static void let_go(struct dsm *d, struct dsm_held *held)
{
	struct dsm_held h = *held;

	unhold(d, held);
	if (h.asked)
		dsm_take(d, dsm_home(d, h.page), &h.m);
	dsm_run_local(d);
}

void dsm_tick(struct dsm *d, uint64_t now)
{
	d->now = now;
	if (d->asleep)
		dsm_woken(d, now);
	while (d->held_list && d->held_list->until <= now)
		let_go(d, d->held_list);
	if (d->ends)
		dsm_walk_retry(d);
}

int dsm_pin(struct dsm *d, uint64_t page)
{
	struct dsm_held *h = dsm_held_find(d, page);

	if (page < d->c.pages && dsm_cell_get(d, page).state == DSM_WALKING)
		dsm_walk_end(d, page, d->now);
	if (page >= d->c.pages || dsm_cell_get(d, page).state != DSM_MODIFIED)
		return -EAGAIN;
	if (h && h->pinned)
		return 0;
	if (h) {
		unlist(d, h);
		h->pinned = true;
		return 0;
	}
	h = calloc(1, sizeof *h);
	if (!h)
		return -ENOMEM;
	h->pinned = true;
	h->page = page;
	HASH_ADD(hh, d->held, page, sizeof h->page, h);
	return 0;
}

void dsm_unpin(struct dsm *d, uint64_t page, uint64_t now)
{
	struct dsm_held *h = dsm_held_find(d, page);

	d->now = now;
	if (h && h->pinned)
		let_go(d, h);
}
