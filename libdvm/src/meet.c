/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two groups of two jobs become an intergroup: the roots exchange what there is to know, every
 * member opens its end of the link, the roots exchange where those are, and all are told.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "dvm/coll.h"
#include "libdvm/base/clock.h"
#include "libdvm/src/connect.h"
#include "libdvm/src/wait.h"

struct meet {
	dvm_group_t *g;
	int root;
	bool accepts;
	struct dvmi_door *door; /* at the root */
	struct dvmi_door_word near, far;
	struct dvmi_link *link;
	struct dvmi_link_member *ours, *theirs;
};

static bool is_root(const struct meet *m)
{
	return (uint32_t)m->root == m->g->rank;
}

/* Why nobody waits for the other root any longer; 0: it may still speak. */
static int give_up(const struct meet *m, uint64_t end)
{
	if (dvmi_door_is_futile(m->door))
		return -DVM_EPEERLOST;
	return end && dvmi_clock_mono() > end ? -ETIMEDOUT : 0;
}

/* Takes what the other root says, at most until END. */
static int hear(const struct meet *m, void *buf, size_t len, uint64_t end)
{
	dvm_group_t *door = m->door->g;
	struct dvmi_match_key key = {
		.ctx = door->ctx + DVMI_CTX_MAKE,
		.source = (int32_t)dvmi_rankmap_peer(&door->dests, 0),
	};
	struct dvmi_wait w = { 0 };
	struct dvmi_op op;

	dvmi_p2p_recv(&door->d->p2p, &op, &key, buf, len);
	while (!dvmi_op_done(&op)) {
		dvmi_wait_round(door->d, &w);
		int code = dvmi_op_done(&op) ? 0 : give_up(m, end);
		if (code < 0)
			dvmi_p2p_cancel(&door->d->p2p, &op, code);
	}
	return op.code == 0 && op.total != len ? -DVM_EPROTO : op.code;
}

/* The roots exchange words. The acceptor answers, since it does not know where to speak to. */
static int exchange_words(struct meet *m, uint64_t end)
{
	const struct dvmi_make make = { .g = m->door->g };
	int rc = 0;

	if (!m->accepts)
		rc = dvmi_make_send(&make, 0, &m->near, sizeof m->near);
	if (rc == 0)
		rc = hear(m, &m->far, sizeof m->far, end);
	if (rc < 0)
		return rc;
	if (m->accepts) {
		m->door->g->far_ctx = le32toh(m->far.door_ctx);
		rc = dvmi_make_send(&make, 0, &m->near, sizeof m->near);
	}
	if (rc == 0 && m->far.code)
		rc = -DVM_ECLOSED;
	if (rc == 0 && (!m->far.n || le32toh(m->far.n) > DVMI_P2P_FAR_MAX))
		rc = -DVM_EPROTO;
	return rc;
}

static int introduce(struct meet *m, int code, uint64_t end)
{
	dvm_t *d = m->g->d;
	uint32_t ctx = 0;

	dvmi_enter(d);
	if (code == 0)
		code = dvmi_ctx_reserve(d, &ctx);
	m->near = (struct dvmi_door_word){
		.code = (int32_t)htole32((uint32_t)code),
		.n = htole32(m->g->size),
		.ctx = htole32(ctx),
		.door_ctx = htole32(m->door->g ? m->door->g->ctx : 0),
		.job = htole64(d->dyn.job),
	};
	if (getrandom(&m->near.key, sizeof m->near.key, 0) != sizeof m->near.key && code == 0)
		code = -EIO;
	/* Whoever gives up after the door is there says so, or is seen to go. */
	int rc = m->door->g && code == 0 ? exchange_words(m, end) : 0;
	dvmi_leave(d);
	return code ? code : rc;
}

/* Everybody learns what the roots have found. */
static int share(struct meet *m, int code)
{
	struct {
		int32_t code;
		int32_t unused;
		struct dvmi_door_word near, far;
	} all = { .code = (int32_t)htole32((uint32_t)code), .near = m->near, .far = m->far };
	int rc = dvm_bcast(m->g, &all, sizeof all, m->root);

	if (rc == 0)
		rc = (int32_t)le32toh((uint32_t)all.code);
	m->near = all.near;
	m->far = all.far;
	return rc;
}

static int open_end(struct meet *m, struct dvmi_link_member *me)
{
	dvm_t *d = m->g->d;
	uint32_t n = m->g->size, n_far = le32toh(m->far.n);
	uint64_t key = le64toh(m->accepts ? m->near.key : m->far.key);

	dvmi_enter(d);
	int rc = dvmi_link_open(d, key, m->g->rank + (m->accepts ? 0 : n_far), n + n_far, &m->link);
	if (rc == 0) {
		m->link->first_far = m->accepts ? n : 0;
		m->link->n_far = n_far;
		dvmi_link_self(m->link, me);
		rc = dvmi_link_watch(m->link, le64toh(m->far.job));
	}
	dvmi_leave(d);
	me->code = (int32_t)htole32((uint32_t)rc);
	return rc;
}

static int first_code(const struct dvmi_link_member *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (v[i].code)
			return (int32_t)le32toh((uint32_t)v[i].code) < 0
				       ? (int32_t)le32toh((uint32_t)v[i].code)
				       : -DVM_EPROTO;
	return 0;
}

/* The roots exchange the ends; both see all of both, and so the same first error. */
static int exchange_ends(struct meet *m)
{
	const struct dvmi_make make = { .g = m->door->g };
	uint32_t n_far = le32toh(m->far.n);
	dvm_t *d = m->g->d;

	dvmi_enter(d);
	int rc = dvmi_make_sendrecv(&make, 0, m->ours, m->g->size * sizeof *m->ours, m->theirs,
				    n_far * sizeof *m->theirs);
	dvmi_leave(d);
	if (rc == 0)
		rc = first_code(m->ours, m->g->size);
	return rc ? rc : first_code(m->theirs, n_far);
}

static int found(struct meet *m, dvm_group_t **out)
{
	uint32_t n = le32toh(m->far.n), ctx = le32toh(m->near.ctx);
	uint32_t *far = malloc(n * sizeof *far);
	dvm_group_t *g;
	int rc = far ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < n && rc == 0; i++) {
		far[i] = m->link->base + m->link->first_far + i;
		rc = dvmi_link_member_set(m->link, m->link->first_far + i, &m->theirs[i]);
	}
	if (rc == 0)
		rc = dvmi_intergroup_new(m->g->d, m->g, far, n, ctx, &g);
	free(far);
	if (rc < 0)
		return rc;
	g->link = m->link;
	g->far_ctx = le32toh(m->far.ctx);
	m->link->users++;
	dvmi_link_look(m->link);
	*out = g;
	return 0;
}

/* All have opened their ends, or tell why not. */
static int gather(struct meet *m, const struct dvmi_link_member *me)
{
	m->ours = malloc(m->g->size * sizeof *m->ours);
	m->theirs = calloc(le32toh(m->far.n), sizeof *m->theirs);
	if (!m->ours || !m->theirs)
		return -ENOMEM;
	return dvm_gather(m->g, me, sizeof *me, m->ours, m->root);
}

static int join(struct meet *m, dvm_group_t **out)
{
	struct dvmi_link_member me = { 0 };
	int32_t code;

	open_end(m, &me);
	int rc = gather(m, &me);
	if (rc == 0 && is_root(m))
		rc = exchange_ends(m);
	code = (int32_t)htole32((uint32_t)rc);
	int told = dvm_bcast(m->g, &code, sizeof code, m->root);
	rc = told < 0 ? told : (int32_t)le32toh((uint32_t)code);
	if (rc == 0)
		rc = dvm_bcast(m->g, m->theirs, le32toh(m->far.n) * sizeof *m->theirs, m->root);
	dvmi_enter(m->g->d);
	if (rc == 0)
		rc = found(m, out);
	if (m->link)
		dvmi_link_put(m->link);
	dvmi_leave(m->g->d);
	return rc;
}

int dvmi_meet(dvm_group_t *g, int root, struct dvmi_door *door, bool accepts, int code,
	      uint64_t end, dvm_group_t **out)
{
	struct meet m = { .g = g, .root = root, .accepts = accepts, .door = door };
	int rc = is_root(&m) ? introduce(&m, code, end) : 0;

	rc = share(&m, rc);
	if (rc == 0)
		rc = join(&m, out);
	free(m.ours);
	free(m.theirs);
	return rc;
}
