/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inner side of irq.h: engines joined by messages. The only place that knows where a vCPU is.
 *
 * Order of locks: I/O APIC, then the table of local APICs (shared), then what DELIVER locks.
 */
#ifndef VMM_IRQ_CORE_H
#define VMM_IRQ_CORE_H

#include "kvm-node/apicmap.h"
#include "kvm-node/bus.h"
#include "kvm-node/irq.h"
#include "kvm-node/pic.h"
#include "libdvm/base/buf.h"

/* Brings MSG to vCPU number CPU, here or elsewhere. Any thread; must not block. */
typedef void vmm_irq_deliver_fn(void *arg, unsigned cpu, const struct vmm_intr *msg);

int vmm_irq_create(struct vmm_irq **out, unsigned cpus, vmm_irq_deliver_fn *deliver, void *arg);
void vmm_irq_destroy(struct vmm_irq *irq);
/* Puts the I/O APIC on the bus. */
int vmm_irq_attach(struct vmm_irq *irq, struct vmm_bus *bus, dvm_error_t *err);
/* The old controllers see the same lines. Before vCPUs and devices are made. */
void vmm_irq_set_pic(struct vmm_irq *irq, struct vmm_pic *pic);
/* The I/O APIC as after power-on; lines keep their allocation, levels are forgotten. */
void vmm_irq_reset(struct vmm_irq *irq);

/* Other hosts of the guest. */
struct vmm_irq_far {
	/* They learn that CPU's row has changed; returns when they know. Not under a lock. */
	void (*publish)(void *arg, unsigned cpu, const struct vmm_apic_row *row);
	/* The I/O APIC is elsewhere, and learns of the end of VECTOR; NULL: it is here. */
	void (*eoi)(void *arg, uint8_t vector);
	void *arg;
};
/* Before vCPUs are made. */
void vmm_irq_set_far(struct vmm_irq *irq, const struct vmm_irq_far *far);

/* vCPU CPU's row has changed, and all are told. */
void vmm_irq_publish(struct vmm_irq *irq, unsigned cpu, const struct vmm_apic_row *row);
/* The row of a vCPU elsewhere has changed. */
void vmm_irq_learn(struct vmm_irq *irq, unsigned cpu, const struct vmm_apic_row *row);
/* Sends MSG from vCPU SELF (-1: a device); returns how many were told. */
int vmm_irq_send(struct vmm_irq *irq, int self, const struct vmm_intr *msg);
void vmm_irq_eoi(struct vmm_irq *irq, uint8_t vector);

/* Members of a JSON object about lines and messages. */
void vmm_irq_stat(struct vmm_irq *irq, struct dvmi_buf *out);

#endif
