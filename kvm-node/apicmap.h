/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is meant by an interrupt message. Pure: a table with a row for each local APIC of the guest,
 * wherever it is, in the order of vCPU numbers.
 *
 * A row is what others must know of a local APIC; its owner publishes it when it changes.
 */
#ifndef VMM_APICMAP_H
#define VMM_APICMAP_H

#include "kvm-node/intr.h"

enum vmm_apic_state { VMM_APIC_OFF, VMM_APIC_IN_XAPIC, VMM_APIC_IN_X2APIC };

struct vmm_apic_row {
	uint32_t id;  /* all 32 bits; in xAPIC mode the low 8, as the guest may have changed them */
	uint32_t ldr; /* as the register reads in its mode */
	uint32_t dfr;
	uint8_t state; /* enum vmm_apic_state */
	bool enabled;  /* by software */
};

/* Of N ROWS those that MSG from vCPU SELF (-1: a device) names. Lowest priority: at most one. */
void vmm_apicmap_match(const struct vmm_apic_row *rows, unsigned n, const struct vmm_intr *msg,
		       int self, struct vmm_cpuset *out);

/* The logical identity of an x2APIC. */
static inline uint32_t vmm_apicmap_x2_ldr(uint32_t id)
{
	return (id >> 4) << 16 | 1u << (id & 15);
}

#endif
