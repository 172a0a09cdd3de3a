/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nodes that die. Their pages get new homes, which hear from all survivors what those have of them
 * before they answer anybody. A copy of the newest version that anybody has heard of is as good as
 * what the dead had, but for what was not released; where nobody has one the page is lost. Changes
 * that the dead may have taken, or not, are sent again: they are the same bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/heir.h"
#include "shm/release_private.h"

uint32_t dsm_rc_home(const struct dsm_rc *d, uint64_t page)
{
	return dsm_heir(d->c.home(d->c.arg, page), page, d->alive, d->c.nodes);
}

bool dsm_rc_settling(const struct dsm_rc *d)
{
	return d->making || d->pulls;
}

static bool orphan(const struct dsm_rc *d, uint64_t page)
{
	return !d->alive[d->c.home(d->c.arg, page)];
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
		dsm_rc_poison(d, page, c);
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

/* What had been asked of the dead is asked of the new homes. */
static void ask_again(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c)
{
	if (orphan(d, page))
		want_again(d, page, c);
}

static void settled(struct dsm_rc *d)
{
	if (dsm_rc_settling(d))
		return;
	dsm_rc_flush_again(d, true);
	dsm_rc_each(d, ask_again);
}

static void adopt(struct dsm_rc *d, const struct dsm_rc_claim *cl)
{
	struct dsm_rc_cell *c = dsm_rc_touch(d, cl->page);

	if (!c || c->flags & RC_ADOPTED)
		return;
	c->sharers = cl->sharers;
	c->known = cl->known > c->known ? cl->known : c->known;
	if (!cl->valid || cl->version < cl->known) {
		dsm_rc_poison(d, cl->page, c);
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
	d->c.ops->fill(d->c.arg, m->page);
	dsm_rc_flush_redo(d, m->page);
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
		    m->kind == DSM_RC_HELD || m->kind == DSM_RC_PULL;

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
		d->alive[i] = alive[i];
		if (died)
			dsm_rc_flush_died(d, i);
	}
}

int dsm_rc_view(struct dsm_rc *d, uint32_t epoch, const bool *alive)
{
	if (!alive[d->c.self] || (int32_t)(epoch - d->epoch) <= 0)
		return -EINVAL;
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
