/* SPDX-License-Identifier: BSD-3-Clause */
/* JOIN: one request to a machine that does not know us, by a connection made with a token's keys. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/transport_private.h"

#define REQUEST 1 /* the only one of its connection */

struct join {
	struct dvmd_dial *dial;
	dvmd_reply_fn *cb;
	void *arg;
};

static void finish(struct join *j, int code, const char *text)
{
	dvmd_reply_fn *cb = j->cb;
	void *arg = j->arg;

	free(j);
	cb(code, text, 0, NULL, 0, arg);
}

static void on_failed(int code, const char *text, void *arg)
{
	finish(arg, code, text);
}

static void on_message(struct dvmd_frames *f, void *arg)
{
	struct join *j = arg;
	dvmd_reply_fn *cb = j->cb;
	void *cb_arg = j->arg;
	struct dvmi_envelope env;
	int rc = dvmi_envelope_decode(zmq_msg_data(&f->env), zmq_msg_size(&f->env), &env);

	dvmd_dial_close(j->dial);
	if (rc == 0 && env.type == DVMI_MSG_VERSION)
		rc = -DVM_EVERSION;
	else if (rc == 0 && (!(env.flags & DVMI_FLAG_REPLY) || env.request != REQUEST))
		rc = -DVM_EPROTO;
	if (rc < 0) {
		finish(j, rc, dvm_strerror(rc));
		return;
	}
	free(j);
	dvmd_pending_deliver(&env, zmq_msg_data(&f->body), zmq_msg_size(&f->body), cb, cb_arg);
}

static const struct dvmd_dial_ops ops = {
	.message = on_message,
	.failed = on_failed,
};

int dvmd_transport_join(struct dvmd_transport *t, const char *address, uint16_t port,
			const uint8_t *server_key, const uint8_t *token_public,
			const uint8_t *token_secret, const void *body, size_t len,
			uint64_t timeout_ns, dvmd_reply_fn *cb, void *arg)
{
	struct join *j = calloc(1, sizeof *j);

	if (!j)
		return -ENOMEM;
	j->cb = cb;
	j->arg = arg;
	struct dvmd_dial_config config = { .address = address,
					   .port = port,
					   .server_key = server_key,
					   .public_key = token_public,
					   .secret_key = token_secret,
					   .timeout_ns = timeout_ns,
					   .ops = &ops,
					   .arg = j };
	struct dvmi_envelope env = dvmd_transport_envelope(t, DVMI_MSG_JOIN, 0, REQUEST);
	int rc = dvmd_dial_open(&j->dial, t, &config);
	if (rc == 0)
		rc = dvmd_dial_send(j->dial, &env, body, len);
	if (rc < 0) {
		dvmd_dial_close(j->dial);
		free(j);
	}
	return rc;
}
