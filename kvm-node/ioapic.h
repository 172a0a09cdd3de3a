/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The I/O APIC. Pure: lines and register writes in, interrupt messages out.
 *
 * One with VMM_GSIS pins.
 */
#ifndef VMM_IOAPIC_H
#define VMM_IOAPIC_H

#include "kvm-node/intr.h"
#include "kvm-node/layout.h"

struct vmm_ioapic {
	uint8_t id, select;
	uint64_t rte[VMM_GSIS];
	bool line[VMM_GSIS];
	uint64_t raised[VMM_GSIS]; /* counter */
};

/* Messages to be sent, in order. */
struct vmm_ioapic_out {
	unsigned n;
	struct vmm_intr msg[VMM_GSIS];
};

void vmm_ioapic_init(struct vmm_ioapic *io);

void vmm_ioapic_line(struct vmm_ioapic *io, unsigned pin, bool level, struct vmm_ioapic_out *out);
/* A local APIC has ended the level-triggered VECTOR. */
void vmm_ioapic_eoi(struct vmm_ioapic *io, uint8_t vector, struct vmm_ioapic_out *out);

/* Registers in memory: OFF in the page, 32 bits each. */
uint32_t vmm_ioapic_read(const struct vmm_ioapic *io, unsigned off);
void vmm_ioapic_write(struct vmm_ioapic *io, unsigned off, uint32_t value,
		      struct vmm_ioapic_out *out);

/* What a device's write of DATA to ADDR means. -EINVAL: ADDR is not an MSI's. */
int vmm_msi_decode(uint64_t addr, uint32_t data, struct vmm_intr *msg);

#endif
