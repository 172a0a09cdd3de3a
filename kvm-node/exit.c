/* SPDX-License-Identifier: BSD-3-Clause */
/* What KVM_RUN comes back with, and what is done about it: one table. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm-node/layout.h"
#include "kvm-node/vcpu.h"
#include "libdvm/base/clock.h"

#define X2APIC_FIRST 0x800u
#define X2APIC_LAST  0x8ffu

/* ---- ports and memory ---- */

static void on_io(struct vmm_vcpu *v)
{
	struct kvm_run *run = v->run;
	uint8_t *p = (uint8_t *)run + run->io.data_offset;
	struct vmm_access a = {
		.vcpu = v->index,
		.space = VMM_PIO,
		.len = run->io.size,
		.write = run->io.direction == KVM_EXIT_IO_OUT,
	};

	if (v->env->settle)
		v->env->settle(v->env->arg);
	for (uint32_t i = 0; i < run->io.count; i++, p += a.len) {
		a.addr = run->io.port;
		a.data = 0;
		if (a.write)
			memcpy(&a.data, p, a.len);
		if (!vmm_bus_access(v->env->bus, &a))
			vmm_count(&v->n.bad_pio);
		if (!a.write)
			memcpy(p, &a.data, a.len);
	}
}

static void lapic_mmio(struct vmm_vcpu *v, struct vmm_access *a)
{
	struct vmm_lapic_out out = { 0 };
	struct vmm_lapic_time t;
	unsigned off = (unsigned)(a->addr - VMM_LAPIC);

	vmm_clock_now(v->env->clock, &t);
	vmm_count(a->write ? &v->n.lapic_writes : &v->n.lapic_reads);
	pthread_mutex_lock(&v->lock);
	if (a->write)
		vmm_lapic_mmio_write(&v->lapic, off, (uint32_t)a->data, &t, &out);
	else
		a->data = vmm_lapic_mmio_read(&v->lapic, off, &t);
	pthread_mutex_unlock(&v->lock);
	vmm_vcpu_do(v, &out);
}

static void on_mmio(struct vmm_vcpu *v)
{
	struct kvm_run *run = v->run;
	struct vmm_access a = {
		.addr = run->mmio.phys_addr,
		.vcpu = v->index,
		.space = VMM_MMIO,
		.len = run->mmio.len <= 8 ? (uint8_t)run->mmio.len : 8,
		.write = run->mmio.is_write,
	};

	if (a.write)
		memcpy(&a.data, run->mmio.data, a.len);
	bool ours = a.addr - VMM_LAPIC < VMM_LAPIC_SIZE;
	if (!ours && v->env->settle)
		v->env->settle(v->env->arg);
	if (ours)
		lapic_mmio(v, &a);
	else if (!vmm_bus_access(v->env->bus, &a))
		vmm_count(&v->n.bad_mmio);
	if (!a.write)
		memcpy(run->mmio.data, &a.data, a.len);
}

/* ---- MSRs ---- */

static int read_msr(struct vmm_vcpu *v, uint32_t msr, uint64_t *value)
{
	struct vmm_lapic_time t;
	int rc = 0;

	vmm_clock_now(v->env->clock, &t);
	pthread_mutex_lock(&v->lock);
	if (msr >= X2APIC_FIRST && msr <= X2APIC_LAST)
		rc = vmm_lapic_read(&v->lapic, msr - X2APIC_FIRST, &t, value);
	else if (msr == VMM_MSR_TSC_DEADLINE && v->lapic.deadline_ok)
		*value = vmm_lapic_tscdl(&v->lapic);
	else
		rc = -EPERM;
	pthread_mutex_unlock(&v->lock);
	return rc;
}

static int write_lapic_msr(struct vmm_vcpu *v, uint32_t msr, uint64_t value)
{
	struct vmm_lapic_out out = { 0 };
	struct vmm_lapic_time t;
	int rc = 0;

	vmm_clock_now(v->env->clock, &t);
	pthread_mutex_lock(&v->lock);
	if (msr == VMM_MSR_TSC_DEADLINE)
		vmm_lapic_set_tscdl(&v->lapic, value, &t);
	else
		rc = vmm_lapic_write(&v->lapic, msr - X2APIC_FIRST, value, &t, &out);
	pthread_mutex_unlock(&v->lock);
	vmm_vcpu_do(v, &out);
	return rc;
}

static int write_msr(struct vmm_vcpu *v, uint32_t msr, uint64_t value)
{
	if (msr >= X2APIC_FIRST && msr <= X2APIC_LAST) {
		vmm_count(&v->n.lapic_writes);
		return write_lapic_msr(v, msr, value);
	}
	switch (msr) {
	case VMM_MSR_TSC_DEADLINE:
		if (!v->lapic.deadline_ok)
			return -EPERM;
		vmm_count(&v->n.deadlines);
		return write_lapic_msr(v, msr, value);
	case VMM_MSR_SYSTEM_TIME: return vmm_clock_write_page(v->env->clock, v->env->mem, value);
	case VMM_MSR_PV_EOI:
		return vmm_vcpu_eoi_at(v, value);
	case VMM_MSR_WALL_CLOCK: return vmm_clock_write_wall(v->env->clock, v->env->mem, value);
	default: return -EPERM;
	}
}

static void on_rdmsr(struct vmm_vcpu *v)
{
	uint64_t value = 0;

	if (v->run->msr.index >= X2APIC_FIRST && v->run->msr.index <= X2APIC_LAST)
		vmm_count(&v->n.lapic_reads);
	v->run->msr.error = read_msr(v, v->run->msr.index, &value) < 0;
	v->run->msr.data = value;
	if (v->run->msr.error)
		vmm_count(&v->n.bad_msrs);
}

static void on_wrmsr(struct vmm_vcpu *v)
{
	v->run->msr.error = write_msr(v, v->run->msr.index, v->run->msr.data) < 0;
	if (v->run->msr.error)
		vmm_count(&v->n.bad_msrs);
}

/* ---- the rest ---- */

static void on_halt(struct vmm_vcpu *v)
{
	v->halted = true;
	vmm_count(&v->n.halts);
}

static void on_nothing(struct vmm_vcpu *v)
{
}

/* The control thread decides; until then this vCPU stands still. */
static void end_as(struct vmm_vcpu *v, enum vmm_end end, const char *what, unsigned detail)
{
	char why[400];
	int n = snprintf(why, sizeof why, "vCPU %u: %s (%u); ", v->index, what, detail);

	vmm_crash_line(v, why + n, sizeof why - (size_t)n);
	vmm_crash_log(v);
	vmm_vcpu_want(v, VMM_WANT_PAUSE);
	v->env->ended(v->env->arg, end, 0, why);
}

static void end_guest(struct vmm_vcpu *v, const char *what, unsigned detail)
{
	end_as(v, VMM_END_CRASH, what, detail);
}

/*
 * A PC is reset by this, and reboot=t means it so. But a kernel whose CPU was never interrupted has
 * not come up, and would only fall in the same place again.
 */
static void on_shutdown(struct vmm_vcpu *v)
{
	end_as(v, v->came_up ? VMM_END_FAULT : VMM_END_CRASH, "triple fault", 0);
}

static void on_internal(struct vmm_vcpu *v)
{
	end_guest(v, "KVM cannot emulate what the guest does", v->run->internal.suberror);
}

static void on_failed_entry(struct vmm_vcpu *v)
{
	end_guest(v, "the processor refuses the guest's state",
		  (unsigned)v->run->fail_entry.hardware_entry_failure_reason);
}

typedef void exit_fn(struct vmm_vcpu *v);

static exit_fn *const handlers[VMM_EXITS] = {
	[KVM_EXIT_IO] = on_io,
	[KVM_EXIT_MMIO] = on_mmio,
	[KVM_EXIT_X86_RDMSR] = on_rdmsr,
	[KVM_EXIT_X86_WRMSR] = on_wrmsr,
	[KVM_EXIT_HLT] = on_halt,
	[KVM_EXIT_IRQ_WINDOW_OPEN] = on_nothing,
	[KVM_EXIT_INTR] = on_nothing,
	[KVM_EXIT_SET_TPR] = on_nothing,
	[KVM_EXIT_DEBUG] = on_nothing,
	[KVM_EXIT_SHUTDOWN] = on_shutdown,
	[KVM_EXIT_INTERNAL_ERROR] = on_internal,
	[KVM_EXIT_FAIL_ENTRY] = on_failed_entry,
};

void vmm_exit_handle(struct vmm_vcpu *v)
{
	uint32_t reason = v->run->exit_reason;
	exit_fn *fn = reason < VMM_EXITS ? handlers[reason] : NULL;

	vmm_count(reason < VMM_EXITS ? &v->n.exits[reason] : &v->n.other_exits);
	if (fn)
		fn(v);
	else
		end_guest(v, "an exit nobody knows", reason);
	vmm_crash_note(v);
}

/* ---- statistics ---- */

static void put(struct dvmi_buf *out, const char *name, uint64_t n)
{
	dvmi_buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)n);
}

/* With the sleep it is in; locked. */
static uint64_t halted(const struct vmm_vcpu *v)
{
	return v->n.halt_ns + (v->where == VMM_ASLEEP ? dvmi_clock_mono() - v->asleep_since : 0);
}

uint64_t vmm_vcpu_idle(struct vmm_vcpu *v)
{
	pthread_mutex_lock(&v->lock);
	uint64_t ns = halted(v);
	pthread_mutex_unlock(&v->lock);
	return ns;
}

void vmm_vcpu_stat(struct vmm_vcpu *v, struct dvmi_buf *out)
{
	dvmi_buf_printf(out, "{\"cpu\":%u,\"apic_id\":%u,\"exits\":{\"signal\":%llu", v->index,
			v->apic_id, (unsigned long long)v->n.interrupted);
	for (unsigned i = 0; i < VMM_EXITS; i++)
		if (vmm_exit_name(i) && v->n.exits[i])
			put(out, vmm_exit_name(i), v->n.exits[i]);
	put(out, "other", v->n.other_exits);
	dvmi_buf_printf(out, "}");
	put(out, "injected", v->n.injected);
	put(out, "windows", v->n.windows);
	put(out, "nmis", v->n.nmis);
	put(out, "kicks", v->n.kicks);
	put(out, "lapic_reads", v->n.lapic_reads);
	put(out, "lapic_writes", v->n.lapic_writes);
	put(out, "deadline_writes", v->n.deadlines);
	put(out, "silent_eois", v->n.silent_eois);
	put(out, "early_ns", v->early);
	pthread_mutex_lock(&v->lock);
	put(out, "halt_ns", halted(v));
	put(out, "timer_fired", v->lapic.fired);
	put(out, "let_in", v->n.let_in);
	put(out, "timer_put_off", v->lapic.put_off);
	put(out, "accepted", v->lapic.accepted);
	put(out, "merged", v->lapic.merged);
	pthread_mutex_unlock(&v->lock);
	put(out, "bad_msrs", v->n.bad_msrs);
	put(out, "bad_ports", v->n.bad_pio);
	put(out, "bad_addresses", v->n.bad_mmio);
	dvmi_buf_printf(out, "}");
}
