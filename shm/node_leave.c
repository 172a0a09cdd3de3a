/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection that is lost for good while both its ends live. If one end took the other for dead,
 * both would go on, each with pages of its own. So nobody is put out: a node that has lost one leaves
 * by itself. It gives all its pages up, and only then says so to those that it reaches, to whom that
 * is a death. The higher one of the two goes first; mostly the other hears of that, and stays.
 * So does a node that has lost a message of its own, or of others, for want of memory.
 */
#include <endian.h>
#include <string.h>

#include "shm/node_private.h"

static bool is_lost(const struct dsm_node *n, uint32_t node)
{
	return node != n->c.self && !n->member.heard[node] && !n->member.gone[node] &&
	       n->c.link.down(n->c.link.arg, node);
}

static void say(struct dsm_node *n, uint32_t to, uint32_t who)
{
	uint32_t body = htole32(who);
	void *room = dsm_out_in_lane(n, to, DSM_WIRE_LEAVE, sizeof body, DSM_LANE_FREE);

	if (room)
		memcpy(room, &body, sizeof body);
}

static void leave(struct dsm_node *n)
{
	uint32_t self = htole32(n->c.self);

	dsm_node_cut_off(n);
	for (uint32_t i = 0; i < n->c.nodes; i++)
		if (i != n->c.self)
			dsm_out_last_word(n, i, DSM_WIRE_LEAVE, &self, sizeof self);
}

/*
 * It may have been the only copy of a page, or what somebody waits for: without it nothing is sound, and trying
 * again is not either. So what was to go before or after does not, but for the word that we leave.
 */
void dsm_leave_starved(struct dsm_node *n)
{
	if (!n->starved || n->cut)
		return;
	dvmi_log(n->c.log, "shm", LOG_ERR, "no memory for a message: this node gives up");
	for (uint32_t i = 0; i < n->c.nodes; i++)
		dsm_out_forget(n, i);
	leave(n);
}

/* Each has a time of its own: a death is known soon enough, however many there are one after the other. */
static bool is_lost_for_good(struct dsm_node *n, uint32_t peer)
{
	struct dsm_peer *p = &n->peers[peer];

	if (!is_lost(n, peer)) {
		p->lost_since = 0;
		return false;
	}
	if (!p->lost_since)
		p->lost_since = n->now;
	return n->now - p->lost_since >= n->c.patience * (peer < n->c.self ? 1 : 2);
}

void dsm_leave_look(struct dsm_node *n)
{
	if (!n->c.patience || !n->c.link.down)
		return;
	for (uint32_t i = 0; i < n->c.nodes && !n->cut; i++)
		if (is_lost_for_good(n, i)) {
			dvmi_log(n->c.log, "shm", LOG_ERR,
				 "no connection to node %u any more, though it lives: this one gives up", i);
			leave(n);
		}
}

void dsm_leave_on(struct dsm_node *n, const struct dsm_wire_record *r)
{
	uint32_t who = UINT32_MAX;

	if (r->len == sizeof who)
		memcpy(&who, r->body, sizeof who);
	who = le32toh(who);
	if (who >= n->c.nodes || who == n->c.self) {
		n->dropped++;
		return;
	}
	if (n->member.heard[who])
		return;
	dsm_member_heard(&n->member, who);
	/* It may be the one that could not be told. */
	if (dsm_member_decider(&n->member) != n->c.self)
		say(n, dsm_member_decider(&n->member), who);
	dsm_node_decide(n, false);
}
