/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-fs (virtio 1.2, 5.11): the driver speaks FUSE with somebody who has the queues themselves.
 * So there are no requests here, only the question who has the rings. Pure.
 *
 *	here ──hand_over──► away ──take_back──► coming ──vmm_vfs_back──► here
 *	                      └──────────vmm_vfs_lost──────────┴──► lost
 *
 * Rings that are not here count as a request in flight: a reset and a pause wait until they are
 * back. Who has lost them stays so; the driver is told that the device needs a reset.
 */
#ifndef VMM_VIRTIO_FS_H
#define VMM_VIRTIO_FS_H

#include "kvm-node/vdev.h"

enum {
	VMM_FS_QUEUES = 2, /* urgent ones, and all others */
	VMM_FS_TAG = 36,   /* bytes of its name */
};

struct vmm_vfs_ops {
	/* The rings that are ready are somebody else's from here on. -E…: they cannot be. */
	int (*hand_over)(void *ctx);
	/* They are to be given back; vmm_vfs_back() or vmm_vfs_lost() follows. */
	int (*take_back)(void *ctx);
	/* There may be something in queue Q, and whoever has it was not told by the driver. */
	void (*kick)(void *ctx, unsigned q);
};

enum vmm_vfs_rings { VMM_FS_HERE, VMM_FS_AWAY, VMM_FS_COMING, VMM_FS_LOST };

struct vmm_vfs {
	struct vmm_vdev v;
	const struct vmm_vfs_ops *ops;
	void *ctx;
	enum vmm_vfs_rings rings;
	uint16_t base[VMM_FS_QUEUES]; /* where each ring goes on when it is handed over */
};

/* FEATURES: of the transport, what whoever gets the rings can do. TAG has at most VMM_FS_TAG bytes. */
void vmm_vfs_init(struct vmm_vfs *f, const struct vmm_gmem *mem, const char *tag, uint64_t features,
		  const struct vmm_vfs_ops *ops, void *ctx);

/* Lock held. All rings are back, `base` says how far they have come. */
void vmm_vfs_back(struct vmm_vfs *f);
/* Whoever had them is gone. */
void vmm_vfs_lost(struct vmm_vfs *f);
/* There are answers in queue Q. */
void vmm_vfs_signal(struct vmm_vfs *f, unsigned q);

#endif
