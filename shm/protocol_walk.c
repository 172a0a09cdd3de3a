/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies that several nodes write: how a page comes to that, how differences travel, how it ends.
 * The home goes on working on one thing at a time: a node that joins, one's differences on the way to
 * all others, or the end. So all see the differences of a page in one order. doc/design/0021-walked.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "shm/protocol_private.h"

#define NODES_MAX 64 /* the home knows each of them: a bit is one node */

/* ---- in ---- */

static void send_walked(struct dsm *d, const struct dsm_cell *c, uint64_t page, uint32_t node,
			uint8_t flags)
{
	dsm_send(d, node,
		 (struct dsm_msg){ .kind = DSM_DATA,
				   .flags = flags | DSM_BYTES | DSM_WALK,
				   .page = page,
				   .version = c->version,
				   .have = DSM_NO_VERSION });
}

bool dsm_walk_enter(struct dsm *d, struct dsm_cell *c, uint64_t page, uint32_t node, uint8_t flags)
{
	if (!d->c.walk || d->c.nodes > NODES_MAX || c->state != DSM_MODIFIED ||
	    !d->c.walk->may(d->c.arg, page))
		return false;
	c->state = DSM_WALKING;
	c->version++;
	d->stats.walked++;
	d->c.walk->enter(d->c.arg, page);
	send_walked(d, c, page, node, flags);
	return true;
}

/* It is not touched here before it is ours alone. */
static void end_at_once(struct dsm *d, struct dsm_want *w)
{
	w->write = w->blind = true;
	w->then_write = false;
	dsm_ask(d, w);
}

bool dsm_walk_data(struct dsm *d, const struct dsm_msg *m, struct dsm_cell *c)
{
	struct dsm_want *w = dsm_want_find(d, m->page);

	if (!d->c.walk || !w || w->data || c->state != DSM_INVALID || !(m->flags & DSM_BYTES) ||
	    m->version == DSM_NO_VERSION)
		return false;
	d->c.ops->fill(d->c.arg, m->page);
	c->version = m->version;
	c->state = DSM_WALKING;
	d->stats.walked++;
	bool tells = d->c.walk->enter(d->c.arg, m->page);
	if (!(m->flags & DSM_FINAL))
		dsm_send(d, dsm_home(d, m->page),
			 (struct dsm_msg){
				 .kind = DSM_DONE, .page = m->page, .flags = DSM_WALK });
	if (!tells) {
		end_at_once(d, w);
		return true;
	}
	dsm_want_end(d, w);
	d->c.ops->install(d->c.arg, m->page, true);
	return true;
}

static bool on_fwd_walk(struct dsm *d, const struct dsm_msg *m, const struct dsm_cell *c)
{
	if (c->state != DSM_WALKING || m->node >= d->c.nodes || m->node == d->c.self)
		return false;
	send_walked(d, c, m->page, m->node, 0);
	return true;
}

/* ---- differences ---- */

int dsm_walk_diff(struct dsm *d, uint64_t page, const uint8_t *diff, size_t n)
{
	if (page >= d->c.pages || dsm_state(d, page) != DSM_WALKING)
		return -EINVAL;
	if (d->flushing || dsm_want_find(d, page))
		return 0; /* it ends, and messages wait for that */
	d->unsettled++;
	dsm_send(d, dsm_home(d, page),
		 (struct dsm_msg){ .kind = DSM_DIFF,
				   .flags = DSM_BYTES,
				   .page = page,
				   .version = dsm_version(d, page),
				   .diff = diff,
				   .ndiff = n });
	dsm_run_local(d);
	return 0;
}

void dsm_walk_apply(struct dsm *d, const struct dsm_msg *m)
{
	if (m->flags & DSM_WALK)
		d->foreign++;
	if (dsm_state(d, m->page) == DSM_WALKING &&
	    !d->c.walk->merge(d->c.arg, m->page, m->diff, m->ndiff, false))
		dsm_want(d, m->page, true);
}

/* The home waits for an answer, whatever we think of it. */
static bool on_apply(struct dsm *d, uint32_t from, const struct dsm_msg *m, const struct dsm_cell *c)
{
	bool walked = c->state == DSM_WALKING;

	dsm_walk_apply(d, m);
	dsm_send(d, from, (struct dsm_msg){ .kind = DSM_APPLIED, .page = m->page });
	return walked;
}

static bool on_settled(struct dsm *d, const struct dsm_msg *m, struct dsm_cell *c)
{
	bool ours = !(m->flags & DSM_WALK);
	uint64_t *count = ours ? &d->unsettled : &d->foreign;

	if (!*count || (ours && m->node != d->c.self))
		return false;
	--*count;
	if (ours && m->flags & DSM_OWNER)
		c->left -= c->left > 0;
	/*
	 * The mode had ended; what others send for its end is from what was agreed on before. Perhaps it
	 * has begun once more.
	 */
	else if (ours && c->state == DSM_WALKING && !(m->flags & DSM_FINAL))
		d->c.walk->settled(d->c.arg, m->page);
	return true;
}

bool dsm_walk_known(const struct dsm *d, uint64_t page)
{
	struct dsm_cell c = page < d->c.pages ? dsm_cell_get(d, page) : (struct dsm_cell){ 0 };

	return c.state != DSM_WALKING && !c.left;
}

uint64_t dsm_walk_pending(const struct dsm *d)
{
	uint64_t n = d->unsettled + d->foreign;

	/* What does not look like page tables any more has to be ours before anybody hears of it. */
	for (const struct dsm_want *w = d->c.walk ? d->wants : NULL; w; w = w->hh.next)
		n += dsm_state(d, w->page) == DSM_WALKING;
	/*
	 * The home takes differences for late from END on, but what is told with that is still here. ENDED is
	 * among them, too: its page is wanted anyhow.
	 */
	for (const struct dsm_request *r = d->ends; r; r = r->next)
		n++;
	return n;
}

/* ---- out ---- */

void dsm_walk_end(struct dsm *d, uint64_t page, uint64_t now)
{
	d->now = now;
	if (dsm_state(d, page) == DSM_WALKING)
		dsm_want(d, page, true);
	dsm_run_local(d);
}

/* What they had changed is known here, and nobody has anything older any more. */
void dsm_walk_alone(struct dsm *d, const struct dsm_want *w)
{
	for (uint32_t i = 0; i < d->c.nodes; i++)
		if (w->owed >> i & 1)
			dsm_send(d, i,
				 (struct dsm_msg){ .kind = DSM_SETTLED,
						   .flags = DSM_OWNER,
						   .page = w->page,
						   .node = (uint16_t)i });
	d->c.walk->leave(d->c.arg, w->page);
}

static void end(struct dsm *d, const struct dsm_msg *m, struct dsm_cell *c)
{
	struct dsm_msg ended = { .kind = DSM_ENDED, .page = m->page, .version = DSM_NO_VERSION };

	c->state = DSM_INVALID;
	c->version = DSM_NO_VERSION;
	d->c.walk->last(d->c.arg, m->page, &ended);
	if (ended.ndiff) {
		ended.flags = DSM_BYTES;
		d->unsettled++;
		c->left++;
	}
	dsm_send(d, m->node, ended);
	d->c.walk->leave(d->c.arg, m->page);
}

/* True: M, which we answer, is kept for later. Without memory it is not, and goes ahead. */
static bool is_early(struct dsm *d, uint32_t from, const struct dsm_msg *m)
{
	return d->c.walk->leads(d->c.arg, m->page) && dsm_request_queue(d, &d->ends, from, m) == 0;
}

/*
 * ENDED goes straight to who will have the page alone, on no channel on which what it leads to has
 * gone. So that is settled before. Tables lead downwards, so nobody waits for himself.
 */
static bool on_end(struct dsm *d, uint32_t from, const struct dsm_msg *m, struct dsm_cell *c)
{
	if (c->state != DSM_WALKING || m->node >= d->c.nodes || m->node == d->c.self)
		return false;
	if (is_early(d, from, m))
		return true;
	d->c.ops->drop(d->c.arg, m->page);
	/* Processors have written it until now. */
	if (is_early(d, from, m))
		d->c.ops->install(d->c.arg, m->page, true);
	else
		end(d, m, c);
	return true;
}

void dsm_walk_retry(struct dsm *d)
{
	struct dsm_request *r, *next, *list = d->ends;

	d->ends = NULL;
	/* What one of them brings about is done before the next: there is room for no more. */
	DL_FOREACH_SAFE(list, r, next) {
		dsm_take(d, r->from, &r->m);
		dsm_run_local(d);
		free(r);
	}
}

static bool on_ended(struct dsm *d, uint32_t from, const struct dsm_msg *m, struct dsm_cell *c)
{
	struct dsm_want *w = dsm_want_find(d, m->page);

	if (!w || !w->write || c->state != DSM_WALKING || from >= NODES_MAX)
		return false;
	/* What we have told is agreed on, or never will be, when the home has granted the end: not yet. */
	if (!w->data && !d->flushing && dsm_request_queue(d, &d->ends, from, m) == 0)
		return true;
	if (m->ndiff) {
		d->c.walk->merge(d->c.arg, m->page, m->diff, m->ndiff, true);
		w->owed |= UINT64_C(1) << from;
	}
	w->acks++;
	dsm_want_advance(d, w, c);
	return true;
}

/* ---- any of them ---- */

bool dsm_walk_take(struct dsm *d, uint32_t from, const struct dsm_msg *m, struct dsm_cell *c)
{
	if (!d->c.walk)
		return false;
	switch (m->kind) {
	case DSM_FWD_WALK:
		return on_fwd_walk(d, m, c);
	case DSM_APPLY:
		return on_apply(d, from, m, c);
	case DSM_SETTLED:
		return on_settled(d, m, c);
	case DSM_END:
		return on_end(d, from, m, c);
	default:
		return on_ended(d, from, m, c);
	}
}

static void end_one(struct dsm *d, uint64_t page, struct dsm_cell *c)
{
	if (c->state == DSM_WALKING)
		dsm_want(d, page, true);
}

void dsm_walk_view(struct dsm *d)
{
	if (d->c.walk)
		dsm_cells_each(d, end_one);
}

static void forget_one(struct dsm *d, uint64_t page, struct dsm_cell *c)
{
	(void)d;
	(void)page;
	c->left = 0;
}

/* What a home wants is void, and it will not grant anything. What others had written is not. */
void dsm_walk_forget(struct dsm *d)
{
	const struct dsm_request *r;

	DL_FOREACH(d->ends, r)
		if (r->m.kind == DSM_ENDED)
			dsm_take(d, r->from, &r->m);
	d->unsettled = d->foreign = 0;
	dsm_requests_free(&d->ends);
	if (d->c.walk)
		dsm_cells_each(d, forget_one);
}

/*
 * What a home says next about a page must not overtake what it said before, so its other messages
 * keep their place. Whatever ends a transaction of a WALKED page must wait for nothing: the
 * differences that others wait for, wait for that.
 */
enum dsm_lane dsm_walk_lane(const struct dsm_msg *m)
{
	switch (m->kind) {
	case DSM_DATA:
	case DSM_GRANT:
		if (m->flags & DSM_WALK)
			return DSM_LANE_FREE;
		return DSM_LANE_TELLS;
	case DSM_ACK:
		return DSM_LANE_TELLS;
	case DSM_FWD_GETS:
	case DSM_FWD_GETM:
	case DSM_INV:
	case DSM_LOST:
		return DSM_LANE_ORDERED;
	default:
		return DSM_LANE_FREE;
	}
}
