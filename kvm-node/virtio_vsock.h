/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets between guest and host: connections, their credit and their packets. Pure: streams of the
 * host are behind functions.
 *
 * A connection is a row of a table, found by its two ports; of others the guest hears RST. What we
 * owe the guest waits in the row until there is a buffer for it, so that nothing has to be stored.
 */
#ifndef VMM_VIRTIO_VSOCK_H
#define VMM_VIRTIO_VSOCK_H

#include "kvm-node/vdev.h"

enum {
	VMM_VSOCK_RX,
	VMM_VSOCK_TX,
	VMM_VSOCK_EVENTS,
	VMM_VSOCK_CONNS = 256,
	VMM_VSOCK_BUF = 65536,	 /* bytes of the guest's that a stream holds for the host */
	VMM_VSOCK_PIECE = 4096,	 /* of data in one packet to the guest */
	VMM_VSOCK_REFUSALS = 64, /* that wait for a buffer */
	VMM_VSOCK_HOST = 2,
};

enum vmm_vsock_state { VMM_VSOCK_FREE, VMM_VSOCK_ASKED, VMM_VSOCK_ASKING, VMM_VSOCK_OPEN };

struct vmm_vsock_conn {
	enum vmm_vsock_state state; /* ASKED by the guest; ASKING it */
	uint32_t host_port, guest_port;
	uint32_t peer_alloc, peer_fwd, sent; /* credit of ours with the guest */
	uint32_t received, fwd, told;	     /* and of the guest's with us */
	uint32_t owed;			     /* bits by VIRTIO_VSOCK_OP_… */
	uint32_t guest_shut, host_shut;	     /* VIRTIO_VSOCK_SHUTDOWN_… */
	void *stream;			     /* the back end's */
};

struct vmm_vsock_ops {
	/* The guest asks for the host's port. 0: an answer follows; negative: refused. */
	int (*connect)(void *ctx, struct vmm_vsock_conn *c);
	/* The guest has taken (OK) or refused what vmm_vsock_ask() asked. Refused, C is gone. */
	void (*answered)(void *ctx, struct vmm_vsock_conn *c, bool ok);
	/* Bytes of the guest's, within VMM_VSOCK_BUF; vmm_vsock_consumed() when they have gone on.
	 */
	void (*data)(void *ctx, struct vmm_vsock_conn *c, const void *bytes, size_t len);
	/* The guest sends no more. */
	void (*ended)(void *ctx, struct vmm_vsock_conn *c);
	/* C is gone with this; so goes its stream. */
	void (*gone)(void *ctx, struct vmm_vsock_conn *c);
	/* There may be room for data again, on any connection. */
	void (*room)(void *ctx);
};

struct vmm_vsock {
	struct vmm_vdev v;
	uint64_t cid;
	const struct vmm_vsock_ops *ops;
	void *ctx;
	struct vmm_vsock_conn conn[VMM_VSOCK_CONNS];
	struct {
		uint32_t host_port, guest_port;
	} refuse[VMM_VSOCK_REFUSALS];
	unsigned n_refuse;
	uint32_t next_port;
	bool starved;
	struct vmm_chain chain, rx;
	uint8_t buf[VMM_VSOCK_BUF];
	uint64_t rx_bytes, tx_bytes, refused;
};

/* CID: the guest's, 3 or more. V is big. */
void vmm_vsock_init(struct vmm_vsock *s, const struct vmm_gmem *mem, uint64_t cid,
		    const struct vmm_vsock_ops *ops, void *ctx);

/* In all that follows the lock is held. */

/* The back end asks the guest for its PORT. NULL: there is no row, or no driver. */
struct vmm_vsock_conn *vmm_vsock_ask(struct vmm_vsock *s, uint32_t port, void *stream);
/* What connect() asked for is there, or is not: then C is gone. */
void vmm_vsock_accept(struct vmm_vsock *s, struct vmm_vsock_conn *c);
void vmm_vsock_refuse(struct vmm_vsock *s, struct vmm_vsock_conn *c);
/* How much vmm_vsock_send() would take now, of what has not been read yet. */
size_t vmm_vsock_room(struct vmm_vsock *s, const struct vmm_vsock_conn *c);
/* At most that much. How much was taken; -EAGAIN: nothing now after all. */
ssize_t vmm_vsock_send(struct vmm_vsock *s, struct vmm_vsock_conn *c, const void *bytes,
		       size_t len);
void vmm_vsock_consumed(struct vmm_vsock *s, struct vmm_vsock_conn *c, size_t len);
/* The host sends no more. */
void vmm_vsock_end(struct vmm_vsock *s, struct vmm_vsock_conn *c);
/* The stream is gone; gone() is not called. */
void vmm_vsock_close(struct vmm_vsock *s, struct vmm_vsock_conn *c);

#endif
