/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a home knows of its pages, and requests that wait there. A page that nobody else has asked for
 * has no entry; the others' lie side by side with the cells of their chunk, so that who asks for page
 * after page has them found without a search.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "shm/protocol_private.h"

struct dsm_shelf {
	struct dsm_entry *of[DSM_CHUNK];
};

struct dsm_entry *dsm_entry_find(const struct dsm *d, uint64_t page)
{
	const struct dsm_chunk *c = d->chunks[page / DSM_CHUNK];

	return c && c->shelf ? c->shelf->of[page % DSM_CHUNK] : NULL;
}

static struct dsm_shelf *shelf_of(struct dsm *d, uint64_t page)
{
	struct dsm_chunk *c = dsm_cell_touch(d, page) ? d->chunks[page / DSM_CHUNK] : NULL;

	if (c && !c->shelf)
		c->shelf = calloc(1, sizeof *c->shelf);
	d->starved |= !c || !c->shelf;
	return c ? c->shelf : NULL;
}

/* If the home has no copy either, the page is lost. */
struct dsm_entry *dsm_entry_touch(struct dsm *d, uint64_t page)
{
	struct dsm_shelf *s = shelf_of(d, page);
	struct dsm_entry *e = s ? s->of[page % DSM_CHUNK] : NULL;

	if (e || !s)
		return e;
	e = calloc(1, sizeof *e);
	d->starved |= !e;
	if (!e)
		return NULL;
	enum dsm_state state = dsm_state(d, page);
	e->page = page;
	e->owner = d->c.self;
	e->owned = state == DSM_OWNED || state == DSM_MODIFIED;
	e->poisoned = !e->owned;
	e->kept = DSM_NO_VERSION;
	return s->of[page % DSM_CHUNK] = e;
}

struct dsm_entry *dsm_entry_next(const struct dsm *d, uint64_t page)
{
	while (d->chunks && page < d->c.pages) {
		const struct dsm_chunk *c = d->chunks[page / DSM_CHUNK];
		if (!c || !c->shelf)
			page = (page / DSM_CHUNK + 1) * DSM_CHUNK;
		else if (c->shelf->of[page % DSM_CHUNK])
			return c->shelf->of[page % DSM_CHUNK];
		else
			page++;
	}
	return NULL;
}

void dsm_entry_free(struct dsm *d, struct dsm_entry *e)
{
	d->chunks[e->page / DSM_CHUNK]->shelf->of[e->page % DSM_CHUNK] = NULL;
	dsm_requests_free(&e->queue);
	free(e);
}

void dsm_entries_free(struct dsm *d)
{
	for (struct dsm_entry *e = dsm_entry_next(d, 0), *next; e; e = next) {
		next = dsm_entry_next(d, e->page + 1);
		dsm_entry_free(d, e);
	}
}

/* ---- requests ---- */

void dsm_requests_free(struct dsm_request **list)
{
	struct dsm_request *r, *next;

	DL_FOREACH_SAFE(*list, r, next)
		free(r);
	*list = NULL;
}

int dsm_request_queue(struct dsm *d, struct dsm_request **list, uint32_t from, const struct dsm_msg *m)
{
	struct dsm_request *r = malloc(sizeof *r + m->ndiff);

	d->starved |= !r;
	if (!r)
		return -ENOMEM;
	r->from = from;
	r->m = *m;
	if (m->ndiff)
		memcpy(r->diff, m->diff, m->ndiff);
	r->m.diff = r->diff;
	DL_APPEND(*list, r);
	return 0;
}
