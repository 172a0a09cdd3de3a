/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "dvm/error.h"
#include "shm/sync_client.h"

void dsm_sync_client_init(struct dsm_sync_client *c, uint32_t rank,
			  const struct dsm_sync_client_ops *ops, void *arg)
{
	*c = (struct dsm_sync_client){ .rank = rank, .ops = ops, .arg = arg };
}

void dsm_sync_client_fini(struct dsm_sync_client *c)
{
	struct dsm_sync_call *next;

	for (struct dsm_sync_call *call = c->calls; call; call = next) {
		next = call->next;
		if (call->detached)
			free(call);
	}
	free(c->holds);
	*c = (struct dsm_sync_client){ 0 };
}

static void unlink_call(struct dsm_sync_client *c, const struct dsm_sync_call *call)
{
	for (struct dsm_sync_call **at = &c->calls; *at; at = &(*at)->next)
		if (*at == call) {
			*at = call->next;
			return;
		}
}

/* There is room: it was made before the lock was asked for. */
static void note_hold(struct dsm_sync_client *c, const struct dsm_sync_call *call)
{
	uint32_t op = call->q.op == DSM_SYNC_TRYLOCK ? DSM_SYNC_LOCK : call->q.op;

	c->holds[c->nholds++] = (struct dsm_sync_hold){
		.space = call->q.space,
		.id = call->q.id,
		.ticket = call->q.ticket,
		.op = op,
		.home = call->home,
		.agent = call->agent,
	};
}

static bool is_lock(uint32_t op)
{
	return op == DSM_SYNC_LOCK || op == DSM_SYNC_TRYLOCK || op == DSM_SYNC_READ ||
	       op == DSM_SYNC_WRITE;
}

static void end(struct dsm_sync_client *c, struct dsm_sync_call *call, int32_t code, uint64_t value)
{
	unlink_call(c, call);
	if (call->detached) {
		free(call);
		return;
	}
	call->code = code;
	call->value = value;
	call->done = true;
	if (is_lock(call->q.op) && code >= 0)
		note_hold(c, call);
	if (c->ops->changed)
		c->ops->changed(c->arg, call);
}

/*
 * The same rank as before while it lives: what was asked twice and given back must not arrive there
 * a second time when that is over.
 */
static void ask(struct dsm_sync_client *c, struct dsm_sync_call *call)
{
	struct dsm_sync_req q = call->q;

	call->agent = c->ops->agent(c->arg, call->home, q.id, call->agent);
	if (call->agent < 0) {
		end(c, call, -DVM_EPEERLOST, 0);
		return;
	}
	int rc = c->ops->send(c->arg, call->home, (uint32_t)call->agent, &q);
	/* Its loss, if that is why, is yet to be told: then it is asked again. */
	if (rc < 0 && rc != -DVM_EPEERLOST && rc != -DVM_ECLOSED)
		end(c, call, rc, 0);
}

/* For all locks that are held or asked for. */
static int make_room(struct dsm_sync_client *c)
{
	uint32_t asked = 1;

	for (const struct dsm_sync_call *call = c->calls; call; call = call->next)
		asked += is_lock(call->q.op);
	if (c->nholds + asked <= c->room)
		return 0;
	uint32_t room = 2 * (c->nholds + asked);
	struct dsm_sync_hold *holds = realloc(c->holds, room * sizeof *holds);
	if (!holds)
		return -ENOMEM;
	c->holds = holds;
	c->room = room;
	return 0;
}

static void start(struct dsm_sync_client *c, struct dsm_sync_call *call, int64_t agent)
{
	call->agent = agent;
	call->q.rank = c->rank;
	call->q.ticket = ++c->tickets;
	call->done = call->queued = false;
	call->next = c->calls;
	c->calls = call;
	if (is_lock(call->q.op) && make_room(c) < 0)
		end(c, call, -ENOMEM, 0);
	else
		ask(c, call);
}

void dsm_sync_start(struct dsm_sync_client *c, struct dsm_sync_call *call)
{
	start(c, call, -1);
}

/* A request that nobody waits for. 0 or -ENOMEM. */
static int start_detached(struct dsm_sync_client *c, uint32_t home, int64_t agent,
			  const struct dsm_sync_req *q)
{
	struct dsm_sync_call *call = calloc(1, sizeof *call);

	if (!call)
		return -ENOMEM;
	call->q = *q;
	call->home = home;
	call->detached = true;
	start(c, call, agent);
	return 0;
}

static struct dsm_sync_hold *find_hold(const struct dsm_sync_client *c, uint64_t space, uint64_t id,
				       uint32_t op)
{
	for (uint32_t i = c->nholds; i-- > 0;)
		if (c->holds[i].id == id && c->holds[i].space == space && c->holds[i].op == op)
			return &c->holds[i];
	return NULL;
}

int dsm_sync_unlock_all(struct dsm_sync_client *c, uint64_t space)
{
	int rc = 0;

	for (uint32_t i = c->nholds; i-- > 0 && rc == 0;) {
		const struct dsm_sync_hold h = c->holds[i];
		if (h.space == space)
			rc = dsm_sync_unlock(c, space, h.id, h.op);
	}
	return rc;
}

bool dsm_sync_holds(const struct dsm_sync_client *c, uint64_t space, uint64_t id, uint32_t op)
{
	return find_hold(c, space, id, op) != NULL;
}

int dsm_sync_unlock(struct dsm_sync_client *c, uint64_t space, uint64_t id, uint32_t op)
{
	struct dsm_sync_hold *h = find_hold(c, space, id, op);

	if (!h)
		return -EPERM;
	struct dsm_sync_req q = {
		.space = space, .id = id, .op = DSM_SYNC_UNLOCK, .a = h->ticket, .b = op
	};
	struct dsm_sync_hold was = *h;
	*h = c->holds[--c->nholds];
	int rc = start_detached(c, was.home, was.agent, &q);
	if (rc < 0)
		c->holds[c->nholds++] = was;
	return rc;
}

void dsm_sync_withdraw(struct dsm_sync_client *c, struct dsm_sync_call *call)
{
	struct dsm_sync_req q = {
		.space = call->q.space,
		.id = call->q.id,
		.op = DSM_SYNC_CANCEL,
		.a = call->q.ticket,
		.b = call->q.op,
	};

	/* Without memory it waits on; whoever wants it to end tries again. */
	start_detached(c, call->home, call->agent, &q);
}

static struct dsm_sync_call *find_call(const struct dsm_sync_client *c, uint64_t ticket)
{
	struct dsm_sync_call *call = c->calls;

	while (call && call->q.ticket != ticket)
		call = call->next;
	return call;
}

void dsm_sync_replied(struct dsm_sync_client *c, const struct dsm_sync_reply *r)
{
	struct dsm_sync_call *call = find_call(c, r->ticket);

	if (!call)
		return;
	if (r->code != DSM_SYNC_QUEUED) {
		end(c, call, r->code, r->value);
		return;
	}
	call->queued = true;
	if (c->ops->changed)
		c->ops->changed(c->arg, call);
}

void dsm_sync_fail(struct dsm_sync_client *c, int code)
{
	while (c->calls)
		end(c, c->calls, code, 0);
}

/* The answer may come from any rank of the home, later; to ask twice does no harm. */
static bool is_answered_later(uint32_t op)
{
	return op == DSM_SYNC_LOCK || op == DSM_SYNC_READ || op == DSM_SYNC_WRITE;
}

/* The answer comes from whoever was asked. Without it, to ask again has the same effect. */
static bool may_repeat(uint32_t op)
{
	return op == DSM_SYNC_TRYLOCK || op == DSM_SYNC_UNLOCK || op == DSM_SYNC_LOAD ||
	       op == DSM_SYNC_CANCEL;
}

static bool may_await_the_dead(uint32_t op)
{
	return op == DSM_SYNC_WAIT || op == DSM_SYNC_BARRIER;
}

/* What RANK's death does to CALL. */
static void reconsider(struct dsm_sync_client *c, struct dsm_sync_call *call, uint32_t rank,
		       uint32_t home)
{
	bool here = call->home == home, asked = here && call->agent == (int64_t)rank;

	if (may_await_the_dead(call->q.op)) {
		dsm_sync_withdraw(c, call);
		if (!call->done)
			end(c, call, -DVM_EPEERLOST, 0);
		else if (call->code == -ECANCELED)
			call->code = -DVM_EPEERLOST;
	} else if ((here && is_answered_later(call->q.op)) || (asked && may_repeat(call->q.op))) {
		ask(c, call);
	} else if (asked) {
		end(c, call, -DVM_EPEERLOST, 0);
	}
}

/* The list changes underneath: each ticket that was there is looked up again. */
void dsm_sync_lost(struct dsm_sync_client *c, uint32_t rank, uint32_t home)
{
	uint64_t last = c->tickets, below = UINT64_MAX;

	for (;;) {
		struct dsm_sync_call *next = NULL;
		for (struct dsm_sync_call *call = c->calls; call; call = call->next)
			if (call->q.ticket <= last && call->q.ticket < below &&
			    (!next || call->q.ticket > next->q.ticket))
				next = call;
		if (!next)
			return;
		below = next->q.ticket;
		reconsider(c, next, rank, home);
	}
}
