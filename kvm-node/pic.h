/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The old interrupt controllers (i8259.h) on their ports, and the first CPU, which they interrupt.
 *
 * Any thread may call. The lock is a leaf, so a vCPU may ask and take with its own held; whoever
 * changes a line calls ASK with none.
 */
#ifndef VMM_PIC_H
#define VMM_PIC_H

#include "dvm/error.h"
#include "kvm-node/bus.h"

struct vmm_pic; /* incomplete */

/* They want something: the first CPU has to look. */
typedef void vmm_pic_ask_fn(void *arg);

int vmm_pic_create(struct vmm_pic **out, vmm_pic_ask_fn *ask, void *arg);
void vmm_pic_destroy(struct vmm_pic *p);
int vmm_pic_attach(struct vmm_pic *p, struct vmm_bus *bus, dvm_error_t *err);
void vmm_pic_reset(struct vmm_pic *p);

/* The line that is pin GSI of the I/O APIC has this level now. */
void vmm_pic_line(struct vmm_pic *p, unsigned gsi, bool level);

bool vmm_pic_asks(const struct vmm_pic *p);
/* The CPU takes the interrupt: its vector. */
uint8_t vmm_pic_ack(struct vmm_pic *p);

#endif
