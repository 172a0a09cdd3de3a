/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio network card: frames between queues and a back end. Pure.
 *
 * A packet is VMM_NET_HEADER bytes of struct virtio_net_hdr_v1 and a frame. A back end that
 * understands the header (a tap) gets and gives it, and offloads are offered; for others it is
 * empty and offloads are not.
 */
#ifndef VMM_VIRTIO_NET_H
#define VMM_VIRTIO_NET_H

#include "kvm-node/vdev.h"

enum {
	VMM_NET_RX,
	VMM_NET_TX,
	VMM_NET_HEADER = 12,
	VMM_NET_FRAME_MIN = 14,
	VMM_NET_FRAME_MAX = 65535 + 18,
	VMM_NET_PACKET_MAX = VMM_NET_HEADER + VMM_NET_FRAME_MAX,
	VMM_NET_QUEUE = 256,
	VMM_NET_BUFFERS = 64, /* that one packet may be spread over */
};

struct vmm_vnet_ops {
	/* A packet (with `headers`) or a frame goes out. 0, or -EAGAIN: vmm_vnet_writable()
	 * follows. */
	int (*send)(void *ctx, const struct iovec *iov, unsigned n, size_t len);
	/* After vmm_vnet_receive() had no room: there is some again. */
	void (*room)(void *ctx);
	/*
	 * The driver is ready: vmm_vnet_guest_offloads() is known. On the loop's thread, before the
	 * first packet. May be NULL.
	 */
	void (*started)(void *ctx);
};

struct vmm_vnet {
	struct vmm_vdev v;
	bool headers, starved;
	bool fresh; /* the back end has not been told of this driver */
	const struct vmm_vnet_ops *ops;
	void *ctx;
	struct vmm_chain chain;
	struct iovec cut[VMM_CHAIN_MAX];
	uint64_t rx_packets, rx_bytes, rx_dropped, tx_packets, tx_bytes, tx_dropped;
};

/* MTU 0: the driver decides. */
void vmm_vnet_init(struct vmm_vnet *n, const struct vmm_gmem *mem, const uint8_t mac[6],
		   uint16_t mtu, bool headers, const struct vmm_vnet_ops *ops, void *ctx);

/* Which offloads may packets to the guest use? Bits VIRTIO_NET_F_GUEST_…; lock held. */
uint64_t vmm_vnet_guest_offloads(const struct vmm_vnet *n);

/*
 * A packet for the guest, header first (zeros, if the back end knows none); lock held. 0: taken, or
 * dropped because nobody listens; -EAGAIN: there is no room, `room` will be called. The caller says
 * vmm_vdev_signal(&n->v, VMM_NET_RX) after a batch.
 */
int vmm_vnet_receive(struct vmm_vnet *n, const uint8_t *packet, size_t len);

/* The back end can send again; lock held. */
void vmm_vnet_writable(struct vmm_vnet *n);

#endif
