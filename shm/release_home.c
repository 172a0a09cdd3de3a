/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The home of a page under release consistency: it has what all have released, and knows who has a
 * copy. Who was told that its copy is old is forgotten: it drops that before it looks for anything
 * new, and asks again if it needs to.
 */
#include <errno.h>

#include "shm/release_private.h"

void dsm_rc_notify(struct dsm_rc *d, uint64_t page, uint64_t sharers, uint32_t writer,
		   struct dsm_rc_msg m, struct dsm_rc_flush *f)
{
	m.kind = DSM_RC_NOTICE;
	m.page = page;
	m.node = (uint16_t)writer;
	for (uint32_t i = 0; i < d->c.nodes && sharers; i++) {
		if (i == d->c.self || i == writer || !dsm_rc_among(d, sharers, i))
			continue;
		d->stats.notices++;
		d->stats.pushed += m.flags != 0;
		if (f)
			dsm_rc_flush_owes(d, f, i);
		dsm_rc_send(d, i, m);
	}
}

/* ---- what we have written ourselves ---- */

static void push_parts(struct dsm_rc *d, struct dsm_rc_flush *f, uint64_t page,
		       struct dsm_rc_cell *c)
{
	d->c.ops->protect(d->c.arg, page);
	for (unsigned part = 0; part < d->c.parts; part++)
		if (d->c.ops->changed(d->c.arg, page, part)) {
			c->known = ++c->version;
			dsm_rc_notify(d, page, c->sharers, d->c.self,
			       (struct dsm_rc_msg){ .flags = DSM_RC_CHANGES,
						    .part = (uint8_t)part,
						    .flush = f->number,
						    .version = c->version },
			       f);
		}
	c->state = DSM_RC_READ;
}

void dsm_rc_tell(struct dsm_rc *d, struct dsm_rc_flush *f, uint64_t page, struct dsm_rc_cell *c)
{
	if (d->c.push && c->sharers) {
		push_parts(d, f, page, c);
	} else {
		c->known = ++c->version;
		dsm_rc_notify(d, page, c->sharers, d->c.self,
		       (struct dsm_rc_msg){ .flush = f->number, .version = c->version }, f);
		c->sharers = 0;
		c->state = DSM_RC_OPEN;
	}
	d->c.ops->untwin(d->c.arg, page);
}

/* ---- what others ask ---- */

/* What is written here from now on has to be told. */
static void on_get(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m,
		   struct dsm_rc_cell *c)
{
	uint64_t page = m->page;
	bool zeros = c->state == DSM_RC_INVALID && !c->version;

	uint8_t flags = zeros ? DSM_RC_ZEROS : DSM_RC_BYTES;

	if (c->state == DSM_RC_OPEN) {
		d->c.ops->protect(d->c.arg, page);
		c->state = DSM_RC_READ;
		/* Version 0 is all zeros, everywhere. */
		if (!c->version)
			c->known = ++c->version;
	}
	c->streak = 0;
	if (dsm_rc_lends_first(d, c, m)) {
		dsm_rc_lend(d, page, c, from);
		flags |= DSM_RC_ALONE;
	} else {
		c->sharers |= dsm_rc_bit(d, from);
	}
	dsm_rc_send(d, from,
		    (struct dsm_rc_msg){ .kind = DSM_RC_DATA,
					 .flags = flags,
					 .page = page,
					 .version = c->version });
}

static void on_diff(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m,
		    struct dsm_rc_cell *c)
{
	uint64_t told = c->sharers, writer = c->sharers & dsm_rc_bit(d, from);

	d->c.ops->merge(d->c.arg, m->page);
	c->known = ++c->version;
	dsm_rc_notify(d, m->page, told, from,
	       (struct dsm_rc_msg){ .flags = d->c.push ? DSM_RC_FORWARD : 0,
				    .part = m->part,
				    .flush = m->flush,
				    .version = c->version },
	       NULL);
	if (!d->c.push)
		c->sharers = writer;
	bool alone = dsm_rc_lends_writer(d, c, from);
	if (alone)
		dsm_rc_lend(d, m->page, c, from);
	dsm_rc_send(d, from, (struct dsm_rc_msg){ .kind = DSM_RC_TAKEN,
						  .flags = alone ? DSM_RC_ALONE : 0,
						  .part = m->part,
						  .page = m->page,
						  .flush = m->flush,
						  .version = c->version,
						  .sharers = told });
}

static void say_gone(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m)
{
	if (m->kind == DSM_RC_DIFF)
		dsm_rc_send(d, from, (struct dsm_rc_msg){ .kind = DSM_RC_TAKEN,
							  .part = m->part,
							  .page = m->page,
							  .flush = m->flush });
	dsm_rc_send(d, from, (struct dsm_rc_msg){ .kind = DSM_RC_GONE, .page = m->page });
}

int dsm_rc_at_home(struct dsm_rc *d, uint32_t from, const struct dsm_rc_msg *m)
{
	struct dsm_rc_cell *c = dsm_rc_touch(d, m->page);

	if (!c)
		return -ENOMEM;
	if (dsm_rc_home(d, m->page) != d->c.self ||
	    (m->kind == DSM_RC_DIFF && !(m->flags & DSM_RC_CHANGES))) {
		d->stats.dropped++;
		return 0;
	}
	/* That was for who was home to it then, and comes again. */
	if (dsm_rc_has_moved_since(d, m->page, m->epoch))
		return 0;
	bool here = dsm_rc_is_home(d, m->page, c);
	/* Without its bytes: a DIFF was made for the page as it was when its home died. */
	if (!here && (d->making || c->flags & RC_PULLED))
		return -EAGAIN;
	if (!here || c->state == DSM_RC_LOST)
		say_gone(d, from, m);
	else if (c->lessee)
		return dsm_rc_while_lent(d, from, m, c);
	else if (m->kind == DSM_RC_GET)
		on_get(d, from, m, c);
	else
		on_diff(d, from, m, c);
	return 0;
}
