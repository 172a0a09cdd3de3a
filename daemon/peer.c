/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections to peers: one ROUTER that only connects.
 *
 * One socket for all of them, not a DEALER each: a ZeroMQ socket must be asked for its state
 * around every sleep of the loop (zsource.h), a system call each, so the price of a turn must not
 * grow with the number of peers. What differs between peers, the key expected at the other end
 * and the name of the route, are options that libzmq reads at each connect.
 *
 * A connection is one epoch. When it breaks it is dropped with everything still queued in it, and
 * requests sent by it fail at once: nothing stale is delivered to a peer that has come back. The
 * next message makes a new one. libzmq's own reconnecting is used only until the first success.
 * It has to be so for refused handshakes, too: after one libzmq never tries again and keeps
 * queueing for nobody.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "daemon/transport_private.h"
#include "libdvm/base/clock.h"

#define EVENTS                                                                                     \
	(ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |   \
	 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |              \
	 ZMQ_EVENT_DISCONNECTED)

struct dvmd_peer {
	uint32_t id;
	uint8_t key[DVMD_KEY_BYTES];
	char endpoint[DVMD_ZSOCK_ENDPOINT_MAX];
	char address[64];
	uint16_t port;
	uint64_t route;	   /* 0: no connection */
	int fd;		   /* of the connection, -1 as long as there is none */
	bool up;	   /* the handshake is done */
	uint64_t used;	   /* ms, of the loop: last message either way */
	uint64_t retry_at; /* ms: no new connection before */
	int refused;	   /* why not, -E… */
	UT_hash_handle hh, hh_route;
};

static struct dvmd_peer *find(const struct dvmd_transport *t, uint32_t id)
{
	struct dvmd_peer *p;

	HASH_FIND(hh, t->peers.by_id, &id, sizeof id, p);
	return p;
}

static struct dvmd_peer *find_route(const struct dvmd_transport *t, uint64_t route)
{
	struct dvmd_peer *p;

	HASH_FIND(hh_route, t->peers.by_route, &route, sizeof route, p);
	return p;
}

static bool is_self(const struct dvmd_transport *t, const uint8_t *key)
{
	return !memcmp(key, t->public_key, DVMD_KEY_BYTES);
}

/* The part of an endpoint that names the other side; some events of libzmq leave ours out. */
static const char *remote_part(const char *endpoint)
{
	const char *semicolon = strrchr(endpoint, ';');

	return semicolon ? semicolon + 1 : strncmp(endpoint, "tcp://", 6) ? endpoint : endpoint + 6;
}

static struct dvmd_peer *find_endpoint(const struct dvmd_transport *t, const char *endpoint)
{
	struct dvmd_peer *p, *tmp;

	HASH_ITER (hh_route, t->peers.by_route, p, tmp)
		if (!strcmp(remote_part(p->endpoint), remote_part(endpoint)))
			return p;
	return NULL;
}

const char *dvmd_peers_address(const struct dvmd_transport *t, uint32_t id, uint16_t *port)
{
	const struct dvmd_peer *p = find(t, id);

	if (p)
		*port = p->port;
	return p ? p->address : NULL;
}

/*
 * Asked whether there is something to read, libzmq takes the first part of a message out already; if
 * that connection is then disconnected and the message read on, libzmq ends the whole process. So
 * the message is read before, whoever it is from, and heard later.
 */
static void set_aside(struct dvmd_transport *t)
{
	struct dvmi_envelope env;
	struct dvmd_frames f;

	int rc = dvmd_frames_recv(t->peers.socket, true, &f);
	if (rc > 0)
		rc = dvmi_envelope_decode(zmq_msg_data(&f.env), zmq_msg_size(&f.env), &env) < 0 ?
			     -DVM_EPROTO :
			     dvmd_local_defer(t, f.route, &env, zmq_msg_data(&f.body),
					      zmq_msg_size(&f.body));
	if (rc < 0)
		t->stats.malformed++;
	dvmd_frames_close(&f);
}

/* Drops the connection and whatever is queued in it; its requests fail with CODE. */
static void cut(struct dvmd_transport *t, struct dvmd_peer *p, int code)
{
	uint64_t route = p->route;

	if (!route)
		return;
	set_aside(t);
	zmq_disconnect(t->peers.socket, p->endpoint);
	HASH_DELETE(hh_route, t->peers.by_route, p);
	p->route = 0;
	p->fd = -1;
	p->up = false;
	dvmd_pending_fail(t, route, code);
}

static void refuse(struct dvmd_transport *t, struct dvmd_peer *p, int code)
{
	dvmd_transport_complain(t, "connection to node %u (%s): %s", p->id,
				remote_part(p->endpoint), dvm_strerror(code));
	p->retry_at = uv_now(t->config.loop) + DVMD_PEER_RETRY_MS;
	p->refused = code;
	cut(t, p, code);
}

static int name_route(struct dvmd_transport *t, uint64_t route)
{
	uint8_t name[DVMD_ROUTE_BYTES];

	dvmd_frames_route(route, name);
	int rc = zmq_setsockopt(t->peers.socket, ZMQ_CONNECT_ROUTING_ID, name, sizeof name);
	return rc < 0 ? -zmq_errno() : 0;
}

static int open_connection(struct dvmd_transport *t, struct dvmd_peer *p)
{
	/* Only one daemon can listen there: what is still open to it is another's past. */
	struct dvmd_peer *before = find_endpoint(t, p->endpoint);
	if (before)
		cut(t, before, -DVM_EPEERLOST);

	uint64_t route = DVMD_ROUTE_SET | DVMD_ROUTE_OURS | ++t->peers.last_route;
	int rc = dvmd_zsock_expect(t->peers.socket, p->key);
	if (rc == 0)
		rc = name_route(t, route);
	if (rc == 0 && zmq_connect(t->peers.socket, p->endpoint) < 0)
		rc = -zmq_errno();
	if (rc < 0)
		return rc;
	p->route = route;
	p->fd = -1;
	HASH_ADD(hh_route, t->peers.by_route, route, sizeof p->route, p);
	return 0;
}

static int connected(struct dvmd_transport *t, struct dvmd_peer *p)
{
	if (p->route)
		return 0;
	if (uv_now(t->config.loop) < p->retry_at)
		return p->refused;
	return open_connection(t, p);
}

static int send_once(struct dvmd_transport *t, struct dvmd_peer *p, const struct dvmi_envelope *env,
		     const void *body, size_t len)
{
	int rc = connected(t, p);

	return rc < 0 ? rc : dvmd_frames_send(t->peers.socket, p->route, env, body, len);
}

static int send_remote(struct dvmd_transport *t, struct dvmd_peer *p,
		       const struct dvmi_envelope *env, const void *body, size_t len)
{
	int rc = send_once(t, p, env, body, len);

	if (rc == -EHOSTUNREACH) { /* libzmq has given the connection up, and we have not heard */
		cut(t, p, -DVM_EPEERLOST);
		rc = send_once(t, p, env, body, len);
	}
	p->used = uv_now(t->config.loop);
	return rc;
}

int dvmd_peers_send(struct dvmd_transport *t, uint32_t id, const struct dvmi_envelope *env,
		    const void *body, size_t len, uint64_t *route)
{
	struct dvmd_peer *p = find(t, id);

	if (!p)
		return -ENOENT;
	bool self = is_self(t, p->key);
	int rc = self ? dvmd_local_send(t, env, body, len) : send_remote(t, p, env, body, len);
	if (rc < 0) {
		t->stats.dropped++;
		return rc;
	}
	t->stats.sent++;
	t->stats.sent_bytes += len;
	if (route)
		*route = self ? DVMD_ROUTE_SELF : p->route;
	return 0;
}

/* What arrives here are answers, from the one that the connection was made to. */
void dvmd_peers_heard(struct dvmd_transport *t, uint64_t route, const struct dvmi_envelope *env,
		      const void *body, size_t len)
{
	struct dvmd_peer *p = find_route(t, route);

	if (!p)
		return;
	if (env->type == DVMI_MSG_VERSION) {
		t->stats.bad_version++;
		refuse(t, p, -DVM_EVERSION);
	} else if (!(env->flags & DVMI_FLAG_REPLY) || len > DVMI_BODY_MAX) {
		t->stats.malformed++;
		refuse(t, p, -DVM_EPROTO);
	} else {
		p->used = uv_now(t->config.loop);
		t->stats.received++;
		t->stats.received_bytes += len;
		dvmd_pending_answer(t, route, env, body, len);
	}
}

static void receive(struct dvmd_transport *t, struct dvmd_peer *p, struct dvmd_frames *f)
{
	struct dvmi_envelope env;
	int rc = dvmi_envelope_decode(zmq_msg_data(&f->env), zmq_msg_size(&f->env), &env);

	if (rc == -DVM_EVERSION) {
		t->stats.bad_version++;
		refuse(t, p, rc);
	} else if (rc < 0) {
		t->stats.malformed++;
		refuse(t, p, -DVM_EPROTO);
	} else {
		dvmd_peers_heard(t, p->route, &env, zmq_msg_data(&f->body),
				 zmq_msg_size(&f->body));
	}
}

static int take(void *socket, void *arg)
{
	struct dvmd_transport *t = arg;
	struct dvmd_frames f;

	int rc = dvmd_frames_recv(socket, true, &f);
	struct dvmd_peer *p = rc ? find_route(t, f.route) : NULL;
	if (p && rc < 0) {
		t->stats.malformed++;
		refuse(t, p, -DVM_EPROTO);
	} else if (p) {
		receive(t, p, &f);
	}
	dvmd_frames_close(&f);
	return rc != 0;
}

static void on_event(const struct dvmd_zmon_event *ev, void *arg)
{
	struct dvmd_transport *t = arg;
	struct dvmd_peer *p = find_endpoint(t, ev->address);

	if (!p)
		return;
	switch (ev->event) {
	case ZMQ_EVENT_CONNECTED:
		p->fd = (int)ev->value;
		break;
	case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
		p->up = true;
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
		refuse(t, p, -DVM_EAUTH);
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
		refuse(t, p, -DVM_EPROTO);
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
		refuse(t, p, -DVM_EPEERLOST);
		break;
	default: /* disconnected; an event of a connection before this one has another descriptor */
		if (p->fd == (int)ev->value)
			cut(t, p, -DVM_EPEERLOST);
	}
}

void dvmd_peers_timed_out(struct dvmd_transport *t, uint64_t route)
{
	struct dvmd_peer *p = find_route(t, route);

	/* Never connected: do not keep a request for somebody who comes back when nobody waits. */
	if (p && !p->up)
		cut(t, p, -DVM_EPEERLOST);
}

static uint64_t idle_ms(const struct dvmd_transport *t)
{
	return t->config.idle_ns ? t->config.idle_ns / DVMI_MSEC : DVMD_PEER_IDLE_MS;
}

/* Also one that never came about: libzmq would knock at a dead host's door for ever. */
static void on_idle(uv_timer_t *h)
{
	struct dvmd_transport *t = h->data;
	struct dvmd_peer *p, *tmp;

	HASH_ITER (hh_route, t->peers.by_route, p, tmp) {
		uint64_t idle = uv_now(t->config.loop) - p->used;
		if (idle >= (p->up ? idle_ms(t) : DVMD_PEER_VAIN_MS) &&
		    !dvmd_pending_any(t, p->route))
			cut(t, p, -DVM_EPEERLOST);
	}
}

static int start_idle_timer(struct dvmd_transport *t)
{
	uv_timer_t *timer = malloc(sizeof *timer);
	uint64_t period = idle_ms(t) < DVMD_PEER_VAIN_MS ? idle_ms(t) : DVMD_PEER_VAIN_MS;

	if (!timer)
		return -ENOMEM;
	uv_timer_init(t->config.loop, timer);
	timer->data = t;
	uv_timer_start(timer, on_idle, period, period);
	t->peers.idle = timer;
	return 0;
}

int dvmd_peers_open(struct dvmd_transport *t)
{
	struct dvmd_peers *ps = &t->peers;

	ps->socket = dvmd_zsock_open(t->zmq, ZMQ_ROUTER, t->ipv6);
	if (!ps->socket)
		return -errno;
	int rc = dvmd_zsock_client(ps->socket, t->public_key, t->secret_key);
	if (rc == 0)
		rc = dvmd_zmon_open(&ps->monitor, t->zmq, t->config.loop, ps->socket, EVENTS,
				    ++t->monitors, on_event, t);
	if (rc == 0)
		rc = dvmi_zsource_open(&ps->source, t->config.loop, ps->socket,
				       DVMD_TRANSPORT_BUDGET, take, t);
	return rc < 0 ? rc : start_idle_timer(t);
}

static void on_timer_closed(uv_handle_t *h)
{
	free(h);
}

static void forget(struct dvmd_transport *t, struct dvmd_peer *p)
{
	if (p->route)
		HASH_DELETE(hh_route, t->peers.by_route, p);
	HASH_DELETE(hh, t->peers.by_id, p);
	free(p);
}

void dvmd_peers_close(struct dvmd_transport *t)
{
	struct dvmd_peers *ps = &t->peers;
	struct dvmd_peer *p, *tmp;

	HASH_ITER (hh, ps->by_id, p, tmp)
		forget(t, p);
	if (ps->idle)
		uv_close((uv_handle_t *)ps->idle, on_timer_closed);
	dvmd_zmon_close(ps->monitor);
	dvmi_zsource_close(ps->source);
	dvmd_zsock_close(ps->socket, DVMD_ZSOCK_FAREWELL_MS);
}

static struct dvmd_peer *find_or_add(struct dvmd_transport *t, uint32_t id)
{
	struct dvmd_peer *p = find(t, id);

	if (p || !(p = calloc(1, sizeof *p)))
		return p;
	p->id = id;
	p->fd = -1;
	HASH_ADD(hh, t->peers.by_id, id, sizeof p->id, p);
	if (!p->hh.tbl) {
		free(p);
		return NULL;
	}
	return p;
}

/* Our own key stays on the list: it only loses its id. */
static void disallow(struct dvmd_transport *t, const uint8_t *key)
{
	dvmd_allow_drop(t->allow, key);
	if (is_self(t, key))
		dvmd_allow_member(t->allow, key, 0);
}

int dvmd_transport_peer_set(struct dvmd_transport *t, uint32_t id, const uint8_t *key,
			    const char *address, uint16_t port)
{
	char endpoint[DVMD_ZSOCK_ENDPOINT_MAX];

	if (id == 0 || !dvmd_zsock_connect_name(endpoint, t->address, address, port))
		return -EINVAL;
	int rc = dvmd_allow_member(t->allow, key, id);
	if (rc < 0)
		return rc;
	struct dvmd_peer *p = find_or_add(t, id);
	if (!p)
		return -ENOMEM;
	if (!strcmp(p->endpoint, endpoint) && !memcmp(p->key, key, DVMD_KEY_BYTES))
		return 0;
	cut(t, p, -DVM_EPEERLOST);
	if (*p->endpoint && memcmp(p->key, key, DVMD_KEY_BYTES))
		disallow(t, p->key);
	memcpy(p->key, key, DVMD_KEY_BYTES);
	strcpy(p->endpoint, endpoint);
	snprintf(p->address, sizeof p->address, "%s", address);
	p->port = port;
	p->retry_at = 0;
	return 0;
}

static void hang_up(struct dvmd_transport *t, struct dvmd_peer *p)
{
	if (is_self(t, p->key))
		dvmd_pending_fail(t, DVMD_ROUTE_SELF, -DVM_EPEERLOST);
	else
		cut(t, p, -DVM_EPEERLOST);
}

void dvmd_transport_peer_drop(struct dvmd_transport *t, uint32_t id)
{
	struct dvmd_peer *p = find(t, id);

	if (!p)
		return;
	hang_up(t, p);
	disallow(t, p->key);
	forget(t, p);
}

void dvmd_transport_peer_down(struct dvmd_transport *t, uint32_t id)
{
	struct dvmd_peer *p = find(t, id);

	if (p)
		hang_up(t, p);
}
