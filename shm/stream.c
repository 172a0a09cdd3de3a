/* SPDX-License-Identifier: BSD-3-Clause */
#include "shm/stream.h"

#define GAP   4 /* pages */
#define FIRST (UINT64_C(1) << 40)

/* From one page of S to the next, whichever way. */
static uint32_t stride(const struct dsm_stream *s)
{
	return (uint32_t)(s->step < 0 ? -s->step : s->step);
}

/* Which page of S that is; 0: none, whatever comes. */
static uint64_t place(const struct dsm_stream *s, uint64_t page)
{
	int64_t off = (int64_t)(page - s->origin);

	return off % s->step ? 0 : FIRST + (uint64_t)(off / s->step);
}

/* PAGE was asked for, and is no mark: it was left out, or is under way, or was here and is not any more. */
static bool is_inside(const struct dsm_stream *s, uint64_t page)
{
	return page > s->at && page < s->next;
}

/* The stream that PAGE belongs to: its mark, or what comes next, up to a window behind. */
static struct dsm_stream *find(struct dsm_streams *t, uint64_t page, unsigned how)
{
	bool mark = !t->careful || how & DSM_STREAM_MARKED;

	for (int i = 0; i < DSM_STREAMS; i++) {
		struct dsm_stream *s = &t->s[i];
		uint64_t at = s->used ? place(s, page) : 0;
		if (at && ((mark && at == s->mark) || at - s->next < 2 ||
			   (t->careful && is_inside(s, at))))
			return s;
	}
	return 0;
}

static bool is_step(const struct dsm_streams *t, int64_t n)
{
	return n == -1 || (!t->careful && n && n <= DSM_STREAM_STEP && n >= -DSM_STREAM_STEP);
}

/* Three that are as far apart: the step, or 0. */
static int32_t third(const struct dsm_streams *t, uint64_t page)
{
	for (uint32_t i = 0; i < 4; i++)
		for (uint32_t k = 0; k < 4; k++) {
			int64_t step = (int64_t)(page + 1 - t->last[i]);
			if (t->last[i] && t->last[k] && is_step(t, step) &&
			    t->last[i] - t->last[k] == (uint64_t)step)
				return (int32_t)step;
		}
	return 0;
}

/* PAGE follows a fault that we have seen lately, with that step; 0: it does not. */
static int32_t follows(struct dsm_streams *t, uint64_t page)
{
	for (uint32_t i = 0; i < 4; i++)
		if (t->last[i] && t->last[i] == page) /* stored as the page behind it */
			return 1;
	int32_t step = third(t, page);
	if (!step)
		t->last[t->at++ % 4] = page + 1;
	return step;
}

static struct dsm_stream *begin(struct dsm_streams *t, uint64_t page, int32_t step, bool write)
{
	struct dsm_stream *s = &t->s[0];

	for (int i = 0; i < DSM_STREAMS; i++) {
		if (!t->s[i].used) {
			s = &t->s[i];
			break;
		}
		if (t->clock - t->s[i].age > t->clock - s->age)
			s = &t->s[i];
	}
	*s = (struct dsm_stream){ .origin = page,
				  .step = step,
				  .next = FIRST + 1,
				  .at = FIRST - 1,
				  .run = 1,
				  .write = write,
				  .used = true };
	return s;
}

static void widen(struct dsm_stream *s, bool eager, uint32_t most)
{
	uint32_t next = s->window ? 2 * s->window : DSM_STREAM_LOW;

	s->window = eager || next > most ? most : next;
}

/*
 * Careful: S has come to PAGE, where nothing was brought and marked. Only pages that follow one another,
 * but for a few that are here, say that it goes on. False: nothing is to be asked for.
 */
static bool go_on(struct dsm_stream *s, uint64_t page, bool inside)
{
	bool next = page - s->at <= GAP || page == s->next;

	s->run = next ? s->run + 1 : 1;
	s->late = next ? s->late + 1 : 0;
	if (inside && (s->run < DSM_STREAM_SURE || (s->sure && s->late <= DSM_STREAM_SURE)))
		return false;
	if (inside)
		s->next = page + 1;
	s->late = 0;
	s->sure = s->run >= DSM_STREAM_SURE;
	return true;
}

/* False: PAGE brings nothing to be asked for. */
static bool advance(struct dsm_streams *t, struct dsm_stream *s, uint64_t page, unsigned how)
{
	bool more = true;

	if (how & DSM_STREAM_EAGER)
		s->sure = true;
	else if (t->careful && !(how & DSM_STREAM_MARKED))
		more = go_on(s, page, is_inside(s, page));
	s->at = page;
	return more;
}

static uint64_t page_at(const struct dsm_stream *s, uint64_t at)
{
	return s->origin + (uint64_t)((int64_t)(at - FIRST) * s->step);
}

/* How many there are of PAGES from what was not asked for yet on. */
static uint64_t left(const struct dsm_stream *s, uint64_t pages)
{
	uint64_t last = page_at(s, s->next - 1);

	return s->step < 0 ? last / stride(s) : last < pages ? (pages - 1 - last) / stride(s) : 0;
}

/* The next window, upwards in any case: neighbours come together. */
static struct dsm_ahead next_window(struct dsm_stream *s, uint64_t pages)
{
	uint64_t n = left(s, pages);
	struct dsm_ahead a = { .count = n < s->window ? (uint32_t)n : s->window,
			       .step = stride(s),
			       .sure = s->sure };

	s->mark = s->next + a.count / 4;
	a.mark = page_at(s, s->mark);
	a.first = page_at(s, s->step < 0 ? s->next + a.count - 1 : s->next);
	s->next += a.count;
	return a;
}

struct dsm_ahead dsm_stream_touch(struct dsm_streams *t, uint64_t page, uint64_t pages, bool write,
				  unsigned how)
{
	struct dsm_stream *s = find(t, page, how);
	bool eager = how & DSM_STREAM_EAGER;

	int32_t step = s ? s->step : eager ? 1 : follows(t, page);

	t->clock++;
	if (!step)
		return (struct dsm_ahead){ 0 };
	if (!s)
		s = begin(t, page, step, write);
	uint64_t at = place(s, page);
	if (!advance(t, s, at, how))
		return (struct dsm_ahead){ 0 };
	if (s->next <= at)
		s->next = at + 1;
	widen(s, eager, dsm_stream_most(t));
	s->age = t->clock;
	s->write = write;
	return next_window(s, pages);
}
