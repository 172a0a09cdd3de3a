/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The home of pages: who owns them and who may have copies. One transaction of a page at a time;
 * further requests wait in the order of their arrival.
 *
 * With more than 64 nodes a bit stands for a group of nodes (a coarse vector: Gupta, Weber and Mowry
 * 1990): some get an invalidation for a copy they do not have, which they acknowledge like any
 * other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "shm/protocol_private.h"

void dsm_home_clear(struct dsm *d)
{
	dsm_entries_free(d);
	dsm_requests_free(&d->waiting);
}

void dsm_home_end(struct dsm *d)
{
	dsm_home_clear(d);
	dsm_requests_free(&d->kept);
}

void dsm_home_forget(struct dsm *d, uint64_t page)
{
	struct dsm_entry *e = dsm_entry_find(d, page);

	if (e)
		dsm_entry_free(d, e);
}

bool dsm_home_alone(const struct dsm *d, uint64_t page)
{
	const struct dsm_entry *e = dsm_entry_find(d, page);

	return !e || (e->owner == d->c.self && !e->sharers && !e->busy && !e->poisoned && !e->walked);
}

/* ---- sharers ---- */

/*
 * Our own copy goes at once where the answer goes out from here, too: it says that we have given up
 * ours, and waits like an acknowledgement for what it tells.
 */
static void drop_own(struct dsm *d, struct dsm_entry *e, struct dsm_cell *c, uint32_t writer)
{
	if (d->c.nodes > 64 || e->owner != writer || c->state != DSM_SHARED ||
	    !(e->sharers & dsm_bit(d, d->c.self)) || dsm_is_held(d, e->page))
		return;
	c->state = DSM_INVALID;
	d->c.ops->drop(d->c.arg, e->page);
	e->sharers &= ~dsm_bit(d, d->c.self);
}

/* Tells everybody who may have a copy, but for the writer and the owner. How many that were. */
static uint16_t invalidate(struct dsm *d, const struct dsm_entry *e, uint32_t writer)
{
	uint16_t n = 0;

	for (uint32_t i = 0; e->sharers && i < d->c.nodes; i++) {
		if (!(e->sharers & dsm_bit(d, i)) || i == writer || i == e->owner || !d->alive[i])
			continue;
		dsm_send(d, i,
			 (struct dsm_msg){ .kind = DSM_INV,
					   .page = e->page,
					   .node = (uint16_t)writer });
		n++;
	}
	return n;
}

/* ---- transactions ---- */

static void begin(struct dsm_entry *e, uint32_t requester)
{
	e->busy = true;
	e->requester = requester;
}

/*
 * Whether FROM says DONE. What comes next to it comes on the same channel, but what we do next comes
 * before what we have said to ourselves.
 */
static bool says_done(const struct dsm *d, uint32_t from, uint16_t acks)
{
	return acks || d->c.serial || from == d->c.self;
}

/* The owner asks to read. */
static void grant_read(struct dsm *d, struct dsm_entry *e, uint32_t from)
{
	bool ours = from == d->c.self;

	if (ours)
		begin(e, from);
	dsm_send(d, from,
		 (struct dsm_msg){
			 .kind = DSM_GRANT, .page = e->page, .flags = ours ? 0 : DSM_FINAL });
}

/* Who asks, what it keeps, and what goes with the answer. */
struct ask {
	uint32_t node;
	uint64_t have;
	uint16_t acks;
	uint8_t flags;
};

static void forward(struct dsm *d, struct dsm_entry *e, uint8_t kind, struct ask a)
{
	begin(e, a.node);
	dsm_send(d, e->owner,
		 (struct dsm_msg){ .kind = kind,
				   .flags = a.flags,
				   .page = e->page,
				   .node = (uint16_t)a.node,
				   .version = a.have,
				   .acks = a.acks });
}

/* Our own copy can be given at once, without a word from the other side. */
static bool at_hand(struct dsm *d, const struct dsm_entry *e)
{
	return e->owner == d->c.self && !dsm_is_held(d, e->page);
}

static void read_page(struct dsm *d, struct dsm_entry *e, struct dsm_cell *c, uint32_t from,
		      uint64_t have)
{
	uint8_t flags = d->c.reads_own ? DSM_OWNER : 0;
	uint32_t owner = e->owner;

	if (at_hand(d, e))
		dsm_give_shared(d, c, e->page, from, have, DSM_FINAL | flags);
	else
		forward(d, e, DSM_FWD_GETS, (struct ask){ from, have, 0, flags });
	e->sharers |= dsm_bit(d, from);
	if (flags) {
		e->sharers |= dsm_bit(d, owner);
		e->owner = from;
	}
}

/* The next of the sharers is told, and answers to us. False: all were. */
static bool tell_next(struct dsm *d, struct dsm_entry *e)
{
	for (; e->next < d->c.nodes; e->next++) {
		uint32_t i = e->next;
		if (!(e->sharers & dsm_bit(d, i)) || i == e->requester || i == e->owner || !d->alive[i])
			continue;
		dsm_send(d, i,
			 (struct dsm_msg){ .kind = DSM_INV,
					   .page = e->page,
					   .node = (uint16_t)d->c.self });
		return true;
	}
	return false;
}

/* False: nobody has to be told before FROM writes. */
static bool tell_in_turn(struct dsm *d, struct dsm_entry *e, uint32_t from, uint64_t have)
{
	e->requester = from;
	e->have = have;
	e->next = 0;
	e->serial = e->busy = tell_next(d, e);
	return e->serial;
}

/* It has several writers from now on: FROM and who gives it. */
static void walk(struct dsm *d, struct dsm_entry *e, uint32_t from)
{
	e->sharers = (e->walked ? e->sharers : 0) | dsm_bit(d, from) | dsm_bit(d, e->giver);
	e->walked = true;
}

/* The writer is the owner from now on; whoever asks next waits for its DONE. */
static void write_page(struct dsm *d, struct dsm_entry *e, struct dsm_cell *c, uint32_t from,
		       uint64_t have)
{
	drop_own(d, e, c, from);
	if (d->c.serial && tell_in_turn(d, e, from, have))
		return;
	uint16_t acks = d->c.serial ? 0 : invalidate(d, e, from);
	uint8_t final = says_done(d, from, acks) ? 0 : DSM_FINAL;

	e->giver = e->owner;
	if (e->owner == from)
		dsm_send(d, from,
			 (struct dsm_msg){
				 .kind = DSM_GRANT, .page = e->page, .acks = acks, .flags = final });
	else if (at_hand(d, e) && !acks && dsm_walk_enter(d, c, e->page, from, final))
		walk(d, e, from);
	else if (at_hand(d, e))
		dsm_give_away(d, c, e->page, from, have, acks, final);
	else
		forward(d, e, DSM_FWD_GETM, (struct ask){ from, have, acks, 0 });
	if (!final)
		begin(e, from);
	e->owner = from;
	if (!e->walked)
		e->sharers = 0;
}

/* ---- pages that several nodes write ---- */

/* Tells all that do, but for FROM. How many will answer. */
static uint16_t tell_walkers(struct dsm *d, const struct dsm_entry *e, uint32_t from,
			     struct dsm_msg m)
{
	uint16_t n = 0;

	m.page = e->page;
	m.node = (uint16_t)from;
	for (uint32_t i = 0; i < d->c.nodes; i++) {
		if (i == from || !(e->sharers & dsm_bit(d, i)) || !d->alive[i])
			continue;
		if (i == d->c.self && m.kind == DSM_APPLY) {
			/* At once: the differences are not kept for later. */
			dsm_walk_apply(d, &m);
			continue;
		}
		dsm_send(d, i, m);
		n++;
	}
	return n;
}

static void join(struct dsm *d, struct dsm_entry *e, uint32_t from)
{
	e->giver = e->sharers & dsm_bit(d, d->c.self) ? d->c.self : e->owner;
	begin(e, from);
	dsm_send(d, e->giver,
		 (struct dsm_msg){ .kind = DSM_FWD_WALK, .page = e->page, .node = (uint16_t)from });
}

/*
 * What has changed before the end goes with that, so nothing is to be done; and nobody may wait for
 * it behind others, who may wait for what its sender has to tell.
 */
static bool is_late(const struct dsm_entry *e, const struct dsm_msg *m)
{
	return m->kind == DSM_DIFF && m->version <= e->ended;
}

static void late(struct dsm *d, uint32_t from, uint64_t page)
{
	dsm_send(d, from,
		 (struct dsm_msg){ .kind = DSM_SETTLED,
				   .flags = DSM_FINAL,
				   .page = page,
				   .node = (uint16_t)from });
}

static void answer_late(struct dsm *d, struct dsm_entry *e)
{
	struct dsm_request *r, *next;

	DL_FOREACH_SAFE(e->queue, r, next) {
		if (!is_late(e, &r->m))
			continue;
		late(d, r->from, e->page);
		DL_DELETE(e->queue, r);
		free(r);
	}
}

/* FROM, which is one of them, will have it alone. */
static void end_walk(struct dsm *d, struct dsm_entry *e, uint32_t from, uint64_t version)
{
	uint16_t acks = tell_walkers(d, e, from, (struct dsm_msg){ .kind = DSM_END });
	bool done = says_done(d, from, acks);

	dsm_send(d, from,
		 (struct dsm_msg){ .kind = DSM_GRANT,
				   .page = e->page,
				   .acks = acks,
				   .flags = DSM_WALK | (done ? 0 : DSM_FINAL) });
	e->walked = false;
	e->owner = from;
	e->sharers = 0;
	e->ended = version;
	answer_late(d, e);
	if (done)
		begin(e, from);
}

static void settle(struct dsm *d, struct dsm_entry *e, uint32_t from)
{
	struct dsm_msg m = { .kind = DSM_SETTLED, .page = e->page, .node = (uint16_t)from };

	dsm_send(d, from, m);
	m.flags = DSM_WALK;
	if (e->many)
		tell_walkers(d, e, from, m);
	e->many = false;
}

static void spread(struct dsm *d, struct dsm_entry *e, uint32_t from, const struct dsm_msg *m)
{
	uint64_t others = e->sharers & ~dsm_bit(d, from);
	bool member = e->walked && e->sharers & dsm_bit(d, from);
	struct dsm_msg apply = *m;

	e->many = member && others & (others - 1);
	apply.kind = DSM_APPLY;
	apply.flags = (uint8_t)(DSM_BYTES | (e->many ? DSM_WALK : 0));
	if (member)
		e->applies = tell_walkers(d, e, from, apply);
	if (e->applies)
		begin(e, from);
	else
		settle(d, e, from);
}

static void handle_walked(struct dsm *d, struct dsm_entry *e, uint32_t from,
			  const struct dsm_msg *m)
{
	bool member = e->sharers & dsm_bit(d, from);

	if (!member && (m->kind == DSM_GETS || m->kind == DSM_GETM))
		join(d, e, from);
	else if (member && m->kind == DSM_GETM)
		end_walk(d, e, from, m->version);
	else
		d->stats.dropped++;
}

/* ---- any request ---- */

/*
 * What FROM keeps. Who has asked for the mode's end, and was told that it ends for somebody else, keeps
 * what it wrote itself: it is nobody's version.
 */
static uint64_t kept(const struct dsm_entry *e, const struct dsm_msg *m)
{
	return e->ended && m->version <= e->ended ? DSM_NO_VERSION : m->version;
}

static void handle(struct dsm *d, struct dsm_entry *e, struct dsm_cell *c, uint32_t from,
		   const struct dsm_msg *m)
{
	if (m->kind == DSM_DIFF)
		spread(d, e, from, m);
	else if (e->poisoned)
		dsm_send(d, from, (struct dsm_msg){ .kind = DSM_LOST, .page = e->page });
	else if (e->walked)
		handle_walked(d, e, from, m);
	else if (m->kind == DSM_GETM)
		write_page(d, e, c, from, kept(e, m));
	else if (m->kind == DSM_GETS && e->owner == from)
		grant_read(d, e, from);
	else if (m->kind == DSM_GETS)
		read_page(d, e, c, from, kept(e, m));
	else if (m->kind == DSM_PUT && e->owner == from)
		dsm_fault(d, e->page, true, d->now); /* we take it */
	else
		d->stats.dropped++;
}

/* Handles what waits until something takes time. */
void dsm_home_serve(struct dsm *d, struct dsm_entry *e, struct dsm_cell *c)
{
	while (!e->busy && e->queue) {
		struct dsm_request *r = e->queue;
		DL_DELETE(e->queue, r);
		handle(d, e, c, r->from, &r->m);
		free(r);
	}
}

int dsm_home_request(struct dsm *d, uint32_t from, const struct dsm_msg *m)
{
	if (dsm_home(d, m->page) != d->c.self) {
		d->stats.dropped += !dsm_pass_on(d, from, m);
		return 0;
	}
	if (dsm_settling(d)) /* of the new view already */
		return dsm_request_queue(d, &d->waiting, from, m);
	struct dsm_cell *c = dsm_cell_touch(d, m->page);
	struct dsm_entry *e = c ? dsm_entry_touch(d, m->page) : NULL;
	if (!e)
		return -ENOMEM;
	if (is_late(e, m)) {
		late(d, from, m->page);
		return 0;
	}
	if (dsm_claimed(d, c, from, m))
		return 0;
	if (e->busy)
		return dsm_request_queue(d, &e->queue, from, m);
	handle(d, e, c, from, m);
	return 0;
}

void dsm_home_given(struct dsm *d, uint64_t page, bool walked)
{
	struct dsm_entry *e = dsm_entry_find(d, page);

	if (!e || !e->busy)
		return;
	if (walked)
		walk(d, e, e->requester);
	e->busy = false;
	dsm_home_serve(d, e, dsm_cell_touch(d, page));
}

void dsm_home_done(struct dsm *d, uint32_t from, const struct dsm_msg *m)
{
	struct dsm_entry *e = dsm_entry_find(d, m->page);

	if (!e || !e->busy || e->requester != from || e->applies) {
		d->stats.dropped += !dsm_pass_on(d, from, m);
		return;
	}
	if (m->flags & DSM_WALK)
		walk(d, e, from);
	e->owned = true;
	e->busy = false;
	dsm_home_serve(d, e, dsm_cell_touch(d, m->page));
}

bool dsm_home_acked(struct dsm *d, uint64_t page)
{
	struct dsm_entry *e = d->c.serial ? dsm_entry_find(d, page) : NULL;

	if (!e || !e->serial)
		return false;
	e->next++;
	if (tell_next(d, e))
		return true;
	e->serial = e->busy = false;
	e->sharers = 0;
	struct dsm_cell *c = dsm_cell_touch(d, page);
	write_page(d, e, c, e->requester, e->have);
	dsm_home_serve(d, e, c);
	return true;
}

void dsm_home_applied(struct dsm *d, uint32_t from, uint64_t page)
{
	struct dsm_entry *e = dsm_entry_find(d, page);

	if (!e || !e->applies || !(e->sharers & dsm_bit(d, from))) {
		d->stats.dropped++;
		return;
	}
	if (--e->applies)
		return;
	settle(d, e, e->requester);
	e->busy = false;
	dsm_home_serve(d, e, dsm_cell_touch(d, page));
}
