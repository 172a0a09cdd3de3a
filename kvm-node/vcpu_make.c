/* SPDX-License-Identifier: BSD-3-Clause */
/* A vCPU made, reset and ended. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "kvm-node/layout.h"
#include "kvm-node/vcpu.h"
#include "libdvm/base/err.h"

#define APIC_BASE_BSP	 (1u << 8)
#define APIC_BASE_X2	 (1u << 10)
#define APIC_BASE_ENABLE (1u << 11)

#define FOLLOWS 64 /* ticks; less is not worth telling KVM */

#define MSR_MISC_ENABLE	 0x1a0u
#define MSR_MTRR_DEFAULT 0x2ffu

#ifndef KVM_VCPU_TSC_CTRL
#define KVM_VCPU_TSC_CTRL   0
#define KVM_VCPU_TSC_OFFSET 0
#endif

static int make_kvm_side(struct vmm_vcpu *v, dvm_error_t *err)
{
	v->fd = ioctl(v->env->kvm->vm, KVM_CREATE_VCPU, v->index);
	if (v->fd < 0)
		return dvmi_error_code(err, -errno, "making vCPU %u", v->index);
	void *run = mmap(NULL, v->env->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (run == MAP_FAILED)
		return dvmi_error_code(err, -errno, "mapping vCPU %u", v->index);
	v->run = run;
	if (ioctl(v->fd, KVM_GET_SREGS, &v->reset_sregs) < 0 ||
	    ioctl(v->fd, KVM_GET_REGS, &v->reset_regs) < 0)
		return dvmi_error_code(err, -errno, "the registers of vCPU %u", v->index);
	return 0;
}

static void make_locks(struct vmm_vcpu *v)
{
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->parked_cond, NULL);
}

int vmm_vcpu_create(struct vmm_vcpu **out, const struct vmm_vcpu_env *env, unsigned index,
		    uint32_t apic_id, dvm_error_t *err)
{
	struct vmm_vcpu *v = calloc(1, sizeof *v);

	if (!v)
		return dvmi_error_code(err, -ENOMEM, "vCPU %u", index);
	v->env = env;
	v->index = index;
	v->apic_id = apic_id;
	v->fd = -1;
	v->page.waits = v->page.sample = VMM_NO_PAGE;
	v->lapic.x2apic_ok = true;
	v->lapic.deadline_ok = vmm_kvm_has_deadline(env->kvm);
	make_locks(v);
	int rc = make_kvm_side(v, err);
	if (rc < 0) {
		vmm_vcpu_destroy(v);
		return rc;
	}
	*out = v;
	return 0;
}

void vmm_vcpu_destroy(struct vmm_vcpu *v)
{
	if (!v)
		return;
	if (v->run)
		munmap(v->run, v->env->kvm->run_size);
	if (v->fd >= 0)
		close(v->fd);
	pthread_cond_destroy(&v->parked_cond);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

int vmm_vcpu_set_model(struct vmm_vcpu *v, const struct kvm_cpuid2 *cpuid, enum vmm_apic_mode mode,
		       dvm_error_t *err)
{
	if (ioctl(v->fd, KVM_SET_CPUID2, cpuid) < 0)
		return dvmi_error_code(err, -errno, "the CPU model of vCPU %u", v->index);
	/* Older hosts cannot; theirs then start a moment apart and KVM evens them out. */
	vmm_vcpu_set_tsc(v);
	return vmm_vcpu_reset(v, mode, err);
}

uint32_t vmm_vcpu_tsc_khz(const struct vmm_vcpu *v)
{
	int khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);

	return khz > 0 ? (uint32_t)khz : 0;
}

/* ---- its time stamp counter ---- */

static int put_offset(struct vmm_vcpu *v, uint64_t offset)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)&offset,
	};

	v->tsc_offset = offset;
	return ioctl(v->fd, KVM_SET_DEVICE_ATTR, &attr) < 0 ? -errno : 0;
}

int vmm_vcpu_set_tsc(struct vmm_vcpu *v)
{
	v->left_at = 0;
	return put_offset(v, vmm_clock_offset(v->env->clock));
}

uint64_t vmm_vcpu_tsc_read(const struct vmm_vcpu *v)
{
	return v->left_at ? v->left_at + v->tsc_offset : 0;
}

int vmm_vcpu_take_tsc(struct vmm_vcpu *v, uint64_t read)
{
	uint64_t now = __rdtsc(), offset = vmm_clock_offset(v->env->clock);

	if ((int64_t)(now + offset - read) < 0)
		offset = read - now;
	v->left_at = now;
	return put_offset(v, offset);
}

void vmm_vcpu_follow_clock(struct vmm_vcpu *v)
{
	uint64_t now = __rdtsc();
	int64_t by = (int64_t)(vmm_clock_offset(v->env->clock) - v->tsc_offset);
	int64_t out = (int64_t)(now - v->left_at);

	if (out < 0)
		return;
	by = by < -out ? -out : by;
	if (by >= FOLLOWS || by <= -FOLLOWS)
		(void)put_offset(v, v->tsc_offset + (uint64_t)by);
}

/* ---- */

/* What firmware would have set up. KVM may know none of them; then nobody misses them. */
static void set_msrs(struct vmm_vcpu *v)
{
	static const struct kvm_msr_entry entries[] = {
		{ .index = MSR_MTRR_DEFAULT, .data = 0x806 }, /* on, all is write-back */
		{ .index = MSR_MISC_ENABLE, .data = 1 },      /* fast strings */
	};
	struct kvm_msrs *m = calloc(1, sizeof *m + sizeof entries);

	if (!m)
		return;
	m->nmsrs = sizeof entries / sizeof entries[0];
	memcpy(m->entries, entries, sizeof entries);
	(void)ioctl(v->fd, KVM_SET_MSRS, m);
	free(m);
}

void vmm_vcpu_complete_exit(struct vmm_vcpu *v)
{
	v->run->immediate_exit = 1;
	(void)ioctl(v->fd, KVM_RUN, 0);
	v->run->immediate_exit = 0;
}

int vmm_vcpu_reset(struct vmm_vcpu *v, enum vmm_apic_mode mode, dvm_error_t *err)
{
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };
	struct kvm_vcpu_events events = { 0 };
	struct vmm_apic_row row;
	struct vmm_lapic_out out = { 0 };
	bool first = v->index == 0, x2 = mode == VMM_APIC_X2;

	vmm_vcpu_complete_exit(v);
	v->apic_base = VMM_LAPIC | APIC_BASE_ENABLE | (x2 ? APIC_BASE_X2 : 0) |
		       (first ? APIC_BASE_BSP : 0);
	v->reset_sregs.apic_base = v->apic_base;
	if (ioctl(v->fd, KVM_SET_MP_STATE, &runnable) < 0 ||
	    ioctl(v->fd, KVM_SET_VCPU_EVENTS, &events) < 0 ||
	    ioctl(v->fd, KVM_SET_SREGS, &v->reset_sregs) < 0 ||
	    ioctl(v->fd, KVM_SET_REGS, &v->reset_regs) < 0)
		return dvmi_error_code(err, -errno, "resetting vCPU %u", v->index);
	set_msrs(v);
	pthread_mutex_lock(&v->lock);
	vmm_lapic_init(&v->lapic, v->apic_id, first);
	v->eoi = (struct vmm_vcpu_eoi){ 0 };
	vmm_lapic_set_state(&v->lapic, x2 ? VMM_APIC_IN_X2APIC : VMM_APIC_IN_XAPIC, &out);
	vmm_lapic_row(&v->lapic, &row);
	v->halted = v->came_up = false;
	pthread_mutex_unlock(&v->lock);
	vmm_irq_publish(v->env->irq, v->index, &row);
	return 0;
}

int vmm_vcpu_set_start(struct vmm_vcpu *v, const struct kvm_regs *regs,
		       const struct kvm_sregs *sregs, dvm_error_t *err)
{
	struct kvm_sregs s = *sregs;

	s.apic_base = v->apic_base;
	if (ioctl(v->fd, KVM_SET_SREGS, &s) < 0 || ioctl(v->fd, KVM_SET_REGS, regs) < 0)
		return dvmi_error_code(err, -errno, "the first vCPU's registers");
	return 0;
}
