/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files of the local APIC: registers, timer, interrupts. */
#ifndef VMM_LAPIC_PRIVATE_H
#define VMM_LAPIC_PRIVATE_H

#include "kvm-node/lapic.h"

#define LVT_MASKED	(1u << 16)
#define LVT_MODE_SHIFT	17
#define LVT_EXTINT	(VMM_INTR_EXTINT << 8)
#define LVT_TIMER	(VMM_LAPIC_LVT_TIMER - VMM_LAPIC_LVT_TIMER)
#define LVT_LINT0	(VMM_LAPIC_LVT_LINT0 - VMM_LAPIC_LVT_TIMER)
#define LVT_ERROR	(VMM_LAPIC_LVT_ERROR - VMM_LAPIC_LVT_TIMER)
#define SVR_ENABLED	(1u << 8)
#define ESR_SEND_VECTOR (1u << 5)
#define ESR_RECV_VECTOR (1u << 6)
#define ESR_REGISTER	(1u << 7)

enum { TIMER_ONESHOT, TIMER_PERIODIC, TIMER_DEADLINE };

static inline unsigned lapic_timer_mode(const struct vmm_lapic *l)
{
	return l->lvt[LVT_TIMER] >> LVT_MODE_SHIFT & 3;
}

static inline void lapic_set_bit(uint32_t *bits, unsigned v)
{
	bits[v >> 5] |= 1u << (v & 31);
}

static inline void lapic_clear_bit(uint32_t *bits, unsigned v)
{
	bits[v >> 5] &= ~(1u << (v & 31));
}

static inline bool lapic_has_bit(const uint32_t *bits, unsigned v)
{
	return bits[v >> 5] >> (v & 31) & 1;
}

/* The highest vector, or -1. */
static inline int lapic_highest(const uint32_t *bits)
{
	for (int i = 7; i >= 0; i--)
		if (bits[i])
			return i * 32 + 31 - __builtin_clz(bits[i]);
	return -1;
}

/* Raises the interrupt of a local vector table entry unless it is masked. */
bool vmm_lapic_raise_lvt(struct vmm_lapic *l, unsigned lvt);
void vmm_lapic_error(struct vmm_lapic *l, uint32_t bit);

void vmm_lapic_timer_lvt(struct vmm_lapic *l, uint32_t old);
void vmm_lapic_timer_start(struct vmm_lapic *l, const struct vmm_lapic_time *t);
uint32_t vmm_lapic_timer_left(const struct vmm_lapic *l, const struct vmm_lapic_time *t);

#endif
