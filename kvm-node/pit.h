/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The 8254 timer, as far as kernels still look at it: counters that can be set and read, and the
 * time at which channel 0 raises its interrupt. Pure.
 *
 * With a TSC of known rate and a local APIC timer a kernel leaves it alone; without, it is what
 * the others are measured against. Modes 0, 2, 3 and 4; binary counting only.
 */
#ifndef VMM_PIT_H
#define VMM_PIT_H

#include <stdbool.h>
#include <stdint.h>

struct vmm_pit_channel {
	uint64_t start; /* when the count was loaded */
	uint16_t reload, latch;
	uint8_t mode, access; /* access: 1 low, 2 high, 3 both */
	uint8_t status;
	bool high_next_read, high_next_write, latched, status_latched, loaded;
	bool owed; /* counts once, and has not raised its output yet */
};

struct vmm_pit {
	struct vmm_pit_channel ch[3];
	uint8_t port61;
};

void vmm_pit_init(struct vmm_pit *p);
/* PORT is 0 … 3 for 0x40 … 0x43. */
uint8_t vmm_pit_read(struct vmm_pit *p, unsigned port, uint64_t now);
void vmm_pit_write(struct vmm_pit *p, unsigned port, uint8_t value, uint64_t now);
/* Port 0x61: the gate and the output of channel 2. */
uint8_t vmm_pit_read61(const struct vmm_pit *p, uint64_t now);
void vmm_pit_write61(struct vmm_pit *p, uint8_t value, uint64_t now);
/*
 * The first rise of channel 0's output after NOW, or 0: none comes. One that comes once stays due
 * until it has been taken, however late that is.
 */
uint64_t vmm_pit_next(const struct vmm_pit *p, uint64_t now);
/* It is NOW: does the output rise? */
bool vmm_pit_take(struct vmm_pit *p, uint64_t now);

#endif
