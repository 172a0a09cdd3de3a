/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine over time: what it has now, and steps at which somebody takes or gives back. A job
 * that would run for a while is shown each node at its fullest in that while.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched/queue_private.h"

#define OVERDUE (UINT64_C(1000000000)) /* a run that is over its time ends any moment */

/* Looks a decision may take for dates, so that it stays quick however many jobs are to have one. */
#define LOOKS_MIN  128
#define LOOKS_WORK 2000000 /* nodes looked at */

/* ---- steps ---- */

/* What is given back at a moment can be taken at it. */
static bool before(const struct dsched_step *a, const struct dsched_step *b)
{
	return a->at != b->at ? a->at < b->at : !a->take && b->take;
}

static int compare(const void *a, const void *b)
{
	return before(a, b) ? -1 : before(b, a);
}

static int grow(void **list, size_t *cap, size_t need, size_t each)
{
	size_t n = *cap ? *cap : 64;

	while (n < need)
		n *= 2;
	if (n == *cap)
		return 0;
	void *p = reallocarray(*list, n, each);
	if (!p)
		return -ENOMEM;
	*list = p;
	*cap = n;
	return 0;
}

/* Appends without keeping the order. */
static int append(struct dsched_timeline *t, struct dsched_step s)
{
	if (t->n == t->cap && grow((void **)&t->steps, &t->cap, t->n + 1, sizeof *t->steps) < 0)
		return -ENOMEM;
	t->steps[t->n++] = s;
	return 0;
}

/* Moves what was appended behind the first SORTED ones, all equal in order, to where it belongs. */
static void merge(struct dsched_timeline *t, struct dsched_step *fresh, size_t n, size_t sorted)
{
	size_t lo = 0, hi = sorted;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (before(&fresh[0], &t->steps[mid]))
			hi = mid;
		else
			lo = mid + 1;
	}
	memmove(&t->steps[lo + n], &t->steps[lo], (sorted - lo) * sizeof *t->steps);
	memcpy(&t->steps[lo], fresh, n * sizeof *fresh);
}

static int insert(struct dsched_timeline *t, const struct dsched_use *uses, size_t n, uint64_t at,
		  bool take)
{
	struct dsched_step *fresh = calloc(n + 1, sizeof *fresh);

	if (!fresh || grow((void **)&t->steps, &t->cap, t->n + n, sizeof *t->steps) < 0) {
		free(fresh);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		fresh[i] = (struct dsched_step){ .at = at, .use = &uses[i], .take = take };
	if (n)
		merge(t, fresh, n, t->n);
	t->n += n;
	free(fresh);
	return 0;
}

static int own(struct dsched_timeline *t, struct dsched_use *uses)
{
	if (t->nowned == t->owned_cap &&
	    grow((void **)&t->owned, &t->owned_cap, t->nowned + 1, sizeof *t->owned) < 0) {
		free(uses);
		return -ENOMEM;
	}
	t->owned[t->nowned++] = uses;
	return 0;
}

int dsched_timeline_plan(struct dsched_timeline *t, struct dsched_use *uses, size_t n,
			 uint64_t from, uint64_t until)
{
	int rc = own(t, uses);

	if (rc == 0)
		rc = insert(t, uses, n, from, true);
	return rc < 0 ? rc : insert(t, uses, n, until, false);
}

/* ---- what is known from the start ---- */

static int add_runs(struct dsched_timeline *t, const struct dsched_queue *q)
{
	for (size_t i = 0; i < q->nruns; i++) {
		const struct dsched_run *r = &q->runs[i];
		uint64_t end = r->end == DSCHED_NEVER ? dsched_until(r->start, 0) : r->end;
		if (end < q->now + OVERDUE)
			end = q->now + OVERDUE;
		for (uint32_t k = 0; k < r->nuses; k++)
			if (append(t, (struct dsched_step){ .at = end, .use = &r->uses[k] }) < 0)
				return -ENOMEM;
	}
	return 0;
}

/* A booking takes its nodes whole. */
static int add_booking(struct dsched_timeline *t, const struct dsched_booking *b, uint64_t now)
{
	struct dsched_use *uses = calloc(b->nnodes + 1, sizeof *uses);

	if (!uses || own(t, uses) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->nnodes; i++) {
		struct dsched_step s = { .at = b->start > now ? b->start : now,
					 .use = &uses[i],
					 .take = true,
					 .booking = b->name };
		uses[i] = (struct dsched_use){ .node = b->nodes[i], .exclusive = true };
		if (append(t, s) < 0)
			return -ENOMEM;
		s.at = b->end;
		s.take = false;
		if (append(t, s) < 0)
			return -ENOMEM;
	}
	return 0;
}

int dsched_timeline_create(struct dsched_timeline *t, const struct dsched_queue *q)
{
	size_t looks = LOOKS_WORK / (q->snap->nnodes + 1);

	*t = (struct dsched_timeline){ .snap = q->snap,
				       .budget = looks > LOOKS_MIN ? looks : LOOKS_MIN };
	t->scratch = calloc(q->snap->nnodes + 1, sizeof *t->scratch);
	int rc = t->scratch ? add_runs(t, q) : -ENOMEM;
	for (uint32_t i = 0; rc == 0 && i < q->nbookings; i++)
		if (q->bookings[i].end > q->now)
			rc = add_booking(t, &q->bookings[i], q->now);
	if (rc == 0 && t->n)
		qsort(t->steps, t->n, sizeof *t->steps, compare);
	return rc;
}

void dsched_timeline_free(struct dsched_timeline *t)
{
	for (size_t i = 0; i < t->nowned; i++)
		free(t->owned[i]);
	free(t->owned);
	free(t->steps);
	free(t->scratch);
	*t = (struct dsched_timeline){ 0 };
}

size_t dsched_timeline_takes(const struct dsched_timeline *t, uint64_t until)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n && t->steps[i].at < until; i++)
		n += t->steps[i].take;
	return n;
}

/* ---- outlooks ---- */

/*
 * While the steps are walked through, `exclusive` is a count kept in `host`, which nobody asks for
 * in a scratch node.
 */
static void take(struct dsched_node *n, const struct dsched_use *u)
{
	n->slots_used += u->slots;
	n->jobs++;
	n->host += u->exclusive;
	n->mem_free -= u->mem < n->mem_free ? u->mem : n->mem_free;
	for (int k = 0; k < DSCHED_GRES_MAX; k++)
		n->gres_used[k] += u->gres[k];
}

static void give(struct dsched_node *n, const struct dsched_use *u)
{
	n->slots_used -= u->slots < n->slots_used ? u->slots : n->slots_used;
	n->jobs -= n->jobs > 0;
	n->host -= u->exclusive && n->host;
	n->mem_free = n->mem && n->mem - n->mem_free < u->mem ? n->mem : n->mem_free + u->mem;
	for (int k = 0; k < DSCHED_GRES_MAX; k++)
		n->gres_used[k] -= u->gres[k] < n->gres_used[k] ? u->gres[k] : n->gres_used[k];
}

static void raise(uint32_t *to, uint32_t v)
{
	if (*to < v)
		*to = v;
}

/* NODE is at least as full as STATE. */
static void at_least(struct dsched_node *node, const struct dsched_node *state)
{
	raise(&node->slots_used, state->slots_used);
	raise(&node->jobs, state->jobs);
	node->exclusive |= state->host > 0;
	if (state->mem_free < node->mem_free)
		node->mem_free = state->mem_free;
	for (int k = 0; k < DSCHED_GRES_MAX; k++)
		raise(&node->gres_used[k], state->gres_used[k]);
}

static bool same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* Nodes of a booking's own are all that its jobs may use. */
static void keep_booked(const struct dsched_timeline *t, struct dsched_outlook *o)
{
	for (uint32_t i = 0; i < t->snap->nnodes; i++)
		t->scratch[i].jobs = 0;
	for (size_t i = 0; i < t->n; i++)
		if (t->steps[i].take && same(t->steps[i].booking, o->booking))
			t->scratch[t->steps[i].use->node].jobs = 1;
	for (uint32_t i = 0; i < t->snap->nnodes; i++)
		if (!t->scratch[i].jobs && o->nodes[i].state == DSCHED_NODE_UP)
			o->nodes[i].state = DSCHED_NODE_DRAINING;
}

static uint32_t free_slots(const struct dsched_node *n)
{
	uint32_t slots = dsched_node_slots(n);

	if (n->state != DSCHED_NODE_UP || n->exclusive)
		return 0;
	return slots > n->slots_used ? slots - n->slots_used : 0;
}

static void count_free(struct dsched_outlook *o, uint32_t n)
{
	o->free = 0;
	o->first_free = n;
	for (uint32_t i = n; i-- > 0;) {
		uint32_t free = free_slots(&o->nodes[i]);
		o->free += free;
		if (free)
			o->first_free = i;
	}
}

static size_t state_at(const struct dsched_timeline *t, uint64_t from, const char *booking)
{
	size_t i;

	for (uint32_t k = 0; k < t->snap->nnodes; k++) {
		t->scratch[k] = t->snap->nodes[k];
		t->scratch[k].host = t->scratch[k].exclusive;
	}
	for (i = 0; i < t->n && t->steps[i].at <= from; i++) {
		const struct dsched_step *s = &t->steps[i];
		if (!same(s->booking, booking))
			(s->take ? take : give)(&t->scratch[s->use->node], s->use);
	}
	return i;
}

void dsched_timeline_look(const struct dsched_timeline *t, struct dsched_outlook *o, uint64_t from,
			  uint64_t until, const char *booking)
{
	size_t i = state_at(t, from, booking);

	o->from = from;
	o->until = until;
	o->booking = booking;
	for (uint32_t k = 0; k < t->snap->nnodes; k++) {
		o->nodes[k] = t->scratch[k];
		o->nodes[k].host = t->snap->nodes[k].host;
		o->nodes[k].exclusive = t->scratch[k].host > 0;
	}
	for (; i < t->n && t->steps[i].at < until; i++) {
		const struct dsched_step *s = &t->steps[i];
		struct dsched_node *state = &t->scratch[s->use->node];
		if (same(s->booking, booking))
			continue;
		(s->take ? take : give)(state, s->use);
		if (s->take)
			at_least(&o->nodes[s->use->node], state);
	}
	if (booking)
		keep_booked(t, o);
	count_free(o, t->snap->nnodes);
}

/* USE is taken or given by STEP, which counts exclusive users in `host`. */
static void change(struct dsched_outlook *o, const struct dsched_use *use,
		   void (*step)(struct dsched_node *n, const struct dsched_use *u))
{
	struct dsched_node *n = &o->nodes[use->node];
	uint64_t host = n->host;
	uint32_t had = free_slots(n);

	n->host = n->exclusive;
	step(n, use);
	n->exclusive = n->host > 0;
	n->host = host;
	o->free = o->free - had + free_slots(n);
}

void dsched_outlook_charge(struct dsched_outlook *o, const struct dsched_use *use)
{
	change(o, use, take);
	while (o->free && !free_slots(&o->nodes[o->first_free]))
		o->first_free++;
}

void dsched_outlook_refund(struct dsched_outlook *o, const struct dsched_use *use)
{
	change(o, use, give);
	if (free_slots(&o->nodes[use->node]) && use->node < o->first_free)
		o->first_free = use->node;
}
