/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared by the files that make up the transport:
 *
 *   transport.c  the ROUTER that takes what peers send, the allow-list, wiring
 *   peer.c       the other ROUTER, which connects to peers: one connection each, made on first use
 *   local.c      messages to ourselves
 *   pending.c    requests that wait for their answer
 *   dial.c       one connection with keys of its own, for a join or the self-test
 *   join.c       a knock (knock.h), then a dial
 *   why.c        a knock at a peer that cannot be reached
 *   selftest.c
 */
#ifndef DVMD_TRANSPORT_PRIVATE_H
#define DVMD_TRANSPORT_PRIVATE_H

#include <stdbool.h>

#include "daemon/allow.h"
#include "daemon/frames.h"
#include "daemon/transport.h"
#include "daemon/zap.h"
#include "daemon/zmon.h"
#include "daemon/zsock.h"
#include "libdvm/proto/zsource.h"

#define DVMD_TRANSPORT_BUDGET 64 /* messages a socket may deliver in one turn of the loop */
#define DVMD_PEER_IDLE_MS     (5 * 60 * 1000)
#define DVMD_PEER_VAIN_MS     (15 * 1000) /* of attempts, after the last message */
#define DVMD_PEER_RETRY_MS    100	  /* after a refused handshake */

/* The route of messages to ourselves: none that libzmq or we give to a connection. */
#define DVMD_ROUTE_SELF (DVMD_ROUTE_SET | UINT64_C(0xff) << 32)

struct dvmd_peer;
struct dvmd_pending;
struct dvmd_dial;
struct dvmd_join;
struct dvmd_why;
struct dvmd_local_message;

/* The connecting half: peer.c. */
struct dvmd_peers {
	void *socket; /* ROUTER */
	struct dvmi_zsource *source;
	struct dvmd_zmon *monitor;
	struct dvmd_peer *by_id, *by_route;
	uv_timer_t *idle;
	uint32_t last_route;
};

/* What we send to ourselves: local.c. */
struct dvmd_local {
	uv_idle_t *idle; /* active while there is something */
	struct dvmd_local_message *queue;
	unsigned queued;
	size_t bytes;
};

/* Records about misbehaving peers, so many within a period, since a peer can make any number. */
struct dvmd_complaints {
	uint64_t since; /* ms, of the loop */
	unsigned said, unsaid;
};

struct dvmd_transport {
	struct dvmd_transport_config config;
	uint8_t public_key[DVMD_KEY_BYTES], secret_key[DVMD_KEY_BYTES];
	char address[64];
	uint16_t port;
	bool ipv6;
	void *zmq;
	unsigned monitors; /* serial numbers given out */
	struct dvmd_allow *allow;
	struct dvmd_zap *zap;
	void *socket; /* the ROUTER that is bound */
	struct dvmi_zsource *source;
	struct dvmd_zmon *monitor;
	struct dvmd_peers peers;
	struct dvmd_local local;
	struct dvmd_pending *pending;
	uint32_t last_request;
	struct dvmd_dial *dials;
	struct dvmd_join *joins;
	struct dvmd_why *whys;
	uint8_t stranger[DVMD_KEY_BYTES]; /* the key that the self-test expects to be refused */
	bool stranger_refused;		  /* libzmq has asked about it, and was told so */
	struct dvmd_complaints complaints;
	struct dvmd_transport_stats stats;
};

/* An envelope from us, of this moment. */
struct dvmi_envelope dvmd_transport_envelope(const struct dvmd_transport *t, uint16_t type,
					     uint32_t flags, uint32_t request);
/* Logs a peer's misbehaviour at most so often. */
void dvmd_transport_complain(struct dvmd_transport *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A message of our own to the daemon. */
void dvmd_transport_deliver_local(struct dvmd_transport *t, const struct dvmi_envelope *env,
				  const uint8_t *body, size_t len);

/* local.c */
int dvmd_local_open(struct dvmd_transport *t);
void dvmd_local_close(struct dvmd_transport *t);
/* -EAGAIN: the queue is full; -EMSGSIZE; -ENOMEM. */
int dvmd_local_defer(struct dvmd_transport *t, uint64_t route, const struct dvmi_envelope *env,
		     const void *body, size_t len);
/* The same of what we say to ourselves. */
int dvmd_local_send(struct dvmd_transport *t, const struct dvmi_envelope *env, const void *body,
		    size_t len);

/* peer.c */
int dvmd_peers_open(struct dvmd_transport *t);
void dvmd_peers_close(struct dvmd_transport *t);
/* Sends to peer ID; *ROUTE (may be NULL) becomes the connection it went by. */
int dvmd_peers_send(struct dvmd_transport *t, uint32_t id, const struct dvmi_envelope *env,
		    const void *body, size_t len, uint64_t *route);
/* Where ID is to be found, or NULL; *PORT is set. */
const char *dvmd_peers_address(const struct dvmd_transport *t, uint32_t id, uint16_t *port);
/* A message that came by ROUTE, if that still is a connection. */
void dvmd_peers_heard(struct dvmd_transport *t, uint64_t route, const struct dvmi_envelope *env,
		      const void *body, size_t len);
/* A request by ROUTE has found no answer in time. */
void dvmd_peers_timed_out(struct dvmd_transport *t, uint64_t route);

/* pending.c */
struct dvmd_pending *dvmd_pending_create(struct dvmd_transport *t, dvmd_reply_fn *cb, void *arg);
uint32_t dvmd_pending_number(const struct dvmd_pending *p);
/* Waits from now on, for an answer by ROUTE. */
void dvmd_pending_start(struct dvmd_pending *p, uint64_t route, uint64_t timeout_ns);
/* Forgets one that has not been started. */
void dvmd_pending_abandon(struct dvmd_pending *p);
/* An answer; unknown numbers and routes are ignored. */
void dvmd_pending_answer(struct dvmd_transport *t, uint64_t route, const struct dvmi_envelope *env,
			 const uint8_t *body, size_t len);
/* Every request sent by ROUTE fails with CODE, from the loop. */
void dvmd_pending_fail(struct dvmd_transport *t, uint64_t route, int code);
bool dvmd_pending_any(const struct dvmd_transport *t, uint64_t route);
/* Every request fails with -ECANCELED, now. */
void dvmd_pending_cancel_all(struct dvmd_transport *t);
/* Hands an answer's content, or what is wrong with it, to CB. */
void dvmd_pending_deliver(const struct dvmi_envelope *env, const uint8_t *body, size_t len,
			  dvmd_reply_fn *cb, void *arg);

/* dial.c */
struct dvmd_dial_ops {
	/* The handshake is done. May be NULL. */
	void (*up)(void *arg);
	/* A message; may be NULL. */
	void (*message)(struct dvmd_frames *f, void *arg);
	/* It failed, its time is over, or the transport goes (-ECANCELED); it has been closed. */
	void (*failed)(int code, const char *text, void *arg);
};
struct dvmd_dial_config {
	const char *address;
	uint16_t port;
	const uint8_t *server_key, *public_key, *secret_key;
	uint64_t timeout_ns;
	const struct dvmd_dial_ops *ops;
	void *arg;
};
int dvmd_dial_open(struct dvmd_dial **out, struct dvmd_transport *t,
		   const struct dvmd_dial_config *config);
int dvmd_dial_send(struct dvmd_dial *d, const struct dvmi_envelope *env, const void *body,
		   size_t len);
/* Nothing is called any more. NULL is allowed. */
void dvmd_dial_close(struct dvmd_dial *d);
void dvmd_dial_cancel_all(struct dvmd_transport *t);

/* join.c, why.c */
void dvmd_join_cancel_all(struct dvmd_transport *t);
void dvmd_why_cancel_all(struct dvmd_transport *t);

#endif
