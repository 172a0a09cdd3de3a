/* SPDX-License-Identifier: BSD-3-Clause */
/* What the engine knows of a page, in words: for a fault that takes too long. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "shm/protocol_private.h"

struct text {
	char *out;
	size_t room, n;
};

static void say(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(t->out + t->n, t->room - t->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->n = t->n + (size_t)n < t->room ? t->n + (size_t)n : t->room - 1;
}

static void say_want(struct text *t, const struct dsm_want *w)
{
	say(t, "; wants to %s%s, %s, %u of %u acknowledgements", w->write ? "write" : "read",
	    w->then_write ? ", then write" : "", w->data ? "has bytes" : "no bytes yet", w->acks,
	    w->needed);
}

static void say_held(struct text *t, const struct dsm_held *h, uint64_t now)
{
	if (h->pinned)
		say(t, "; pinned");
	else
		say(t, "; held for %" PRId64 " us more", (int64_t)(h->until - now) / 1000);
	if (h->asked)
		say(t, ", %s for node %u waits", dsm_kind_name((enum dsm_kind)h->m.kind),
		    h->m.node);
}

static void say_entry(struct text *t, const struct dsm_entry *e)
{
	const struct dsm_request *r;
	unsigned waiting = 0;

	for (r = e->queue; r; r = r->next)
		waiting++;
	say(t, "; home: %s node %u, sharers %" PRIx64 ", %u waiting",
	    e->walked ? "walked, first" : "owner", e->owner, e->sharers, waiting);
	if (e->busy)
		say(t, ", busy with node %u", e->requester);
	if (e->applies)
		say(t, ", %u to apply", e->applies);
}

size_t dsm_explain(const struct dsm *d, uint64_t page, char *out, size_t room)
{
	struct text t = { out, room, 0 };
	struct dsm_cell c = dsm_cell_get(d, page);
	const struct dsm_want *w = dsm_want_find(d, page);
	struct dsm_held *h;
	const struct dsm_entry *e = dsm_entry_find(d, page);

	say(&t, "%s, version %" PRIu64, dsm_state_name((enum dsm_state)c.state), c.version);
	if (w)
		say_want(&t, w);
	HASH_FIND(hh, d->held, &page, sizeof page, h);
	if (h)
		say_held(&t, h, d->now);
	if (e)
		say_entry(&t, e);
	for (const struct dsm_request *r = d->ends; r; r = r->next)
		if (r->m.page == page)
			say(&t, "; node %u waits for what it leads to", r->m.node);
	if (d->unsettled || d->foreign || dsm_settling(d))
		say(&t, "; %" PRIu64 " differences not settled, %" PRIu64 " of others%s",
		    d->unsettled, d->foreign,
		    dsm_settling(d) ? "; a view is being agreed on" : "");
	say(&t, "; %" PRIu64 " messages made no sense", d->stats.dropped);
	return t.n;
}
