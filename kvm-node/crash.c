/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/crash.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm-node/vcpu.h"

#define BYTES 16u /* of code and stack that are shown */

static const char *const names[VMM_EXITS] = {
	[KVM_EXIT_IO] = "io",
	[KVM_EXIT_MMIO] = "mmio",
	[KVM_EXIT_X86_RDMSR] = "rdmsr",
	[KVM_EXIT_X86_WRMSR] = "wrmsr",
	[KVM_EXIT_HLT] = "hlt",
	[KVM_EXIT_IRQ_WINDOW_OPEN] = "irq_window",
	[KVM_EXIT_INTR] = "intr",
	[KVM_EXIT_SET_TPR] = "set_tpr",
	[KVM_EXIT_DEBUG] = "debug",
	[KVM_EXIT_SHUTDOWN] = "shutdown",
	[KVM_EXIT_INTERNAL_ERROR] = "internal_error",
	[KVM_EXIT_FAIL_ENTRY] = "fail_entry",
};

const char *vmm_exit_name(uint32_t reason)
{
	return reason < VMM_EXITS ? names[reason] : NULL;
}

/* ---- notes ---- */

static void note_io(const struct kvm_run *run, struct vmm_note *n)
{
	size_t len = run->io.size < sizeof n->data ? run->io.size : sizeof n->data;

	n->at = run->io.port;
	n->write = run->io.direction == KVM_EXIT_IO_OUT;
	memcpy(&n->data, (const uint8_t *)run + run->io.data_offset, len);
}

static void note_mmio(const struct kvm_run *run, struct vmm_note *n)
{
	n->at = run->mmio.phys_addr;
	n->write = run->mmio.is_write;
	memcpy(&n->data, run->mmio.data, sizeof n->data);
}

void vmm_crash_note(struct vmm_vcpu *v)
{
	struct vmm_note n = { .reason = v->run->exit_reason };

	switch (n.reason) {
	case KVM_EXIT_IO: note_io(v->run, &n); break;
	case KVM_EXIT_MMIO: note_mmio(v->run, &n); break;
	case KVM_EXIT_X86_WRMSR: n.write = true; /* fall through */
	case KVM_EXIT_X86_RDMSR:
		n.at = v->run->msr.index;
		n.data = v->run->msr.data;
		break;
	default: break;
	}
	v->notes.ring[v->notes.taken++ % VMM_NOTES] = n;
}

/* ---- a crash ---- */

void vmm_crash_line(struct vmm_vcpu *v, char *out, size_t size)
{
	struct kvm_regs r = { 0 };
	struct kvm_sregs s = { 0 };

	(void)ioctl(v->fd, KVM_GET_REGS, &r);
	(void)ioctl(v->fd, KVM_GET_SREGS, &s);
	snprintf(out, size,
		 "rip %#llx rsp %#llx rflags %#llx cs %#x cr0 %#llx cr2 %#llx cr3 %#llx cr4 %#llx "
		 "efer %#llx",
		 r.rip, r.rsp, r.rflags, s.cs.selector, s.cr0, s.cr2, s.cr3, s.cr4, s.efer);
}

static void say(const struct vmm_vcpu *v, const char *what, const char *text)
{
	dvmi_log(v->env->log, "crash", LOG_ERR, "vCPU %u %s: %s", v->index, what, text);
}

static void log_registers(const struct vmm_vcpu *v)
{
	struct kvm_regs r = { 0 };
	struct kvm_sregs s = { 0 };
	char text[400];

	(void)ioctl(v->fd, KVM_GET_REGS, &r);
	(void)ioctl(v->fd, KVM_GET_SREGS, &s);
	snprintf(text, sizeof text,
		 "rax %llx rbx %llx rcx %llx rdx %llx rsi %llx rdi %llx rbp %llx r8 %llx r9 %llx "
		 "r10 %llx r11 %llx r12 %llx r13 %llx r14 %llx r15 %llx",
		 r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.r8, r.r9, r.r10, r.r11, r.r12,
		 r.r13, r.r14, r.r15);
	say(v, "registers", text);
	snprintf(text, sizeof text,
		 "gdt %llx+%x idt %llx+%x tr %x@%llx cs base %llx l %u ss %x fs %llx gs %llx cr8 %llx "
		 "apic base %llx",
		 s.gdt.base, s.gdt.limit, s.idt.base, s.idt.limit, s.tr.selector, s.tr.base, s.cs.base,
		 s.cs.l, s.ss.selector, s.fs.base, s.gs.base, s.cr8, s.apic_base);
	say(v, "tables", text);
}

static void log_events(const struct vmm_vcpu *v)
{
	struct kvm_vcpu_events e = { 0 };
	char text[200];

	if (ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e) < 0)
		return;
	snprintf(text, sizeof text,
		 "exception %u (injected %u, pending %u, code %x) interrupt %u (injected %u, shadow %u) "
		 "nmi (injected %u, pending %u, masked %u)",
		 e.exception.nr, e.exception.injected, e.exception.pending, e.exception.error_code,
		 e.interrupt.nr, e.interrupt.injected, e.interrupt.shadow, e.nmi.injected,
		 e.nmi.pending, e.nmi.masked);
	say(v, "events", text);
}

/* Bytes at a linear address, if it is mapped and in RAM. */
static void log_bytes(const struct vmm_vcpu *v, const char *what, uint64_t linear)
{
	struct kvm_translation t = { .linear_address = linear };
	uint8_t bytes[BYTES];
	char text[3 * BYTES + 1] = "";

	if (ioctl(v->fd, KVM_TRANSLATE, &t) < 0 || !t.valid ||
	    vmm_mem_read(v->env->mem, t.physical_address, bytes, sizeof bytes) < 0)
		return;
	for (unsigned i = 0; i < BYTES; i++)
		snprintf(text + (size_t)i * 3, 4, "%02x ", bytes[i]);
	say(v, what, text);
}

static void log_note(const struct vmm_vcpu *v, const struct vmm_note *n)
{
	const char *name = vmm_exit_name(n->reason);
	char text[100];

	snprintf(text, sizeof text, "%s (%u) %s %#llx %#llx", name ? name : "exit", n->reason,
		 n->write ? "to" : "from", (unsigned long long)n->at, (unsigned long long)n->data);
	say(v, "did before", text);
}

void vmm_crash_log(struct vmm_vcpu *v)
{
	const struct vmm_notes *n = &v->notes;
	struct kvm_regs r = { 0 };

	log_registers(v);
	log_events(v);
	(void)ioctl(v->fd, KVM_GET_REGS, &r);
	log_bytes(v, "code", r.rip);
	log_bytes(v, "stack", r.rsp);
	for (uint64_t i = n->taken < VMM_NOTES ? 0 : n->taken - VMM_NOTES; i < n->taken; i++)
		log_note(v, &n->ring[i % VMM_NOTES]);
}
