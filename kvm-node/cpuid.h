/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The CPU a guest sees. Pure: what the host's KVM offers, less what cannot be served without an
 * in-kernel local APIC or on several hosts, with the guest's own topology and frequencies.
 */
#ifndef VMM_CPUID_H
#define VMM_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "dvm/error.h"

/* Threads are cores here: a core has one, and a package is a NUMA node. */
struct vmm_topology {
	unsigned cores_max; /* of a package */
	unsigned shift;	    /* bits of an APIC id below the package */
};

struct vmm_cpu_model {
	struct vmm_topology topology;
	unsigned level;	  /* x86-64-v1 … v4; 0: all the host has */
	uint32_t tsc_khz;
	bool invariant_tsc;
	bool intel;
	bool deadline;	  /* a timer by the TSC: KVM swallows no write, and the TSC is ours to set */
	bool lazy_eoi;	  /* interrupts may be ended by a flag in memory */
	bool emulated;	  /* the host itself is emulated: no extended state */
};

/* "host", "x86-64-v2", …; -EINVAL with what there is. */
int vmm_cpuid_level(const char *name, unsigned *level, dvm_error_t *err);

/* Of CPU number CORE in PACKAGE. */
uint32_t vmm_cpuid_apic_id(const struct vmm_topology *t, unsigned package, unsigned core);
void vmm_cpuid_topology(struct vmm_topology *t, unsigned cores_max);

/*
 * Fills OUT (room for MAX entries) for the vCPU with APIC_ID. -E2BIG; -ENOTSUP where the host
 * lacks something of the level asked for, and what.
 */
int vmm_cpuid_make(const struct kvm_cpuid2 *host, const struct vmm_cpu_model *m, uint32_t apic_id,
		   struct kvm_cpuid2 *out, unsigned max, dvm_error_t *err);

/* An entry of C, or NULL. */
struct kvm_cpuid_entry2 *vmm_cpuid_find(struct kvm_cpuid2 *c, uint32_t function, uint32_t index);

#endif
