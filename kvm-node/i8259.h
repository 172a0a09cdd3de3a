/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two 8259 interrupt controllers of a PC, one behind input 2 of the other. Pure: no thread, no
 * KVM.
 *
 * For kernels that do without the I/O APIC (noapic, nolapic, acpi=off): it sees the same lines, and
 * asks the first CPU by way of its local APIC's LINT0. Not here: the modes of the 8080, and the
 * single chip.
 */
#ifndef VMM_I8259_H
#define VMM_I8259_H

#include <stdbool.h>
#include <stdint.h>

#define VMM_I8259_LINES 16u

enum vmm_i8259_port {
	VMM_I8259_MASTER = 0x20, /* commands; data behind it */
	VMM_I8259_SLAVE = 0xa0,
	VMM_I8259_ELCR = 0x4d0, /* a bit for each line: level-triggered */
};

struct vmm_i8259_chip {
	uint8_t irr, isr, imr, lines, elcr;
	uint8_t base;	/* vector of its first input */
	uint8_t lowest; /* the input of the least priority */
	uint8_t step;	/* of its initialisation: which word comes next, 0: none */
	bool wants_icw4, auto_eoi, rotates, special_mask, nests, reads_isr, polled;
};

struct vmm_i8259 {
	struct vmm_i8259_chip chip[2];
};

/* As after power-on: masked, waiting for a kernel to initialise it. */
void vmm_i8259_init(struct vmm_i8259 *p);
/* The level of line IRQ, 0 to 15; 2 is where the second one is. */
void vmm_i8259_line(struct vmm_i8259 *p, unsigned irq, bool level);
/* Does it ask for the CPU? */
bool vmm_i8259_asks(const struct vmm_i8259 *p);
/* The CPU takes the interrupt: its vector. */
uint8_t vmm_i8259_ack(struct vmm_i8259 *p);

uint8_t vmm_i8259_read(struct vmm_i8259 *p, uint16_t port);
void vmm_i8259_write(struct vmm_i8259 *p, uint16_t port, uint8_t value);

#endif
