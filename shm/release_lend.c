/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages that one node writes and nobody else looks at are lent to it: it has them to itself, as their
 * home would (Amza, Cox, Dwarkadas and Zwaenepoel 1997 adapt likewise between one writer and several).
 * So nothing of them is compared, sent or told at a release. Who else wants one asks the home, as
 * always; that calls it back first. What asks meanwhile waits at the home.
 *
 * A page is lent when the first to touch it wants to write it, and to who has been alone with it for
 * some releases; the more often it was called back, the more of them. While it is lent its only
 * copy is there, and is lost with that node.
 */
#include <errno.h>

#include "shm/release_private.h"

#define PATIENCE     2u /* releases by one writer, at first */
#define RECALLS_MAX 5u /* each doubles that */

/* ---- at the home ---- */

bool dsm_rc_lends_first(const struct dsm_rc *d, const struct dsm_rc_cell *c, const struct dsm_rc_msg *m)
{
	return d->c.lend && m->flags & DSM_RC_ALONE && !c->sharers && c->state == DSM_RC_INVALID &&
	       c->recalls < PATIENCE;
}

/* Where changes of a page go in parts, some may be under way while it is lent for others. */
bool dsm_rc_lends_writer(const struct dsm_rc *d, struct dsm_rc_cell *c, uint32_t from)
{
	bool alone = c->sharers == dsm_rc_bit(d, from) && d->c.nodes <= 64;

	if (!d->c.lend || d->c.parts > 1 || !alone || c->state == DSM_RC_WRITTEN) {
		c->streak = 0;
		return false;
	}
	c->streak = c->writer == from + 1 && c->streak < UINT8_MAX ? c->streak + 1 : 1;
	c->writer = (uint16_t)(from + 1);
	return c->streak >= PATIENCE << c->recalls;
}

void dsm_rc_lend(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c, uint32_t to)
{
	if (c->state != DSM_RC_INVALID)
		d->c.ops->drop(d->c.arg, page);
	c->state = DSM_RC_INVALID;
	c->lessee = (uint16_t)(to + 1);
	c->sharers = 0;
	c->streak = 0;
	d->stats.lent++;
}

void dsm_rc_recall(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c)
{
	if (c->flags & RC_RECALLED)
		return;
	c->flags |= RC_RECALLED;
	c->recalls += c->recalls < RECALLS_MAX;
	d->stats.recalled++;
	dsm_rc_send(d, c->lessee - 1u, (struct dsm_rc_msg){ .kind = DSM_RC_RECALL, .page = page });
}

/*
 * Changes that were on their way when it was lent: they are in the copy that is, and count here if
 * that is refused.
 */
static void thank(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m,
		  const struct dsm_rc_cell *c)
{
	d->c.ops->merge(d->c.arg, m->page);
	dsm_rc_send(d, from, (struct dsm_rc_msg){ .kind = DSM_RC_TAKEN,
						  .part = m->part,
						  .page = m->page,
						  .flush = m->flush,
						  .version = c->version });
}

int dsm_rc_while_lent(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m,
		      struct dsm_rc_cell *c)
{
	if (from + 1 != c->lessee) {
		dsm_rc_recall(d, m->page, c);
		return -EAGAIN;
	}
	/* It had given its copy up before it heard of this, asks anew, and is about to refuse. */
	if (m->kind != DSM_RC_DIFF)
		return -EAGAIN;
	thank(d, from, m, c);
	return 0;
}

static void go_on(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c)
{
	bool write = c->flags & RC_WRITE;

	if (!(c->flags & RC_WANT))
		return;
	c->flags &= (uint8_t) ~(RC_WANT | RC_WRITE);
	if (dsm_rc_fault_at_home(d, page, c, write) == 0)
		return;
	/* Without memory to write it, it may be read; who waits comes again. */
	c->state = DSM_RC_READ;
	d->c.ops->install(d->c.arg, page, false);
}

bool dsm_rc_on_back(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m,
		    struct dsm_rc_cell *c)
{
	bool bytes = m->flags & DSM_RC_BYTES;

	if (!dsm_rc_is_home(d, m->page, c) || c->lessee != from + 1 ||
	    (bytes && m->version <= c->version))
		return false;
	c->lessee = 0;
	c->flags &= (uint8_t)~RC_RECALLED;
	if (bytes) {
		d->c.ops->fill(d->c.arg, m->page);
		c->version = m->version;
		c->known = m->version > c->known ? m->version : c->known;
	}
	c->sharers = m->flags & DSM_RC_VALID ? dsm_rc_bit(d, from) : 0;
	if (bytes)
		dsm_rc_send(d, from, (struct dsm_rc_msg){ .kind = DSM_RC_GOT,
							  .page = m->page,
							  .version = m->version });
	go_on(d, m->page, c);
	return true;
}

/* ---- at who has it ---- */

void dsm_rc_give_back(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c, bool stays)
{
	if (stays)
		d->c.ops->protect(d->c.arg, page);
	else
		d->c.ops->drop(d->c.arg, page);
	c->state = stays ? DSM_RC_READ : DSM_RC_INVALID;
	c->known = ++c->version;
	c->flags |= RC_KEPT;
	/* Who has lent it is dead, and we are the next: that is found out with the others. */
	if (dsm_rc_home(d, page) == d->c.self)
		return;
	dsm_rc_send(d, dsm_rc_home(d, page),
		    (struct dsm_rc_msg){ .kind = DSM_RC_BACK,
					 .flags = DSM_RC_BYTES | (stays ? DSM_RC_VALID : 0),
					 .page = page,
					 .version = c->version });
}

bool dsm_rc_on_got(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m,
		   struct dsm_rc_cell *c)
{
	if (from != dsm_rc_home(d, m->page) || dsm_rc_is_home(d, m->page, c))
		return false;
	/* Not of one that has come and gone before. */
	if (m->version == c->version && c->state != DSM_RC_OPEN)
		dsm_rc_safe(d, m->page, c);
	return true;
}

bool dsm_rc_on_recall(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m,
		      struct dsm_rc_cell *c)
{
	if (from != dsm_rc_home(d, m->page) || dsm_rc_is_home(d, m->page, c))
		return false;
	/* Else it is on its way already. */
	if (c->state == DSM_RC_OPEN)
		dsm_rc_give_back(d, m->page, c, true);
	return true;
}

/* Back without bytes: what the home has is good. */
static void refuse(struct dsm_rc *d, uint64_t page, const struct dsm_rc_cell *c)
{
	bool copy = c->state == DSM_RC_READ || c->state == DSM_RC_WRITTEN;

	dsm_rc_send(d, dsm_rc_home(d, page),
		    (struct dsm_rc_msg){ .kind = DSM_RC_BACK,
					 .flags = copy ? DSM_RC_VALID : 0,
					 .page = page,
					 .version = c->version });
}

void dsm_rc_keep(struct dsm_rc *d, uint64_t page, struct dsm_rc_cell *c, bool possible)
{
	bool copy = c->state == DSM_RC_READ || c->state == DSM_RC_WRITTEN;

	if (!possible || !copy || c->flags & RC_STALE || c->version != c->known) {
		refuse(d, page, c);
		return;
	}
	if (c->state == DSM_RC_WRITTEN) {
		d->written--;
		d->c.ops->untwin(d->c.arg, page);
	}
	c->state = DSM_RC_OPEN;
	d->c.ops->install(d->c.arg, page, true);
}
