/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/virtio_ids.h>
#include <string.h>

#include "kvm-node/virtio_rng.h"

static size_t give(struct vmm_vrng *r)
{
	const struct vmm_chain *c = &r->chain;
	uint8_t buf[VMM_RNG_MOST];
	size_t want = c->in_len < sizeof buf ? c->in_len : sizeof buf;
	ssize_t n = r->bytes(r->ctx, buf, want);

	return n <= 0 ? 0 : vmm_iov_write(c->iov + c->nout, c->nin, 0, buf, (size_t)n);
}

static void kick(struct vmm_vdev *v, unsigned q)
{
	struct vmm_vrng *r = (struct vmm_vrng *)v;

	do {
		while (vmm_vdev_pop(v, q, &r->chain)) {
			size_t n = give(r);
			r->given += n;
			vmm_vdev_push(v, q, r->chain.head, (uint32_t)n);
		}
	} while (vmm_vdev_more(v, q));
	vmm_vdev_signal(v, q);
}

static const struct vmm_vdev_type rng_type = {
	.name = "rng",
	.id = VIRTIO_ID_RNG,
	.class = 0x00ff00,
	.nqueues = 1,
	.queue_size = 16,
	.lends = true,
	.kick = kick,
};

void vmm_vrng_init(struct vmm_vrng *r, const struct vmm_gmem *mem,
		   ssize_t (*bytes)(void *ctx, void *buf, size_t len), void *ctx)
{
	memset(r, 0, sizeof *r);
	vmm_vdev_init(&r->v, &rng_type, mem, 0);
	r->bytes = bytes;
	r->ctx = ctx;
}
