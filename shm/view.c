/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nodes that come and go.
 *
 * With a new view every node stops asking and answering, takes what still comes for it, and marks
 * all channels; when all others have marked theirs, nothing of the old view is under way. Nothing
 * but an answer can carry an only copy, and answers are taken, so no page is lost but with a node.
 * Then each node reports its copies to their homes, which make their directories anew from that:
 * nothing is believed that was known before. Pages of which nobody reports a copy are lost.
 *
 * A node that has its answer, but not all acknowledgements, keeps what it got as an owner who may
 * read. After the reports, everybody asks again for what is still wanted.
 */
#include <errno.h>
#include <stdlib.h>

#include "shm/protocol_private.h"

bool dsm_settling(const struct dsm *d)
{
	return d->flushing || d->making;
}

/* What counts also when it is of an older view: answers, and what only one knows. */
static bool outlives(const struct dsm_msg *m)
{
	return m->kind == DSM_DATA || m->kind == DSM_GRANT || m->kind == DSM_ACK ||
	       m->kind == DSM_LOST || m->kind == DSM_ENDED || m->kind == DSM_OWN ||
	       (m->kind == DSM_HOLD && m->state == DSM_INVALID);
}

/* Of an older view come only those, from who has not marked the new one. */
bool dsm_view_lets(const struct dsm *d, uint32_t from, const struct dsm_msg *m)
{
	if (m->kind == DSM_MARK)
		return true;
	if (!d->alive[from])
		return false;
	if (!d->flushing || d->marked[from] == d->epoch)
		return m->epoch == d->epoch;
	return outlives(m);
}

/* ---- what was under way ---- */

static void settle_want(struct dsm *d, struct dsm_want *w)
{
	struct dsm_cell *c = dsm_cell_touch(d, w->page); /* there since it was wanted */

	if (w->data && w->write && c->state <= DSM_SHARED) {
		c->state = DSM_OWNED;
		d->c.ops->install(d->c.arg, w->page, false);
	}
}

static void settle_wants(struct dsm *d)
{
	struct dsm_want *w, *tmp;

	HASH_ITER(hh, d->wants, w, tmp)
		settle_want(d, w);
}

/* A writer that was left with an owner's copy may have what its readers want. */
static void ask_again(struct dsm *d)
{
	struct dsm_want *w, *tmp;

	HASH_ITER(hh, d->wants, w, tmp) {
		bool readable = dsm_state(d, w->page) == DSM_SHARED ||
				dsm_state(d, w->page) == DSM_OWNED;
		if (readable && w->then_write) {
			w->write = true;
			w->then_write = false;
		}
		if (readable && !w->write)
			dsm_want_end(d, w);
		else
			dsm_ask(d, w);
		dsm_run_local(d);
	}
}

/* ---- reports ---- */

void dsm_report(struct dsm *d, const struct dsm_msg *m)
{
	uint32_t home = dsm_home(d, m->page);

	if (home == d->c.self)
		dsm_home_hold(d, m);
	else
		dsm_send(d, home, *m);
}

static void report_cell(struct dsm *d, uint64_t page, struct dsm_cell *c)
{
	if (c->state == DSM_INVALID || c->state == DSM_POISONED)
		return;
	dsm_report(d, &(struct dsm_msg){ .kind = DSM_HOLD,
					 .page = page,
					 .node = (uint16_t)d->c.self,
					 .state = c->state,
					 .version = c->version });
}

/* A write that got nothing: whoever has given its copy up for it has not done so for a new one. */
static void report_want(struct dsm *d, const struct dsm_want *w)
{
	if (w->data || w->given == DSM_NO_VERSION || !d->alive[w->giver])
		return;
	dsm_report(d, &(struct dsm_msg){ .kind = DSM_HOLD,
					 .page = w->page,
					 .node = (uint16_t)w->giver,
					 .state = DSM_INVALID,
					 .version = w->given });
}

static void maybe_made(struct dsm *d)
{
	for (uint32_t i = 0; i < d->c.nodes; i++)
		if (i != d->c.self && d->alive[i] && d->told[i] != d->epoch)
			return;
	d->making = false;
	dsm_home_made(d);
}

static void report(struct dsm *d)
{
	struct dsm_want *w, *tmp;

	dsm_cells_each(d, report_cell);
	HASH_ITER(hh, d->wants, w, tmp)
		report_want(d, w);
	dsm_home_kept(d);
	for (uint32_t i = 0; i < d->c.nodes; i++)
		if (i != d->c.self)
			dsm_send(d, i, (struct dsm_msg){ .kind = DSM_HELD });
}

/* All have marked their channels. */
static void maybe_flushed(struct dsm *d)
{
	if (!d->flushing)
		return;
	for (uint32_t i = 0; i < d->c.nodes; i++)
		if (i != d->c.self && d->alive[i] && d->marked[i] != d->epoch)
			return;
	settle_wants(d);
	dsm_walk_view(d);
	dsm_homes_back(d);
	d->flushing = false;
	d->making = true;
	report(d);
	ask_again(d);
	maybe_made(d);
}

/* ---- views ---- */

int dsm_view(struct dsm *d, uint32_t epoch, const bool *alive, uint64_t now)
{
	if (epoch <= d->epoch || !alive[d->c.self])
		return -EINVAL;
	d->now = now;
	dsm_home_unmade(d);
	d->epoch = epoch;
	for (uint32_t i = 0; i < d->c.nodes; i++)
		d->alive[i] = alive[i];
	d->flushing = true;
	d->making = false;
	d->nlocal = 0;
	dsm_walk_forget(d);
	dsm_homes_back(d);
	dsm_held_clear(d);
	dsm_home_clear(d);
	for (uint32_t i = 0; i < d->c.nodes; i++)
		if (i != d->c.self)
			dsm_send(d, i, (struct dsm_msg){ .kind = DSM_MARK });
	maybe_flushed(d);
	dsm_run_local(d);
	return 0;
}

/* We own the page, if there is what the home believes. */
static bool own(struct dsm *d, const struct dsm_msg *m, struct dsm_cell *c)
{
	bool kept = m->version != DSM_NO_VERSION && m->version == c->version;

	if (c->state != DSM_SHARED && (c->state != DSM_INVALID || !kept))
		return false;
	bool map = c->state == DSM_INVALID;
	c->state = DSM_OWNED;
	if (map)
		d->c.ops->install(d->c.arg, m->page, false);
	return true;
}

static int on_own(struct dsm *d, uint32_t from, const struct dsm_msg *m)
{
	struct dsm_cell *c = dsm_cell_touch(d, m->page);

	if (!c)
		return -ENOMEM;
	if (!d->flushing && from != dsm_home(d, m->page)) {
		d->stats.dropped++;
		return 0;
	}
	bool can = own(d, m, c);
	if (d->flushing)
		return 0; /* of an older view: what is ours is reported */
	dsm_send(d, from,
		 can ? (struct dsm_msg){ .kind = DSM_DONE, .page = m->page } :
		       (struct dsm_msg){
			       .kind = DSM_HOLD, .page = m->page, .state = DSM_POISONED });
	return 0;
}

static int on_hold(struct dsm *d, uint32_t from, const struct dsm_msg *m)
{
	bool ours = dsm_home(d, m->page) == d->c.self && m->node < d->c.nodes;

	if (m->epoch != d->epoch && m->node < d->c.nodes)
		return dsm_home_keep(d, m);
	if (ours && dsm_settling(d) && m->state != DSM_POISONED && m->state <= DSM_WALKING)
		return dsm_home_hold(d, m);
	if (ours && !dsm_settling(d) && m->state == DSM_POISONED)
		dsm_home_gone(d, from, m->page);
	else
		d->stats.dropped++;
	return 0;
}

int dsm_view_message(struct dsm *d, uint32_t from, const struct dsm_msg *m)
{
	switch (m->kind) {
	case DSM_MARK:
		/* It may know of a view that we do not know of yet. */
		if (m->epoch > d->marked[from])
			d->marked[from] = m->epoch;
		maybe_flushed(d);
		return 0;
	case DSM_HELD:
		if (m->epoch > d->told[from])
			d->told[from] = m->epoch;
		if (d->making)
			maybe_made(d);
		return 0;
	case DSM_HOLD:
		return on_hold(d, from, m);
	default:
		return on_own(d, from, m);
	}
}
