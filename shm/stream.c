/* SPDX-License-Identifier: BSD-3-Clause */
#include "shm/stream.h"

/* The stream that PAGE belongs to: its mark, or what comes next, up to a window behind. */
static struct dsm_stream *find(struct dsm_streams *t, uint64_t page)
{
	for (int i = 0; i < DSM_STREAMS; i++) {
		struct dsm_stream *s = &t->s[i];
		if (s->used && (page == s->mark || page - s->next < 2))
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
	*s = (struct dsm_stream){ .next = page + 1, .write = write, .used = true };
	return s;
}

static void widen(struct dsm_stream *s, bool eager, uint32_t most)
{
	uint32_t next = s->window ? 2 * s->window : DSM_STREAM_LOW;

	s->window = eager || next > most ? most : next;
}

struct dsm_ahead dsm_stream_touch(struct dsm_streams *t, uint64_t page, uint64_t pages, bool write,
				  bool eager)
{
	struct dsm_stream *s = find(t, page);

	t->clock++;
	if (!s && (eager || follows(t, page)))
		s = begin(t, page, write);
	if (!s)
		return (struct dsm_ahead){ 0 };
	if (s->next <= page)
		s->next = page + 1;
	widen(s, eager, dsm_stream_most(t));
	s->age = t->clock;
	s->write = write;
	struct dsm_ahead a = { .first = s->next };
	uint64_t left = pages > a.first ? pages - a.first : 0;
	a.count = left < s->window ? (uint32_t)left : s->window;
	s->next += a.count;
	s->mark = a.mark = a.first + a.count / 4;
	return a;
}
