/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does the door close? Two connections to ourselves: one with a fresh key, which must be refused
 * by the ZAP handler and not by anything else, and one with our own key, which must be let in.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "daemon/transport_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"

#define TIMEOUT (10 * DVMI_SEC)

struct selftest {
	struct dvmd_dial *stranger, *self; /* NULL once decided */
	void (*cb)(int code, void *arg);
	void *arg;
};

static void finish(struct selftest *s, int code)
{
	void (*cb)(int, void *) = s->cb;
	void *arg = s->arg;

	dvmd_dial_close(s->stranger);
	dvmd_dial_close(s->self);
	free(s);
	cb(code, arg);
}

static void decide(struct selftest *s)
{
	if (!s->stranger && !s->self)
		finish(s, 0);
}

static void on_stranger_up(void *arg)
{
	finish(arg, -DVM_EAUTH);
}

static void on_stranger_failed(int code, const char *text, void *arg)
{
	struct selftest *s = arg;

	s->stranger = NULL;
	if (code == -DVM_EAUTH)
		decide(s);
	else
		finish(s, code);
}

static void on_self_up(void *arg)
{
	struct selftest *s = arg;

	dvmd_dial_close(take_ptr(s->self));
	decide(s);
}

static void on_self_failed(int code, const char *text, void *arg)
{
	struct selftest *s = arg;

	s->self = NULL;
	finish(s, code);
}

static const struct dvmd_dial_ops stranger_ops = {
	.up = on_stranger_up,
	.failed = on_stranger_failed,
};

static const struct dvmd_dial_ops self_ops = {
	.up = on_self_up,
	.failed = on_self_failed,
};

static int dial(struct dvmd_dial **out, struct selftest *s, struct dvmd_transport *t,
		const uint8_t *public_key, const uint8_t *secret_key,
		const struct dvmd_dial_ops *ops)
{
	struct dvmd_dial_config config = { .address = t->address,
					   .port = t->port,
					   .server_key = t->public_key,
					   .public_key = public_key,
					   .secret_key = secret_key,
					   .timeout_ns = TIMEOUT,
					   .ops = ops,
					   .arg = s };

	return dvmd_dial_open(out, t, &config);
}

static int dial_stranger(struct selftest *s, struct dvmd_transport *t)
{
	uint8_t secret[crypto_box_SECRETKEYBYTES];

	crypto_box_keypair(t->stranger, secret);
	return dial(&s->stranger, s, t, t->stranger, secret, &stranger_ops);
}

int dvmd_transport_selftest(struct dvmd_transport *t, void (*cb)(int code, void *arg), void *arg)
{
	struct selftest *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	s->cb = cb;
	s->arg = arg;
	int rc = dial_stranger(s, t);
	if (rc == 0)
		rc = dial(&s->self, s, t, t->public_key, t->secret_key, &self_ops);
	if (rc < 0) {
		dvmd_dial_close(s->stranger);
		free(s);
	}
	return rc;
}
