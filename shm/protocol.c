/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * This node's copies: faults, what they ask for, what comes, and what others ask of us. The table
 * of doc/design/0015-coherence.md, cell by cell.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "shm/protocol_private.h"

/* ---- making ---- */

static bool config_good(const struct dsm_config *c)
{
	return c->nodes && c->nodes <= DSM_NODES_MAX && c->self < c->nodes && c->pages && c->home &&
	       c->ops;
}

int dsm_create(struct dsm **out, const struct dsm_config *config)
{
	if (!config_good(config))
		return -EINVAL;
	struct dsm *d = calloc(1, sizeof *d);
	if (!d)
		return -ENOMEM;
	d->c = *config;
	d->alive = calloc(config->nodes, sizeof *d->alive);
	d->marked = calloc(config->nodes, sizeof *d->marked);
	d->told = calloc(config->nodes, sizeof *d->told);
	if (!d->alive || !d->marked || !d->told || dsm_cells_init(d) < 0) {
		dsm_destroy(d);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < config->nodes; i++)
		d->alive[i] = true;
	*out = d;
	return 0;
}

void dsm_destroy(struct dsm *d)
{
	struct dsm_want *w, *tmp;

	if (!d)
		return;
	HASH_ITER(hh, d->wants, w, tmp) {
		HASH_DEL(d->wants, w);
		free(w);
	}
	dsm_held_clear(d);
	dsm_home_end(d);
	dsm_cells_free(d);
	free(d->alive);
	free(d->marked);
	free(d->told);
	free(d);
}

/* ---- sending ---- */

void dsm_send(struct dsm *d, uint32_t to, struct dsm_msg m)
{
	m.epoch = d->epoch;
	if (to == d->c.self) {
		assert(d->nlocal < DSM_LOCAL_MAX);
		d->local[d->nlocal++] = m;
		return;
	}
	if (!d->alive[to])
		return;
	d->stats.sent[m.kind]++;
	d->c.ops->send(d->c.arg, to, &m);
}

void dsm_run_local(struct dsm *d)
{
	if (d->running)
		return;
	d->running = true;
	while (d->nlocal) {
		struct dsm_msg m = d->local[0];
		memmove(d->local, d->local + 1, --d->nlocal * sizeof m);
		dsm_take(d, d->c.self, &m);
	}
	d->running = false;
}

/* ---- pages that are held ---- */

static struct dsm_held *find_held(const struct dsm *d, uint64_t page)
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
static void hold(struct dsm *d, uint64_t page)
{
	struct dsm_held *h = d->held ? find_held(d, page) : NULL;

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
	struct dsm_held *h = d->held ? find_held(d, page) : NULL;

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
static void learn_trip(struct dsm *d, uint64_t took)
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
static bool deferred(struct dsm *d, const struct dsm_msg *m)
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
}

int dsm_pin(struct dsm *d, uint64_t page)
{
	struct dsm_held *h = find_held(d, page);

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
	struct dsm_held *h = find_held(d, page);

	d->now = now;
	if (h && h->pinned)
		let_go(d, h);
}

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
	if (allows(s, write)) {
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
	if (d->flushing || dsm_want_find(d, page) || dsm_is_held(d, page))
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

	const struct dsm_held *h = d->held ? find_held(d, page) : NULL;

	if (!c || c->state != DSM_MODIFIED || d->flushing || dsm_want_find(d, page) ||
	    (h && (h->pinned || h->asked)))
		return -EAGAIN;
	c->version++;
	return 0;
}

void dsm_forget(struct dsm *d, uint64_t page)
{
	struct dsm_cell *c = page < d->c.pages ? dsm_cell_touch(d, page) : NULL;

	if (c && c->state == DSM_INVALID && !dsm_want_find(d, page))
		c->version = DSM_NO_VERSION;
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
		learn_trip(d, d->now - done.since);
	hold(d, done.page);
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
static void become_owner(struct dsm *d, struct dsm_want *w, const struct dsm_cell *c)
{
	uint64_t page = w->page;
	bool then_write = w->then_write;

	dsm_want_end(d, w);
	d->c.ops->install(d->c.arg, page, c->state == DSM_MODIFIED);
	if (then_write)
		dsm_want(d, page, true);
}

static bool on_grant(struct dsm *d, const struct dsm_msg *m, struct dsm_cell *c)
{
	struct dsm_want *w = dsm_want_find(d, m->page);

	if (w && !w->write && (c->state == DSM_OWNED || c->state == DSM_MODIFIED)) {
		become_owner(d, w, c);
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

/* ---- what is asked of us ---- */

static void send_page(struct dsm *d, const struct dsm_cell *c, uint64_t page, uint32_t node,
		      uint64_t have, struct dsm_msg m)
{
	bool same = have == c->version;

	m.kind = DSM_DATA;
	m.page = page;
	m.node = (uint16_t)dsm_home(d, page);
	m.version = c->version;
	m.have = have;
	m.flags |= same ? 0 : DSM_BYTES;
	d->stats.elided += same;
	dsm_send(d, node, m);
}

void dsm_give_shared(struct dsm *d, struct dsm_cell *c, uint64_t page, uint32_t node, uint64_t have,
		     uint8_t flags)
{
	if (c->state == DSM_MODIFIED) {
		c->state = DSM_OWNED;
		d->c.ops->protect(d->c.arg, page);
	}
	if (flags & DSM_OWNER)
		c->state = DSM_SHARED;
	send_page(d, c, page, node, have, (struct dsm_msg){ .flags = flags });
}

void dsm_give_away(struct dsm *d, struct dsm_cell *c, uint64_t page, uint32_t node, uint64_t have,
		   uint16_t acks, uint8_t flags)
{
	c->state = DSM_INVALID;
	d->c.ops->drop(d->c.arg, page);
	send_page(d, c, page, node, have,
		  (struct dsm_msg){ .flags = flags | DSM_EXCLUSIVE, .acks = acks });
}

/* The page goes to whom it is for. True: we keep it, several nodes write it now. */
static bool hand_on(struct dsm *d, const struct dsm_msg *m, struct dsm_cell *c, uint8_t flags)
{
	if (m->kind == DSM_FWD_GETS)
		dsm_give_shared(d, c, m->page, m->node, m->version,
				(uint8_t)(flags | (m->flags & DSM_OWNER)));
	else if (!m->acks && dsm_walk_enter(d, c, m->page, m->node, flags))
		return true;
	else
		dsm_give_away(d, c, m->page, m->node, m->version, m->acks, flags);
	return false;
}

static bool on_forward(struct dsm *d, uint32_t from, const struct dsm_msg *m, struct dsm_cell *c)
{
	if ((c->state != DSM_OWNED && c->state != DSM_MODIFIED) || m->node >= d->c.nodes ||
	    m->node == d->c.self)
		return false;
	if (deferred(d, m))
		return true;
	/* At its home nothing else is to be waited for. */
	bool last = from == d->c.self && !m->acks;
	bool walked = hand_on(d, m, c, last ? DSM_FINAL : 0);
	if (last)
		dsm_home_given(d, m->page, walked);
	return true;
}

static bool on_inv(struct dsm *d, const struct dsm_msg *m, struct dsm_cell *c)
{
	if (c->state > DSM_SHARED || m->node >= d->c.nodes)
		return false;
	struct dsm_msg ack = { .kind = DSM_ACK, .page = m->page, .version = DSM_NO_VERSION };
	if (c->state == DSM_SHARED) {
		if (deferred(d, m))
			return true;
		ack.version = c->version;
		c->state = DSM_INVALID;
		d->c.ops->drop(d->c.arg, m->page);
	}
	dsm_send(d, m->node, ack);
	return true;
}

/* ---- any message ---- */

/* What concerns our copy. False: it makes no sense. */
static bool take_copy(struct dsm *d, uint32_t from, const struct dsm_msg *m, struct dsm_cell *c)
{
	switch (m->kind) {
	case DSM_DATA:
		return m->flags & DSM_WALK ? dsm_walk_data(d, m, c) : on_data(d, m, c);
	case DSM_GRANT:
		return on_grant(d, m, c);
	case DSM_ACK:
		return on_ack(d, from, m, c);
	case DSM_LOST:
		return on_lost(d, m, c);
	case DSM_FWD_GETS:
	case DSM_FWD_GETM:
		return on_forward(d, from, m, c);
	case DSM_INV:
		return on_inv(d, m, c);
	default:
		return dsm_walk_take(d, from, m, c);
	}
}

int dsm_take(struct dsm *d, uint32_t from, const struct dsm_msg *m)
{
	if (m->flags & DSM_PASSED && !dsm_was_passed(d, &from, m)) {
		d->stats.dropped++;
		return 0;
	}
	switch (m->kind) {
	case DSM_GETS:
	case DSM_GETM:
	case DSM_PUT:
	case DSM_DIFF:
		return dsm_home_request(d, from, m);
	case DSM_DONE:
		dsm_home_done(d, from, m);
		return 0;
	case DSM_APPLIED:
		dsm_home_applied(d, from, m->page);
		return 0;
	case DSM_MARK:
	case DSM_HOLD:
	case DSM_HELD:
	case DSM_OWN:
		return dsm_view_message(d, from, m);
	default:
		break;
	}
	struct dsm_cell *c = dsm_cell_touch(d, m->page);
	if (!c)
		return -ENOMEM;
	/* Only a home forwards, invalidates, grants and declares lost. */
	bool homes = m->kind != DSM_DATA && m->kind != DSM_ACK && m->kind != DSM_ENDED &&
		     m->kind != DSM_SETTLED;
	if (homes)
		dsm_learn_home(d, m->page, c, from);
	if ((homes && from != dsm_home(d, m->page)) || !take_copy(d, from, m, c))
		d->stats.dropped++;
	return 0;
}

int dsm_receive(struct dsm *d, uint32_t from, const struct dsm_msg *m, uint64_t now)
{
	d->now = now;
	if (from >= d->c.nodes || from == d->c.self || !m->kind || m->kind >= DSM_KINDS ||
	    m->page >= d->c.pages || !dsm_view_lets(d, from, m)) {
		d->stats.dropped++;
		return 0;
	}
	int rc = dsm_take(d, from, m);
	dsm_run_local(d);
	return rc;
}

/* ---- questions ---- */

enum dsm_state dsm_state(const struct dsm *d, uint64_t page)
{
	return (enum dsm_state)dsm_cell_get(d, page).state;
}

uint64_t dsm_version(const struct dsm *d, uint64_t page)
{
	return dsm_cell_get(d, page).version;
}

const struct dsm_stats *dsm_stats(const struct dsm *d)
{
	return &d->stats;
}

const char *dsm_state_name(enum dsm_state s)
{
	static const char *const names[] = { "invalid",  "shared",   "owned",
					     "modified", "poisoned", "walking" };

	return s <= DSM_WALKING ? names[s] : "?";
}

const char *dsm_kind_name(enum dsm_kind k)
{
	static const char *const names[] = { "?",    "GETS", "GETM", "DONE", "PUT",  "FWD_GETS",
					     "FWD_GETM", "INV",	 "GRANT", "LOST", "DATA", "ACK",
					     "MARK", "HOLD", "HELD", "OWN",  "FWD_WALK", "DIFF",
					     "APPLY", "APPLIED", "SETTLED", "END", "ENDED" };

	return k < DSM_KINDS ? names[k] : "?";
}
