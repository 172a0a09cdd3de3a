/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two groups that talk to each other. The leaders exchange who their members are and offer
 * contexts; each tells its side what came of it. Contexts are those of the leader with the lower
 * rank in the job, the same on both sides: sources tell the sides apart.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "dvm/coll.h"
#include "libdvm/src/make.h"

/* Little-endian. What a leader says, and what the other members of a side are told. */
struct greeting {
	int32_t code; /* 0, or why there will be no intergroup */
	uint32_t n;   /* members of the side, whose peers follow */
	uint32_t ctx;
};

struct meeting {
	dvm_group_t *local;
	int leader;
	struct dvmi_make make; /* leaders only */
	uint32_t remote;
	uint32_t offer; /* our contexts */
	uint32_t n, ctx;
	uint32_t *far; /* peers of the other side; ours to free */
};

static uint32_t *peers_of(const struct dvmi_rankmap *map)
{
	uint32_t *peers = malloc(map->size * sizeof *peers);

	for (uint32_t r = 0; peers && r < map->size; r++)
		peers[r] = htole32(dvmi_rankmap_peer(map, r));
	return peers;
}

/* Whoever cannot go on sends nothing instead of its list, so that the other one does not wait. */
static int refuse(const struct meeting *m, int code)
{
	dvmi_make_sendrecv(&m->make, m->remote, NULL, 0, NULL, 0);
	return code;
}

static int trade_lists(struct meeting *m)
{
	uint32_t *near = peers_of(&m->local->map);

	m->far = malloc(m->n * sizeof *m->far);
	int rc = near && m->far ?
			 dvmi_make_sendrecv(&m->make, m->remote, near,
					    m->local->size * sizeof *near, m->far,
					    m->n * sizeof *m->far) :
			 refuse(m, -ENOMEM);
	free(near);
	return rc;
}

static int greet(struct meeting *m, int code)
{
	struct greeting mine = { .code = (int32_t)htole32((uint32_t)code),
				 .n = htole32(m->local->size),
				 .ctx = htole32(m->offer) };
	struct greeting theirs;
	dvm_t *d = m->local->d;
	uint32_t peer = dvmi_rankmap_peer(&m->make.g->dests, m->remote);
	int rc = dvmi_make_sendrecv(&m->make, m->remote, &mine, sizeof mine, &theirs,
				    sizeof theirs);

	if (rc < 0 || code < 0)
		return code < 0 ? code : rc;
	if (theirs.code)
		return -ENOSPC;
	m->n = le32toh(theirs.n);
	m->ctx = peer < d->env.rank ? le32toh(theirs.ctx) : m->offer;
	if (!m->n || m->n > d->env.size || !dvmi_ctx_good(d, le32toh(theirs.ctx), peer))
		return refuse(m, -DVM_EPROTO);
	return trade_lists(m);
}

/* What is wrong with the other side's list. */
static int check_far(const struct meeting *m)
{
	dvm_t *d = m->local->d;

	for (uint32_t i = 0; i < m->n; i++) {
		uint32_t peer = le32toh(m->far[i]);
		if (peer >= d->env.size)
			return -DVM_EPROTO;
		if (dvmi_rankmap_rank(&m->local->map, peer) >= 0)
			return -EINVAL;
	}
	return 0;
}

static int lead(struct meeting *m)
{
	dvm_t *d = m->local->d;

	dvmi_enter(d);
	int rc = greet(m, dvmi_ctx_reserve(d, &m->offer));
	if (rc == 0)
		rc = check_far(m);
	if (rc == 0 && m->ctx != m->offer)
		dvmi_ctx_return(d, m->offer);
	dvmi_leave(d);
	return rc;
}

/* The leader's result becomes that of its side. */
static int share(struct meeting *m, int code)
{
	struct greeting w = { .code = (int32_t)htole32((uint32_t)code),
			      .n = htole32(m->n),
			      .ctx = htole32(m->ctx) };
	int rc = dvm_bcast(m->local, &w, sizeof w, m->leader);

	if (rc < 0 || w.code)
		return rc < 0 ? rc : (int32_t)le32toh((uint32_t)w.code);
	m->n = le32toh(w.n);
	m->ctx = le32toh(w.ctx);
	if (!m->far)
		m->far = malloc(m->n * sizeof *m->far);
	if (!m->far)
		return -ENOMEM;
	return dvm_bcast(m->local, m->far, m->n * sizeof *m->far, m->leader);
}

static int found(struct meeting *m, dvm_group_t **out)
{
	dvm_t *d = m->local->d;

	for (uint32_t i = 0; i < m->n; i++)
		m->far[i] = le32toh(m->far[i]);
	dvmi_enter(d);
	int rc = dvmi_intergroup_new(d, m->local, m->far, m->n, m->ctx, out);
	dvmi_leave(d);
	return rc;
}

static int check(const dvm_group_t *local, int leader, const dvm_group_t *bridge, int remote,
		 int tag)
{
	if (!local || leader < 0 || (uint32_t)leader >= local->size || tag < 0)
		return -EINVAL;
	if (local->local || local->link || (bridge && bridge->link))
		return -ENOTSUP;
	if ((uint32_t)leader != local->rank)
		return 0;
	return bridge && bridge->d == local->d && remote >= 0 &&
			       (uint32_t)remote < bridge->dests.size &&
			       dvmi_rankmap_peer(&bridge->dests, (uint32_t)remote) !=
				       local->d->env.rank ?
		       0 :
		       -EINVAL;
}

int dvm_intergroup_create(dvm_group_t *local, int leader, dvm_group_t *bridge, int remote, int tag,
			  dvm_group_t **out)
{
	int rc = out ? check(local, leader, bridge, remote, tag) : -EINVAL;

	if (rc < 0)
		return rc;
	struct meeting m = {
		.local = local,
		.leader = leader,
		.make = { .g = bridge, .tag = tag },
		.remote = (uint32_t)remote,
	};
	rc = (uint32_t)leader == local->rank ? lead(&m) : 0;
	rc = share(&m, rc);
	if (rc == 0)
		rc = found(&m, out);
	free(m.far);
	return rc;
}

/* Both sides are in, then their first ranks meet, then both sides go on. */
int dvmi_intergroup_barrier(dvm_group_t *g)
{
	struct dvmi_make make = { .g = g, .tag = 0 };
	int rc = dvm_barrier(g->local);
	int32_t mine = (int32_t)htole32((uint32_t)rc), code = 0;

	if (g->rank == 0) {
		dvmi_enter(g->d);
		int met = dvmi_make_sendrecv(&make, 0, &mine, sizeof mine, &code, sizeof code);
		dvmi_leave(g->d);
		code = met < 0 ? (int32_t)htole32((uint32_t)met) : code;
	}
	int told = dvm_bcast(g->local, &code, sizeof code, 0);
	if (rc < 0 || told < 0)
		return rc < 0 ? rc : told;
	return (int32_t)le32toh((uint32_t)code);
}
