/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The distance of two clocks that changes slowly. All times are ticks, modulo 2^64. Pure.
 *
 * What a clock is to be set by is spread over time, so that who looks at it in two places a moment
 * apart (two vCPUs, which take the distance when each of them enters the guest) sees almost the same.
 */
#ifndef VMM_SLEW_H
#define VMM_SLEW_H

#include <stdint.h>

#define VMM_SLEW_SHIFT 11 /* at most 1/2048 of the time that passes */

struct vmm_slew {
	uint64_t offset; /* at FROM; theirs - ours */
	uint64_t from;
	uint64_t over;	/* ticks after which it is DELTA more */
	int64_t delta;
};

uint64_t vmm_slew_at(const struct vmm_slew *s, uint64_t now);
/* From NOW on it changes by DELTA, in the course of LEAST ticks or more; what was left is forgotten. */
void vmm_slew_by(struct vmm_slew *s, uint64_t now, int64_t delta, uint64_t least);

#endif
