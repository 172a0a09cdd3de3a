/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/net/self.h"

#define PACKET_MAX (UINT32_C(1) << 30)

static int self_send(struct dvmi_tport *t, uint32_t peer, const struct dvmi_pkt *pkt,
		     const void *payload)
{
	return t->sink.packet(t->sink.arg, peer, pkt, payload);
}

static int nothing(struct dvmi_tport *t)
{
	return 0;
}

static int nothing_left(struct dvmi_tport *t, uint32_t peer, bool dead)
{
	return 0;
}

static int no_fds(struct dvmi_tport *t, struct pollfd *fds, int n)
{
	return 0;
}

static void no_disarm(struct dvmi_tport *t)
{
}

static void self_destroy(struct dvmi_tport *t)
{
	free(t);
}

static const struct dvmi_tport_ops self_ops = {
	.size = sizeof self_ops,
	.name = "self",
	.send = self_send,
	.progress = nothing,
	.drain = nothing_left,
	.arm = no_fds,
	.disarm = no_disarm,
	.flush = nothing,
	.destroy = self_destroy,
};

int dvmi_self_create(struct dvmi_tport **out, struct dvmi_sink sink)
{
	struct dvmi_tport *t = malloc(sizeof *t);

	if (!t)
		return -ENOMEM;
	*t = (struct dvmi_tport){
		.ops = &self_ops,
		.packet_max = PACKET_MAX,
		.eager_max = PACKET_MAX,
		.chunk = PACKET_MAX,
		.sink = sink,
	};
	*out = t;
	return 0;
}
