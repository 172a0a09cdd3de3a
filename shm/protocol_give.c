/* SPDX-License-Identifier: BSD-3-Clause */
/* What others want of this node's copies: to be given them, to read or to write, or that they go. */
#include "shm/protocol_private.h"

static void send_page(struct dsm *d, const struct dsm_cell *c, uint64_t page, uint32_t node,
		      uint64_t have, struct dsm_msg m)
{
	bool same = have == c->version;

	m.kind = DSM_DATA;
	m.page = page;
	m.node = (uint16_t)dsm_home(d, page);
	m.version = c->version;
	m.have = have;
	m.flags |= same ? 0 : DSM_BYTES;
	d->stats.elided += same;
	dsm_send(d, node, m);
}

void dsm_give_shared(struct dsm *d, struct dsm_cell *c, uint64_t page, uint32_t node, uint64_t have,
		     uint8_t flags)
{
	if (c->state == DSM_MODIFIED) {
		c->state = DSM_OWNED;
		d->c.ops->protect(d->c.arg, page);
	}
	if (flags & DSM_OWNER)
		c->state = DSM_SHARED;
	send_page(d, c, page, node, have, (struct dsm_msg){ .flags = flags });
}

void dsm_give_away(struct dsm *d, struct dsm_cell *c, uint64_t page, uint32_t node, uint64_t have,
		   uint16_t acks, uint8_t flags)
{
	c->state = DSM_INVALID;
	d->c.ops->drop(d->c.arg, page);
	send_page(d, c, page, node, have,
		  (struct dsm_msg){ .flags = flags | DSM_EXCLUSIVE, .acks = acks });
}

/* The page goes to whom it is for. True: we keep it, several nodes write it now. */
static bool hand_on(struct dsm *d, const struct dsm_msg *m, struct dsm_cell *c, uint8_t flags)
{
	if (m->kind == DSM_FWD_GETS)
		dsm_give_shared(d, c, m->page, m->node, m->version,
				(uint8_t)(flags | (m->flags & DSM_OWNER)));
	else if (!m->acks && dsm_walk_enter(d, c, m->page, m->node, flags))
		return true;
	else
		dsm_give_away(d, c, m->page, m->node, m->version, m->acks, flags);
	return false;
}

static bool on_forward(struct dsm *d, uint32_t from, const struct dsm_msg *m, struct dsm_cell *c)
{
	if ((c->state != DSM_OWNED && c->state != DSM_MODIFIED) || m->node >= d->c.nodes ||
	    m->node == d->c.self)
		return false;
	if (dsm_deferred(d, m))
		return true;
	/* At its home nothing else is to be waited for. */
	bool last = from == d->c.self && !m->acks;
	bool walked = hand_on(d, m, c, last ? DSM_FINAL : 0);
	if (last)
		dsm_home_given(d, m->page, walked);
	return true;
}

static bool on_inv(struct dsm *d, const struct dsm_msg *m, struct dsm_cell *c)
{
	if (c->state > DSM_SHARED || m->node >= d->c.nodes)
		return false;
	struct dsm_msg ack = { .kind = DSM_ACK, .page = m->page, .version = DSM_NO_VERSION };
	if (c->state == DSM_SHARED) {
		if (dsm_deferred(d, m))
			return true;
		ack.version = c->version;
		c->state = DSM_INVALID;
		d->c.ops->drop(d->c.arg, m->page);
	}
	dsm_send(d, m->node, ack);
	return true;
}

/* What a home wants of our copy. False: it makes no sense. */
bool dsm_take_order(struct dsm *d, uint32_t from, const struct dsm_msg *m, struct dsm_cell *c)
{
	return m->kind == DSM_INV ? on_inv(d, m, c) : on_forward(d, from, m, c);
}
