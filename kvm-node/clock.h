/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest's time: what its TSC reads, and the paravirtual clock pages that say what that means.
 *
 * Guest time starts at 0 when the guest does and stands still while it is paused. Every vCPU's TSC
 * counts guest time: tsc = host TSC + offset. On one host that is all; for several, each host's
 * offset (and rate) is kept in step with the others' from outside, through the offset.
 *
 * Threads: reading from any; changes by the control thread while no vCPU runs, but for adjust(). Who
 * reads sees a change wholly or not at all: a sequence lock, as in H.-J. Boehm, "Can Seqlocks Get
 * Along with Programming Language Memory Models?", MSPC 2012.
 */
#ifndef VMM_CLOCK_H
#define VMM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm-node/lapic.h"
#include "kvm-node/memory.h"
#include "kvm-node/slew.h"

/* What changes while others read it. */
struct vmm_clock_now {
	struct vmm_slew offset; /* guest TSC - host TSC */
	uint64_t paused_at;	/* host TSC, while paused; else 0 */
};

/* All zero before it is started. */
struct vmm_clock {
	uint32_t tsc_khz;
	uint64_t wall_at_start; /* ns since 1970 when guest time was 0 */
	bool invariant;		/* the TSC can be trusted as a clock */
	_Atomic uint32_t sequence; /* odd: somebody changes what follows */
	struct vmm_clock_now is;
};

/* Starts guest time at 0, now. */
void vmm_clock_start(struct vmm_clock *c, uint32_t tsc_khz, bool invariant);
/* The first host's: those of others run on, and are set when the guest goes on. */
void vmm_clock_pause(struct vmm_clock *c);
/* Changes the offset, which every vCPU takes when it enters the guest. */
void vmm_clock_resume(struct vmm_clock *c);

/* Sets the clock forward by DELTA ticks, which may be negative. */
void vmm_clock_set(struct vmm_clock *c, int64_t delta);
/*
 * Likewise, but little by little, while vCPUs run; each has to take the offset each time that it enters
 * the guest. Any thread.
 */
void vmm_clock_adjust(struct vmm_clock *c, int64_t delta);
/* Guest TSC - host TSC, now. */
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
