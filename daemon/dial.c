/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection with keys and a monitor of its own: what a join and the self-test need, where
 * the point is to learn at once, and exactly, why a connection cannot be made.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/transport_private.h"
#include "libdvm/base/clock.h"

#define EVENTS                                                                                     \
	(ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |                         \
	 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |              \
	 ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_DISCONNECTED)

struct dvmd_dial {
	uv_timer_t timer; /* first: it is closed before the rest is freed */
	struct dvmd_transport *t;
	const struct dvmd_dial_ops *ops;
	void *arg;
	void *socket; /* DEALER */
	struct dvmi_zsource *source;
	struct dvmd_zmon *monitor;
	bool up;
	struct dvmd_dial *prev, *next;
};

static void fail(struct dvmd_dial *d, int code, const char *text)
{
	const struct dvmd_dial_ops *ops = d->ops;
	void *arg = d->arg;

	dvmd_dial_close(d);
	ops->failed(code, text, arg);
}

static void on_timer(uv_timer_t *h)
{
	struct dvmd_dial *d = (struct dvmd_dial *)h;

	fail(d, -ETIMEDOUT, d->up ? "connected, but no answer came" : "no connection was made");
}

/* A handshake that ended without a reason: the other side closed, or said nothing for too long. */
static void on_no_detail(struct dvmd_dial *d, uint32_t error)
{
	if (error == ETIMEDOUT)
		fail(d, -ETIMEDOUT, "no answer to the handshake");
	else
		fail(d, -DVM_EAUTH, "not the daemon that we are to find, or a very slow one");
}

static void on_event(const struct dvmd_zmon_event *ev, void *arg)
{
	struct dvmd_dial *d = arg;

	switch (ev->event) {
	case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
		d->up = true;
		if (d->ops->up)
			d->ops->up(d->arg);
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
		fail(d, -DVM_EAUTH, "the key was refused");
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
		fail(d, -DVM_EPROTO, "the handshake broke the protocol");
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
		on_no_detail(d, ev->value);
		break;
	case ZMQ_EVENT_CONNECT_RETRIED:
		fail(d, -ECONNREFUSED, "nobody listens there");
		break;
	default: /* disconnected */
		if (d->up)
			fail(d, -DVM_EPEERLOST, "the connection broke before the answer");
		else
			fail(d, -DVM_EPROTO, "what listens there is not dvm");
	}
}

static int on_message(void *socket, void *arg)
{
	struct dvmd_dial *d = arg;
	struct dvmd_frames f;

	int rc = dvmd_frames_recv(socket, false, &f);
	if (rc > 0 && d->ops->message)
		d->ops->message(&f, d->arg);
	else if (rc < 0)
		fail(d, -DVM_EPROTO, "the answer is malformed");
	dvmd_frames_close(&f);
	return rc != 0;
}

static int open_socket(struct dvmd_dial *d, const struct dvmd_dial_config *c)
{
	struct dvmd_transport *t = d->t;
	char name[DVMD_ZSOCK_ENDPOINT_MAX];

	if (!dvmd_zsock_connect_name(name, t->address, c->address, c->port))
		return -EINVAL;
	if (!(d->socket = dvmd_zsock_open(t->zmq, ZMQ_DEALER, t->ipv6)))
		return -errno;
	int rc = dvmd_zsock_client(d->socket, c->public_key, c->secret_key);
	if (rc == 0)
		rc = dvmd_zsock_expect(d->socket, c->server_key);
	if (rc == 0)
		rc = dvmd_zmon_open(&d->monitor, t->zmq, t->config.loop, d->socket, EVENTS,
				    ++t->monitors, on_event, d);
	if (rc == 0)
		rc = dvmi_zsource_open(&d->source, t->config.loop, d->socket, 1, on_message, d);
	if (rc == 0 && zmq_connect(d->socket, name) < 0)
		rc = -zmq_errno();
	return rc;
}

int dvmd_dial_open(struct dvmd_dial **out, struct dvmd_transport *t,
		   const struct dvmd_dial_config *config)
{
	struct dvmd_dial *d = calloc(1, sizeof *d);

	if (!d)
		return -ENOMEM;
	d->t = t;
	d->ops = config->ops;
	d->arg = config->arg;
	uv_timer_init(t->config.loop, &d->timer);
	uv_update_time(t->config.loop);
	uv_timer_start(&d->timer, on_timer, config->timeout_ns / DVMI_MSEC, 0);
	DL_APPEND(t->dials, d);
	int rc = open_socket(d, config);
	if (rc < 0) {
		dvmd_dial_close(d);
		return rc;
	}
	*out = d;
	return 0;
}

int dvmd_dial_send(struct dvmd_dial *d, const struct dvmi_envelope *env, const void *body,
		   size_t len)
{
	return dvmd_frames_send(d->socket, 0, env, body, len);
}

static void on_closed(uv_handle_t *h)
{
	free(h);
}

void dvmd_dial_close(struct dvmd_dial *d)
{
	if (!d)
		return;
	DL_DELETE(d->t->dials, d);
	dvmd_zmon_close(d->monitor);
	dvmi_zsource_close(d->source);
	dvmd_zsock_close(d->socket, 0);
	uv_close((uv_handle_t *)&d->timer, on_closed);
}

void dvmd_dial_cancel_all(struct dvmd_transport *t)
{
	while (t->dials)
		fail(t->dials, -ECANCELED, dvm_strerror(-ECANCELED));
}
