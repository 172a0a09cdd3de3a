/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupt messages, and sets of vCPUs they go to. Plain values: they cross host boundaries.
 */
#ifndef VMM_INTR_H
#define VMM_INTR_H

#include <stdbool.h>
#include <stdint.h>

enum vmm_intr_mode { /* as in ICR, I/O APIC and MSI */
	VMM_INTR_FIXED = 0,
	VMM_INTR_LOWEST = 1,
	VMM_INTR_SMI = 2,
	VMM_INTR_NMI = 4,
	VMM_INTR_INIT = 5,
	VMM_INTR_SIPI = 6,
	VMM_INTR_EXTINT = 7,
};

enum vmm_intr_short { VMM_INTR_DEST, VMM_INTR_SELF, VMM_INTR_ALL, VMM_INTR_OTHERS };

struct vmm_intr {
	uint32_t dest;
	uint8_t vector;
	uint8_t mode;	   /* enum vmm_intr_mode */
	uint8_t shorthand; /* enum vmm_intr_short; relative to who sends */
	bool logical;
	bool level; /* the receiver's EOI has to be told to the I/O APIC */
	bool wide;  /* DEST has 32 bits (a sender in x2APIC mode), not 8 */
};

#define VMM_CPUSET_MAX 256u

struct vmm_cpuset {
	uint64_t w[VMM_CPUSET_MAX / 64];
};

static inline void vmm_cpuset_add(struct vmm_cpuset *s, unsigned cpu)
{
	s->w[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

static inline unsigned vmm_cpuset_count(const struct vmm_cpuset *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < VMM_CPUSET_MAX / 64; i++)
		n += (unsigned)__builtin_popcountll(s->w[i]);
	return n;
}

/* The first member from CPU on, or VMM_CPUSET_MAX. */
static inline unsigned vmm_cpuset_next(const struct vmm_cpuset *s, unsigned cpu)
{
	for (; cpu < VMM_CPUSET_MAX; cpu = (cpu / 64 + 1) * 64) {
		uint64_t left = s->w[cpu / 64] >> cpu % 64;
		if (left)
			return cpu + (unsigned)__builtin_ctzll(left);
	}
	return VMM_CPUSET_MAX;
}

#endif
