/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Twins: what a page was before it was written here, so that who has that can be sent the
 * difference. Only pages that are fought for have one, and only so many at a time.
 */
#include <stdlib.h>
#include <string.h>

#include "shm/seg_private.h"

#define TWINS 256 /* of a segment */

struct seg_twin {
	uint64_t page, version;
	uint8_t bytes[];
};

/* A page has one place; who needs it last has it. */
static struct seg_twin **place(struct dsm_seg *s, uint64_t page)
{
	return &s->twins[page % TWINS];
}

void dsm_seg_twin(struct dsm_seg *s, uint64_t page)
{
	uint64_t version = dsm_version(s->d, page);

	if (s->c.flags & DSM_NO_DIFF || s->one_host || version < 2 || !dsm_seg_is_fought(s, page))
		return;
	if (!s->twins)
		s->twins = calloc(TWINS, sizeof *s->twins);
	struct seg_twin **t = s->twins ? place(s, page) : NULL;
	if (t && !*t)
		*t = malloc(sizeof **t + s->c.unit);
	if (!t || !*t)
		return;
	(*t)->page = page;
	(*t)->version = version - 1;
	memcpy((*t)->bytes, dsm_backing_bytes(&s->b, page), s->c.unit);
}

const uint8_t *dsm_seg_twin_of(struct dsm_seg *s, uint64_t page, uint64_t version)
{
	const struct seg_twin *t = s->twins ? *place(s, page) : NULL;

	return t && t->page == page && t->version == version ? t->bytes : NULL;
}

void dsm_seg_twins_free(struct dsm_seg *s)
{
	for (int i = 0; s->twins && i < TWINS; i++)
		free(s->twins[i]);
	free(s->twins);
}
