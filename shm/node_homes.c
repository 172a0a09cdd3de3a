/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Homes that have moved. A view of the members comes with a list of what has moved by then, the whole
 * of it: so the same view means the same homes everywhere, whichever views somebody has missed. A
 * move is a view without a death: directories are made anew by the homes that it says, from what
 * all nodes report. Who decides on views decides on moves; others ask it.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "shm/node_private.h"
#include "shm/seg_private.h"

struct wire_move {
	uint32_t segment, to, since, from; /* from: DSM_ANY, or a node */
	uint64_t first, count;
};

_Static_assert(sizeof(struct wire_move) == 32, "wire format");

/* ---- lists ---- */

const struct dsm_move *dsm_homes_find(const struct dsm_seg *s, const struct dsm_moves *l,
				      uint64_t page)
{
	uint32_t home = l->n ? s->c.home(s->c.home_arg, page) : 0;
	const struct dsm_move *last = NULL;

	for (uint32_t i = 0; i < l->n; i++) {
		const struct dsm_move *m = &l->moves[i];
		if (m->segment != s->c.id || page - m->first >= m->count ||
		    (m->from != DSM_ANY && m->from != home))
			continue;
		home = m->to;
		last = m;
	}
	return last;
}

uint32_t dsm_homes_of(const struct dsm_seg *s, uint64_t page)
{
	const struct dsm_move *m = dsm_homes_find(s, &s->n->homes, page);

	return m ? m->to : s->c.home(s->c.home_arg, page);
}

/* A does not ask where B's pages were before. */
static bool covers(const struct dsm_move *a, const struct dsm_move *b)
{
	return a->segment == b->segment && a->from == DSM_ANY && b->first >= a->first &&
	       b->first - a->first + b->count <= a->count;
}

/* What M makes pointless, and what is of segments that are gone, goes. False: no room. */
static bool add(const struct dsm_node *n, struct dsm_moves *l, const struct dsm_move *m)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < l->n; i++)
		if (!covers(m, &l->moves[i]) && n->segs[l->moves[i].segment])
			l->moves[k++] = l->moves[i];
	l->n = k;
	if (k == DSM_MOVES_MAX)
		return false;
	l->moves[l->n++] = *m;
	return true;
}

bool dsm_homes_fits(const struct dsm_node *n, const struct dsm_move *m)
{
	struct dsm_moves l = n->homes;

	return add(n, &l, m);
}

static bool good(const struct dsm_node *n, const struct dsm_move *m)
{
	return m->segment < DSM_SEGS && m->to < n->c.nodes && m->count &&
	       (m->from < n->c.nodes || m->from == DSM_ANY) && m->first + m->count > m->first;
}

/* ---- a list becomes the one that counts ---- */

/* Whether L says the same of PAGE as what counts now. */
static bool stays(const struct dsm_seg *s, const struct dsm_moves *l, uint64_t page)
{
	const struct dsm_move *a = dsm_homes_find(s, &s->n->homes, page);
	const struct dsm_move *b = dsm_homes_find(s, l, page);

	return a && b ? a->to == b->to && a->since == b->since : !a && !b;
}

/* What is known of the pages that MOVES say something of, and L something else, shall not follow
 * from the home. */
static int remember(struct dsm_node *n, const struct dsm_moves *moves, const struct dsm_moves *l)
{
	int rc = 0;

	for (uint32_t i = 0; i < moves->n; i++) {
		const struct dsm_move *m = &moves->moves[i];
		struct dsm_seg *s = n->segs[m->segment];
		uint64_t end = s && m->first < s->b.pages ? s->b.pages : 0;
		for (uint64_t p = m->first; p < end && p - m->first < m->count && rc == 0; p++)
			if (!stays(s, l, p))
				rc = dsm_seg_remember(s, p);
	}
	return rc;
}

static void count_kept(struct dsm_node *n)
{
	for (uint32_t i = 0; i < n->nsegs; i++)
		if (n->segs[i])
			dsm_seg_count_kept(n->segs[i]);
}

int dsm_homes_adopt(struct dsm_node *n, const struct dsm_moves *l)
{
	if (!l->n && !n->homes.n)
		return 0;
	int rc = remember(n, &n->homes, l);
	if (rc == 0)
		rc = remember(n, l, l);
	if (rc < 0)
		return rc;
	n->homes = *l;
	count_kept(n);
	return 0;
}

void dsm_homes_forget(struct dsm_node *n, uint32_t segment)
{
	struct dsm_moves *l = &n->homes;
	uint32_t k = 0;

	for (uint32_t i = 0; i < l->n; i++)
		if (l->moves[i].segment != segment)
			l->moves[k++] = l->moves[i];
	l->n = k;
}

/* ---- messages ---- */

static void put(uint8_t *to, const struct dsm_move *m)
{
	struct wire_move w = { .segment = htole32(m->segment),
			       .to = htole32(m->to),
			       .since = htole32(m->since),
			       .from = htole32(m->from),
			       .first = htole64(m->first),
			       .count = htole64(m->count) };

	memcpy(to, &w, sizeof w);
}

static struct dsm_move get(const uint8_t *from)
{
	struct wire_move w;

	memcpy(&w, from, sizeof w);
	return (struct dsm_move){ .segment = le32toh(w.segment),
				  .to = le32toh(w.to),
				  .since = le32toh(w.since),
				  .from = le32toh(w.from),
				  .first = le64toh(w.first),
				  .count = le64toh(w.count) };
}

static void send(struct dsm_node *n, uint32_t to, unsigned service, const struct dsm_move *m,
		 uint32_t count)
{
	uint8_t *body = dsm_out_in_lane(n, to, service, count * sizeof(struct wire_move),
					DSM_LANE_FREE);

	for (uint32_t i = 0; body && i < count; i++)
		put(body + i * sizeof(struct wire_move), &m[i]);
}

void dsm_homes_tell(struct dsm_node *n, uint32_t to)
{
	if (n->homes.n)
		send(n, to, DSM_WIRE_HOMES, n->homes.moves, n->homes.n);
}

void dsm_homes_on_list(struct dsm_node *n, const struct dsm_wire_record *r)
{
	struct dsm_moves *l = &n->next_homes;
	uint32_t count = r->len / sizeof(struct wire_move);

	l->n = 0;
	if (r->len % sizeof(struct wire_move) || count > DSM_MOVES_MAX) {
		n->dropped++;
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct dsm_move m = get(r->body + i * sizeof(struct wire_move));
		if (good(n, &m) && n->segs[m.segment])
			l->moves[l->n++] = m;
	}
}

/* It is for us to decide. */
static void move(struct dsm_node *n, struct dsm_move *m)
{
	struct dsm_moves l = n->homes;

	m->since = dsm_member_next(&n->member);
	if (good(n, m) && n->segs[m->segment] && dsm_member_decider(&n->member) == n->c.self &&
	    add(n, &l, m) && dsm_homes_adopt(n, &l) == 0)
		dsm_node_decide(n, true);
	else
		n->dropped++;
}

void dsm_homes_again(struct dsm_node *n)
{
	struct dsm_moves l = n->homes;

	for (uint32_t i = 0; i < l.n; i++)
		l.moves[i].since = dsm_member_next(&n->member);
	if (dsm_homes_adopt(n, &l) < 0)
		n->dropped++;
}

void dsm_homes_on_ask(struct dsm_node *n, const struct dsm_wire_record *r)
{
	if (r->len != sizeof(struct wire_move)) {
		n->dropped++;
		return;
	}
	struct dsm_move m = get(r->body);
	move(n, &m);
}

void dsm_homes_ask(struct dsm_node *n, const struct dsm_move *m)
{
	uint32_t to = dsm_member_decider(&n->member);
	struct dsm_move mine = *m;

	if (to == n->c.self)
		move(n, &mine);
	else
		send(n, to, DSM_WIRE_MOVE, m, 1);
}
