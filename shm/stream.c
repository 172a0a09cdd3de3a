/* SPDX-License-Identifier: BSD-3-Clause */
#include "shm/stream.h"

#define GAP 4 /* pages */

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
		if (s->used && ((mark && page == s->mark) || page - s->next < 2 ||
				(t->careful && is_inside(s, page))))
			return s;
	}
	return 0;
}

/* PAGE follows a fault that we have seen lately. */
static bool follows(struct dsm_streams *t, uint64_t page)
{
	for (uint32_t i = 0; i < 4; i++)
		if (t->last[i] && t->last[i] == page) /* stored as the page behind it */
			return true;
	t->last[t->at++ % 4] = page + 1;
	return false;
}

static struct dsm_stream *begin(struct dsm_streams *t, uint64_t page, bool write)
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
	*s = (struct dsm_stream){
		.next = page + 1, .at = page - 1, .run = 1, .write = write, .used = true
	};
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

struct dsm_ahead dsm_stream_touch(struct dsm_streams *t, uint64_t page, uint64_t pages, bool write,
				  unsigned how)
{
	struct dsm_stream *s = find(t, page, how);
	bool eager = how & DSM_STREAM_EAGER;

	t->clock++;
	if (!s && (eager || follows(t, page)))
		s = begin(t, page, write);
	if (!s || !advance(t, s, page, how))
		return (struct dsm_ahead){ 0 };
	if (s->next <= page)
		s->next = page + 1;
	widen(s, eager, dsm_stream_most(t));
	s->age = t->clock;
	s->write = write;
	struct dsm_ahead a = { .first = s->next, .sure = s->sure };
	uint64_t left = pages > a.first ? pages - a.first : 0;
	a.count = left < s->window ? (uint32_t)left : s->window;
	s->next += a.count;
	s->mark = a.mark = a.first + a.count / 4;
	return a;
}
