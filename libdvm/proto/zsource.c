/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zmq.h>

#include "libdvm/proto/zsource.h"

struct dvmi_zsource {
	uv_poll_t poll;	      /* wakes the loop */
	uv_prepare_t prepare; /* asks before it sleeps */
	uv_check_t check;     /* takes after it has woken */
	uv_idle_t idle;	      /* active: there is something to take, do not sleep */
	void *socket;
	unsigned budget, handles;
	bool woken, closing;
	dvmi_zsource_fn *take;
	void *arg;
};

static bool readable(const struct dvmi_zsource *z)
{
	int events = 0;
	size_t len = sizeof events;

	return zmq_getsockopt(z->socket, ZMQ_EVENTS, &events, &len) == 0 && (events & ZMQ_POLLIN);
}

static void on_idle(uv_idle_t *h)
{
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct dvmi_zsource *z = h->data;

	z->woken = true;
}

static void on_prepare(uv_prepare_t *h)
{
	struct dvmi_zsource *z = h->data;

	if (readable(z))
		uv_idle_start(&z->idle, on_idle);
}

static void on_check(uv_check_t *h)
{
	struct dvmi_zsource *z = h->data;

	if (!z->woken && !uv_is_active((uv_handle_t *)&z->idle))
		return;
	z->woken = false;
	uv_idle_stop(&z->idle);
	if (!readable(z))
		return;
	for (unsigned i = 0; i < z->budget && !z->closing; i++)
		if (z->take(z->socket, z->arg) <= 0)
			break;
}

static void start(struct dvmi_zsource *z)
{
	uv_poll_start(&z->poll, UV_READABLE, on_poll);
	uv_prepare_start(&z->prepare, on_prepare);
	uv_check_start(&z->check, on_check);
}

int dvmi_zsource_open(struct dvmi_zsource **out, uv_loop_t *loop, void *socket, unsigned budget,
		      dvmi_zsource_fn *take, void *arg)
{
	struct dvmi_zsource *z = calloc(1, sizeof *z);
	int fd;
	size_t len = sizeof fd;

	if (!z)
		return -ENOMEM;
	*z = (struct dvmi_zsource){ .socket = socket, .budget = budget, .take = take, .arg = arg };
	int rc = zmq_getsockopt(socket, ZMQ_FD, &fd, &len) < 0 ? -zmq_errno()
							       : uv_poll_init(loop, &z->poll, fd);
	if (rc < 0) {
		free(z);
		return rc;
	}
	uv_prepare_init(loop, &z->prepare);
	uv_check_init(loop, &z->check);
	uv_idle_init(loop, &z->idle);
	z->poll.data = z->prepare.data = z->check.data = z->idle.data = z;
	start(z);
	*out = z;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct dvmi_zsource *z = h->data;

	if (--z->handles == 0)
		free(z);
}

void dvmi_zsource_close(struct dvmi_zsource *z)
{
	if (!z || z->closing)
		return;
	z->closing = true;
	z->handles = 4;
	uv_close((uv_handle_t *)&z->poll, on_closed);
	uv_close((uv_handle_t *)&z->prepare, on_closed);
	uv_close((uv_handle_t *)&z->check, on_closed);
	uv_close((uv_handle_t *)&z->idle, on_closed);
}
