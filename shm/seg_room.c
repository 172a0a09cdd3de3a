/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of pages whose home is elsewhere: where there are more than there may be, some are given
 * up, in turn, those that are used later than others (a clock with a second chance: Corbato 1968): a page
 * that is mapped is unmapped first, and given up if nobody has touched it until the next time. Copies that
 * others have, and bytes that are only kept, go at once; what only we have is offered to its home, and is
 * gone once that has it. What we are home to stays.
 */
#include <errno.h>

#include "shm/seg_private.h"

#define LOOKS	  256 /* pages looked at in one go */
#define PUT_LOOKS 1000 /* then its home was busy, or somebody wants it here */

void dsm_seg_keep(struct dsm_seg *s, uint64_t page)
{
	s->marks[page] &= (uint8_t)~SEG_OLD;
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

void dsm_seg_release_bytes(struct dsm_seg *s, uint64_t page)
{
	dsm_backing_release(&s->b, page);
	if (s->marks[page] & SEG_KEPT && dsm_seg_home_of(s, page) != s->n->c.self && s->kept)
		s->kept--;
	s->marks[page] &= (uint8_t)~SEG_KEPT;
}

/* Gone at once, with its bytes: 0. */
static int discard(struct dsm_seg *s, uint64_t page)
{
	int rc = s->d ? dsm_discard(s->d, page) : dsm_rc_discard(s->r, page);

	if (rc == 0)
		dsm_seg_release_bytes(s, page);
	s->stats.evicted += rc == 0;
	return rc;
}

/* As dsm_seg_give_up(); 1: it was offered to its home. */
static int give_up(struct dsm_seg *s, uint64_t page)
{
	int rc = discard(s, page);

	if (rc == -ENOENT && s->d)
		rc = dsm_evict(s->d, page) == 0 ? 1 : -ENOENT;
	return rc;
}

int dsm_seg_give_up(struct dsm_seg *s, uint64_t page)
{
	int rc = give_up(s, page);

	return rc == 1 ? -EAGAIN : rc;
}

/* What was offered and is gone: its bytes go, too. */
static void collect(struct dsm_seg *s)
{
	for (unsigned i = 0; i < s->nputs;) {
		struct seg_put *p = &s->puts[i];
		if (discard(s, p->page) == 0 || ++p->looks == PUT_LOOKS)
			*p = s->puts[--s->nputs];
		else
			i++;
	}
}

/* Room is made before there is none, so that streams go on. */
static uint64_t enough(const struct dsm_seg *s)
{
	uint64_t spare = 2 * (uint64_t)dsm_stream_most(&s->streams);

	return s->most > 4 * spare ? s->most - spare : s->most;
}

/* It gets a second chance. */
static bool is_mapped(const struct dsm_seg *s, uint64_t page)
{
	return s->d && s->b.map[page] != DSM_MAP_NONE && !(s->marks[page] & SEG_OLD) &&
	       dsm_state(s->d, page) != DSM_WALKING;
}

static void consider(struct dsm_seg *s, uint64_t page)
{
	if (is_mapped(s, page)) {
		dsm_backing_drop(&s->b, page);
		s->marks[page] |= SEG_OLD;
	} else if (give_up(s, page) == 1) {
		s->puts[s->nputs++] = (struct seg_put){ .page = page };
	}
}

void dsm_seg_make_room(struct dsm_seg *s)
{
	if (s->nputs && !s->cut)
		collect(s);
	for (int i = 0; i < LOOKS && s->nputs < SEG_PUTS && s->kept > enough(s) + s->nputs && !s->cut;
	     i++) {
		uint64_t page = s->hand;
		s->hand = page + 1 < s->b.pages ? page + 1 : 0;
		if (s->marks[page] & SEG_KEPT && !dsm_seg_waits(s, page) &&
		    dsm_seg_home_of(s, page) != s->n->c.self)
			consider(s, page);
	}
}
