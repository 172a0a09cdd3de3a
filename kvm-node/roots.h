/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The page tables with which this host's vCPUs have run lately, as seen now and then. Those of a
 * process that has ended become something else, so what was not seen for long counts no more. Pure;
 * times in ns.
 */
#ifndef VMM_ROOTS_H
#define VMM_ROOTS_H

#include <linux/kvm.h>

#include "shm/dsm.h"

#define VMM_ROOTS_LATELY UINT64_C(2000000000) /* a vCPU that runs may not be seen for a second */

struct vmm_roots {
	struct {
		struct dsm_root root;
		uint64_t seen; /* 0: nothing here */
	} of[DSM_ROOTS];
};

/* The tables of a vCPU with these registers; false: none whose entries have 8 bytes. */
bool vmm_roots_of(const struct kvm_sregs *s, struct dsm_root *root);
/* It was in use at NOW, which is not 0. The one that was seen the longest ago makes room. */
void vmm_roots_saw(struct vmm_roots *r, const struct dsm_root *root, uint64_t now);
/* Those seen lately, to OUT[DSM_ROOTS]; how many. */
unsigned vmm_roots_lately(const struct vmm_roots *r, uint64_t now, struct dsm_root *out);

#endif
