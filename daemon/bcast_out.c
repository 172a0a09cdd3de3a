/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue of actions and the memory their messages point to. */
#include <stdlib.h>

#include "daemon/bcast_private.h"

void dvmd_bcast_out_begin(struct dvmd_bcast_out *o)
{
	for (size_t i = 0; i < o->nblocks; i++)
		free(o->blocks[i]);
	o->nblocks = o->first = o->n = 0;
}

void dvmd_bcast_out_free(struct dvmd_bcast_out *o)
{
	dvmd_bcast_out_begin(o);
	free(o->acts);
	free(o->blocks);
	*o = (struct dvmd_bcast_out){ 0 };
}

void *dvmd_bcast_out_block(struct dvmd_bcast_out *o, size_t size)
{
	if (o->nblocks == o->blocks_cap) {
		size_t cap = o->blocks_cap ? 2 * o->blocks_cap : 8;
		void *blocks = realloc(o->blocks, cap * sizeof(*o->blocks));
		if (!blocks)
			return NULL;
		o->blocks = blocks;
		o->blocks_cap = cap;
	}
	void *p = malloc(size ? size : 1);
	if (p)
		o->blocks[o->nblocks++] = p;
	return p;
}

struct dvmd_bcast_queued *dvmd_bcast_out_push(struct dvmd_bcast_out *o,
					      enum dvmd_bcast_act_type type, uint32_t node)
{
	if (o->n == o->cap) {
		size_t cap = o->cap ? 2 * o->cap : 8;
		void *acts = realloc(o->acts, cap * sizeof(*o->acts));
		if (!acts)
			return NULL;
		o->acts = acts;
		o->cap = cap;
	}
	struct dvmd_bcast_queued *q = &o->acts[o->n++];
	*q = (struct dvmd_bcast_queued){ .act = { .type = type, .node = node } };
	return q;
}

struct dvmi_bcast_msg *dvmd_bcast_out_send(dvmd_bcast_t *b, uint32_t to,
					   enum dvmi_bcast_msg_type type,
					   const struct dvmd_bcast_key *key, uint32_t base,
					   uint32_t count)
{
	struct dvmd_bcast_queued *q = dvmd_bcast_out_push(&b->out, DVMD_BCAST_SEND, to);

	if (!q)
		return NULL;
	q->msg = (struct dvmi_bcast_msg){ .type = (uint8_t)type,
					  .origin = key->origin,
					  .op = key->op,
					  .base = base,
					  .count = count };
	return &q->msg;
}

bool dvmd_bcast_next(dvmd_bcast_t *b, struct dvmd_bcast_act *act)
{
	struct dvmd_bcast_out *o = &b->out;

	if (o->first == o->n)
		return false;
	struct dvmd_bcast_queued *q = &o->acts[o->first++];
	*act = q->act;
	if (act->type == DVMD_BCAST_SEND)
		act->msg = &q->msg;
	return true;
}
