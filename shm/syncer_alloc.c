/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges of segments, taken by request from the home of a segment's books. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "shm/syncer_private.h"

static struct dsm_syncer_seg *find(const struct dsm_syncer *s, uint64_t space)
{
	struct dsm_syncer_seg *g = s->segs;

	while (g && g->space != space)
		g = g->next;
	return g;
}

size_t dsm_syncer_books(uint64_t bytes, uint64_t unit, uint32_t ranks)
{
	return dsm_alloc_bytes(bytes, unit, ranks);
}

int dsm_syncer_segment(struct dsm_syncer *s, uint32_t space, uint64_t bytes, uint64_t unit,
		       void *books)
{
	struct dsm_syncer_seg *g = calloc(1, sizeof *g);

	if (!g)
		return -ENOMEM;
	*g = (struct dsm_syncer_seg){
		.space = space, .bytes = bytes, .unit = unit, .books = books
	};
	s->way->enter(s);
	g->next = s->segs;
	s->segs = g;
	s->way->leave(s);
	return 0;
}

static size_t books_bytes(const struct dsm_syncer *s, const struct dsm_syncer_seg *g)
{
	return dsm_alloc_bytes(g->bytes, g->unit, s->ranks);
}

void dsm_syncer_forget_seg(struct dsm_syncer *s, uint32_t space)
{
	for (struct dsm_syncer_seg **at = &s->segs, *g; (g = *at); at = &g->next) {
		if (g->space != space)
			continue;
		*at = g->next;
		if (g->own)
			munmap(g->own, books_bytes(s, g));
		free(g);
		return;
	}
}

/* The books of G are open afterwards. */
static int open_books(struct dsm_syncer *s, struct dsm_syncer_seg *g)
{
	if (g->alloc.b)
		return 0;
	if (!g->books) {
		void *p = mmap(NULL, books_bytes(s, g), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			return -ENOMEM;
		g->books = g->own = p;
	}
	dsm_alloc_open(&g->alloc, g->books, g->bytes, g->unit, s->ranks);
	return 0;
}

void dsm_syncer_serve_alloc(struct dsm_syncer *s, const struct dsm_sync_req *q)
{
	struct dsm_syncer_seg *g = find(s, q->space);
	struct dsm_sync_reply r = { .ticket = q->ticket };

	r.code = g ? open_books(s, g) : -EINVAL;
	if (r.code == 0 && q->op == DSM_SYNCER_TAKE)
		r.code = dsm_alloc_take(&g->alloc, q->rank, q->a, q->b, &r.value);
	else if (r.code == 0)
		r.code = q->op == DSM_SYNCER_GIVE ? dsm_alloc_give(&g->alloc, q->a) : -EINVAL;
	s->home.tell(s->home.arg, q->rank, &r);
}

int dsm_syncer_take(struct dsm_syncer *s, uint32_t space, uint64_t bytes, uint64_t align,
		    uint64_t *offset)
{
	return dsm_syncer_ask(s, space, 0, DSM_SYNCER_TAKE, bytes, align, offset);
}

int dsm_syncer_give(struct dsm_syncer *s, uint32_t space, uint64_t offset)
{
	return dsm_syncer_ask(s, space, 0, DSM_SYNCER_GIVE, offset, 0, NULL);
}
