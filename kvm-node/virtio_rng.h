/* SPDX-License-Identifier: BSD-3-Clause */
/* Entropy for the guest. Pure but for where the bytes come from. */
#ifndef VMM_VIRTIO_RNG_H
#define VMM_VIRTIO_RNG_H

#include "kvm-node/vdev.h"

enum { VMM_RNG_MOST = 4096 }; /* bytes for one request */

struct vmm_vrng {
	struct vmm_vdev v;
	/* Fills BUF; how much of it is the result, or -E…: the request gets nothing. */
	ssize_t (*bytes)(void *ctx, void *buf, size_t len);
	void *ctx;
	struct vmm_chain chain;
	uint64_t given;
};

void vmm_vrng_init(struct vmm_vrng *r, const struct vmm_gmem *mem,
		   ssize_t (*bytes)(void *ctx, void *buf, size_t len), void *ctx);

#endif
