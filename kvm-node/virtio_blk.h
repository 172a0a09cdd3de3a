/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio block device: what its requests say. Pure: a request that makes sense is handed to
 * `submit`, whose owner says vmm_vblk_done() when it is done, at once or later.
 */
#ifndef VMM_VIRTIO_BLK_H
#define VMM_VIRTIO_BLK_H

#include "kvm-node/vdev.h"

enum vmm_blk_op {
	VMM_BLK_READ,
	VMM_BLK_WRITE,
	VMM_BLK_FLUSH,
	VMM_BLK_DISCARD,    /* what is there may become zeros */
	VMM_BLK_ZERO,	    /* what is there becomes zeros, its room stays */
	VMM_BLK_ZERO_UNMAP, /* ... its room may go */
	VMM_BLK_OPS,
};

enum {
	VMM_BLK_SECTOR = 512,
	VMM_BLK_QUEUE = 256,
	VMM_BLK_SEGMENTS = 254, /* of data, in one request */
	VMM_BLK_RANGES = 16,	/* of discard and write-zeroes */
	VMM_BLK_ID = 20,
	VMM_BLK_ERRNO_MAX = 256,
};

/* A part of a request, all within the disk. READ and WRITE have vectors, others ranges. */
struct vmm_blk_range {
	uint64_t at, len; /* bytes */
};

struct vmm_blk_req {
	struct vmm_vblk *b;
	struct vmm_blk_req *next;
	enum vmm_blk_op op;
	uint64_t at, len;
	unsigned nranges, niov;
	struct vmm_blk_range range[VMM_BLK_RANGES];
	struct iovec iov[VMM_BLK_SEGMENTS];
	/* Ours. */
	uint8_t queue;
	uint16_t head;
	uint8_t *status;
};

struct vmm_blk_config {
	uint64_t size; /* bytes; what is beyond the last whole sector is not seen */
	bool ro, discard;
	unsigned queues; /* 0: one */
	char id[VMM_BLK_ID];
};

struct vmm_vblk {
	struct vmm_vdev v;
	struct vmm_vdev_type type; /* with as many queues as there are */
	struct vmm_blk_config c;
	void (*submit)(void *ctx, struct vmm_blk_req *r);
	void *ctx;
	struct vmm_blk_req *free;
	struct vmm_chain chain;
	uint8_t queue; /* where it is from */
	uint64_t count[VMM_BLK_OPS], bytes[VMM_BLK_OPS], errors;
	uint64_t seen[VMM_BLK_ERRNO_MAX / 64]; /* errors of the disk, a bit each */
};

void vmm_vblk_init(struct vmm_vblk *b, const struct vmm_gmem *mem, const struct vmm_blk_config *c,
		   void (*submit)(void *ctx, struct vmm_blk_req *r), void *ctx);
void vmm_vblk_destroy(struct vmm_vblk *b); /* nothing is in flight any more */

/*
 * R is done; RESULT is 0 or negative (-EOPNOTSUPP, or an error of the disk). Lock held. Interrupts
 * are the caller's business: vmm_vdev_signal(&b->v, R->queue) after a batch.
 */
void vmm_vblk_done(struct vmm_blk_req *r, int result);

/* Whether RESULT is an error of the disk that this one has not had before. Lock held. */
bool vmm_vblk_is_new(struct vmm_vblk *b, int result);

#endif
