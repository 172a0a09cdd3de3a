/* SPDX-License-Identifier: BSD-3-Clause */
/* What the home does with requests, and when a rank dies. */
#include <errno.h>

#include "shm/sync_private.h"

static void tell(struct dsm_sync *s, uint32_t rank, uint64_t ticket, int32_t code, uint64_t value)
{
	struct dsm_sync_reply r = { .ticket = ticket, .value = value, .code = code };

	s->tell(s->arg, rank, &r);
}

static void answer(struct dsm_sync *s, const struct dsm_sync_req *q, int32_t code, uint64_t value)
{
	tell(s, q->rank, q->ticket, code, value);
}

/* Locks */

static bool held_exclusively(const struct dsm_sync *s, const struct dsm_sync_object *o)
{
	const struct dsm_sync_entry *e = dsm_sync_entry(s, o->holders);

	return e && !e->shared;
}

static bool may_hold(const struct dsm_sync *s, const struct dsm_sync_object *o, bool shared)
{
	return shared ? !held_exclusively(s, o) : !o->holders;
}

static void tell_holder(struct dsm_sync *s, const struct dsm_sync_entry *e)
{
	tell(s, e->rank, e->ticket, e->inherits ? DSM_SYNC_OWNER_DEAD : 0, 0);
}

/* The first that is alone with the lock of a dead one puts things right. */
static void hold(struct dsm_sync *s, struct dsm_sync_object *o, struct dsm_sync_entry *e)
{
	e->place = DSM_SYNC_HOLDS;
	e->next = o->holders;
	o->holders = (uint32_t)(e - s->entries);
	e->inherits = o->owner_dead;
	o->owner_dead &= e->shared;
	tell_holder(s, e);
}

static void grant(struct dsm_sync *s, struct dsm_sync_object *o)
{
	struct dsm_sync_entry *e;

	while ((e = dsm_sync_entry(s, o->head)) && may_hold(s, o, e->shared)) {
		dsm_sync_dequeue(s, o);
		hold(s, o, e);
	}
}

static uint8_t lock_class(uint64_t op)
{
	return op == DSM_SYNC_READ || op == DSM_SYNC_WRITE ? DSM_SYNC_RW : DSM_SYNC_MUTEX;
}

static void lock(struct dsm_sync *s, const struct dsm_sync_req *q)
{
	struct dsm_sync_object *o = dsm_sync_find(s, q, lock_class(q->op), true);
	bool shared = q->op == DSM_SYNC_READ;

	if (!o)
		return answer(s, q, -ENOMEM, 0);
	/* It asks again, since its answer was lost, or may have been. */
	struct dsm_sync_entry *has = dsm_sync_seek(s, o, DSM_SYNC_HOLDS, q->rank, q->ticket);
	if (has)
		return tell_holder(s, has);
	if (dsm_sync_seek(s, o, DSM_SYNC_WAITS, q->rank, q->ticket))
		return;
	if (q->op == DSM_SYNC_TRYLOCK && (o->head || !may_hold(s, o, shared)))
		answer(s, q, -EBUSY, 0);
	else if (!dsm_sync_enqueue(s, o, q, shared))
		answer(s, q, -ENOMEM, 0);
	grant(s, o);
	dsm_sync_tidy(s, o);
}

static void unlock(struct dsm_sync *s, const struct dsm_sync_req *q)
{
	struct dsm_sync_object *o = dsm_sync_find(s, q, lock_class(q->b), false);
	struct dsm_sync_entry *e = o ? dsm_sync_seek(s, o, DSM_SYNC_HOLDS, q->rank, q->a) : NULL;

	if (!e)
		return answer(s, q, -EPERM, 0);
	dsm_sync_unlink(s, o, e);
	/* Who waits is in more of a hurry than who is done. */
	grant(s, o);
	dsm_sync_tidy(s, o);
	answer(s, q, 0, 0);
}

/* Condition variables */

static void wait(struct dsm_sync *s, const struct dsm_sync_req *q)
{
	struct dsm_sync_object *o = dsm_sync_find(s, q, DSM_SYNC_COND, true);

	if (!o || !dsm_sync_enqueue(s, o, q, false)) {
		if (o)
			dsm_sync_tidy(s, o);
		return answer(s, q, -ENOMEM, 0);
	}
	answer(s, q, DSM_SYNC_QUEUED, 0);
}

/* The N oldest that wait for O go on. */
static uint64_t wake(struct dsm_sync *s, struct dsm_sync_object *o, uint64_t n)
{
	uint64_t i = 0;

	for (; i < n && o->head; i++) {
		struct dsm_sync_entry *e = dsm_sync_dequeue(s, o);
		tell(s, e->rank, e->ticket, 0, 0);
		dsm_sync_release(s, e);
	}
	return i;
}

static void signal(struct dsm_sync *s, const struct dsm_sync_req *q)
{
	struct dsm_sync_object *o = dsm_sync_find(s, q, DSM_SYNC_COND, false);
	uint64_t n = o ? wake(s, o, q->a) : 0;

	if (o)
		dsm_sync_tidy(s, o);
	answer(s, q, 0, n);
}

/* Barriers */

static void barrier(struct dsm_sync *s, const struct dsm_sync_req *q)
{
	struct dsm_sync_object *o = dsm_sync_find(s, q, DSM_SYNC_GATE, true);

	if (!o)
		return answer(s, q, -ENOMEM, 0);
	if (!o->waiting)
		o->value = q->a;
	if (!q->a || q->a != o->value) {
		answer(s, q, -EINVAL, 0);
	} else if (o->waiting + 1 == o->value) {
		wake(s, o, o->waiting);
		answer(s, q, 0, 1);
	} else if (!dsm_sync_enqueue(s, o, q, false)) {
		answer(s, q, -ENOMEM, 0);
	}
	dsm_sync_tidy(s, o);
}

static void cancel(struct dsm_sync *s, const struct dsm_sync_req *q)
{
	uint8_t class = q->b == DSM_SYNC_BARRIER ? DSM_SYNC_GATE : DSM_SYNC_COND;
	struct dsm_sync_object *o = dsm_sync_find(s, q, class, false);
	struct dsm_sync_entry *e = o ? dsm_sync_seek(s, o, DSM_SYNC_WAITS, q->rank, q->a) : NULL;

	if (!e)
		return answer(s, q, -EPERM, 0);
	dsm_sync_unlink(s, o, e);
	dsm_sync_tidy(s, o);
	tell(s, q->rank, q->a, -ECANCELED, 0);
	answer(s, q, 0, 0);
}

/* Cells */

static uint64_t updated(const struct dsm_sync_req *q, uint64_t old)
{
	switch (q->op) {
	case DSM_SYNC_ADD:
		return old + q->a;
	case DSM_SYNC_CAS:
		return old == q->a ? q->b : old;
	case DSM_SYNC_LOAD:
		return old;
	default:
		return q->a;
	}
}

static void cell(struct dsm_sync *s, const struct dsm_sync_req *q)
{
	struct dsm_sync_object *o = dsm_sync_find(s, q, DSM_SYNC_CELL, false);
	uint64_t old = o ? o->value : 0, new = updated(q, old);

	if (!o && new && !(o = dsm_sync_find(s, q, DSM_SYNC_CELL, true)))
		return answer(s, q, -ENOMEM, 0);
	if (o) {
		o->value = new;
		dsm_sync_tidy(s, o);
	}
	answer(s, q, 0, old);
}

static void refuse(struct dsm_sync *s, const struct dsm_sync_req *q)
{
	answer(s, q, -EINVAL, 0);
}

void dsm_sync_serve(struct dsm_sync *s, const struct dsm_sync_req *q)
{
	static void (*const serve[DSM_SYNC_OPS])(struct dsm_sync *, const struct dsm_sync_req *) = {
		[0] = refuse,
		[DSM_SYNC_LOCK] = lock,
		[DSM_SYNC_TRYLOCK] = lock,
		[DSM_SYNC_READ] = lock,
		[DSM_SYNC_WRITE] = lock,
		[DSM_SYNC_UNLOCK] = unlock,
		[DSM_SYNC_WAIT] = wait,
		[DSM_SYNC_SIGNAL] = signal,
		[DSM_SYNC_BARRIER] = barrier,
		[DSM_SYNC_CANCEL] = cancel,
		[DSM_SYNC_LOAD] = cell,
		[DSM_SYNC_STORE] = cell,
		[DSM_SYNC_SWAP] = cell,
		[DSM_SYNC_ADD] = cell,
		[DSM_SYNC_CAS] = cell,
	};

	(q->op < DSM_SYNC_OPS ? serve[q->op] : refuse)(s, q);
}

/* What waits must go first, or a lock would pass from the dead to the dead. */
static void bury(struct dsm_sync *s, uint32_t rank, uint8_t place)
{
	uint32_t top = s->m->entries.top < s->nentries ? s->m->entries.top : s->nentries;

	for (uint32_t i = 1; i <= top; i++) {
		struct dsm_sync_entry *e = &s->entries[i];
		struct dsm_sync_object *o = dsm_sync_object(s, e->object);
		if (e->place != place || e->rank != rank || !o)
			continue;
		if (place == DSM_SYNC_HOLDS && !e->shared)
			o->owner_dead = true;
		dsm_sync_unlink(s, o, e);
		if (o->class == DSM_SYNC_MUTEX || o->class == DSM_SYNC_RW)
			grant(s, o);
		dsm_sync_tidy(s, o);
	}
}

void dsm_sync_death(struct dsm_sync *s, uint32_t rank)
{
	bury(s, rank, DSM_SYNC_WAITS);
	bury(s, rank, DSM_SYNC_HOLDS);
}

static void empty(struct dsm_sync *s, struct dsm_sync_object *o, uint32_t list)
{
	struct dsm_sync_entry *e, *next;

	for (e = dsm_sync_entry(s, list); e; e = next) {
		next = dsm_sync_entry(s, e->next);
		dsm_sync_release(s, e);
	}
	o->waiting = 0;
}

void dsm_sync_forget(struct dsm_sync *s, uint64_t space, uint64_t mask)
{
	uint32_t top = s->m->objects.top < s->nobjects ? s->m->objects.top : s->nobjects;

	for (uint32_t i = 1; i <= top; i++) {
		struct dsm_sync_object *o = &s->objects[i];
		if (o->class == DSM_SYNC_NONE || (o->space & mask) != space)
			continue;
		empty(s, o, o->head);
		empty(s, o, o->holders);
		o->head = o->tail = o->holders = 0;
		o->owner_dead = false;
		o->value = 0;
		dsm_sync_tidy(s, o);
	}
}
