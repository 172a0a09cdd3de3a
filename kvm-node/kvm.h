/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's KVM: whether it can run a guest, and a VM of it without an in-kernel irqchip.
 *
 * Control thread only.
 */
#ifndef VMM_KVM_H
#define VMM_KVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "dvm/error.h"
#include "kvm-node/bus.h"
#include "kvm-node/memory.h"

/* Model-specific registers that are ours although KVM knows them. */
#define VMM_MSR_TSC_DEADLINE 0x6e0u
#define VMM_MSR_KVM_FIRST    0x4b564d00u /* KVM's paravirtual interface */
#define VMM_MSR_WALL_CLOCK   0x4b564d00u
#define VMM_MSR_SYSTEM_TIME  0x4b564d01u
#define VMM_MSR_PV_EOI	     0x4b564d04u

/* How the host walks a guest's page tables (facts that doc/design/0021-walked.md builds on). */
enum vmm_mmu {
	VMM_MMU_UNKNOWN,
	VMM_MMU_SHADOW, /* KVM does, and keeps copies: what another host changes is not seen */
	VMM_MMU_NPT,	/* AMD: each access of a walk is a write */
	VMM_MMU_EPT,	/* Intel without accessed and dirty bits: a read */
	VMM_MMU_EPT_AD, /* Intel with them: a write */
};

struct vmm_kvm {
	int dev, vm;
	size_t run_size;	 /* of struct kvm_run's mapping */
	struct kvm_cpuid2 *cpuid; /* what the host can offer */
	bool intel;
	bool software; /* no svm, no vmx: runs bare programs, not kernels */
	enum vmm_mmu mmu;
};

/*
 * Opens /dev/kvm, checks all we need of it and makes a VM. One clear line in ERR where something
 * is missing: -ENOENT, -EACCES, -ENOTSUP, ….
 */
int vmm_kvm_open(struct vmm_kvm *k, dvm_error_t *err);
void vmm_kvm_close(struct vmm_kvm *k);

/* What a host whose KVM modules' parameters lie below DIR ("/sys/module") does. */
enum vmm_mmu vmm_kvm_mmu(const char *dir);
const char *vmm_mmu_name(enum vmm_mmu mmu);

/* Why this host cannot run a kernel, or 0. */
int vmm_kvm_check_kernel(const struct vmm_kvm *k, dvm_error_t *err);

/*
 * Whether a timer by the TSC works: KVM on Intel may swallow the write, and the software backend may
 * let the host's TSC through, whatever has been set.
 */
static inline bool vmm_kvm_has_deadline(const struct vmm_kvm *k)
{
	return !k->intel && !k->software;
}

/* Makes RAM the VM's. */
int vmm_kvm_set_memory(const struct vmm_kvm *k, const struct vmm_mem *m, dvm_error_t *err);
/* The VM has no RAM any more. */
int vmm_kvm_clear_memory(const struct vmm_kvm *k, const struct vmm_mem *m);

/* A vmm_bus_bell_fn, ARG is the struct vmm_kvm. */
int vmm_kvm_bell(void *arg, const struct vmm_doorbell *bell, bool add);

#endif
