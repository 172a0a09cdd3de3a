/* SPDX-License-Identifier: BSD-3-Clause */
/* The local APIC's registers. */
#include "kvm-node/lapic.h"

#include <errno.h>
#include <string.h>

#include "kvm-node/lapic_private.h"

#define VERSION (0x14u | (VMM_LAPIC_LVTS - 1) << 16)

/* Bits of each entry of the local vector table that can be written. */
static const uint32_t lvt_bits[VMM_LAPIC_LVTS] = {
	0x700ff, /* timer */
	0x107ff, /* thermal */
	0x107ff, /* performance counters */
	0x1a7ff, /* LINT0 */
	0x1a7ff, /* LINT1 */
	0x100ff, /* error */
};

void vmm_lapic_reset(struct vmm_lapic *l)
{
	memset(l->irr, 0, sizeof l->irr);
	memset(l->isr, 0, sizeof l->isr);
	memset(l->tmr, 0, sizeof l->tmr);
	for (unsigned i = 0; i < VMM_LAPIC_LVTS; i++)
		l->lvt[i] = LVT_MASKED;
	l->tpr = l->esr = l->errors = 0;
	l->svr = 0xff;
	l->ldr = 0;
	l->dfr = UINT32_MAX;
	l->icr = 0;
	l->tmict = l->tdcr = 0;
	l->tscdl = l->deadline = 0;
	l->nmi = false;
}

void vmm_lapic_init(struct vmm_lapic *l, uint32_t id, bool first)
{
	bool x2 = l->x2apic_ok, deadline = l->deadline_ok;
	unsigned rest = l->rest;

	*l = (struct vmm_lapic){ .id = id, .xid = id & 0xff, .sipi = -1, .wait_sipi = !first };
	l->x2apic_ok = x2;
	l->deadline_ok = deadline;
	l->rest = rest;
	l->state = VMM_APIC_IN_XAPIC;
	vmm_lapic_reset(l);
	if (first)
		l->lvt[LVT_LINT0] = LVT_EXTINT;
}

void vmm_lapic_set_state(struct vmm_lapic *l, enum vmm_apic_state state, struct vmm_lapic_out *out)
{
	if (l->state == state)
		return;
	if (state == VMM_APIC_OFF || l->state == VMM_APIC_OFF) {
		vmm_lapic_reset(l);
		l->xid = l->id & 0xff;
	}
	l->state = (uint8_t)state;
	out->todo |= VMM_LAPIC_DO_ROUTE;
}

void vmm_lapic_row(const struct vmm_lapic *l, struct vmm_apic_row *row)
{
	bool x2 = l->state == VMM_APIC_IN_X2APIC;

	*row = (struct vmm_apic_row){
		.id = x2 ? l->id : l->xid,
		.ldr = x2 ? vmm_apicmap_x2_ldr(l->id) : l->ldr,
		.dfr = l->dfr,
		.state = l->state,
		.enabled = l->svr & SVR_ENABLED,
	};
}

void vmm_lapic_set_cr8(struct vmm_lapic *l, unsigned cr8)
{
	if (l->tpr >> 4 != cr8)
		l->tpr = (cr8 & 0xf) << 4;
}

/* ---- reading ---- */

static uint32_t read_bits(const struct vmm_lapic *l, unsigned reg)
{
	const uint32_t *bits = reg < VMM_LAPIC_TMR ? l->isr : reg < VMM_LAPIC_IRR ? l->tmr : l->irr;

	return bits[reg % 8];
}

static int read_common(const struct vmm_lapic *l, unsigned reg, const struct vmm_lapic_time *t,
		       uint64_t *value)
{
	switch (reg) {
	case VMM_LAPIC_VERSION: *value = VERSION; return 0;
	case VMM_LAPIC_TPR: *value = l->tpr; return 0;
	case VMM_LAPIC_PPR: *value = vmm_lapic_ppr(l); return 0;
	case VMM_LAPIC_SVR: *value = l->svr; return 0;
	case VMM_LAPIC_ISR ... VMM_LAPIC_IRR + 7: *value = read_bits(l, reg); return 0;
	case VMM_LAPIC_ESR: *value = l->esr; return 0;
	case VMM_LAPIC_LVT_TIMER ... VMM_LAPIC_LVT_ERROR:
		*value = l->lvt[reg - VMM_LAPIC_LVT_TIMER];
		return 0;
	case VMM_LAPIC_TMICT: *value = l->tmict; return 0;
	case VMM_LAPIC_TMCCT: *value = vmm_lapic_timer_left(l, t); return 0;
	case VMM_LAPIC_TDCR: *value = l->tdcr; return 0;
	default: *value = 0; return -EPERM;
	}
}

int vmm_lapic_read(const struct vmm_lapic *l, unsigned reg, const struct vmm_lapic_time *t,
		   uint64_t *value)
{
	*value = 0;
	if (l->state != VMM_APIC_IN_X2APIC)
		return -EPERM;
	switch (reg) {
	case VMM_LAPIC_ID: *value = l->id; return 0;
	case VMM_LAPIC_LDR: *value = vmm_apicmap_x2_ldr(l->id); return 0;
	case VMM_LAPIC_ICR: *value = l->icr; return 0;
	default: return read_common(l, reg, t, value);
	}
}

uint32_t vmm_lapic_mmio_read(const struct vmm_lapic *l, unsigned off, const struct vmm_lapic_time *t)
{
	uint64_t value = 0;

	if (off % 16 || off > 0xfff || l->state != VMM_APIC_IN_XAPIC)
		return l->state == VMM_APIC_IN_XAPIC ? 0 : UINT32_MAX;
	switch (off / 16) {
	case VMM_LAPIC_ID: return l->xid << 24;
	case VMM_LAPIC_LDR: return l->ldr;
	case VMM_LAPIC_DFR: return l->dfr;
	case VMM_LAPIC_APR: return vmm_lapic_ppr(l);
	case VMM_LAPIC_ICR: return (uint32_t)l->icr;
	case VMM_LAPIC_ICR2: return (uint32_t)(l->icr >> 32);
	default:
		read_common(l, off / 16, t, &value);
		return (uint32_t)value;
	}
}

/* ---- writing ---- */

static void end_of_interrupt(struct vmm_lapic *l, struct vmm_lapic_out *out)
{
	int v = lapic_highest(l->isr);

	if (v < 0)
		return;
	lapic_clear_bit(l->isr, (unsigned)v);
	if (!lapic_has_bit(l->tmr, (unsigned)v))
		return;
	out->todo |= VMM_LAPIC_DO_EOI;
	out->vector = (uint8_t)v;
}

static void write_svr(struct vmm_lapic *l, uint32_t value, struct vmm_lapic_out *out)
{
	uint32_t old = l->svr;

	l->svr = value & 0x1ff;
	if (!((old ^ l->svr) & SVR_ENABLED))
		return;
	out->todo |= VMM_LAPIC_DO_ROUTE;
	for (unsigned i = 0; !(l->svr & SVR_ENABLED) && i < VMM_LAPIC_LVTS; i++)
		l->lvt[i] |= LVT_MASKED;
}

static void write_lvt(struct vmm_lapic *l, unsigned i, uint32_t value)
{
	uint32_t old = l->lvt[i], bits = lvt_bits[i];

	if (i == LVT_TIMER && !l->deadline_ok)
		bits &= ~(2u << LVT_MODE_SHIFT);
	l->lvt[i] = value & bits;
	if (!(l->svr & SVR_ENABLED))
		l->lvt[i] |= LVT_MASKED;
	if (i == LVT_TIMER)
		vmm_lapic_timer_lvt(l, old);
}

static void send(struct vmm_lapic *l, struct vmm_lapic_out *out)
{
	uint32_t low = (uint32_t)l->icr;
	bool wide = l->state == VMM_APIC_IN_X2APIC;
	struct vmm_intr msg = {
		.dest = wide ? (uint32_t)(l->icr >> 32) : (uint32_t)(l->icr >> 56),
		.vector = (uint8_t)low,
		.mode = low >> 8 & 7,
		.shorthand = low >> 18 & 3,
		.logical = low >> 11 & 1,
		.wide = wide,
	};

	/* The level de-assert of INIT synchronised arbitration once; it means nothing any more. */
	if (msg.mode == VMM_INTR_INIT && (low >> 15 & 1) && !(low >> 14 & 1))
		return;
	if (msg.mode <= VMM_INTR_LOWEST && msg.vector < 16) {
		vmm_lapic_error(l, ESR_SEND_VECTOR);
		return;
	}
	out->todo |= VMM_LAPIC_DO_SEND;
	out->msg = msg;
}

static int write_common(struct vmm_lapic *l, unsigned reg, uint32_t value,
			const struct vmm_lapic_time *t, struct vmm_lapic_out *out)
{
	switch (reg) {
	case VMM_LAPIC_TPR: l->tpr = value & 0xff; return 0;
	case VMM_LAPIC_EOI: end_of_interrupt(l, out); return 0;
	case VMM_LAPIC_SVR: write_svr(l, value, out); return 0;
	case VMM_LAPIC_ESR:
		l->esr = l->errors;
		l->errors = 0;
		return 0;
	case VMM_LAPIC_LVT_TIMER ... VMM_LAPIC_LVT_ERROR:
		write_lvt(l, reg - VMM_LAPIC_LVT_TIMER, value);
		return 0;
	case VMM_LAPIC_TMICT:
		if (lapic_timer_mode(l) != TIMER_DEADLINE) {
			l->tmict = value;
			vmm_lapic_timer_start(l, t);
		}
		return 0;
	case VMM_LAPIC_TDCR: l->tdcr = value & 0xb; return 0;
	default: return -EPERM;
	}
}

/* Bits that must be zero; x2APIC mode faults where xAPIC mode ignores. */
static uint64_t reserved(const struct vmm_lapic *l, unsigned reg)
{
	switch (reg) {
	case VMM_LAPIC_ICR: return 0xfff32000; /* delivery status is let through and forgotten */
	case VMM_LAPIC_TPR:
	case VMM_LAPIC_SELF_IPI: return ~UINT64_C(0xff);
	case VMM_LAPIC_EOI:
	case VMM_LAPIC_ESR: return UINT64_MAX;
	case VMM_LAPIC_SVR: return ~UINT64_C(0x3ff);
	case VMM_LAPIC_LVT_TIMER: return ~(UINT64_C(0x110ff) | (l->deadline_ok ? 0x60000 : 0x20000));
	case VMM_LAPIC_LVT_THERMAL ... VMM_LAPIC_LVT_ERROR:
		/* Delivery status and remote IRR read back as they were. */
		return ~(uint64_t)(lvt_bits[reg - VMM_LAPIC_LVT_TIMER] | 0x5000);
	case VMM_LAPIC_TDCR: return ~UINT64_C(0xb);
	default: return ~UINT64_C(0xffffffff);
	}
}

static void send_self(struct vmm_lapic *l, unsigned vector, struct vmm_lapic_out *out)
{
	if (vector < 16) {
		vmm_lapic_error(l, ESR_SEND_VECTOR);
		return;
	}
	out->todo |= VMM_LAPIC_DO_SEND;
	out->msg = (struct vmm_intr){ .vector = (uint8_t)vector, .shorthand = VMM_INTR_SELF };
}

int vmm_lapic_write(struct vmm_lapic *l, unsigned reg, uint64_t value,
		    const struct vmm_lapic_time *t, struct vmm_lapic_out *out)
{
	if (l->state != VMM_APIC_IN_X2APIC || value & reserved(l, reg))
		return -EPERM;
	switch (reg) {
	case VMM_LAPIC_ICR:
		l->icr = value & ~UINT64_C(0x1000);
		send(l, out);
		return 0;
	case VMM_LAPIC_SELF_IPI: send_self(l, (unsigned)value, out); return 0;
	default: return write_common(l, reg, (uint32_t)value, t, out);
	}
}

static void write_route(uint32_t *to, uint32_t value, struct vmm_lapic_out *out)
{
	*to = value;
	out->todo |= VMM_LAPIC_DO_ROUTE;
}

void vmm_lapic_mmio_write(struct vmm_lapic *l, unsigned off, uint32_t value,
			  const struct vmm_lapic_time *t, struct vmm_lapic_out *out)
{
	if (off % 16 || off > 0xfff || l->state != VMM_APIC_IN_XAPIC)
		return;
	switch (off / 16) {
	case VMM_LAPIC_ID: write_route(&l->xid, value >> 24, out); break;
	case VMM_LAPIC_LDR: write_route(&l->ldr, value & 0xff000000, out); break;
	case VMM_LAPIC_DFR: write_route(&l->dfr, value | 0x0fffffff, out); break;
	case VMM_LAPIC_ICR2: l->icr = (l->icr & UINT32_MAX) | (uint64_t)value << 32; break;
	case VMM_LAPIC_ICR:
		/* Delivery status always reads idle. */
		l->icr = (l->icr & ~(uint64_t)UINT32_MAX) | (value & ~(1u << 12));
		send(l, out);
		break;
	case VMM_LAPIC_SELF_IPI: break; /* x2APIC only */
	default: write_common(l, off / 16, value, t, out);
	}
}
