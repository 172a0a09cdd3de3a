/* SPDX-License-Identifier: BSD-3-Clause */
/* The set-up of the engine, and the ends of operations that nothing has met. */
#include <errno.h>

#include "dvm/error.h"
#include "libdvm/src/p2p_private.h"

#define CREDIT_TOTAL (UINT64_C(64) << 20)
#define CREDIT_MIN   (UINT64_C(64) << 10)
#define CREDIT_MAX   (UINT64_C(1) << 20)

static uint64_t credit_for(uint32_t size)
{
	uint64_t c = CREDIT_TOTAL / size;

	return c < CREDIT_MIN ? CREDIT_MIN : c > CREDIT_MAX ? CREDIT_MAX : c;
}

int dvmi_p2p_init(struct dvmi_p2p *p, uint32_t self, uint32_t size,
		  struct dvmi_tport *(*route)(void *arg, uint32_t peer), void *arg)
{
	*p = (struct dvmi_p2p){
		.self = self,
		.size = size,
		.others = size - 1,
		.credit = credit_for(size),
		.route = route,
		.arg = arg,
	};
	p->taken.prev = p->taken.next = &p->taken;
	int rc = dvmi_match_init(&p->match);
	if (rc < 0)
		return rc;
	p->peers = calloc((size_t)size + DVMI_P2P_FAR_MAX, sizeof *p->peers);
	if (p->peers)
		return 0;
	dvmi_match_fini(&p->match);
	return -ENOMEM;
}

int dvmi_p2p_add_far(struct dvmi_p2p *p, uint32_t n, uint32_t *base)
{
	if (n > DVMI_P2P_FAR_MAX - p->nfar)
		return -ENOSPC;
	*base = p->size + p->nfar;
	p->nfar += n;
	return 0;
}

static void free_message(struct dvmi_p2p *p, struct dvmi_unexpected *u, bool taken, void *arg)
{
	if (!taken)
		dvmi_match_drop(&p->match, &u->msg);
	free(u);
}

static void free_control(struct dvmi_opq *q)
{
	struct dvmi_op *op;

	while ((op = dvmi_opq_pop(q)))
		if (op->stage == DVMI_OP_CONTROL)
			free(op);
}

void dvmi_p2p_fini(struct dvmi_p2p *p)
{
	if (!p->peers)
		return;
	dvmi_p2p_each_message(p, free_message, NULL);
	for (struct dvmi_peer *peer = p->busy; peer; peer = peer->next_busy)
		free_control(&peer->packets);
	dvmi_match_fini(&p->match);
	dvmi_optab_fini(&p->ops);
	for (uint32_t i = 0; i < p->size + p->nfar; i++)
		free(p->peers[i].copier);
	free(p->peers);
	dvmi_revoked_fini(&p->revoked);
	free(p->stage);
	*p = (struct dvmi_p2p){ 0 };
}

void dvmi_p2p_connect(struct dvmi_p2p *p, struct dvmi_peer *peer, uint32_t rank)
{
	peer->tport = p->route(p->arg, rank);
	peer->credit = rank < p->size ? p->credit : DVMI_P2P_FAR_CREDIT;
	peer->eager_max = peer->tport->copy_from ? peer->tport->copy_from : peer->tport->eager_max;
	peer->packets.tail = &peer->packets.head;
	peer->streams.tail = &peer->streams.head;
}

void dvmi_p2p_unnumber(struct dvmi_p2p *p, struct dvmi_op *op)
{
	if (op->offered)
		dvmi_copy_withdraw(p, op);
	dvmi_optab_remove(&p->ops, op->id);
	op->id = 0;
}

/* Announcements of our own whose operation is no more. */
static void drop_announcement(struct dvmi_p2p *p, struct dvmi_unexpected *u, bool taken, void *arg)
{
	if (u->msg.key.source != (int32_t)p->self || !u->rts || dvmi_optab_get(&p->ops, u->rts))
		return;
	if (taken) {
		u->lost = -EDEADLK;
		return;
	}
	dvmi_match_drop(&p->match, &u->msg);
	dvmi_p2p_release(p, u);
	free(u);
}

bool dvmi_p2p_no_sender(const struct dvmi_p2p *p, const struct dvmi_match_key *key)
{
	return key->source < 0 ? dvmi_p2p_anybody(p, key->ctx) != 0
			       : key->source == (int32_t)p->self;
}

bool dvmi_p2p_is_hopeless(const struct dvmi_p2p *p, const struct dvmi_op *op)
{
	if (op->stage == DVMI_OP_POSTED)
		return dvmi_p2p_no_sender(p, &op->recv.key);
	return op->stage == DVMI_OP_ANNOUNCED && op->peer == p->self;
}

bool dvmi_p2p_hopeless(struct dvmi_p2p *p, struct dvmi_op *op)
{
	if (!dvmi_p2p_is_hopeless(p, op))
		return false;
	if (op->stage == DVMI_OP_POSTED)
		return dvmi_p2p_cancel(p, op, -EDEADLK);
	dvmi_p2p_finish(p, op, -EDEADLK);
	dvmi_p2p_each_message(p, drop_announcement, NULL);
	return true;
}

void dvmi_p2p_nothing(struct dvmi_op *op, enum dvmi_op_kind kind)
{
	*op = (struct dvmi_op){ .kind = kind, .tag = -1 };
}

void dvmi_p2p_abandon(struct dvmi_p2p *p, struct dvmi_op *op)
{
	struct dvmi_peer *peer = &p->peers[op->peer];

	if (dvmi_op_done(op) || dvmi_p2p_cancel(p, op, -ECANCELED))
		return;
	/* Not POSTED, so it has a peer that is connected. */
	dvmi_copy_stop(p, op);
	if (!dvmi_opq_remove(&peer->packets, op))
		dvmi_opq_remove(&peer->streams, op);
	dvmi_p2p_finish(p, op, -ECANCELED);
}
