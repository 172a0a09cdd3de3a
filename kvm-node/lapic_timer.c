/* SPDX-License-Identifier: BSD-3-Clause */
/* The local APIC's timer: one-shot and periodic by count, or at a value of the TSC. */
#include "kvm-node/lapic_private.h"

/* A guest that asks for shorter periods gets these: it could starve nobody but itself. */
#define PERIOD_MIN UINT64_C(20000)
#define FAR	   (UINT64_C(1) << 62)
#define REST_MAX   UINT64_C(1000000000)
#define IDLE_MAX   UINT64_C(250000000) /* likewise, of a processor that is halted: a timer is all it waits for */

static unsigned divisor(const struct vmm_lapic *l)
{
	unsigned code = (l->tdcr & 3) | (l->tdcr >> 1 & 4);

	return code == 7 ? 1 : 2u << code;
}

static uint64_t period(const struct vmm_lapic *l)
{
	return (uint64_t)l->tmict * divisor(l);
}

/* Changing between count and deadline disarms; all else keeps the timer running. */
void vmm_lapic_timer_lvt(struct vmm_lapic *l, uint32_t old)
{
	bool was = (old >> LVT_MODE_SHIFT & 3) == TIMER_DEADLINE;
	bool is = lapic_timer_mode(l) == TIMER_DEADLINE;

	if (was == is)
		return;
	l->deadline = 0;
	l->tscdl = 0;
	l->tmict = 0;
}

/* The timer is set: whoever heard the last tick has done most of what it does for one. */
static void begin_rest(struct vmm_lapic *l, uint64_t now)
{
	if (!l->ticked_at)
		return;
	l->rests = (now - l->ticked_at) * l->rest;
	l->rests_from = now;
	l->ticked_at = 0;
}

void vmm_lapic_timer_start(struct vmm_lapic *l, const struct vmm_lapic_time *t)
{
	uint64_t p = period(l);

	begin_rest(l, t->now);
	if (lapic_timer_mode(l) == TIMER_PERIODIC && p < PERIOD_MIN && p)
		p = PERIOD_MIN;
	l->deadline = p ? t->now + p : 0;
}

uint32_t vmm_lapic_timer_left(const struct vmm_lapic *l, const struct vmm_lapic_time *t)
{
	if (!l->deadline || lapic_timer_mode(l) == TIMER_DEADLINE || l->deadline <= t->now)
		return 0;
	uint64_t left = (l->deadline - t->now) / divisor(l);
	return left < l->tmict ? (uint32_t)left : l->tmict;
}

uint64_t vmm_lapic_tscdl(const struct vmm_lapic *l)
{
	return lapic_timer_mode(l) == TIMER_DEADLINE ? l->tscdl : 0;
}

/* In another mode the register does nothing. */
void vmm_lapic_set_tscdl(struct vmm_lapic *l, uint64_t value, const struct vmm_lapic_time *t)
{
	if (lapic_timer_mode(l) != TIMER_DEADLINE)
		return;
	begin_rest(l, t->now);
	l->tscdl = value;
	if (!value) {
		l->deadline = 0;
	} else if (value <= t->tsc) {
		l->deadline = t->now;
	} else {
		unsigned __int128 ns = (unsigned __int128)(value - t->tsc) * 1000000;
		ns = ns / t->tsc_khz + 1; /* not before the TSC has that value */
		l->deadline = t->now + (ns < FAR ? (uint64_t)ns : FAR);
	}
	if (value && !l->deadline)
		l->deadline = 1;
}

static void next_period(struct vmm_lapic *l, uint64_t now)
{
	uint64_t p = period(l) > PERIOD_MIN ? period(l) : PERIOD_MIN;

	/* Periods that nobody has seen are lost, the phase is not. */
	l->deadline += p * ((now - l->deadline) / p + 1);
}

uint64_t vmm_lapic_due(const struct vmm_lapic *l, bool halted)
{
	uint64_t most = halted ? IDLE_MAX : REST_MAX;
	uint64_t till = l->rests_from + (l->rests < most ? l->rests : most);

	return l->deadline && l->deadline < till ? till : l->deadline;
}

bool vmm_lapic_tick(struct vmm_lapic *l, bool halted, const struct vmm_lapic_time *t)
{
	uint64_t due = vmm_lapic_due(l, halted);

	if (!due || t->now < due)
		return false;
	l->put_off += due > l->deadline;
	l->ticked_at = l->rest ? t->now : 0;
	if (lapic_timer_mode(l) == TIMER_PERIODIC)
		next_period(l, t->now);
	else
		l->deadline = 0;
	l->tscdl = 0;
	l->fired++;
	return vmm_lapic_raise_lvt(l, LVT_TIMER);
}
