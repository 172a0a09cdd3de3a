/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "shm/sync_client.h"
#include "tests/unit/sync_world.h"

enum { RANKS = 8, NODES = 4, THREADS = 2, IDS = 3, STEPS = 12, OBJECTS = 64, ENTRIES = 256 };

struct packet {
	struct packet *next;
	enum { REQUEST, REPLY, END } kind; /* END: the sender is dead */
	struct dsm_sync_req q;
	struct dsm_sync_reply r;
};

struct channel {
	struct packet *head, **tail;
};

enum stage {
	IDLE,	 /* chooses what is next */
	GETTING, /* a lock, for its own sake */
	HOLDING,
	POSTING, /* the lock of the tokens, to add one */
	SIGNALLING,
	TAKING,	  /* the same lock, to take one */
	QUEUEING, /* asks to wait */
	WAITING,
	ADDING,
	MEETING,
	FINISHED
};

struct thread {
	struct rank *rank;
	enum stage stage;
	struct dsm_sync_call call;
	uint32_t left, rounds, owed; /* steps to go, barriers passed, tokens it may take */
	uint32_t id, op;
};

struct rank {
	struct world *w;
	uint32_t self, node;
	bool dead;
	bool knows[RANKS]; /* who is dead */
	struct dsm_sync view;
	struct dsm_sync_client client;
	struct thread threads[THREADS];
};

struct world {
	struct dvmi_rng rng;
	uint32_t ranks, nodes, deaths;
	bool broken;
	void *mem[NODES];
	struct rank rank[RANKS];
	struct channel channels[RANKS][RANKS];
	/* the model */
	uint32_t writers[2][IDS], readers[2][IDS]; /* [is rwlock] */
	bool orphaned[2][IDS];
	uint32_t tokens, arrived[STEPS * THREADS * RANKS];
	uint64_t adds_begun, adds_done;
	bool olds[STEPS * THREADS * RANKS];
	char *why;
	size_t size;
	bool failed;
};

static void fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->failed)
		return;
	w->failed = true;
	va_start(ap, fmt);
	vsnprintf(w->why, w->size, fmt, ap);
	va_end(ap);
}

static uint32_t below(struct world *w, uint32_t n)
{
	return (uint32_t)dvmi_rng_below(&w->rng, n);
}

static void push(struct world *w, uint32_t from, uint32_t to, const struct packet *p)
{
	struct channel *c = &w->channels[from][to];
	struct packet *copy = malloc(sizeof *copy);

	if (!copy) {
		fail(w, "no memory");
		return;
	}
	*copy = *p;
	copy->next = NULL;
	*c->tail = copy;
	c->tail = &copy->next;
}

static struct packet *pop(struct channel *c)
{
	struct packet *p = c->head;

	c->head = p->next;
	if (!c->head)
		c->tail = &c->head;
	return p;
}

/* The library: the home serves, the asker asks. */

static void on_tell(void *arg, uint32_t to, const struct dsm_sync_reply *r)
{
	struct rank *k = arg;
	struct packet p = { .kind = REPLY, .r = *r };

	if (to == k->self)
		dsm_sync_replied(&k->client, r);
	else if (!k->w->rank[to].dead)
		push(k->w, k->self, to, &p);
}

static void serve(struct rank *k, const struct dsm_sync_req *asked)
{
	struct dsm_sync_req q = *asked;

	if (k->w->broken && q.op == DSM_SYNC_WRITE)
		q.op = DSM_SYNC_READ;
	dsm_sync_serve(&k->view, &q);
}

static int64_t agent_of(void *arg, uint32_t home, uint64_t id, int64_t preferred)
{
	struct rank *k = arg;

	if (home == k->node)
		return k->self;
	if (preferred >= 0 && !k->knows[preferred])
		return preferred;
	for (uint32_t i = 0; i < k->w->ranks; i++) {
		uint32_t r = (uint32_t)(id + i) % k->w->ranks;
		if (k->w->rank[r].node == home && !k->knows[r])
			return r;
	}
	return -1;
}

static int send_to(void *arg, uint32_t home, uint32_t agent, const struct dsm_sync_req *q)
{
	struct rank *k = arg;
	struct packet p = { .kind = REQUEST, .q = *q };

	if (home == k->node)
		serve(k, q);
	else if (!k->w->rank[agent].dead)
		push(k->w, k->self, agent, &p);
	return 0;
}

static void hear_of_death(struct rank *k, uint32_t dead)
{
	k->knows[dead] = true;
	for (uint32_t r = 0; r < k->w->ranks; r++)
		if (k->knows[r])
			dsm_sync_death(&k->view, r);
	dsm_sync_lost(&k->client, dead, k->w->rank[dead].node);
}

static void deliver(struct world *w, uint32_t from, uint32_t to)
{
	struct packet *p = pop(&w->channels[from][to]);
	struct rank *k = &w->rank[to];

	if (p->kind == REQUEST)
		serve(k, &p->q);
	else if (p->kind == REPLY)
		dsm_sync_replied(&k->client, &p->r);
	else
		hear_of_death(k, from);
	free(p);
}

/* The program of a thread, and what the model thinks of it. */

static void begin(struct thread *t, enum stage stage, uint32_t op, uint32_t id, uint64_t a)
{
	struct rank *k = t->rank;

	t->stage = stage;
	t->call = (struct dsm_sync_call){
		.q = { .space = 1, .id = id, .op = op, .a = a },
		.home = (id + op % 2) % k->w->nodes,
	};
	if (op <= DSM_SYNC_UNLOCK)
		t->call.home = id % k->w->nodes;
	if (op <= DSM_SYNC_WRITE) {
		t->id = id;
		t->op = op;
	}
	dsm_sync_start(&k->client, &t->call);
}

static bool is_rw(uint32_t op)
{
	return op == DSM_SYNC_READ || op == DSM_SYNC_WRITE;
}

static void now_holds(struct thread *t)
{
	struct world *w = t->rank->w;
	uint32_t rw = is_rw(t->op), id = t->id;

	if (w->writers[rw][id] || (t->op != DSM_SYNC_READ && w->readers[rw][id]))
		fail(w, "two have lock %u (op %u)", id, t->op);
	if (w->orphaned[rw][id] && t->call.code != DSM_SYNC_OWNER_DEAD)
		fail(w, "the death of who held lock %u was not told", id);
	if (t->op == DSM_SYNC_READ)
		w->readers[rw][id]++;
	else
		w->writers[rw][id]++;
	if (t->op != DSM_SYNC_READ)
		w->orphaned[rw][id] = false;
}

static void holds_no_more(struct world *w, const struct thread *t)
{
	uint32_t rw = is_rw(t->op);

	if (t->op == DSM_SYNC_READ)
		w->readers[rw][t->id]--;
	else
		w->writers[rw][t->id]--;
}

static void give_back(struct thread *t)
{
	holds_no_more(t->rank->w, t);
	if (dsm_sync_unlock(&t->rank->client, 1, t->id, t->op) < 0)
		fail(t->rank->w, "a lock that was got could not be given back");
}

static bool knows_of_deaths(const struct rank *k)
{
	for (uint32_t r = 0; r < k->w->ranks; r++)
		if (k->knows[r])
			return true;
	return false;
}

static void choose(struct thread *t)
{
	struct world *w = t->rank->w;
	uint32_t id = below(w, IDS);

	if (t->left-- == 0) {
		/* All have passed as many barriers in the end. */
		t->left = 0;
		if (t->rounds == 2 || knows_of_deaths(t->rank))
			t->stage = FINISHED;
		else {
			w->arrived[t->rounds]++;
			begin(t, MEETING, DSM_SYNC_BARRIER, 0, (uint64_t)w->ranks * THREADS);
		}
		return;
	}
	switch (below(w, 7)) {
	case 0:
		begin(t, GETTING, DSM_SYNC_LOCK, id, 0);
		break;
	case 1:
		begin(t, GETTING, DSM_SYNC_TRYLOCK, id, 0);
		break;
	case 2:
		begin(t, GETTING, DSM_SYNC_READ, id, 0);
		break;
	case 3:
		begin(t, GETTING, DSM_SYNC_WRITE, id, 0);
		break;
	case 4:
		begin(t, POSTING, DSM_SYNC_LOCK, 0, 0);
		break;
	case 5:
		if (t->owed && !knows_of_deaths(t->rank))
			begin(t, TAKING, DSM_SYNC_LOCK, 0, 0);
		break;
	default:
		w->adds_begun++;
		begin(t, ADDING, DSM_SYNC_ADD, 0, 1);
	}
}

static void added(struct thread *t)
{
	struct world *w = t->rank->w;
	uint64_t old = t->call.value;

	if (t->call.code == 0) {
		if (old >= w->adds_begun || w->olds[old])
			fail(w, "an addition found %llu, as another one did",
			     (unsigned long long)old);
		else
			w->olds[old] = true;
		w->adds_done++;
	}
	t->stage = IDLE;
}

static void met(struct thread *t)
{
	struct world *w = t->rank->w;

	if (t->call.code == 0 && w->arrived[t->rounds] != w->ranks * THREADS)
		fail(w, "past barrier %u with %u arrived", t->rounds, w->arrived[t->rounds]);
	t->rounds++;
	t->stage = IDLE;
}

/* With the lock of the tokens. */
static void take(struct thread *t)
{
	struct world *w = t->rank->w;

	if (w->tokens) {
		w->tokens--;
		t->owed--;
		t->stage = HOLDING;
	} else if (knows_of_deaths(t->rank)) {
		t->stage = HOLDING;
	} else {
		begin(t, QUEUEING, DSM_SYNC_WAIT, 0, 0);
	}
}

static void got_lock(struct thread *t)
{
	if (t->call.code < 0) {
		t->stage = IDLE;
		return;
	}
	if (t->op == DSM_SYNC_TRYLOCK)
		t->op = DSM_SYNC_LOCK;
	now_holds(t);
	if (t->stage == GETTING) {
		t->stage = HOLDING;
	} else if (t->stage == POSTING) {
		t->rank->w->tokens++;
		t->owed++;
		begin(t, SIGNALLING, DSM_SYNC_SIGNAL, 0, 1);
	} else {
		take(t);
	}
}

static void step(struct thread *t)
{
	switch (t->stage) {
	case IDLE:
		choose(t);
		break;
	case GETTING:
	case POSTING:
	case TAKING:
		got_lock(t);
		break;
	case HOLDING:
		give_back(t);
		t->stage = IDLE;
		break;
	case SIGNALLING:
		t->stage = HOLDING;
		break;
	case QUEUEING:
		give_back(t);
		t->stage = WAITING;
		break;
	case WAITING:
		begin(t, TAKING, DSM_SYNC_LOCK, 0, 0);
		break;
	case ADDING:
		added(t);
		break;
	case MEETING:
		met(t);
		break;
	case FINISHED:
		break;
	}
}

static bool can_step(const struct thread *t)
{
	if (t->rank->dead || t->stage == FINISHED)
		return false;
	if (t->stage == IDLE || t->stage == HOLDING)
		return true;
	return t->call.done || (t->stage == QUEUEING && t->call.queued);
}

/* Any of what it has sent last may be lost, then nothing comes any more. */
static void cut(struct world *w, uint32_t dead, uint32_t to)
{
	struct channel *c = &w->channels[dead][to];
	struct packet **at = &c->head, *p, end = { .kind = END };
	uint32_t n = 0;

	for (p = c->head; p; p = p->next)
		n++;
	for (n = below(w, n + 1); n; n--)
		at = &(*at)->next;
	while ((p = *at)) {
		*at = p->next;
		free(p);
	}
	c->tail = at;
	if (!w->rank[to].dead)
		push(w, dead, to, &end);
}

static void drain(struct channel *c)
{
	while (c->head)
		free(pop(c));
}

static bool holds_exclusively(const struct thread *t)
{
	return t->op != DSM_SYNC_READ;
}

static void kill_rank(struct world *w, uint32_t dead)
{
	struct rank *k = &w->rank[dead];

	for (uint32_t i = 0; i < THREADS; i++) {
		struct thread *t = &k->threads[i];
		if (t->stage != HOLDING && t->stage != SIGNALLING && t->stage != QUEUEING)
			continue;
		w->orphaned[is_rw(t->op)][t->id] |= holds_exclusively(t);
		holds_no_more(w, t);
	}
	k->dead = true;
	w->deaths++;
	for (uint32_t r = 0; r < w->ranks; r++) {
		drain(&w->channels[r][dead]);
		if (r != dead)
			cut(w, dead, r);
	}
}

static struct channel *any_channel(struct world *w, uint32_t *from, uint32_t *to)
{
	uint32_t start = below(w, w->ranks * w->ranks);

	for (uint32_t i = 0; i < w->ranks * w->ranks; i++) {
		uint32_t at = (start + i) % (w->ranks * w->ranks);
		*from = at / w->ranks;
		*to = at % w->ranks;
		if (w->channels[*from][*to].head)
			return &w->channels[*from][*to];
	}
	return NULL;
}

static struct thread *any_thread(struct world *w)
{
	uint32_t start = below(w, w->ranks * THREADS);

	for (uint32_t i = 0; i < w->ranks * THREADS; i++) {
		uint32_t at = (start + i) % (w->ranks * THREADS);
		struct thread *t = &w->rank[at / THREADS].threads[at % THREADS];
		if (can_step(t))
			return t;
	}
	return NULL;
}

/* False: nothing can happen any more. */
static bool happen(struct world *w, uint32_t to_kill)
{
	uint32_t from, to;
	struct channel *c = any_channel(w, &from, &to);
	struct thread *t = any_thread(w);

	if (!c && !t)
		return false;
	if (w->deaths < to_kill && below(w, 150) == 0) {
		uint32_t victim = below(w, w->ranks);
		if (!w->rank[victim].dead && w->deaths + 1 < w->ranks)
			kill_rank(w, victim);
		return true;
	}
	if (c && (!t || below(w, 2)))
		deliver(w, from, to);
	else
		step(t);
	return true;
}

static void check_end(struct world *w)
{
	for (uint32_t r = 0; r < w->ranks; r++)
		for (uint32_t i = 0; i < THREADS && !w->rank[r].dead; i++)
			if (w->rank[r].threads[i].stage != FINISHED)
				fail(w, "rank %u thread %u waits for ever in stage %u, op %u", r, i,
				     w->rank[r].threads[i].stage, w->rank[r].threads[i].call.q.op);
	if (!w->deaths && w->adds_done != w->adds_begun)
		fail(w, "an addition failed without a death");
	for (uint32_t n = 0; n < w->nodes && !w->deaths; n++)
		if (dsm_sync_entries(&w->rank[n].view))
			fail(w, "node %u still keeps requests", n);
}

static void create(struct world *w, bool broken)
{
	static const struct dsm_sync_client_ops ops = { agent_of, send_to, NULL };
	size_t bytes = (dsm_sync_bytes(OBJECTS, ENTRIES) + 63) & ~(size_t)63;

	w->broken = broken;
	w->ranks = 2 + below(w, RANKS - 1);
	w->nodes = 1 + below(w, w->ranks < NODES ? w->ranks : NODES);
	for (uint32_t n = 0; n < w->nodes; n++) {
		w->mem[n] = aligned_alloc(64, bytes);
		if (w->mem[n])
			memset(w->mem[n], 0, bytes);
		else
			abort();
	}
	for (uint32_t r = 0; r < w->ranks; r++) {
		struct rank *k = &w->rank[r];
		*k = (struct rank){ .w = w, .self = r, .node = r % w->nodes };
		dsm_sync_open(&k->view, w->mem[k->node], OBJECTS, ENTRIES, on_tell, k);
		dsm_sync_client_init(&k->client, r, &ops, k);
		for (uint32_t i = 0; i < THREADS; i++)
			k->threads[i] = (struct thread){ .rank = k, .left = STEPS };
		for (uint32_t to = 0; to < w->ranks; to++)
			w->channels[r][to].tail = &w->channels[r][to].head;
	}
}

static void destroy(struct world *w)
{
	for (uint32_t r = 0; r < w->ranks; r++) {
		dsm_sync_client_fini(&w->rank[r].client);
		for (uint32_t to = 0; to < w->ranks; to++)
			drain(&w->channels[r][to]);
	}
	for (uint32_t n = 0; n < w->nodes; n++)
		free(w->mem[n]);
	free(w);
}

int sync_world_run(uint64_t seed, bool broken, char *why, size_t size)
{
	struct world *w = calloc(1, sizeof *w);

	if (!w)
		return -1;
	w->why = why;
	w->size = size;
	dvmi_rng_seed(&w->rng, seed);
	create(w, broken);
	uint32_t to_kill = below(w, 2) ? below(w, 4) : 0;
	while (!w->failed && happen(w, to_kill))
		;
	check_end(w);
	bool failed = w->failed;
	destroy(w);
	return failed ? -1 : 0;
}
