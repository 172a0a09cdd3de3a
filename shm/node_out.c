/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is to be sent: a list of packets for each peer, the last of which is still being put
 * together. All records that a handler makes for a peer share packets; nothing waits for more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/node_private.h"

#define ENOUGH	  (24u * 1024) /* bytes of a packet after which it goes */
#define LAST_WORD 4u	       /* bytes */

int dsm_out_init(struct dsm_node *n)
{
	n->packet_max = n->c.link.packet_max;
	n->peers = calloc(n->c.nodes, sizeof *n->peers);
	n->unsent = calloc(n->c.nodes, sizeof *n->unsent);
	if (!n->peers || !n->unsent)
		return -ENOMEM;
	for (uint32_t i = 0; i < n->c.nodes; i++) {
		n->peers[i].last_word = calloc(1, sizeof(struct dsm_out) + dsm_wire_room(LAST_WORD));
		if (!n->peers[i].last_word)
			return -ENOMEM;
	}
	return 0;
}

static void free_list(struct dsm_out *o)
{
	while (o) {
		struct dsm_out *next = o->next;
		free(o);
		o = next;
	}
}

void dsm_out_fini(struct dsm_node *n)
{
	for (uint32_t i = 0; n->peers && i < n->c.nodes; i++) {
		dsm_out_forget(n, i);
		free(n->peers[i].last_word);
	}
	free_list(n->spare);
	free(n->peers);
	free(n->unsent);
}

static void recycle(struct dsm_node *n, struct dsm_out *o)
{
	if (n->spare || o->last) {
		free(o);
		return;
	}
	o->next = NULL;
	n->spare = o;
}

static struct dsm_out *fresh(struct dsm_node *n)
{
	struct dsm_out *o = n->spare;

	n->spare = NULL;
	if (!o)
		o = malloc(sizeof *o + n->packet_max);
	if (o)
		*o = (struct dsm_out){ 0 };
	n->starved |= !o;
	return o;
}

/* TO has something to be sent. */
static void list(struct dsm_node *n, uint32_t to)
{
	struct dsm_peer *p = &n->peers[to];

	if (!p->listed)
		n->unsent[n->nunsent++] = to;
	p->listed = true;
}

static void join(struct dsm_outs *to, struct dsm_outs *from)
{
	if (!from->head)
		return;
	if (to->tail)
		to->tail->next = from->head;
	else
		to->head = from->head;
	to->tail = from->tail;
	*from = (struct dsm_outs){ NULL, NULL };
}

/* True when all of P is sent. */
static bool send_all(struct dsm_node *n, uint32_t to, struct dsm_peer *p)
{
	while (p->out.head) {
		struct dsm_out *o = p->out.head;
		if (n->c.link.send(n->c.link.arg, to, o->bytes, o->len) == -EAGAIN)
			return false;
		p->out.head = o->next;
		if (!p->out.head)
			p->out.tail = NULL;
		recycle(n, o);
	}
	return true;
}

static struct dsm_outs *lane_of(struct dsm_node *n, uint32_t to, enum dsm_lane lane)
{
	if (lane == DSM_LANE_FREE || !dsm_gate_needed(n)) {
		list(n, to);
		return &n->peers[to].out;
	}
	n->gate.any = true;
	n->gate.tells |= lane == DSM_LANE_TELLS;
	return &n->peers[to].open;
}

void *dsm_out_in_lane(struct dsm_node *n, uint32_t to, unsigned service, size_t len,
		      enum dsm_lane lane)
{
	size_t room = dsm_wire_room(len);

	if (n->member.gone[to] || room > n->packet_max || n->starved)
		return NULL;
	struct dsm_outs *l = lane_of(n, to, lane);
	struct dsm_out *o = l->tail;
	if (!o || o->len + room > n->packet_max || o->len > ENOUGH) {
		/* What is full goes at once: the other side works on it while we go on. */
		send_all(n, to, &n->peers[to]);
		o = fresh(n);
		if (!o)
			return NULL;
		join(l, &(struct dsm_outs){ o, o });
	}
	void *body = dsm_wire_record(o->bytes + o->len, service, len);
	o->len += room;
	n->second = ++o->records == 2;
	return body;
}

void *dsm_out_record(struct dsm_node *n, uint32_t to, unsigned service, size_t len)
{
	return dsm_out_in_lane(n, to, service, len, DSM_LANE_TELLS);
}

void dsm_out_last_word(struct dsm_node *n, uint32_t to, unsigned service, const void *message,
		       size_t len)
{
	struct dsm_out *o = n->peers[to].last_word;

	if (!o || len > LAST_WORD || n->member.gone[to])
		return;
	n->peers[to].last_word = NULL;
	memcpy(dsm_wire_record(o->bytes, service, len), message, len);
	o->len = dsm_wire_room(len);
	o->records = 1;
	o->last = true;
	join(&n->peers[to].out, &(struct dsm_outs){ o, o });
	list(n, to);
}

void dsm_out_close(struct dsm_node *n)
{
	for (uint32_t i = 0; i < n->c.nodes; i++)
		join(&n->peers[i].closed, &n->peers[i].open);
}

void dsm_out_release(struct dsm_node *n)
{
	for (uint32_t i = 0; i < n->c.nodes; i++)
		if (n->peers[i].closed.head) {
			join(&n->peers[i].out, &n->peers[i].closed);
			list(n, i);
		}
}

void dsm_out_flush(struct dsm_node *n)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < n->nunsent; i++) {
		uint32_t to = n->unsent[i];
		if (send_all(n, to, &n->peers[to]))
			n->peers[to].listed = false;
		else
			n->unsent[left++] = to;
	}
	n->nunsent = left;
	n->behind = left > 0;
}

void dsm_out_forget(struct dsm_node *n, uint32_t node)
{
	struct dsm_peer *p = &n->peers[node];

	join(&p->out, &p->closed);
	join(&p->out, &p->open);
	free_list(p->out.head);
	p->out = (struct dsm_outs){ NULL, NULL };
}
