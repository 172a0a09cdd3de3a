/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/cli/conn.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/proto/stream.h"

struct cli_conn {
	uv_loop_t loop;
	uv_timer_t timer;
	struct dvmi_stream *stream;
	uint32_t request; /* the one under way */
	/* the call under way */
	const ProtobufCMessageDescriptor *desc;
	void *reply;
	cli_each_fn *each; /* NULL: one answer */
	void *each_arg;
	dvm_error_t *err;
	int code;
	bool done;
};

/* The first outcome counts: the end of the connection may be read together with the answer. */
static void finish(struct cli_conn *c, int code)
{
	if (c->done)
		return;
	c->code = code;
	c->done = true;
	uv_stop(&c->loop);
}

static void on_error_reply(struct cli_conn *c, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__Error *e = NULL;
	int rc = dvmi_pb_unpack(&pb__error__descriptor, body, len, &e);

	if (rc < 0)
		finish(c, dvmi_error_code(c->err, rc, "dvmd"));
	else
		finish(c, dvmi_error_set(c->err, e->code < 0 ? e->code : -EIO, "%s", e->text));
}

static void on_one(struct cli_conn *c, const uint8_t *body, size_t len)
{
	cleanup_pb void *msg = NULL;
	int rc = c->desc ? dvmi_pb_unpack(c->desc, body, len, &msg) : 0;

	if (rc < 0)
		finish(c, dvmi_error_code(c->err, rc, "the answer of dvmd"));
	else if (!c->each) {
		if (c->desc)
			*(void **)c->reply = take_ptr(msg);
		finish(c, 0);
	} else if ((rc = c->each(msg, c->each_arg)) < 0) {
		finish(c, rc);
	}
}

static void on_message(struct dvmi_stream *s, const struct dvmi_envelope *env, const uint8_t *body,
		       size_t len, void *arg)
{
	struct cli_conn *c = arg;

	if (c->done || env->request != c->request)
		return;
	if (env->type == DVMI_MSG_ERROR)
		on_error_reply(c, body, len);
	else if (env->type == DVMI_MSG_OK && (c->each || !c->desc))
		finish(c, 0);
	else
		on_one(c, body, len);
}

static void on_closed(struct dvmi_stream *s, int code, void *arg)
{
	struct cli_conn *c = arg;

	if (code == -DVM_EVERSION)
		finish(c,
		       dvmi_error_set(c->err, code, "dvmd speaks another version of the protocol"));
	else if (code == -DVM_EPROTO)
		finish(c, dvmi_error_set(c->err, code, "dvmd sent something that is no message"));
	else
		finish(c, dvmi_error_set(c->err, -DVM_EPEERLOST, "dvmd closed the connection"));
}

static const struct dvmi_stream_ops stream_ops = { .message = on_message, .closed = on_closed };

static void on_timeout(uv_timer_t *t)
{
	struct cli_conn *c = t->data;

	finish(c, dvmi_error_set(c->err, -ETIMEDOUT, "dvmd did not answer in time"));
}

int cli_connect(const char *path, dvm_error_t *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof sa.sun_path)
		return dvmi_error_code(err, -ENAMETOOLONG, "%s", path);
	strcpy(sa.sun_path, path);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return dvmi_error_code(err, -errno, "socket");
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		return dvmi_error_code(err, -errno, "%s", path);
	return take_fd(fd);
}

int cli_conn_open(struct cli_conn **out, const char *path, dvm_error_t *err)
{
	int fd = cli_connect(path, err);

	if (fd < 0)
		return fd;
	struct cli_conn *c = calloc(1, sizeof *c);
	if (!c || uv_loop_init(&c->loop) < 0) {
		close(fd);
		free(c);
		return dvmi_error_code(err, -ENOMEM, "connecting to dvmd");
	}
	uv_timer_init(&c->loop, &c->timer);
	c->timer.data = c;
	int rc = dvmi_stream_open(&c->stream, &c->loop, fd, &stream_ops, c);
	if (rc < 0) {
		cli_conn_close(c);
		return dvmi_error_code(err, rc, "%s", path);
	}
	*out = c;
	return 0;
}

void cli_conn_close(struct cli_conn *c)
{
	if (!c)
		return;
	dvmi_stream_destroy(c->stream);
	uv_close((uv_handle_t *)&c->timer, NULL);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	uv_loop_close(&c->loop);
	free(c);
}

/* Sends and runs the loop until somebody called finish(). */
static int transact(struct cli_conn *c, enum dvmi_msg_type type, const void *req, uint64_t timeout)
{
	struct dvmi_envelope env = { .type = (uint16_t)type, .request = ++c->request };
	int rc = req ? dvmi_stream_send_pb(c->stream, env, req)
		     : dvmi_stream_send(c->stream, env, NULL, 0);

	if (rc < 0)
		return dvmi_error_code(c->err, rc, "sending to dvmd");
	c->done = false;
	if (timeout)
		uv_timer_start(&c->timer, on_timeout, timeout / 1000000, 0);
	while (!c->done)
		uv_run(&c->loop, UV_RUN_DEFAULT);
	uv_timer_stop(&c->timer);
	return c->code;
}

int cli_conn_call(struct cli_conn *c, enum dvmi_msg_type type, const void *req,
		  const ProtobufCMessageDescriptor *desc, void *reply, uint64_t timeout,
		  dvm_error_t *err)
{
	c->desc = desc;
	c->reply = reply;
	c->each = NULL;
	c->err = err;
	return transact(c, type, req, timeout);
}

int cli_conn_stream(struct cli_conn *c, enum dvmi_msg_type type, const void *req,
		    const ProtobufCMessageDescriptor *desc, cli_each_fn *each, void *arg,
		    dvm_error_t *err)
{
	c->desc = desc;
	c->each = each;
	c->each_arg = arg;
	c->err = err;
	return transact(c, type, req, 0);
}

static int open_local(const struct cli *cli, struct cli_conn **out, dvm_error_t *err)
{
	dvm_error_t why;
	cleanup_free char *path = cli_socket(cli, &why);

	if (path)
		return cli_conn_open(out, path, err);
	return dvmi_error_set(err, why.code, "%s", why.text);
}

int cli_ask(const struct cli *cli, enum dvmi_msg_type type, const void *req,
	    const ProtobufCMessageDescriptor *desc, void *reply, dvm_error_t *err)
{
	struct cli_conn *conn;
	int rc = open_local(cli, &conn, err);

	if (rc < 0)
		return rc;
	rc = cli_conn_call(conn, type, req, desc, reply, CLI_CALL_TIMEOUT, err);
	cli_conn_close(conn);
	return rc;
}

int cli_ask_stream(const struct cli *cli, enum dvmi_msg_type type, const void *req,
		   const ProtobufCMessageDescriptor *desc, cli_each_fn *each, void *arg,
		   dvm_error_t *err)
{
	struct cli_conn *conn;
	int rc = open_local(cli, &conn, err);

	if (rc < 0)
		return rc;
	rc = cli_conn_stream(conn, type, req, desc, each, arg, err);
	cli_conn_close(conn);
	return rc;
}
