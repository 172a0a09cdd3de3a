/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/asks.h"

#include <errno.h>
#include <string.h>

int vmm_asks_put(struct vmm_asks *a, enum vmm_ask what)
{
	if (what == VMM_ASK_STOP)
		a->stop = true;
	else if (what == VMM_ASK_SPREAD)
		a->spread = true;
	else if (a->n == VMM_ASKS_MAX)
		return -EAGAIN;
	else
		a->queue[a->n++] = what;
	return 0;
}

bool vmm_asks_take(struct vmm_asks *a, enum vmm_ask *what)
{
	if (vmm_asks_none(a))
		return false;
	if (a->stop) {
		a->stop = false;
		*what = VMM_ASK_STOP;
	} else if (a->n) {
		*what = a->queue[0];
		memmove(a->queue, a->queue + 1, --a->n * sizeof a->queue[0]);
	} else {
		a->spread = false;
		*what = VMM_ASK_SPREAD;
	}
	return true;
}

bool vmm_asks_none(const struct vmm_asks *a)
{
	return !a->stop && !a->n && !a->spread;
}

void vmm_asks_forget_spread(struct vmm_asks *a)
{
	a->spread = false;
}
