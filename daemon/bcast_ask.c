/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handing parts of a list to children and watching over them.
 *
 * A child is polled now and then; two polls without any sign of it, or its death, and its part is
 * taken over: it is asked directly for its own answer and the rest of its part is split again.
 * When that goes wrong as well, each node of the part is asked by itself.
 */
#include <stdlib.h>

#include "daemon/bcast_private.h"

#define SILENT_POLLS 2
/* A child gets less time than we have, so that its report still finds us. */
#define CHILD_SHARE(time) ((time) / 16 * 15)

bool dvmd_bcast_is_down(const dvmd_bcast_t *b, uint32_t id)
{
	size_t lo = 0, hi = b->ndown;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (b->down[mid] == id)
			return true;
		if (b->down[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

/* --- sending ------------------------------------------------------------- */

static struct dvmd_bcast_ask *add_ask(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t base,
				      uint32_t count)
{
	if (op->nasks == op->asks_cap) {
		uint32_t cap = op->asks_cap ? 2 * op->asks_cap : 8;
		void *asks = realloc(op->asks, cap * sizeof(*op->asks));
		if (!asks)
			return NULL;
		op->asks = asks;
		op->asks_cap = cap;
	}
	struct dvmd_bcast_ask *a = &op->asks[op->nasks++];
	*a = (struct dvmd_bcast_ask){ .child = dvmd_bcast_op_id(op, base),
				      .base = base,
				      .count = count,
				      .poll_at = b->now + op->poll };
	return a;
}

/* Asks for those positions of A that are in STATE. */
static void send_request(dvmd_bcast_t *b, struct dvmd_bcast_op *op, const struct dvmd_bcast_ask *a,
			 enum dvmd_bcast_pos state)
{
	uint32_t *ids = dvmd_bcast_out_block(&b->out, a->count * sizeof(*ids));
	struct dvmi_bcast_msg *msg;

	if (!ids)
		return; /* the next poll finds that the child knows nothing, and asks again */
	for (uint32_t i = 0; i < a->count; i++) {
		bool wanted = dvmd_bcast_op_state(op, a->base + i) == state;
		ids[i] = i == 0 || wanted ? dvmd_bcast_op_id(op, a->base + i) : DVMI_BCAST_NOBODY;
	}
	msg = dvmd_bcast_out_send(b, a->child, DVMI_BCAST_REQUEST, &op->key, a->base, a->count);
	if (!msg)
		return;
	msg->width = op->width;
	msg->remaining = op->deadline > b->now ? CHILD_SHARE(op->deadline - b->now) : 0;
	msg->ids = ids;
	msg->payload = op->payload.data;
	msg->payload_len = op->payload.len;
}

static void send_query(dvmd_bcast_t *b, struct dvmd_bcast_op *op, const struct dvmd_bcast_ask *a)
{
	dvmd_bcast_out_send(b, a->child, DVMI_BCAST_QUERY, &op->key, a->base, a->count);
}

/* The part base … end, whose first position is UNASKED, goes to that node. */
static void hand_over(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t base, uint32_t end,
		      bool again)
{
	struct dvmd_bcast_ask *a = add_ask(b, op, base, end - base);

	if (!a)
		return; /* they stay UNASKED; the origin's rescue will find them */
	a->again = again;
	send_request(b, op, a, DVMD_BCAST_UNASKED);
	for (uint32_t pos = base; pos < end; pos++) {
		if (dvmd_bcast_op_state(op, pos) == DVMD_BCAST_UNASKED)
			dvmd_bcast_op_set_state(op, pos, DVMD_BCAST_PENDING);
	}
}

/* The UNASKED positions from base on, the dead ones among them settled. */
static uint32_t count_unasked(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t base,
			      uint32_t end)
{
	uint32_t n = 0;

	for (uint32_t pos = base; pos < end; pos++) {
		if (dvmd_bcast_op_state(op, pos) != DVMD_BCAST_UNASKED)
			continue;
		if (dvmd_bcast_is_down(b, dvmd_bcast_op_id(op, pos)))
			dvmd_bcast_op_gone(op, pos);
		else
			n++;
	}
	return n;
}

void dvmd_bcast_ask_dispatch(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t base, uint32_t end,
			     bool again, bool flat)
{
	uint32_t total = count_unasked(b, op, base, end);
	uint32_t parts = flat || total < op->width ? total : op->width;
	uint32_t pos = base;

	for (uint32_t i = 0; i < parts; i++) {
		/* Equal shares; the first ones take what is left over. */
		uint32_t want = total / parts + (i < total % parts);
		while (dvmd_bcast_op_state(op, pos) != DVMD_BCAST_UNASKED)
			pos++;
		uint32_t head = pos;
		for (; want > 0; pos++)
			want -= dvmd_bcast_op_state(op, pos) == DVMD_BCAST_UNASKED;
		hand_over(b, op, head, pos, again);
	}
}

/* --- taking over --------------------------------------------------------- */

static void remove_ask(struct dvmd_bcast_op *op, uint32_t i)
{
	op->asks[i] = op->asks[--op->nasks];
}

/* What A had not got becomes ours to ask for, but for its first SKIP positions. */
static void take_back(struct dvmd_bcast_op *op, const struct dvmd_bcast_ask *a, uint32_t skip)
{
	for (uint32_t i = skip; i < a->count; i++) {
		uint32_t pos = a->base + i;
		if (pos != op->local && dvmd_bcast_op_state(op, pos) == DVMD_BCAST_PENDING)
			dvmd_bcast_op_set_state(op, pos, DVMD_BCAST_UNASKED);
	}
}

static void take_over(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t i)
{
	struct dvmd_bcast_ask a = op->asks[i];

	remove_ask(op, i);
	take_back(op, &a, 0);
	if (a.count > 1 && dvmd_bcast_op_state(op, a.base) == DVMD_BCAST_UNASKED)
		dvmd_bcast_ask_dispatch(b, op, a.base, a.base + 1, true, true);
	dvmd_bcast_ask_dispatch(b, op, a.base, a.base + a.count, true, a.again);
}

void dvmd_bcast_ask_heard(struct dvmd_bcast_op *op, uint32_t from)
{
	for (uint32_t i = 0; i < op->nasks; i++) {
		if (op->asks[i].child == from)
			op->asks[i].heard = true;
	}
}

void dvmd_bcast_ask_final(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t from, uint32_t base,
			  uint32_t count)
{
	for (uint32_t i = op->nasks; i-- > 0;) {
		const struct dvmd_bcast_ask *a = &op->asks[i];
		if (a->child != from || a->base != base || a->count > count)
			continue;
		if (!dvmd_bcast_op_open(op, a->base, a->count))
			remove_ask(op, i);
		else if (a->count > 1)
			take_over(b, op, i);
		return;
	}
}

void dvmd_bcast_ask_unknown(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t from)
{
	for (uint32_t i = op->nasks; i-- > 0;) {
		if (i >= op->nasks || op->asks[i].child != from)
			continue;
		if (dvmd_bcast_op_open(op, op->asks[i].base, 1))
			send_request(b, op, &op->asks[i], DVMD_BCAST_PENDING);
		else /* it did its own part in a life before this one, and must not do it again */
			take_over(b, op, i);
	}
}

void dvmd_bcast_ask_down(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t id)
{
	for (uint32_t i = op->nasks; i-- > 0;) {
		if (i >= op->nasks || op->asks[i].child != id)
			continue;
		dvmd_bcast_op_gone(op, op->asks[i].base);
		take_over(b, op, i);
	}
}

/* --- watching ------------------------------------------------------------ */

/* One look at the ask I. A node asked by itself is asked on and on: there is no other way to it. */
static void poll_one(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t i)
{
	struct dvmd_bcast_ask *a = &op->asks[i];

	if (!dvmd_bcast_op_open(op, a->base, a->count)) {
		remove_ask(op, i);
		return;
	}
	a->silent = a->heard ? 0 : a->silent + 1;
	a->heard = false;
	a->poll_at = b->now + op->poll;
	if (a->silent >= SILENT_POLLS && a->count > 1)
		take_over(b, op, i);
	else
		send_query(b, op, a);
}

void dvmd_bcast_ask_poll(dvmd_bcast_t *b, struct dvmd_bcast_op *op)
{
	for (uint32_t i = op->nasks; i-- > 0;) {
		if (op->asks[i].poll_at <= b->now)
			poll_one(b, op, i);
	}
}

void dvmd_bcast_ask_rescue(dvmd_bcast_t *b, struct dvmd_bcast_op *op)
{
	const struct dvmd_bcast_span *s = &op->span;

	op->rescue_at = DVMD_BCAST_NEVER;
	for (uint32_t pos = s->lo; pos < s->hi; pos++) {
		if (pos == op->local || !dvmd_bcast_op_open(op, pos, 1))
			continue;
		if (dvmd_bcast_is_down(b, dvmd_bcast_op_id(op, pos))) {
			dvmd_bcast_op_gone(op, pos);
			continue;
		}
		struct dvmd_bcast_ask *a = add_ask(b, op, pos, 1);
		if (!a)
			return;
		dvmd_bcast_op_set_state(op, pos, DVMD_BCAST_PENDING);
		send_query(b, op, a); /* UNKNOWN comes back where it has to be told what to do */
	}
}
