/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of pages whose home is elsewhere: where there are more than there may be, some are given
 * up, in turn. Copies that others have, and bytes that are only kept, go at once; what only we have
 * is offered to its home, and is gone once that has it. What we are home to stays.
 */
#include <errno.h>

#include "shm/seg_private.h"

#define LOOKS 256 /* pages looked at in one go */

void dsm_seg_keep(struct dsm_seg *s, uint64_t page)
{
	if (s->marks[page] & SEG_KEPT)
		return;
	bool ours = dsm_seg_home_of(s, page) == s->n->c.self;

	s->marks[page] |= SEG_KEPT;
	s->kept += !ours;
	s->claimed += ours && s->c.flags & DSM_FIRST_TOUCH &&
		      s->c.home(s->c.home_arg, page) != s->n->c.self;
}

void dsm_seg_count_kept(struct dsm_seg *s)
{
	s->kept = s->claimed = 0;
	for (uint64_t page = 0; page < s->b.pages; page++)
		s->kept += s->marks[page] & SEG_KEPT && dsm_seg_home_of(s, page) != s->n->c.self;
}

static void release(struct dsm_seg *s, uint64_t page)
{
	dsm_backing_release(&s->b, page);
	if (s->marks[page] & SEG_KEPT && dsm_seg_home_of(s, page) != s->n->c.self && s->kept)
		s->kept--;
	s->marks[page] &= (uint8_t)~SEG_KEPT;
}

int dsm_seg_give_up(struct dsm_seg *s, uint64_t page)
{
	int rc = s->d ? dsm_discard(s->d, page) : dsm_rc_discard(s->r, page);

	if (rc == 0)
		release(s, page);
	else if (rc == -ENOENT && s->d)
		rc = dsm_evict(s->d, page) == 0 ? -EAGAIN : -ENOENT;
	s->stats.evicted += rc == 0;
	return rc;
}

void dsm_seg_make_room(struct dsm_seg *s)
{
	for (int i = 0; i < LOOKS && s->kept > s->most && !s->cut; i++) {
		uint64_t page = s->hand;
		s->hand = page + 1 < s->b.pages ? page + 1 : 0;
		if (s->marks[page] & SEG_KEPT && !dsm_seg_waits(s, page) &&
		    dsm_seg_home_of(s, page) != s->n->c.self)
			dsm_seg_give_up(s, page);
	}
}
