/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/simnet.h"

enum kind { MESSAGE, TIMER, CALL, WAKE };

struct event {
	uint64_t at, order; /* order: first come, first served among equal times */
	enum kind kind;
	uint32_t node, from, len;
	uint8_t *data;
	simnet_call_fn *fn;
};

struct node {
	uint64_t timer;	 /* when it wants to run */
	uint64_t queued; /* its earliest TIMER in the heap */
	uint64_t busy;
	uint32_t group;
	bool crashed, paused, waking;
	struct event *backlog; /* messages that wait for it to run */
	size_t nbacklog, backlog_cap;
	struct simnet_count sent;
	uint64_t sending; /* until then it is at work on what it sent before */
};

struct simnet {
	struct simnet_conf conf;
	const struct simnet_ops *ops;
	void *arg;
	struct dvmi_rng rng;
	uint64_t now, order, events;
	struct node *nodes;
	struct event *heap;
	size_t n, cap;
	struct simnet_count sent;
	uint32_t cut_pairs;
};

static void *must(void *p)
{
	if (!p) {
		fprintf(stderr, "simnet: out of memory\n");
		abort();
	}
	return p;
}

simnet_t *simnet_create(const struct simnet_conf *conf, const struct simnet_ops *ops, void *arg)
{
	simnet_t *s = must(calloc(1, sizeof(*s)));

	s->conf = *conf;
	s->ops = ops;
	s->arg = arg;
	s->now = DVMI_SEC; /* so that 0 can mean never */
	dvmi_rng_seed(&s->rng, conf->seed);
	s->nodes = must(calloc(conf->nodes, sizeof(*s->nodes)));
	for (uint32_t i = 0; i < conf->nodes; i++)
		s->nodes[i].timer = s->nodes[i].queued = SIMNET_NEVER;
	return s;
}

static void drop_backlog(struct node *node)
{
	for (size_t i = 0; i < node->nbacklog; i++)
		free(node->backlog[i].data);
	node->nbacklog = 0;
}

void simnet_destroy(simnet_t *s)
{
	for (uint32_t i = 0; i < s->conf.nodes; i++) {
		drop_backlog(&s->nodes[i]);
		free(s->nodes[i].backlog);
	}
	for (size_t i = 0; i < s->n; i++)
		free(s->heap[i].data);
	free(s->heap);
	free(s->nodes);
	free(s);
}

uint64_t simnet_now(const simnet_t *s)
{
	return s->now;
}

struct dvmi_rng *simnet_rng(simnet_t *s)
{
	return &s->rng;
}

/* --- the heap ----------------------------------------------------------------------------------
 */

static bool before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(simnet_t *s, struct event e)
{
	size_t i = s->n++;

	if (s->n > s->cap) {
		s->cap = s->cap ? 2 * s->cap : 1024;
		s->heap = must(realloc(s->heap, s->cap * sizeof(*s->heap)));
	}
	e.order = s->order++;
	for (; i > 0 && before(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = e;
}

static struct event pop(simnet_t *s)
{
	struct event top = s->heap[0], last = s->heap[--s->n];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < s->n) {
		if (child + 1 < s->n && before(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!before(&s->heap[child], &last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
	return top;
}

/* --- what nodes and scenarios do ----------------------------------------- */

static bool chance(simnet_t *s, uint32_t of10000)
{
	return of10000 && dvmi_rng_below(&s->rng, 10000) < of10000;
}

static uint64_t travel(simnet_t *s)
{
	uint64_t t = s->conf.latency + dvmi_rng_below(&s->rng, s->conf.jitter);

	if (chance(s, s->conf.tail))
		t += 10 * (s->conf.latency + s->conf.jitter);
	return t;
}

/* Decided by a hash of the pair, so that nothing has to be stored. */
static bool pair_cut(const simnet_t *s, uint32_t a, uint32_t b)
{
	struct dvmi_rng pair;

	if (!s->cut_pairs || !a || !b)
		return false;
	dvmi_rng_seed(&pair, s->conf.seed ^ ((uint64_t)(a < b ? a : b) << 32 | (a < b ? b : a)));
	return dvmi_rng_below(&pair, 10000) < s->cut_pairs;
}

void simnet_cut_pairs(simnet_t *s, uint32_t of10000)
{
	s->cut_pairs = of10000;
}

static bool arrives(simnet_t *s, uint32_t from, uint32_t to)
{
	return to < s->conf.nodes && s->nodes[to].group == s->nodes[from].group &&
	       !pair_cut(s, from, to) && !chance(s, s->conf.loss);
}

void simnet_send(simnet_t *s, uint32_t from, uint32_t to, const void *p, size_t n)
{
	struct node *src = &s->nodes[from];

	src->sending = (src->sending > s->now ? src->sending : s->now) + s->conf.cost;
	src->sent.msgs++;
	src->sent.bytes += n;
	s->sent.msgs++;
	s->sent.bytes += n;
	if (!arrives(s, from, to))
		return;
	uint8_t *data = must(malloc(n ? n : 1));
	memcpy(data, p, n);
	push(s, (struct event){ .at = src->sending + travel(s),
				.kind = MESSAGE,
				.node = to,
				.from = from,
				.data = data,
				.len = (uint32_t)n });
}

void simnet_set_timer(simnet_t *s, uint32_t node, uint64_t at)
{
	struct node *n = &s->nodes[node];

	n->timer = at;
	if (at >= n->queued)
		return; /* the queued event will see the new time */
	n->queued = at;
	push(s, (struct event){ .at = at, .kind = TIMER, .node = node });
}

void simnet_call(simnet_t *s, uint64_t at, simnet_call_fn *fn, uint32_t node)
{
	push(s, (struct event){ .at = at, .kind = CALL, .node = node, .fn = fn });
}

/* --- running ------------------------------------------------------------- */

static void deliver(simnet_t *s, struct event *e)
{
	if (!s->nodes[e->node].crashed)
		s->ops->receive(s->arg, e->node, e->from, e->data, e->len);
	free(e->data);
}

static void fire_timer(simnet_t *s, uint32_t node)
{
	struct node *n = &s->nodes[node];

	if (n->crashed || n->timer > s->now)
		return;
	n->timer = SIMNET_NEVER;
	s->ops->timer(s->arg, node);
}

/* True where the node does not run now; it is woken later if it is only busy. */
static bool asleep(simnet_t *s, uint32_t node)
{
	struct node *n = &s->nodes[node];

	if (n->paused)
		return true;
	if (!n->busy)
		return false;
	if (!n->waking) {
		n->waking = true;
		push(s, (struct event){ .at = s->now + dvmi_rng_below(&s->rng, n->busy),
					.kind = WAKE,
					.node = node });
	}
	return true;
}

static void keep(struct node *n, const struct event *e)
{
	if (n->nbacklog == n->backlog_cap) {
		n->backlog_cap = n->backlog_cap ? 2 * n->backlog_cap : 16;
		n->backlog = must(realloc(n->backlog, n->backlog_cap * sizeof(*n->backlog)));
	}
	n->backlog[n->nbacklog++] = *e;
}

/* It runs: its messages and its timer in either order, as an event loop may take them. */
static void wake(simnet_t *s, uint32_t node)
{
	struct node *n = &s->nodes[node];
	bool timer_first = dvmi_rng_below(&s->rng, 2);

	n->waking = false;
	if (timer_first)
		fire_timer(s, node);
	for (size_t i = 0; i < n->nbacklog; i++)
		deliver(s, &n->backlog[i]);
	n->nbacklog = 0;
	fire_timer(s, node);
	if (!n->crashed && n->timer != SIMNET_NEVER && n->queued == SIMNET_NEVER) {
		n->queued = n->timer;
		push(s, (struct event){ .at = n->timer, .kind = TIMER, .node = node });
	}
}

static void timer_event(simnet_t *s, const struct event *e)
{
	struct node *n = &s->nodes[e->node];

	if (e->at != n->queued)
		return;
	n->queued = SIMNET_NEVER;
	if (n->timer > s->now) {
		uint64_t at = n->timer;
		n->timer = SIMNET_NEVER;
		if (at != SIMNET_NEVER)
			simnet_set_timer(s, e->node, at);
	} else if (!asleep(s, e->node)) {
		fire_timer(s, e->node);
	}
}

static void message_event(simnet_t *s, struct event *e)
{
	if (asleep(s, e->node))
		keep(&s->nodes[e->node], e);
	else
		deliver(s, e);
}

bool simnet_step(simnet_t *s, uint64_t until)
{
	if (!s->n || s->heap[0].at > until) {
		s->now = until;
		return false;
	}
	struct event e = pop(s);
	s->now = e.at;
	s->events++;
	if (e.kind == MESSAGE)
		message_event(s, &e);
	else if (e.kind == TIMER)
		timer_event(s, &e);
	else if (e.kind == CALL)
		e.fn(s->arg, e.node);
	else if (s->nodes[e.node].waking && !s->nodes[e.node].paused)
		wake(s, e.node);
	return true;
}

void simnet_run(simnet_t *s, uint64_t until)
{
	while (simnet_step(s, until))
		;
}

/* --- faults -------------------------------------------------------------- */

void simnet_crash(simnet_t *s, uint32_t node)
{
	struct node *n = &s->nodes[node];

	drop_backlog(n);
	n->crashed = true;
	n->paused = n->waking = false;
	n->timer = SIMNET_NEVER;
}

void simnet_restart(simnet_t *s, uint32_t node)
{
	s->nodes[node].crashed = false;
}

bool simnet_crashed(const simnet_t *s, uint32_t node)
{
	return s->nodes[node].crashed;
}

void simnet_pause(simnet_t *s, uint32_t node)
{
	s->nodes[node].paused = true;
}

void simnet_resume(simnet_t *s, uint32_t node)
{
	struct node *n = &s->nodes[node];

	if (!n->paused)
		return;
	n->paused = false;
	n->waking = true;
	push(s, (struct event){ .at = s->now, .kind = WAKE, .node = node });
}

void simnet_busy(simnet_t *s, uint32_t node, uint64_t delay)
{
	struct node *n = &s->nodes[node];

	n->busy = delay;
	if (!delay && n->waking && !n->paused)
		wake(s, node);
}

void simnet_set_group(simnet_t *s, uint32_t node, uint32_t group)
{
	s->nodes[node].group = group;
}

struct simnet_count simnet_sent(const simnet_t *s, uint32_t node)
{
	return s->nodes[node].sent;
}

struct simnet_count simnet_sent_all(const simnet_t *s)
{
	return s->sent;
}

uint64_t simnet_events(const simnet_t *s)
{
	return s->events;
}
