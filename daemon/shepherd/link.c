/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/shepherd/link.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/proto/stream.h"

enum { RETRY_FIRST_MS = 100, RETRY_MAX_MS = 1000, HELLO_MS = 5000 };

#define HELLO_REQUEST 1

struct shep_link {
	uv_loop_t *loop;
	struct sockaddr_un address;
	const struct shep_link_ops *ops;
	void *arg;
	struct dvmi_stream *stream;
	uv_timer_t timer; /* next try; or, with a stream, the time it has to answer the hello */
	unsigned retry_ms;
	uint64_t last_up;
	bool up;
};

static void on_timer(uv_timer_t *h);

static void drop(struct shep_link *l)
{
	bool was_up = l->up;

	if (was_up)
		l->last_up = dvmi_clock_mono();
	l->up = false;
	dvmi_stream_destroy(l->stream);
	l->stream = NULL;
	if (was_up)
		l->ops->down(l->arg);
}

static void try_later(struct shep_link *l)
{
	drop(l);
	uv_timer_start(&l->timer, on_timer, l->retry_ms, 0);
	l->retry_ms = 2 * l->retry_ms < RETRY_MAX_MS ? 2 * l->retry_ms : RETRY_MAX_MS;
}

static void greeted(struct shep_link *l)
{
	uv_timer_stop(&l->timer);
	l->retry_ms = RETRY_FIRST_MS;
	l->last_up = dvmi_clock_mono();
	l->up = true;
	l->ops->up(l->arg);
}

static void refused(struct shep_link *l, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__Error *e = NULL;

	if (dvmi_pb_unpack(&pb__error__descriptor, body, len, &e) < 0 || e->code >= 0 ||
	    !l->ops->refused(e->code, e->text, l->arg)) {
		try_later(l);
		return;
	}
	uv_timer_stop(&l->timer);
	drop(l);
}

static void on_message(struct dvmi_stream *s, const struct dvmi_envelope *env, const uint8_t *body,
		       size_t len, void *arg)
{
	struct shep_link *l = arg;

	if (l->up && (env->flags & DVMI_FLAG_REPLY))
		l->ops->reply(env->request, env->type, body, len, l->arg);
	else if (l->up)
		l->ops->message(env->type, body, len, l->arg);
	else if (env->type == DVMI_MSG_OK && env->request == HELLO_REQUEST)
		greeted(l);
	else if (env->type == DVMI_MSG_ERROR)
		refused(l, body, len);
}

static void on_closed(struct dvmi_stream *s, int code, void *arg)
{
	try_later(arg);
}

static const struct dvmi_stream_ops stream_ops = { .message = on_message, .closed = on_closed };

static int say_hello(struct shep_link *l)
{
	struct dvmi_envelope env = { .type = DVMI_MSG_SHEPHERD_HELLO, .request = HELLO_REQUEST };
	struct dvmi_buf body = { 0 };

	l->ops->hello(&body, l->arg);
	int rc = body.err ? body.err : dvmi_stream_send(l->stream, env, body.data, body.len);
	dvmi_buf_free(&body);
	return rc;
}

static int connect_once(struct shep_link *l)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&l->address, sizeof l->address) < 0) {
		int err = errno;
		close(fd);
		return -err;
	}
	return dvmi_stream_open(&l->stream, l->loop, fd, &stream_ops, l);
}

/* A node that has left its machine removes its directory; one whose dvmd was killed does not. */
static bool node_is_gone(const struct shep_link *l)
{
	char dir[sizeof l->address.sun_path];

	strcpy(dir, l->address.sun_path);
	*strrchr(dir, '/') = '\0';
	return access(dir, F_OK) < 0 && errno == ENOENT;
}

static void on_timer(uv_timer_t *h)
{
	struct shep_link *l = h->data;

	drop(l);
	int rc = connect_once(l);
	if (rc == -ENOENT && node_is_gone(l) &&
	    l->ops->refused(rc, "this host is no node any more", l->arg))
		return;
	if (rc < 0 || say_hello(l) < 0)
		try_later(l);
	else
		uv_timer_start(&l->timer, on_timer, HELLO_MS, 0);
}

int shep_link_create(struct shep_link **out, uv_loop_t *loop, const char *path,
		     const struct shep_link_ops *ops, void *arg)
{
	struct shep_link *l = calloc(1, sizeof *l);

	if (!l)
		return -ENOMEM;
	if (strlen(path) >= sizeof l->address.sun_path || !strchr(path, '/')) {
		free(l);
		return -ENAMETOOLONG;
	}
	l->loop = loop;
	l->ops = ops;
	l->arg = arg;
	l->retry_ms = RETRY_FIRST_MS;
	l->last_up = dvmi_clock_mono();
	l->address.sun_family = AF_UNIX;
	strcpy(l->address.sun_path, path);
	uv_timer_init(loop, &l->timer);
	l->timer.data = l;
	uv_timer_start(&l->timer, on_timer, 0, 0);
	*out = l;
	return 0;
}

int shep_link_send(struct shep_link *l, uint16_t type, const void *body, size_t len)
{
	struct dvmi_envelope env = { .type = type };

	return l->up ? dvmi_stream_send(l->stream, env, body, len) : -ENOTCONN;
}

int shep_link_send_pb(struct shep_link *l, uint16_t type, const void *msg)
{
	struct dvmi_envelope env = { .type = type };

	return l->up ? dvmi_stream_send_pb(l->stream, env, msg) : -ENOTCONN;
}

int shep_link_call(struct shep_link *l, uint16_t type, uint32_t request, const void *body,
		   size_t len)
{
	struct dvmi_envelope env = { .type = type, .request = request };

	return l->up ? dvmi_stream_send(l->stream, env, body, len) : -ENOTCONN;
}

bool shep_link_is_up(const struct shep_link *l)
{
	return l->up;
}

size_t shep_link_queued(const struct shep_link *l)
{
	return l->stream ? dvmi_stream_queued(l->stream) : 0;
}

uint64_t shep_link_last_up(const struct shep_link *l)
{
	return l->up ? dvmi_clock_mono() : l->last_up;
}

static void on_freed(uv_handle_t *h)
{
	free(h->data);
}

void shep_link_destroy(struct shep_link *l)
{
	if (!l)
		return;
	dvmi_stream_destroy(l->stream);
	uv_close((uv_handle_t *)&l->timer, on_freed);
}
