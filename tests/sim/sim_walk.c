/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages of page tables that several nodes write, simulated: the engine, the twins and the rule that
 * nothing is told before the differences have arrived, on channels that keep order and nothing else.
 *
 * Each node has hardware that walks two tables and sets accessed and dirty bits, and a kernel: it
 * takes a lock that lies in a page of the same memory, compares the tables with what they should be
 * (in another page), takes an entry away, looks in a third page who walks tables now, sends those an
 * interrupt and waits for their answers, puts another entry there. Sometimes it unlinks a table, and
 * all use its page as counters for a while, one of them without a lock.
 *
 * Pages travel as what has changed since a version that their receiver keeps, where their sender has a twin
 * of that, as those of a segment do. Several nodes may end the mode at once.
 *
 * Checked: nobody uses an entry after the message by which it was told of a newer one; under the lock
 * everything is as it should be; a dirty bit that was set is there when the entry is taken away;
 * counters are exact; other pages have one writer; at the end nobody waits and all copies are the
 * same. Each rule that this rests on is also broken on purpose, which has to be seen.
 *
 * Most plans have no time: which message comes next is up to the seed. In those that have, a
 * message takes up to so many steps and all work at each step, and nobody waits longer for a page
 * than follows from that, however long the others go on.
 */
#include "tests/sim/walk_links.h"

/* ---- hardware ---- */

static void see(struct node *node, uint64_t t, uint64_t i, uint64_t gen)
{
	if (gen > node->must[t][i])
		node->must[t][i] = gen;
}

/* A processor that goes to work on these tables, or away: it says so first. */
static bool is_active(struct node *node)
{
	struct sim *s = node->s;

	if (node->active && below(s, 40))
		return true;
	if (!have(node, ACTIVE, true))
		return false;
	node->active = !node->active;
	node->live[ACTIVE][node->self] = node->active;
	for (uint64_t t = 0; t < TABLES; t++)
		for (uint64_t i = 0; i < ENTRIES; i++)
			see(node, t, i, s->skipped[node->self][t][i]);
	return node->active;
}

/* An atomic instruction in a page that was a table. */
static void count(struct node *node, uint64_t t)
{
	if (!node->data[t] || !have(node, TABLE + t, true))
		return;
	node->live[TABLE + t][1] += 2;
	node->s->counted[t]++;
}

static void walk(struct node *node)
{
	struct sim *s = node->s;
	uint64_t t = below(s, TABLES), i = below(s, ENTRIES);
	uint64_t *e = &node->live[TABLE + t][i];

	if (!is_active(node))
		return;
	if (s->levels && below(s, 3))
		walk_down(node);
	count(node, t);
	if (node->unlinked[t] || !have(node, TABLE + t, true) || !(*e & DSM_PTE_PRESENT))
		return;
	if (gen_of(*e) < node->must[t][i] && !s->killed)
		fail(s, "node %u uses entry %" PRIu64 " of age %" PRIu64 ", was told of %" PRIu64,
		     node->self, i, gen_of(*e), node->must[t][i]);
	*e |= DSM_PTE_ACCESSED;
	s->walks++;
	if (*e & DSM_PTE_WRITE && below(s, 2)) {
		*e |= DSM_PTE_DIRTY;
		s->wrote[t][i] = gen_of(*e);
	}
}

/* ---- a kernel ---- */

/* Under the lock: tables and counters are what they should be. */
static void check_truth(struct node *node, uint64_t t)
{
	const uint64_t *truth = node->live[TRUTH], *live = node->live[TABLE + t];
	uint64_t hardware = DSM_PTE_ACCESSED | DSM_PTE_DIRTY;

	if (node->s->killed)
		return;
	if (truth[T_DATA + t]) {
		if (live[0] != truth[T_COUNT + t])
			fail(node->s, "node %u: a counter is %" PRIu64 ", not %" PRIu64, node->self,
			     live[0], truth[T_COUNT + t]);
		return;
	}
	for (uint64_t i = 0; i < ENTRIES; i++) {
		uint64_t should = truth[T_ENTRY + t * ENTRIES + i];
		if ((live[i] | hardware) != (should | hardware))
			fail(node->s, "node %u: under the lock %" PRIx64 " is %" PRIx64, node->self,
			     should, live[i]);
		see(node, t, i, truth[T_GEN + t * ENTRIES + i]);
	}
}

static void put(struct node *node, uint64_t t, uint64_t i)
{
	uint64_t *truth = node->live[TRUTH], gen = ++truth[T_GEN + t * ENTRIES + i];
	uint64_t e = gen << 12 | DSM_PTE_PRESENT | (below(node->s, 3) ? DSM_PTE_WRITE : 0) |
		     (below(node->s, 2) ? DSM_PTE_ACCESSED : 0);

	truth[T_ENTRY + t * ENTRIES + i] = e | DSM_PTE_ACCESSED;
	node->live[TABLE + t][i] = e;
}

static bool have_all(struct node *node)
{
	bool table = have(node, TABLE + node->t, true), truth = have(node, TRUTH, true);

	return table && truth;
}

/* A page of counters counts, or becomes a table again. */
static void use_data(struct node *node)
{
	uint64_t *truth = node->live[TRUTH], *live = node->live[TABLE + node->t];

	node->kernel = UNLOCKING;
	node->s->counts++;
	live[0] += 2;
	truth[T_COUNT + node->t] += 2;
	if (below(node->s, 4))
		return;
	node->kernel = STOPPING;
	node->data[node->t] = false;
	all_nodes(node, (struct post){ .kind = STOP, .t = node->t });
}

/* Nobody counts any more. */
static void make_table(struct node *node)
{
	if (!have_all(node))
		return;
	struct sim *s = node->s;
	uint64_t *live = node->live[TABLE + node->t];
	if (live[1] != 2 * s->counted[node->t] && !s->killed)
		fail(s, "%" PRIu64 " were counted, not %" PRIu64, live[1] / 2, s->counted[node->t]);
	memset(live, 0, sizeof node->live[0]);
	node->live[TRUTH][T_DATA + node->t] = 0;
	for (uint64_t i = 0; i < ENTRIES; i++)
		put(node, node->t, i);
	live[0] |= DSM_PTE_ACCESSED;
	node->relink = true;
	node->kernel = UNLOCKING;
}

static void take_entry(struct node *node)
{
	uint64_t *truth = node->live[TRUTH], t = node->t;

	node->i = below(node->s, ENTRIES);
	uint64_t *e = &node->live[TABLE + t][node->i];
	node->old = *e;
	*e = 0;
	node->gen = gen_of(node->old);
	truth[T_ENTRY + t * ENTRIES + node->i] = 0;
	see(node, t, node->i, node->gen + 1);
	node->kernel = AIMING;
}

/* In one go, and nobody is told; perhaps once more, before the others have this. */
static void change_entry(struct node *node)
{
	node->i = below(node->s, 2) ? node->i : below(node->s, ENTRIES);
	put(node, node->t, node->i);
	node->s->changes++;
	node->kernel = below(node->s, 4) ? IN : UNLOCKING;
}

/* Who is away is not told; when it comes back, it will have said so before it walks. */
static void aim(struct node *node)
{
	struct sim *s = node->s;

	if (!have(node, ACTIVE, false))
		return;
	node->kernel = SHOOTING;
	node->answers = 0;
	for (uint32_t to = 0; to < s->n; to++) {
		if (to == node->self || s->nodes[to].dead)
			continue;
		if (!node->live[ACTIVE][to]) {
			uint64_t *gen = &s->skipped[to][node->t][node->i];
			*gen = node->gen + 1 > *gen ? node->gen + 1 : *gen;
			continue;
		}
		post(node, to, (struct post){ SHOOT, node->t, node->i, node->gen + 1 });
		node->answers++;
	}
}

static void begin_unlink(struct node *node)
{
	node->kernel = UNLINKING;
	node->unlinked[node->t] = true;
	all_nodes(node, (struct post){ .kind = UNLINK, .t = node->t });
}

static void inside(struct node *node)
{
	if (!have_all(node))
		return;
	check_truth(node, node->t);
	if (node->s->levels && below(node->s, 3))
		empty_child(node);
	else if (node->live[TRUTH][T_DATA + node->t])
		use_data(node);
	else if (below(node->s, 8) == 0)
		begin_unlink(node);
	else if (below(node->s, 2))
		change_entry(node);
	else
		take_entry(node);
}

/* All have answered: nobody uses the entry, so what they did with it can be seen. */
static void shot(struct node *node)
{
	struct sim *s = node->s;

	if (s->wrote[node->t][node->i] == node->gen && gen_of(node->old) == node->gen &&
	    node->gen && !(node->old & DSM_PTE_DIRTY) && !s->killed)
		fail(s, "node %u: a dirty bit is lost", node->self);
	if (!have_all(node))
		return;
	put(node, node->t, node->i);
	s->changes++;
	node->kernel = UNLOCKING;
}

static void unlinked(struct node *node)
{
	if (!have_all(node))
		return;
	uint64_t *truth = node->live[TRUTH], *live = node->live[TABLE + node->t];
	memset(live, 0, sizeof node->live[0]);
	live[0] = truth[T_COUNT + node->t] = 1;
	truth[T_DATA + node->t] = 1;
	node->s->counted[node->t] = 0;
	node->new_data = true;
	node->kernel = UNLOCKING;
}

static void unlock(struct node *node)
{
	if (!have(node, LOCK, true))
		return;
	node->live[LOCK][0] = 0;
	node->kernel = IDLE;
	if (node->relink) {
		node->unlinked[node->t] = false;
		all_nodes(node, (struct post){ .kind = LINK, .t = node->t });
		node->answers = 0;
	}
	if (node->new_data) {
		node->data[node->t] = true;
		all_nodes(node, (struct post){ .kind = DATA, .t = node->t });
		node->answers = 0;
	}
	node->relink = node->new_data = false;
}

static void lock(struct node *node)
{
	if (!have(node, LOCK, true) || node->live[LOCK][0])
		return;
	node->live[LOCK][0] = node->self + 1;
	node->t = below(node->s, TABLES);
	node->kernel = IN;
}

static void kernel(struct node *node)
{
	switch (node->kernel) {
	case IDLE:
		lock(node);
		break;
	case IN:
		inside(node);
		break;
	case AIMING:
		aim(node);
		break;
	case STOPPING:
		if (!node->answers)
			make_table(node);
		break;
	case SHOOTING:
		if (!node->answers)
			shot(node);
		break;
	case EMPTYING:
		leave_child(node);
		break;
	case LEAVING:
		node->kernel = node->answers ? LEAVING : FILLING;
		break;
	case FILLING:
		fill_child(node);
		break;
	case UNLINKING:
		if (!node->answers)
			unlinked(node);
		break;
	default:
		unlock(node);
	}
}

static void on_post(struct node *node, uint32_t from, const struct post *p)
{
	switch (p->kind) {
	case SHOOT:
		see(node, p->t, p->i, p->gen);
		break;
	case UNLINK:
	case LINK:
		node->unlinked[p->t] = p->kind == UNLINK;
		break;
	case DATA:
	case STOP:
		node->data[p->t] = p->kind == DATA;
		break;
	case SHOT:
		node->answers -= node->answers > 0;
		break;
	}
	if (p->kind == SHOOT || p->kind == UNLINK || p->kind == STOP)
		post(node, from, (struct post){ .kind = SHOT });
}

/* ---- steps ---- */

static void deliver(struct sim *s, uint32_t from, uint32_t to)
{
	struct packet *p = s->channels[from][to];
	struct node *node = &s->nodes[to];

	DL_DELETE(s->channels[from][to], p);
	node->incoming = p;
	if (!node->dead && p->is_post) {
		on_post(node, from, &p->post);
	} else if (!node->dead) {
		p->m.diff = (uint8_t *)p->bytes;
		p->m.ndiff = p->m.kind == DSM_DATA ? 0 : p->n;
		if (dsm_receive(node->d, from, &p->m, s->now) != 0)
			fail(s, "a message is refused");
	}
	free(p);
}

/* Everything that has arrived by now. */
static void deliver_due(struct sim *s)
{
	for (uint32_t at = 0; at < s->n * s->n; at++) {
		struct packet **c = &s->channels[at / s->n][at % s->n];
		while (*c && (*c)->at <= s->now)
			deliver(s, at / s->n, at % s->n);
	}
}

static bool deliver_one(struct sim *s)
{
	uint32_t all = s->n * s->n, at = below(s, all);

	for (uint32_t i = 0; i < all; i++, at = (at + 1) % all)
		if (s->channels[at / s->n][at % s->n]) {
			deliver(s, at / s->n, at % s->n);
			return true;
		}
	return false;
}

static void check_pages(struct sim *s)
{
	for (uint64_t p = 0; p < PAGES; p++) {
		uint32_t alone = 0, others = 0;
		for (uint32_t i = 0; i < s->n; i++) {
			struct node *node = &s->nodes[i];
			bool walks = dsm_state(node->d, p) == DSM_WALKING;
			if (node->dead || node->access[p] == NONE)
				continue;
			alone += node->access[p] == WRITE && !walks;
			others += node->access[p] == READ || walks;
			if (walks && p < TABLE)
				fail(s, "page %" PRIu64 " is no table", p);
		}
		if (alone > 1 || (alone && others))
			fail(s, "page %" PRIu64 ": %u writers, %u others", p, alone, others);
	}
}

static void kill_node(struct sim *s, uint32_t victim)
{
	s->nodes[victim].dead = s->killed = true;
	s->alive[victim] = false;
	s->epoch++;
	for (uint32_t i = 0; i < s->n; i++) {
		struct packet *p = s->channels[victim][i], *next;
		for (; p && below(s, 4); p = p->next)
			;
		for (; p; p = next) {
			next = p->next;
			DL_DELETE(s->channels[victim][i], p);
			free(p);
		}
	}
}

static void tell_view(struct sim *s, struct node *node)
{
	if (node->dead || node->view == s->epoch)
		return;
	node->view = s->epoch;
	/* As dsm_gate_open(). */
	release(node);
	DL_CONCAT(node->closed, node->open);
	node->open = NULL;
	release(node);
	node->shut = node->tells = node->again = false;
	for (int p = 0; p < PAGES; p++)
		if (node->walks[p])
			dsm_walked_again(&node->w[p]);
	dsm_view(node->d, s->epoch, s->alive, s->now);
}

/* That are used. */
static uint32_t pages(const struct sim *s)
{
	return s->levels ? PAGES : PARENT;
}

/* It has lasted for long enough, and several of those that have it see that at once. */
static void end_some(struct sim *s, uint64_t page)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (!s->nodes[i].dead && below(s, 2))
			dsm_walk_end(s->nodes[i].d, page, s->now);
}

static void step(struct sim *s)
{
	struct node *node = &s->nodes[below(s, s->n)];

	s->now++;
	if (below(s, 20) == 0)
		tell_view(s, node);
	if (!node->dead && below(s, 3))
		walk(node);
	if (!node->dead && below(s, 3) == 0)
		kernel(node);
	if (!node->dead && below(s, 4) == 0)
		dsm_tick(node->d, s->now);
	if (!node->dead && below(s, 2))
		gate_step(node);
	if (!node->dead && s->ahead && below(s, 30) == 0)
		ask_ahead(node, below(s, pages(s)), below(s, 2));
	if (below(s, s->levels ? 60 : 400) == 0)
		end_some(s, TABLE + below(s, pages(s) - TABLE));
	deliver_one(s);
	check_pages(s);
}

static void check_waits(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		for (int p = 0; p < PAGES; p++) {
			const struct node *node = &s->nodes[i];
			if (node->waits[p] && s->now - node->since[p] > patience(s))
				fail(s, "node %u has waited for page %d for %" PRIu64 " steps", i,
				     p, s->now - node->since[p]);
		}
}

/* With time: all nodes work at once. */
static void timed_step(struct sim *s)
{
	s->now++;
	for (uint32_t i = 0; i < s->n; i++) {
		struct node *node = &s->nodes[i];
		walk(node);
		if (below(s, 2))
			kernel(node);
		if (s->ahead && below(s, 300) == 0)
			ask_ahead(node, below(s, pages(s)), below(s, 2));
		if (below(s, 4000) == 0)
			dsm_walk_end(node->d, TABLE + below(s, pages(s) - TABLE), s->now);
	}
	deliver_due(s);
	for (uint32_t i = 0; i < s->n; i++) {
		dsm_tick(s->nodes[i].d, s->now);
		gate_step(&s->nodes[i]);
	}
	check_pages(s);
	check_waits(s);
}

static void calm(struct sim *s)
{
	s->latency = 0; /* no time any more */
	s->over = true;
	for (int idle = 0; idle < 3 && !s->failure[0];) {
		s->now += 100;
		idle = deliver_one(s) ? 0 : idle + 1;
		for (uint32_t i = 0; i < s->n; i++) {
			tell_view(s, &s->nodes[i]);
			if (s->nodes[i].dead)
				continue;
			dsm_tick(s->nodes[i].d, s->now);
			gate_step(&s->nodes[i]);
		}
		check_pages(s);
	}
	for (uint32_t i = 0; i < s->n; i++)
		for (int p = 0; p < PAGES; p++)
			if (!s->nodes[i].dead && s->nodes[i].waits[p])
				fail(s, "node %u waits for page %d for ever (access %d state %d writes %d nonsense %" PRIu64 ")", i, p, s->nodes[i].access[p], dsm_state(s->nodes[i].d, (uint64_t)p), s->nodes[i].writes[p], dsm_stats(s->nodes[i].d)->dropped);
	for (uint32_t i = 0; i < s->n; i++)
		if (!s->nodes[i].dead && (s->nodes[i].shut || s->nodes[i].open))
			fail(s, "node %u keeps messages for ever", i);
}

/* After the last message all have the same, but for what hardware has looked at. */
static void same(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct node *node = &s->nodes[i];
		for (uint32_t to = 0; to < s->n && !node->dead; to++)
			if (to != i)
				post(node, to, (struct post){ .kind = SHOT });
	}
	calm(s);
	for (int p = 0; p < PAGES && !s->failure[0]; p++)
		for (uint32_t i = 1; i < s->n; i++) {
			struct node *a = &s->nodes[0], *b = &s->nodes[i];
			bool both = !b->dead && a->access[p] != NONE && b->access[p] != NONE;
			if (both && dsm_walked_changes(a->live[p], b->live[p]))
				fail(s, "page %d differs between nodes 0 and %u", p, i);
		}
}

struct plan {
	const char *name;
	uint32_t n_min, n_max;
	uint64_t hold;
	int steps, kills;
	unsigned runs;
	uint64_t latency;
	bool ahead; /* pages are asked for before they are touched */
	bool ivy;   /* as the first of their kind were */
	bool levels;
	unsigned shortage; /* of memory, in percent of what needs some */
};

static void start(struct sim *s, uint64_t seed, uint32_t n, const struct plan *plan, enum broken broken)
{
	memset(s, 0, sizeof *s);
	s->n = n;
	s->broken = broken;
	dvmi_rng_seed(&s->rng, seed);
	for (uint32_t i = 0; i < n; i++) {
		struct node *node = &s->nodes[i];
		node->s = s;
		node->self = i;
		s->alive[i] = true;
		const struct dsm_config c = { .self = i,
					      .nodes = n,
					      .pages = PAGES,
					      .home = home_of,
					      .hold = plan->hold,
					      .serial = plan->ivy,
					      .reads_own = plan->ivy,
					      .ops = &ops,
					      .walk = &walk_ops,
					      .arg = node };
		if (dsm_create(&node->d, &c) < 0)
			abort();
		for (uint64_t p = 0; p < PAGES; p++)
			node->access[p] = home_of(node, p) == i ? READ : NONE;
	}
}

static void stop(struct sim *s)
{
	struct packet *p, *tmp;

	for (uint32_t i = 0; i < s->n; i++) {
		DL_CONCAT(s->nodes[i].closed, s->nodes[i].open);
		for (uint32_t k = 0; k < s->n; k++)
			DL_CONCAT(s->nodes[i].closed, s->channels[i][k]);
		DL_FOREACH_SAFE(s->nodes[i].closed, p, tmp)
			free(p);
		dsm_destroy(s->nodes[i].d);
	}
}

static struct sim sim;

/* The failure of a run, or "". */
static const char *run(const struct plan *plan, uint64_t seed, enum broken broken)
{
	struct sim *s = &sim;
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, seed);
	uint32_t n = plan->n_min + (uint32_t)dvmi_rng_below(&rng, plan->n_max - plan->n_min + 1);
	start(s, seed, n, plan, broken);
	s->latency = plan->latency;
	s->hold = plan->hold;
	s->ahead = plan->ahead;
	s->levels = plan->levels;
	s->shortage = plan->shortage;
	int kill_at = plan->kills ? (int)dvmi_rng_below(&rng, (uint64_t)plan->steps) : -1;
	for (int i = 0; i < plan->steps && !s->failure[0]; i++) {
		if (i == kill_at)
			kill_node(s, 1 + below(s, n - 1));
		if (s->latency)
			timed_step(s);
		else
			step(s);
	}
	if (!s->failure[0])
		calm(s);
	if (!s->failure[0])
		same(s);
	stop(s);
	return s->failure;
}

static const struct plan plans[] = {
	{ "two nodes", 2, 2, 0, 8000, 0, 100, 0, false, false, false, 0 },
	{ "a few nodes", 3, NODES_MAX, 0, 10000, 0, 100, 0, false, false, false, 0 },
	{ "pages that are held", 2, 5, 40, 8000, 0, 60, 0, false, false, false, 0 },
	{ "a node dies", 2, NODES_MAX, 0, 8000, 1, 150, 0, false, false, false, 0 },
	{ "a node dies, pages are held", 3, 5, 25, 8000, 1, 80, 0, false, false, false, 0 },
	{ "two nodes, with time", 2, 2, 20, 20000, 0, 10, 10, false, false, false, 0 },
	{ "a few nodes, with time", 3, NODES_MAX, 15, 20000, 0, 10, 8, false, false, false, 0 },
	{ "no holds, with time", 2, 5, 0, 20000, 0, 10, 5, false, false, false, 0 },
	{ "pages asked for ahead", 2, 5, 0, 8000, 0, 100, 0, true, false, false, 0 },
	{ "pages asked for ahead and held", 2, 5, 30, 8000, 0, 60, 0, true, false, false, 0 },
	{ "pages asked for ahead, a node dies", 2, 5, 25, 8000, 1, 100, 0, true, false, false, 0 },
	{ "pages asked for ahead, with time", 2, 5, 15, 20000, 0, 10, 8, true, false, false, 0 },
	{ "two nodes, as the first were", 2, 2, 0, 8000, 0, 60, 0, false, true, false, 0 },
	{ "a few nodes, as the first were", 3, NODES_MAX, 0, 8000, 0, 60, 0, false, true, false, 0 },
	{ "held, as the first were", 2, 5, 30, 8000, 0, 60, 0, true, true, false, 0 },
	{ "a node dies, as the first were", 2, 5, 0, 8000, 1, 60, 0, false, true, false, 0 },
	{ "two levels, two nodes", 2, 2, 0, 8000, 0, 100, 0, false, false, true, 0 },
	{ "two levels, a few nodes", 3, NODES_MAX, 0, 12000, 0, 100, 0, false, false, true, 0 },
	{ "two levels, held", 2, 5, 30, 8000, 0, 60, 0, true, false, true, 0 },
	{ "two levels, a node dies", 2, 5, 0, 8000, 1, 100, 0, false, false, true, 0 },
	{ "two levels, with time", 2, 5, 15, 20000, 0, 10, 8, true, false, true, 0 },
	{ "two levels, as the first were", 2, 5, 0, 8000, 0, 60, 0, false, true, true, 0 },
	{ "two levels, memory is short", 2, 5, 0, 8000, 0, 100, 0, false, false, true, 30 },
	{ "two levels, memory is short, a node dies", 2, 5, 0, 8000, 1, 60, 0, false, false, true, 30 },
};

enum { PLANS = sizeof plans / sizeof plans[0], LEVELS = 16 };

static bool good_plan(int i, uint64_t first, unsigned runs)
{
	uint64_t walks = 0, changes = 0, counts = 0, told = 0, ends = 0, longest = 0, down = 0, fills = 0,
		 later = 0;
	bool ok = true;

	for (uint64_t seed = first; seed < first + runs; seed++) {
		const char *failure = run(&plans[i], seed, WHOLE);
		if (failure[0])
			printf("# SIM_SEED=%" PRIu64 " %s, %u nodes: %s\n", seed, plans[i].name,
			       sim.n, failure);
		ok &= !failure[0];
		walks += sim.walks;
		changes += sim.changes;
		counts += sim.counts;
		told += sim.told;
		down += sim.down;
		fills += sim.fills;
		later += sim.later;
		ends += sim.ends;
		longest = sim.longest > longest ? sim.longest : longest;
	}
	if (plans[i].latency)
		printf("# the longest that one waited: %" PRIu64 " steps; a message takes up to "
		       "%" PRIu64 ", a page is held for %" PRIu64 "\n",
		       longest, plans[i].latency, plans[i].hold);
	printf("# %" PRIu64 " walks, %" PRIu64 " entries changed, %" PRIu64 " counted, %" PRIu64
	       " differences told, the mode ended %" PRIu64 " times\n",
	       walks, changes, counts, told, ends);
	if (plans[i].levels)
		printf("# %" PRIu64 " walks of two levels, %" PRIu64 " tables linked anew, %" PRIu64
		       " entries not told before what is there\n",
		       down, fills, later);
	return ok && told && counts && (ends || runs < 5) &&
	       (!plans[i].levels || (down && fills && (later || runs < 5)));
}

static bool found(enum broken b)
{
	/* Pages have to be here for long, for an entry to come and go. */
	int first = b == EARLY_AGAIN ? LEVELS + 2 : b >= EARLY_DIFF ? LEVELS : 0;

	for (uint64_t seed = 1; seed <= 60; seed++)
		for (int i = first; i < first + 2; i++)
			if (run(&plans[i], seed, b)[0]) {
				printf("# seed %" PRIu64 ": %s\n", seed, sim.failure);
				return true;
			}
	return false;
}

int main(void)
{
	uint64_t first = sim_env("SIM_SEED", 1);
	bool good = true;
	int number = 0;

	for (int i = 0; i < PLANS; i++) {
		unsigned runs = (unsigned)sim_env("SIM_RUNS", plans[i].runs);
		bool ok = good_plan(i, first, runs);
		printf("%s %d - %s: %u seeds\n", ok ? "ok" : "not ok", ++number, plans[i].name, runs);
		good &= ok;
	}
	for (int b = WHOLE + 1; b < BROKEN; b++) {
		bool ok = found((enum broken)b);
		printf("%s %d - it is seen that %s\n", ok ? "ok" : "not ok", ++number, broken_names[b]);
		good &= ok;
	}
	printf("1..%d\n", number);
	return !good;
}
