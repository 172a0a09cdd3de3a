/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <uthash.h>
#include <utlist.h>

#include "daemon/cast.h"
#include "daemon/told.h"
#include "libdvm/base/clock.h"

/* An operation of ours that is under way. */
struct op {
	UT_hash_handle hh;
	uint64_t id;
	dvmd_cast_result_fn *result;
	void (*done)(void *arg);
	void *arg;
};

struct outcome {
	uint32_t node;
	int code;
	char text[DVM_ERROR_TEXT_MAX];
};

/* What the engine asks of the daemon: done from the loop, never from inside a call. */
struct work {
	struct work *next;
	struct op *op; /* an operation of ours has its answers; NULL: a delivery */
	struct outcome *outcomes;
	size_t n;
	uint32_t origin; /* of a delivery */
	uint64_t id;
	size_t len;
	uint8_t payload[]; /* a message type in 16 bits and its body */
};

struct dvmd_cast {
	struct dvmd *d;
	dvmd_bcast_t *engine;
	uv_timer_t timer;
	uv_idle_t idle; /* runs while there is work */
	struct op *ops;
	struct work *work;
	int handles;
};

static void send_message(struct dvmd_cast *c, uint32_t to, const struct dvmi_bcast_msg *msg)
{
	struct dvmi_buf b = { 0 };

	if (dvmi_bcast_msg_encode(msg, &b) == 0)
		dvmd_transport_send(c->d->wire, to, DVMI_MSG_BCAST, b.data, b.len);
	dvmi_buf_free(&b);
}

static void queue_delivery(struct dvmd_cast *c, const struct dvmd_bcast_act *act)
{
	struct work *w = calloc(1, sizeof *w + act->payload_len);

	if (!w) /* the origin will ask again */
		return;
	w->origin = act->node;
	w->id = act->op;
	w->len = act->payload_len;
	memcpy(w->payload, act->payload, act->payload_len);
	LL_APPEND(c->work, w);
}

static bool read_outcome(struct dvmd_cast *c, const struct dvmd_bcast_act *act, uint32_t i,
			 struct outcome *o)
{
	struct dvmd_bcast_status st;

	if (dvmd_bcast_done_at(c->engine, act, i, &o->node, &st) < 0)
		return false;
	o->code = st.kind == DVMI_BCAST_CODE ? st.code :
		  st.kind == DVMI_BCAST_DEAD ? -DVM_EPEERLOST :
					       -ETIMEDOUT;
	if (o->code == 0)
		return false;
	if (st.kind == DVMI_BCAST_CODE && st.len)
		snprintf(o->text, sizeof o->text, "%.*s", (int)st.len, (const char *)st.result);
	else
		snprintf(o->text, sizeof o->text, "%s", dvm_strerror(o->code));
	return true;
}

static void queue_done(struct dvmd_cast *c, const struct dvmd_bcast_act *act)
{
	uint64_t id = act->op;
	struct work *w = calloc(1, sizeof *w);
	struct op *op;

	HASH_FIND(hh, c->ops, &id, sizeof id, op);
	if (!op || !w) {
		free(w);
		return;
	}
	HASH_DEL(c->ops, op);
	w->op = op;
	w->outcomes = op->result && act->n ? calloc(act->n, sizeof *w->outcomes) : NULL;
	for (uint32_t i = 0; w->outcomes && i < act->n; i++)
		w->n += read_outcome(c, act, i, &w->outcomes[w->n]);
	LL_APPEND(c->work, w);
}

static void do_delivery(struct dvmd_cast *c, const struct work *w)
{
	dvm_error_t err = { 0 };
	int rc = -DVM_EPROTO;

	if (w->len >= 2)
		rc = dvmd_told(c->d, w->origin, (uint16_t)(w->payload[0] | w->payload[1] << 8),
			       w->payload + 2, w->len - 2, &err);
	dvmd_bcast_answer(c->engine, dvmi_clock_mono(), w->origin, w->id, rc, err.text,
			  strlen(err.text));
}

static void do_done(const struct work *w)
{
	for (size_t i = 0; i < w->n; i++)
		w->op->result(w->outcomes[i].node, w->outcomes[i].code, w->outcomes[i].text,
			      w->op->arg);
	if (w->op->done)
		w->op->done(w->op->arg);
}

static void work_free(struct work *w)
{
	free(w->outcomes);
	free(w->op);
	free(w);
}

static void drain(struct dvmd_cast *c);

static void on_idle(uv_idle_t *h)
{
	struct dvmd_cast *c = h->data;
	struct work *w = c->work;

	if (w) {
		LL_DELETE(c->work, w);
		if (w->op)
			do_done(w);
		else
			do_delivery(c, w);
		work_free(w);
	}
	drain(c);
}

static void on_timer(uv_timer_t *t)
{
	struct dvmd_cast *c = t->data;

	dvmd_bcast_tick(c->engine, dvmi_clock_mono());
	drain(c);
}

/* After each input: an engine's actions live only until the next one. */
static void drain(struct dvmd_cast *c)
{
	struct dvmd_bcast_act act;

	while (dvmd_bcast_next(c->engine, &act)) {
		if (act.type == DVMD_BCAST_SEND)
			send_message(c, act.node, act.msg);
		else if (act.type == DVMD_BCAST_DELIVER)
			queue_delivery(c, &act);
		else
			queue_done(c, &act);
	}
	if (c->work)
		uv_idle_start(&c->idle, on_idle);
	else
		uv_idle_stop(&c->idle);
	uint64_t now = dvmi_clock_mono(), at = dvmd_bcast_next_deadline(c->engine);
	if (at == DVMD_BCAST_NEVER)
		uv_timer_stop(&c->timer);
	else
		uv_timer_start(&c->timer, on_timer,
			       at > now ? (at - now + DVMI_MSEC - 1) / DVMI_MSEC : 0, 0);
}

static int start(struct dvmd_cast *c, struct op *op, const uint32_t *ids, size_t n, uint16_t type,
		 const void *body, size_t len, uint64_t timeout_ns)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u16(&b, type);
	dvmi_buf_put(&b, body, len);
	int rc = b.err ? b.err :
			 dvmd_bcast_start(c->engine, dvmi_clock_mono(), ids, n, b.data, b.len,
					  timeout_ns, &op->id);
	dvmi_buf_free(&b);
	return rc;
}

int dvmd_cast_send(struct dvmd_cast *c, const uint32_t *ids, size_t n, uint16_t type,
		   const void *body, size_t len, uint64_t timeout_ns, dvmd_cast_result_fn *result,
		   void (*done)(void *arg), void *arg)
{
	struct op *op = calloc(1, sizeof *op);

	if (!op)
		return -ENOMEM;
	op->result = result;
	op->done = done;
	op->arg = arg;
	int rc = start(c, op, ids, n, type, body, len, timeout_ns);
	if (rc < 0) {
		free(op);
		return rc;
	}
	HASH_ADD(hh, c->ops, id, sizeof op->id, op);
	drain(c);
	return 0;
}

void dvmd_cast_received(struct dvmd_cast *c, uint32_t from, const uint8_t *body, size_t len)
{
	struct dvmi_bcast_msg msg;

	if (!c)
		return;
	if (dvmi_bcast_msg_decode(&msg, body, len) < 0) {
		dvmi_log(&c->d->log, "cast", LOG_WARNING, "malformed message of node %u", from);
		return;
	}
	dvmd_bcast_receive(c->engine, dvmi_clock_mono(), from, &msg);
	drain(c);
	dvmi_bcast_msg_free(&msg);
}

void dvmd_cast_node_down(struct dvmd_cast *c, uint32_t id)
{
	dvmd_bcast_node_down(c->engine, dvmi_clock_mono(), id);
	drain(c);
}

void dvmd_cast_node_up(struct dvmd_cast *c, uint32_t id)
{
	dvmd_bcast_node_up(c->engine, dvmi_clock_mono(), id);
	drain(c);
}

int dvmd_cast_create(struct dvmd_cast **out, struct dvmd *d, uint32_t life)
{
	struct dvmd_cast *c = calloc(1, sizeof *c);
	struct dvmd_bcast_conf conf = { .size = sizeof conf };

	if (!c)
		return -ENOMEM;
	c->d = d;
	dvmd_bcast_conf_init(&conf);
	/* An operation must not be taken for one of an earlier life, even if lives are miscounted. */
	uint64_t first = (uint64_t)life << 32 | randombytes_random();
	int rc = dvmd_bcast_create(&c->engine, &conf, d->self, first);
	if (rc < 0) {
		free(c);
		return rc;
	}
	uv_timer_init(d->loop, &c->timer);
	uv_idle_init(d->loop, &c->idle);
	c->timer.data = c->idle.data = c;
	c->handles = 2;
	*out = c;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct dvmd_cast *c = h->data;

	if (--c->handles == 0)
		free(c);
}

void dvmd_cast_destroy(struct dvmd_cast *c)
{
	struct work *w, *wtmp;
	struct op *op, *otmp;

	if (!c)
		return;
	LL_FOREACH_SAFE(c->work, w, wtmp)
		work_free(w);
	HASH_ITER(hh, c->ops, op, otmp)
	{
		HASH_DEL(c->ops, op);
		free(op);
	}
	dvmd_bcast_destroy(c->engine);
	uv_close((uv_handle_t *)&c->timer, on_closed);
	uv_close((uv_handle_t *)&c->idle, on_closed);
}
