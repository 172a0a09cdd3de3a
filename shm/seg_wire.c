/* SPDX-License-Identifier: BSD-3-Clause */
/* A segment's messages: in which form a page's bytes go, and back. */
#include <string.h>

#include "shm/seg_private.h"

static bool all_zero(const uint8_t *p, size_t n)
{
	return !p[0] && memcmp(p, p + 1, n - 1) == 0;
}

static enum dsm_wire_form choose(struct dsm_seg *s, const uint8_t *bytes)
{
	if (!(s->c.flags & DSM_NO_ELISION) && all_zero(bytes, s->c.unit)) {
		s->stats.elided_zero++;
		return DSM_FORM_ZERO;
	}
	s->stats.units_sent++;
	return DSM_FORM_RAW;
}

void dsm_seg_send(void *seg, uint32_t node, const struct dsm_msg *m)
{
	struct dsm_seg *s = seg;
	bool has = m->flags & DSM_BYTES;
	const uint8_t *bytes = has ? dsm_backing_bytes(&s->b, m->page) : NULL;
	enum dsm_wire_form form = has ? choose(s, bytes) : DSM_FORM_NONE;
	size_t n = form == DSM_FORM_RAW ? s->c.unit : 0;
	uint8_t *to = dsm_out_record(s->n, node, DSM_WIRE_PAGES, sizeof(struct dsm_wire_page) + n);

	if (!to)
		return;
	dsm_wire_put_page(to, s->c.id, m, form);
	if (n)
		memcpy(to + sizeof(struct dsm_wire_page), bytes, n);
	s->stats.messages++;
	s->stats.message_bytes += sizeof(struct dsm_wire_page) + n;
	if (s->c.flags & DSM_NO_BATCH)
		dsm_out_flush(s->n);
}

void dsm_seg_fill(void *seg, uint64_t page)
{
	struct dsm_seg *s = seg;
	uint8_t *to = dsm_backing_fill(&s->b, page);

	dsm_seg_keep(s, page);
	if (s->form == DSM_FORM_RAW)
		memcpy(to, s->bytes, s->c.unit);
	else
		memset(to, 0, s->c.unit);
	s->stats.units_got += s->form == DSM_FORM_RAW;
}

void dsm_seg_message(struct dsm_seg *s, uint32_t from, const struct dsm_wire_record *r)
{
	struct dsm_msg m;

	if (s->cut || dsm_wire_get_page(r, &m, &s->form) < 0) {
		s->n->dropped++;
		return;
	}
	s->bytes = r->body + sizeof(struct dsm_wire_page);
	s->nbytes = r->len - sizeof(struct dsm_wire_page);
	s->from = from;
	if (s->form == DSM_FORM_RAW && s->nbytes != s->c.unit) {
		s->n->dropped++;
		return;
	}
	dsm_receive(s->d, from, &m, s->n->now);
	s->bytes = NULL;
}
