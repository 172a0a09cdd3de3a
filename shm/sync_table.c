/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects by name and the lists of who waits for them, in memory without pointers. */
#include <string.h>

#include "shm/sync_private.h"

#define LINE 64u

static uint32_t buckets_for(uint32_t objects)
{
	uint32_t n = 16;

	while (n < objects && n < UINT32_C(1) << 30)
		n *= 2;
	return n;
}

static size_t rounded(size_t n)
{
	return (n + LINE - 1) & ~(size_t)(LINE - 1);
}

static size_t head_bytes(void)
{
	return rounded(sizeof(struct dsm_sync_mem));
}

static size_t bucket_bytes(uint32_t objects)
{
	return rounded(buckets_for(objects) * sizeof(uint32_t));
}

static size_t object_bytes(uint32_t objects)
{
	return rounded(((size_t)objects + 1) * sizeof(struct dsm_sync_object));
}

size_t dsm_sync_bytes(uint32_t objects, uint32_t entries)
{
	return head_bytes() + bucket_bytes(objects) + object_bytes(objects) +
	       ((size_t)entries + 1) * sizeof(struct dsm_sync_entry);
}

void dsm_sync_open(struct dsm_sync *s, void *mem, uint32_t objects, uint32_t entries,
		   dsm_sync_tell_fn *tell, void *arg)
{
	uint8_t *at = mem;

	*s = (struct dsm_sync){
		.m = mem,
		.nobjects = objects,
		.nentries = entries,
		.nbuckets = buckets_for(objects),
		.tell = tell,
		.arg = arg,
	};
	at += head_bytes();
	s->buckets = (uint32_t *)at;
	at += bucket_bytes(objects);
	s->objects = (struct dsm_sync_object *)at;
	at += object_bytes(objects);
	s->entries = (struct dsm_sync_entry *)at;
}

static uint32_t *bucket_of(const struct dsm_sync *s, uint64_t space, uint64_t id, uint8_t class)
{
	uint64_t h = (id * 8 + class + space * UINT64_C(0x9e3779b97f4a7c15)) *
		     UINT64_C(0xbf58476d1ce4e5b9);

	return &s->buckets[(h ^ h >> 29) >> 3 & (s->nbuckets - 1)];
}

/* The next never used element of a table of N; 0: there is none. */
static uint32_t fresh(struct dsm_sync_pool *p, uint32_t n)
{
	return p->top < n ? ++p->top : 0;
}

static struct dsm_sync_object *take_object(struct dsm_sync *s)
{
	struct dsm_sync_pool *p = &s->m->objects;
	struct dsm_sync_object *o = dsm_sync_object(s, p->free);

	if (o)
		p->free = o->next;
	else
		o = dsm_sync_object(s, fresh(p, s->nobjects));
	p->used += o != NULL;
	return o;
}

struct dsm_sync_object *dsm_sync_find(struct dsm_sync *s, const struct dsm_sync_req *q,
				      uint8_t class, bool make)
{
	uint32_t *bucket = bucket_of(s, q->space, q->id, class);
	struct dsm_sync_object *o = dsm_sync_object(s, *bucket);

	for (; o; o = dsm_sync_object(s, o->next))
		if (o->id == q->id && o->space == q->space && o->class == class)
			return o;
	o = make ? take_object(s) : NULL;
	if (!o)
		return NULL;
	*o = (struct dsm_sync_object){
		.space = q->space, .id = q->id, .class = class, .next = *bucket
	};
	*bucket = dsm_sync_index(s, o);
	return o;
}

void dsm_sync_tidy(struct dsm_sync *s, struct dsm_sync_object *o)
{
	if (o->head || o->holders || o->owner_dead || (o->class == DSM_SYNC_CELL && o->value))
		return;
	uint32_t self = dsm_sync_index(s, o);
	uint32_t *at = bucket_of(s, o->space, o->id, o->class);
	for (struct dsm_sync_object *p; *at != self; at = &p->next)
		if (!(p = dsm_sync_object(s, *at)))
			return;
	*at = o->next;
	o->class = DSM_SYNC_NONE;
	o->next = s->m->objects.free;
	s->m->objects.free = self;
	s->m->objects.used--;
}

static struct dsm_sync_entry *take_entry(struct dsm_sync *s)
{
	struct dsm_sync_pool *p = &s->m->entries;
	struct dsm_sync_entry *e = dsm_sync_entry(s, p->free);

	if (e)
		p->free = e->next;
	else
		e = dsm_sync_entry(s, fresh(p, s->nentries));
	p->used += e != NULL;
	return e;
}

void dsm_sync_release(struct dsm_sync *s, struct dsm_sync_entry *e)
{
	e->place = DSM_SYNC_FREE;
	e->next = s->m->entries.free;
	s->m->entries.free = (uint32_t)(e - s->entries);
	s->m->entries.used--;
}

struct dsm_sync_entry *dsm_sync_enqueue(struct dsm_sync *s, struct dsm_sync_object *o,
					const struct dsm_sync_req *q, bool shared)
{
	struct dsm_sync_entry *e = take_entry(s), *last = dsm_sync_entry(s, o->tail);

	if (!e)
		return NULL;
	*e = (struct dsm_sync_entry){
		.ticket = q->ticket,
		.object = dsm_sync_index(s, o),
		.rank = q->rank,
		.place = DSM_SYNC_WAITS,
		.shared = shared,
	};
	o->tail = (uint32_t)(e - s->entries);
	*(last ? &last->next : &o->head) = o->tail;
	o->waiting++;
	return e;
}

struct dsm_sync_entry *dsm_sync_dequeue(struct dsm_sync *s, struct dsm_sync_object *o)
{
	struct dsm_sync_entry *e = dsm_sync_entry(s, o->head);

	o->head = e->next;
	if (!o->head)
		o->tail = 0;
	o->waiting--;
	return e;
}

struct dsm_sync_entry *dsm_sync_seek(const struct dsm_sync *s, const struct dsm_sync_object *o,
				     uint8_t place, uint32_t rank, uint64_t ticket)
{
	uint32_t first = place == DSM_SYNC_WAITS ? o->head : o->holders;
	struct dsm_sync_entry *e = dsm_sync_entry(s, first);

	while (e && (e->rank != rank || e->ticket != ticket))
		e = dsm_sync_entry(s, e->next);
	return e;
}

void dsm_sync_unlink(struct dsm_sync *s, struct dsm_sync_object *o, struct dsm_sync_entry *e)
{
	bool waits = e->place == DSM_SYNC_WAITS;
	uint32_t self = (uint32_t)(e - s->entries), before = 0;
	uint32_t *at = waits ? &o->head : &o->holders;

	while (*at != self) {
		struct dsm_sync_entry *p = dsm_sync_entry(s, *at);
		if (!p)
			return;
		before = *at;
		at = &p->next;
	}
	*at = e->next;
	if (waits && o->tail == self)
		o->tail = before;
	o->waiting -= waits;
	dsm_sync_release(s, e);
}

uint32_t dsm_sync_objects(const struct dsm_sync *s)
{
	return s->m->objects.used;
}

uint32_t dsm_sync_entries(const struct dsm_sync *s)
{
	return s->m->entries.used;
}
