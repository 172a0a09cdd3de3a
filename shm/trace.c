/* SPDX-License-Identifier: BSD-3-Clause */
#include "shm/trace.h"

#include <inttypes.h>
#include <stdio.h>

#include "shm/protocol.h"

static bool concerns(const struct dsm_event *e, const struct dsm_slow *s)
{
	bool any = e->what == DSM_TRACE_SHUT || e->what == DSM_TRACE_OPEN;

	return e->at >= s->since && (any || e->page == s->page);
}

/* When there is no room the first half stays: how it began says most. */
static void keep(struct dsm_slow *s, const struct dsm_event *e)
{
	if (s->n == DSM_SLOW_MAX) {
		for (uint32_t i = DSM_SLOW_MAX / 2; i + 1 < DSM_SLOW_MAX; i++)
			s->events[i] = s->events[i + 1];
		s->n--;
		s->skipped++;
	}
	s->events[s->n++] = *e;
}

static void pick(const struct dsm_trace *t, struct dsm_slow *s, uint64_t page, uint64_t since)
{
	uint64_t i = t->next > DSM_TRACE_RING ? t->next - DSM_TRACE_RING : 0;

	s->page = page;
	s->since = since;
	s->ns = s->n = s->skipped = 0;
	for (; i < t->next; i++)
		if (concerns(&t->ring[i % DSM_TRACE_RING], s))
			keep(s, &t->ring[i % DSM_TRACE_RING]);
}

void dsm_trace_add(struct dsm_trace *t, const struct dsm_event *e)
{
	t->ring[t->next++ % DSM_TRACE_RING] = *e;
	if (t->watching && concerns(e, &t->watched))
		keep(&t->watched, e);
}

void dsm_trace_watch(struct dsm_trace *t, uint64_t page, uint64_t since)
{
	if (t->watching)
		return;
	t->watching = true;
	pick(t, &t->watched, page, since);
}

bool dsm_trace_over(struct dsm_trace *t, uint64_t page, uint64_t since, uint64_t now)
{
	bool watched = t->watching && t->watched.page == page;

	if (watched)
		t->watching = false;
	if (now - since <= t->slowest.ns)
		return false;
	if (watched)
		t->slowest = t->watched;
	else
		pick(t, &t->slowest, page, since);
	t->slowest.ns = now - since;
	return true;
}

/* ---- words ---- */

static int event_text(const struct dsm_event *e, uint64_t since, char *out, size_t room)
{
	static const char *const words[] = { "?", "fault", "sent", "came", "mapped",
					     "protected", "dropped", "shut", "open" };
	const char *what = e->what <= DSM_TRACE_OPEN ? words[e->what] : "?";
	uint64_t us = (e->at - since) / 1000;

	if (e->what == DSM_TRACE_SENT || e->what == DSM_TRACE_CAME)
		return snprintf(out, room, ", %" PRIu64 " %s %s%s%s %s %u", us, what,
				dsm_kind_name((enum dsm_kind)e->kind),
				e->flags & DSM_EXCLUSIVE ? "!" : "", e->flags & DSM_WALK ? "~" : "",
				e->what == DSM_TRACE_SENT ? "to" : "from", e->node);
	if (e->what == DSM_TRACE_FAULT || e->what == DSM_TRACE_MAPPED)
		return snprintf(out, room, ", %" PRIu64 " %s to %s", us, what,
				e->node ? "write" : "read");
	return snprintf(out, room, ", %" PRIu64 " %s", us, what);
}

size_t dsm_slow_text(const struct dsm_slow *s, char *out, size_t room)
{
	int n = snprintf(out, room, "page %" PRIu64 ", %" PRIu64 " us", s->page, s->ns / 1000);

	for (uint32_t i = 0; i < s->n && n >= 0 && (size_t)n < room; i++) {
		int more = event_text(&s->events[i], s->since, out + n, room - (size_t)n);
		if (more < 0 || (size_t)(n + more) >= room) {
			out[n] = '\0';
			break;
		}
		n += more;
	}
	return n < 0 ? 0 : (size_t)n < room ? (size_t)n : room ? room - 1 : 0;
}
