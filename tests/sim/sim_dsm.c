/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The coherence protocol on a simulated network: many nodes, few pages, all of them fought for.
 * Channels between two nodes keep order, everything else is up to the seed: which message comes
 * next, who stalls, who dies and when each survivor hears of it.
 *
 * After each step: whoever may write is the only one who may do anything; every copy that may be
 * read holds what was written last. At the end nobody waits. A page is lost only where no survivor
 * had a copy of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/rng.h"
#include "shm/protocol.h"
#include "tests/sim/seeds.h"

enum { NODES_MAX = 80, PAGES = 6, QUEUE = 512, THREADS = 3 };

/* No keeper is known, or several are. */
enum { NOBODY = UINT32_MAX, SEVERAL = UINT32_MAX - 1 };

struct packet {
	struct dsm_msg m;
	uint64_t bytes;
};

struct channel {
	struct packet q[QUEUE];
	unsigned head, n;
};

enum access { NONE, READ, WRITE };

struct node {
	struct sim *s;
	uint32_t self;
	struct dsm *d;
	bool dead;
	uint64_t kept[PAGES];
	enum access access[PAGES];
	bool poisoned[PAGES];
	uint64_t incoming; /* bytes of the message that is being received */
	/* Threads that wait: for which page, to write? */
	bool waits[THREADS], writes[THREADS];
	uint64_t page[THREADS];
	uint32_t view; /* it has been told */
	uint32_t homes[PAGES]; /* of that view */
};

struct sim {
	struct dvmi_rng rng;
	uint64_t seed, now, stamps;
	uint32_t n;
	struct node nodes[NODES_MAX];
	struct channel *channels; /* [n * n] */
	uint64_t truth[PAGES];	  /* what was written last */
	bool may_be_lost[PAGES];
	uint32_t keeper[PAGES];	  /* has given it up in vain since the last death, as was reported */
	bool owns;		  /* somebody was asked to own a page */
	uint32_t epoch, homes[PAGES];
	bool alive[NODES_MAX];
	uint64_t reads, writes, hold, claims;
	unsigned stall_pct;
	bool moves; /* of homes */
	unsigned amid_pct; /* while somebody is asked to own a page */
	char failure[SIM_FAILURE];
};

#define fail(s, ...) sim_fail((s)->failure, __VA_ARGS__)

static uint32_t below(struct sim *s, uint32_t n)
{
	return (uint32_t)dvmi_rng_below(&s->rng, n);
}

static struct channel *channel(struct sim *s, uint32_t from, uint32_t to)
{
	return &s->channels[from * s->n + to];
}

/* ---- what the protocol does to memory ---- */

/* What was said of views. */
static void note_view(struct sim *s, const struct dsm_msg *m)
{
	s->owns |= m->kind == DSM_OWN;
	if (m->kind != DSM_HOLD || m->state != DSM_INVALID)
		return;
	uint32_t *k = &s->keeper[m->page];
	*k = *k == NOBODY || *k == m->node ? m->node : SEVERAL;
}

static void on_send(void *arg, uint32_t to, const struct dsm_msg *m)
{
	struct node *node = arg;
	struct channel *c = channel(node->s, node->self, to);

	/* Given up for one that is dead already, which nobody can tell from one that has written. */
	if (node->s->nodes[to].dead &&
	    (m->kind == DSM_ACK || m->kind == DSM_GRANT ||
	     (m->kind == DSM_DATA && m->flags & DSM_EXCLUSIVE)))
		node->s->may_be_lost[m->page] = true;
	note_view(node->s, m);
	if (c->n == QUEUE) {
		fail(node->s, "a channel is full");
		return;
	}
	struct packet *p = &c->q[(c->head + c->n++) % QUEUE];
	node->s->claims += m->kind == DSM_DATA && m->flags & DSM_CLAIM;
	p->m = *m;
	p->bytes = m->flags & DSM_BYTES ? node->kept[m->page] : UINT64_MAX;
}

static void on_fill(void *arg, uint64_t page)
{
	struct node *node = arg;

	if (node->access[page] != NONE)
		fail(node->s, "bytes come for a page that is in use");
	node->kept[page] = node->incoming;
}

static void wake(struct node *node, uint64_t page, enum access got)
{
	for (int t = 0; t < THREADS; t++)
		if (node->waits[t] && node->page[t] == page && (!node->writes[t] || got == WRITE))
			node->waits[t] = false;
}

static void on_install(void *arg, uint64_t page, bool write)
{
	struct node *node = arg;

	node->access[page] = write ? WRITE : READ;
	wake(node, page, node->access[page]);
}

static void on_protect(void *arg, uint64_t page)
{
	struct node *node = arg;

	if (node->access[page] == WRITE)
		node->access[page] = READ;
}

static void on_drop(void *arg, uint64_t page)
{
	struct node *node = arg;

	node->access[page] = NONE;
}

static void on_poison(void *arg, uint64_t page)
{
	struct node *node = arg;

	if (!node->s->may_be_lost[page])
		fail(node->s, "page %" PRIu64 " is called lost at node %u, but was not", page,
		     node->self);
	node->poisoned[page] = true;
	node->access[page] = NONE;
	wake(node, page, WRITE);
}

static const struct dsm_ops ops = {
	.send = on_send,
	.fill = on_fill,
	.install = on_install,
	.protect = on_protect,
	.drop = on_drop,
	.poison = on_poison,
};

static uint32_t home_of(void *arg, uint64_t page)
{
	const struct node *node = arg;

	return page < PAGES ? node->homes[page] : 0; /* chunks end behind the last page */
}

/* ---- steps ---- */

static void check_page(struct sim *s, uint64_t page)
{
	uint32_t writers = 0, readers = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		struct node *node = &s->nodes[i];
		if (node->dead || node->access[page] == NONE)
			continue;
		if (node->access[page] == WRITE)
			writers++;
		else
			readers++;
		if (node->kept[page] != s->truth[page])
			fail(s, "node %u may read %" PRIu64 " of page %" PRIu64 ", written was %" PRIu64,
			     i, node->kept[page], page, s->truth[page]);
	}
	if (writers > 1 || (writers && readers))
		fail(s, "page %" PRIu64 ": %u writers, %u readers", page, writers, readers);
}

static void touch(struct sim *s, struct node *node, int t)
{
	uint64_t page = below(s, PAGES);
	bool write = below(s, 3) == 0;

	if (node->poisoned[page])
		return;
	if (node->access[page] == WRITE || (node->access[page] == READ && !write)) {
		if (write) {
			node->kept[page] = s->truth[page] = ++s->stamps;
			s->writes++;
		} else {
			s->reads++;
		}
		return;
	}
	node->waits[t] = true;
	node->writes[t] = write;
	node->page[t] = page;
	if (dsm_fault(node->d, page, write, s->now) != 0)
		fail(s, "a fault is refused");
}

static void deliver(struct sim *s, uint32_t from, uint32_t to)
{
	struct channel *c = channel(s, from, to);
	struct packet p = c->q[c->head];

	c->head = (c->head + 1) % QUEUE;
	c->n--;
	if (s->nodes[to].dead)
		return;
	s->nodes[to].incoming = p.bytes;
	if (dsm_receive(s->nodes[to].d, from, &p.m, s->now) != 0)
		fail(s, "a message is refused");
}

/* Some channel that has something; the others wait. */
static bool deliver_one(struct sim *s)
{
	uint32_t all = s->n * s->n, at = below(s, all);

	for (uint32_t i = 0; i < all; i++, at = (at + 1) % all)
		if (s->channels[at].n) {
			deliver(s, at / s->n, at % s->n);
			return true;
		}
	return false;
}

static bool has_copy(const struct sim *s, uint32_t i, uint64_t page)
{
	enum dsm_state st = dsm_state(s->nodes[i].d, page);

	return !s->nodes[i].dead && st != DSM_INVALID && st != DSM_POISONED;
}

/* What node I keeps of a page is all that is left of it, and somebody knows. */
static bool is_keeper(const struct sim *s, uint32_t i, uint64_t page)
{
	return s->keeper[page] == i && !s->nodes[i].dead &&
	       s->nodes[i].kept[page] == s->truth[page] &&
	       dsm_version(s->nodes[i].d, page) != DSM_NO_VERSION;
}

static void kill_node(struct sim *s, uint32_t victim)
{
	memset(s->keeper, 0xff, sizeof s->keeper);
	s->nodes[victim].dead = true;
	s->alive[victim] = false;
	s->epoch++;
	for (uint64_t p = 0; p < PAGES; p++) {
		bool left = false;
		for (uint32_t i = 0; i < s->n; i++)
			left |= has_copy(s, i, p);
		s->may_be_lost[p] |= !left;
	}
	/* What it had sent may arrive or not: each channel is cut somewhere. */
	for (uint32_t i = 0; i < s->n; i++) {
		struct channel *c = channel(s, victim, i);
		c->n = c->n ? below(s, c->n + 1) : 0;
	}
}

/* Memory is short. After a death it may be the last copy that goes. */
static void give_up(struct sim *s, uint32_t i)
{
	uint64_t page = below(s, PAGES);
	bool left = false, died = false;
	/* Given up for a writer, which names only one of those that did so. */
	bool kept = s->amid_pct && dsm_state(s->nodes[i].d, page) == DSM_INVALID &&
		    s->nodes[i].kept[page] == s->truth[page];

	if (dsm_discard(s->nodes[i].d, page) != 0)
		return;
	if (dsm_version(s->nodes[i].d, page) == DSM_NO_VERSION)
		s->nodes[i].kept[page] = UINT64_MAX;
	for (uint32_t k = 0; k < s->n; k++) {
		left |= has_copy(s, k, page) || is_keeper(s, k, page);
		died |= s->nodes[k].dead;
	}
	s->may_be_lost[page] |= died && (kept || !left);
}

/* Survivors hear of it at their own time. */
static void tell_view(struct sim *s, struct node *node)
{
	if (node->dead || node->view == s->epoch)
		return;
	node->view = s->epoch;
	for (uint64_t p = 0; p < PAGES; p++)
		if (node->homes[p] != s->homes[p] && dsm_remember(node->d, p) != 0)
			fail(s, "no memory");
	memcpy(node->homes, s->homes, sizeof node->homes);
	dsm_view(node->d, s->epoch, s->alive, s->now);
}

/* Some page gets another home: a view in which nobody dies. */
static void move_home(struct sim *s)
{
	s->homes[below(s, PAGES)] = below(s, s->n);
	s->epoch++;
}

/* Somebody was asked to own a page: just now copies are given up, and the next view comes. */
static void disturb(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		for (int k = 0; k < PAGES && !s->nodes[i].dead; k++)
			give_up(s, i);
	if (below(s, 100) < s->amid_pct)
		move_home(s);
}

static void step(struct sim *s)
{
	struct node *node = &s->nodes[below(s, s->n)];
	int t = (int)below(s, THREADS);

	s->now++;
	if (!node->dead && !node->waits[t] && below(s, 100) >= s->stall_pct)
		touch(s, node, t);
	deliver_one(s);
	if (below(s, 20) == 0)
		tell_view(s, node);
	if (s->moves && below(s, 300) == 0)
		move_home(s);
	if (s->owns && s->amid_pct)
		disturb(s);
	s->owns = false;
	if (!node->dead && below(s, 4) == 0 && dsm_deadline(node->d) <= s->now)
		dsm_tick(node->d, s->now);
	if (!node->dead && below(s, 200) == 0)
		dsm_evict(node->d, below(s, PAGES));
	if (!node->dead && below(s, 20) == 0)
		give_up(s, node->self);
	for (uint64_t p = 0; p < PAGES; p++)
		check_page(s, p);
}

/* No new faults: everybody gets what they wait for. */
static void calm(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		tell_view(s, &s->nodes[i]);
	for (int idle = 0; idle < 3 && !s->failure[0];) {
		s->now += 1 + s->hold;
		idle = deliver_one(s) ? 0 : idle + 1;
		for (uint32_t i = 0; i < s->n; i++)
			if (!s->nodes[i].dead)
				dsm_tick(s->nodes[i].d, s->now);
		for (uint64_t p = 0; p < PAGES; p++)
			check_page(s, p);
	}
	for (uint32_t i = 0; i < s->n; i++)
		for (int t = 0; t < THREADS; t++)
			if (!s->nodes[i].dead && s->nodes[i].waits[t])
				fail(s, "node %u waits for page %" PRIu64 " for ever", i,
				     s->nodes[i].page[t]);
}

/* Afterwards every page can be read everywhere, unless it is lost. */
static void read_all(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		for (uint64_t p = 0; p < PAGES && !s->nodes[i].dead; p++) {
			dsm_fault(s->nodes[i].d, p, false, s->now);
			calm(s);
			if (s->nodes[i].access[p] == NONE && !s->nodes[i].poisoned[p])
				fail(s, "node %u cannot read page %" PRIu64, i, p);
		}
}

static bool claim(void *arg, uint64_t page)
{
	const struct node *node = arg;

	return below(node->s, 4) && page < PAGES;
}

struct plan {
	const char *name;
	uint32_t n_min, n_max;
	uint64_t hold;
	int steps, kills;
	unsigned runs;
	bool moves, ivy, claims;
	unsigned amid_pct;
};

static void start(struct sim *s, uint64_t seed, uint32_t n, const struct plan *plan)
{
	*s = (struct sim){ .seed = seed, .n = n, .hold = plan->hold, .stall_pct = 30 };
	memset(s->keeper, 0xff, sizeof s->keeper);
	dvmi_rng_seed(&s->rng, seed);
	s->channels = calloc((size_t)n * n, sizeof *s->channels);
	for (uint32_t i = 0; i < n; i++) {
		struct node *node = &s->nodes[i];
		*node = (struct node){ .s = s, .self = i };
		s->alive[i] = true;
		const struct dsm_config c = { .self = i,
					      .nodes = n,
					      .pages = PAGES,
					      .home = home_of,
					      .hold = plan->hold,
					      .serial = plan->ivy,
					      .reads_own = plan->ivy,
					      .claim = plan->claims ? claim : NULL,
					      .ops = &ops,
					      .arg = node };
		if (dsm_create(&node->d, &c) < 0)
			abort();
		for (uint64_t p = 0; p < PAGES; p++) {
			node->homes[p] = s->homes[p] = (uint32_t)(p * 7 % n);
			node->access[p] = home_of(node, p) == i ? READ : NONE;
		}
	}
}

static void stop(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		dsm_destroy(s->nodes[i].d);
	free(s->channels);
}

static uint64_t claims; /* pages that went to who wrote first */

static bool run(const void *arg, uint64_t seed)
{
	const struct plan *plan = arg;
	static struct sim s;
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, seed);
	uint32_t n = plan->n_min + (uint32_t)dvmi_rng_below(&rng, plan->n_max - plan->n_min + 1);
	start(&s, seed, n, plan);
	s.moves = plan->moves;
	s.amid_pct = plan->amid_pct;
	int kill_at[4] = { 0 };
	for (int k = 0; k < plan->kills; k++)
		kill_at[k] = (int)dvmi_rng_below(&rng, (uint64_t)plan->steps);
	for (int i = 0; i < plan->steps && !s.failure[0]; i++) {
		/* Also before most have touched anything. */
		if (plan->moves && i < 20 && below(&s, 10) == 0)
			move_home(&s);
		for (int k = 0; k < plan->kills; k++) {
			uint32_t victim = 1 + below(&s, n - 1);
			if (kill_at[k] == i && !s.nodes[victim].dead)
				kill_node(&s, victim);
		}
		step(&s);
	}
	if (!s.failure[0])
		calm(&s);
	if (!s.failure[0])
		read_all(&s);
	if (s.failure[0])
		printf("# SIM_SEED=%" PRIu64 " %s, %u nodes: %s\n", seed, plan->name, n, s.failure);
	claims += s.claims;
	stop(&s);
	return !s.failure[0];
}

int main(void)
{
	static const struct plan plans[] = {
		{ "two nodes", 2, 2, 0, 3000, 0, 40, false, false, false, 0 },
		{ "a few nodes", 3, 8, 0, 4000, 0, 60, false, false, false, 0 },
		{ "pages that are held", 2, 6, 40, 4000, 0, 40, false, false, false, 0 },
		{ "more nodes than bits", 70, 80, 0, 3000, 0, 3, false, false, false, 0 },
		{ "a node dies", 2, 6, 0, 3000, 1, 120, false, false, false, 0 },
		{ "a node dies, pages are held", 3, 6, 25, 3000, 1, 60, false, false, false, 0 },
		{ "three nodes die", 4, 8, 0, 3000, 3, 120, false, false, false, 0 },
		{ "homes move", 2, 6, 0, 3000, 0, 80, true, false, false, 0 },
		{ "homes move, and nodes die", 3, 7, 10, 3000, 2, 120, true, false, false, 0 },
		{ "nodes die, homes move while one is asked to own", 4, 8, 0, 1500, 2, 4000, false, false,
		  false, 30 },
		{ "as the first were", 2, 7, 0, 4000, 0, 60, false, true, false, 0 },
		{ "likewise, homes move", 2, 7, 0, 4000, 0, 60, true, true, false, 0 },
		{ "who writes first", 2, 7, 0, 1000, 0, 200, false, false, true, 0 },
		{ "who writes first, a node dies", 2, 7, 10, 1500, 1, 200, false, false, true, 0 },
		{ "who writes first, homes move, nodes die", 3, 7, 0, 1500, 2, 120, true, false, true, 0 },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
		good &= sim_seeds((int)i + 1, plans[i].name, plans[i].runs, run, &plans[i]);
	good &= claims > 0;
	printf("%s %zu - homes went to who wrote first\n", claims ? "ok" : "not ok",
	       sizeof plans / sizeof plans[0] + 1);
	printf("1..%zu\n", sizeof plans / sizeof plans[0] + 1);
	return !good;
}
