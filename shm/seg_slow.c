/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults that take long: what happened meanwhile is kept of the slowest one, and where one lasts
 * for more than a second, those who have to do with its page put on record what they know of it.
 */
#include <endian.h>
#include <string.h>

#include "libdvm/base/clock.h"
#include "shm/seg_private.h"

#define WATCH	 (50 * DVMI_MSEC) /* before the ring has forgotten how it began */
#define TOO_LONG DVMI_SEC
#define WORDS	 1024

void dsm_seg_trace(struct dsm_seg *s, enum dsm_trace_what what, uint64_t page, uint32_t node,
		   const struct dsm_msg *m)
{
	dsm_trace_add(s->trace, &(struct dsm_event){ .at = s->n->now,
						     .page = page,
						     .node = (uint16_t)node,
						     .what = (uint8_t)what,
						     .kind = m ? m->kind : 0,
						     .flags = m ? m->flags : 0 });
}

void dsm_seg_trace_gate(struct dsm_seg *s, bool shut)
{
	dsm_seg_trace(s, shut ? DSM_TRACE_SHUT : DSM_TRACE_OPEN, 0, 0, NULL);
}

void dsm_seg_trace_over(struct dsm_seg *s, const struct seg_wait *w, uint64_t now)
{
	char words[WORDS];

	if (!dsm_trace_over(s->trace, w->page, w->since, now) || !w->told)
		return;
	dsm_slow_text(&s->trace->slowest, words, sizeof words);
	dvmi_log(s->n->c.log, "shm", LOG_WARNING, "segment %u: the fault is over: %s", s->c.id,
		 words);
}

/* ---- one that goes on ---- */

static void put_on_record(struct dsm_seg *s, uint32_t who, uint64_t page)
{
	char words[WORDS] = "";

	if (s->d)
		dsm_explain(s->d, page, words, sizeof words);
	dvmi_log(s->n->c.log, "shm", LOG_WARNING, "segment %u: node %u waits for page %llu: %s%s",
		 s->c.id, who, (unsigned long long)page, words,
		 s->n->gate.shut ? "; what this node tells waits for differences" : "");
}

static void ask_why(struct dsm_seg *s, uint32_t node, uint64_t page)
{
	const struct dsm_wire_why w = { .segment = htole32(s->c.id), .page = htole64(page) };
	void *body = dsm_out_in_lane(s->n, node, DSM_WIRE_WHY, sizeof w, DSM_LANE_FREE);

	if (body)
		memcpy(body, &w, sizeof w);
}

static void ask_all(struct dsm_seg *s, uint64_t page)
{
	for (uint32_t i = 0; i < s->n->c.nodes; i++)
		if (i != s->n->c.self)
			ask_why(s, i, page);
}

static void tell(struct dsm_seg *s, struct seg_wait *w)
{
	w->told = true;
	put_on_record(s, s->n->c.self, w->page);
	if (s->n->c.nodes <= 8)
		ask_all(s, w->page);
	else if (dsm_seg_home_of(s, w->page) != s->n->c.self)
		ask_why(s, dsm_seg_home_of(s, w->page), w->page);
}

void dsm_seg_trace_look(struct dsm_seg *s)
{
	struct seg_wait *w, *tmp;

	HASH_ITER(hh, s->waits, w, tmp) {
		if (w->since < s->n->now && s->n->now - w->since > WATCH)
			dsm_trace_watch(s->trace, w->page, w->since);
		if (!w->told && w->since < s->n->now && s->n->now - w->since > TOO_LONG)
			tell(s, w);
	}
}

void dsm_seg_on_why(struct dsm_seg *s, uint32_t from, uint64_t page)
{
	if (page < s->b.pages)
		put_on_record(s, from, page);
}

void dsm_seg_slowest(struct dsm_seg *s, struct dsm_seg_slowest *out)
{
	dsm_node_enter(s->n);
	out->page = s->trace->slowest.page;
	out->ns = s->trace->slowest.ns;
	out->words[0] = '\0';
	if (out->ns)
		dsm_slow_text(&s->trace->slowest, out->words, sizeof out->words);
	dsm_node_leave(s->n);
}
