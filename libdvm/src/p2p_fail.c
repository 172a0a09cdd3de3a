/* SPDX-License-Identifier: BSD-3-Clause */
/* Failures: peers that are gone and contexts that were revoked. */
#include <errno.h>

#include "dvm/error.h"
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
		dvmi_p2p_finish(f->p, op, op->total > op->len ? -DVM_ETRUNC : 0);
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

static bool hit_by_solitude(const struct failure *f, const struct dvmi_op *op)
{
	return op->stage == DVMI_OP_POSTED && op->recv.key.source < 0;
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
	if (rank != p->self)
		p->others--;
	if (p->last_down != -DVM_EPEERLOST)
		p->last_down = code;
	/* What it had announced will never come. */
	dvmi_p2p_each_message(p, drop_announced, &f);
	fail_ops(&f);
	if (p->owner.down)
		p->owner.down(p->arg, rank);
	if (p->others)
		return;
	f.hit = hit_by_solitude;
	f.code = p->last_down;
	dvmi_match_each_recv(&p->match, fail_posted, &f);
}

void dvmi_p2p_all_down(struct dvmi_p2p *p, int code)
{
	for (uint32_t i = 0; i < p->size; i++)
		dvmi_p2p_down(p, i, code);
}

int dvmi_p2p_revoked(const struct dvmi_p2p *p, uint32_t ctx)
{
	for (uint32_t i = 0; i < p->nrevoked; i++)
		if (p->revoked[i].ctx == ctx)
			return p->revoked[i].code;
	return 0;
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

static int remember(struct dvmi_p2p *p, uint32_t ctx, int code)
{
	if (p->nrevoked == p->cap_revoked) {
		uint32_t cap = p->cap_revoked ? p->cap_revoked * 2 : 4;
		struct dvmi_revoked *r = realloc(p->revoked, cap * sizeof *r);
		if (!r)
			return -ENOMEM;
		p->revoked = r;
		p->cap_revoked = cap;
	}
	p->revoked[p->nrevoked++] = (struct dvmi_revoked){ .ctx = ctx, .code = code };
	return 0;
}

void dvmi_p2p_revoke_here(struct dvmi_p2p *p, uint32_t ctx, int code)
{
	struct failure f = { .p = p, .hit = hit_by_revoke, .ctx = ctx, .code = code };

	if (dvmi_p2p_revoked(p, ctx))
		return;
	remember(p, ctx, code);
	dvmi_p2p_each_message(p, drop_revoked, &f);
	fail_ops(&f);
}

static void tell(struct dvmi_p2p *p, uint32_t rank, uint32_t ctx, int code)
{
	struct dvmi_op *op = calloc(1, sizeof *op);

	if (!op)
		return;
	op->stage = DVMI_OP_CONTROL;
	op->recv.key.ctx = ctx;
	op->peer = rank;
	op->code = code;
	dvmi_p2p_submit(p, dvmi_p2p_peer(p, rank), op);
}

void dvmi_p2p_revoke(struct dvmi_p2p *p, uint32_t ctx, int code)
{
	if (dvmi_p2p_revoked(p, ctx))
		return;
	dvmi_p2p_revoke_here(p, ctx, code);
	for (uint32_t i = 0; i < p->size; i++)
		if (i != p->self && !p->peers[i].down)
			tell(p, i, ctx, code);
}
