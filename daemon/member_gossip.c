/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What rides on every message: first what its receiver must know (that it is suspected itself,
 * where it was wrong), then news, then, while tables differ for long, a moving window of the table.
 */
#include <stdlib.h>

#include "daemon/member_private.h"

#define SUSPICIONS_MAX (DVMI_MEMBER_UPDATES_MAX / 2) /* the rest of a ping is for news */

void dvmd_member_gossip_free(struct dvmd_member_gossip *g)
{
	free(g->ids);
	*g = (struct dvmd_member_gossip){ 0 };
}

static bool grow(struct dvmd_member_gossip *g)
{
	size_t cap = g->cap ? 2 * g->cap : 8;

	if (g->n < g->cap)
		return true;
	uint32_t *ids = malloc(cap * sizeof(*ids));
	if (!ids)
		return false;
	for (size_t i = 0; i < g->n; i++)
		ids[i] = g->ids[(g->head + i) & (g->cap - 1)];
	free(g->ids);
	g->ids = ids;
	g->head = 0;
	g->cap = cap;
	return true;
}

static void push_front(struct dvmd_member_gossip *g, uint32_t id)
{
	g->head = (g->head - 1) & (g->cap - 1);
	g->ids[g->head] = id;
	g->n++;
}

static void push_back(struct dvmd_member_gossip *g, uint32_t id)
{
	g->ids[(g->head + g->n++) & (g->cap - 1)] = id;
}

static uint32_t pop_front(struct dvmd_member_gossip *g)
{
	uint32_t id = g->ids[g->head];

	g->head = (g->head + 1) & (g->cap - 1);
	g->n--;
	return id;
}

static uint8_t transmissions(const dvmd_member_t *m)
{
	uint32_t digits = 1;

	for (size_t n = m->table.n; n >= 10; n /= 10)
		digits++;
	uint32_t times = digits * m->conf.retransmit_mult;
	return (uint8_t)(times < 255 ? times : 255);
}

void dvmd_member_gossip_spread(dvmd_member_t *m, struct dvmd_member_rec *rec)
{
	rec->sends_left = transmissions(m);
	/* Out of memory: the window over the table will carry it. */
	if (rec->queued || !grow(&m->gossip))
		return;
	push_front(&m->gossip, rec->id);
	rec->queued = 1;
}

/* Who says so: the latest accuser of a suspect, this node for what it judged itself. */
static uint32_t claimed_by(dvmd_member_t *m, const struct dvmd_member_rec *rec)
{
	const struct dvmd_member_suspicion *s = NULL;

	if (rec->state == DVMI_MEMBER_SUSPECT)
		s = dvmd_member_suspicion_find(m, rec->id);
	return s ? s->by[s->nby - 1] : m->self;
}

static bool holds(const struct dvmi_member_msg *msg, uint32_t id)
{
	for (unsigned i = 0; i < msg->nupdates; i++) {
		if (msg->updates[i].id == id)
			return true;
	}
	return false;
}

static void put(dvmd_member_t *m, struct dvmi_member_msg *msg, const struct dvmd_member_rec *rec)
{
	msg->updates[msg->nupdates++] =
		(struct dvmi_member_update){ .id = rec->id,
					     .incarnation = rec->incarnation,
					     .state = rec->state,
					     .by = claimed_by(m, rec) };
}

static void fill_corrections(dvmd_member_t *m, struct dvmi_member_msg *msg)
{
	for (uint32_t i = 0; i < m->ncorrections; i++) {
		struct dvmd_member_rec *rec = dvmd_member_table_find(&m->table, m->corrections[i]);
		if (rec && !holds(msg, rec->id))
			put(m, msg, rec);
	}
}

/* A suspicion rides along as long as it lasts: who knows better will answer with it. */
static void fill_suspicions(dvmd_member_t *m, struct dvmi_member_msg *msg)
{
	const struct dvmd_member_suspicions *s = &m->suspicions;

	for (size_t i = 0; i < s->n && msg->nupdates < SUSPICIONS_MAX; i++) {
		size_t at = (m->gossip.turn++) % s->n;
		const struct dvmd_member_rec *rec = dvmd_member_table_find(&m->table, s->v[at].id);
		if (rec && !holds(msg, rec->id))
			put(m, msg, rec);
	}
}

static void fill_news(dvmd_member_t *m, struct dvmi_member_msg *msg)
{
	struct dvmd_member_gossip *g = &m->gossip;

	for (size_t i = g->n; i > 0 && msg->nupdates < DVMI_MEMBER_UPDATES_MAX; i--) {
		struct dvmd_member_rec *rec = dvmd_member_table_find(&m->table, pop_front(g));
		if (!rec || !rec->queued)
			continue; /* it was removed meanwhile */
		if (!holds(msg, rec->id))
			put(m, msg, rec);
		rec->queued = --rec->sends_left > 0;
		if (rec->queued)
			push_back(g, rec->id);
	}
}

static void fill_window(dvmd_member_t *m, struct dvmi_member_msg *msg)
{
	const struct dvmd_member_table *t = &m->table;

	for (size_t i = 0; i < t->n && msg->nupdates < DVMI_MEMBER_UPDATES_MAX; i++) {
		if (m->gossip.window >= t->n)
			m->gossip.window = 0;
		put(m, msg, &t->recs[m->gossip.window++]);
	}
}

void dvmd_member_gossip_fill(dvmd_member_t *m, struct dvmi_member_msg *msg, uint32_t to,
			     unsigned how)
{
	const struct dvmd_member_rec *rec = dvmd_member_table_find(&m->table, to);

	/* Buddy system: who is suspected hears of it first. */
	if (rec && rec->state != DVMI_MEMBER_ALIVE && !holds(msg, to))
		put(m, msg, rec);
	if (how & DVMD_MEMBER_REPLY)
		fill_corrections(m, msg);
	if (msg->type == DVMI_MEMBER_PING)
		fill_suspicions(m, msg);
	fill_news(m, msg);
	if (how & DVMD_MEMBER_WINDOW)
		fill_window(m, msg);
}
