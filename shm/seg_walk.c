/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages of a guest's page tables that several nodes write (protocol_walk.c): which ones, their twins,
 * and the comparison before anything is told. doc/design/0021-walked.md.
 *
 * Virtual processors go on writing while we look, through a map of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "shm/diff.h"
#include "shm/seg_private.h"
#include "shm/tables.h"
#include "shm/walked.h"

#define WORDS	 DSM_WALKED_WORDS
#define DEVICES (UINT64_C(1) << 29) /* frames: 2 TiB */
#define TRIES	 1024 /* pages that are watched before they are let in */
#define CALM	 2   /* stays here that look like a walker's */
#define CHANGED	 64  /* entries that may change meanwhile */
#define WALKS	 512 /* pages in the mode that this node lets in */
#define TELLS	 32  /* times that what changes in one is told: perhaps nobody else looks any more */
#define LIFE	 (UINT64_C(20) * 1000 * 1000 * 1000) /* ns: then it has to show again that it needs it */

struct seg_walk {
	uint64_t page, since;
	unsigned told;
	UT_hash_handle hh;
	struct dsm_walked w;
};

/* A page that others want to write, as it came. */
struct seg_try {
	uint64_t page;
	unsigned calm;
	bool here, judged;
	uint64_t came[WORDS]; /* judged: what is agreed on from now on */
};

static struct seg_walk *find(const struct dsm_seg *s, uint64_t page)
{
	struct seg_walk *w;

	HASH_FIND(hh, s->walks, &page, sizeof page, w);
	return w;
}

/* Tables map more than memory: devices below 4 GiB, and those in the TiB behind it. */
static uint64_t frames(const struct dsm_seg *s)
{
	return s->b.pages > DEVICES / 2 ? s->b.pages * 2 : DEVICES;
}

static uint64_t *words(struct dsm_seg *s, uint64_t page)
{
	return (uint64_t *)(void *)dsm_backing_live(&s->b, page);
}

/* ---- where entries lead ---- */

static uint64_t page_of(void *arg, uint64_t frame)
{
	const struct dsm_seg *s = arg;

	return s->c.page_of ? s->c.page_of(s->c.home_arg, frame) : frame;
}

static bool is_open(void *arg, uint64_t frame)
{
	const struct dsm_seg *s = arg;

	return !dsm_walk_known(s->d, page_of(arg, frame));
}

/* It is remembered, to be ended: not at once, since pages of the mode are gone through just now. */
static bool note_open(void *arg, uint64_t frame)
{
	struct dsm_seg *s = arg;

	uint64_t page = page_of(s, frame);

	if (page + 1 == s->leaves || !is_open(arg, frame))
		return false;
	if (s->nopen < SEG_OPEN)
		s->open[s->nopen++] = page;
	return true;
}

static struct dsm_walked_guest guest(struct dsm_seg *s, bool (*open)(void *arg, uint64_t frame))
{
	return (struct dsm_walked_guest){ .frames = frames(s), .open = open, .arg = s };
}

/* What is here is not what all have. */
static bool is_ahead(void *arg, uint64_t frame)
{
	struct dsm_seg *s = arg;
	uint64_t page = page_of(s, frame);

	if (!is_open(arg, frame))
		return false;
	const struct seg_walk *w = find(s, page);
	return !w || !dsm_walked_agreed(&w->w, words(s, page));
}

static void end_open(struct dsm_seg *s)
{
	while (s->nopen)
		dsm_walk_end(s->d, s->open[--s->nopen], s->n->now);
}

/* ---- which ---- */

static const uint64_t *words_here(void *arg, uint64_t page)
{
	struct dsm_seg *s = arg;

	return page < s->b.pages && dsm_state(s->d, page) != DSM_INVALID ? words(s, page) : NULL;
}

static bool is_table(struct dsm_seg *s, uint64_t page)
{
	const struct dsm_tables t = { page_of, words_here, s };
	struct dsm_root roots[DSM_ROOTS];

	return !s->c.roots ||
	       dsm_tables_have(&t, roots, s->c.roots(s->c.home_arg, roots), page);
}

static struct seg_try *try_of(struct dsm_seg *s, uint64_t page, bool make)
{
	if (!s->tries && make)
		s->tries = calloc(TRIES, sizeof *s->tries);
	struct seg_try **t = s->tries ? &s->tries[page % TRIES] : NULL;
	if (t && !*t && make)
		*t = calloc(1, sizeof **t);
	return t ? *t : NULL;
}

void dsm_seg_walk_came(struct dsm_seg *s, uint64_t page)
{
	if (!(s->c.flags & DSM_WALKED))
		return;
	const uint64_t *now = words(s, page);
	struct seg_try *t = try_of(s, page, false);
	if ((!t || t->page != page) && dsm_walked_table(now, frames(s)) <= 0)
		return;
	t = try_of(s, page, true);
	if (!t)
		return;
	if (t->page != page)
		*t = (struct seg_try){ .page = page };
	t->here = true;
	dsm_walked_copy(t->came, now);
}

/* A stay here has ended. True: this and those before look like a table that is walked. */
static bool op_may(void *arg, uint64_t page)
{
	struct dsm_seg *s = arg;
	struct seg_try *t = try_of(s, page, false);
	uint64_t now[WORDS];

	if (!t || t->page != page || !t->here)
		return false;
	t->here = false;
	dsm_walked_copy(now, words(s, page));
	bool calm = dsm_walked_table(now, frames(s)) > 0 &&
		    dsm_walked_table(t->came, frames(s)) > 0 && dsm_walked_changes(t->came, now) <= CHANGED;
	t->calm = calm ? t->calm + 1 : 0;
	if (t->calm < CALM || HASH_COUNT(s->walks) >= WALKS || !is_table(s, page))
		return false;
	/*
	 * What leads to what not all have goes with a message that waits for that. Not only what is new
	 * here: what was there when the page came may have been gone since, and others were told.
	 */
	const struct dsm_walked_guest g = guest(s, is_ahead);
	t->judged = dsm_walked_leads(NULL, now, &g) == 0;
	memcpy(t->came, now, sizeof now);
	/* Without memory it has one writer, as ever. */
	if (t->judged && !s->next_walk)
		s->next_walk = calloc(1, sizeof *s->next_walk);
	t->judged &= s->next_walk != NULL;
	return t->judged;
}

/* ---- in and out ---- */

/* Processors may write it already, if it was here before. */
static void begin(struct dsm_seg *s, struct seg_walk *w)
{
	struct seg_try *t = try_of(s, w->page, false);
	bool judged = t && t->page == w->page && t->judged;
	uint64_t now[WORDS];

	if (judged)
		t->judged = false;
	else
		dsm_walked_copy(now, words(s, w->page));
	dsm_walked_begin(&w->w, judged ? t->came : now, words(s, w->page));
}

static bool op_enter(void *arg, uint64_t page)
{
	struct dsm_seg *s = arg;
	struct seg_walk *w = s->next_walk ? s->next_walk : calloc(1, sizeof *w);

	s->next_walk = NULL;
	if (!w)
		return false;
	w->page = page;
	w->since = s->n->now;
	begin(s, w);
	HASH_ADD(hh, s->walks, page, sizeof w->page, w);
	s->n->gate.walking = true;
	s->walk.entered++;
	return true;
}

static void op_leave(void *arg, uint64_t page)
{
	struct dsm_seg *s = arg;
	struct seg_walk *w = find(s, page);
	struct seg_try *t = try_of(s, page, false);

	if (t && t->page == page)
		t->calm = 0;
	if (!w)
		return;
	HASH_DEL(s->walks, w);
	free(w);
	s->walk.left++;
}

const uint8_t *dsm_seg_walk_base(const struct dsm_seg *s, uint64_t page)
{
	const struct seg_walk *w = find(s, page);

	return w ? (const uint8_t *)w->w.base : dsm_backing_bytes(&s->b, page);
}

/* ---- what others have changed ---- */

static bool op_merge(void *arg, uint64_t page, const uint8_t *diff, size_t n, bool last)
{
	struct dsm_seg *s = arg;
	struct seg_walk *w = find(s, page);

	if (!w) {
		dsm_diff_apply(diff, n, words(s, page));
		return false;
	}
	unsigned conflicts = dsm_walked_apply(&w->w, words(s, page), diff, n, last);
	s->walk.conflicts += conflicts;
	return conflicts == 0;
}

/* ---- what we have changed ---- */

static void op_settled(void *arg, uint64_t page)
{
	struct seg_walk *w = find(arg, page);

	if (w)
		dsm_walked_settled(&w->w);
}

static void op_last(void *arg, uint64_t page, struct dsm_msg *m)
{
	struct dsm_seg *s = arg;
	struct seg_walk *w = find(s, page);

	if (w)
		m->ndiff = dsm_walked_last(&w->w, words(s, page), s->diff_room);
	m->diff = s->diff_room;
}

static bool op_leads(void *arg, uint64_t page)
{
	struct dsm_seg *s = arg;
	struct seg_walk *w = find(s, page);
	uint64_t now[WORDS];

	if (!w)
		return false;
	const struct dsm_walked_guest g = guest(s, note_open);
	dsm_walked_copy(now, words(s, page));
	s->leaves = page + 1;
	unsigned n = dsm_walked_leads(w->w.sent, now, &g);
	s->leaves = 0;
	s->walk.later += n;
	end_open(s);
	return n;
}

const struct dsm_walk_ops dsm_seg_walk_ops = {
	.may = op_may,
	.enter = op_enter,
	.merge = op_merge,
	.settled = op_settled,
	.last = op_last,
	.leave = op_leave,
	.leads = op_leads,
};

/* ---- before anything is told ---- */

static void look_at(struct dsm_seg *s, struct seg_walk *w)
{
	const struct dsm_walked_guest g = guest(s, note_open);
	struct dsm_walked_told told;
	enum dsm_walked_look l =
		dsm_walked_look(&w->w, words(s, w->page), &g, s->diff_room, &told);

	s->walk.later += told.later;
	s->again |= told.later > 0;
	switch (l) {
	case DSM_WALKED_TELL:
		s->walk.diffs++;
		/*
		 * To take it back costs as much as to tell once more, and nothing afterwards. What is no table
		 * any more may have become data that looks like one, which nobody else may write.
		 */
		if (++w->told > TELLS || !is_table(s, w->page))
			dsm_walk_end(s->d, w->page, s->n->now);
		else
			dsm_walk_diff(s->d, w->page, s->diff_room, told.n);
		break;
	case DSM_WALKED_END:
		s->walk.ends++;
		dsm_walk_end(s->d, w->page, s->n->now);
		break;
	default:
		break;
	}
}

bool dsm_seg_walk_look(struct dsm_seg *s)
{
	struct seg_walk *w, *tmp;
	uint64_t oldest = UINT64_MAX, page = 0;

	s->again = false;
	s->walk.looks += HASH_COUNT(s->walks);
	HASH_ITER(hh, s->walks, w, tmp) {
		if (w->since < oldest) {
			oldest = w->since;
			page = w->page;
		}
		look_at(s, w);
	}
	end_open(s);
	if (oldest < s->n->now && s->n->now - oldest > LIFE)
		dsm_walk_end(s->d, page, s->n->now);
	return s->walks != NULL;
}

bool dsm_seg_walk_again(const struct dsm_seg *s)
{
	return s->again && !s->cut;
}

uint64_t dsm_seg_walk_pending(const struct dsm_seg *s)
{
	return s->cut || !s->d ? 0 : dsm_walk_pending(s->d);
}

void dsm_seg_walk_stats(struct dsm_seg *s, struct dsm_walk_stats *out)
{
	dsm_node_enter(s->n);
	*out = s->walk;
	out->now = HASH_COUNT(s->walks);
	out->flushes = s->n->gate.flushes;
	out->waits = s->n->gate.waits;
	dsm_node_leave(s->n);
}

void dsm_seg_walk_view(struct dsm_seg *s)
{
	struct seg_walk *w, *tmp;

	HASH_ITER(hh, s->walks, w, tmp)
		dsm_walked_again(&w->w);
}

void dsm_seg_walk_free(struct dsm_seg *s)
{
	struct seg_walk *w, *tmp;

	HASH_ITER(hh, s->walks, w, tmp) {
		HASH_DEL(s->walks, w);
		free(w);
	}
	for (unsigned i = 0; s->tries && i < TRIES; i++)
		free(s->tries[i]);
	free(s->tries);
	free(s->next_walk);
}
