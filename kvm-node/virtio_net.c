/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "kvm-node/virtio_net.h"

#define OFFLOADS                                                                                   \
	(1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_HOST_TSO4 |                              \
	 1ull << VIRTIO_NET_F_HOST_TSO6 | 1ull << VIRTIO_NET_F_HOST_ECN | GUEST_OFFLOADS)
#define GUEST_OFFLOADS                                                                             \
	(1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_GUEST_TSO4 |                       \
	 1ull << VIRTIO_NET_F_GUEST_TSO6 | 1ull << VIRTIO_NET_F_GUEST_ECN)

uint64_t vmm_vnet_guest_offloads(const struct vmm_vnet *n)
{
	return n->v.agreed & GUEST_OFFLOADS;
}

/* 1: the packet in n->chain has gone or is no packet; 0: not now. */
static int send_one(struct vmm_vnet *n)
{
	const struct vmm_chain *c = &n->chain;
	size_t from = n->headers ? 0 : VMM_NET_HEADER;

	if (c->out_len < VMM_NET_HEADER + VMM_NET_FRAME_MIN || c->out_len > VMM_NET_PACKET_MAX) {
		n->tx_dropped++;
		return 1;
	}
	size_t len = c->out_len - from;
	unsigned k = vmm_iov_cut(c->iov, c->nout, from, len, n->cut);
	int rc = n->ops->send(n->ctx, n->cut, k, len);
	if (rc == -EAGAIN)
		return 0;
	n->tx_packets += rc >= 0;
	n->tx_dropped += rc < 0;
	n->tx_bytes += rc < 0 ? 0 : len;
	return 1;
}

static void transmit(struct vmm_vnet *n)
{
	struct vmm_virtq *q = &n->v.q[VMM_NET_TX];

	do {
		vmm_virtq_kicks(q, false);
		while (vmm_vdev_pop(&n->v, VMM_NET_TX, &n->chain)) {
			if (!send_one(n)) {
				vmm_virtq_unpop(q, 1);
				vmm_vdev_signal(&n->v, VMM_NET_TX);
				return; /* vmm_vnet_writable() comes */
			}
			vmm_vdev_push(&n->v, VMM_NET_TX, n->chain.head, 0);
		}
	} while (vmm_vdev_more(&n->v, VMM_NET_TX));
	vmm_vdev_signal(&n->v, VMM_NET_TX);
}

void vmm_vnet_writable(struct vmm_vnet *n)
{
	n->v.budget = VMM_VDEV_BUDGET;
	if (vmm_vdev_running(&n->v) && n->v.q[VMM_NET_TX].ready)
		transmit(n);
}

static void kick(struct vmm_vdev *v, unsigned q)
{
	struct vmm_vnet *n = (struct vmm_vnet *)v;

	if (q == VMM_NET_TX) {
		transmit(n);
	} else if (n->starved) {
		n->starved = false;
		vmm_virtq_kicks(&v->q[q], false);
		n->ops->room(n->ctx);
	}
}

/*
 * Spreads the packet over as many requests as it needs. Returns how many, 0 if there are too few
 * of them now; -EPROTO: the device has failed; -EMSGSIZE: it will never fit.
 */
static int spread(struct vmm_vnet *n, const uint8_t *packet, size_t len)
{
	struct vmm_virtq *q = &n->v.q[VMM_NET_RX];
	struct iovec first[2] = { { 0 } };
	unsigned k = 0, most = vmm_vdev_agreed(&n->v, VIRTIO_NET_F_MRG_RXBUF) ? VMM_NET_BUFFERS : 1;
	size_t done = 0;

	for (; done < len && k < most; k++) {
		struct vmm_chain *c = &n->chain;
		if (!vmm_vdev_pop(&n->v, VMM_NET_RX, c)) {
			vmm_virtq_unpop(q, k);
			return q->broken ? -EPROTO : 0;
		}
		if (k == 0 && c->in_len >= VMM_NET_HEADER) {
			vmm_iov_write(c->iov + c->nout, c->nin, 0, packet, VMM_NET_HEADER);
			vmm_iov_cut(c->iov + c->nout, c->nin, 10, 2, first);
		} else if (k == 0) {
			vmm_vdev_fail(&n->v);
			return -EPROTO;
		}
		size_t some = vmm_iov_write(c->iov + c->nout, c->nin, 0, packet + done, len - done);
		vmm_virtq_fill(q, k, c->head, (uint32_t)some);
		done += some;
	}
	if (done < len) {
		vmm_virtq_unpop(q, k);
		return -EMSGSIZE;
	}
	uint16_t buffers = (uint16_t)k;
	vmm_iov_write(first, 2, 0, &buffers, sizeof buffers);
	return (int)k;
}

/* A vCPU starts the device, and may not do to the host what its offloads need. */
static void tell_back_end(struct vmm_vnet *n)
{
	if (!n->fresh)
		return;
	n->fresh = false;
	if (n->ops->started)
		n->ops->started(n->ctx);
}

static void turn(struct vmm_vdev *v)
{
	tell_back_end((struct vmm_vnet *)v);
}

int vmm_vnet_receive(struct vmm_vnet *n, const uint8_t *packet, size_t len)
{
	struct vmm_virtq *q = &n->v.q[VMM_NET_RX];
	uint16_t had;
	int k;

	tell_back_end(n);
	if (n->v.paused) {
		n->starved = true;
		return -EAGAIN;
	}
	n->v.budget = VMM_VDEV_BUDGET;
	if (!vmm_vdev_running(&n->v) || !q->ready || len < VMM_NET_HEADER + VMM_NET_FRAME_MIN) {
		n->rx_dropped++;
		return 0;
	}
	do {
		had = vmm_virtq_waiting(q);
		k = spread(n, packet, len);
	} while (!k && vmm_virtq_await(q, had)); /* more came meanwhile */
	if (!k) {
		n->starved = true;
		return -EAGAIN;
	}
	if (k < 0) {
		n->rx_dropped++;
		return 0;
	}
	vmm_virtq_publish(q, (unsigned)k);
	n->rx_packets++;
	n->rx_bytes += len - VMM_NET_HEADER;
	return 0;
}

static void start(struct vmm_vdev *v)
{
	((struct vmm_vnet *)v)->fresh = true;
}

/* Who has been told that there is no room waits for the next driver's. */
static void stop(struct vmm_vdev *v)
{
	((struct vmm_vnet *)v)->fresh = false;
}

static const struct vmm_vdev_type net_type = {
	.name = "net",
	.id = VIRTIO_ID_NET,
	.class = 0x020000,
	.nqueues = 2,
	.queue_size = VMM_NET_QUEUE,
	.config_len = offsetof(struct virtio_net_config, speed),
	.start = start,
	.lends = true,
	.kick = kick,
	.stop = stop,
	.turn = turn,
};

void vmm_vnet_init(struct vmm_vnet *n, const struct vmm_gmem *mem, const uint8_t mac[6],
		   uint16_t mtu, bool headers, const struct vmm_vnet_ops *ops, void *ctx)
{
	struct virtio_net_config regs = { .status = VIRTIO_NET_S_LINK_UP, .mtu = mtu };
	uint64_t features = 1ull << VIRTIO_NET_F_MAC | 1ull << VIRTIO_NET_F_STATUS |
			    1ull << VIRTIO_NET_F_MRG_RXBUF;

	memset(n, 0, sizeof *n);
	vmm_vdev_init(&n->v, &net_type, mem,
		      features | (mtu ? 1ull << VIRTIO_NET_F_MTU : 0) | (headers ? OFFLOADS : 0));
	memcpy(regs.mac, mac, sizeof regs.mac);
	memcpy(n->v.config, &regs, net_type.config_len);
	n->headers = headers;
	n->ops = ops;
	n->ctx = ctx;
}
