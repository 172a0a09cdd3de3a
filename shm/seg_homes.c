/* SPDX-License-Identifier: BSD-3-Clause */
/* Homes of a segment that move, and a node that hands over all it has of it. */
#include <errno.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "shm/seg_private.h"

#define ASK_EVERY (100 * DVMI_MSEC) /* who was to decide may have died */
#define LOOK_EVERY (200 * DVMI_USEC)

static bool has_moved(const struct dsm_seg *s, const struct dsm_move *m)
{
	for (uint64_t page = m->first; page < m->first + m->count; page++)
		if (m->from == DSM_ANY ? dsm_seg_home_of(s, page) != m->to
				       : dsm_homes_of(s, page) == m->from)
			return false;
	return !dsm_seg_settling(s);
}

/* 1: it is under way. */
static int look_at_move(struct dsm_seg *s, const struct dsm_move *m, uint64_t *asked)
{
	uint64_t now = dvmi_clock_mono();

	if (s->cut || !dsm_node_alive(s->n, m->to))
		return -DVM_EPEERLOST;
	if (has_moved(s, m))
		return 0;
	if (now - *asked < ASK_EVERY)
		return 1;
	if (!dsm_homes_fits(s->n, m))
		return -ENOSPC;
	*asked = now;
	dsm_homes_ask(s->n, m);
	return 1;
}

static int move(struct dsm_seg *s, const struct dsm_move *m)
{
	_Atomic uint32_t never = 0;
	uint64_t asked = 0;
	int rc = 1;

	while (rc > 0) {
		dsm_node_enter(s->n);
		rc = look_at_move(s, m, &asked);
		dsm_node_leave(s->n);
		if (rc > 0)
			dsm_node_wait(s->n, &never, dvmi_clock_mono() + LOOK_EVERY);
	}
	return rc;
}

int dsm_seg_move_home(struct dsm_seg *s, uint64_t first, uint64_t n, uint32_t to)
{
	const struct dsm_move m = {
		.segment = s->c.id, .from = DSM_ANY, .to = to, .first = first, .count = n
	};

	return n ? move(s, &m) : 0;
}

/* ---- leaving ---- */

/*
 * M moves what has its home here, in few pieces however it lies: all that is ours, or that is of one that is
 * dead, whoever has its place. Else it is here because we wrote it first, and the view that comes with one
 * page forgets the others. False: there is nothing.
 */
static bool homes_here(struct dsm_seg *s, struct dsm_move *m)
{
	uint32_t self = s->n->c.self;
	uint64_t page = 0;

	dsm_node_enter(s->n);
	while (page < s->b.pages && dsm_seg_home_of(s, page) != self)
		page++;
	uint32_t of = page < s->b.pages ? dsm_homes_of(s, page) : self;
	bool one = of != self && dsm_node_alive(s->n, of);
	dsm_node_leave(s->n);
	m->from = one ? DSM_ANY : of;
	m->first = one ? page : 0;
	m->count = one ? 1 : s->b.pages;
	return page < s->b.pages;
}

/* True as long as others would miss something. */
static bool give_all_up(struct dsm_seg *s)
{
	bool some = false;

	dsm_node_enter(s->n);
	for (uint64_t page = 0; page < s->b.pages && !s->cut; page++) {
		some |= dsm_seg_is_needed(s, page);
		if (dsm_seg_allowed(s, page, false))
			dsm_seg_give_up(s, page);
	}
	dsm_node_leave(s->n);
	return some;
}

int dsm_seg_leave(struct dsm_seg *s, uint32_t heir)
{
	struct dsm_move m = { .segment = s->c.id, .to = heir };
	_Atomic uint32_t never = 0;
	int rc = dsm_seg_release(s);

	while (rc == 0 && homes_here(s, &m))
		rc = move(s, &m);
	while (rc == 0 && give_all_up(s))
		dsm_node_wait(s->n, &never, dvmi_clock_mono() + LOOK_EVERY);
	/* What was written until then, by somebody who does not heed that, is on its way. */
	if (rc == 0)
		rc = dsm_seg_release(s);
	return rc == 0 && s->cut ? -DVM_EPEERLOST : rc;
}
