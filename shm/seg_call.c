/* SPDX-License-Identifier: BSD-3-Clause */
/* What a segment's users ask for, beside touching it. */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "dvm/error.h"
#include "shm/seg_private.h"

int dsm_seg_unmap(struct dsm_seg *s)
{
	dsm_node_enter(s->n);
	int rc = dsm_backing_unmap(&s->b);
	dsm_node_leave(s->n);
	return rc;
}

int dsm_seg_map(struct dsm_seg *s)
{
	dsm_node_enter(s->n);
	int rc = dsm_backing_map(&s->b);
	dsm_node_leave(s->n);
	return rc;
}

int dsm_seg_move(struct dsm_seg *s, void *address)
{
	dsm_node_enter(s->n);
	int rc = dsm_backing_move(&s->b, address);
	dsm_node_leave(s->n);
	return rc;
}

static void count_up(const struct dsm_seg *s, struct dsm_seg_stats *out)
{
	const struct dsm_stats *d = s->d ? dsm_stats(s->d) : NULL;

	*out = s->stats;
	out->elided_same += d ? d->elided : 0;
	out->held = d ? d->deferred : 0;
	out->resident = s->b.resident;
	out->writable = s->b.writable;
}

void dsm_seg_stats(struct dsm_seg *s, struct dsm_seg_stats *out)
{
	dsm_node_enter(s->n);
	count_up(s, out);
	dsm_node_leave(s->n);
}

void dsm_seg_fault_times(struct dsm_seg *s, struct dvmi_hist *out)
{
	dsm_node_enter(s->n);
	*out = s->fault_times;
	dsm_node_leave(s->n);
}

/* Somebody wants it to end: all are told. */
static void spread_end(struct dsm_seg *s)
{
	uint32_t id = htole32(s->c.id);

	for (uint32_t i = 0; i < s->n->c.nodes; i++) {
		void *body = i == s->n->c.self ? NULL
					       : dsm_out_record(s->n, i, DSM_WIRE_END, sizeof id);
		if (body)
			memcpy(body, &id, sizeof id);
	}
	dsm_seg_end(s);
}

void dsm_seg_end(struct dsm_seg *s)
{
	if (!s->cut) {
		dvmi_log(s->n->c.log, "shm", LOG_ERR, "segment %u: was ended", s->c.id);
		dsm_seg_cut(s);
		dsm_backing_empty(&s->b);
	}
	if (s->c.end)
		atomic_store(&s->c.end->done, 1);
}

void dsm_seg_show(struct dsm_seg *s)
{
	dsm_seg_trace_look(s);
	if (s->c.figures)
		count_up(s, s->c.figures);
	if (s->c.end && !s->cut && atomic_load(&s->c.end->wanted))
		spread_end(s);
}

int dsm_seg_prefetch(struct dsm_seg *s, uint64_t first, uint64_t n, bool write)
{
	bool cut = false;

	/* In pieces, so that the service thread has its turn. */
	while (n && !cut) {
		uint32_t some = n < DSM_STREAM_HIGH ? (uint32_t)n : DSM_STREAM_HIGH;
		dsm_node_enter(s->n);
		dsm_seg_ahead(s, &(struct dsm_ahead){ .first = first,
						      .count = some,
						      .step = 1,
						      .mark = UINT64_MAX }, write);
		dsm_seg_settle(s);
		cut = s->cut;
		dsm_node_leave(s->n);
		first += some;
		n -= some;
	}
	return cut ? -DVM_EPEERLOST : 0;
}

int dsm_seg_drop(struct dsm_seg *s, uint64_t first, uint64_t n)
{
	dsm_node_enter(s->n);
	int rc = s->cut ? -DVM_EPEERLOST : 0;
	for (uint64_t page = first; page < first + n && rc == 0; page++)
		dsm_seg_give_up(s, page);
	dsm_node_leave(s->n);
	return rc;
}

/* ---- pages that stay ---- */

/* With release consistency nobody takes it away. */
static bool pinned(struct dsm_seg *s, uint64_t page)
{
	return s->d ? dsm_pin(s->d, page) == 0 : dsm_seg_allowed(s, page, true);
}

/* Once they are here; somebody may take one again before we get to it. */
static bool pin_some(struct dsm_seg *s, uint64_t *at, uint64_t end)
{
	while (*at < end && pinned(s, *at))
		++*at;
	if (*at < end && !dsm_seg_is_lost(s, *at))
		dsm_seg_ask(s, *at, true, false);
	return *at < end;
}

int dsm_seg_pin(struct dsm_seg *s, uint64_t first, uint64_t n)
{
	static const struct timespec nap = { .tv_nsec = 20000 };
	uint64_t at = first;
	int rc = dsm_seg_prefetch(s, first, n, true);

	while (rc == 0) {
		dsm_node_enter(s->n);
		bool more = !s->cut && pin_some(s, &at, first + n);
		bool lost = s->cut || (more && dsm_seg_is_lost(s, at));
		dsm_node_round(s->n, true);
		dsm_node_leave(s->n);
		if (lost)
			rc = -DVM_EPEERLOST;
		else if (!more)
			return 0;
		else
			nanosleep(&nap, NULL);
	}
	dsm_seg_unpin(s, first, at - first);
	return rc;
}

int dsm_seg_unpin(struct dsm_seg *s, uint64_t first, uint64_t n)
{
	dsm_node_enter(s->n);
	for (uint64_t page = first; s->d && page < first + n; page++)
		dsm_unpin(s->d, page, s->n->now);
	dsm_node_leave(s->n);
	return 0;
}

int dsm_seg_advise(struct dsm_seg *s, uint64_t first, uint64_t n, int advice)
{
	static const uint8_t marks[] = { 0, SEG_STREAM, SEG_RANDOM };

	if (advice < 0 || advice > 2)
		return -EINVAL;
	dsm_node_enter(s->n);
	for (uint64_t page = first; page < first + n; page++)
		s->marks[page] = (uint8_t)((s->marks[page] & ~(SEG_STREAM | SEG_RANDOM)) |
					   marks[advice]);
	dsm_node_leave(s->n);
	return 0;
}

int dsm_seg_lost(struct dsm_seg *s, uint64_t first, uint64_t *page)
{
	int found = 0;

	dsm_node_enter(s->n);
	for (uint64_t p = first; p < s->b.pages && !found; p++)
		if (dsm_seg_is_lost(s, p)) {
			*page = p;
			found = 1;
		}
	dsm_node_leave(s->n);
	return found;
}

/* With release consistency pages are lent to who writes them first. */
static uint32_t has_lent(const struct dsm_seg *s, uint64_t page, uint32_t home)
{
	int64_t to = dsm_rc_lent(s->r, page);

	if (to >= 0)
		return (uint32_t)to;
	return dsm_rc_state(s->r, page) == DSM_RC_OPEN ? s->n->c.self : home;
}

uint32_t dsm_seg_home(struct dsm_seg *s, uint64_t page)
{
	dsm_node_enter(s->n);
	uint32_t home = dsm_seg_home_of(s, page);
	if (s->r && s->c.flags & DSM_FIRST_TOUCH)
		home = has_lent(s, page, home);
	dsm_node_leave(s->n);
	return home;
}
