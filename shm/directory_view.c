/* SPDX-License-Identifier: BSD-3-Clause */
/* The home of pages after a change of view: its directory is made anew from what all report. */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "shm/protocol_private.h"

int dsm_home_keep(struct dsm *d, const struct dsm_msg *m)
{
	return dsm_request_queue(d, &d->kept, d->c.self, m);
}

/* E has a keeper, and nobody got the page of us since: it is not known whether it has an owner. */
static bool may_be_kept(const struct dsm *d, const struct dsm_entry *e)
{
	return e->kept != DSM_NO_VERSION && (dsm_settling(d) || (!e->owned && e->busy));
}

void dsm_home_unmade(struct dsm *d)
{
	for (const struct dsm_entry *e = dsm_entry_next(d, 0); e; e = dsm_entry_next(d, e->page + 1))
		if (may_be_kept(d, e))
			dsm_home_keep(d, &(struct dsm_msg){ .kind = DSM_HOLD,
							    .page = e->page,
							    .node = (uint16_t)e->keeper,
							    .state = DSM_INVALID,
							    .version = e->kept });
}

void dsm_home_kept(struct dsm *d)
{
	struct dsm_request *r, *next;

	DL_FOREACH_SAFE(d->kept, r, next) {
		if (d->alive[r->m.node])
			dsm_report(d, &r->m);
		free(r);
	}
	d->kept = NULL;
}

int dsm_home_hold(struct dsm *d, const struct dsm_msg *m)
{
	struct dsm_cell *c = dsm_cell_touch(d, m->page);
	struct dsm_entry *e = c ? dsm_entry_touch(d, m->page) : NULL;

	if (!e)
		return -ENOMEM;
	if (m->state == DSM_OWNED || m->state == DSM_MODIFIED || m->state == DSM_WALKING) {
		e->owner = m->node;
		e->owned = true;
		e->walked |= m->state == DSM_WALKING;
		e->sharers |= m->state == DSM_WALKING ? dsm_bit(d, m->node) : 0;
	} else if (m->state == DSM_SHARED) {
		e->sharers |= dsm_bit(d, m->node);
	} else {
		e->keeper = m->node;
		e->kept = m->version;
		return 0;
	}
	e->poisoned = false;
	return 0;
}

/*
 * One of those that share E's page, the first from node FIRST on; when they all have been asked, one that
 * has given its copy up for a writer that then got nothing to write: nothing newer was ever written. It
 * may have given up what it reported, and says so, or DONE: until then nobody gets anything.
 */
static void appoint(struct dsm *d, struct dsm_entry *e, uint32_t first)
{
	struct dsm_msg own = { .kind = DSM_OWN, .page = e->page, .version = DSM_NO_VERSION };
	uint32_t who = first;

	while (who < d->c.nodes && !(e->sharers & dsm_bit(d, who) && d->alive[who]))
		who++;
	if (who == d->c.nodes) {
		who = e->keeper;
		own.version = e->kept;
		e->poisoned = e->kept == DSM_NO_VERSION;
		e->sharers = 0;
		e->kept = DSM_NO_VERSION;
	}
	e->busy = !e->poisoned;
	if (e->poisoned)
		return;
	e->owner = e->requester = who;
	dsm_send(d, who, own);
}

void dsm_home_gone(struct dsm *d, uint32_t from, uint64_t page)
{
	struct dsm_entry *e = dsm_entry_find(d, page);

	if (!e || e->owned || !e->busy || e->requester != from) {
		d->stats.dropped++;
		return;
	}
	appoint(d, e, from + 1);
	dsm_home_serve(d, e, dsm_cell_touch(d, page));
}

void dsm_home_made(struct dsm *d)
{
	struct dsm_request *list = d->waiting, *r, *next;

	for (struct dsm_entry *e = dsm_entry_next(d, 0); e; e = dsm_entry_next(d, e->page + 1)) {
		if (!e->owned)
			appoint(d, e, 0);
		dsm_run_local(d);
	}
	d->waiting = NULL;
	DL_FOREACH_SAFE(list, r, next) {
		dsm_home_request(d, r->from, &r->m);
		dsm_run_local(d);
		free(r);
	}
}
