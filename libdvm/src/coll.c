/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/src/coll.h"
#include "libdvm/src/wait.h"

void dvmi_coll_begin(struct dvmi_coll *c, dvm_group_t *g)
{
	*c = (struct dvmi_coll){
		.g = g, .d = g->d, .rank = g->rank, .size = g->size, .ctx = g->ctx + 1
	};
	dvmi_enter(c->d);
	c->tag = (int32_t)(g->coll_seq++ & DVM_TAG_MAX);
	c->rc = dvmi_p2p_revoked(&c->d->p2p, c->ctx);
}

int dvmi_coll_end(struct dvmi_coll *c)
{
	dvmi_leave(c->d);
	return c->rc;
}

void dvmi_coll_fail(struct dvmi_coll *c, int code)
{
	if (c->rc < 0)
		return;
	c->rc = code;
	dvmi_p2p_revoke(&c->d->p2p, c->ctx, code);
}

static bool nothing_to_do(const struct dvmi_coll *c)
{
	return c->rc < 0;
}

void dvmi_coll_isend(struct dvmi_coll *c, struct dvmi_op *op, const void *buf, size_t len,
		     uint32_t dest)
{
	if (nothing_to_do(c))
		dvmi_p2p_nothing(op, DVMI_OP_SEND);
	else
		dvmi_p2p_send(&c->d->p2p, op, dvmi_rankmap_peer(&c->g->map, dest), c->ctx, c->tag, buf, len);
}

void dvmi_coll_irecv(struct dvmi_coll *c, struct dvmi_op *op, void *buf, size_t len,
		     uint32_t source)
{
	struct dvmi_match_key key = {
		.ctx = c->ctx,
		.source = (int32_t)dvmi_rankmap_peer(&c->g->map, source),
		.tag = c->tag,
	};

	if (nothing_to_do(c))
		dvmi_p2p_nothing(op, DVMI_OP_RECV);
	else
		dvmi_p2p_recv(&c->d->p2p, op, &key, buf, len);
}

static void wait_one(struct dvmi_coll *c, struct dvmi_op *op)
{
	int rc = dvmi_wait_op(c->d, op);

	if (op->kind == DVMI_OP_RECV && op->tag >= 0 && (rc == -DVM_ETRUNC || op->total != op->len))
		rc = rc == 0 || rc == -DVM_ETRUNC ? -DVM_EPROTO : rc;
	if (rc < 0)
		dvmi_coll_fail(c, rc);
}

/* A failure revokes the context, which ends the operations that are still under way. */
void dvmi_coll_wait(struct dvmi_coll *c, struct dvmi_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++)
		wait_one(c, &ops[i]);
}

void dvmi_coll_send(struct dvmi_coll *c, const void *buf, size_t len, uint32_t dest)
{
	struct dvmi_op op;

	if (nothing_to_do(c))
		return;
	uint32_t peer = dvmi_rankmap_peer(&c->g->map, dest);
	int rc = dvmi_p2p_send_now(&c->d->p2p, peer, c->ctx, c->tag, buf, len);
	if (rc == 0)
		return;
	dvmi_coll_isend(c, &op, buf, len, dest);
	dvmi_coll_wait(c, &op, 1);
}

void dvmi_coll_recv(struct dvmi_coll *c, void *buf, size_t len, uint32_t source)
{
	struct dvmi_op op;

	dvmi_coll_irecv(c, &op, buf, len, source);
	dvmi_coll_wait(c, &op, 1);
}

void dvmi_coll_sendrecv(struct dvmi_coll *c, const void *sbuf, size_t slen, uint32_t dest,
			void *rbuf, size_t rlen, uint32_t source)
{
	struct dvmi_op ops[2];

	dvmi_coll_irecv(c, &ops[0], rbuf, rlen, source);
	dvmi_coll_isend(c, &ops[1], sbuf, slen, dest);
	dvmi_coll_wait(c, ops, 2);
}

void *dvmi_coll_alloc(struct dvmi_coll *c, size_t bytes)
{
	void *p = malloc(bytes ? bytes : 1);

	if (!p)
		dvmi_coll_fail(c, -ENOMEM);
	return p;
}

void dvmi_coll_copy(void *out, const void *in, size_t len)
{
	if (out != in && len)
		memcpy(out, in, len);
}
