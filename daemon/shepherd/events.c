/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/shepherd_private.h"
#include "dvm/error.h"
#include "libdvm/base/clock.h"

#define QUEUED_MAX 512	/* packets a rank may leave unread before events are dropped */
#define QUEUED_FEW 16	/* … and at which it hears of that */
#define NODES_MS   30000

#define HOST_EVENTS                                                                                \
	(1u << DVMI_EVENT_HOST_JOINED | 1u << DVMI_EVENT_HOST_LOST | 1u << DVMI_EVENT_HOST_LEFT)

int shep_events_init(struct shep *s)
{
	s->events.masks = calloc(s->ranks.n + 1, sizeof *s->events.masks);
	s->events.missed = calloc(s->ranks.n + 1, sizeof *s->events.missed);
	s->exit_told = calloc((size_t)s->mem.map->size + 1, 1);
	return s->events.masks && s->events.missed && s->exit_told ? 0 : -ENOMEM;
}

void shep_events_free(struct shep *s)
{
	free(s->events.masks);
	free(s->events.missed);
	free(s->events.hosts);
	free(s->exit_told);
}

/* ---- telling ---- */

static void send_one(struct shep *s, uint32_t local, const struct dvmi_rank_event *e,
		     const char *text)
{
	uint8_t body[sizeof *e + DVMI_RANK_TEXT_MAX];
	size_t len = strnlen(text, DVMI_RANK_TEXT_MAX);

	memcpy(body, e, sizeof *e);
	memcpy(body + sizeof *e, text, len);
	if (shep_server_queued(s->server, local) < QUEUED_MAX && !s->events.missed[local] &&
	    shep_server_send(s->server, local, DVMI_RANK_EVENT, body, sizeof *e + len) == 0)
		return;
	s->events.missed[local] = s->events.any_missed = true;
}

void shep_event_send(struct shep *s, const struct dvmi_rank_event *e, const char *text,
		     const struct dvmi_idset *to)
{
	for (uint32_t i = 0; s->events.masks && i < s->ranks.n; i++)
		if ((s->events.masks[i] & 1u << e->kind) && (!to || dvmi_idset_has(to, i)))
			send_one(s, i, e, text);
}

void shep_event_exit(struct shep *s, uint32_t rank, uint32_t node, int32_t status, uint32_t signal)
{
	const struct dvmi_rank_event e = { .kind = DVMI_EVENT_RANK_EXIT,
					   .rank = rank,
					   .job = s->c->launch->job,
					   .node = node,
					   .status = status,
					   .signal = signal };

	if (!s->exit_told || rank >= s->mem.map->size || s->exit_told[rank])
		return;
	s->exit_told[rank] = 1;
	shep_event_send(s, &e, "", NULL);
}

void shep_events_forget(struct shep *s, uint32_t local)
{
	s->events.masks[local] = 0;
	s->events.missed[local] = false;
}

void shep_events_turn(struct shep *s)
{
	const struct dvmi_rank_event e = { .kind = DVMI_EVENT_MISSED };

	if (!s->events.any_missed)
		return;
	s->events.any_missed = false;
	for (uint32_t i = 0; i < s->ranks.n; i++) {
		if (!s->events.missed[i])
			continue;
		s->events.missed[i] = false;
		if (shep_server_queued(s->server, i) > QUEUED_FEW ||
		    shep_server_send(s->server, i, DVMI_RANK_EVENT, &e, sizeof e) == -ENOMEM)
			s->events.missed[i] = s->events.any_missed = true;
	}
}

/* ---- nodes ---- */

static struct shep_host *find_host(struct shep_events *v, uint32_t id)
{
	for (size_t i = 0; i < v->n_hosts; i++)
		if (v->hosts[i].id == id)
			return &v->hosts[i];
	return NULL;
}

static struct shep_host *add_host(struct shep_events *v, uint32_t id)
{
	struct shep_host *h = reallocarray(v->hosts, v->n_hosts + 1, sizeof *h);

	if (!h)
		return NULL;
	v->hosts = h;
	h[v->n_hosts] = (struct shep_host){ .id = id };
	return &h[v->n_hosts++];
}

static void host_event(struct shep *s, uint32_t kind, const struct shep_host *h)
{
	const struct dvmi_rank_event e = { .kind = kind, .node = h->id };

	if (s->events.hosts_known)
		shep_event_send(s, &e, h->name, NULL);
}

/* The one way in which a node changes here, whoever told. */
static void host_is(struct shep *s, uint32_t id, const char *name, bool up)
{
	struct shep_host *h = find_host(&s->events, id);

	if (!h && !(h = add_host(&s->events, id)))
		return;
	snprintf(h->name, sizeof h->name, "%s", name);
	h->seen = true;
	if (h->up == up)
		return;
	h->up = up;
	host_event(s, up ? DVMI_EVENT_HOST_JOINED : DVMI_EVENT_HOST_LOST, h);
	if (!up)
		shep_links_host_lost(s, id);
}

static void host_left(struct shep *s, uint32_t id)
{
	struct shep_host *h = find_host(&s->events, id);

	if (!h)
		return;
	host_event(s, DVMI_EVENT_HOST_LEFT, h);
	*h = s->events.hosts[--s->events.n_hosts];
	shep_links_host_lost(s, id);
}

void shep_events_host(struct shep *s, const Pb__News *n)
{
	if (n->removed)
		host_left(s, n->node);
	else
		host_is(s, n->node, n->name, n->up);
}

static void take_nodes(struct shep *s, const Pb__NodesReply *r)
{
	struct shep_events *v = &s->events;

	for (size_t i = 0; i < v->n_hosts; i++)
		v->hosts[i].seen = false;
	for (size_t i = 0; i < r->n_nodes; i++)
		host_is(s, r->nodes[i]->id, r->nodes[i]->name,
			strcmp(r->nodes[i]->state, "down") != 0);
	for (size_t i = v->n_hosts; i-- > 0;)
		if (!v->hosts[i].seen)
			host_left(s, v->hosts[i].id);
	v->hosts_known = true;
}

static void begin_watch(struct shep *s, struct shep_ask *a)
{
	uint32_t local = a->local;

	if (local != DVMI_RANK_NOBODY)
		s->events.masks[local] = a->mask;
	shep_ask_answer(s, a, &(struct shep_reply){ 0 });
	if (local != DVMI_RANK_NOBODY)
		shep_room_watched(s, local);
}

static void on_nodes(struct shep *s, struct shep_ask *a, const struct shep_said *said)
{
	cleanup_pb Pb__NodesReply *r = NULL;

	if (!shep_ask_unpacked(s, a, said, &pb__nodes_reply__descriptor, &r))
		return;
	take_nodes(s, r);
	begin_watch(s, a);
}

void shep_events_hosts_again(struct shep *s)
{
	struct shep_ask *a = s->events.hosts_wanted ? shep_asks_own(s, NODES_MS) : NULL;

	if (a)
		shep_ask_call(s, a, DVMI_MSG_NODES, NULL, true, on_nodes);
}

void shep_events_want_hosts(struct shep *s)
{
	if (s->events.hosts_wanted)
		return;
	s->events.hosts_wanted = true;
	shep_events_hosts_again(s);
}

/* ---- the question ---- */

void shep_ask_watch(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len, int fd)
{
	if (len != 2 * sizeof a->mask) {
		shep_ask_fail(s, a, -EINVAL, "malformed question");
		return;
	}
	memcpy(&a->mask, body, sizeof a->mask);
	if (a->mask >> DVMI_EVENT_KINDS) {
		shep_ask_fail(s, a, -EINVAL, "unknown kinds of events: %#x", a->mask);
		return;
	}
	if (!(a->mask & HOST_EVENTS)) {
		begin_watch(s, a);
		return;
	}
	/* What is now must be known before it can be told what changes. */
	s->events.hosts_wanted = true;
	shep_ask_call(s, a, DVMI_MSG_NODES, NULL, true, on_nodes);
}
