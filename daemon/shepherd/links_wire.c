/* SPDX-License-Identifier: BSD-3-Clause */
/* What shepherds of two jobs say to each other: who watches whom, and the states of ranks. */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "daemon/shepherd/jobmap.h"
#include "daemon/shepherd/linked_private.h"
#include "libdvm/base/clock.h"

#define WATCHERS_MAX 4096
#define WATCH_LASTS  (35 * DVMI_SEC) /* unless it is said again */

/* ---- we watch ---- */

void shep_linked_watch(struct shep_linked *l, bool all)
{
	Pb__PeerMessage msg = PB__PEER_MESSAGE__INIT;

	msg.job = l->job;
	msg.from_job = l->s->c->launch->job;
	msg.from = l->s->share->node;
	msg.kind = PB__PEER_MESSAGE__KIND__WATCH;
	for (uint32_t i = 0; i < l->mem.map->nnodes; i++) {
		msg.to = l->node_ids[i];
		if (all || !l->heard[i])
			shep_link_send_pb(l->s->link, DVMI_MSG_PEER, &msg);
	}
}

/* Whose rank is it? A node speaks for its own only. */
static bool speaks_for(const struct shep_linked *l, uint32_t node, uint32_t rank)
{
	int64_t i = shep_jobmap_node_of(l->mem.map, rank);

	return i >= 0 && l->node_ids[i] == node;
}

static void take_marks(struct shep_linked *l, uint32_t from, const uint32_t *ranks, size_t n,
		       enum dvmi_rank_state state)
{
	for (size_t i = 0; i < n; i++)
		if (speaks_for(l, from, ranks[i]))
			shep_linked_mark(l, ranks[i], state);
}

static void take_states(struct shep_linked *l, const Pb__PeerMessage *msg)
{
	take_marks(l, msg->from, msg->closed, msg->n_closed, DVMI_RANK_CLOSED);
	take_marks(l, msg->from, msg->gone, msg->n_gone, DVMI_RANK_GONE);
	for (size_t i = 0; i < msg->n_pids && msg->from == l->s->share->node; i++)
		if (speaks_for(l, msg->from, msg->pids[i]->rank))
			shep_jobmap_set_pid(l->mem.map, msg->pids[i]->rank, msg->pids[i]->pid);
	for (size_t i = 0; i < msg->n_exits; i++)
		if (speaks_for(l, msg->from, msg->exits[i]->rank))
			shep_linked_exit(l, msg->exits[i]->rank, msg->exits[i]->status,
					 (uint32_t)msg->exits[i]->signal);
	for (uint32_t i = 0; i < l->mem.map->nnodes; i++)
		l->heard[i] |= l->node_ids[i] == msg->from;
}

/* ---- we are watched ---- */

static struct shep_watcher *add_watcher(struct shep_links *v, uint64_t job, uint32_t node)
{
	for (size_t i = 0; i < v->n_watchers; i++)
		if (v->watchers[i].job == job && v->watchers[i].node == node)
			return &v->watchers[i];
	if (v->n_watchers >= WATCHERS_MAX)
		return NULL;
	struct shep_watcher *w = reallocarray(v->watchers, v->n_watchers + 1, sizeof *w);
	if (!w)
		return NULL;
	v->watchers = w;
	w[v->n_watchers] = (struct shep_watcher){ .job = job, .node = node };
	return &w[v->n_watchers++];
}

static void tell_one(struct shep *s, const struct shep_watcher *w)
{
	Pb__PeerMessage *msg = shep_wire_states(s, w->node == s->share->node);

	if (!msg)
		return;
	msg->job = w->job;
	msg->from_job = s->c->launch->job;
	msg->to = w->node;
	shep_link_send_pb(s->link, DVMI_MSG_PEER, msg);
	dvmi_pb_free(msg);
}

static void take_watch(struct shep *s, const Pb__PeerMessage *msg)
{
	struct shep_watcher *w = add_watcher(&s->links, msg->from_job, msg->from);

	if (!w)
		return;
	w->until = dvmi_clock_mono() + WATCH_LASTS;
	tell_one(s, w);
}

void shep_links_tell(struct shep *s)
{
	struct shep_links *v = &s->links;
	uint64_t now = dvmi_clock_mono();

	for (size_t i = 0; i < v->n_watchers;)
		if (now >= v->watchers[i].until)
			v->watchers[i] = v->watchers[--v->n_watchers];
		else
			tell_one(s, &v->watchers[i++]);
}

void shep_links_message(struct shep *s, const Pb__PeerMessage *msg)
{
	struct shep_linked *l = shep_links_find(s, msg->from_job);

	switch (msg->kind) {
	case PB__PEER_MESSAGE__KIND__WATCH:
		take_watch(s, msg);
		break;
	case PB__PEER_MESSAGE__KIND__LOOKUP:
		shep_peers_message(s->peers, msg);
		break;
	case PB__PEER_MESSAGE__KIND__STATES:
		if (l)
			take_states(l, msg);
		break;
	case PB__PEER_MESSAGE__KIND__ADDRESS:
		if (l)
			shep_peers_message(l->peers, msg);
		break;
	default:
		break;
	}
}
