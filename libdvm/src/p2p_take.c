/* SPDX-License-Identifier: BSD-3-Clause */
/* Matched probes: messages that are out of matching and not received yet. */
#include "libdvm/src/p2p_private.h"

static struct dvmi_unexpected *taken_of(struct dvmi_match_link *l)
{
	return (struct dvmi_unexpected *)(void *)((char *)l -
						  offsetof(struct dvmi_unexpected, msg.order));
}

int dvmi_p2p_take(struct dvmi_p2p *p, const struct dvmi_match_key *key,
		  struct dvmi_unexpected **out)
{
	struct dvmi_match_msg *msg = dvmi_match_take(&p->match, key);

	if (!msg)
		return dvmi_p2p_nobody_left(p, key);
	msg->order.prev = p->taken.prev;
	msg->order.next = &p->taken;
	p->taken.prev->next = &msg->order;
	p->taken.prev = &msg->order;
	*out = dvmi_unexpected_of(msg);
	return 1;
}

void dvmi_p2p_mrecv(struct dvmi_p2p *p, struct dvmi_op *op, struct dvmi_unexpected *u,
		    const struct dvmi_mem *mem)
{
	u->msg.order.prev->next = u->msg.order.next;
	u->msg.order.next->prev = u->msg.order.prev;
	dvmi_p2p_recv_init(op, &u->msg.key, mem);
	if (!u->lost) {
		dvmi_p2p_take_unexpected(p, op, u);
		return;
	}
	dvmi_p2p_finish(p, op, u->lost);
	dvmi_p2p_release(p, u);
	free(u);
}

struct walk {
	struct dvmi_p2p *p;
	void (*fn)(struct dvmi_p2p *p, struct dvmi_unexpected *u, bool taken, void *arg);
	void *arg;
};

static void in_matching(struct dvmi_match_msg *msg, void *arg)
{
	const struct walk *w = arg;

	w->fn(w->p, dvmi_unexpected_of(msg), false, w->arg);
}

void dvmi_p2p_each_message(struct dvmi_p2p *p,
			   void (*fn)(struct dvmi_p2p *p, struct dvmi_unexpected *u, bool taken,
				      void *arg),
			   void *arg)
{
	struct walk w = { p, fn, arg };

	dvmi_match_each_msg(&p->match, in_matching, &w);
	for (struct dvmi_match_link *l = p->taken.next, *next; l != &p->taken; l = next) {
		next = l->next;
		fn(p, taken_of(l), true, arg);
	}
}
