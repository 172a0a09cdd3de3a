/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "kvm-node/virtio_console.h"

static void put_out(struct vmm_vconsole *c)
{
	for (unsigned i = 0; i < c->chain.nout; i++)
		c->output(c->ctx, c->chain.iov[i].iov_base, c->chain.iov[i].iov_len);
}

static void kick(struct vmm_vdev *v, unsigned q)
{
	struct vmm_vconsole *c = (struct vmm_vconsole *)v;

	if (q == VMM_CONSOLE_RX) {
		if (c->starved && c->room) {
			c->starved = false;
			c->room(c->ctx);
		}
		return;
	}
	do {
		while (vmm_vdev_pop(v, q, &c->chain)) {
			put_out(c);
			vmm_vdev_push(v, q, c->chain.head, 0);
		}
	} while (vmm_vdev_more(v, q));
	vmm_vdev_signal(v, q);
}

size_t vmm_vconsole_input(struct vmm_vconsole *c, const void *bytes, size_t len)
{
	size_t done = 0;

	c->v.budget = VMM_VDEV_BUDGET;
	do {
		while (done < len && vmm_vdev_pop(&c->v, VMM_CONSOLE_RX, &c->chain)) {
			const struct vmm_chain *r = &c->chain;
			size_t n = vmm_iov_write(r->iov + r->nout, r->nin, 0,
						 (const char *)bytes + done, len - done);
			vmm_vdev_push(&c->v, VMM_CONSOLE_RX, r->head, (uint32_t)n);
			done += n;
		}
	} while (done < len && vmm_vdev_more(&c->v, VMM_CONSOLE_RX));
	c->starved = done < len;
	vmm_vdev_signal(&c->v, VMM_CONSOLE_RX);
	return done;
}

static const struct vmm_vdev_type console_type = {
	.name = "console",
	.id = VIRTIO_ID_CONSOLE,
	.class = 0x078000,
	.nqueues = 2,
	.queue_size = 64,
	.config_len = sizeof(struct virtio_console_config),
	.lends = true,
	.kick = kick,
};

void vmm_vconsole_init(struct vmm_vconsole *c, const struct vmm_gmem *mem,
		       void (*output)(void *ctx, const void *bytes, size_t len),
		       void (*room)(void *ctx), void *ctx)
{
	memset(c, 0, sizeof *c);
	vmm_vdev_init(&c->v, &console_type, mem, 0);
	c->output = output;
	c->room = room;
	c->ctx = ctx;
}
