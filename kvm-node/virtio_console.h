/* SPDX-License-Identifier: BSD-3-Clause */
/* A console of one port: bytes both ways. Pure. */
#ifndef VMM_VIRTIO_CONSOLE_H
#define VMM_VIRTIO_CONSOLE_H

#include "kvm-node/vdev.h"

enum { VMM_CONSOLE_RX, VMM_CONSOLE_TX };

struct vmm_vconsole {
	struct vmm_vdev v;
	/* What the guest writes. It must be taken, or thrown away. */
	void (*output)(void *ctx, const void *bytes, size_t len);
	/* After vmm_vconsole_input() could not take all: there is room again. May be NULL. */
	void (*room)(void *ctx);
	void *ctx;
	bool starved;
	struct vmm_chain chain;
};

void vmm_vconsole_init(struct vmm_vconsole *c, const struct vmm_gmem *mem,
		       void (*output)(void *ctx, const void *bytes, size_t len),
		       void (*room)(void *ctx), void *ctx);

/* Bytes for the guest; how many it takes now. Lock held. */
size_t vmm_vconsole_input(struct vmm_vconsole *c, const void *bytes, size_t len);

#endif
