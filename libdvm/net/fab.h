/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport between nodes, over libfabric.
 *
 * Making it costs nothing: libfabric is loaded when the first packet goes to another node or a
 * peer on another node asks for our address, on a thread of its own, because loading it can take
 * 200 ms. Until then send says -EAGAIN. Addresses come through the owner: it is asked to publish
 * ours and to look a peer's up, and hands in what it hears.
 */
#ifndef DVMI_NET_FAB_H
#define DVMI_NET_FAB_H

#include <stdbool.h>

#include "libdvm/base/log.h"
#include "libdvm/net/tport.h"
#include "libdvm/net/wire.h"

struct dvmi_fab_config {
	const char *interface;	      /* numeric address to bind to; must outlive it */
	uint32_t port_low, port_high; /* ports to bind to; 0: any */
	uint64_t key;		      /* of the job */
	uint32_t self, size;
	struct dvmi_sink sink;
	struct dvmi_log *log;
	/* Our address is ADDR. 0 or -E…. */
	int (*publish)(void *arg, const void *addr, size_t len);
	/* Find the address of PEER; dvmi_fab_address() brings it. 0 or -E…. */
	int (*lookup)(void *arg, uint32_t peer);
	void *arg;
};

/* 0 or -ENOMEM. */
int dvmi_fab_create(struct dvmi_tport **out, const struct dvmi_fab_config *cfg);

/* Packets to or from PEER are likely: begins what takes long. */
void dvmi_fab_likely(struct dvmi_tport *t, uint32_t peer);
/* Somebody wants our address. */
void dvmi_fab_wanted(struct dvmi_tport *t);
/* The answer to a lookup: CODE 0 and the address, or why there is none. */
void dvmi_fab_address(struct dvmi_tport *t, uint32_t peer, int code, const void *addr, size_t len);
/* True once progress has something to do. */
bool dvmi_fab_active(const struct dvmi_tport *t);

#endif
