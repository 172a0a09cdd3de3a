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
		if (dsm_seg_home_of(s, page) != m->to)
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
	if (s->n->homes.n == DSM_MOVES_MAX)
		return -ENOSPC;
	*asked = now;
	dsm_homes_ask(s->n, m);
	return 1;
}

int dsm_seg_move_home(struct dsm_seg *s, uint64_t first, uint64_t n, uint32_t to)
{
	const struct dsm_move m = { .segment = s->c.id, .to = to, .first = first, .count = n };
	_Atomic uint32_t never = 0;
	uint64_t asked = 0;
	int rc = n ? 1 : 0;

	while (rc > 0) {
		dsm_node_enter(s->n);
		rc = look_at_move(s, &m, &asked);
		dsm_node_leave(s->n);
		if (rc > 0)
			dsm_node_wait(s->n, &never, dvmi_clock_mono() + LOOK_EVERY);
	}
	return rc;
}

/* ---- leaving ---- */

/* The run of pages from *AT on whose home is here; 0 when there is none. */
static uint64_t homes_here(struct dsm_seg *s, uint64_t *at)
{
	uint64_t n = 0;

	dsm_node_enter(s->n);
	while (*at < s->b.pages && dsm_seg_home_of(s, *at) != s->n->c.self)
		++*at;
	while (*at + n < s->b.pages && dsm_seg_home_of(s, *at + n) == s->n->c.self)
		n++;
	dsm_node_leave(s->n);
	return n;
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
	_Atomic uint32_t never = 0;
	uint64_t at = 0, n;
	int rc = dsm_seg_release(s);

	while (rc == 0 && (n = homes_here(s, &at)))
		rc = dsm_seg_move_home(s, at, n, heir);
	while (rc == 0 && give_all_up(s))
		dsm_node_wait(s->n, &never, dvmi_clock_mono() + LOOK_EVERY);
	/* What was written until then, by somebody who does not heed that, is on its way. */
	if (rc == 0)
		rc = dsm_seg_release(s);
	return rc == 0 && s->cut ? -DVM_EPEERLOST : rc;
}
