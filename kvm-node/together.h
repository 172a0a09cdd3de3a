/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a guest's CPUs get more done on one host than each on its own. CPUs that do nothing but wait
 * for each other's pages do so because they are on several hosts: where all that they get done is less
 * than what the processors of one host can do, they had better meet there. They part again when more of
 * them have something to do than that has processors; if it turns out that they should not have, they
 * stay together for longer the next time. Pure; times are in ns.
 */
#ifndef VMM_TOGETHER_H
#define VMM_TOGETHER_H

#include <stdbool.h>
#include <stdint.h>

#define VMM_TOGETHER_EVERY UINT64_C(1000000000) /* between two looks, about */
#define VMM_TOGETHER_LOOKS 3u			/* that are judged, one after the other */

/* What CPUs did with their time, on all hosts, since ever. */
struct vmm_load {
	uint64_t busy;	 /* processors ran them */
	uint64_t waited; /* they waited for pages */
	uint64_t wanted; /* they had something to do, and no page was missing; of who meets only */
};

struct vmm_together {
	unsigned processors; /* of the host where they meet */
	bool together;
	bool parted; /* after they had met, at least once */
	uint64_t since; /* they are where they are */
	uint64_t stay;	/* for so long they stay together at least */
	struct {
		uint64_t at;
		struct vmm_load load;
	} seen[VMM_TOGETHER_LOOKS + 1];
	unsigned n; /* looks since they are where they are */
};

enum vmm_together_do { VMM_TOGETHER_STAY, VMM_TOGETHER_MEET, VMM_TOGETHER_PART };

/* They are apart, and have not met yet. */
void vmm_together_begin(struct vmm_together *t, unsigned processors, uint64_t now);
/* What to do about it; moved() tells that it was done. */
enum vmm_together_do vmm_together_look(struct vmm_together *t, struct vmm_load load, uint64_t now);
void vmm_together_moved(struct vmm_together *t, bool together, uint64_t now);

#endif
