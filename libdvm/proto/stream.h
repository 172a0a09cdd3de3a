/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Framed control messages over a local stream socket, in a libuv loop.
 *
 * A frame is the body's length in 32 bits, the envelope, the body. dvmd's side of a client, the
 * shepherd and the command line all use it. Everything here runs on the loop's thread.
 */
#ifndef DVMI_PROTO_STREAM_H
#define DVMI_PROTO_STREAM_H

#include <stddef.h>
#include <uv.h>

#include "libdvm/proto/envelope.h"

struct dvmi_stream; /* incomplete */

struct dvmi_stream_ops {
	/* A whole message; the body is the stream's and valid during the call only. */
	void (*message)(struct dvmi_stream *s, const struct dvmi_envelope *env, const uint8_t *body,
			size_t len, void *arg);
	/*
	 * Exactly once, and nothing after it: the other side closed (0), the connection failed
	 * (-E…), broke the protocol (-DVM_EPROTO), or speaks another version (-DVM_EVERSION; it has
	 * been told ours). Call dvmi_stream_destroy().
	 */
	void (*closed)(struct dvmi_stream *s, int code, void *arg);
	/* Everything queued has been written, after there had been something to wait for; may be NULL. */
	void (*drained)(struct dvmi_stream *s, void *arg);
};

/* Takes over FD, a connected stream socket (closed on failure, too). -ENOTSOCK, -ENOMEM, …. */
int dvmi_stream_open(struct dvmi_stream **out, uv_loop_t *loop, int fd,
		     const struct dvmi_stream_ops *ops, void *arg);

/* Closes at once; what is still queued is lost. NULL is allowed. Never calls back. */
void dvmi_stream_destroy(struct dvmi_stream *s);

/* Writes what is queued, then closes; `closed` follows (0). */
void dvmi_stream_shutdown(struct dvmi_stream *s);

/*
 * Queues one message; BODY is copied. -ENOMEM, -EMSGSIZE (body over DVMI_BODY_MAX), -EPIPE (closed).
 * ENV's version fields are filled in here.
 */
int dvmi_stream_send(struct dvmi_stream *s, struct dvmi_envelope env, const void *body, size_t len);

/* The same with a protobuf message as the body. */
int dvmi_stream_send_pb(struct dvmi_stream *s, struct dvmi_envelope env, const void *msg);

/* Bytes queued and not yet written: the sender's measure for holding back. */
size_t dvmi_stream_queued(const struct dvmi_stream *s);

/* Stops and resumes reading. Messages that have been read already still come. */
void dvmi_stream_pause(struct dvmi_stream *s);
void dvmi_stream_resume(struct dvmi_stream *s);

/* User, group and process at the other end. */
struct dvmi_peercred {
	uint32_t uid, gid;
	int32_t pid;
};
int dvmi_stream_peercred(const struct dvmi_stream *s, struct dvmi_peercred *cred);

#endif
