/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dvm/error.h"
#include "libdvm/base/buf.h"
#include "libdvm/proto/msgtype.h"
#include "libdvm/proto/pb.h"
#include "libdvm/proto/stream.h"

#define FRAME_BYTES (4 + DVMI_ENVELOPE_BYTES)
#define READ_BYTES  (64u << 10)
#define KEEP_BYTES  (1u << 20) /* of an empty buffer; more goes back after a large frame */

struct dvmi_stream {
	uv_pipe_t pipe;
	const struct dvmi_stream_ops *ops;
	void *arg;
	struct dvmi_buf in;
	size_t queued;
	int fd; /* belongs to the pipe; for socket options */
	bool closing;	/* the handle goes; nothing may be called back */
	bool reported;	/* `closed` has been called */
};

struct write {
	uv_write_t req;
	struct dvmi_stream *stream;
	size_t len;
	uint8_t data[];
};

static void on_freed(uv_handle_t *h)
{
	struct dvmi_stream *s = h->data;

	dvmi_buf_free(&s->in);
	free(s);
}

static void report(struct dvmi_stream *s, int code)
{
	if (s->reported || s->closing)
		return;
	s->reported = true;
	uv_read_stop((uv_stream_t *)&s->pipe);
	if (s->ops->closed)
		s->ops->closed(s, code, s->arg);
}

/* One frame from the front of the buffer: its size, 0 when it is not whole yet, or -E…. */
static ssize_t next_frame(const struct dvmi_buf *in, size_t at, struct dvmi_envelope *env)
{
	struct dvmi_reader r;

	if (in->len - at < FRAME_BYTES)
		return 0;
	dvmi_reader_init(&r, in->data + at, in->len - at);
	size_t body = dvmi_get_u32(&r);
	int rc = dvmi_envelope_decode(in->data + at + 4, DVMI_ENVELOPE_BYTES, env);
	if (rc < 0)
		return rc;
	if (env->type == DVMI_MSG_VERSION)
		return -DVM_EVERSION;
	if (body > DVMI_BODY_MAX)
		return -DVM_EPROTO;
	return in->len - at < FRAME_BYTES + body ? 0 : (ssize_t)(FRAME_BYTES + body);
}

/* Which versions we speak, for an other side that speaks none of them: its last word from us. */
static void say_version(struct dvmi_stream *s)
{
	struct dvmi_envelope env = { .type = DVMI_MSG_VERSION, .flags = DVMI_FLAG_REPLY };

	dvmi_stream_send(s, env, NULL, 0);
}

static void dispatch(struct dvmi_stream *s)
{
	struct dvmi_envelope env;
	size_t at = 0;
	ssize_t n = 0;

	while (!s->closing && !s->reported && (n = next_frame(&s->in, at, &env)) > 0) {
		s->ops->message(s, &env, s->in.data + at + FRAME_BYTES, (size_t)n - FRAME_BYTES,
				s->arg);
		at += (size_t)n;
	}
	dvmi_buf_consume(&s->in, at);
	if (s->in.len == 0 && s->in.cap > KEEP_BYTES)
		dvmi_buf_free(&s->in);
	if (n == -DVM_EVERSION)
		say_version(s);
	if (n < 0)
		report(s, (int)n);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct dvmi_stream *s = h->data;
	size_t len = s->in.len;

	/* Read behind what is buffered; counted as used only once it has arrived. */
	uint8_t *p = dvmi_buf_extend(&s->in, READ_BYTES);
	s->in.len = len;
	*buf = uv_buf_init((char *)p, p ? READ_BYTES : 0);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
	struct dvmi_stream *s = h->data;

	if (n > 0) {
		s->in.len += (size_t)n;
		dispatch(s);
	} else if (n < 0) {
		report(s, n == UV_EOF ? 0 : (int)n);
	}
}

/* Anything but a stream socket is refused here: the loop would abort over some of it. */
static bool is_stream_socket(int fd)
{
	int type = 0;
	socklen_t len = sizeof type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

int dvmi_stream_open(struct dvmi_stream **out, uv_loop_t *loop, int fd,
		     const struct dvmi_stream_ops *ops, void *arg)
{
	if (!is_stream_socket(fd)) {
		close(fd);
		return -ENOTSOCK;
	}
	struct dvmi_stream *s = calloc(1, sizeof *s);
	if (!s || uv_pipe_init(loop, &s->pipe, 0) < 0) {
		free(s);
		close(fd);
		return -ENOMEM;
	}
	s->pipe.data = s;
	s->ops = ops;
	s->arg = arg;
	s->fd = fd;
	int rc = uv_pipe_open(&s->pipe, fd);
	if (rc < 0)
		close(fd);
	else
		rc = uv_read_start((uv_stream_t *)&s->pipe, on_alloc, on_read);
	if (rc < 0) {
		dvmi_stream_destroy(s);
		return rc;
	}
	*out = s;
	return 0;
}

void dvmi_stream_destroy(struct dvmi_stream *s)
{
	if (!s || s->closing)
		return;
	s->closing = true;
	uv_close((uv_handle_t *)&s->pipe, on_freed);
}

static void on_written(uv_write_t *req, int status)
{
	struct write *w = (struct write *)req;
	struct dvmi_stream *s = w->stream;

	s->queued -= w->len;
	free(w);
	if (s->closing || s->reported)
		return;
	if (status < 0)
		report(s, status);
	else if (s->queued == 0 && s->ops->drained)
		s->ops->drained(s, s->arg);
}

static struct write *new_write(struct dvmi_stream *s, struct dvmi_envelope *env, const void *body,
			       size_t len)
{
	struct write *w = malloc(sizeof *w + FRAME_BYTES + len);

	if (!w)
		return NULL;
	env->version = env->highest = DVMI_ENVELOPE_VERSION;
	w->stream = s;
	w->len = FRAME_BYTES + len;
	for (int i = 0; i < 4; i++)
		w->data[i] = (uint8_t)(len >> (8 * i));
	dvmi_envelope_encode(env, w->data + 4);
	if (len)
		memcpy(w->data + FRAME_BYTES, body, len);
	return w;
}

int dvmi_stream_send(struct dvmi_stream *s, struct dvmi_envelope env, const void *body, size_t len)
{
	if (s->closing || s->reported)
		return -EPIPE;
	if (len > DVMI_BODY_MAX)
		return -EMSGSIZE;
	struct write *w = new_write(s, &env, body, len);
	if (!w)
		return -ENOMEM;
	uv_buf_t buf = uv_buf_init((char *)w->data, (unsigned)w->len);
	int rc = uv_write(&w->req, (uv_stream_t *)&s->pipe, &buf, 1, on_written);
	if (rc < 0) {
		free(w);
		return rc;
	}
	s->queued += w->len;
	return 0;
}

int dvmi_stream_send_pb(struct dvmi_stream *s, struct dvmi_envelope env, const void *msg)
{
	struct dvmi_buf b = { 0 };

	dvmi_pb_pack(&b, msg);
	int rc = b.err ? b.err : dvmi_stream_send(s, env, b.data, b.len);
	dvmi_buf_free(&b);
	return rc;
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct dvmi_stream *s = req->handle->data;

	free(req);
	report(s, 0);
}

void dvmi_stream_shutdown(struct dvmi_stream *s)
{
	uv_shutdown_t *req = malloc(sizeof *req);

	if (!req || uv_shutdown(req, (uv_stream_t *)&s->pipe, on_shutdown) < 0) {
		free(req);
		report(s, 0);
	}
}

size_t dvmi_stream_queued(const struct dvmi_stream *s)
{
	return s->queued;
}

void dvmi_stream_pause(struct dvmi_stream *s)
{
	uv_read_stop((uv_stream_t *)&s->pipe);
}

void dvmi_stream_resume(struct dvmi_stream *s)
{
	if (!s->closing && !s->reported)
		uv_read_start((uv_stream_t *)&s->pipe, on_alloc, on_read);
}

int dvmi_stream_peercred(const struct dvmi_stream *s, struct dvmi_peercred *cred)
{
	struct ucred u;
	socklen_t len = sizeof u;

	if (getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &u, &len) < 0)
		return -errno;
	*cred = (struct dvmi_peercred){ .uid = u.uid, .gid = u.gid, .pid = u.pid };
	return 0;
}
