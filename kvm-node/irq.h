/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts as devices see them: lines of the I/O APIC, and messages (MSI, MSI-X).
 *
 * Both end as a struct vmm_intr that goes to whichever local APICs it names, on whatever host they
 * are. Any thread may call; nothing here blocks. Devices may hold their own lock.
 */
#ifndef VMM_IRQ_H
#define VMM_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#include "dvm/error.h"

struct vmm_irq; /* incomplete */

/*
 * A line of the guest's own for a device, VMM_GSI_FREE or above: level, active high, and no other
 * device has it. Says which in *GSI. -ENOSPC.
 */
int vmm_irq_alloc_line(struct vmm_irq *irq, unsigned *gsi, dvm_error_t *err);

/* The level of line GSI; for an edge-triggered pin only the rise counts. */
void vmm_irq_line(struct vmm_irq *irq, unsigned gsi, bool level);
/* A rise and a fall. */
void vmm_irq_pulse(struct vmm_irq *irq, unsigned gsi);

/*
 * The write of DATA to ADDR by a device. Returns how many vCPUs were told, -EINVAL for an address
 * that is no MSI's (the guest wrote nonsense into its MSI-X table: count it, go on).
 */
int vmm_irq_msi(struct vmm_irq *irq, uint64_t addr, uint32_t data);

#endif
