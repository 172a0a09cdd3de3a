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

static uint64_t chunks_of(const struct dsm *d)
{
	return (d->c.pages + DSM_CHUNK - 1) / DSM_CHUNK;
}

int dsm_cells_init(struct dsm *d)
{
	d->chunks = calloc(chunks_of(d), sizeof(struct dsm_chunk *));
	return d->chunks ? 0 : -ENOMEM;
}

struct dsm_cell dsm_cell_get(const struct dsm *d, uint64_t page)
{
	const struct dsm_chunk *c = d->chunks[page / DSM_CHUNK];

	return c ? c->cells[page % DSM_CHUNK] : untouched(d, page);
}

struct dsm_cell *dsm_cell_touch(struct dsm *d, uint64_t page)
{
	uint64_t index = page / DSM_CHUNK;
	struct dsm_chunk *c = d->chunks[index];

	if (!c) {
		c = calloc(1, sizeof *c);
		d->starved |= !c;
		if (!c)
			return NULL;
		/* The last one is not full, and who is home to what is not there is not to be asked. */
		for (uint64_t p = index * DSM_CHUNK; p < d->c.pages && p / DSM_CHUNK == index; p++)
			c->cells[p % DSM_CHUNK] = untouched(d, p);
		d->chunks[index] = c;
	}
	return &c->cells[page % DSM_CHUNK];
}

int dsm_remember(struct dsm *d, uint64_t page)
{
	return dsm_cell_touch(d, page) ? 0 : -ENOMEM;
}

void dsm_cells_free(struct dsm *d)
{
	for (uint64_t i = 0; d->chunks && i < chunks_of(d); i++) {
		if (d->chunks[i])
			free(d->chunks[i]->shelf);
		free(d->chunks[i]);
	}
	free(d->chunks);
}

void dsm_cells_each(struct dsm *d, void (*fn)(struct dsm *d, uint64_t page, struct dsm_cell *c))
{
	for (uint64_t i = 0; i < d->c.pages; i++)
		if (d->chunks[i / DSM_CHUNK])
			fn(d, i, &d->chunks[i / DSM_CHUNK]->cells[i % DSM_CHUNK]);
		else
			i += DSM_CHUNK - 1;
}
