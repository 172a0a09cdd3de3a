/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does the door close? Two connections to ourselves: one with a fresh key, which must be refused
 * by the ZAP handler and not by anything else, and one with our own key, which must be let in.
 *
 * A handshake that takes libzmq too long, as on a host that stands still for some seconds, ends
 * without anybody having been asked: that says nothing about the door, so it is tried again.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "daemon/transport_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"

#define TIMEOUT (10 * DVMI_SEC)
#define TRIES	4

struct side {
	struct selftest *test;
	struct dvmd_dial *dial; /* NULL once it has an answer */
	const uint8_t *public_key, *secret_key;
	unsigned tries;
	bool known; /* its key is ours */
};

struct selftest {
	struct dvmd_transport *t;
	struct side stranger, self;
	uint8_t secret[crypto_box_SECRETKEYBYTES]; /* the stranger's */
	void (*cb)(int code, void *arg);
	void *arg;
};

static void finish(struct selftest *s, int code)
{
	void (*cb)(int, void *) = s->cb;
	void *arg = s->arg;

	dvmd_dial_close(s->stranger.dial);
	dvmd_dial_close(s->self.dial);
	free(s);
	cb(code, arg);
}

static void decide(struct selftest *s)
{
	if (!s->stranger.dial && !s->self.dial)
		finish(s, 0);
}

static void on_up(void *arg)
{
	struct side *side = arg;

	if (!side->known) {
		finish(side->test, -DVM_EAUTH);
		return;
	}
	dvmd_dial_close(take_ptr(side->dial));
	decide(side->test);
}

static int dial(struct side *side);

static void on_failed(int code, const char *text, void *arg)
{
	struct side *side = arg;

	side->dial = NULL;
	if (code == -ECANCELED)
		finish(side->test, code);
	else if (!side->known && side->test->t->stranger_refused)
		decide(side->test);
	else if (side->tries == TRIES || dial(side) < 0)
		finish(side->test, -ETIMEDOUT);
}

static const struct dvmd_dial_ops ops = {
	.up = on_up,
	.failed = on_failed,
};

static int dial(struct side *side)
{
	struct dvmd_transport *t = side->test->t;
	struct dvmd_dial_config config = { .address = t->address,
					   .port = t->port,
					   .server_key = t->public_key,
					   .public_key = side->public_key,
					   .secret_key = side->secret_key,
					   .timeout_ns = TIMEOUT,
					   .ops = &ops,
					   .arg = side };

	side->tries++;
	return dvmd_dial_open(&side->dial, t, &config);
}

int dvmd_transport_selftest(struct dvmd_transport *t, void (*cb)(int code, void *arg), void *arg)
{
	struct selftest *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	*s = (struct selftest){ .t = t, .cb = cb, .arg = arg };
	s->stranger = (struct side){ s, .public_key = t->stranger, .secret_key = s->secret };
	s->self = (struct side){ s, NULL, t->public_key, t->secret_key, .known = true };
	t->stranger_refused = false;
	crypto_box_keypair(t->stranger, s->secret);
	int rc = dial(&s->stranger);
	if (rc == 0)
		rc = dial(&s->self);
	if (rc < 0) {
		dvmd_dial_close(s->stranger.dial);
		free(s);
	}
	return rc;
}
