/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking in a claim about a member: finds its cell in the table and does what it says. */
#include "daemon/member_private.h"

/* Events one claim can cause: back up, restarted, suspected. */
#define EVENTS_MAX 3

void dvmd_member_health_worse(dvmd_member_t *m)
{
	if (m->health < m->conf.health_max)
		m->health++;
}

void dvmd_member_health_better(dvmd_member_t *m)
{
	if (m->health > 0)
		m->health--;
}

static bool up(unsigned state)
{
	return state == DVMI_MEMBER_ALIVE || state == DVMI_MEMBER_SUSPECT;
}

/* Of a member added but never heard of we do not know the life, so that is no restart. */
static bool new_life(uint64_t was, uint64_t is)
{
	return was >> 32 && is >> 32 > was >> 32;
}

static void correct(dvmd_member_t *m, uint32_t id)
{
	if (m->ncorrections < DVMD_MEMBER_CORRECTIONS)
		m->corrections[m->ncorrections++] = id;
}

/* REC or the claim U calls it dead, the other alive: the accused gets to see the accusation. */
static void dispute(dvmd_member_t *m, const struct dvmd_member_rec *rec,
		    const struct dvmi_member_update *u)
{
	if (m->tells) {
		m->tells--;
		if (u->state == DVMI_MEMBER_DEAD)
			dvmd_member_probe_pass(m, rec->id, u);
		else
			dvmd_member_probe_tell(m, rec->id);
	}
	if (up(rec->state) && m->probe_next == m->self)
		m->probe_next = rec->id;
}

static void say(dvmd_member_t *m, const struct dvmd_member_rec *rec, unsigned effects,
		struct dvmd_member_rec was)
{
	struct dvmd_member_out *o = &m->out;

	if (effects & DVMD_MEMBER_SAY_UP)
		dvmd_member_out_event(o, rec, DVMD_MEMBER_UP, 0);
	if (effects & DVMD_MEMBER_SAY_TRUSTED)
		dvmd_member_out_event(o, rec, DVMD_MEMBER_TRUSTED, 0);
	if (up(was.state) && up(rec->state) && new_life(was.incarnation, rec->incarnation))
		dvmd_member_out_event(o, rec, DVMD_MEMBER_UP, DVMD_MEMBER_F_RESTARTED);
	if (effects & DVMD_MEMBER_START && was.state != DVMI_MEMBER_SUSPECT)
		dvmd_member_out_event(o, rec, DVMD_MEMBER_SUSPECTED, 0);
	if (effects & DVMD_MEMBER_SAY_DOWN)
		dvmd_member_out_event(o, rec, DVMD_MEMBER_DOWN,
				      rec->state == DVMI_MEMBER_LEFT ? DVMD_MEMBER_F_LEFT : 0);
}

static void apply(dvmd_member_t *m, struct dvmd_member_rec *rec, const struct dvmi_member_update *u,
		  const struct dvmd_member_cell *cell)
{
	struct dvmd_member_rec was = *rec;
	unsigned effects = cell->effects;

	/* What needs memory comes first: without it the claim is as good as lost on the way. */
	if (!dvmd_member_out_reserve(&m->out, EVENTS_MAX))
		return;
	if (effects & DVMD_MEMBER_START && dvmd_member_suspicion_start(m, rec->id, u->by) < 0)
		return;
	if (was.state == DVMI_MEMBER_SUSPECT && cell->next != DVMI_MEMBER_SUSPECT)
		dvmd_member_suspicion_end(m, rec->id);
	if (effects & DVMD_MEMBER_ADOPT)
		dvmd_member_table_set(&m->table, rec, cell->next, u->incarnation);
	say(m, rec, effects, was);
	if (effects & DVMD_MEMBER_CONFIRM && dvmd_member_suspicion_confirm(m, rec->id, u->by))
		effects |= DVMD_MEMBER_SPREAD;
	if (effects & DVMD_MEMBER_SPREAD)
		dvmd_member_gossip_spread(m, rec);
	if (effects & DVMD_MEMBER_CORRECT)
		correct(m, rec->id);
	if (effects & DVMD_MEMBER_DISPUTE)
		dispute(m, rec, u);
}

/* A claim that we are not well, or the memory of an earlier life: only we can outdo it. */
static void about_self(dvmd_member_t *m, const struct dvmi_member_update *u)
{
	struct dvmd_member_rec *rec = dvmd_member_table_find(&m->table, m->self);
	bool outdone = u->state == DVMI_MEMBER_ALIVE ? u->incarnation > m->incarnation
						     : u->incarnation >= m->incarnation;

	if (!outdone) {
		if (u->incarnation < m->incarnation)
			correct(m, m->self);
		return;
	}
	if (m->leaving && u->incarnation == m->incarnation)
		return; /* as it says */
	/* One below the top is as far as an incarnation goes (see the codec). */
	m->incarnation = u->incarnation + (u->incarnation < UINT64_MAX - 1);
	dvmd_member_table_set(&m->table, rec, rec->state, m->incarnation);
	dvmd_member_gossip_spread(m, rec);
	if (u->state == DVMI_MEMBER_SUSPECT || u->state == DVMI_MEMBER_DEAD)
		dvmd_member_health_worse(m);
	/* The refutation races against the suspicion, so it gets a head start. */
	dvmd_member_probe_tell_some(m, DVMD_MEMBER_EAGER);
}

/*
 * The first we hear of a member's life: the start of one, while we hold what is assumed of a member
 * just added. It is a number for what we hold already and no refutation, so the state stays; nor is
 * it news, or a machine that starts would drown in it.
 */
static bool first_word(dvmd_member_t *m, struct dvmd_member_rec *rec,
		       const struct dvmi_member_update *u)
{
	if (rec->incarnation || rec->state == DVMI_MEMBER_LEFT || u->state != DVMI_MEMBER_ALIVE ||
	    !u->incarnation || (uint32_t)u->incarnation)
		return false;
	dvmd_member_table_set(&m->table, rec, rec->state, u->incarnation);
	if (rec->state == DVMI_MEMBER_SUSPECT)
		dvmd_member_gossip_spread(m, rec); /* the accusation with its right number */
	else if (rec->state == DVMI_MEMBER_DEAD)
		dispute(m, rec, u);
	return true;
}

void dvmd_member_claim(dvmd_member_t *m, const struct dvmi_member_update *u)
{
	if (u->id == m->self) {
		about_self(m, u);
		return;
	}
	struct dvmd_member_rec *rec = dvmd_member_table_find(&m->table, u->id);
	if (!rec || first_word(m, rec, u))
		return;
	enum dvmd_member_order order = u->incarnation < rec->incarnation    ? DVMD_MEMBER_LOWER
				       : u->incarnation == rec->incarnation ? DVMD_MEMBER_EQUAL
									    : DVMD_MEMBER_HIGHER;
	apply(m, rec, u, dvmd_member_cell(rec->state, u->state, order));
}

/*
 * The time is up. A refutation may be about without having come here, so the suspect and a few
 * others are asked first: who knows better corrects us. False where that was done already.
 */
static bool last_call(dvmd_member_t *m, struct dvmd_member_suspicion *s)
{
	if (s->last_call)
		return false;
	s->last_call = true;
	s->deadline = m->t + 2 * m->conf.probe_timeout;
	dvmd_member_probe_tell(m, s->id);
	dvmd_member_probe_tell_some(m, m->conf.indirect);
	return true;
}

static void call_dead(dvmd_member_t *m, uint32_t id)
{
	struct dvmd_member_rec *rec = dvmd_member_table_find(&m->table, id);

	dvmd_member_suspicion_end(m, id);
	if (!rec)
		return;
	dvmd_member_table_set(&m->table, rec, DVMI_MEMBER_DEAD, rec->incarnation);
	dvmd_member_out_event(&m->out, rec, DVMD_MEMBER_DOWN, 0);
	dvmd_member_gossip_spread(m, rec);
}

void dvmd_member_claim_expired(dvmd_member_t *m)
{
	for (size_t i = m->suspicions.n; i-- > 0;) {
		struct dvmd_member_suspicion *s = &m->suspicions.v[i];
		if (s->deadline > m->t || last_call(m, s))
			continue;
		if (!dvmd_member_out_reserve(&m->out, 1))
			return; /* again at the next tick */
		call_dead(m, s->id);
	}
}
