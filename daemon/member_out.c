/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue of actions the caller takes. */
#include <stdlib.h>

#include "daemon/member_private.h"

void dvmd_member_out_free(struct dvmd_member_out *o)
{
	free(o->acts);
	free(o->msgs);
	*o = (struct dvmd_member_out){ 0 };
}

void dvmd_member_out_begin(struct dvmd_member_out *o)
{
	if (o->first == o->n)
		o->first = o->n = o->nmsgs = 0;
}

bool dvmd_member_out_reserve(struct dvmd_member_out *o, size_t n)
{
	size_t cap = o->cap ? o->cap : 8;

	while (cap < o->n + n)
		cap *= 2;
	if (cap == o->cap)
		return true;
	void *acts = realloc(o->acts, cap * sizeof(*o->acts));
	if (!acts)
		return false;
	o->acts = acts;
	o->cap = cap;
	return true;
}

void dvmd_member_out_event(struct dvmd_member_out *o, const struct dvmd_member_rec *rec,
			   enum dvmd_member_event event, unsigned flags)
{
	if (!dvmd_member_out_reserve(o, 1))
		return;
	o->acts[o->n++].act = (struct dvmd_member_act){ .type = DVMD_MEMBER_EVENT,
							.node = rec->id,
							.event = event,
							.flags = flags,
							.incarnation = rec->incarnation };
}

struct dvmi_member_msg *dvmd_member_out_send(struct dvmd_member_out *o, uint32_t to)
{
	if (o->nmsgs == o->msgs_cap) {
		size_t cap = o->msgs_cap ? 2 * o->msgs_cap : 2;
		void *msgs = realloc(o->msgs, cap * sizeof(*o->msgs));
		if (!msgs)
			return NULL;
		o->msgs = msgs;
		o->msgs_cap = cap;
	}
	if (!dvmd_member_out_reserve(o, 1))
		return NULL;
	o->acts[o->n++] = (struct dvmd_member_queued){
		.act = { .type = DVMD_MEMBER_SEND, .node = to },
		.msg = o->nmsgs,
	};
	struct dvmi_member_msg *msg = &o->msgs[o->nmsgs++];
	*msg = (struct dvmi_member_msg){ 0 };
	return msg;
}

bool dvmd_member_next(dvmd_member_t *m, struct dvmd_member_act *act)
{
	struct dvmd_member_out *o = &m->out;

	if (o->first == o->n)
		return false;
	struct dvmd_member_queued *q = &o->acts[o->first++];
	*act = q->act;
	if (act->type == DVMD_MEMBER_SEND)
		act->msg = &o->msgs[q->msg];
	return true;
}
