/* SPDX-License-Identifier: BSD-3-Clause */
/* Entropy and balloon: what they need of the host is a call each. */
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <stdlib.h>
#include <sys/random.h>

#include "kvm-node/dev_virtio.h"
#include "kvm-node/virtio_balloon.h"
#include "kvm-node/virtio_rng.h"
#include "kvm-node/vmm.h"
#include "libdvm/base/err.h"

struct rng {
	struct vmm_vdevice base;
	struct vmm_vrng r;
};

static ssize_t random_bytes(void *ctx, void *buf, size_t len)
{
	ssize_t n = getrandom(buf, len, GRND_NONBLOCK);

	return n < 0 ? -errno : n;
}

static void rng_stat(struct vmm_device *d, struct dvmi_buf *out)
{
	dvmi_buf_printf(out, "\"bytes\":%llu", (unsigned long long)((struct rng *)d)->r.given);
}

static const struct vmm_device_ops rng_ops = VMM_VDEVICE_OPS(rng_stat, vmm_vdevice_destroy);

int vmm_rng_create(struct vmm_vbus *bus, struct vmm_device **list, dvm_error_t *err)
{
	struct rng *r = bus->m->config->rng ? calloc(1, sizeof *r) : NULL;

	if (!r)
		return bus->m->config->rng ? dvmi_error_code(err, -ENOMEM, "rng") : 0;
	vmm_vrng_init(&r->r, &bus->mem, random_bytes, NULL);
	vmm_vdevice_list(&r->base, bus, "rng", 0, &rng_ops, list);
	return vmm_vdevice_open(&r->base, &r->r.v, err);
}

struct balloon {
	struct vmm_vdevice base;
	struct vmm_vballoon b;
};

static void balloon_stat(struct vmm_device *d, struct dvmi_buf *out)
{
	struct vmm_vballoon *b = &((struct balloon *)d)->b;

	vmm_vballoon_ask_soon(b);
	dvmi_buf_printf(out, "\"pages\":%u,\"ballooned_bytes\":%llu,\"reported_bytes\":%llu",
			vmm_vballoon_has(b), (unsigned long long)b->dropped,
			(unsigned long long)b->reported);
	if (b->stat[VIRTIO_BALLOON_S_AVAIL] != UINT64_MAX)
		dvmi_buf_printf(out, ",\"guest_available_bytes\":%llu,\"guest_total_bytes\":%llu",
				(unsigned long long)b->stat[VIRTIO_BALLOON_S_AVAIL],
				(unsigned long long)b->stat[VIRTIO_BALLOON_S_MEMTOT]);
}

static int balloon_leave(struct vmm_device *d, uint64_t bytes)
{
	struct balloon *b = (struct balloon *)d;
	uint64_t size = vmm_mem_size(b->base.bus->m->mem);

	if (!bytes || bytes > size)
		return -ERANGE;
	vmm_vballoon_want_soon(&b->b, (uint32_t)((size - bytes) / VMM_BALLOON_PAGE));
	return 0;
}

static const struct vmm_device_ops balloon_ops = {
	.reset = vmm_vdevice_reset,
	.pause = vmm_vdevice_pause,
	.resume = vmm_vdevice_resume,
	.leave = balloon_leave,
	.stat = balloon_stat,
	.destroy = vmm_vdevice_destroy,
};

int vmm_balloon_create(struct vmm_vbus *bus, struct vmm_device **list, dvm_error_t *err)
{
	struct balloon *b = bus->m->config->balloon ? calloc(1, sizeof *b) : NULL;

	if (!b)
		return bus->m->config->balloon ? dvmi_error_code(err, -ENOMEM, "balloon") : 0;
	vmm_vballoon_init(&b->b, &bus->mem);
	vmm_vdevice_list(&b->base, bus, "balloon", 0, &balloon_ops, list);
	return vmm_vdevice_open(&b->base, &b->b.v, err);
}
