/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/slew.h"

uint64_t vmm_slew_at(const struct vmm_slew *s, uint64_t now)
{
	uint64_t passed = now - s->from;

	if ((int64_t)passed < 0) /* another processor's counter, a little behind */
		return s->offset;
	if (passed >= s->over)
		return s->offset + (uint64_t)s->delta;
	return s->offset + (uint64_t)((__int128)s->delta * (int64_t)passed / (int64_t)s->over);
}

void vmm_slew_by(struct vmm_slew *s, uint64_t now, int64_t delta, uint64_t least)
{
	uint64_t most = delta < 0 ? -(uint64_t)delta : (uint64_t)delta;
	uint64_t over = most > INT64_MAX >> VMM_SLEW_SHIFT ? INT64_MAX : most << VMM_SLEW_SHIFT;

	*s = (struct vmm_slew){
		.offset = vmm_slew_at(s, now),
		.from = now,
		.over = over > least ? over : least,
		.delta = delta,
	};
}
