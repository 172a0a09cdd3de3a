/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations that take messages, at the side that asks: sent in parts, answered in parts. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/src/request.h"
#include "libdvm/src/rma.h"
#include "libdvm/src/rma_hook.h"
#include "libdvm/src/wait.h"

#define PART DVM_AM_MAX

static struct dvmi_rma_op *op_of(struct dvmi_task *t)
{
	return (struct dvmi_rma_op *)t; /* its first member */
}

static bool is_answered(const struct dvmi_rma_op *op)
{
	return op->kind != DVMI_RMA_PUT && op->kind != DVMI_RMA_ACC;
}

static void finish(struct dvmi_rma_op *op, int code)
{
	if (op->id)
		dvmi_optab_remove(&op->w->d->rma->ops, op->id);
	op->id = 0;
	op->w->far[op->target].tasks--;
	dvmi_task_end(&op->task, code);
}

static uint32_t next_part(const struct dvmi_rma_op *op)
{
	uint64_t left = op->len - op->sent;

	return left < PART ? (uint32_t)left : PART;
}

static void fill_head(const struct dvmi_rma_op *op, struct dvmi_rma_head *h, uint32_t n)
{
	*h = (struct dvmi_rma_head){
		.win = htole32(op->w->id),
		.type = op->type,
		.op = op->op,
		.mode = htole16(op->mode),
		.off = htole64(op->off + op->sent),
		.id = htole64(op->id),
		.at = htole64(op->sent),
		.len = htole32(n),
	};
}

static int send_part(struct dvmi_rma_op *op)
{
	struct dvmi_win_far *far = &op->w->far[op->target];
	struct dvmi_rma_head h;
	uint32_t n = next_part(op);
	struct dvmi_am_msg m = {
		.ctx = op->w->ctx,
		.id = op->kind,
		.head = &h,
		.head_len = sizeof h,
		.payload = op->in ? op->in + op->sent : NULL,
		.len = op->in ? n : 0,
	};

	if (op->kind == DVMI_RMA_CAS) {
		m.payload = op->pair;
		m.len = 2 * n;
	}
	fill_head(op, &h, n);
	int rc = dvmi_am_send_now(op->w->d, far->peer, &m);
	if (rc < 0)
		return rc;
	op->begun = true;
	op->sent += n;
	if (!is_answered(op))
		far->dirty = true;
	return 0;
}

/* What ends OP without an answer, or 0. */
static int lost(const struct dvmi_rma_op *op)
{
	dvm_t *d = op->w->d;
	int code = d->p2p.peers[op->w->far[op->target].peer].down;

	return code ? code : dvmi_p2p_revoked(&d->p2p, op->w->ctx);
}

static int advance(struct dvmi_task *t)
{
	struct dvmi_rma_op *op = op_of(t);
	int n = 0, rc = lost(op);

	while (rc == 0 && (!op->begun || op->sent < op->len)) {
		rc = send_part(op);
		n += rc == 0;
	}
	if (rc == -EAGAIN)
		return n;
	if (rc < 0 || !is_answered(op)) {
		finish(op, rc);
		n++;
	}
	return n;
}

void dvmi_rma_start(struct dvmi_rma_op *op)
{
	op->task.advance = advance;
	op->begun = false;
	op->sent = op->got = op->id = 0;
	op->w->far[op->target].tasks++;
	int rc = is_answered(op) ? dvmi_optab_add(&op->w->d->rma->ops, op, &op->id) : 0;
	if (rc == 0) {
		dvmi_task_start(op->w->d, &op->task);
		return;
	}
	op->w->far[op->target].tasks--;
	op->task.done = true;
	op->task.code = rc;
}

int dvmi_rma_run(struct dvmi_rma_op *op)
{
	dvmi_rma_start(op);
	return op->task.done ? op->task.code : dvmi_wait_task(&op->task);
}

/* Not done: the handle is being closed. The window is still there. */
static void destroy_op(struct dvmi_task *t)
{
	struct dvmi_rma_op *op = op_of(t);

	if (op->id)
		dvmi_optab_remove(&op->w->d->rma->ops, op->id);
	free(op);
}

int dvmi_rma_request(const struct dvmi_rma_op *op, struct dvm_req **req)
{
	struct dvmi_rma_op *copy = malloc(sizeof *copy);

	if (!copy)
		return -ENOMEM;
	*copy = *op;
	copy->task.destroy = destroy_op;
	struct dvm_req *r = dvmi_req_of_task(op->w->g, &copy->task);
	if (!r) {
		free(copy);
		return -ENOMEM;
	}
	dvmi_rma_start(copy);
	*req = r;
	return 0;
}

/* An answer, or a part of one. What does not fit an operation of ours is ignored. */
static void on_reply(dvm_t *d, uint32_t src, const struct dvmi_rma_head *h, const uint8_t *bytes,
		     uint32_t len)
{
	struct dvmi_rma_op *op = d->rma ? dvmi_optab_get(&d->rma->ops, le64toh(h->id)) : NULL;
	uint64_t at = le64toh(h->at);
	int code = (int32_t)le32toh((uint32_t)h->code);

	if (!op || op->w->far[op->target].peer != src)
		return;
	if (code < 0) {
		finish(op, code);
		return;
	}
	if (at > op->sent || len > op->sent - at || (len && !op->out) || len > op->len - op->got)
		return;
	if (len)
		memcpy(op->out + at, bytes, len);
	op->got += len;
	if (op->got == (op->out ? op->len : 0))
		finish(op, 0);
}

void dvmi_rma_settle(dvm_win_t *w, uint32_t rank)
{
	struct dvmi_wait wait = { 0 };

	while (w->far[rank].tasks)
		dvmi_wait_round(w->d, &wait);
}

/* Asks the target whether all has arrived. Apart, or every flush would have to clear OP. */
__attribute__((noinline)) static int ask(dvm_win_t *w, uint32_t rank)
{
	struct dvmi_rma_op op = { .w = w, .target = rank, .kind = DVMI_RMA_FLUSH };

	return dvmi_rma_run(&op);
}

int dvmi_rma_flush(dvm_win_t *w, uint32_t rank)
{
	struct dvmi_win_far *far = &w->far[rank];

	dvmi_fence();
	if (__builtin_expect(far->tasks, 0))
		dvmi_rma_settle(w, rank);
	if (++w->looks % DVMI_RMA_LOOKS <= 1)
		dvmi_poll(w->d);
	int code = w->d->p2p.peers[far->peer].down;
	if (code || !far->dirty)
		return code;
	far->dirty = false;
	return ask(w, rank);
}

void dvmi_rma_packet(dvm_t *d, uint32_t src, uint32_t ctx, uint32_t kind, const uint8_t *bytes,
		     uint32_t head_len, uint32_t len)
{
	struct dvmi_rma_head h;

	if (head_len != sizeof h)
		return;
	memcpy(&h, bytes, sizeof h);
	if (kind == DVMI_RMA_REPLY)
		on_reply(d, src, &h, bytes + sizeof h, len);
	else
		dvmi_rma_target(d, src, ctx, kind, &h, bytes + sizeof h, len);
}
