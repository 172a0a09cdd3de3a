/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that wait for their answer: found by number, each with a timer of its own. */
#include <errno.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "daemon/transport_private.h"
#include "libdvm/base/clock.h"
#include "libdvm/proto/pb.h"

struct dvmd_pending {
	uv_timer_t timer; /* first: it is closed before the rest is freed */
	struct dvmd_transport *t;
	uint32_t request;
	uint64_t route;
	int code; /* what the timer will report */
	dvmd_reply_fn *cb;
	void *arg;
	UT_hash_handle hh;
};

static struct dvmd_pending *find(const struct dvmd_transport *t, uint32_t request)
{
	struct dvmd_pending *p;

	HASH_FIND(hh, t->pending, &request, sizeof request, p);
	return p;
}

static uint32_t next_number(struct dvmd_transport *t)
{
	do
		t->last_request++;
	while (t->last_request == 0 || find(t, t->last_request));
	return t->last_request;
}

struct dvmd_pending *dvmd_pending_create(struct dvmd_transport *t, dvmd_reply_fn *cb, void *arg)
{
	struct dvmd_pending *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->t = t;
	p->request = next_number(t);
	p->cb = cb;
	p->arg = arg;
	HASH_ADD(hh, t->pending, request, sizeof p->request, p);
	if (!p->hh.tbl) {
		free(p);
		return NULL;
	}
	return p;
}

uint32_t dvmd_pending_number(const struct dvmd_pending *p)
{
	return p->request;
}

void dvmd_pending_abandon(struct dvmd_pending *p)
{
	HASH_DEL(p->t->pending, p);
	free(p);
}

static void on_closed(uv_handle_t *h)
{
	free(h);
}

/* Takes P out; the caller then calls back, as the last thing it does. */
static void retire(struct dvmd_pending *p)
{
	HASH_DEL(p->t->pending, p);
	uv_close((uv_handle_t *)&p->timer, on_closed);
}

static void on_timer(uv_timer_t *h)
{
	struct dvmd_pending *p = (struct dvmd_pending *)h;
	int code = p->code;

	retire(p);
	if (code == -ETIMEDOUT)
		dvmd_peers_timed_out(p->t, p->route);
	p->cb(code, dvm_strerror(code), 0, NULL, 0, p->arg);
}

void dvmd_pending_start(struct dvmd_pending *p, uint64_t route, uint64_t timeout_ns)
{
	uv_timer_init(p->t->config.loop, &p->timer);
	uv_update_time(p->t->config.loop);
	uv_timer_start(&p->timer, on_timer, (timeout_ns + DVMI_MSEC - 1) / DVMI_MSEC, 0);
	p->route = route;
	p->code = -ETIMEDOUT;
}

void dvmd_pending_answer(struct dvmd_transport *t, uint64_t route, const struct dvmi_envelope *env,
			 const uint8_t *body, size_t len)
{
	struct dvmd_pending *p = find(t, env->request);

	if (!p || p->route != route || p->code != -ETIMEDOUT)
		return;
	retire(p);
	dvmd_pending_deliver(env, body, len, p->cb, p->arg);
}

void dvmd_pending_fail(struct dvmd_transport *t, uint64_t route, int code)
{
	struct dvmd_pending *p, *tmp;

	HASH_ITER (hh, t->pending, p, tmp) {
		if (p->route != route || p->code != -ETIMEDOUT)
			continue;
		p->code = code;
		uv_timer_start(&p->timer, on_timer, 0, 0);
	}
}

bool dvmd_pending_any(const struct dvmd_transport *t, uint64_t route)
{
	struct dvmd_pending *p, *tmp;

	HASH_ITER (hh, t->pending, p, tmp)
		if (p->route == route)
			return true;
	return false;
}

void dvmd_pending_cancel_all(struct dvmd_transport *t)
{
	struct dvmd_pending *p, *tmp;

	HASH_ITER (hh, t->pending, p, tmp) {
		retire(p);
		p->cb(-ECANCELED, dvm_strerror(-ECANCELED), 0, NULL, 0, p->arg);
	}
}

/* A peer's ERROR: its code if it is one, and its text. */
static void deliver_error(const uint8_t *body, size_t len, dvmd_reply_fn *cb, void *arg)
{
	cleanup_pb Pb__Error *e = NULL;

	if (dvmi_pb_unpack(&pb__error__descriptor, body, len, &e) < 0 || e->code >= 0 ||
	    e->code < -4095)
		cb(-DVM_EPROTO, "the answer is a damaged error", 0, NULL, 0, arg);
	else
		cb(e->code, *e->text ? e->text : dvm_strerror(e->code), DVMI_MSG_ERROR, NULL, 0,
		   arg);
}

void dvmd_pending_deliver(const struct dvmi_envelope *env, const uint8_t *body, size_t len,
			  dvmd_reply_fn *cb, void *arg)
{
	if (env->flags & DVMI_FLAG_MORE)
		cb(-DVM_EPROTO, "one answer was expected, not several", 0, NULL, 0, arg);
	else if (env->type == DVMI_MSG_ERROR)
		deliver_error(body, len, cb, arg);
	else
		cb(0, "", env->type, body, len, arg);
}
