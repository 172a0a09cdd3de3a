/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Release consistency on a simulated network. Each lock goes with one slot of every page, so pages
 * are written by several nodes at a time, and no slot is. Threads lock, acquire, read and write the
 * slots of their lock, release, and give the lock on once that is over; others read what they like
 * without any of it. Channels between two nodes keep order, everything else is up to the seed.
 *
 * Who has a lock reads what was written last under it. At the end nobody waits. What a node that
 * died had written under its last lock may be there or not.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/rng.h"
#include "shm/release.h"
#include "tests/sim/seeds.h"

enum { NODES_MAX = 80, PAGES = 5, SLOTS = 6, QUEUE = 512, THREADS = 3, KEPT = 512 };

struct changes {
	uint32_t mask;
	uint64_t slots[SLOTS];
};

struct packet {
	uint32_t from;
	struct dsm_rc_msg m;
	struct changes c; /* also of whole pages */
};

struct channel {
	struct packet q[QUEUE];
	unsigned head, n;
};

enum access { NONE, READ, WRITE };
enum phase { IDLE, ACQUIRES, INSIDE, RELEASES, FLUSHES };

struct thread {
	enum phase phase;
	uint32_t lock, number;
	bool waits, writes; /* for `page` */
	uint64_t page, before[PAGES];
	int left;
};

/* A page has its home at `to` since view `since`; 0: never. */
struct moved {
	uint32_t to, since;
};

struct node {
	struct sim *s;
	uint32_t self, view;
	struct dsm_rc *d;
	bool dead;
	uint64_t kept[PAGES][SLOTS], twins[PAGES][SLOTS];
	bool twinned[PAGES], poisoned[PAGES];
	enum access access[PAGES];
	struct changes incoming;
	struct packet late[KEPT]; /* to come again */
	unsigned nlate;
	struct thread threads[THREADS];
	struct moved moved[PAGES]; /* as of its view */
};

struct sim {
	struct dvmi_rng rng;
	uint64_t stamps, reads, writes, checked;
	uint32_t n, epoch;
	bool push, moves, alive[NODES_MAX];
	struct moved moved[PAGES];
	unsigned parts;
	uint32_t twins;
	struct node nodes[NODES_MAX];
	struct channel *channels;
	bool locked[SLOTS];
	uint64_t truth[PAGES][SLOTS];
	bool unsure[PAGES][SLOTS], home_died[PAGES];
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

static struct changes changes_of(const struct node *node, uint64_t page, unsigned first,
				 unsigned end)
{
	struct changes c = { 0 };

	for (unsigned i = first; i < end; i++)
		if (node->twinned[page] && node->kept[page][i] != node->twins[page][i]) {
			c.mask |= 1u << i;
			c.slots[i] = node->kept[page][i];
		}
	return c;
}

static void make(uint64_t *slots, const struct changes *c)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (c->mask >> i & 1)
			slots[i] = c->slots[i];
}

static struct changes part_of(const struct node *node, uint64_t page, unsigned part)
{
	unsigned parts = node->s->parts;

	return changes_of(node, page, part * SLOTS / parts, (part + 1) * SLOTS / parts);
}

static struct changes all_of(const struct node *node, uint64_t page, bool zero)
{
	struct changes c = { .mask = (1u << SLOTS) - 1 };

	for (unsigned i = 0; i < SLOTS; i++)
		c.slots[i] = zero		   ? 0 :
			     node->twinned[page] ? node->twins[page][i] :
						   node->kept[page][i];
	return c;
}

static void on_send(void *arg, uint32_t to, const struct dsm_rc_msg *m)
{
	struct node *node = arg;
	struct channel *c = channel(node->s, node->self, to);

	if (c->n == QUEUE || to == node->self) {
		fail(node->s, "a channel is full, or leads nowhere");
		return;
	}
	/* Lent to one that is dead already, which nobody can tell from one that has written. */
	if (node->s->nodes[to].dead && m->flags & DSM_RC_ALONE && m->kind != DSM_RC_GET)
		node->s->home_died[m->page] = true;
	struct packet *p = &c->q[(c->head + c->n++) % QUEUE];
	*p = (struct packet){ .from = node->self, .m = *m };
	if (m->flags & (DSM_RC_BYTES | DSM_RC_ZEROS))
		p->c = all_of(node, m->page, m->flags & DSM_RC_ZEROS);
	else if (m->flags & DSM_RC_FORWARD)
		p->c = node->incoming;
	else if (m->flags & DSM_RC_AGAIN)
		p->c = *(struct changes *)*m->kept;
	else if (m->flags & DSM_RC_CHANGES)
		p->c = part_of(node, m->page, m->part);
	if (m->kind == DSM_RC_DIFF && !*m->kept) {
		*m->kept = malloc(sizeof p->c);
		memcpy(*m->kept, &p->c, sizeof p->c);
	}
}

static void put_under(struct node *node, uint64_t page, const struct changes *c)
{
	struct changes own = changes_of(node, page, 0, SLOTS);

	make(node->kept[page], c);
	if (!node->twinned[page])
		return;
	make(node->twins[page], c);
	make(node->kept[page], &own);
}

static void on_fill(void *arg, uint64_t page)
{
	struct node *node = arg;

	if (node->access[page] != NONE)
		fail(node->s, "bytes come for a page that is in use");
	put_under(node, page, &node->incoming);
}

static void on_merge(void *arg, uint64_t page)
{
	struct node *node = arg;

	make(node->kept[page], &node->incoming);
	if (node->twinned[page])
		make(node->twins[page], &node->incoming);
}

static void on_redo(void *arg, unsigned part, void *kept)
{
	(void)part;
	make(((struct node *)arg)->incoming.slots, kept);
}

static void on_forget(void *arg, void *kept)
{
	(void)arg;
	free(kept);
}

static void wake(struct node *node, uint64_t page)
{
	for (int t = 0; t < THREADS; t++)
		if (node->threads[t].page == page)
			node->threads[t].waits = false;
}

static void on_install(void *arg, uint64_t page, bool write)
{
	struct node *node = arg;

	node->access[page] = write ? WRITE : READ;
	wake(node, page);
}

static void on_protect(void *arg, uint64_t page)
{
	struct node *node = arg;

	if (node->access[page] == WRITE)
		node->access[page] = READ;
}

static void on_drop(void *arg, uint64_t page)
{
	((struct node *)arg)->access[page] = NONE;
}

static void on_poison(void *arg, uint64_t page)
{
	struct node *node = arg;

	if (!node->s->home_died[page])
		fail(node->s, "page %" PRIu64 " is called lost, but was not", page);
	node->poisoned[page] = true;
	node->access[page] = NONE;
	wake(node, page);
}

static bool on_twin(void *arg, uint64_t page)
{
	struct node *node = arg;

	if (below(node->s, 50) == 0)
		return false;
	memcpy(node->twins[page], node->kept[page], sizeof node->twins[page]);
	node->twinned[page] = true;
	return true;
}

static void on_untwin(void *arg, uint64_t page)
{
	((struct node *)arg)->twinned[page] = false;
}

static bool on_changed(void *arg, uint64_t page, unsigned part)
{
	return part_of(arg, page, part).mask != 0;
}

static const struct dsm_rc_ops ops = {
	.send = on_send,
	.fill = on_fill,
	.merge = on_merge,
	.install = on_install,
	.protect = on_protect,
	.drop = on_drop,
	.poison = on_poison,
	.twin = on_twin,
	.untwin = on_untwin,
	.redo = on_redo,
	.forget = on_forget,
	.changed = on_changed,
};

static uint32_t home_of(void *arg, uint64_t page)
{
	return (uint32_t)(page * 7 % ((const struct node *)arg)->s->n);
}

static bool has_moved(void *arg, uint64_t page, uint32_t *to, uint32_t *since)
{
	const struct moved *m = &((const struct node *)arg)->moved[page];

	*to = m->to;
	*since = m->since;
	return m->since != 0;
}

/* ---- threads ---- */

static void fault(struct node *node, struct thread *t, bool write)
{
	t->waits = true;
	t->writes = write;
	int rc = dsm_rc_fault(node->d, t->page, write, false);
	if (rc == -ENOMEM)
		t->waits = false;
	else if (rc < 0)
		fail(node->s, "a fault is refused: %d", rc);
}

static void look(struct node *node, const struct thread *t)
{
	struct sim *s = node->s;
	uint64_t got = node->kept[t->page][t->lock], want = s->truth[t->page][t->lock];

	s->reads++;
	if (s->unsure[t->page][t->lock])
		return;
	s->checked++;
	if (got != want)
		fail(s, "node %u reads %" PRIu64 " in page %" PRIu64 ", slot %u; written was %" PRIu64,
		     node->self, got, t->page, t->lock, want);
}

/* One access to a slot of the lock it has. */
static void touch(struct node *node, struct thread *t)
{
	struct sim *s = node->s;
	bool write = t->writes;

	if (!node->poisoned[t->page]) {
		if (node->access[t->page] == NONE || (write && node->access[t->page] == READ)) {
			fault(node, t, write);
			return;
		}
		look(node, t);
		if (write) {
			/* Sometimes as if nothing had been written since it has the lock. */
			uint64_t stamp = below(s, 3) ? ++s->stamps : t->before[t->page];
			/* What a dead home had not released may be here: that once more is no change. */
			s->unsure[t->page][t->lock] &= stamp == node->kept[t->page][t->lock];
			node->kept[t->page][t->lock] = s->truth[t->page][t->lock] = stamp;
			s->writes++;
		}
	}
	t->page = below(s, PAGES);
	t->writes = below(s, 2);
	t->phase = --t->left > 0 ? INSIDE : RELEASES;
}

static void begin(struct node *node, struct thread *t)
{
	struct sim *s = node->s;
	uint32_t lock = below(s, SLOTS);

	t->page = below(s, PAGES);
	t->writes = below(s, 2);
	if (below(s, 3) == 0) {
		dsm_rc_fault(node->d, t->page, false, below(s, 2));
	} else if (!s->locked[lock]) {
		s->locked[lock] = true;
		t->lock = lock;
		t->left = 1 + (int)below(s, 6);
		for (uint64_t p = 0; p < PAGES; p++)
			t->before[p] = s->truth[p][lock];
		t->phase = ACQUIRES;
	}
}

static void run_thread(struct node *node, struct thread *t)
{
	int rc;

	switch (t->phase) {
	case IDLE:
		begin(node, t);
		break;
	case ACQUIRES:
		rc = dsm_rc_acquire(node->d);
		t->phase = rc == 0 ? INSIDE : ACQUIRES;
		break;
	case INSIDE:
		touch(node, t);
		break;
	case RELEASES:
		rc = dsm_rc_release(node->d, 1 + below(node->s, 4), &t->number);
		t->phase = rc == 0 ? FLUSHES : RELEASES;
		break;
	case FLUSHES:
		if (!dsm_rc_over(node->d, t->number))
			return;
		node->s->locked[t->lock] = false;
		t->phase = IDLE;
	}
}

/* ---- messages ---- */

/* As dsm_rc_receive(). */
static int give(struct node *node, const struct packet *p)
{
	node->incoming = p->c;
	int rc = dsm_rc_receive(node->d, p->from, &p->m);
	if (rc == -EAGAIN && node->nlate < KEPT)
		node->late[node->nlate++] = *p;
	else if (rc < 0)
		fail(node->s, "a message is refused: %d", rc);
	return rc;
}

/* Until none of them can be taken any more: what comes next of the same sender is newer. */
static void retry(struct node *node)
{
	static struct packet all[KEPT];
	unsigned n;

	do {
		n = node->nlate;
		memcpy(all, node->late, n * sizeof *all);
		node->nlate = 0;
		unsigned i = 0;
		while (i < n && give(node, &all[i++]) <= 0)
			;
		while (i < n)
			node->late[node->nlate++] = all[i++];
	} while (node->nlate < n);
}

static bool deliver_one(struct sim *s)
{
	uint32_t all = s->n * s->n, at = below(s, all);

	for (uint32_t i = 0; i < all; i++, at = (at + 1) % all) {
		struct channel *c = &s->channels[at];
		struct node *to = &s->nodes[at % s->n];
		if (!c->n)
			continue;
		struct packet p = c->q[c->head];
		c->head = (c->head + 1) % QUEUE;
		c->n--;
		if (!to->dead) {
			give(to, &p);
			retry(to);
		}
		return true;
	}
	return false;
}

/* ---- deaths ---- */

/* It has the only copy, or will have, as far as its home knows. */
static bool is_lent(const struct sim *s, uint64_t page, uint32_t to)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (!s->nodes[i].dead && dsm_rc_lent(s->nodes[i].d, page) == to)
			return true;
	return false;
}

static bool is_home(const struct sim *s, uint64_t page, uint32_t node)
{
	bool is = false;

	for (uint32_t i = 0; i < s->n; i++)
		is |= !s->nodes[i].dead && dsm_rc_home(s->nodes[i].d, page) == node;
	return is;
}

static void kill_node(struct sim *s, uint32_t victim)
{
	struct node *node = &s->nodes[victim];

	for (uint64_t p = 0; p < PAGES; p++)
		s->home_died[p] |= is_home(s, p, victim) || is_lent(s, p, victim) ||
				   (s->moves && dsm_rc_is_needed(node->d, p));
	node->dead = true;
	s->alive[victim] = false;
	s->epoch++;
	for (int t = 0; t < THREADS; t++) {
		struct thread *th = &node->threads[t];
		for (uint64_t p = 0; p < PAGES && th->phase != IDLE; p++)
			s->unsure[p][th->lock] = true;
		if (th->phase != IDLE)
			s->locked[th->lock] = false;
	}
	for (uint32_t i = 0; i < s->n; i++) {
		struct channel *c = channel(s, victim, i);
		c->n = c->n ? below(s, c->n + 1) : 0;
	}
}

static void tell_view(struct sim *s, struct node *node)
{
	if (node->dead || node->view == s->epoch)
		return;
	node->view = s->epoch;
	for (uint64_t p = 0; p < PAGES; p++)
		if (node->moved[p].since != s->moved[p].since && dsm_rc_remember(node->d, p) != 0)
			fail(s, "no memory");
	memcpy(node->moved, s->moved, sizeof node->moved);
	if (dsm_rc_view(node->d, s->epoch, s->alive) < 0)
		fail(s, "a view is refused");
	retry(node);
}

/* Some page gets another home: a view in which nobody dies. */
static void move_home(struct sim *s)
{
	s->moved[below(s, PAGES)] = (struct moved){ below(s, s->n), ++s->epoch };
}

/* ---- a run ---- */

static void step(struct sim *s)
{
	struct node *node = &s->nodes[below(s, s->n)];
	struct thread *t = &node->threads[below(s, THREADS)];

	if (!node->dead && !t->waits && below(s, 3))
		run_thread(node, t);
	if (below(s, 10))
		deliver_one(s);
	if (below(s, 20) == 0)
		tell_view(s, node);
	if (s->moves && below(s, 300) == 0)
		move_home(s);
	if (!node->dead && below(s, 150) == 0)
		dsm_rc_discard(node->d, below(s, PAGES));
}

static bool busy(const struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		for (int t = 0; t < THREADS; t++)
			if (!s->nodes[i].dead && (s->nodes[i].threads[t].phase != IDLE ||
						  s->nodes[i].threads[t].waits))
				return true;
	return false;
}

/* What is under way comes to its end. */
static void calm(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		tell_view(s, &s->nodes[i]);
	for (int rounds = 0; busy(s) && !s->failure[0]; rounds++) {
		for (int k = 0; k < 10; k++)
			deliver_one(s);
		for (uint32_t i = 0; i < s->n; i++)
			for (int t = 0; t < THREADS; t++) {
				struct node *node = &s->nodes[i];
				if (!node->dead && !node->threads[t].waits &&
				    node->threads[t].phase != IDLE)
					run_thread(node, &node->threads[t]);
			}
		if (rounds > 5000)
			fail(s, "somebody waits for ever");
	}
	while (deliver_one(s) && !s->failure[0])
		;
}

/* Afterwards all read the same. */
static void read_all(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct node *node = &s->nodes[i];
		struct thread *t = &node->threads[0];
		if (node->dead)
			continue;
		if (dsm_rc_acquire(node->d) != 0)
			fail(s, "node %u cannot acquire", i);
		for (t->page = 0; t->page < PAGES && !s->failure[0]; t->page++) {
			fault(node, t, false);
			while (deliver_one(s) && !s->failure[0])
				;
			if (t->waits)
				fail(s, "node %u cannot read page %" PRIu64, i, t->page);
			for (t->lock = 0; t->lock < SLOTS && !node->poisoned[t->page]; t->lock++)
				look(node, t);
		}
	}
}

struct plan {
	const char *name;
	uint32_t n_min, n_max;
	bool push;
	uint32_t twins;
	int steps, kills;
	unsigned runs;
	unsigned lends; /* pages are lent; in so many parts */
	bool moves;	/* of homes */
};

static void start(struct sim *s, const struct plan *plan, uint64_t seed, uint32_t n)
{
	memset(s, 0, sizeof *s);
	s->n = n;
	s->push = plan->push;
	s->moves = plan->moves;
	s->parts = plan->lends ? plan->lends : 2;
	dvmi_rng_seed(&s->rng, seed);
	s->channels = calloc((size_t)n * n, sizeof *s->channels);
	for (uint32_t i = 0; i < n; i++) {
		struct node *node = &s->nodes[i];
		node->s = s;
		node->self = i;
		s->alive[i] = true;
		const struct dsm_rc_config c = { .self = i,
						 .nodes = n,
						 .pages = PAGES,
						 .parts = s->parts,
						 .twins = plan->twins,
						 .push = plan->push,
						 .lend = plan->lends > 0,
						 .home = home_of,
						 .moved = plan->moves ? has_moved : NULL,
						 .ops = &ops,
						 .arg = node };
		if (dsm_rc_create(&node->d, &c) < 0)
			abort();
	}
}

static void stop(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		dsm_rc_destroy(s->nodes[i].d);
	free(s->channels);
}

static bool run(const void *arg, uint64_t seed)
{
	const struct plan *plan = arg;
	static struct sim s;
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, seed);
	uint32_t n = plan->n_min + (uint32_t)dvmi_rng_below(&rng, plan->n_max - plan->n_min + 1);
	start(&s, plan, seed, n);
	int kill_at[4] = { 0 };
	for (int k = 0; k < plan->kills; k++)
		kill_at[k] = (int)dvmi_rng_below(&rng, (uint64_t)plan->steps);
	for (int i = 0; i < plan->steps && !s.failure[0]; i++) {
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
	if (!s.failure[0] && !s.checked)
		fail(&s, "nothing was checked");
	if (s.failure[0])
		printf("# SIM_SEED=%" PRIu64 " %s, %u nodes: %s\n", seed, plan->name, n, s.failure);
	stop(&s);
	return !s.failure[0];
}

int main(void)
{
	static const struct plan plans[] = {
		{ "two nodes", 2, 2, false, 0, 4000, 0, 60, 0, false },
		{ "a few nodes", 3, 8, false, 0, 6000, 0, 60, 0, false },
		{ "few twins", 2, 6, false, 4, 4000, 0, 60, 0, false },
		{ "changes are pushed", 2, 6, true, 0, 5000, 0, 60, 0, false },
		{ "likewise, few twins", 2, 6, true, 4, 4000, 0, 40, 0, false },
		{ "more nodes than bits", 70, 80, false, 0, 5000, 0, 3, 0, false },
		{ "a node dies", 2, 6, false, 0, 4000, 1, 120, 0, false },
		{ "a node dies, changes are pushed", 3, 6, true, 4, 4000, 1, 80, 0, false },
		{ "three nodes die", 4, 8, false, 0, 4000, 3, 120, 0, false },
		{ "two nodes, lent pages", 2, 2, false, 0, 4000, 0, 60, 1, false },
		{ "lent pages", 2, 6, false, 0, 6000, 0, 60, 1, false },
		{ "lent pages in parts, few twins", 2, 6, false, 4, 4000, 0, 60, 2, false },
		{ "lent pages, a node dies", 2, 6, false, 0, 4000, 1, 120, 1, false },
		{ "lent pages, three nodes die", 4, 8, false, 4, 4000, 3, 120, 1, false },
		{ "lent pages, more nodes than bits", 70, 80, false, 0, 5000, 0, 3, 1, false },
		{ "homes move", 2, 6, false, 0, 4000, 0, 80, 0, true },
		{ "homes move, changes are pushed", 2, 6, true, 4, 4000, 0, 60, 0, true },
		{ "homes move, lent pages", 2, 6, false, 0, 4000, 0, 80, 1, true },
		{ "homes move, lent pages in parts", 2, 6, false, 4, 4000, 0, 60, 2, true },
		{ "homes move, and nodes die", 3, 7, false, 0, 4000, 2, 100, 0, true },
		{ "homes move, lent pages, nodes die", 3, 7, false, 0, 4000, 2, 120, 1, true },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
		good &= sim_seeds((int)i + 1, plans[i].name, plans[i].runs, run, &plans[i]);
	printf("1..%zu\n", sizeof plans / sizeof plans[0]);
	return !good;
}
