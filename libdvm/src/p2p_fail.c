/* SPDX-License-Identifier: BSD-3-Clause */
/* Failures: peers that are gone and contexts that were revoked. */
#include <errno.h>

#include "dvm/error.h"
#include "libdvm/net/wire.h"
#include "libdvm/src/p2p_private.h"

struct failure {
	struct dvmi_p2p *p;
	bool (*hit)(const struct failure *f, const struct dvmi_op *op);
	uint32_t peer, ctx;
	int code;
};

static void fail(const struct failure *f, struct dvmi_op *op)
{
	if (op->stage == DVMI_OP_CONTROL) {
		free(op);
		return;
	}
	dvmi_copy_stop(f->p, op);
	if ((op->stage == DVMI_OP_CTS && !op->want) || op->stage == DVMI_OP_ACK)
		/* It has all its bytes; only the answer fails. */
		dvmi_p2p_finish(f->p, op, dvmi_op_received(op));
	else
		dvmi_p2p_finish(f->p, op, f->code);
}

/* Takes the operations that are hit out of Q; order of the others is kept. */
static void fail_queue(const struct failure *f, struct dvmi_opq *q)
{
	struct dvmi_opq old = *q;
	struct dvmi_op *op, *next;

	q->head = NULL;
	q->tail = &q->head;
	for (op = old.head; op; op = next) {
		next = op->next;
		if (f->hit(f, op))
			fail(f, op);
		else
			dvmi_opq_push(q, op);
	}
}

static void fail_posted(struct dvmi_match_recv *r, void *arg)
{
	const struct failure *f = arg;
	struct dvmi_op *op = dvmi_op_of(r);

	if (f->hit(f, op)) {
		dvmi_match_cancel(&f->p->match, r);
		fail(f, op);
	}
}

static void fail_numbered(const struct failure *f)
{
	for (uint32_t i = 0; i < f->p->ops.nslots; i++) {
		struct dvmi_op *op = f->p->ops.slots[i].p;
		if (op && f->hit(f, op))
			fail(f, op);
	}
}

static void fail_ops(struct failure *f)
{
	/* Queues first: an operation that is done must be in none. */
	for (struct dvmi_peer *peer = f->p->busy; peer; peer = peer->next_busy) {
		fail_queue(f, &peer->packets);
		fail_queue(f, &peer->streams);
	}
	fail_numbered(f);
	dvmi_match_each_recv(&f->p->match, fail_posted, f);
}

static bool hit_by_down(const struct failure *f, const struct dvmi_op *op)
{
	if (op->stage != DVMI_OP_POSTED)
		return op->peer == f->peer;
	return op->recv.key.source == (int32_t)f->peer;
}

int dvmi_p2p_anybody(const struct dvmi_p2p *p, uint32_t ctx)
{
	if (p->owner.anybody)
		return p->owner.anybody(p->arg, ctx);
	if (p->others)
		return 0;
	return p->size > 1 ? p->last_down : 1;
}

/* Receives from anyone whom nobody is left to send to. */
static void fail_lonely(struct dvmi_match_recv *r, void *arg)
{
	struct dvmi_p2p *p = arg;
	int code = r->key.source < 0 ? dvmi_p2p_anybody(p, r->key.ctx) : 0;

	if (code < 0)
		dvmi_p2p_cancel(p, dvmi_op_of(r), code);
}

/* What was taken stays its owner's, who learns the code when he receives it. */
static void drop(struct dvmi_p2p *p, struct dvmi_unexpected *u, bool taken, int code)
{
	if (taken) {
		u->lost = code;
		return;
	}
	dvmi_match_drop(&p->match, &u->msg);
	dvmi_p2p_release(p, u);
	free(u);
}

static void drop_announced(struct dvmi_p2p *p, struct dvmi_unexpected *u, bool taken, void *arg)
{
	const struct failure *f = arg;

	if (u->msg.key.source == (int32_t)f->peer && !u->here)
		drop(p, u, taken, f->code);
}

void dvmi_p2p_down(struct dvmi_p2p *p, uint32_t rank, int code)
{
	struct failure f = { .p = p, .hit = hit_by_down, .peer = rank, .code = code };

	if (p->peers[rank].down)
		return;
	p->peers[rank].down = code;
	p->ndown++;
	if (rank != p->self && rank < p->size)
		p->others--;
	if (p->last_down != -DVM_EPEERLOST)
		p->last_down = code;
	/* What it had announced will never come. */
	dvmi_p2p_each_message(p, drop_announced, &f);
	fail_ops(&f);
	dvmi_match_each_recv(&p->match, fail_lonely, p);
	if (p->owner.down)
		p->owner.down(p->arg, rank);
}

void dvmi_p2p_all_down(struct dvmi_p2p *p, int code)
{
	for (uint32_t i = 0; i < p->size + p->nfar; i++)
		dvmi_p2p_down(p, i, code);
}

static bool hit_by_revoke(const struct failure *f, const struct dvmi_op *op)
{
	return op->stage != DVMI_OP_CONTROL && op->recv.key.ctx == f->ctx;
}

static void drop_revoked(struct dvmi_p2p *p, struct dvmi_unexpected *u, bool taken, void *arg)
{
	const struct failure *f = arg;

	if (u->msg.key.ctx == f->ctx)
		drop(p, u, taken, f->code);
}

int dvmi_p2p_revoke_here(struct dvmi_p2p *p, uint32_t ctx, int code)
{
	struct failure f = { .p = p, .hit = hit_by_revoke, .ctx = ctx, .code = code };

	if (dvmi_p2p_revoked(p, ctx))
		return 0;
	if (dvmi_revoked_add(&p->revoked, ctx, code) < 0)
		return -ENOMEM;
	dvmi_p2p_each_message(p, drop_revoked, &f);
	fail_ops(&f);
	return 1;
}

void dvmi_p2p_forget(struct dvmi_p2p *p, uint32_t ctx)
{
	struct failure f = { .p = p, .ctx = ctx, .code = -ECANCELED };

	dvmi_p2p_each_message(p, drop_revoked, &f);
}

void dvmi_p2p_tell_revoked(struct dvmi_p2p *p, uint32_t peer, uint32_t ctx, int code)
{
	struct dvmi_pkt pkt = { .kind = DVMI_PKT_REVOKE, .ctx = ctx, .tag = code };

	dvmi_p2p_post(p, peer, &pkt, NULL);
}

/* Whoever hears it for the first time tells all others: the first one may die on its way. */
static void flood(struct dvmi_p2p *p, uint32_t src, uint32_t ctx, int code)
{
	if (dvmi_p2p_revoke_here(p, ctx, code) <= 0)
		return;
	for (uint32_t i = 0; i < p->size; i++)
		if (i != p->self && i != src && !p->peers[i].down)
			dvmi_p2p_tell_revoked(p, i, ctx, code);
}

void dvmi_p2p_spread(struct dvmi_p2p *p, uint32_t src, uint32_t ctx, int code)
{
	if (p->owner.revoke)
		p->owner.revoke(p->arg, src, ctx, code);
	else
		flood(p, src, ctx, code);
}

void dvmi_p2p_revoke(struct dvmi_p2p *p, uint32_t ctx, int code)
{
	dvmi_p2p_spread(p, p->self, ctx, code);
}
