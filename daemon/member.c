/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The membership engine: its inputs, its time, and looking at it. See daemon/member.h.
 *
 * After Das, Gupta and Motivala, "SWIM" (DSN 2002), and Dadgar, Phillips and Currey, "Lifeguard"
 * (DSN workshops 2018). Deviations, with reasons in doc/design/0002-membership.md: each node
 * waits its own suspicion out; digests and a moving window instead of full-state exchanges; and
 * time that this process spent held up does not count.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/member_private.h"
#include "libdvm/base/clock.h"

#define FAILURE_TIMEOUT_MIN (500 * DVMI_MSEC)
#define FAILURE_TIMEOUT_MAX (3600 * DVMI_SEC)

int dvmd_member_conf_init(struct dvmd_member_conf *conf, uint64_t failure_timeout)
{
	uint64_t f = failure_timeout;

	if (f < FAILURE_TIMEOUT_MIN || f > FAILURE_TIMEOUT_MAX)
		return -EINVAL;
	*conf = (struct dvmd_member_conf){
		.size = sizeof(*conf),
		.failure_timeout = f,
		.period = f / 40,
		.probe_timeout = f / 100,
		.suspicion_min = f / 20 * 7,
		.suspicion_max = f / 2,
		.dead_period = f / 2,
		.settle = f / 5,
		.indirect = 3,
		.confirmations = 3,
		.retransmit_mult = 4,
		.health_max = 4,
	};
	return 0;
}

static bool conf_ok(const struct dvmd_member_conf *c)
{
	return c->size == sizeof(*c) && c->period && c->probe_timeout &&
	       c->suspicion_min <= c->suspicion_max && c->dead_period && c->retransmit_mult &&
	       c->indirect <= DVMD_MEMBER_EAGER;
}

int dvmd_member_create(dvmd_member_t **out, const struct dvmd_member_conf *conf, uint32_t self,
		       uint64_t incarnation, uint64_t seed, uint64_t now)
{
	if (!conf_ok(conf) || incarnation == UINT64_MAX)
		return -EINVAL;
	dvmd_member_t *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->conf = *conf;
	m->self = m->probe_next = self;
	m->incarnation = incarnation;
	m->t = m->agreed = now;
	m->tells = DVMD_MEMBER_TELLS;
	dvmi_rng_seed(&m->rng, seed);
	m->period_end = now + dvmi_rng_below(&m->rng, conf->period);
	m->dead_at = now + conf->dead_period;
	if (dvmd_member_table_insert(&m->table, self, incarnation, !conf->no_info) < 0) {
		dvmd_member_destroy(m);
		return -ENOMEM;
	}
	*out = m;
	return 0;
}

void dvmd_member_destroy(dvmd_member_t *m)
{
	if (!m)
		return;
	dvmd_member_table_free(&m->table);
	dvmd_member_gossip_free(&m->gossip);
	dvmd_member_out_free(&m->out);
	free(m->suspicions.v);
	free(m);
}

/* In the engine's own time. */
static uint64_t deadline(const dvmd_member_t *m)
{
	uint64_t probe, suspicion;

	if (m->leaving)
		return DVMD_MEMBER_NEVER;
	probe = dvmd_member_probe_deadline(m);
	suspicion = dvmd_member_suspicion_deadline(m);
	return probe < suspicion ? probe : suspicion;
}

/*
 * Every input starts here. A tick that should long have come means that this process did not run;
 * answers may wait unread in its sockets, so for the engine no more than a moment has passed.
 */
static void wake(dvmd_member_t *m, uint64_t now)
{
	uint64_t due = deadline(m), t = now - m->held;

	dvmd_member_out_begin(&m->out);
	m->ncorrections = 0;
	if (t < m->t)
		t = m->t;
	if (due < t && t - due > m->conf.probe_timeout) {
		m->held += t - due - m->conf.probe_timeout;
		t = due + m->conf.probe_timeout;
		if (!m->late)
			dvmd_member_health_worse(m);
		m->late = true;
	}
	m->t = t;
}

int dvmd_member_add(dvmd_member_t *m, uint64_t now, uint32_t id)
{
	wake(m, now);
	if (dvmd_member_table_find(&m->table, id))
		return 0;
	return dvmd_member_table_insert(&m->table, id, 0, !m->conf.no_info);
}

void dvmd_member_remove(dvmd_member_t *m, uint64_t now, uint32_t id)
{
	struct dvmd_member_rec *rec = dvmd_member_table_find(&m->table, id);

	wake(m, now);
	if (!rec || id == m->self)
		return;
	dvmd_member_suspicion_end(m, id);
	dvmd_member_table_remove(&m->table, rec);
}

static void hear(dvmd_member_t *m, uint32_t from, uint64_t now, const struct dvmi_member_msg *msg)
{
	struct dvmd_member_rec *rec = dvmd_member_table_find(&m->table, from);
	const struct dvmi_member_update u = {
		.id = from, .incarnation = msg->incarnation, .state = msg->state, .by = from
	};

	dvmd_member_claim(m, &u);
	if (rec->state == DVMI_MEMBER_SUSPECT && rec->incarnation == msg->incarnation)
		dvmd_member_suspicion_heard(m, from);
	if (m->table.heard)
		m->table.heard[rec - m->table.recs] = (struct dvmd_member_heard){
			.when = now, .applied = msg->applied, .load = msg->load
		};
	for (unsigned i = 0; i < msg->nupdates; i++)
		dvmd_member_claim(m, &msg->updates[i]);
	if (msg->digest == m->table.digest)
		m->agreed = m->t;
}

void dvmd_member_receive(dvmd_member_t *m, uint64_t now, uint32_t from,
			 const struct dvmi_member_msg *msg)
{
	wake(m, now);
	if (from == m->self)
		return;
	if (dvmd_member_table_find(&m->table, from))
		hear(m, from, now, msg);
	dvmd_member_probe_receive(m, from, msg);
}

void dvmd_member_tick(dvmd_member_t *m, uint64_t now)
{
	wake(m, now);
	m->late = false;
	if (m->leaving)
		return;
	dvmd_member_claim_expired(m);
	dvmd_member_probe_tick(m);
}

void dvmd_member_leave(dvmd_member_t *m, uint64_t now)
{
	struct dvmd_member_rec *self = dvmd_member_table_find(&m->table, m->self);

	wake(m, now);
	if (m->leaving)
		return;
	m->leaving = true;
	dvmd_member_table_set(&m->table, self, DVMI_MEMBER_LEFT, m->incarnation);
	dvmd_member_gossip_spread(m, self);
	dvmd_member_probe_tell_some(m, DVMD_MEMBER_EAGER);
}

void dvmd_member_set_applied(dvmd_member_t *m, uint64_t applied)
{
	m->applied = applied;
}

void dvmd_member_set_load(dvmd_member_t *m, const struct dvmi_member_load *load)
{
	m->load = *load;
}

uint64_t dvmd_member_next_deadline(const dvmd_member_t *m)
{
	uint64_t at = deadline(m);

	return at == DVMD_MEMBER_NEVER ? at : at + m->held;
}

size_t dvmd_member_count(const dvmd_member_t *m)
{
	return m->table.n;
}

int dvmd_member_at(const dvmd_member_t *m, size_t i, struct dvmd_member_info *info)
{
	if (i >= m->table.n)
		return -ENOENT;
	const struct dvmd_member_rec *rec = &m->table.recs[i];
	*info = (struct dvmd_member_info){ .id = rec->id,
					   .state = rec->state,
					   .incarnation = rec->incarnation };
	if (m->table.heard) {
		info->heard = m->table.heard[i].when;
		info->applied = m->table.heard[i].applied;
		info->load = m->table.heard[i].load;
	}
	if (rec->id == m->self) {
		info->applied = m->applied;
		info->load = m->load;
	}
	return 0;
}

int dvmd_member_get(const dvmd_member_t *m, uint32_t id, struct dvmd_member_info *info)
{
	const struct dvmd_member_rec *rec = dvmd_member_table_find(&m->table, id);

	return rec ? dvmd_member_at(m, (size_t)(rec - m->table.recs), info) : -ENOENT;
}

bool dvmd_member_is_up(const dvmd_member_t *m, uint32_t id)
{
	const struct dvmd_member_rec *rec = dvmd_member_table_find(&m->table, id);

	return rec && (rec->state == DVMI_MEMBER_ALIVE || rec->state == DVMI_MEMBER_SUSPECT);
}

size_t dvmd_member_count_up(const dvmd_member_t *m)
{
	return m->table.count[DVMI_MEMBER_ALIVE] + m->table.count[DVMI_MEMBER_SUSPECT];
}

uint64_t dvmd_member_incarnation(const dvmd_member_t *m)
{
	return m->incarnation;
}

uint32_t dvmd_member_health(const dvmd_member_t *m)
{
	return m->health;
}

uint64_t dvmd_member_digest(const dvmd_member_t *m)
{
	return m->table.digest;
}

size_t dvmd_member_memory(const dvmd_member_t *m)
{
	const struct dvmd_member_table *t = &m->table;

	return sizeof(*m) + t->cap * sizeof(*t->recs) +
	       (t->heard ? t->cap * sizeof(*t->heard) : 0) +
	       m->suspicions.cap * sizeof(*m->suspicions.v) +
	       m->gossip.cap * sizeof(*m->gossip.ids) + m->out.cap * sizeof(*m->out.acts) +
	       m->out.msgs_cap * sizeof(*m->out.msgs);
}
