/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control plane's wires: ZeroMQ with CURVE, in one libuv loop.
 *
 * One ROUTER takes what peers send; another one makes a connection to each peer on first use, and
 * carries what we send and the answers to our requests. A connection that breaks takes everything
 * queued in it along, and the requests sent by it fail; the next message makes a new one. The
 * allow-list of the ZAP handler is the set of peers and tokens given here: an unknown key is
 * refused in the handshake, and dvmd_transport_selftest() proves it at start. All calls on the
 * loop's thread; callbacks come from the loop, never from inside a call, and may destroy the
 * transport.
 */
#ifndef DVMD_TRANSPORT_H
#define DVMD_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "dvm/error.h"
#include "libdvm/base/log.h"
#include "libdvm/proto/envelope.h"
#include "libdvm/proto/msgtype.h"

#define DVMD_KEY_BYTES 32

struct dvmd_transport; /* incomplete */

/* Who sent a message: a member by its id, or the holder of a token (id 0 and its key). */
struct dvmd_sender {
	uint32_t node;
	const uint8_t *token; /* DVMD_KEY_BYTES, or NULL; valid during the callback */
};

/* What an answer needs; a value, kept by whoever answers later. Answering twice is an error. */
struct dvmd_reply_to {
	uint64_t route; /* 0: no answer is expected */
	uint32_t request;
};

struct dvmd_transport_config {
	uv_loop_t *loop;
	struct dvmi_log *log;
	const char *address;			/* numeric; the only one we bind to */
	uint16_t port;				/* 0: any free one */
	const uint8_t *public_key, *secret_key; /* DVMD_KEY_BYTES each; copied */
	/* A request or one-way message. The body is the transport's, valid during the call. */
	void (*message)(const struct dvmd_sender *from, const struct dvmi_envelope *env,
			const uint8_t *body, size_t len, struct dvmd_reply_to reply, void *arg);
	void *arg;
	uint64_t (*view)(void *arg); /* for the envelopes we send */
	uint64_t idle_ns; /* a connection without messages is closed after it; 0: 5 minutes */
};

/*
 * Binds and starts. -EADDRINUSE (ERR says by what, where it can be known), -EADDRNOTAVAIL, ….
 */
int dvmd_transport_create(struct dvmd_transport **out, const struct dvmd_transport_config *config,
			  dvm_error_t *err);

/* The port that it listens on: the configured one, or where that was 0, the kernel's choice. */
uint16_t dvmd_transport_port(const struct dvmd_transport *t);

/*
 * Closes every socket; waits up to 200 ms for what is still queued (farewells). Requests, joins
 * and self-tests under way get -ECANCELED, from inside this call. Some memory goes when the loop
 * turns next. NULL is allowed.
 */
void dvmd_transport_destroy(struct dvmd_transport *t);

/*
 * Starts a check that a client with a fresh, unknown key is refused and one with our own key is
 * not; CB gets 0; -DVM_EAUTH: the stranger was let in, the daemon must not go on; -ETIMEDOUT: no
 * answer, or not with our own key; -ECANCELED.
 */
int dvmd_transport_selftest(struct dvmd_transport *t, void (*cb)(int code, void *arg), void *arg);

/*
 * A member that may connect and can be sent to; replaces what was known of ID. Our own goes the
 * same way. -EINVAL (not a numeric address), -EEXIST (the key is another member's), -ENOMEM.
 */
int dvmd_transport_peer_set(struct dvmd_transport *t, uint32_t id, const uint8_t *key,
			    const char *address, uint16_t port);
/* Takes it off the allow-list, cuts its connections; its requests fail (-DVM_EPEERLOST). */
void dvmd_transport_peer_drop(struct dvmd_transport *t, uint32_t id);
/* Its daemon is known to be dead: drop the DEALER and fail its requests; the key stays allowed. */
void dvmd_transport_peer_down(struct dvmd_transport *t, uint32_t id);

int dvmd_transport_token_allow(struct dvmd_transport *t, const uint8_t *key);
void dvmd_transport_token_drop(struct dvmd_transport *t, const uint8_t *key);

/*
 * One-way. Queued up to the high-water mark; -ENOENT (no such peer), -EAGAIN (queue full),
 * -EMSGSIZE; for 100 ms after a handshake that the peer refused or broke, the reason as below. ID
 * may be our own: delivered through the loop like any other.
 */
int dvmd_transport_send(struct dvmd_transport *t, uint32_t id, uint16_t type, const void *body,
			size_t len);

/*
 * CB exactly once, unless the call fails: with the answer (code 0; type DVMI_MSG_ERROR has been
 * turned into its code and text), or -ETIMEDOUT, -DVM_EPEERLOST (the connection broke, or
 * peer_down), -DVM_EAUTH (the peer does not know our key, perhaps not yet), -DVM_EVERSION,
 * -DVM_EPROTO, -ECANCELED (destroy).
 */
typedef void dvmd_reply_fn(int code, const char *text, uint16_t type, const uint8_t *body,
			   size_t len, void *arg);
int dvmd_transport_request(struct dvmd_transport *t, uint32_t id, uint16_t type, const void *body,
			   size_t len, uint64_t timeout_ns, dvmd_reply_fn *cb, void *arg);

/* Answers a request; a route that is gone meanwhile is not an error. */
void dvmd_transport_reply(struct dvmd_transport *t, struct dvmd_reply_to to, uint16_t type,
			  const void *body, size_t len);
void dvmd_transport_reply_error(struct dvmd_transport *t, struct dvmd_reply_to to, int code,
				const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/*
 * One request to a machine that does not know us yet, with a token's key pair: JOIN. CB as above;
 * -DVM_EAUTH where the handshake was refused, -ETIMEDOUT where nobody answered, -ECONNREFUSED,
 * -DVM_EPROTO where something that is not dvm answered.
 */
int dvmd_transport_join(struct dvmd_transport *t, const char *address, uint16_t port,
			const uint8_t *server_key, const uint8_t *token_public,
			const uint8_t *token_secret, const void *body, size_t len,
			uint64_t timeout_ns, dvmd_reply_fn *cb, void *arg);

/*
 * Why can ID not be reached? A plain TCP connection to where it should be, for a person to read
 * about. CB, from the loop: 0 where a dvm answers (then it is about keys, versions or a busy
 * daemon); -ECONNREFUSED, -EHOSTUNREACH, -ETIMEDOUT, …; -DVM_EPROTO where something else listens;
 * -ECANCELED (destroy). The call itself: -ENOENT, or as CB.
 */
typedef void dvmd_why_fn(int code, const char *text, void *arg);
int dvmd_transport_why(struct dvmd_transport *t, uint32_t id, uint64_t timeout_ns, dvmd_why_fn *cb,
		       void *arg);

struct dvmd_transport_stats {
	uint64_t sent, sent_bytes, received, received_bytes;
	uint64_t refused;    /* handshakes with a key that is not on the list */
	uint64_t handshakes; /* that failed otherwise, as far as libzmq tells: garbage, too slow */
	uint64_t malformed;  /* bad envelope, truncated or oversized */
	uint64_t bad_version;
	uint64_t dropped; /* queue full or peer gone */
};
void dvmd_transport_stats(const struct dvmd_transport *t, struct dvmd_transport_stats *out);

#endif
