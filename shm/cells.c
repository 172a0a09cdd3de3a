/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "shm/protocol_private.h"

/* The pages of a home are its own, and zero, until somebody asks for them. */
static struct dsm_cell untouched(const struct dsm *d, uint64_t page)
{
	bool ours = !d->c.late && d->c.home(d->c.arg, page) == d->c.self;

	return (struct dsm_cell){ .version = d->c.late ? DSM_NO_VERSION : 0,
				  .state = ours ? DSM_OWNED : DSM_INVALID };
}

static struct dsm_chunk *find(const struct dsm *d, uint64_t index)
{
	struct dsm_chunk *c;

	HASH_FIND(hh, d->chunks, &index, sizeof index, c);
	return c;
}

struct dsm_cell dsm_cell_get(const struct dsm *d, uint64_t page)
{
	struct dsm_chunk *c = find(d, page / DSM_CHUNK);

	return c ? c->cells[page % DSM_CHUNK] : untouched(d, page);
}

struct dsm_cell *dsm_cell_touch(struct dsm *d, uint64_t page)
{
	struct dsm_chunk *c = find(d, page / DSM_CHUNK);

	if (!c) {
		c = calloc(1, sizeof *c);
		if (!c)
			return NULL;
		c->index = page / DSM_CHUNK;
		for (uint64_t i = 0; i < DSM_CHUNK; i++)
			c->cells[i] = untouched(d, c->index * DSM_CHUNK + i);
		HASH_ADD(hh, d->chunks, index, sizeof c->index, c);
	}
	return &c->cells[page % DSM_CHUNK];
}

int dsm_remember(struct dsm *d, uint64_t page)
{
	return dsm_cell_touch(d, page) ? 0 : -ENOMEM;
}

void dsm_cells_free(struct dsm *d)
{
	struct dsm_chunk *c, *tmp;

	HASH_ITER(hh, d->chunks, c, tmp) {
		HASH_DEL(d->chunks, c);
		free(c);
	}
}

void dsm_cells_each(struct dsm *d, void (*fn)(struct dsm *d, uint64_t page, struct dsm_cell *c))
{
	struct dsm_chunk *c, *tmp;

	HASH_ITER(hh, d->chunks, c, tmp)
		for (uint64_t i = 0; i < DSM_CHUNK && c->index * DSM_CHUNK + i < d->c.pages; i++)
			fn(d, c->index * DSM_CHUNK + i, &c->cells[i]);
}
