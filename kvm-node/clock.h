/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest's time: what its TSC reads, and the paravirtual clock pages that say what that means.
 *
 * Guest time starts at 0 when the guest does and stands still while it is paused. Every vCPU's TSC
 * counts guest time: tsc = host TSC + offset. On one host that is all; for several, each host's
 * offset (and rate) is kept in step with the others' from outside, through the offset.
 *
 * Threads: reading from any; changes by the control thread while no vCPU runs, but for adjust().
 */
#ifndef VMM_CLOCK_H
#define VMM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm-node/lapic.h"
#include "kvm-node/memory.h"

struct vmm_clock {
	uint32_t tsc_khz;
	uint64_t offset;	/* guest TSC - host TSC */
	uint64_t wall_at_start; /* ns since 1970 when guest time was 0 */
	uint64_t paused_at;	/* host TSC, while paused; else 0 */
	bool invariant;		/* the TSC can be trusted as a clock */
	uint32_t changes;	/* how often the offset was adjusted */
};

/* Starts guest time at 0, now. */
void vmm_clock_start(struct vmm_clock *c, uint32_t tsc_khz, bool invariant);
void vmm_clock_pause(struct vmm_clock *c);
/* Changes the offset: every vCPU must be told. */
void vmm_clock_resume(struct vmm_clock *c);
/* Likewise, where others say right afterwards what time it is. */
void vmm_clock_go_on(struct vmm_clock *c);

/*
 * Sets the clock forward by DELTA ticks, which may be negative, while vCPUs run; each has to take the
 * offset when it sees that there were changes. Any thread, one at a time.
 */
void vmm_clock_adjust(struct vmm_clock *c, int64_t delta);
uint32_t vmm_clock_changes(const struct vmm_clock *c);
uint64_t vmm_clock_offset(const struct vmm_clock *c);

uint64_t vmm_clock_tsc(const struct vmm_clock *c);
void vmm_clock_now(const struct vmm_clock *c, struct vmm_lapic_time *t);
/* TSC ticks as ns of guest time. */
uint64_t vmm_clock_ns(const struct vmm_clock *c, uint64_t tsc);

/* What the guest expects in memory, by its ABI. */
struct vmm_pvclock_page {
	uint32_t version, pad0;
	uint64_t tsc_timestamp, system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags, pad[2];
};

struct vmm_pvclock_wall {
	uint32_t version, sec, nsec;
};

/* Factor and shift with which a guest turns ticks of TSC_KHZ into nanoseconds. */
void vmm_pvclock_scale(uint32_t tsc_khz, uint32_t *mul, int8_t *shift);

/*
 * The guest has written VALUE to VMM_MSR_SYSTEM_TIME or VMM_MSR_WALL_CLOCK. -EFAULT for an address
 * outside RAM.
 */
int vmm_clock_write_page(const struct vmm_clock *c, const struct vmm_mem *m, uint64_t value);
int vmm_clock_write_wall(const struct vmm_clock *c, const struct vmm_mem *m, uint64_t value);

#endif
