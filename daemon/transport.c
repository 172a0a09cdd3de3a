/* SPDX-License-Identifier: BSD-3-Clause */
/* Wiring, and the receiving half: the ROUTER that peers and the holders of tokens connect to. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "daemon/portuser.h"
#include "daemon/transport_private.h"
#include "libdvm/base/buf.h"
#include "libdvm/base/err.h"
#include "libdvm/proto/pb.h"

#define EVENTS                                                                                     \
	(ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_ACCEPT_FAILED | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |      \
	 ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
#define SUBSYS	       "net"
#define COMPLAINTS     8     /* records … */
#define COMPLAINTS_MS  10000 /* … within this time */
#define TOKEN_BODY_MAX (1u << 20)

struct dvmi_envelope dvmd_transport_envelope(const struct dvmd_transport *t, uint16_t type,
					     uint32_t flags, uint32_t request)
{
	return (struct dvmi_envelope){
		.version = DVMI_ENVELOPE_VERSION,
		.highest = DVMI_ENVELOPE_VERSION,
		.type = type,
		.flags = flags,
		.request = request,
		.view = t->config.view ? t->config.view(t->config.arg) : 0,
	};
}

/* Whether another record may be written; starts a new period when it is time. */
static bool may_complain(struct dvmd_transport *t)
{
	struct dvmd_complaints *c = &t->complaints;
	uint64_t now = uv_now(t->config.loop);

	if (c->said == 0 || now - c->since >= COMPLAINTS_MS) {
		if (c->unsaid)
			dvmi_log(t->config.log, SUBSYS, LOG_WARNING, "%u more refusals not logged",
				 c->unsaid);
		*c = (struct dvmd_complaints){ .since = now };
	}
	if (c->said >= COMPLAINTS) {
		c->unsaid++;
		return false;
	}
	c->said++;
	return true;
}

void dvmd_transport_complain(struct dvmd_transport *t, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (!may_complain(t))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	dvmi_log(t->config.log, SUBSYS, LOG_WARNING, "%s", text);
}

static bool on_handshake(const uint8_t *key, const char *address, void *arg)
{
	struct dvmd_transport *t = arg;

	if (dvmd_allow_find(t->allow, key))
		return true;
	if (!memcmp(key, t->stranger, DVMD_KEY_BYTES)) {
		t->stranger_refused = true;
		return false;
	}
	t->stats.refused++;
	dvmd_transport_complain(t, "refused an unknown key from %s", address);
	return false;
}

/* Who sent F, by the key of its connection and as the allow-list is now; NULL: nobody we know. */
static const struct dvmd_allowed *sender(const struct dvmd_transport *t, struct dvmd_frames *f)
{
	uint8_t key[DVMD_ZAP_KEY];

	if (dvmd_zap_user_key(zmq_msg_gets(&f->env, DVMD_ZAP_USER_PROPERTY), key) < 0)
		return NULL;
	return dvmd_allow_find(t->allow, key);
}

static const char *peer_address(struct dvmd_frames *f)
{
	const char *address = zmq_msg_gets(&f->env, "Peer-Address");

	return address ? address : "?";
}

/*
 * Cuts a connection that was accepted. libzmq has no call for it, but tells the descriptor; after
 * the shutdown its I/O thread finds the stream closed. Should the connection have ended meanwhile
 * and the number be another's, the worst is that a peer must connect again.
 */
static void shut(int fd)
{
	socklen_t len = sizeof(int);
	int listening = 0;

	if (fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) && !listening)
		shutdown(fd, SHUT_RDWR);
}

static void answer(struct dvmd_transport *t, uint64_t route, const struct dvmi_envelope *env,
		   const void *body, size_t len)
{
	int rc = -EHOSTUNREACH;

	if (route == DVMD_ROUTE_SELF)
		rc = dvmd_local_send(t, env, body, len);
	else if (route)
		rc = dvmd_frames_send(t->socket, route, env, body, len);
	if (rc < 0) {
		t->stats.dropped++;
		return;
	}
	t->stats.sent++;
	t->stats.sent_bytes += len;
}

static void malformed(struct dvmd_transport *t, struct dvmd_frames *f, const char *what)
{
	t->stats.malformed++;
	dvmd_transport_complain(t, "dropped a message from %s: %s", peer_address(f), what);
}

static void other_version(struct dvmd_transport *t, struct dvmd_frames *f,
			  const struct dvmi_envelope *theirs)
{
	struct dvmi_envelope env = dvmd_transport_envelope(t, DVMI_MSG_VERSION, DVMI_FLAG_REPLY, 0);

	t->stats.bad_version++;
	dvmd_transport_complain(t, "%s speaks protocol %u (up to %u), we speak %u to %u",
				peer_address(f), theirs->version, theirs->highest,
				DVMI_ENVELOPE_OLDEST, DVMI_ENVELOPE_VERSION);
	answer(t, f->route, &env, NULL, 0);
}

/* What is wrong with a message of WHO, or NULL. */
static const char *objection(const struct dvmd_allowed *who, const struct dvmi_envelope *env,
			     uint64_t route, size_t len)
{
	if (!route)
		return "a connection that chose its own name";
	if (env->flags)
		return "a reply to nothing";
	if (len > DVMI_BODY_MAX)
		return "body too long";
	if (who->token && env->type != DVMI_MSG_JOIN)
		return "a token may only join";
	if (who->token && len > TOKEN_BODY_MAX)
		return "body too long for a join";
	if (!who->token && who->node == 0)
		return "our own key, and we are no member yet";
	return NULL;
}

static void dispatch(struct dvmd_transport *t, const struct dvmd_sender *from, uint64_t route,
		     const struct dvmi_envelope *env, const uint8_t *body, size_t len)
{
	struct dvmd_reply_to to = { .route = env->request ? route : 0, .request = env->request };

	t->stats.received++;
	t->stats.received_bytes += len;
	t->config.message(from, env, body, len, to, t->config.arg);
}

void dvmd_transport_deliver_local(struct dvmd_transport *t, const struct dvmi_envelope *env,
				  const uint8_t *body, size_t len)
{
	const struct dvmd_allowed *self = dvmd_allow_find(t->allow, t->public_key);
	struct dvmd_sender from = { .node = self ? self->node : 0 };

	if (from.node)
		dispatch(t, &from, DVMD_ROUTE_SELF, env, body, len);
}

static void receive(struct dvmd_transport *t, struct dvmd_frames *f)
{
	/* A copy: what the callback does may change the list. */
	struct dvmd_allowed who;
	const struct dvmd_allowed *found = sender(t, f);
	struct dvmi_envelope env;

	if (!found) {
		t->stats.refused++;
		dvmd_transport_complain(t, "cut %s: its key is not a member's any more",
					peer_address(f));
		shut(zmq_msg_get(&f->env, ZMQ_SRCFD));
		return;
	}
	who = *found;
	struct dvmd_sender from = { .node = who.node, .token = who.token ? who.key : NULL };
	int rc = dvmi_envelope_decode(zmq_msg_data(&f->env), zmq_msg_size(&f->env), &env);
	const char *why = rc == 0 ? objection(&who, &env, f->route, zmq_msg_size(&f->body)) : NULL;
	if (rc == -DVM_EVERSION)
		other_version(t, f, &env);
	else if (rc < 0)
		malformed(t, f, "bad envelope");
	else if (why)
		malformed(t, f, why);
	else
		dispatch(t, &from, f->route, &env, zmq_msg_data(&f->body), zmq_msg_size(&f->body));
}

static int take(void *socket, void *arg)
{
	struct dvmd_transport *t = arg;
	struct dvmd_frames f;

	int rc = dvmd_frames_recv(socket, true, &f);
	if (rc > 0)
		receive(t, &f);
	else if (rc < 0)
		malformed(t, &f, "wrong number of parts");
	dvmd_frames_close(&f);
	return rc != 0;
}

/*
 * Anybody can connect, so connections must not take the last descriptors: the daemon needs some to
 * work, and the kernel gives the lowest number that is free, so a high one says how many are gone.
 */
static void on_accepted(struct dvmd_transport *t, int fd)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || (rlim_t)fd < files.rlim_cur / 4 * 3)
		return;
	dvmd_transport_complain(t, "too many connections: one has been closed");
	shut(fd);
}

static void on_event(const struct dvmd_zmon_event *ev, void *arg)
{
	struct dvmd_transport *t = arg;

	switch (ev->event) {
	case ZMQ_EVENT_ACCEPTED:
		on_accepted(t, (int)ev->value);
		break;
	case ZMQ_EVENT_ACCEPT_FAILED:
		dvmd_transport_complain(t, "cannot accept a connection: %s",
					dvm_strerror((int)ev->value));
		break;
	default:
		t->stats.handshakes++;
	}
}

static int open_router(struct dvmd_transport *t)
{
	t->socket = dvmd_zsock_open(t->zmq, ZMQ_ROUTER, t->ipv6);
	if (!t->socket)
		return -errno;
	int rc = dvmd_zsock_server(t->socket, t->secret_key);
	if (rc == 0)
		rc = dvmd_zmon_open(&t->monitor, t->zmq, t->config.loop, t->socket, EVENTS,
				    ++t->monitors, on_event, t);
	if (rc == 0)
		rc = dvmi_zsource_open(&t->source, t->config.loop, t->socket, DVMD_TRANSPORT_BUDGET,
				       take, t);
	return rc;
}

/* Every address is none: peers could not be told where we are, nor strangers be kept out. */
static bool is_wildcard(const char *address)
{
	struct in6_addr bin;

	return (inet_pton(AF_INET, address, &bin) == 1 && !memcmp(&bin, &in6addr_any, 4)) ||
	       (inet_pton(AF_INET6, address, &bin) == 1 && !memcmp(&bin, &in6addr_any, 16));
}

static int bind_router(struct dvmd_transport *t)
{
	char name[DVMD_ZSOCK_ENDPOINT_MAX];

	if (is_wildcard(t->address) || !dvmd_zsock_bind_name(name, t->address, t->config.port))
		return -EINVAL;
	if (zmq_bind(t->socket, name) < 0)
		return -zmq_errno();
	int port = dvmd_zsock_port(t->socket);
	if (port < 0)
		return port;
	t->port = (uint16_t)port;
	return 0;
}

/* The ZAP handler first: a server without one lets everybody in. */
static int open_all(struct dvmd_transport *t)
{
	int rc = dvmd_allow_create(&t->allow);

	if (rc == 0)
		rc = dvmd_allow_member(t->allow, t->public_key, 0);
	if (rc == 0 && !(t->zmq = dvmd_zsock_context()))
		rc = -errno;
	if (rc == 0)
		rc = dvmd_zap_open(&t->zap, t->zmq, t->config.loop, on_handshake, t);
	if (rc == 0)
		rc = dvmd_local_open(t);
	if (rc == 0)
		rc = dvmd_peers_open(t);
	if (rc == 0)
		rc = open_router(t);
	return rc < 0 ? rc : bind_router(t);
}

static int explain_in_use(const struct dvmd_transport_config *config, dvm_error_t *err)
{
	char who[96];

	if (dvmd_portuser_find(who, sizeof who, config->address, config->port) < 0)
		snprintf(who, sizeof who, "another process");
	return dvmi_error_set(err, -EADDRINUSE, "%s port %u is taken: %s listens there",
			      config->address, config->port, who);
}

static int explain(const struct dvmd_transport_config *config, int code, dvm_error_t *err)
{
	switch (code) {
	case -EADDRINUSE:
		return explain_in_use(config, err);
	case -EADDRNOTAVAIL:
	case -ENODEV: /* libzmq's word for it */
		return dvmi_error_set(err, -EADDRNOTAVAIL, "this host has no address %s",
				      config->address);
	case -EINVAL:
		return dvmi_error_set(err, code,
				      "\"%s\" is not the numeric address of one interface",
				      config->address);
	default:
		return dvmi_error_code(err, code, "cannot listen on %s port %u", config->address,
				       config->port);
	}
}

int dvmd_transport_create(struct dvmd_transport **out, const struct dvmd_transport_config *config,
			  dvm_error_t *err)
{
	struct dvmd_transport *t = calloc(1, sizeof *t);

	if (!t)
		return dvmi_error_code(err, -ENOMEM, "transport");
	t->config = *config;
	snprintf(t->address, sizeof t->address, "%s", config->address);
	t->ipv6 = strchr(config->address, ':');
	memcpy(t->public_key, config->public_key, DVMD_KEY_BYTES);
	memcpy(t->secret_key, config->secret_key, DVMD_KEY_BYTES);
	t->config.address = NULL; /* the caller's; ours are copies */
	t->config.public_key = t->config.secret_key = NULL;
	int rc = open_all(t);
	if (rc < 0) {
		dvmd_transport_destroy(t);
		return explain(config, rc, err);
	}
	*out = t;
	return 0;
}

void dvmd_transport_destroy(struct dvmd_transport *t)
{
	if (!t)
		return;
	dvmd_join_cancel_all(t);
	dvmd_why_cancel_all(t);
	dvmd_dial_cancel_all(t);
	dvmd_pending_cancel_all(t);
	dvmd_local_close(t);
	dvmd_peers_close(t);
	dvmd_zmon_close(t->monitor);
	dvmi_zsource_close(t->source);
	dvmd_zsock_close(t->socket, DVMD_ZSOCK_FAREWELL_MS);
	dvmd_zap_close(t->zap);
	if (t->zmq)
		zmq_ctx_term(t->zmq);
	dvmd_allow_destroy(t->allow);
	explicit_bzero(t->secret_key, sizeof t->secret_key);
	free(t);
}

uint16_t dvmd_transport_port(const struct dvmd_transport *t)
{
	return t->port;
}

void dvmd_transport_stats(const struct dvmd_transport *t, struct dvmd_transport_stats *out)
{
	*out = t->stats;
}

int dvmd_transport_token_allow(struct dvmd_transport *t, const uint8_t *key)
{
	return dvmd_allow_token(t->allow, key);
}

void dvmd_transport_token_drop(struct dvmd_transport *t, const uint8_t *key)
{
	const struct dvmd_allowed *who = dvmd_allow_find(t->allow, key);

	if (who && who->token)
		dvmd_allow_drop(t->allow, key);
}

int dvmd_transport_send(struct dvmd_transport *t, uint32_t id, uint16_t type, const void *body,
			size_t len)
{
	struct dvmi_envelope env = dvmd_transport_envelope(t, type, 0, 0);

	return dvmd_peers_send(t, id, &env, body, len, NULL);
}

int dvmd_transport_request(struct dvmd_transport *t, uint32_t id, uint16_t type, const void *body,
			   size_t len, uint64_t timeout_ns, dvmd_reply_fn *cb, void *arg)
{
	struct dvmd_pending *p = dvmd_pending_create(t, cb, arg);
	uint64_t route = 0;

	if (!p)
		return -ENOMEM;
	struct dvmi_envelope env = dvmd_transport_envelope(t, type, 0, dvmd_pending_number(p));
	int rc = dvmd_peers_send(t, id, &env, body, len, &route);
	if (rc < 0)
		dvmd_pending_abandon(p);
	else
		dvmd_pending_start(p, route, timeout_ns);
	return rc;
}

void dvmd_transport_reply(struct dvmd_transport *t, struct dvmd_reply_to to, uint16_t type,
			  const void *body, size_t len)
{
	struct dvmi_envelope env = dvmd_transport_envelope(t, type, DVMI_FLAG_REPLY, to.request);

	if (to.route)
		answer(t, to.route, &env, body, len);
}

void dvmd_transport_reply_error(struct dvmd_transport *t, struct dvmd_reply_to to, int code,
				const char *fmt, ...)
{
	char text[DVM_ERROR_TEXT_MAX];
	Pb__Error e = PB__ERROR__INIT;
	struct dvmi_buf b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	e.code = code;
	e.text = text;
	dvmi_pb_pack(&b, &e);
	if (!b.err)
		dvmd_transport_reply(t, to, DVMI_MSG_ERROR, b.data, b.len);
	dvmi_buf_free(&b);
}
