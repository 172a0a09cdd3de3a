/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nodes that die, and homes that move. The pages get new homes, which hear from all survivors what
 * those have of them before they answer anybody. A copy of the newest version that anybody has heard
 * of is as good as what the dead had, but for what was not released; where nobody has one the page is
 * lost. Changes that the dead may have taken, or not, are sent again: they are the same bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/heir.h"
#include "shm/release_private.h"

/* Who is, or was, to be home to PAGE; MOVED: not from the beginning, but since then. */
static uint32_t assigned(const struct dsm_rc *d, uint64_t page, bool *moved, uint32_t *since)
{
	uint32_t to = 0;

	*moved = d->c.moved && d->c.moved(d->c.arg, page, &to, since);
	return *moved ? to : d->c.home(d->c.arg, page);
}

uint32_t dsm_rc_home(const struct dsm_rc *d, uint64_t page)
{
	bool moved;
	uint32_t since;

	return dsm_heir(assigned(d, page, &moved, &since), page, d->alive, d->c.nodes);
}

bool dsm_rc_has_moved(const struct dsm_rc *d, uint64_t page)
{
	uint32_t to, since;

	return d->c.moved && d->c.moved(d->c.arg, page, &to, &since);
}

bool dsm_rc_is_orphan(const struct dsm_rc *d, uint64_t page)
{
	bool moved;
	uint32_t since;

	return !d->alive[assigned(d, page, &moved, &since)];
}

bool dsm_rc_has_moved_since(const struct dsm_rc *d, uint64_t page, uint32_t epoch)
{
	uint32_t to, since;

	return d->c.moved && d->c.moved(d->c.arg, page, &to, &since) &&
	       (int32_t)(epoch - since) < 0;
}

bool dsm_rc_settling(const struct dsm_rc *d)
{
	return d->making || d->pulls;
}

/* Its home is one that has to be told what others have. */
static bool orphan(const struct dsm_rc *d, uint64_t page)
{
	return dsm_rc_is_orphan(d, page) || dsm_rc_has_moved(d, page);
}

void dsm_rc_safe(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c)
{
	if (dsm_rc_is_orphan(d, page) || dsm_rc_is_home(d, page, c))
		return;
	c->flags &= (uint8_t)~RC_KEPT;
	c->lessee = 0;
}

/* ---- homes that move ---- */

int dsm_rc_remember(struct dsm_rc *d, uint64_t page)
{
	struct dsm_rc_cell *c = dsm_rc_touch(d, page);
	struct dsm_rc_flush *f = NULL;

	if (!c)
		return -ENOMEM;
	if (!dsm_rc_is_home(d, page, c) || c->state == DSM_RC_LOST)
		return 0;
	/* What is written here without a twin could not be told later. */
	if (c->state == DSM_RC_WRITTEN && !(f = dsm_rc_flush_open(d)))
		return -ENOMEM;
	if (f)
		dsm_rc_write_back(d, f, page, c, false);
	dsm_rc_flush_close(d);
	if (c->state == DSM_RC_OPEN) {
		d->c.ops->protect(d->c.arg, page);
		c->state = DSM_RC_READ;
		c->known = ++c->version;
	}
	c->flags = (uint8_t)((c->flags | RC_KEPT) & ~(RC_ADOPTED | RC_STALE | RC_RECALLED));
	return 0;
}

/* It was lent by us, who were its home, and may have been written since. */
static void lost_with_lessee(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c)
{
	if (dsm_rc_is_home(d, page, c)) {
		dsm_rc_poison(d, page, c);
		return;
	}
	c->known = c->version + 1;
	c->flags &= (uint8_t)~RC_KEPT;
	c->lessee = 0;
}

static void made(struct dsm_rc *d, uint32_t home)
{
	for (uint64_t page = 0; page < d->c.pages; page++) {
		struct dsm_rc_cell c = dsm_rc_cell(d, page);
		if ((c.flags & RC_KEPT || c.lessee) && dsm_rc_has_moved(d, page) &&
		    dsm_rc_home(d, page) == home)
			dsm_rc_safe(d, page, dsm_rc_touch(d, page));
	}
}

static void say_made(struct dsm_rc *d)
{
	if (!d->c.moved || !d->claimed)
		return;
	d->claimed = false;
	for (uint32_t i = 0; i < d->c.nodes; i++)
		if (i != d->c.self)
			dsm_rc_send(d, i, (struct dsm_rc_msg){ .kind = DSM_RC_MADE });
}

static void free_claims(struct dsm_rc *d)
{
	struct dsm_rc_claim *cl, *tmp;

	HASH_ITER(hh, d->claims, cl, tmp) {
		HASH_DEL(d->claims, cl);
		free(cl);
	}
}

void dsm_rc_view_free(struct dsm_rc *d)
{
	free_claims(d);
}

/* ---- reports ---- */

static struct dsm_rc_claim *claim_of(struct dsm_rc *d, uint64_t page)
{
	struct dsm_rc_claim *cl;

	HASH_FIND(hh, d->claims, &page, sizeof page, cl);
	if (cl)
		return cl;
	cl = calloc(1, sizeof *cl);
	if (!cl)
		return NULL;
	cl->page = page;
	HASH_ADD(hh, d->claims, page, sizeof cl->page, cl);
	return cl;
}

/* NODE has M. What is not remembered for want of memory is lost. */
static void hear(struct dsm_rc *d, uint32_t node, const struct dsm_rc_msg *m)
{
	struct dsm_rc_claim *cl = claim_of(d, m->page);

	if (!cl)
		return;
	cl->known = m->sharers > cl->known ? m->sharers : cl->known;
	if (!(m->flags & DSM_RC_VALID))
		return;
	if (!cl->valid || m->version > cl->version || (m->version == cl->version &&
						       node == d->c.self)) {
		cl->version = m->version;
		cl->node = node;
		cl->valid = true;
	}
	if (node != d->c.self)
		cl->sharers |= dsm_rc_bit(d, node);
}

static void report(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c)
{
	bool copy = c->state == DSM_RC_READ || c->state == DSM_RC_WRITTEN;

	c->flags &= (uint8_t)~RC_PULLED;
	if (c->lessee && !d->alive[c->lessee - 1])
		lost_with_lessee(d, page, c);
	/* What was lent by the dead is nobody's but ours: there is no newer one. Its home may also be
	 * one that has taken the place of one that died before. */
	if (c->state == DSM_RC_OPEN && orphan(d, page) && !(c->flags & RC_ADOPTED)) {
		dsm_rc_give_back(d, page, c, true);
		copy = true;
	}
	bool valid = copy || c->flags & RC_KEPT;
	if (!orphan(d, page) || c->flags & RC_ADOPTED || (!valid && !c->known))
		return;
	struct dsm_rc_msg m = { .kind = DSM_RC_HOLD,
				.flags = valid ? DSM_RC_VALID : 0,
				.page = page,
				.version = c->version,
				.sharers = c->known };
	c->flags |= valid ? RC_KEPT : 0;
	/* Who was to tell us of a newer version may have died before. */
	if (copy)
		dsm_rc_stale(d, page, c);
	uint32_t home = dsm_rc_home(d, page);
	if (home == d->c.self)
		hear(d, home, &m);
	else
		dsm_rc_send(d, home, m);
}

/* ---- what follows from them ---- */

static void want_again(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c)
{
	bool write = c->flags & RC_WRITE;

	if (!(c->flags & RC_WANT) || c->flags & RC_PULLED)
		return;
	c->flags &= (uint8_t) ~(RC_WANT | RC_WRITE);
	dsm_rc_want(d, page, c, write, false);
}

/* What had been asked of who is not its home any more. Never twice of the same: the second answer
 * would be taken for that to a later question. */
static void ask_again(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c)
{
	bool moved;
	uint32_t since, to;

	if (!(c->flags & RC_WANT) || !orphan(d, page))
		return;
	to = assigned(d, page, &moved, &since);
	if ((moved && (int32_t)(d->before - since) < 0) ||
	    dsm_heir(to, page, d->lived, d->c.nodes) != dsm_rc_home(d, page))
		want_again(d, page, c);
}

/* We are its home now. */
static void take_up(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c)
{
	if (orphan(d, page) && dsm_rc_home(d, page) == d->c.self)
		want_again(d, page, c);
}

static void settled(struct dsm_rc *d)
{
	if (dsm_rc_settling(d))
		return;
	dsm_rc_flush_again(d, true);
	dsm_rc_each(d, take_up);
	say_made(d);
}

static void adopt(struct dsm_rc *d, const struct dsm_rc_claim *cl)
{
	struct dsm_rc_cell *c = dsm_rc_touch(d, cl->page);

	if (!c || c->flags & RC_ADOPTED)
		return;
	c->sharers = cl->sharers;
	c->lessee = 0;
	c->streak = 0;
	c->known = cl->known > c->known ? cl->known : c->known;
	if (!cl->valid || cl->version < cl->known) {
		dsm_rc_poison(d, cl->page, c);
	} else if (!cl->version) { /* zeros, as here */
		c->flags |= RC_ADOPTED;
	} else if (cl->node == d->c.self) {
		c->flags |= RC_ADOPTED;
		c->state = c->state == DSM_RC_INVALID ? DSM_RC_READ : c->state;
	} else {
		c->flags |= RC_PULLED;
		d->pulls++;
		dsm_rc_send(d, cl->node,
			    (struct dsm_rc_msg){ .kind = DSM_RC_PULL, .page = cl->page });
	}
}

/* Once all have reported. */
static void make_if_all(struct dsm_rc *d)
{
	struct dsm_rc_claim *cl, *tmp;

	for (uint32_t i = 0; i < d->c.nodes; i++)
		if (d->alive[i] && d->held[i] != d->epoch)
			return;
	if (!d->making)
		return;
	d->making = false;
	d->claimed = d->claims != NULL;
	HASH_ITER(hh, d->claims, cl, tmp)
		adopt(d, cl);
	free_claims(d);
	settled(d);
}

void dsm_rc_on_gone(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m,
		    struct dsm_rc_cell *c)
{
	bool pulled = c->flags & RC_PULLED;

	if (!pulled && from != dsm_rc_home(d, m->page)) {
		d->stats.dropped++;
		return;
	}
	dsm_rc_poison(d, m->page, c);
	d->pulls -= pulled;
	if (pulled)
		settled(d);
}

/* What others have of it is under what we have changed ourselves. */
void dsm_rc_pulled(struct dsm_rc *d, const struct dsm_rc_msg *m, struct dsm_rc_cell *c)
{
	if (!(c->flags & RC_PULLED)) {
		d->stats.dropped++;
		return;
	}
	bool written = c->state == DSM_RC_WRITTEN;
	if (c->state != DSM_RC_INVALID)
		d->c.ops->drop(d->c.arg, m->page);
	/* First: what was changed here since may be what the page was before them. */
	dsm_rc_flush_redo(d, m->page);
	d->c.ops->fill(d->c.arg, m->page);
	c->state = written ? DSM_RC_WRITTEN : DSM_RC_READ;
	c->version = m->version;
	c->flags = (uint8_t)((c->flags | RC_ADOPTED) & ~(RC_PULLED | RC_STALE));
	d->pulls--;
	if (!(c->flags & RC_WANT))
		d->c.ops->install(d->c.arg, m->page, written);
	settled(d);
}

/* ---- messages ---- */

bool dsm_rc_too_early(const struct dsm_rc *d, const struct dsm_rc_msg *m)
{
	bool asks = m->kind == DSM_RC_GET || m->kind == DSM_RC_DIFF || m->kind == DSM_RC_HOLD ||
		    m->kind == DSM_RC_HELD || m->kind == DSM_RC_PULL || m->kind == DSM_RC_MADE;

	return asks && (int32_t)(m->epoch - d->epoch) > 0;
}

static void on_pull(struct dsm_rc *d, uint32_t from, uint64_t page)
{
	struct dsm_rc_cell c = dsm_rc_cell(d, page);
	bool have = c.state == DSM_RC_READ || c.state == DSM_RC_WRITTEN || c.flags & RC_KEPT;

	if (from != dsm_rc_home(d, page)) {
		d->stats.dropped++;
		return;
	}
	dsm_rc_send(d, from, (struct dsm_rc_msg){
				     .kind = have ? DSM_RC_DATA : DSM_RC_GONE,
				     .flags = have ? DSM_RC_BYTES | DSM_RC_PULLED : DSM_RC_PULLED,
				     .page = page,
				     .version = c.version });
}

int dsm_rc_on_view(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m)
{
	if (m->epoch != d->epoch) {
		d->stats.dropped++;
	} else if (m->kind == DSM_RC_HELD) {
		d->held[from] = m->epoch;
		make_if_all(d);
	} else if (m->kind == DSM_RC_MADE) {
		made(d, from);
	} else if (m->kind == DSM_RC_PULL) {
		on_pull(d, from, m->page);
	} else if (d->making && dsm_rc_home(d, m->page) == d->c.self && orphan(d, m->page)) {
		hear(d, from, m);
	} else {
		d->stats.dropped++;
	}
	return 0;
}

/* ---- a new view ---- */

static void change(struct dsm_rc *d, const bool *alive)
{
	for (uint32_t i = 0; i < d->c.nodes; i++) {
		bool died = d->alive[i] && !alive[i];
		d->lived[i] = d->alive[i];
		d->alive[i] = alive[i];
		if (died)
			dsm_rc_flush_died(d, i);
	}
}

int dsm_rc_view(struct dsm_rc *d, uint32_t epoch, const bool *alive)
{
	if (!alive[d->c.self] || (int32_t)(epoch - d->epoch) <= 0)
		return -EINVAL;
	d->before = d->epoch;
	d->epoch = epoch;
	change(d, alive);
	free_claims(d);
	d->pulls = 0;
	d->making = true;
	dsm_rc_each(d, report);
	for (uint32_t i = 0; i < d->c.nodes; i++)
		if (i != d->c.self)
			dsm_rc_send(d, i, (struct dsm_rc_msg){ .kind = DSM_RC_HELD });
	d->held[d->c.self] = epoch;
	dsm_rc_flush_again(d, false);
	dsm_rc_each(d, ask_again);
	make_if_all(d);
	return 0;
}
