/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A local APIC, in xAPIC and x2APIC mode. Pure: no clock, no thread, no KVM.
 *
 * Registers are numbered as in x2APIC mode (MSR 0x800 + N; in memory at 16 * N). What a write
 * wants done outside comes back as a value, so that the caller can first unlock. Time is given:
 * nanoseconds that never go back, and the vCPU's TSC at that moment. The timer counts nanoseconds
 * (a bus of 1 GHz).
 *
 * Interrupts of the old controllers (ExtINT) pass it by: it only says whether they may.
 *
 * Not here: SMIs, EOI broadcast suppression, CMCI.
 */
#ifndef VMM_LAPIC_H
#define VMM_LAPIC_H

#include "kvm-node/apicmap.h"

enum vmm_lapic_reg {
	VMM_LAPIC_ID = 0x02,
	VMM_LAPIC_VERSION = 0x03,
	VMM_LAPIC_TPR = 0x08,
	VMM_LAPIC_APR = 0x09,
	VMM_LAPIC_PPR = 0x0a,
	VMM_LAPIC_EOI = 0x0b,
	VMM_LAPIC_LDR = 0x0d,
	VMM_LAPIC_DFR = 0x0e,
	VMM_LAPIC_SVR = 0x0f,
	VMM_LAPIC_ISR = 0x10,
	VMM_LAPIC_TMR = 0x18,
	VMM_LAPIC_IRR = 0x20,
	VMM_LAPIC_ESR = 0x28,
	VMM_LAPIC_ICR = 0x30,
	VMM_LAPIC_ICR2 = 0x31,
	VMM_LAPIC_LVT_TIMER = 0x32,
	VMM_LAPIC_LVT_THERMAL = 0x33,
	VMM_LAPIC_LVT_PERF = 0x34,
	VMM_LAPIC_LVT_LINT0 = 0x35,
	VMM_LAPIC_LVT_LINT1 = 0x36,
	VMM_LAPIC_LVT_ERROR = 0x37,
	VMM_LAPIC_TMICT = 0x38,
	VMM_LAPIC_TMCCT = 0x39,
	VMM_LAPIC_TDCR = 0x3e,
	VMM_LAPIC_SELF_IPI = 0x3f,
};

#define VMM_LAPIC_LVTS 6u

struct vmm_lapic_time {
	uint64_t now; /* ns */
	uint64_t tsc; /* the vCPU's */
	uint32_t tsc_khz;
};

struct vmm_lapic {
	uint32_t id; /* all 32 bits, never changes */
	uint8_t state; /* enum vmm_apic_state */
	bool x2apic_ok, deadline_ok; /* what CPUID says it can */
	uint32_t xid, ldr, dfr; /* xAPIC mode only */
	uint32_t irr[8], isr[8], tmr[8];
	uint32_t tpr, svr, esr, errors;
	uint32_t lvt[VMM_LAPIC_LVTS];
	uint64_t icr;
	uint32_t tmict, tdcr;
	uint64_t tscdl;	   /* MSR 0x6e0 */
	uint64_t deadline; /* ns at which the timer fires; 0: it does not run */
	bool nmi, init, wait_sipi;
	int sipi; /* vector to start at, or -1 */
	/*
	 * Where a tick takes longer than the time between two of them, a guest does nothing but ticks.
	 * So the next one waits: REST times as long as the last took, from its firing until the timer was
	 * set anew. 0: never. Whoever counts ticks makes up for those that came late.
	 */
	unsigned rest;
	uint64_t ticked_at;	    /* ns; 0: none is under way */
	uint64_t rests_from, rests; /* ns; for how long, but for the most: vmm_lapic_due() */
	uint64_t fired, accepted, merged, put_off; /* counters */
};

/* What a write wants done. */
enum vmm_lapic_do {
	VMM_LAPIC_DO_SEND = 1,	/* send .msg */
	VMM_LAPIC_DO_EOI = 2,	/* tell the I/O APIC of the end of .vector */
	VMM_LAPIC_DO_ROUTE = 4, /* publish the row */
};

struct vmm_lapic_out {
	unsigned todo;
	struct vmm_intr msg;
	uint8_t vector;
};

/* As firmware leaves it: the first vCPU runs and hears the old controllers, the others wait for SIPI. */
void vmm_lapic_init(struct vmm_lapic *l, uint32_t id, bool first);
/* What INIT does to the registers: mode and identity stay. */
void vmm_lapic_reset(struct vmm_lapic *l);

/* IA32_APIC_BASE has been written; OUT->todo may say VMM_LAPIC_DO_ROUTE. */
void vmm_lapic_set_state(struct vmm_lapic *l, enum vmm_apic_state state, struct vmm_lapic_out *out);
void vmm_lapic_row(const struct vmm_lapic *l, struct vmm_apic_row *row);

/* -EPERM where x2APIC mode faults (#GP); the value is then 0. */
int vmm_lapic_read(const struct vmm_lapic *l, unsigned reg, const struct vmm_lapic_time *t,
		   uint64_t *value);
int vmm_lapic_write(struct vmm_lapic *l, unsigned reg, uint64_t value,
		    const struct vmm_lapic_time *t, struct vmm_lapic_out *out);
/* The registers in memory: OFF in the page. Odd accesses read 0 and write nothing. */
uint32_t vmm_lapic_mmio_read(const struct vmm_lapic *l, unsigned off,
			     const struct vmm_lapic_time *t);
void vmm_lapic_mmio_write(struct vmm_lapic *l, unsigned off, uint32_t value,
			  const struct vmm_lapic_time *t, struct vmm_lapic_out *out);

uint64_t vmm_lapic_tscdl(const struct vmm_lapic *l);
void vmm_lapic_set_tscdl(struct vmm_lapic *l, uint64_t value, const struct vmm_lapic_time *t);
/* CR8, which is bits 7…4 of TPR. */
void vmm_lapic_set_cr8(struct vmm_lapic *l, unsigned cr8);

/* A message that names this APIC. True if the vCPU has to look. */
bool vmm_lapic_accept(struct vmm_lapic *l, const struct vmm_intr *msg);
/* When the timer is to fire; 0: it does not run. HALTED: nothing else is done meanwhile. */
uint64_t vmm_lapic_due(const struct vmm_lapic *l, bool halted);
/* The timer, if it is due. True if it raised an interrupt. */
bool vmm_lapic_tick(struct vmm_lapic *l, bool halted, const struct vmm_lapic_time *t);

/* The vector to deliver now as far as priorities go, or -1. */
int vmm_lapic_pending(const struct vmm_lapic *l);
/* May the old controllers interrupt? By LINT0, or because the local APIC is off. */
bool vmm_lapic_takes_extint(const struct vmm_lapic *l);
/* It has been delivered. */
void vmm_lapic_ack(struct vmm_lapic *l, int vector);
/*
 * Is the one interrupt in service all there is, and does nobody else have to hear of its end? Then
 * the guest need not write to the register: vmm_lapic_end() comes later.
 */
bool vmm_lapic_ends_silently(const struct vmm_lapic *l);
void vmm_lapic_end(struct vmm_lapic *l);

uint32_t vmm_lapic_ppr(const struct vmm_lapic *l);

#endif
