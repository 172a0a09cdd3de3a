/* SPDX-License-Identifier: BSD-3-Clause */
/* A vCPU's thread: halting, injecting, running. */
#include "kvm-node/vcpu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <x86intrin.h>

#include "kvm-node/roots.h"
#include "kvm-node/seccomp.h"
#include "libdvm/base/clock.h"

#define LOOK (10 * DVMI_MSEC) /* between two looks at its tables, at least, if nobody interrupts it */

/* ---- before running; the lock is held ---- */

/* What an access is completed with may be RAM that is elsewhere: not under the lock. */
static void take_init(struct vmm_vcpu *v)
{
	v->lapic.init = false;
	v->lapic.wait_sipi = true;
	v->halted = false;
	vmm_lapic_reset(&v->lapic);
	v->eoi = (struct vmm_vcpu_eoi){ 0 };
	pthread_mutex_unlock(&v->lock);
	vmm_vcpu_complete_exit(v);
	pthread_mutex_lock(&v->lock);
}

static void take_sipi(struct vmm_vcpu *v)
{
	struct kvm_sregs s = v->reset_sregs;
	struct kvm_regs r = v->reset_regs;

	s.cs.selector = (uint16_t)(v->lapic.sipi << 8);
	s.cs.base = (uint64_t)v->lapic.sipi << 12;
	s.apic_base = v->apic_base;
	s.cr8 = 0;
	r.rip = 0;
	v->lapic.sipi = -1;
	v->lapic.wait_sipi = false;
	if (ioctl(v->fd, KVM_SET_SREGS, &s) < 0 || ioctl(v->fd, KVM_SET_REGS, &r) < 0)
		dvmi_log(v->env->log, "vcpu", LOG_ERR, "vCPU %u cannot be started", v->index);
}

static void park(struct vmm_vcpu *v)
{
	uint64_t began = dvmi_clock_mono();

	v->asleep_since = began;
	while (v->want == VMM_WANT_PAUSE) {
		/* Again, where it was to go on for a moment that has passed. */
		v->parked = true;
		pthread_cond_broadcast(&v->parked_cond);
		vmm_vcpu_doze(v, 0);
	}
	v->parked = false;
	atomic_fetch_add_explicit(&v->n.halt_ns, dvmi_clock_mono() - began, memory_order_relaxed);
}

static bool has_extint(const struct vmm_vcpu *v)
{
	return v->index == 0 && v->env->pic && vmm_pic_asks(v->env->pic) &&
	       vmm_lapic_takes_extint(&v->lapic);
}

static bool has_interrupt(const struct vmm_vcpu *v)
{
	return has_extint(v) || vmm_lapic_pending(&v->lapic) >= 0;
}

/* Halted, and nothing that would wake it. */
static bool sleeps(const struct vmm_vcpu *v)
{
	if (v->lapic.wait_sipi)
		return true;
	return v->halted && !v->lapic.nmi && (!has_interrupt(v) || !v->run->if_flag);
}

/* Waits until the vCPU can run. False: its thread is to end. */
static bool get_ready(struct vmm_vcpu *v)
{
	struct vmm_lapic_time t;

	for (;;) {
		if (v->want == VMM_WANT_EXIT)
			return false;
		if (v->want == VMM_WANT_PAUSE) {
			park(v);
			continue;
		}
		if (v->lapic.init) {
			take_init(v);
			continue;
		}
		if (v->lapic.wait_sipi && v->lapic.sipi >= 0)
			take_sipi(v);
		if (v->lapic.deadline) {
			vmm_clock_now(v->env->clock, &t);
			vmm_lapic_tick(&v->lapic, v->halted, &t);
			if (v->lapic.deadline && !sleeps(v))
				vmm_vcpu_arm_timer(v, vmm_lapic_due(&v->lapic, false), t.now);
		}
		if (!sleeps(v))
			break;
		vmm_vcpu_nap(v, vmm_lapic_due(&v->lapic, v->halted));
	}
	v->halted = false;
	return true;
}

/* The one that comes first; what the old controllers have given away is not theirs any more. */
static void deliver_one(struct vmm_vcpu *v)
{
	bool old = has_extint(v);
	int vector = old ? vmm_pic_ack(v->env->pic) : vmm_lapic_pending(&v->lapic);
	struct kvm_interrupt in = { .irq = (uint32_t)vector };

	if (ioctl(v->fd, KVM_INTERRUPT, &in) < 0)
		return;
	vmm_count(&v->n.injected);
	v->came_up = true;
	if (old)
		return;
	vmm_lapic_ack(&v->lapic, vector);
	vmm_vcpu_eoi_offer(v);
}

static void inject(struct vmm_vcpu *v)
{
	struct kvm_run *run = v->run;

	if (v->lapic.nmi) {
		v->lapic.nmi = false;
		vmm_count(&v->n.nmis);
		(void)ioctl(v->fd, KVM_NMI, 0);
	}
	run->request_interrupt_window = 0;
	/* KVM takes one at a time. */
	if (has_interrupt(v) && run->ready_for_interrupt_injection && run->if_flag)
		deliver_one(v);
	if (has_interrupt(v)) {
		run->request_interrupt_window = 1;
		vmm_count(&v->n.windows);
	}
}

/* ---- the loop ---- */

static bool enter(struct vmm_vcpu *v)
{
	pthread_mutex_lock(&v->lock);
	/* First: the timer may fire as soon as it is set, and that must not be forgotten. */
	v->run->immediate_exit = 0;
	bool go = get_ready(v);
	if (go) {
		vmm_vcpu_follow_clock(v); /* it may have slept */
		if (!vmm_vcpu_page_owed(v))
			inject(v);
		v->run->cr8 = v->lapic.tpr >> 4;
		v->kicked = false;
		v->where = VMM_IN_GUEST;
	}
	pthread_mutex_unlock(&v->lock);
	return go;
}

static enum vmm_apic_state apic_state(uint64_t base)
{
	if (!(base & 1 << 11))
		return VMM_APIC_OFF;
	return base & 1 << 10 ? VMM_APIC_IN_X2APIC : VMM_APIC_IN_XAPIC;
}

/* The kick was there before the page: the instruction has not been done yet. */
static void tell_where(struct vmm_vcpu *v, uint64_t page)
{
	struct kvm_regs r;

	if (ioctl(v->fd, KVM_GET_REGS, &r) == 0)
		v->env->sampled(v->env->arg, page, r.rip);
}

/* Then all vCPUs are on one host, and no other one walks. */
static bool is_starting(const struct vmm_vcpu *v)
{
	return atomic_load_explicit(v->env->starting, memory_order_relaxed);
}

/* Its registers can be read now; who is interrupted may be at the beginning of something else. */
static void look_for_tables(struct vmm_vcpu *v, bool interrupted)
{
	uint64_t now = dvmi_clock_mono();
	struct dsm_root root;
	struct kvm_sregs s;

	if (!interrupted && now - v->looked < LOOK)
		return;
	v->looked = now;
	if (ioctl(v->fd, KVM_GET_SREGS, &s) == 0 && vmm_roots_of(&s, &root))
		v->env->walks(v->env->arg, &root);
}

/* Somebody wants to know when the guest's kernel has come up; ticks are enough of a sample. */
static void look_for_user(struct vmm_vcpu *v)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	if (ioctl(v->fd, KVM_GET_SREGS, &s) == 0 && (s.cs.selector & 3) == 3 &&
	    ioctl(v->fd, KVM_GET_REGS, &r) == 0)
		v->env->user(v->env->arg, s.cr3, r.rsp);
}

/* What the guest has changed without an exit of its own. */
static void leave(struct vmm_vcpu *v, bool interrupted)
{
	struct vmm_lapic_out out = { 0 };

	pthread_mutex_lock(&v->lock);
	uint64_t sample = vmm_vcpu_page_back(v, interrupted);
	v->where = VMM_OUTSIDE;
	vmm_vcpu_eoi_take(v);
	vmm_lapic_set_cr8(&v->lapic, (unsigned)v->run->cr8);
	if (v->run->apic_base != v->apic_base) {
		v->apic_base = v->run->apic_base;
		vmm_lapic_set_state(&v->lapic, apic_state(v->apic_base), &out);
	}
	pthread_mutex_unlock(&v->lock);
	if (sample != VMM_NO_PAGE)
		tell_where(v, sample);
	if (v->env->walks && !is_starting(v))
		look_for_tables(v, interrupted);
	if (interrupted && is_starting(v))
		look_for_user(v);
	vmm_vcpu_do(v, &out);
}

void vmm_vcpu_do(struct vmm_vcpu *v, const struct vmm_lapic_out *out)
{
	struct vmm_apic_row row;

	if (out->todo & VMM_LAPIC_DO_ROUTE) {
		pthread_mutex_lock(&v->lock);
		vmm_lapic_row(&v->lapic, &row);
		pthread_mutex_unlock(&v->lock);
		vmm_irq_publish(v->env->irq, v->index, &row);
	}
	if (out->todo & VMM_LAPIC_DO_SEND)
		vmm_irq_send(v->env->irq, (int)v->index, &out->msg);
	if (out->todo & VMM_LAPIC_DO_EOI)
		vmm_irq_eoi(v->env->irq, out->vector);
}

static void crashed(struct vmm_vcpu *v, int rc)
{
	char text[64];

	snprintf(text, sizeof text, "KVM_RUN of vCPU %u: %s", v->index, dvm_strerror(-rc));
	vmm_vcpu_want(v, VMM_WANT_PAUSE);
	v->env->ended(v->env->arg, VMM_END_CRASH, 0, text);
}

static void *run_vcpu(void *arg)
{
	struct vmm_vcpu *v = arg;
	char name[16];

	snprintf(name, sizeof name, "vcpu%u", v->index);
	prctl(PR_SET_NAME, name);
	prctl(PR_SET_TIMERSLACK, 1);
	vmm_vcpu_hear_kicks(v);
	pthread_getcpuclockid(pthread_self(), &v->cpu_clock);
	atomic_store(&v->tid, gettid());
	if (v->env->jail && v->env->jail->narrow)
		(void)vmm_seccomp_enter(VMM_SECCOMP_VCPU);
	while (enter(v)) {
		int rc = ioctl(v->fd, KVM_RUN, 0) < 0 ? -errno : 0;
		v->left_at = __rdtsc();
		leave(v, rc < 0);
		if (rc == 0)
			vmm_exit_handle(v);
		else if (rc == -EINTR || rc == -EAGAIN)
			vmm_count(&v->n.interrupted);
		else
			crashed(v, rc);
	}
	vmm_vcpu_hear_no_more(v);
	return NULL;
}

int vmm_vcpu_start(struct vmm_vcpu *v)
{
	vmm_vcpu_catch_kicks();
	pthread_mutex_lock(&v->lock); /* nobody kicks a thread that has no identity yet */
	int rc = pthread_create(&v->thread, NULL, run_vcpu, v);
	v->started = rc == 0;
	pthread_mutex_unlock(&v->lock);
	return -rc;
}

void vmm_vcpu_wait_parked(struct vmm_vcpu *v)
{
	pthread_mutex_lock(&v->lock);
	while (v->started && !v->parked)
		pthread_cond_wait(&v->parked_cond, &v->lock);
	pthread_mutex_unlock(&v->lock);
}

void vmm_vcpu_join(struct vmm_vcpu *v)
{
	if (!v->started)
		return;
	pthread_join(v->thread, NULL);
	v->started = false;
}
