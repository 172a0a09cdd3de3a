/* SPDX-License-Identifier: BSD-3-Clause */
/* The members in rising order of id: ids are handed out rising, so an insert is an append. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/member_private.h"

void dvmd_member_table_free(struct dvmd_member_table *t)
{
	free(t->recs);
	free(t->heard);
	*t = (struct dvmd_member_table){ 0 };
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* The digest of a table is the sum of these, so it can follow each change in one step. */
static uint64_t digest_of(const struct dvmd_member_rec *r)
{
	return mix(mix(r->incarnation + 1) ^ ((uint64_t)r->state << 32 | r->id));
}

/* The index of ID, or where it would be. */
static size_t place_of(const struct dvmd_member_table *t, uint32_t id)
{
	size_t lo = 0, hi = t->n;

	if (t->n && t->recs[t->n - 1].id < id)
		return t->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (t->recs[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct dvmd_member_rec *dvmd_member_table_find(const struct dvmd_member_table *t, uint32_t id)
{
	size_t i = place_of(t, id);

	return i < t->n && t->recs[i].id == id ? &t->recs[i] : NULL;
}

static int grow(struct dvmd_member_table *t, bool heard)
{
	size_t cap = t->cap ? t->cap + t->cap / 2 : 16;

	if (t->n < t->cap)
		return 0;
	void *recs = realloc(t->recs, cap * sizeof(*t->recs));
	if (!recs)
		return -ENOMEM;
	t->recs = recs;
	if (heard) {
		void *p = realloc(t->heard, cap * sizeof(*t->heard));
		if (!p)
			return -ENOMEM;
		t->heard = p;
	}
	t->cap = cap;
	return 0;
}

int dvmd_member_table_insert(struct dvmd_member_table *t, uint32_t id, uint64_t incarnation,
			     bool heard)
{
	size_t i = place_of(t, id);

	if (grow(t, heard) < 0)
		return -ENOMEM;
	memmove(&t->recs[i + 1], &t->recs[i], (t->n - i) * sizeof(*t->recs));
	t->recs[i] = (struct dvmd_member_rec){ .id = id, .incarnation = incarnation };
	if (t->heard) {
		memmove(&t->heard[i + 1], &t->heard[i], (t->n - i) * sizeof(*t->heard));
		t->heard[i] = (struct dvmd_member_heard){ 0 };
	}
	t->n++;
	t->count[DVMI_MEMBER_ALIVE]++;
	t->digest += digest_of(&t->recs[i]);
	return 0;
}

void dvmd_member_table_remove(struct dvmd_member_table *t, struct dvmd_member_rec *rec)
{
	size_t i = (size_t)(rec - t->recs);

	t->digest -= digest_of(rec);
	t->count[rec->state]--;
	t->n--;
	memmove(&t->recs[i], &t->recs[i + 1], (t->n - i) * sizeof(*t->recs));
	if (t->heard)
		memmove(&t->heard[i], &t->heard[i + 1], (t->n - i) * sizeof(*t->heard));
}

void dvmd_member_table_set(struct dvmd_member_table *t, struct dvmd_member_rec *rec,
			   enum dvmi_member_state state, uint64_t incarnation)
{
	t->digest -= digest_of(rec);
	t->count[rec->state]--;
	rec->state = (uint8_t)state;
	rec->incarnation = incarnation;
	t->count[rec->state]++;
	t->digest += digest_of(rec);
}
