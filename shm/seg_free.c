/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages whose bytes nobody wants any more, as the free memory of a guest. Afterwards they take no memory,
 * read as zeros, and their homes have them for themselves, so there is nothing to be known of them.
 *
 * First each node empties what it alone has; then homes call in the rest, which comes as zeros.
 */
#include <errno.h>

#include "libdvm/base/clock.h"
#include "shm/seg_private.h"

#define PIECE	 64u /* pages that are called in at once */
#define PATIENCE (500 * DVMI_MSEC) /* for one piece: what is wanted elsewhere stays there */
#define LOOK	 (200 * DVMI_USEC)

static bool empty(struct dsm_seg *s, uint64_t page)
{
	if (!(s->marks[page] & SEG_KEPT) || dsm_seg_waits(s, page) || dsm_renew(s->d, page) < 0)
		return false;
	dsm_backing_drop(&s->b, page);
	dsm_seg_release_bytes(s, page);
	return true;
}

static int64_t empty_all(struct dsm_seg *s, uint64_t first, uint64_t end)
{
	int64_t n = 0;

	dsm_node_enter(s->n);
	for (uint64_t page = first; page < end && !s->cut; page++)
		n += empty(s, page);
	dsm_node_leave(s->n);
	return n;
}

/* Nobody has written it yet, and it is here. */
static bool is_new(const struct dsm_seg *s, uint64_t page)
{
	return dsm_version(s->d, page) == 0 && dsm_state(s->d, page) == DSM_OWNED;
}

/* Our own pages that are elsewhere are asked for. How many that are. */
static uint64_t call_in(struct dsm_seg *s, uint64_t first, uint64_t end)
{
	uint64_t n = 0;

	for (uint64_t page = first; page < end && !s->cut; page++)
		if (dsm_home(s->d, page) == s->n->c.self && !is_new(s, page) &&
		    !dsm_seg_allowed(s, page, true) && dsm_seg_ask(s, page, true, true) == 0)
			n++;
	return n;
}

static void take_home(struct dsm_seg *s, uint64_t first, uint64_t end)
{
	uint64_t until = dvmi_clock_mono() + PATIENCE;
	_Atomic uint32_t never = 0;

	for (uint64_t left = 1; left && dvmi_clock_mono() < until;) {
		dsm_node_enter(s->n);
		left = call_in(s, first, end);
		dsm_seg_settle(s);
		dsm_node_leave(s->n);
		if (left)
			dsm_node_wait(s->n, &never, dvmi_clock_mono() + LOOK);
	}
}

int64_t dsm_seg_free(struct dsm_seg *s, uint64_t first, uint64_t n)
{
	int64_t done = 0;

	if (!s->d || s->b.common || first > s->b.pages || n > s->b.pages - first)
		return -EINVAL;
	for (uint64_t at = first; at < first + n; at += PIECE) {
		uint64_t end = at + PIECE < first + n ? at + PIECE : first + n;
		done += empty_all(s, at, end);
		take_home(s, at, end);
		done += empty_all(s, at, end);
	}
	return done;
}
