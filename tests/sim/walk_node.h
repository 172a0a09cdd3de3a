/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A node of sim_walk.c: its memory, the gate before its messages, and what the engine does to both.
 */
#ifndef TESTS_SIM_WALK_NODE_H
#define TESTS_SIM_WALK_NODE_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libdvm/base/rng.h"
#include "shm/diff.h"
#include "shm/protocol.h"
#include "shm/walked.h"
#include "tests/sim/seeds.h"

enum { NODES_MAX = 6, TABLES = 2, ENTRIES = 6, CHILDREN = 2, WORDS = DSM_WALKED_WORDS };
enum { LOCK, TRUTH, ACTIVE, TABLE, PARENT = TABLE + TABLES, CHILD, PAGES = CHILD + CHILDREN };
/* Words of the page of truth. */
enum { T_ENTRY = 0, T_GEN = 16, T_DATA = 32, T_COUNT = 40, T_LINK = 48, T_AGE = 56 };
#define FRAMES UINT64_C(0x100000)
#define LINKS  UINT64_C(0x80000) /* frames from here on: a child's number, or 15: the parent */

enum broken {
	WHOLE,
	NO_WAIT,
	EARLY_ACK,
	NO_DIRTY,
	NO_END,
	NO_LAST,
	NO_LOOK,
	EARLY_DIFF,
	EARLY_END,
	EARLY_PAGE,
	EARLY_AGAIN,
	BROKEN
};
static const char *const broken_names[] = { "nothing",
					    "nobody waits for differences",
					    "acknowledgements are taken to tell nothing",
					    "dirty bits are left to the hardware",
					    "data stays in the mode",
					    "last differences are forgotten",
					    "nobody compares before an interrupt",
					    "differences go before what they lead to",
					    "what goes with the mode's end does so",
					    "a page with which the mode begins does so",
					    "the mode begins with links that were there before" };

enum post_kind { SHOOT, SHOT, UNLINK, LINK, DATA, STOP };

struct post {
	enum post_kind kind;
	uint64_t t, i, gen;
};

struct packet {
	struct packet *prev, *next;
	uint64_t at; /* it arrives */
	uint32_t to;
	bool is_post;
	struct post post;
	struct dsm_msg m;
	bool is_diff; /* bytes of DATA are what has changed */
	size_t n;
	uint64_t bytes[2 * WORDS];
};

enum access { NONE, READ, WRITE };
enum kernel { IDLE, IN, AIMING, SHOOTING, UNLINKING, STOPPING, UNLOCKING, EMPTYING, LEAVING, FILLING };

struct node {
	struct sim *s;
	uint32_t self, view;
	struct dsm *d;
	bool dead;
	uint64_t live[PAGES][WORDS];
	/* What pages were before they were written here, as shm/seg_twin.c has it. */
	uint64_t twin[PAGES][WORDS], twin_version[PAGES];
	enum access access[PAGES];
	bool waits[PAGES], writes[PAGES];
	bool marks[PAGES]; /* not to be used before it is touched, as SEG_MARK */
	uint64_t since[PAGES];
	struct packet *incoming;
	/* the mode */
	bool walks[PAGES];
	uint64_t gives; /* a page that may get several writers, + 1: there is memory for it */
	struct dsm_walked w[PAGES];
	unsigned stays[PAGES];
	uint64_t room[2 * WORDS];
	/* the gate, as in shm/node_gate.c */
	struct packet *open, *closed;
	bool tells, shut, again;
	uint64_t come[PAGES][WORDS]; /* pages as they came */
	uint64_t ending[2 * ENTRIES]; /* what new entries lead to */
	unsigned nending;
	uint64_t leaves; /* a page that is asked to end, + 1 */
	/* the guest */
	uint64_t must[TABLES][ENTRIES];
	bool active, unlinked[TABLES], data[TABLES];
	enum kernel kernel;
	uint64_t t, i, gen, old;
	unsigned answers;
	bool relink, new_data;
	uint64_t child;
};

struct sim {
	struct dvmi_rng rng;
	uint64_t now;
	uint32_t n, epoch;
	struct node nodes[NODES_MAX];
	struct packet *channels[NODES_MAX][NODES_MAX];
	bool alive[NODES_MAX], killed;
	uint64_t wrote[TABLES][ENTRIES]; /* generation of the entry by which data was written last */
	uint64_t skipped[NODES_MAX][TABLES][ENTRIES]; /* what a node was not told, being away */
	uint64_t counted[TABLES];
	enum broken broken;
	uint64_t latency, hold; /* 0: messages come when they come */
	unsigned shortage; /* of memory, in percent */
	bool ahead, levels; /* levels: walk_links.h */
	bool over;	    /* guests stand still */
	uint64_t longest;	/* that one has waited */
	uint64_t walks, changes, counts, told, ends, diffs, fills, down, later;
	char failure[SIM_FAILURE];
};

#define fail(s, ...) sim_fail((s)->failure, __VA_ARGS__)

static uint32_t below(struct sim *s, uint32_t n)
{
	return (uint32_t)dvmi_rng_below(&s->rng, n);
}

static uint64_t gen_of(uint64_t e)
{
	return dsm_pte_frame(e);
}

/*
 * Nobody waits longer than so. A page goes through the hands of all nodes before, twice (who reads
 * may want to write then); each hands it on after its hold, four messages and twice what it has to
 * settle; and it settles what was under way and what is new, behind a transaction of each other.
 */
static uint64_t patience(const struct sim *s)
{
	uint64_t l = s->latency + 1, settled = 4 * l + 3 * l * s->n;

	return 2 * s->n * (s->hold + 4 * l + 2 * 2 * settled);
}

/* ---- what leaves a node ---- */

static void travel(struct sim *s, uint32_t from, struct packet *p)
{
	struct packet *last = s->channels[from][p->to] ? s->channels[from][p->to]->prev : NULL;

	p->at = s->now + (s->latency ? 1 + below(s, (uint32_t)s->latency) : 0);
	if (last && last->at > p->at)
		p->at = last->at;
	DL_APPEND(s->channels[from][p->to], p);
}

/* Processors go on while their node compares. */
static void meanwhile(struct node *node);

static bool gate_needed(const struct node *node)
{
	bool walking = false;

	for (int p = 0; p < PAGES; p++)
		walking |= node->walks[p];
	return node->shut || node->open || walking || dsm_walk_pending(node->d);
}

static void leave_node(struct node *node, struct packet *p, enum dsm_lane lane)
{
	struct sim *s = node->s;

	if (s->broken == EARLY_ACK && !p->is_post && p->m.kind == DSM_ACK)
		lane = DSM_LANE_ORDERED;
	if (lane == DSM_LANE_FREE || !gate_needed(node)) {
		travel(s, node->self, p);
		return;
	}
	DL_APPEND(node->open, p);
	node->tells |= lane == DSM_LANE_TELLS && !(s->broken == NO_LOOK && p->is_post);
}

static void post(struct node *node, uint32_t to, struct post what)
{
	struct packet *p = calloc(1, sizeof *p);

	if (!p)
		abort();
	p->to = to;
	p->is_post = true;
	p->post = what;
	leave_node(node, p, DSM_LANE_TELLS);
}

static void release(struct node *node)
{
	struct packet *p, *tmp;

	DL_FOREACH_SAFE(node->closed, p, tmp) {
		DL_DELETE(node->closed, p);
		travel(node->s, node->self, p);
	}
}

/* ---- where entries lead ---- */

static uint64_t page_of(uint64_t frame)
{
	uint64_t child = frame & 15;

	if (frame < LINKS)
		return PAGES;
	return child < CHILDREN ? CHILD + child : PARENT;
}

static bool is_open(void *arg, uint64_t frame)
{
	const struct node *node = arg;

	return !dsm_walk_known(node->d, page_of(frame));
}

static bool note_open(void *arg, uint64_t frame)
{
	struct node *node = arg;

	if (page_of(frame) + 1 == node->leaves || !is_open(arg, frame))
		return false;
	node->s->later++;
	if (node->nending < sizeof node->ending / sizeof node->ending[0])
		node->ending[node->nending++] = page_of(frame);
	return true;
}

/* As shm/seg_walk.c. */
static bool is_ahead(void *arg, uint64_t frame)
{
	const struct node *node = arg;
	uint64_t page = page_of(frame);

	return is_open(arg, frame) &&
	       !(node->walks[page] && dsm_walked_agreed(&node->w[page], node->live[page]));
}

static bool is_none(void *arg, uint64_t frame)
{
	(void)arg;
	(void)frame;
	return false;
}

static struct dsm_walked_guest guest(struct node *node, bool (*open)(void *arg, uint64_t frame))
{
	return (struct dsm_walked_guest){ .frames = FRAMES, .open = open, .arg = node };
}

static void end_open(struct node *node)
{
	while (node->nending)
		dsm_walk_end(node->d, node->ending[--node->nending], node->s->now);
}

/* ---- the gate ---- */

/* The real one, or one without what is to be shown necessary. */
static enum dsm_walked_look look(struct node *node, uint64_t page, size_t *n)
{
	const struct dsm_walked_guest g = guest(node, node->s->broken == EARLY_DIFF ? is_none : note_open);
	struct dsm_walked_told t;
	uint8_t *room = (uint8_t *)node->room;
	struct dsm_walked *w = &node->w[page];
	enum broken b = node->s->broken;
	uint64_t *live = node->live[page];

	if (b != NO_DIRTY && !(b == NO_END && dsm_walked_table(live, FRAMES) <= 0)) {
		enum dsm_walked_look l = dsm_walked_look(w, live, &g, room, &t);
		*n = t.n;
		node->again |= t.later > 0;
		return l;
	}
	if (b == NO_DIRTY && dsm_walked_table(live, FRAMES) <= 0)
		return DSM_WALKED_END;
	*n = dsm_diff_make(w->sent, live, sizeof w->sent, room, DSM_WALKED_DIFF);
	memcpy(w->sent, live, sizeof w->sent);
	return *n ? DSM_WALKED_TELL : DSM_WALKED_SAME;
}

static void compare(struct node *node)
{
	uint64_t first = node->s->levels ? below(node->s, PAGES) : 0;

	node->again = false;
	for (uint64_t k = 0; k < PAGES; k++) {
		uint64_t p = (first + k) % PAGES;
		size_t n = 0;
		enum dsm_walked_look l = node->walks[p] ? look(node, p, &n) : DSM_WALKED_SAME;
		meanwhile(node);
		if (l == DSM_WALKED_TELL) {
			dsm_walk_diff(node->d, p, (uint8_t *)node->room, n);
			node->s->told++;
		}
		/* A new entry may lead to what was told just now. */
		if (l == DSM_WALKED_END || (l == DSM_WALKED_TELL && below(node->s, 16) == 0))
			dsm_walk_end(node->d, p, node->s->now);
	}
	end_open(node);
}

static bool pending(const struct node *node)
{
	return node->s->broken != NO_WAIT && dsm_walk_pending(node->d);
}

static bool settled(struct node *node)
{
	for (int i = 0; !pending(node) && i < 8; i++) {
		if (!node->again)
			return true;
		compare(node);
	}
	return false;
}

static void gate_step(struct node *node)
{
	if (node->shut && settled(node)) {
		node->shut = false;
		release(node);
	}
	if (node->shut || !node->open)
		return;
	DL_CONCAT(node->closed, node->open);
	node->open = NULL;
	if (node->tells)
		compare(node);
	node->tells = false;
	node->shut = !settled(node);
	if (!node->shut)
		release(node);
}

/* ---- what the engine does to memory ---- */

/* Bytes of DATA, or what has changed since the version that the receiver keeps. */
static void put_bytes(struct node *node, struct packet *p, const struct dsm_msg *m)
{
	const uint64_t *live = node->live[m->page], *twin = node->twin[m->page];

	p->is_diff = !(m->flags & DSM_WALK) && m->have && m->have == node->twin_version[m->page];
	if (p->is_diff) {
		p->n = dsm_diff_make(twin, live, sizeof node->live[0], (uint8_t *)p->bytes,
				     DSM_WALKED_DIFF);
		node->s->diffs++;
		return;
	}
	p->n = sizeof node->live[0];
	memcpy(p->bytes, m->flags & DSM_WALK && node->walks[m->page] ? node->w[m->page].base : live, p->n);
}

static void on_send(void *arg, uint32_t to, const struct dsm_msg *m)
{
	struct node *node = arg;
	struct packet *p = calloc(1, sizeof *p);

	if (!p)
		abort();
	p->to = to;
	p->m = *m;
	if (m->kind == DSM_DATA && m->flags & DSM_BYTES)
		put_bytes(node, p, m);
	else if (m->kind != DSM_DATA && m->ndiff)
		memcpy(p->bytes, m->diff, p->n = m->ndiff);
	leave_node(node, p, dsm_walk_lane(m));
}

static void on_fill(void *arg, uint64_t page)
{
	struct node *node = arg;

	if (node->access[page] != NONE)
		fail(node->s, "bytes come for a page that is in use");
	if (node->incoming->is_diff)
		dsm_diff_apply((uint8_t *)node->incoming->bytes, node->incoming->n, node->live[page]);
	else
		memcpy(node->live[page], node->incoming->bytes, sizeof node->live[page]);
}

static void on_begin(void *arg, uint64_t page)
{
	struct node *node = arg;

	node->twin_version[page] = dsm_version(node->d, page) - 1;
	memcpy(node->twin[page], node->live[page], sizeof node->twin[page]);
	memcpy(node->come[page], node->live[page], sizeof node->come[page]);
}

static void on_install(void *arg, uint64_t page, bool write)
{
	struct node *node = arg;

	struct sim *s = node->s;

	if (node->marks[page])
		return;
	node->access[page] = write ? WRITE : READ;
	if (!node->waits[page] || (!write && node->writes[page]))
		return;
	node->waits[page] = false;
	uint64_t took = s->now - node->since[page];
	if (s->latency && took > s->longest)
		s->longest = took;
}

static void on_protect(void *arg, uint64_t page)
{
	struct node *node = arg;

	node->access[page] = node->access[page] == WRITE ? READ : node->access[page];
}

static void on_drop(void *arg, uint64_t page)
{
	struct node *node = arg;

	node->access[page] = NONE;
	node->marks[page] = false;
}

static void on_poison(void *arg, uint64_t page)
{
	struct node *node = arg;

	if (!node->s->killed)
		fail(node->s, "page %" PRIu64 " is lost", page);
	node->access[page] = NONE;
	node->waits[page] = false;
}

static bool on_may(void *arg, uint64_t page)
{
	struct node *node = arg;

	if (dsm_walked_table(node->live[page], FRAMES) <= 0 || ++node->stays[page] <= 1)
		return false;
	enum broken b = node->s->broken;
	const struct dsm_walked_guest g = guest(node, b == EARLY_PAGE ? is_none : is_ahead);
	const uint64_t *was = b == EARLY_AGAIN ? node->come[page] : NULL;
	node->gives = dsm_walked_leads(was, node->live[page], &g) == 0 ? page + 1 : 0;
	return node->gives;
}

/* Who gives a page has taken memory for it before. */
static bool on_enter(void *arg, uint64_t page)
{
	struct node *node = arg;
	struct dsm_walked *w = &node->w[page];
	bool gives = node->gives == page + 1;

	node->gives = 0;
	if (!gives && node->s->shortage && below(node->s, 100) < node->s->shortage)
		return false;

	node->walks[page] = true;
	if (node->s->broken != NO_DIRTY) {
		dsm_walked_begin(w, node->live[page], node->live[page]);
		return true;
	}
	memcpy(w->base, node->live[page], sizeof w->base);
	memcpy(w->sent, w->base, sizeof w->sent);
	return true;
}

static bool on_merge(void *arg, uint64_t page, const uint8_t *diff, size_t n, bool last)
{
	struct node *node = arg;

	if (!dsm_diff_good(diff, n, sizeof node->live[page])) {
		fail(node->s, "a difference that is none");
		return true;
	}
	if (!node->walks[page]) {
		dsm_diff_apply(diff, n, (uint8_t *)node->live[page]);
		return false;
	}
	bool good = dsm_walked_apply(&node->w[page], node->live[page], diff, n, last) == 0;
	if (!good && !node->s->killed)
		fail(node->s, "two nodes have changed an entry");
	return good;
}

static void on_settled(void *arg, uint64_t page)
{
	struct node *node = arg;

	if (node->walks[page])
		dsm_walked_settled(&node->w[page]);
}

static void on_last(void *arg, uint64_t page, struct dsm_msg *m)
{
	struct node *node = arg;

	m->diff = (uint8_t *)node->room;
	if (node->s->broken != NO_LAST && node->walks[page])
		m->ndiff = dsm_walked_last(&node->w[page], node->live[page],
					   (uint8_t *)node->room);
}

static void on_leave(void *arg, uint64_t page)
{
	struct node *node = arg;

	node->walks[page] = false;
	node->stays[page] = 0;
	node->s->ends++;
}

static bool on_leads(void *arg, uint64_t page)
{
	struct node *node = arg;
	const struct dsm_walked_guest g = guest(node, node->s->broken == EARLY_END ? is_none : note_open);

	if (!node->walks[page])
		return false;
	node->leaves = page + 1;
	bool leads = dsm_walked_leads(node->w[page].sent, node->live[page], &g);
	node->leaves = 0;
	end_open(node);
	return leads;
}

static const struct dsm_ops ops = {
	.send = on_send,
	.fill = on_fill,
	.install = on_install,
	.begin = on_begin,
	.protect = on_protect,
	.drop = on_drop,
	.poison = on_poison,
};

static const struct dsm_walk_ops walk_ops = {
	.may = on_may,
	.enter = on_enter,
	.merge = on_merge,
	.settled = on_settled,
	.last = on_last,
	.leave = on_leave,
	.leads = on_leads,
};

static uint32_t home_of(void *arg, uint64_t page)
{
	return (uint32_t)((page * 5 + 1) % ((const struct node *)arg)->s->n);
}

/* PAGE may be used; else it is asked for. */
static bool have(struct node *node, uint64_t page, bool write)
{
	if (node->access[page] == WRITE || (node->access[page] == READ && !write))
		return true;
	if (node->waits[page] && (node->writes[page] || !write))
		return false;
	if (!node->waits[page])
		node->since[page] = node->s->now;
	node->waits[page] = true;
	node->writes[page] = write;
	node->marks[page] = false;
	if (dsm_fault(node->d, page, write, node->s->now) != 0)
		fail(node->s, "a fault is refused");
	return false;
}

/* It is asked for before anybody touches it, as pages behind others are. */
static void ask_ahead(struct node *node, uint64_t page, bool write)
{
	if (node->waits[page] || node->access[page] == WRITE || (node->access[page] == READ && !write))
		return;
	node->marks[page] = node->access[page] == NONE && below(node->s, 4) == 0;
	if (dsm_fault(node->d, page, write, node->s->now) != 0)
		fail(node->s, "a fault is refused");
}

static void all_nodes(struct node *node, struct post what)
{
	node->answers = 0;
	for (uint32_t to = 0; to < node->s->n; to++)
		if (to != node->self && !node->s->nodes[to].dead) {
			post(node, to, what);
			node->answers++;
		}
}

#endif
