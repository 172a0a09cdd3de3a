/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running suspicions. Lifeguard's dynamic timeout: long while only one node suspects (it may be
 * the one that is ill), down to the minimum as independent accusers confirm.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "daemon/member_private.h"

struct dvmd_member_suspicion *dvmd_member_suspicion_find(dvmd_member_t *m, uint32_t id)
{
	for (size_t i = 0; i < m->suspicions.n; i++) {
		if (m->suspicions.v[i].id == id)
			return &m->suspicions.v[i];
	}
	return NULL;
}

static uint64_t timeout(const dvmd_member_t *m, const struct dvmd_member_suspicion *s)
{
	const struct dvmd_member_conf *c = &m->conf;
	uint64_t span = c->suspicion_max - c->suspicion_min;

	if (s->nby > s->need)
		return c->suspicion_min;
	/* nby - 1 confirmations behind the first accuser */
	double part = log((double)s->nby) / log((double)s->need + 1);
	return c->suspicion_max - (uint64_t)(part * (double)span);
}

/* Everyone but the accused and the first accuser might confirm. */
static uint32_t confirmations_possible(const dvmd_member_t *m)
{
	size_t up = dvmd_member_count_up(m);
	uint32_t need = m->conf.confirmations;

	if (need > DVMD_MEMBER_CONFIRM_MAX)
		need = DVMD_MEMBER_CONFIRM_MAX;
	if (up < 2)
		return 0;
	return up - 2 < need ? (uint32_t)(up - 2) : need;
}

static struct dvmd_member_suspicion *append(struct dvmd_member_suspicions *s)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 4;
		void *v = realloc(s->v, cap * sizeof(*s->v));
		if (!v)
			return NULL;
		s->v = v;
		s->cap = cap;
	}
	return &s->v[s->n++];
}

int dvmd_member_suspicion_start(dvmd_member_t *m, uint32_t id, uint32_t by)
{
	struct dvmd_member_suspicion *s = dvmd_member_suspicion_find(m, id);

	if (!s)
		s = append(&m->suspicions);
	if (!s)
		return -ENOMEM;
	*s = (struct dvmd_member_suspicion){
		.id = id, .by = { by }, .nby = 1, .need = confirmations_possible(m), .start = m->t
	};
	s->deadline = s->start + timeout(m, s);
	return 0;
}

bool dvmd_member_suspicion_confirm(dvmd_member_t *m, uint32_t id, uint32_t by)
{
	struct dvmd_member_suspicion *s = dvmd_member_suspicion_find(m, id);

	if (!s || s->nby > s->need || s->last_call)
		return false;
	for (uint32_t i = 0; i < s->nby; i++) {
		if (s->by[i] == by)
			return false;
	}
	uint64_t before = timeout(m, s);
	s->by[s->nby++] = by;
	/* Relative, so that time gained by being heard stays; not into the past, which would look
	 * like a late tick. */
	s->deadline -= before - timeout(m, s);
	if (s->deadline < m->t)
		s->deadline = m->t;
	return true;
}

void dvmd_member_suspicion_heard(dvmd_member_t *m, uint32_t id)
{
	struct dvmd_member_suspicion *s = dvmd_member_suspicion_find(m, id);

	if (!s || s->deadline >= m->t + m->conf.suspicion_min)
		return;
	s->deadline = m->t + m->conf.suspicion_min;
	s->last_call = false;
}

void dvmd_member_suspicion_end(dvmd_member_t *m, uint32_t id)
{
	struct dvmd_member_suspicion *s = dvmd_member_suspicion_find(m, id);

	if (s)
		*s = m->suspicions.v[--m->suspicions.n];
}

uint64_t dvmd_member_suspicion_deadline(const dvmd_member_t *m)
{
	uint64_t min = DVMD_MEMBER_NEVER;

	for (size_t i = 0; i < m->suspicions.n; i++) {
		if (m->suspicions.v[i].deadline < min)
			min = m->suspicions.v[i].deadline;
	}
	return min;
}
