/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probing: one member per period in a random round robin, directly, then through helpers. Both
 * times grow with the local health (Lifeguard): who is held up itself asks with more patience.
 */
#include "daemon/member_private.h"

/* All nodes together look at one dead member at most so often within a failure timeout. */
#define DEAD_PROBES 10

static uint32_t new_seq(dvmd_member_t *m)
{
	m->seq += m->seq == UINT32_MAX ? 2 : 1; /* 0 is for what nobody waits for */
	return m->seq;
}

static uint64_t min_time(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool settled(const dvmd_member_t *m)
{
	return m->t - m->agreed <= m->conf.settle;
}

/* A message with all that belongs into every one, but no updates yet. NULL: out of memory. */
static struct dvmi_member_msg *begin(dvmd_member_t *m, uint32_t to, enum dvmi_member_msg_type type,
				     uint32_t seq, uint32_t target)
{
	struct dvmi_member_msg *msg = dvmd_member_out_send(&m->out, to);

	if (!msg)
		return NULL;
	msg->type = (uint8_t)type;
	msg->state = m->leaving ? DVMI_MEMBER_LEFT : DVMI_MEMBER_ALIVE;
	msg->seq = seq;
	msg->target = target;
	msg->incarnation = m->incarnation;
	msg->applied = m->applied;
	msg->digest = m->table.digest;
	msg->load = m->load;
	return msg;
}

void dvmd_member_probe_send(dvmd_member_t *m, uint32_t to, enum dvmi_member_msg_type type,
			    uint32_t seq, uint32_t target, unsigned how)
{
	struct dvmi_member_msg *msg = begin(m, to, type, seq, target);

	if (msg)
		dvmd_member_gossip_fill(m, msg, to, how);
}

void dvmd_member_probe_tell(dvmd_member_t *m, uint32_t to)
{
	dvmd_member_probe_send(m, to, DVMI_MEMBER_PING, 0, to, 0);
}

static bool among(const uint32_t *ids, uint32_t n, uint32_t id)
{
	for (uint32_t i = 0; i < n; i++) {
		if (ids[i] == id)
			return true;
	}
	return false;
}

uint32_t dvmd_member_probe_pick(dvmd_member_t *m, uint32_t want, uint32_t except, uint32_t *out)
{
	uint32_t n = 0;

	/* Random tries instead of a walk: cheap in a large table, and a rare miss does no harm. */
	for (uint32_t tries = 4 * want + 8; tries > 0 && n < want; tries--) {
		const struct dvmd_member_rec *rec =
			&m->table.recs[dvmi_rng_below(&m->rng, m->table.n)];
		if (rec->state == DVMI_MEMBER_ALIVE && rec->id != except && rec->id != m->self &&
		    !among(out, n, rec->id))
			out[n++] = rec->id;
	}
	return n;
}

void dvmd_member_probe_pass(dvmd_member_t *m, uint32_t to, const struct dvmi_member_update *u)
{
	struct dvmi_member_msg *msg = begin(m, to, DVMI_MEMBER_PING, 0, to);

	if (!msg)
		return;
	msg->updates[msg->nupdates++] = *u;
	dvmd_member_gossip_fill(m, msg, to, 0);
}

void dvmd_member_probe_tell_some(dvmd_member_t *m, uint32_t want)
{
	uint32_t others[DVMD_MEMBER_EAGER];
	uint32_t n = dvmd_member_probe_pick(m, want, m->self, others);

	for (uint32_t i = 0; i < n; i++)
		dvmd_member_probe_tell(m, others[i]);
}

/* --- whom to probe ------------------------------------------------------- */

static size_t gcd(size_t a, size_t b)
{
	while (b) {
		size_t r = a % b;
		a = b;
		b = r;
	}
	return a;
}

/*
 * A round visits each index once in the order start, start + stride, …: as good as a shuffled list
 * (the orders of different nodes are independent) without one stored per node.
 */
static void new_round(dvmd_member_t *m)
{
	size_t n = m->table.n;

	m->round_n = n;
	m->round_i = 0;
	m->round_start = dvmi_rng_below(&m->rng, n);
	do {
		m->round_stride = 1 + dvmi_rng_below(&m->rng, n - 1);
	} while (gcd(m->round_stride, n) != 1);
}

static bool can_probe(const dvmd_member_t *m, const struct dvmd_member_rec *rec)
{
	return rec->id != m->self &&
	       (rec->state == DVMI_MEMBER_ALIVE || rec->state == DVMI_MEMBER_SUSPECT);
}

static const struct dvmd_member_rec *disputed_target(dvmd_member_t *m)
{
	const struct dvmd_member_rec *rec = dvmd_member_table_find(&m->table, m->probe_next);

	m->probe_next = m->self;
	return rec && can_probe(m, rec) ? rec : NULL;
}

static const struct dvmd_member_rec *next_target(dvmd_member_t *m)
{
	const struct dvmd_member_rec *rec = disputed_target(m);

	for (size_t tries = m->table.n; !rec && tries > 0; tries--) {
		if (m->round_i >= m->round_n || m->round_n != m->table.n)
			new_round(m);
		size_t i = (m->round_start + m->round_i++ * m->round_stride) % m->round_n;
		if (can_probe(m, &m->table.recs[i]))
			rec = &m->table.recs[i];
	}
	return rec;
}

/* --- the probe of a period ----------------------------------------------- */

static void probe_start(dvmd_member_t *m)
{
	const struct dvmd_member_rec *rec = next_target(m);

	if (!rec)
		return;
	m->probe = (struct dvmd_member_probe){
		.running = true,
		.was_suspect = rec->state == DVMI_MEMBER_SUSPECT,
		.target = rec->id,
		.seq = new_seq(m),
		.indirect_at = m->t + m->conf.probe_timeout * (m->health + 1),
	};
	dvmd_member_probe_send(m, rec->id, DVMI_MEMBER_PING, m->probe.seq, rec->id,
			       settled(m) ? 0 : DVMD_MEMBER_WINDOW);
}

static void probe_indirect(dvmd_member_t *m)
{
	struct dvmd_member_probe *p = &m->probe;
	uint32_t helpers[DVMD_MEMBER_EAGER], want = m->conf.indirect;

	p->indirect_at = DVMD_MEMBER_NEVER;
	p->asked = dvmd_member_probe_pick(m, want, p->target, helpers);
	for (uint32_t i = 0; i < p->asked; i++)
		dvmd_member_probe_send(m, helpers[i], DVMI_MEMBER_PING_REQ, p->seq, p->target, 0);
}

static void probe_failed(dvmd_member_t *m)
{
	struct dvmd_member_probe *p = &m->probe;
	const struct dvmd_member_rec *rec = dvmd_member_table_find(&m->table, p->target);

	p->running = false;
	if (!rec || !can_probe(m, rec))
		return;
	/* One NACK in time shows that we still hear; with none the fault may well be here. */
	if (!p->was_suspect && p->nacks == 0)
		dvmd_member_health_worse(m);
	const struct dvmi_member_update u = { .id = rec->id,
					      .incarnation = rec->incarnation,
					      .state = DVMI_MEMBER_SUSPECT,
					      .by = m->self };
	dvmd_member_claim(m, &u);
	dvmd_member_probe_tell(m, u.id);
}

static void probe_succeeded(dvmd_member_t *m)
{
	m->probe.running = false;
	dvmd_member_health_better(m);
}

/* --- probing for others -------------------------------------------------- */

static struct dvmd_member_relay *free_relay(dvmd_member_t *m)
{
	for (size_t i = 0; i < DVMD_MEMBER_RELAYS; i++) {
		if (m->relays[i].seq == 0)
			return &m->relays[i];
	}
	return NULL;
}

static void relay_start(dvmd_member_t *m, uint32_t from, const struct dvmi_member_msg *msg)
{
	struct dvmd_member_relay *r = free_relay(m);

	/* Too busy, or not (yet) a member here: say at least that we are there. */
	if (!r || !dvmd_member_table_find(&m->table, msg->target)) {
		dvmd_member_probe_send(m, from, DVMI_MEMBER_NACK, msg->seq, msg->target,
				       DVMD_MEMBER_REPLY);
		return;
	}
	*r = (struct dvmd_member_relay){
		.origin = from,
		.origin_seq = msg->seq,
		.target = msg->target,
		.seq = new_seq(m),
		.nack_at = m->t + m->conf.probe_timeout * 4 / 5,
		.expires = m->t + m->conf.period * (m->conf.health_max + 1),
	};
	dvmd_member_probe_send(m, r->target, DVMI_MEMBER_PING, r->seq, r->target, 0);
}

static bool relay_ack(dvmd_member_t *m, uint32_t from, const struct dvmi_member_msg *msg)
{
	for (size_t i = 0; i < DVMD_MEMBER_RELAYS; i++) {
		struct dvmd_member_relay *r = &m->relays[i];
		if (r->seq == 0 || r->seq != msg->seq || r->target != from)
			continue;
		r->seq = 0;
		dvmd_member_probe_send(m, r->origin, DVMI_MEMBER_ACK, r->origin_seq, r->target, 0);
		return true;
	}
	return false;
}

static void relays_tick(dvmd_member_t *m)
{
	for (size_t i = 0; i < DVMD_MEMBER_RELAYS; i++) {
		struct dvmd_member_relay *r = &m->relays[i];
		if (r->seq && r->nack_at <= m->t) {
			r->nack_at = DVMD_MEMBER_NEVER;
			dvmd_member_probe_send(m, r->origin, DVMI_MEMBER_NACK, r->origin_seq,
					       r->target, 0);
		}
		if (r->expires <= m->t)
			r->seq = 0;
	}
}

/* --- messages ------------------------------------------------------------ */

static void ping_received(dvmd_member_t *m, uint32_t from, const struct dvmi_member_msg *msg)
{
	bool differ = msg->digest != m->table.digest && !settled(m);

	dvmd_member_probe_send(m, from, DVMI_MEMBER_ACK, msg->seq, m->self,
			       DVMD_MEMBER_REPLY | (differ ? DVMD_MEMBER_WINDOW : 0));
}

static void ack_received(dvmd_member_t *m, uint32_t from, const struct dvmi_member_msg *msg)
{
	const struct dvmd_member_probe *p = &m->probe;
	const struct dvmd_member_rec *rec = dvmd_member_table_find(&m->table, from);

	if (p->running && msg->seq == p->seq && msg->target == p->target)
		probe_succeeded(m);
	else
		relay_ack(m, from, msg);
	/* It is there but does not know yet that it is suspected. */
	if (rec->state == DVMI_MEMBER_SUSPECT)
		dvmd_member_probe_tell(m, from);
}

static void nack_received(dvmd_member_t *m, const struct dvmi_member_msg *msg)
{
	struct dvmd_member_probe *p = &m->probe;

	if (p->running && msg->seq == p->seq && msg->target == p->target)
		p->nacks++;
}

void dvmd_member_probe_receive(dvmd_member_t *m, uint32_t from, const struct dvmi_member_msg *msg)
{
	bool member = dvmd_member_table_find(&m->table, from) != NULL;

	if (msg->type == DVMI_MEMBER_PING)
		ping_received(m, from, msg);
	else if (!member || m->leaving)
		return;
	else if (msg->type == DVMI_MEMBER_PING_REQ)
		relay_start(m, from, msg);
	else if (msg->type == DVMI_MEMBER_ACK)
		ack_received(m, from, msg);
	else if (msg->type == DVMI_MEMBER_NACK)
		nack_received(m, msg);
}

/* --- time
 * -----------------------------------------------------------------------------------------------
 */

/*
 * One dead member hears from all of us together about DEAD_PROBES times per failure timeout,
 * however many we are; few of us among many dead (we are the lost ones) look once per dead_period.
 */
static uint64_t dead_interval(dvmd_member_t *m)
{
	size_t dead = m->table.count[DVMI_MEMBER_DEAD];
	uint64_t interval = m->conf.dead_period;

	if (dead) {
		uint64_t share =
			m->conf.failure_timeout / DEAD_PROBES * dvmd_member_count_up(m) / dead;
		if (share > interval)
			interval = share;
	}
	return interval / 2 + dvmi_rng_below(&m->rng, interval);
}

static void probe_dead(dvmd_member_t *m)
{
	size_t n = m->table.n, at = dvmi_rng_below(&m->rng, n);

	for (size_t i = 0; m->table.count[DVMI_MEMBER_DEAD] && i < n; i++) {
		const struct dvmd_member_rec *rec = &m->table.recs[(at + i) % n];
		if (rec->state == DVMI_MEMBER_DEAD) {
			dvmd_member_probe_tell(m, rec->id);
			return;
		}
	}
}

static void period_tick(dvmd_member_t *m)
{
	if (m->probe.running)
		probe_failed(m);
	m->tells = DVMD_MEMBER_TELLS;
	m->period_end = m->t + m->conf.period * (m->health + 1);
	probe_start(m);
}

void dvmd_member_probe_tick(dvmd_member_t *m)
{
	relays_tick(m);
	if (m->probe.running && m->probe.indirect_at <= m->t)
		probe_indirect(m);
	if (m->period_end <= m->t)
		period_tick(m);
	if (m->dead_at <= m->t) {
		m->dead_at = m->t + dead_interval(m);
		probe_dead(m);
	}
}

uint64_t dvmd_member_probe_deadline(const dvmd_member_t *m)
{
	uint64_t at = min_time(m->period_end, m->dead_at);

	if (m->probe.running)
		at = min_time(at, m->probe.indirect_at);
	for (size_t i = 0; i < DVMD_MEMBER_RELAYS; i++) {
		const struct dvmd_member_relay *r = &m->relays[i];
		if (r->seq)
			at = min_time(at, min_time(r->nack_at, r->expires));
	}
	return at;
}
