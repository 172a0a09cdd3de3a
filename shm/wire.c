/* SPDX-License-Identifier: BSD-3-Clause */
#include <endian.h>
#include <string.h>

#include "dvm/error.h"
#include "shm/wire.h"

void *dsm_wire_record(void *to, unsigned service, size_t len)
{
	struct dsm_wire_head h = { .len = htole32((uint32_t)len), .service = (uint8_t)service };
	uint8_t *p = to;

	memcpy(p, &h, sizeof h);
	memset(p + sizeof h + len, 0, dsm_wire_room(len) - sizeof h - len);
	return p + sizeof h;
}

int dsm_wire_next(const void *p, size_t n, size_t *at, struct dsm_wire_record *r)
{
	struct dsm_wire_head h;

	if (*at == n)
		return 0;
	if (n - *at < sizeof h)
		return -DVM_EPROTO;
	memcpy(&h, (const uint8_t *)p + *at, sizeof h);
	uint32_t len = le32toh(h.len);
	if (h.reserved[0] || h.reserved[1] || h.reserved[2] ||
	    dsm_wire_room(len) > n - *at)
		return -DVM_EPROTO;
	*r = (struct dsm_wire_record){ .service = h.service,
				       .body = (const uint8_t *)p + *at + sizeof h,
				       .len = len };
	*at += dsm_wire_room(len);
	return 1;
}

void dsm_wire_put_page(void *to, uint32_t segment, const struct dsm_msg *m,
		       enum dsm_wire_form form)
{
	struct dsm_wire_page w = {
		.segment = htole32(segment),
		.kind = m->kind,
		.flags = m->flags,
		.state = m->state,
		.form = (uint8_t)form,
		.node = htole16(m->node),
		.acks = htole16(m->acks),
		.epoch = htole32(m->epoch),
		.page = htole64(m->page),
		.version = htole64(m->version),
	};

	memcpy(to, &w, sizeof w);
}

int dsm_wire_get_page(const struct dsm_wire_record *r, struct dsm_msg *m, enum dsm_wire_form *form)
{
	struct dsm_wire_page w;

	if (r->len < sizeof w)
		return -DVM_EPROTO;
	memcpy(&w, r->body, sizeof w);
	bool follows = r->len > sizeof w, bytes = w.flags & DSM_BYTES;
	if ((w.form > DSM_FORM_DIFF && w.form != DSM_FORM_HERE) || bytes != (w.form != DSM_FORM_NONE) ||
	    (follows && w.form != DSM_FORM_RAW && w.form != DSM_FORM_DIFF) ||
	    (bytes && w.kind != DSM_DATA && w.kind != DSM_DIFF && w.kind != DSM_APPLY &&
	     w.kind != DSM_ENDED))
		return -DVM_EPROTO;
	*form = (enum dsm_wire_form)w.form;
	*m = (struct dsm_msg){
		.kind = w.kind,
		.flags = w.flags,
		.state = w.state,
		.node = le16toh(w.node),
		.acks = le16toh(w.acks),
		.epoch = le32toh(w.epoch),
		.page = le64toh(w.page),
		.version = le64toh(w.version),
	};
	return 0;
}

void dsm_wire_put_rc(void *to, uint32_t segment, const struct dsm_rc_msg *m,
		     enum dsm_wire_form form)
{
	struct dsm_wire_rc w = {
		.segment = htole32(segment),
		.kind = m->kind,
		.flags = m->flags,
		.form = (uint8_t)form,
		.part = m->part,
		.node = htole16(m->node),
		.epoch = htole32(m->epoch),
		.flush = htole32(m->flush),
		.page = htole64(m->page),
		.version = htole64(m->version),
		.sharers = htole64(m->sharers),
	};

	memcpy(to, &w, sizeof w);
}

static bool carries_page(const struct dsm_wire_rc *w)
{
	return w->kind == DSM_RC_DATA || w->kind == DSM_RC_BACK;
}

/* Which form the flags of a message promise, as far as they do. */
static bool rc_form_good(const struct dsm_wire_rc *w, bool follows)
{
	bool page = w->flags & (DSM_RC_BYTES | DSM_RC_ZEROS);
	bool changes = w->flags & (DSM_RC_CHANGES | DSM_RC_FORWARD);

	switch (w->form) {
	case DSM_FORM_NONE:
		return !page && !changes && !follows;
	case DSM_FORM_RAW:
		return page && !changes && carries_page(w);
	case DSM_FORM_ZERO:
		return page && !changes && !follows && carries_page(w);
	case DSM_FORM_CHANGES:
		return changes && !page &&
		       (w->kind == DSM_RC_DIFF || w->kind == DSM_RC_NOTICE);
	default:
		return false;
	}
}

int dsm_wire_get_rc(const struct dsm_wire_record *r, struct dsm_rc_msg *m, enum dsm_wire_form *form)
{
	struct dsm_wire_rc w;

	if (r->len < sizeof w)
		return -DVM_EPROTO;
	memcpy(&w, r->body, sizeof w);
	if (!rc_form_good(&w, r->len > sizeof w) || w.reserved || w.reserved2)
		return -DVM_EPROTO;
	*form = (enum dsm_wire_form)w.form;
	*m = (struct dsm_rc_msg){
		.kind = w.kind,
		.flags = w.flags,
		.part = w.part,
		.node = le16toh(w.node),
		.epoch = le32toh(w.epoch),
		.flush = le32toh(w.flush),
		.page = le64toh(w.page),
		.version = le64toh(w.version),
		.sharers = le64toh(w.sharers),
	};
	return 0;
}

uint32_t dsm_wire_segment(const struct dsm_wire_record *r)
{
	uint32_t s;

	if (r->len < sizeof(struct dsm_wire_page))
		return UINT32_MAX;
	memcpy(&s, r->body, sizeof s);
	return le32toh(s);
}

size_t dsm_wire_view_len(uint32_t nodes)
{
	return sizeof(struct dsm_wire_view) + (nodes + 7) / 8;
}

void dsm_wire_put_view(void *to, uint32_t epoch, const bool *gone, uint32_t nodes)
{
	struct dsm_wire_view v = { .epoch = htole32(epoch), .nodes = htole32(nodes) };
	uint8_t *bits = (uint8_t *)to + sizeof v;

	memcpy(to, &v, sizeof v);
	memset(bits, 0, (nodes + 7) / 8);
	for (uint32_t i = 0; i < nodes; i++)
		bits[i / 8] |= (uint8_t)(gone[i] << i % 8);
}

int dsm_wire_get_view(const struct dsm_wire_record *r, uint32_t nodes, uint32_t *epoch, bool *gone)
{
	struct dsm_wire_view v;

	if (r->len != dsm_wire_view_len(nodes))
		return -DVM_EPROTO;
	memcpy(&v, r->body, sizeof v);
	if (le32toh(v.nodes) != nodes)
		return -DVM_EPROTO;
	*epoch = le32toh(v.epoch);
	for (uint32_t i = 0; i < nodes; i++)
		gone[i] = r->body[sizeof v + i / 8] >> i % 8 & 1;
	return 0;
}
