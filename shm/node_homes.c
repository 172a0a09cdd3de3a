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
	uint32_t segment, to;
	uint64_t first, count;
};

_Static_assert(sizeof(struct wire_move) == 24, "wire format");

/* ---- lists ---- */

bool dsm_homes_find(const struct dsm_node *n, uint32_t segment, uint64_t page, uint32_t *home)
{
	for (uint32_t i = n->homes.n; i-- > 0;) {
		const struct dsm_move *m = &n->homes.moves[i];
		if (m->segment == segment && page - m->first < m->count) {
			*home = m->to;
			return true;
		}
	}
	return false;
}

static bool covers(const struct dsm_move *a, const struct dsm_move *b)
{
	return a->segment == b->segment && b->first >= a->first &&
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

static bool good(const struct dsm_node *n, const struct dsm_move *m)
{
	return m->segment < DSM_SEGS && m->to < n->c.nodes && m->count &&
	       m->first + m->count > m->first;
}

/* ---- a list becomes the one that counts ---- */

/* What is known of the pages that either says something of shall not follow from the home. */
static int remember(struct dsm_node *n, const struct dsm_moves *l)
{
	int rc = 0;

	for (uint32_t i = 0; i < l->n && rc == 0; i++) {
		struct dsm_seg *s = n->segs[l->moves[i].segment];
		if (s && s->d)
			rc = dsm_seg_remember(s, l->moves[i].first, l->moves[i].count);
	}
	return rc;
}

static void count_kept(struct dsm_node *n)
{
	for (uint32_t i = 0; i < n->nsegs; i++)
		if (n->segs[i] && n->segs[i]->d)
			dsm_seg_count_kept(n->segs[i]);
}

int dsm_homes_adopt(struct dsm_node *n, const struct dsm_moves *l)
{
	if (!l->n && !n->homes.n)
		return 0;
	int rc = remember(n, &n->homes);
	if (rc == 0)
		rc = remember(n, l);
	if (rc < 0)
		return rc;
	n->homes = *l;
	count_kept(n);
	return 0;
}

/* ---- messages ---- */

static void put(uint8_t *to, const struct dsm_move *m)
{
	struct wire_move w = { htole32(m->segment), htole32(m->to), htole64(m->first),
			       htole64(m->count) };

	memcpy(to, &w, sizeof w);
}

static struct dsm_move get(const uint8_t *from)
{
	struct wire_move w;

	memcpy(&w, from, sizeof w);
	return (struct dsm_move){ le32toh(w.segment), le32toh(w.to), le64toh(w.first),
				  le64toh(w.count) };
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
		if (good(n, &m))
			l->moves[l->n++] = m;
	}
}

static void move(struct dsm_node *n, const struct dsm_move *m)
{
	struct dsm_moves l = n->homes;

	if (good(n, m) && n->segs[m->segment] && add(n, &l, m) && dsm_homes_adopt(n, &l) == 0)
		dsm_node_decide(n, true);
	else
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

	if (to == n->c.self)
		move(n, m);
	else
		send(n, to, DSM_WIRE_MOVE, m, 1);
}
