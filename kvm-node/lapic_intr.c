/* SPDX-License-Identifier: BSD-3-Clause */
/* The local APIC's interrupts: what comes in, what is pending, priorities. */
#include <string.h>

#include "kvm-node/lapic_private.h"

uint32_t vmm_lapic_ppr(const struct vmm_lapic *l)
{
	int in_service = lapic_highest(l->isr);
	uint32_t class = in_service < 0 ? 0 : (uint32_t)in_service & 0xf0;

	return (l->tpr & 0xf0) >= class ? l->tpr & 0xff : class;
}

int vmm_lapic_pending(const struct vmm_lapic *l)
{
	int v = lapic_highest(l->irr);

	return v >= 0 && ((uint32_t)v & 0xf0) > (vmm_lapic_ppr(l) & 0xf0) ? v : -1;
}

bool vmm_lapic_takes_extint(const struct vmm_lapic *l)
{
	return l->state == VMM_APIC_OFF ||
	       (l->lvt[LVT_LINT0] & (LVT_MASKED | LVT_EXTINT)) == LVT_EXTINT;
}

void vmm_lapic_ack(struct vmm_lapic *l, int vector)
{
	lapic_clear_bit(l->irr, (unsigned)vector);
	lapic_set_bit(l->isr, (unsigned)vector);
}

bool vmm_lapic_ends_silently(const struct vmm_lapic *l)
{
	int v = lapic_highest(l->isr);
	uint32_t others[8];

	if (v < 0 || lapic_highest(l->irr) >= 0 || lapic_has_bit(l->tmr, (unsigned)v))
		return false;
	memcpy(others, l->isr, sizeof others);
	lapic_clear_bit(others, (unsigned)v);
	return lapic_highest(others) < 0;
}

void vmm_lapic_end(struct vmm_lapic *l)
{
	int v = lapic_highest(l->isr);

	if (v >= 0)
		lapic_clear_bit(l->isr, (unsigned)v);
}

static bool accept_vector(struct vmm_lapic *l, unsigned vector, bool level)
{
	if (vector < 16) {
		vmm_lapic_error(l, ESR_RECV_VECTOR);
		return true;
	}
	if (!(l->svr & SVR_ENABLED))
		return false;
	if (level)
		lapic_set_bit(l->tmr, vector);
	else
		lapic_clear_bit(l->tmr, vector);
	if (lapic_has_bit(l->irr, vector))
		l->merged++;
	lapic_set_bit(l->irr, vector);
	l->accepted++;
	return true;
}

static bool accept_sipi(struct vmm_lapic *l, unsigned vector)
{
	if (!l->init && !l->wait_sipi)
		return false;
	l->sipi = (int)vector;
	return true;
}

bool vmm_lapic_accept(struct vmm_lapic *l, const struct vmm_intr *msg)
{
	if (l->state == VMM_APIC_OFF)
		return false;
	switch (msg->mode) {
	case VMM_INTR_FIXED:
	case VMM_INTR_LOWEST:
		return accept_vector(l, msg->vector, msg->level);
	case VMM_INTR_NMI:
		l->nmi = true;
		return true;
	case VMM_INTR_INIT:
		l->init = true;
		l->sipi = -1;
		return true;
	case VMM_INTR_SIPI:
		return accept_sipi(l, msg->vector);
	default:
		return false;
	}
}

bool vmm_lapic_raise_lvt(struct vmm_lapic *l, unsigned lvt)
{
	uint32_t e = l->lvt[lvt];

	if (e & LVT_MASKED || l->state == VMM_APIC_OFF)
		return false;
	if ((e >> 8 & 7) == VMM_INTR_NMI && lvt != LVT_TIMER && lvt != LVT_ERROR) {
		l->nmi = true;
		return true;
	}
	return accept_vector(l, e & 0xff, false);
}

void vmm_lapic_error(struct vmm_lapic *l, uint32_t bit)
{
	bool news = !(l->errors & bit);
	unsigned vector = l->lvt[LVT_ERROR] & 0xff;

	l->errors |= bit;
	/* An error vector that is illegal itself must not raise errors for ever. */
	if (news && vector >= 16)
		vmm_lapic_raise_lvt(l, LVT_ERROR);
}
