/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JOIN: one request to a machine that does not know us, by a connection made with a token's keys.
 * First a knock, which says exactly why there is no daemon to speak to; then the request.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/knock.h"
#include "daemon/transport_private.h"
#include "libdvm/base/clock.h"

#define REQUEST 1 /* the only one of its connection */

struct dvmd_join {
	struct dvmd_transport *t;
	struct dvmd_knock *knock; /* one of these two at a time */
	struct dvmd_dial *dial;
	char address[64];
	uint16_t port;
	uint8_t server_key[DVMD_KEY_BYTES], public_key[DVMD_KEY_BYTES], secret_key[DVMD_KEY_BYTES];
	uint64_t deadline;
	dvmd_reply_fn *cb;
	void *arg;
	struct dvmd_join *prev, *next;
	size_t len;
	uint8_t body[];
};

static void release(struct dvmd_join *j)
{
	DL_DELETE(j->t->joins, j);
	dvmd_knock_close(j->knock);
	dvmd_dial_close(j->dial);
	sodium_memzero(j->secret_key, sizeof j->secret_key);
	free(j);
}

static void finish(struct dvmd_join *j, int code, const char *text)
{
	dvmd_reply_fn *cb = j->cb;
	void *arg = j->arg;

	release(j);
	cb(code, text, 0, NULL, 0, arg);
}

static void on_failed(int code, const char *text, void *arg)
{
	struct dvmd_join *j = arg;

	j->dial = NULL; /* closed by itself */
	finish(j, code, text);
}

static void on_message(struct dvmd_frames *f, void *arg)
{
	struct dvmd_join *j = arg;
	dvmd_reply_fn *cb = j->cb;
	void *cb_arg = j->arg;
	struct dvmi_envelope env;
	int rc = dvmi_envelope_decode(zmq_msg_data(&f->env), zmq_msg_size(&f->env), &env);

	if (rc == 0 && env.type == DVMI_MSG_VERSION)
		rc = -DVM_EVERSION;
	else if (rc == 0 && (!(env.flags & DVMI_FLAG_REPLY) || env.request != REQUEST))
		rc = -DVM_EPROTO;
	if (rc < 0) {
		finish(j, rc, dvm_strerror(rc));
		return;
	}
	release(j);
	dvmd_pending_deliver(&env, zmq_msg_data(&f->body), zmq_msg_size(&f->body), cb, cb_arg);
}

static const struct dvmd_dial_ops ops = {
	.message = on_message,
	.failed = on_failed,
};

static uint64_t time_left(const struct dvmd_join *j)
{
	uint64_t now = dvmi_clock_mono();

	return now < j->deadline ? j->deadline - now : DVMI_MSEC;
}

static int ask(struct dvmd_join *j)
{
	struct dvmd_dial_config config = { .address = j->address,
					   .port = j->port,
					   .server_key = j->server_key,
					   .public_key = j->public_key,
					   .secret_key = j->secret_key,
					   .timeout_ns = time_left(j),
					   .ops = &ops,
					   .arg = j };
	struct dvmi_envelope env = dvmd_transport_envelope(j->t, DVMI_MSG_JOIN, 0, REQUEST);
	int rc = dvmd_dial_open(&j->dial, j->t, &config);

	return rc < 0 ? rc : dvmd_dial_send(j->dial, &env, j->body, j->len);
}

static void on_knocked(int code, const char *text, void *arg)
{
	struct dvmd_join *j = arg;

	j->knock = NULL; /* closed by itself */
	if (code == 0) {
		code = ask(j);
		text = dvm_strerror(code);
	}
	if (code < 0)
		finish(j, code, text);
}

int dvmd_transport_join(struct dvmd_transport *t, const char *address, uint16_t port,
			const uint8_t *server_key, const uint8_t *token_public,
			const uint8_t *token_secret, const void *body, size_t len,
			uint64_t timeout_ns, dvmd_reply_fn *cb, void *arg)
{
	struct dvmd_join *j = len > DVMI_BODY_MAX ? NULL : calloc(1, sizeof *j + len);

	if (!j)
		return len > DVMI_BODY_MAX ? -EMSGSIZE : -ENOMEM;
	j->t = t;
	j->cb = cb;
	j->arg = arg;
	j->port = port;
	j->len = len;
	if (len)
		memcpy(j->body, body, len);
	snprintf(j->address, sizeof j->address, "%s", address);
	memcpy(j->server_key, server_key, DVMD_KEY_BYTES);
	memcpy(j->public_key, token_public, DVMD_KEY_BYTES);
	memcpy(j->secret_key, token_secret, DVMD_KEY_BYTES);
	j->deadline = dvmi_clock_mono() + timeout_ns;
	DL_APPEND(t->joins, j);
	int rc = dvmd_knock_open(&j->knock, t->config.loop, t->address, address, port, timeout_ns,
				 on_knocked, j);
	if (rc < 0)
		release(j);
	return rc;
}

void dvmd_join_cancel_all(struct dvmd_transport *t)
{
	while (t->joins)
		finish(t->joins, -ECANCELED, dvm_strerror(-ECANCELED));
}
