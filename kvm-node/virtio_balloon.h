/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The balloon: the guest gives pages back when it is asked to, and reports free ones by itself.
 * Pure: what is given back goes to gmem's drop().
 */
#ifndef VMM_VIRTIO_BALLOON_H
#define VMM_VIRTIO_BALLOON_H

#include <stdatomic.h>

#include "kvm-node/vdev.h"

enum { VMM_BALLOON_PAGE = 4096, VMM_BALLOON_STATS = 16 };

struct vmm_vballoon {
	struct vmm_vdev v;
	const struct vmm_gmem *mem;
	struct vmm_chain chain;
	uint64_t dropped, reported;	  /* bytes given back: to the balloon, as free pages */
	uint64_t refused;		  /* pages it named that are none */
	uint64_t stat[VMM_BALLOON_STATS]; /* by VIRTIO_BALLOON_S_…; UINT64_MAX: not known */
	bool stats_here;		  /* the driver waits to be asked */
	uint16_t stats_head;
	_Atomic uint64_t wish; /* pages that are wanted from now on, and one; 0: none */
	_Atomic bool wonder;   /* the driver is to be asked */
};

void vmm_vballoon_init(struct vmm_vballoon *b, const struct vmm_gmem *mem);

/* How many pages the guest shall give, and has given. Lock held. */
void vmm_vballoon_want(struct vmm_vballoon *b, uint32_t pages);
uint32_t vmm_vballoon_has(const struct vmm_vballoon *b);
/* Have the statistics brought up to date. */
void vmm_vballoon_ask(struct vmm_vballoon *b);

/*
 * The same, soon: for any thread, without the lock. Who has that may be telling other hosts of pages that
 * are not needed, and wait for one that does not answer.
 */
void vmm_vballoon_want_soon(struct vmm_vballoon *b, uint32_t pages);
void vmm_vballoon_ask_soon(struct vmm_vballoon *b);

#endif
