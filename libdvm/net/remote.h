/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport between nodes: what its users see of it, whichever it is. Two exist: TCP sockets
 * (tcp.c), the default, and libfabric (fab.c) with the provider that $DVM_FABRIC names, for
 * networks that are more than TCP.
 *
 * Making it costs nothing: work begins when the first packet goes to another node, a receive names
 * a peer there, or such a peer asks for our address. Until there is a connection send says
 * -EAGAIN. Addresses come through the owner: it is asked to publish ours and to look a peer's up,
 * and hands in what it hears. Functions as those of a transport: one thread at a time.
 */
#ifndef DVMI_NET_REMOTE_H
#define DVMI_NET_REMOTE_H

#include <stdbool.h>

#include "libdvm/base/log.h"
#include "libdvm/net/tport.h"

#define DVMI_REMOTE_ADDR_MAX 256 /* bytes of an address */

struct dvmi_remote_config {
	const char *interface;	      /* numeric address to bind to; must outlive it */
	uint32_t port_low, port_high; /* ports to bind to; 0: any */
	uint64_t key;		      /* of the job */
	uint32_t self, size;
	struct dvmi_sink sink;
	struct dvmi_log *log;
	/* Our address is ADDR. 0 or -E…. */
	int (*publish)(void *arg, const void *addr, size_t len);
	/* Find the address of PEER; dvmi_remote_address() brings it. 0 or -E…. */
	int (*lookup)(void *arg, uint32_t peer);
	void *arg;
};

struct dvmi_remote_ops {
	struct dvmi_tport_ops tport; /* first, since a transport points here */
	void (*likely)(struct dvmi_tport *t, uint32_t peer);
	void (*wanted)(struct dvmi_tport *t);
	void (*address)(struct dvmi_tport *t, uint32_t peer, int code, const void *addr,
			size_t len);
	bool (*active)(const struct dvmi_tport *t);
};

/* The one that $DVM_FABRIC asks for. 0 or -ENOMEM. */
int dvmi_remote_create(struct dvmi_tport **out, const struct dvmi_remote_config *cfg);

static inline const struct dvmi_remote_ops *dvmi_remote_ops_of(const struct dvmi_tport *t)
{
	return (const struct dvmi_remote_ops *)(const void *)t->ops;
}

/* Packets to or from PEER are likely: begins what takes long. */
static inline void dvmi_remote_likely(struct dvmi_tport *t, uint32_t peer)
{
	dvmi_remote_ops_of(t)->likely(t, peer);
}

/* Somebody wants our address. */
static inline void dvmi_remote_wanted(struct dvmi_tport *t)
{
	dvmi_remote_ops_of(t)->wanted(t);
}

/* The answer to a lookup: CODE 0 and the address, or why there is none. */
static inline void dvmi_remote_address(struct dvmi_tport *t, uint32_t peer, int code,
				       const void *addr, size_t len)
{
	dvmi_remote_ops_of(t)->address(t, peer, code, addr, len);
}

/* True once progress has something to do. */
static inline bool dvmi_remote_active(const struct dvmi_tport *t)
{
	return dvmi_remote_ops_of(t)->active(t);
}

#endif
