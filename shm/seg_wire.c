/* SPDX-License-Identifier: BSD-3-Clause */
/* A segment's messages: in which form a page's bytes go, and back. */
#include <string.h>

#include "shm/diff.h"
#include "shm/seg_private.h"

static bool all_zero(const uint8_t *p, size_t n)
{
	return !p[0] && memcmp(p, p + 1, n - 1) == 0;
}

/* How a page goes, and the bytes that do. */
struct choice {
	enum dsm_wire_form form;
	const uint8_t *bytes;
	size_t n;
};

/*
 * As what has changed, where that is less than half of it. Not to a node whose file others write, too:
 * what it keeps may not be what it was any more.
 */
static bool choose_diff(struct dsm_seg *s, uint32_t node, const struct dsm_msg *m, struct choice *c,
			uint8_t *room)
{
	const uint8_t *twin = dsm_seg_host(s, node) ? NULL : dsm_seg_twin_of(s, m->page, m->have);
	size_t n = twin ? dsm_diff_make(twin, c->bytes, s->c.unit, room, s->c.unit / 2) : SIZE_MAX;

	if (n == SIZE_MAX)
		return false;
	*c = (struct choice){ DSM_FORM_DIFF, room, n };
	s->stats.diffs++;
	s->stats.diff_bytes += n;
	return true;
}

enum dsm_wire_form dsm_seg_form(struct dsm_seg *s, const uint8_t *bytes)
{
	if (s->c.flags & DSM_NO_ELISION || !all_zero(bytes, s->c.unit))
		return DSM_FORM_RAW;
	s->stats.elided_zero++;
	return DSM_FORM_ZERO;
}

static struct choice choose(struct dsm_seg *s, uint32_t node, const struct dsm_msg *m, uint8_t *room)
{
	struct choice c = { DSM_FORM_RAW, dsm_backing_bytes(&s->b, m->page), s->c.unit };

	if (m->kind != DSM_DATA)
		return (struct choice){ DSM_FORM_DIFF, m->diff, m->ndiff };
	if (m->flags & DSM_WALK)
		return (struct choice){ DSM_FORM_RAW, dsm_seg_walk_base(s, m->page), s->c.unit };
	if (dsm_seg_together(s, node)) {
		s->stats.elided_same++;
		return (struct choice){ DSM_FORM_HERE, NULL, 0 };
	}
	/* What has no memory is zeros, and would have some if it were looked at. */
	if (!(s->marks[m->page] & SEG_KEPT) && !s->b.common && !(s->c.flags & DSM_NO_ELISION)) {
		s->stats.elided_zero++;
		return (struct choice){ DSM_FORM_ZERO, NULL, 0 };
	}
	if (dsm_seg_form(s, c.bytes) == DSM_FORM_ZERO)
		return (struct choice){ DSM_FORM_ZERO, NULL, 0 };
	if (!choose_diff(s, node, m, &c, room))
		s->stats.units_sent++;
	return c;
}

void dsm_seg_sent(struct dsm_seg *s, size_t len)
{
	s->stats.messages++;
	s->stats.message_bytes += len;
	s->stats.batches += s->n->second;
	if (s->c.flags & DSM_NO_BATCH)
		dsm_out_flush(s->n);
}

void dsm_seg_send(void *seg, uint32_t node, const struct dsm_msg *m)
{
	struct dsm_seg *s = seg;
	uint8_t room[DSM_UNIT_MAX / 2];
	struct choice c = { DSM_FORM_NONE, NULL, 0 };

	if (m->flags & DSM_BYTES)
		c = choose(s, node, m, room);
	uint8_t *to = dsm_out_in_lane(s->n, node, DSM_WIRE_PAGES,
				      sizeof(struct dsm_wire_page) + c.n, dsm_walk_lane(m));
	if (!to)
		return;
	dsm_wire_put_page(to, s->c.id, m, c.form);
	if (c.n)
		memcpy(to + sizeof(struct dsm_wire_page), c.bytes, c.n);
	dsm_seg_trace(s, DSM_TRACE_SENT, m->page, node, m);
	dsm_seg_sent(s, sizeof(struct dsm_wire_page) + c.n);
}

void dsm_seg_fill(void *seg, uint64_t page)
{
	struct dsm_seg *s = seg;
	uint8_t *to = dsm_backing_fill(&s->b, page);

	dsm_seg_keep(s, page);
	if (s->form == DSM_FORM_RAW)
		memcpy(to, s->bytes, s->c.unit);
	else if (s->form == DSM_FORM_DIFF)
		dsm_diff_apply(s->bytes, s->nbytes, to);
	else if (s->form == DSM_FORM_ZERO)
		memset(to, 0, s->c.unit);
	s->stats.units_got += s->form == DSM_FORM_RAW;
}

static bool form_good(const struct dsm_seg *s, const struct dsm_msg *m)
{
	if (m->kind != DSM_DATA && s->form != DSM_FORM_NONE && s->form != DSM_FORM_DIFF)
		return false;
	if (s->form == DSM_FORM_DIFF)
		return !s->b.common && dsm_diff_good(s->bytes, s->nbytes, s->c.unit);
	if (s->form == DSM_FORM_HERE)
		return dsm_seg_together(s, s->from);
	return s->form != DSM_FORM_RAW || s->nbytes == s->c.unit;
}

void dsm_seg_message(struct dsm_seg *s, uint32_t from, const struct dsm_wire_record *r)
{
	struct dsm_msg m;

	if (s->r) {
		dsm_seg_rc_message(s, from, r);
		return;
	}
	if (s->cut || r->service != DSM_WIRE_PAGES || dsm_wire_get_page(r, &m, &s->form) < 0) {
		s->n->dropped++;
		return;
	}
	s->bytes = r->body + sizeof(struct dsm_wire_page);
	s->nbytes = r->len - sizeof(struct dsm_wire_page);
	s->from = from;
	m.diff = s->bytes;
	m.ndiff = s->form == DSM_FORM_DIFF ? s->nbytes : 0;
	if (!form_good(s, &m)) {
		s->n->dropped++;
		return;
	}
	dsm_seg_trace(s, DSM_TRACE_CAME, m.page, from, &m);
	dsm_receive(s->d, from, &m, s->n->now);
	s->n->starved |= dsm_starved(s->d);
	s->bytes = NULL;
}
