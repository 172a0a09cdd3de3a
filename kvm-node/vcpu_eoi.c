/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of an interrupt without an exit (KVM's PV EOI): a flag in the guest's memory says that the
 * interrupt just delivered may be ended by clearing it. Set when one is delivered with nothing behind
 * it, looked at and taken back at the next exit, whatever that is for.
 */
#include <errno.h>

#include "kvm-node/memory.h"
#include "kvm-node/vcpu.h"

enum { ENABLE = 1, RESERVED = 2, MAY_END = 1 };

int vmm_vcpu_eoi_at(struct vmm_vcpu *v, uint64_t value)
{
	uint64_t gpa = value & ~(uint64_t)(ENABLE | RESERVED);
	uint8_t *flag = vmm_mem_at(v->env->mem, gpa, sizeof(uint32_t));

	if (!v->env->lazy_eoi || (value & RESERVED) || ((value & ENABLE) && !flag))
		return -EPERM;
	pthread_mutex_lock(&v->lock);
	v->eoi = (struct vmm_vcpu_eoi){ .flag = value & ENABLE ? flag : NULL };
	pthread_mutex_unlock(&v->lock);
	return 0;
}

void vmm_vcpu_eoi_offer(struct vmm_vcpu *v)
{
	if (!v->eoi.flag || !vmm_lapic_ends_silently(&v->lapic))
		return;
	__atomic_or_fetch(v->eoi.flag, MAY_END, __ATOMIC_RELAXED);
	v->eoi.offered = true;
}

void vmm_vcpu_eoi_take(struct vmm_vcpu *v)
{
	if (!v->eoi.offered)
		return;
	v->eoi.offered = false;
	if (__atomic_fetch_and(v->eoi.flag, (uint8_t)~MAY_END, __ATOMIC_RELAXED) & MAY_END)
		return; /* not yet: it will write to the register */
	vmm_lapic_end(&v->lapic);
	vmm_count(&v->n.silent_eois);
}
