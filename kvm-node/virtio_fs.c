/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/virtio_fs.h"

#include <linux/virtio_config.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <string.h>

_Static_assert(sizeof(struct virtio_fs_config) <= VMM_VDEV_CONFIG, "has room");

static void start(struct vmm_vdev *v)
{
	struct vmm_vfs *f = (struct vmm_vfs *)v;

	memset(f->base, 0, sizeof f->base);
}

static void turn(struct vmm_vdev *v)
{
	struct vmm_vfs *f = (struct vmm_vfs *)v;
	bool wanted = vmm_vdev_running(v);

	if (wanted && f->rings == VMM_FS_LOST)
		vmm_vdev_fail(v);
	if (wanted && f->rings == VMM_FS_HERE) {
		f->rings = VMM_FS_AWAY;
		vmm_vdev_begin(v);
		if (f->ops->hand_over(f->ctx) < 0)
			vmm_vfs_lost(f);
	}
	if (!wanted && f->rings == VMM_FS_AWAY) {
		f->rings = VMM_FS_COMING;
		if (f->ops->take_back(f->ctx) < 0)
			vmm_vfs_lost(f);
	}
}

static void kick(struct vmm_vdev *v, unsigned q)
{
	struct vmm_vfs *f = (struct vmm_vfs *)v;

	if (f->rings == VMM_FS_AWAY)
		f->ops->kick(f->ctx, q);
}

static const struct vmm_vdev_type fs_type = {
	.name = "fs",
	.id = VIRTIO_ID_FS,
	.class = 0x018000,
	.nqueues = VMM_FS_QUEUES,
	.queue_size = 128,
	.config_len = sizeof(struct virtio_fs_config),
	.start = start,
	.kick = kick,
	.turn = turn,
};

void vmm_vfs_init(struct vmm_vfs *f, const struct vmm_gmem *mem, const char *tag, uint64_t features,
		  const struct vmm_vfs_ops *ops, void *ctx)
{
	struct virtio_fs_config *c = (void *)f->v.config;

	memset(f, 0, sizeof *f);
	f->ops = ops;
	f->ctx = ctx;
	vmm_vdev_init(&f->v, &fs_type, mem, 0);
	f->v.offered &= features;
	memcpy(c->tag, tag, strnlen(tag, sizeof c->tag));
	c->num_request_queues = VMM_FS_QUEUES - 1;
}

void vmm_vfs_back(struct vmm_vfs *f)
{
	if (f->rings != VMM_FS_COMING)
		return;
	f->rings = VMM_FS_HERE;
	vmm_vdev_end(&f->v);
	turn(&f->v); /* they may be wanted again by now */
}

void vmm_vfs_lost(struct vmm_vfs *f)
{
	bool out = f->rings == VMM_FS_AWAY || f->rings == VMM_FS_COMING;

	f->rings = VMM_FS_LOST;
	if (out)
		vmm_vdev_end(&f->v);
	if (vmm_vdev_running(&f->v))
		vmm_vdev_fail(&f->v);
}

void vmm_vfs_signal(struct vmm_vfs *f, unsigned q)
{
	if (f->rings != VMM_FS_HERE && !f->v.resetting && f->v.signal)
		f->v.signal(f->v.transport, (int)q);
}
