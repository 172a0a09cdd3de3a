/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is asked of a guest and not done yet: in order, and no more than so much, but that it is to stop,
 * which is never refused and comes first, and that its CPUs are to spread, which is asked once. Pure; the
 * caller locks.
 */
#ifndef VMM_ASKS_H
#define VMM_ASKS_H

#include "kvm-node/vmm.h"

#define VMM_ASKS_MAX 16u

struct vmm_asks {
	enum vmm_ask queue[VMM_ASKS_MAX];
	unsigned n;
	bool stop, spread;
};

/* -EAGAIN: there are too many. */
int vmm_asks_put(struct vmm_asks *a, enum vmm_ask what);
/* False: there is none. */
bool vmm_asks_take(struct vmm_asks *a, enum vmm_ask *what);
bool vmm_asks_none(const struct vmm_asks *a);
/* The guest that was to spread is no more. */
void vmm_asks_forget_spread(struct vmm_asks *a);

#endif
