/* SPDX-License-Identifier: BSD-3-Clause */
/* Release consistency of a segment: twins, and changes made in what is kept of pages. */
#include <stdlib.h>
#include <string.h>

#include "shm/seg_private.h"

struct seg_twin_rc {
	uint64_t page;
	UT_hash_handle hh;
	uint8_t bytes[];
};

static struct seg_twin_rc *find(const struct dsm_seg *s, uint64_t page)
{
	struct seg_twin_rc *t;

	HASH_FIND(hh, s->rc.twins, &page, sizeof page, t);
	return t;
}

const uint8_t *dsm_seg_rc_released(const struct dsm_seg *s, uint64_t page)
{
	const struct seg_twin_rc *t = s->rc.twins ? find(s, page) : NULL;

	return t ? t->bytes : dsm_backing_bytes(&s->b, page);
}

bool dsm_seg_rc_twin(void *arg, uint64_t page)
{
	struct dsm_seg *s = arg;
	struct seg_twin_rc *t = find(s, page);

	if (!t) {
		t = malloc(sizeof *t + s->c.unit);
		if (!t)
			return false;
		t->page = page;
		HASH_ADD(hh, s->rc.twins, page, sizeof t->page, t);
	}
	memcpy(t->bytes, dsm_backing_bytes(&s->b, page), s->c.unit);
	return true;
}

static void free_twin(struct dsm_seg *s, struct seg_twin_rc *t)
{
	HASH_DEL(s->rc.twins, t);
	free(t);
}

void dsm_seg_rc_untwin(void *arg, uint64_t page)
{
	struct dsm_seg *s = arg;
	struct seg_twin_rc *t = s->rc.twins ? find(s, page) : NULL;

	if (t)
		free_twin(s, t);
}

void dsm_seg_rc_untwin_all(struct dsm_seg *s)
{
	struct seg_twin_rc *t, *tmp;

	HASH_ITER(hh, s->rc.twins, t, tmp)
		free_twin(s, t);
}

size_t dsm_seg_part_len(const struct dsm_seg *s)
{
	return s->c.unit < DSM_MERGE_PART ? s->c.unit : DSM_MERGE_PART;
}

/* What is kept, also while it is in use: only bytes are written that nobody else writes. */
static uint8_t *part_at(struct dsm_seg *s, uint64_t page, unsigned part)
{
	return (uint8_t *)(uintptr_t)dsm_backing_bytes(&s->b, page) + part * dsm_seg_part_len(s);
}

bool dsm_seg_rc_changed(void *arg, uint64_t page, unsigned part)
{
	struct dsm_seg *s = arg;
	const struct seg_twin_rc *t = find(s, page);
	size_t len = dsm_seg_part_len(s);

	return t && memcmp(t->bytes + part * len, part_at(s, page, part), len) != 0;
}

size_t dsm_seg_rc_changes(struct dsm_seg *s, uint64_t page, unsigned part, uint8_t *room)
{
	const struct seg_twin_rc *t = find(s, page);
	size_t len = dsm_seg_part_len(s);

	return t ? dsm_merge_make(t->bytes + part * len, part_at(s, page, part), len, room) : 0;
}

void dsm_seg_rc_apply(struct dsm_seg *s, uint64_t page, unsigned part, struct seg_changes c)
{
	struct seg_twin_rc *t = s->rc.twins ? find(s, page) : NULL;

	dsm_merge_apply(c.bytes, c.len, part_at(s, page, part));
	if (t)
		dsm_merge_apply(c.bytes, c.len, t->bytes + part * dsm_seg_part_len(s));
}

/* What was changed here stays on top of what comes. */
static void fill_under(struct dsm_seg *s, uint64_t page, struct seg_twin_rc *t)
{
	uint8_t own[DSM_MERGE_ROOM(DSM_MERGE_PART)];
	uint8_t *to = dsm_backing_fill(&s->b, page);
	size_t len = dsm_seg_part_len(s);

	for (unsigned part = 0; part < s->c.unit / len; part++) {
		size_t at = part * len, n = dsm_merge_make(t->bytes + at, to + at, len, own);
		if (s->form == DSM_FORM_RAW)
			memcpy(t->bytes + at, s->bytes + at, len);
		else
			memset(t->bytes + at, 0, len);
		memcpy(to + at, t->bytes + at, len);
		dsm_merge_apply(own, n, to + at);
	}
}

void dsm_seg_rc_fill(void *arg, uint64_t page)
{
	struct dsm_seg *s = arg;
	struct seg_twin_rc *t = s->rc.twins ? find(s, page) : NULL;

	if (t)
		fill_under(s, page, t);
	else
		dsm_seg_fill(s, page);
}
