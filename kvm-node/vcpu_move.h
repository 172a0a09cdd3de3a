/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vCPU that goes on in another monitor: all that KVM and the local APIC know of it, as bytes.
 *
 * The vCPU is parked on both sides. What comes is another host's: a processor that KVM takes is none
 * that harms this host, and what we use ourselves is checked.
 */
#ifndef VMM_VCPU_MOVE_H
#define VMM_VCPU_MOVE_H

#include <linux/kvm.h>

#include "kvm-node/vcpu.h"

#define VMM_MOVE_MSRS 320u

struct vmm_vcpu_state {
	uint32_t size; /* of this struct: monitors of one build */
	uint32_t n_msrs;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	uint32_t xsave[sizeof(struct kvm_xsave) / sizeof(uint32_t)];
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	struct vmm_lapic lapic; /* its times are from now on */
	uint64_t apic_base;
	bool halted, came_up;
	uint64_t tsc_read; /* no less is read here: hosts' clocks may be a little apart, or lost */
	struct kvm_msr_entry msrs[VMM_MOVE_MSRS];
};

/* Can vCPUs of this host move at all? */
bool vmm_vcpu_can_move(const struct vmm_kvm *k);
/* All but the local APIC. */
int vmm_vcpu_save(struct vmm_vcpu *v, struct vmm_vcpu_state *s, dvm_error_t *err);
/* The local APIC; what is said to this vCPU from now on is for another host. */
void vmm_vcpu_leave(struct vmm_vcpu *v, struct vmm_vcpu_state *s);

/* In this order on the other side. It is of LEN bytes and makes sense: -EBADMSG. */
int vmm_vcpu_state_check(const struct vmm_vcpu *v, const void *state, size_t len);
/* The local APIC is here, and is spoken to from now on. Nothing waits. */
void vmm_vcpu_arrive(struct vmm_vcpu *v, const struct vmm_vcpu_state *s);
int vmm_vcpu_load(struct vmm_vcpu *v, const struct vmm_vcpu_state *s, dvm_error_t *err);

#endif
