/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages to ourselves: a queue that the loop empties, without sockets or encryption. A machine of
 * one node sends nothing else, and the leader of any machine sends itself a good part. What came
 * from a peer at a bad moment waits here, too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/transport_private.h"

/* More than for a peer, since nothing leaves before the loop turns. */
#define QUEUED_MAX	 (64u << 10)
#define QUEUED_BYTES_MAX (64u << 20)

struct dvmd_local_message {
	struct dvmd_local_message *prev, *next;
	uint64_t route; /* it came by */
	struct dvmi_envelope env;
	size_t len;
	uint8_t body[];
};

static struct dvmd_local_message *pop(struct dvmd_local *local)
{
	struct dvmd_local_message *m = local->queue;

	DL_DELETE(local->queue, m);
	local->queued--;
	local->bytes -= m->len;
	return m;
}

static void deliver(struct dvmd_transport *t, struct dvmd_local_message *m)
{
	if (m->route != DVMD_ROUTE_SELF)
		dvmd_peers_heard(t, m->route, &m->env, m->body, m->len);
	else if (m->env.flags & DVMI_FLAG_REPLY)
		dvmd_pending_answer(t, DVMD_ROUTE_SELF, &m->env, m->body, m->len);
	else
		dvmd_transport_deliver_local(t, &m->env, m->body, m->len);
}

/* The handle outlives the transport, which a callback may destroy. */
static void on_idle(uv_idle_t *h)
{
	struct dvmd_transport *t = h->data;

	for (int i = 0; i < DVMD_TRANSPORT_BUDGET && t->local.queue; i++) {
		struct dvmd_local_message *m = pop(&t->local);
		deliver(t, m);
		free(m);
		if (!h->data)
			return;
	}
	if (!t->local.queue)
		uv_idle_stop(h);
}

int dvmd_local_open(struct dvmd_transport *t)
{
	uv_idle_t *idle = malloc(sizeof *idle);

	if (!idle)
		return -ENOMEM;
	uv_idle_init(t->config.loop, idle);
	idle->data = t;
	t->local.idle = idle;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	free(h);
}

void dvmd_local_close(struct dvmd_transport *t)
{
	while (t->local.queue)
		free(pop(&t->local));
	if (!t->local.idle)
		return;
	t->local.idle->data = NULL;
	uv_close((uv_handle_t *)t->local.idle, on_closed);
}

int dvmd_local_defer(struct dvmd_transport *t, uint64_t route, const struct dvmi_envelope *env,
		     const void *body, size_t len)
{
	if (len > DVMI_BODY_MAX)
		return -EMSGSIZE;
	if (t->local.queued >= QUEUED_MAX || t->local.bytes + len > QUEUED_BYTES_MAX)
		return -EAGAIN;
	struct dvmd_local_message *m = malloc(sizeof *m + len);
	if (!m)
		return -ENOMEM;
	m->route = route;
	m->env = *env;
	m->len = len;
	if (len)
		memcpy(m->body, body, len);
	DL_APPEND(t->local.queue, m);
	t->local.queued++;
	t->local.bytes += len;
	uv_idle_start(t->local.idle, on_idle);
	return 0;
}

int dvmd_local_send(struct dvmd_transport *t, const struct dvmi_envelope *env, const void *body,
		    size_t len)
{
	return dvmd_local_defer(t, DVMD_ROUTE_SELF, env, body, len);
}
