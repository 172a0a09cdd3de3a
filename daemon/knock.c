/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The greeting of ZMTP 3.x (RFC 37) is 64 bytes: a signature of 10, version 2, mechanism 20 (padded
 * with zeros), as-server 1, filler 31. Either side sends it without being asked.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/knock.h"
#include "dvm/error.h"
#include "libdvm/base/clock.h"

#define SILENCE_MS 3000 /* for the greeting, once there is a connection */
#define GREETING   64
#define SIGNATURE  10
#define MECHANISM  12

struct dvmd_knock {
	uv_tcp_t tcp;
	uv_timer_t timer;
	uv_connect_t connect;
	uv_write_t write;
	char ours[GREETING], theirs[GREETING];
	size_t have;
	unsigned handles;
	bool connected, closed;
	dvmd_knock_fn *cb;
	void *arg;
};

static void finish(struct dvmd_knock *k, int code, const char *text)
{
	if (k->closed)
		return;
	dvmd_knock_close(k);
	k->cb(code, text, k->arg);
}

/* What is wrong with as much of the greeting as has come, or NULL. */
static const char *objection(const struct dvmd_knock *k)
{
	const uint8_t *p = (const uint8_t *)k->theirs;

	if ((k->have > 0 && p[0] != 0xff) || (k->have >= SIGNATURE && p[SIGNATURE - 1] != 0x7f))
		return "what listens there is not dvm";
	if (k->have > SIGNATURE && p[SIGNATURE] < 3)
		return "what listens there speaks a ZeroMQ that is too old";
	if (k->have == GREETING && strncmp(k->theirs + MECHANISM, "CURVE", 20))
		return "what listens there speaks ZeroMQ, but is not dvm";
	return NULL;
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct dvmd_knock *k = h->data;

	*buf = uv_buf_init(k->theirs + k->have, (unsigned)(GREETING - k->have));
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
	struct dvmd_knock *k = h->data;

	if (n < 0) {
		finish(k, -DVM_EPROTO, "what listens there closed the connection: it is not dvm");
		return;
	}
	k->have += (size_t)n;
	const char *why = objection(k);
	if (why)
		finish(k, -DVM_EPROTO, why);
	else if (k->have == GREETING)
		finish(k, 0, "");
}

static void on_written(uv_write_t *req, int status)
{
}

static void on_timer(uv_timer_t *h)
{
	struct dvmd_knock *k = h->data;

	if (k->connected)
		finish(k, -DVM_EPROTO, "what listens there says nothing: it hangs, or is not dvm");
	else
		finish(k, -ETIMEDOUT, "no answer from that address");
}

static int exchange(struct dvmd_knock *k)
{
	uv_buf_t buf = uv_buf_init(k->ours, GREETING);
	uint64_t left = uv_timer_get_due_in(&k->timer);

	k->connected = true;
	uv_timer_start(&k->timer, on_timer, left < SILENCE_MS ? left : SILENCE_MS, 0);
	int rc = uv_read_start((uv_stream_t *)&k->tcp, on_alloc, on_read);
	return rc < 0 ? rc : uv_write(&k->write, (uv_stream_t *)&k->tcp, &buf, 1, on_written);
}

static void on_connected(uv_connect_t *req, int status)
{
	struct dvmd_knock *k = req->handle->data;

	if (status == UV_ECANCELED)
		return;
	if (status == 0)
		status = exchange(k);
	if (status < 0)
		finish(k, status,
		       status == -ECONNREFUSED ? "nobody listens there" : dvm_strerror(status));
}

static void greet(char out[GREETING])
{
	memset(out, 0, GREETING);
	out[0] = (char)0xff;
	out[SIGNATURE - 1] = 0x7f;
	out[SIGNATURE] = 3;
	memcpy(out + MECHANISM, "CURVE", 5);
}

static int parse(struct sockaddr_storage *out, const char *address, uint16_t port)
{
	int rc = uv_ip4_addr(address, port, (struct sockaddr_in *)out);

	return rc < 0 ? uv_ip6_addr(address, port, (struct sockaddr_in6 *)out) : rc;
}

static int start(struct dvmd_knock *k, const char *source, const char *address, uint16_t port)
{
	struct sockaddr_storage from, to;

	if (parse(&from, source, 0) < 0 || parse(&to, address, port) < 0)
		return -EINVAL;
	int rc = uv_tcp_bind(&k->tcp, (struct sockaddr *)&from, 0);
	if (rc < 0)
		return rc;
	rc = uv_tcp_connect(&k->connect, &k->tcp, (struct sockaddr *)&to, on_connected);
	/* The kernel's word for a source, such as 127.0.0.1, from which no way leads there. */
	return rc == -EINVAL ? -ENETUNREACH : rc;
}

int dvmd_knock_open(struct dvmd_knock **out, uv_loop_t *loop, const char *source,
		    const char *address, uint16_t port, uint64_t timeout_ns, dvmd_knock_fn *cb,
		    void *arg)
{
	struct dvmd_knock *k = calloc(1, sizeof *k);

	if (!k)
		return -ENOMEM;
	k->cb = cb;
	k->arg = arg;
	greet(k->ours);
	uv_tcp_init(loop, &k->tcp);
	uv_timer_init(loop, &k->timer);
	k->tcp.data = k->timer.data = k;
	uv_update_time(loop);
	uv_timer_start(&k->timer, on_timer, timeout_ns / DVMI_MSEC, 0);
	int rc = start(k, source, address, port);
	if (rc < 0) {
		dvmd_knock_close(k);
		return rc;
	}
	*out = k;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct dvmd_knock *k = h->data;

	if (--k->handles == 0)
		free(k);
}

void dvmd_knock_close(struct dvmd_knock *k)
{
	if (!k || k->closed)
		return;
	k->closed = true;
	k->handles = 2;
	uv_close((uv_handle_t *)&k->tcp, on_closed);
	uv_close((uv_handle_t *)&k->timer, on_closed);
}
