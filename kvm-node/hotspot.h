/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which instructions of the guest wait for which pages: samples, of which the frequent ones are kept
 * (Metwally, Agrawal, El Abbadi: "space saving"). What was sampled more often than one time in
 * VMM_HOTSPOTS is in the table for sure. Pure.
 */
#ifndef VMM_HOTSPOT_H
#define VMM_HOTSPOT_H

#include <stdbool.h>
#include <stdint.h>

#define VMM_HOTSPOTS 256u

struct vmm_hotspot {
	uint64_t page; /* guest-physical */
	uint64_t at;   /* the instruction's address */
	uint32_t seen; /* 0: a free place */
};

struct vmm_hotspots {
	struct vmm_hotspot spot[VMM_HOTSPOTS];
};

void vmm_hotspots_add(struct vmm_hotspots *h, uint64_t page, uint64_t at);
/* The instruction that was seen most at PAGE. False: none was. */
bool vmm_hotspots_find(const struct vmm_hotspots *h, uint64_t page, uint64_t *at);

#endif
