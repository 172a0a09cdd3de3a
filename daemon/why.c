/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a peer cannot be reached: a knock at its door, since libzmq only says that it cannot. */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "daemon/knock.h"
#include "daemon/transport_private.h"

struct dvmd_why {
	struct dvmd_transport *t;
	struct dvmd_knock *knock;
	dvmd_why_fn *cb;
	void *arg;
	struct dvmd_why *prev, *next;
};

static void finish(struct dvmd_why *w, int code, const char *text)
{
	dvmd_why_fn *cb = w->cb;
	void *arg = w->arg;

	DL_DELETE(w->t->whys, w);
	free(w);
	cb(code, text, arg);
}

static void on_knocked(int code, const char *text, void *arg)
{
	finish(arg, code, code == 0 ? "a dvmd listens there" : text);
}

int dvmd_transport_why(struct dvmd_transport *t, uint32_t id, uint64_t timeout_ns, dvmd_why_fn *cb,
		       void *arg)
{
	uint16_t port = 0;
	const char *address = dvmd_peers_address(t, id, &port);
	struct dvmd_why *w = address ? calloc(1, sizeof *w) : NULL;

	if (!w)
		return address ? -ENOMEM : -ENOENT;
	*w = (struct dvmd_why){ .t = t, .cb = cb, .arg = arg };
	DL_APPEND(t->whys, w);
	int rc = dvmd_knock_open(&w->knock, t->config.loop, t->address, address, port, timeout_ns,
				 on_knocked, w);
	if (rc < 0) {
		DL_DELETE(t->whys, w);
		free(w);
	}
	return rc;
}

void dvmd_why_cancel_all(struct dvmd_transport *t)
{
	while (t->whys) {
		struct dvmd_why *w = t->whys;
		dvmd_knock_close(w->knock);
		finish(w, -ECANCELED, dvm_strerror(-ECANCELED));
	}
}
