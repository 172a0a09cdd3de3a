/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this node wants: faults, what they ask for, and what comes of it; and pages that it wants to get rid
 * of.
 */
#include <errno.h>
#include <stdlib.h>

#include "shm/protocol_private.h"

/* ---- asking ---- */

struct dsm_want *dsm_want_find(const struct dsm *d, uint64_t page)
{
	struct dsm_want *w;

	HASH_FIND(hh, d->wants, &page, sizeof page, w);
	return w;
}

void dsm_want_end(struct dsm *d, struct dsm_want *w)
{
	HASH_DEL(d->wants, w);
	free(w);
}

void dsm_ask(struct dsm *d, struct dsm_want *w)
{
	struct dsm_cell c = dsm_cell_get(d, w->page);

	w->data = w->final = false;
	w->needed = w->acks = 0;
	w->owed = 0;
	w->given = DSM_NO_VERSION;
	if (d->flushing)
		return; /* view.c asks when it is over */
	dsm_send(d, dsm_home(d, w->page),
		 (struct dsm_msg){ .kind = w->write ? DSM_GETM : DSM_GETS,
				   .flags = w->write ? dsm_claims(d, w->page) : 0,
				   .page = w->page,
				   .version = c.version });
}

static bool allows(enum dsm_state s, bool write)
{
	return s == DSM_MODIFIED || s == DSM_WALKING ||
	       (!write && (s == DSM_SHARED || s == DSM_OWNED));
}

int dsm_want(struct dsm *d, uint64_t page, bool write)
{
	struct dsm_want *w = dsm_want_find(d, page);

	if (w) {
		w->then_write |= write && !w->write;
		return 0;
	}
	w = calloc(1, sizeof *w);
	if (!w || !dsm_cell_touch(d, page)) {
		free(w);
		return -ENOMEM;
	}
	w->page = page;
	w->since = d->now;
	w->write = write;
	HASH_ADD(hh, d->wants, page, sizeof w->page, w);
	dsm_ask(d, w);
	return 0;
}

static bool is_blind(const struct dsm *d, uint64_t page)
{
	const struct dsm_want *w = dsm_want_find(d, page);

	return w && w->blind;
}

int dsm_fault(struct dsm *d, uint64_t page, bool write, uint64_t now)
{
	if (page >= d->c.pages)
		return -EINVAL;
	d->now = now;
	enum dsm_state s = (enum dsm_state)dsm_cell_get(d, page).state;
	if (s == DSM_POISONED) {
		d->c.ops->poison(d->c.arg, page);
		return 0;
	}
	if (allows(s, write) && (s != DSM_WALKING || !is_blind(d, page))) {
		d->c.ops->install(d->c.arg, page, s == DSM_MODIFIED || s == DSM_WALKING);
		return 0;
	}
	if (write)
		d->stats.write_faults++;
	else
		d->stats.read_faults++;
	int rc = dsm_want(d, page, write);
	dsm_run_local(d);
	return rc;
}

int dsm_evict(struct dsm *d, uint64_t page)
{
	struct dsm_cell c = page < d->c.pages ? dsm_cell_get(d, page) : (struct dsm_cell){ 0 };
	uint32_t home = page < d->c.pages ? dsm_home(d, page) : d->c.self;

	if (home == d->c.self || (c.state != DSM_OWNED && c.state != DSM_MODIFIED))
		return -ENOENT;
	if (d->flushing || dsm_want_find(d, page))
		return -EAGAIN;
	dsm_send(d, home, (struct dsm_msg){ .kind = DSM_PUT, .page = page });
	return 0;
}

/* The home goes on counting us as a sharer; that is harmless. */
int dsm_discard(struct dsm *d, uint64_t page)
{
	struct dsm_cell *c = page < d->c.pages ? dsm_cell_touch(d, page) : NULL;

	if (!c || c->state > DSM_SHARED || c->version == DSM_NO_VERSION)
		return -ENOENT;
	/* What is reported may be all that is left of the page. */
	if (dsm_settling(d) || dsm_want_find(d, page) || dsm_is_held(d, page))
		return -EAGAIN;
	if (c->state == DSM_SHARED) {
		c->state = DSM_INVALID;
		d->c.ops->drop(d->c.arg, page);
	}
	/* Of version 0 it is known what they were. */
	if (c->version)
		c->version = DSM_NO_VERSION;
	return 0;
}

int dsm_renew(struct dsm *d, uint64_t page)
{
	struct dsm_cell *c = page < d->c.pages ? dsm_cell_touch(d, page) : NULL;

	const struct dsm_held *h = d->held ? dsm_held_find(d, page) : NULL;

	if (!c || c->state != DSM_MODIFIED || d->flushing || dsm_want_find(d, page) ||
	    (h && (h->pinned || h->asked)))
		return -EAGAIN;
	c->version++;
	return 0;
}

/* ---- what comes ---- */

/* The want is fulfilled. */
static void complete(struct dsm *d, struct dsm_want *w, struct dsm_cell *c)
{
	struct dsm_want done = *w;

	if (c->state == DSM_WALKING)
		dsm_walk_alone(d, w);
	if (w->write) {
		c->version++;
		c->state = DSM_MODIFIED;
		if (d->c.ops->begin)
			d->c.ops->begin(d->c.arg, done.page);
	} else {
		c->state = done.owner ? DSM_OWNED : DSM_SHARED;
	}
	dsm_want_end(d, w);
	if (d->now > done.since)
		dsm_learn_trip(d, d->now - done.since);
	dsm_hold(d, done.page);
	if (!done.final)
		dsm_send(d, dsm_home(d, done.page),
			 (struct dsm_msg){ .kind = DSM_DONE, .page = done.page });
	d->c.ops->install(d->c.arg, done.page, done.write);
	if (done.then_write)
		dsm_want(d, done.page, true);
}

void dsm_want_advance(struct dsm *d, struct dsm_want *w, struct dsm_cell *c)
{
	if (w->data && w->acks >= w->needed)
		complete(d, w, c);
}

static bool on_data(struct dsm *d, const struct dsm_msg *m, struct dsm_cell *c)
{
	struct dsm_want *w = dsm_want_find(d, m->page);
	bool bytes = m->flags & DSM_BYTES, exclusive = m->flags & DSM_EXCLUSIVE;

	if (!w || w->data || w->write != exclusive || c->state > DSM_SHARED ||
	    m->version == DSM_NO_VERSION || (!bytes && m->version != c->version) ||
	    (bytes && c->state == DSM_SHARED))
		return false;
	dsm_learn_home(d, m->page, c, m->flags & DSM_CLAIM ? d->c.self : m->node);
	if (bytes)
		d->c.ops->fill(d->c.arg, m->page);
	c->version = m->version;
	w->data = true;
	w->final = m->flags & DSM_FINAL;
	w->owner = m->flags & DSM_OWNER;
	w->needed = m->acks;
	dsm_want_advance(d, w, c);
	return true;
}

/* It asked to read, and was appointed owner meanwhile. */
static void become_owner(struct dsm *d, struct dsm_want *w, const struct dsm_cell *c, bool final)
{
	uint64_t page = w->page;
	bool then_write = w->then_write;

	dsm_want_end(d, w);
	if (!final)
		dsm_send(d, dsm_home(d, page), (struct dsm_msg){ .kind = DSM_DONE, .page = page });
	d->c.ops->install(d->c.arg, page, c->state == DSM_MODIFIED);
	if (then_write)
		dsm_want(d, page, true);
}

static bool on_grant(struct dsm *d, const struct dsm_msg *m, struct dsm_cell *c)
{
	struct dsm_want *w = dsm_want_find(d, m->page);

	if (w && !w->write && (c->state == DSM_OWNED || c->state == DSM_MODIFIED)) {
		become_owner(d, w, c, m->flags & DSM_FINAL);
		return true;
	}
	if (!w || w->data || !w->write || (c->state != DSM_OWNED && c->state != DSM_WALKING))
		return false;
	w->data = true;
	w->final = m->flags & DSM_FINAL;
	w->needed = m->acks;
	dsm_want_advance(d, w, c);
	return true;
}

static bool on_ack(struct dsm *d, uint32_t from, const struct dsm_msg *m, struct dsm_cell *c)
{
	struct dsm_want *w = dsm_want_find(d, m->page);

	if (dsm_home_acked(d, m->page))
		return true;
	if (!w || !w->write)
		return false;
	w->acks++;
	if (m->version != DSM_NO_VERSION) {
		w->giver = from;
		w->given = m->version;
	}
	dsm_want_advance(d, w, c);
	return true;
}

static bool on_lost(struct dsm *d, const struct dsm_msg *m, struct dsm_cell *c)
{
	struct dsm_want *w = dsm_want_find(d, m->page);

	if (!w || c->state != DSM_INVALID)
		return false;
	c->state = DSM_POISONED;
	d->stats.lost++;
	dsm_want_end(d, w);
	d->c.ops->poison(d->c.arg, m->page);
	return true;
}

/* What was asked for. False: it makes no sense. */
bool dsm_take_answer(struct dsm *d, uint32_t from, const struct dsm_msg *m, struct dsm_cell *c)
{
	switch (m->kind) {
	case DSM_DATA:
		return on_data(d, m, c);
	case DSM_GRANT:
		return on_grant(d, m, c);
	case DSM_ACK:
		return on_ack(d, from, m, c);
	default:
		return on_lost(d, m, c);
	}
}
