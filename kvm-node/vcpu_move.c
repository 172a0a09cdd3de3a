/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/vcpu_move.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define RFLAGS_IF   (UINT64_C(1) << 9)
#define MSR_TSC	    0x10u
#define MSR_APIC    0x1bu
#define X2APIC	    0x800u
#define HYPERV	    0x40000000u
#define KVM_INDEXES 1024u

/* ---- registers of models ---- */

/* Time is the clock's, interrupts are the local APIC's, and what KVM offers is not there. */
static bool moves(uint32_t msr)
{
	return msr != MSR_TSC && msr != MSR_APIC && msr != VMM_MSR_TSC_DEADLINE &&
	       msr >> 8 != X2APIC >> 8 && msr >> 8 != VMM_MSR_KVM_FIRST >> 8 && msr >> 12 != HYPERV >> 12;
}

static struct kvm_msr_list *list_msrs(const struct vmm_kvm *k)
{
	struct kvm_msr_list *l = calloc(1, sizeof *l + KVM_INDEXES * sizeof l->indices[0]);

	if (l)
		l->nmsrs = KVM_INDEXES;
	if (l && ioctl(k->dev, KVM_GET_MSR_INDEX_LIST, l) == 0)
		return l;
	free(l);
	return NULL;
}

/* One: KVM stops at the first that it does not know, and lists some that a model lacks. */
static bool one_msr(const struct vmm_vcpu *v, unsigned long request, struct kvm_msr_entry *e)
{
	_Alignas(struct kvm_msrs) uint8_t room[sizeof(struct kvm_msrs) + sizeof *e];
	struct kvm_msrs *m = (void *)room;

	m->nmsrs = 1;
	m->pad = 0;
	m->entries[0] = *e;
	bool done = ioctl(v->fd, request, m) == 1;
	e->data = m->entries[0].data;
	return done;
}

static int save_msrs(const struct vmm_vcpu *v, struct vmm_vcpu_state *s, dvm_error_t *err)
{
	cleanup_free struct kvm_msr_list *l = list_msrs(v->env->kvm);

	if (!l)
		return dvmi_error_code(err, -ENOMEM, "the registers that KVM knows");
	for (uint32_t i = 0; i < l->nmsrs; i++) {
		struct kvm_msr_entry e = { .index = l->indices[i] };
		if (!moves(e.index) || !one_msr(v, KVM_GET_MSRS, &e))
			continue;
		if (s->n_msrs == VMM_MOVE_MSRS)
			return dvmi_error_set(err, -ENOSPC, "vCPU %u has more registers than fit",
					      v->index);
		s->msrs[s->n_msrs++] = e;
	}
	return 0;
}

/* Many are as they are after power-on, and some cannot be written. */
static void load_msrs(const struct vmm_vcpu *v, const struct vmm_vcpu_state *s)
{
	for (uint32_t i = 0; i < s->n_msrs; i++) {
		struct kvm_msr_entry is = { .index = s->msrs[i].index }, want = s->msrs[i];
		if (!moves(want.index) || (one_msr(v, KVM_GET_MSRS, &is) && is.data == want.data))
			continue;
		if (!one_msr(v, KVM_SET_MSRS, &want))
			dvmi_log(v->env->log, "vcpu", LOG_WARNING,
				 "vCPU %u: register %#x cannot be %#llx here", v->index, want.index,
				 (unsigned long long)s->msrs[i].data);
	}
}

/* ---- the rest ---- */

bool vmm_vcpu_can_move(const struct vmm_kvm *k)
{
#ifdef KVM_CAP_XSAVE2
	if (ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2) > (int)sizeof(struct kvm_xsave))
		return false;
#endif
	return ioctl(k->dev, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE) > 0 &&
	       ioctl(k->dev, KVM_CHECK_EXTENSION, KVM_CAP_XCRS) > 0 &&
	       ioctl(k->dev, KVM_CHECK_EXTENSION, KVM_CAP_DEBUGREGS) > 0 &&
	       ioctl(k->dev, KVM_CHECK_EXTENSION, KVM_CAP_VCPU_EVENTS) > 0;
}

int vmm_vcpu_save(struct vmm_vcpu *v, struct vmm_vcpu_state *s, dvm_error_t *err)
{
	memset(s, 0, sizeof *s);
	s->size = sizeof *s;
	vmm_vcpu_complete_exit(v);
	if (ioctl(v->fd, KVM_GET_REGS, &s->regs) < 0 || ioctl(v->fd, KVM_GET_SREGS, &s->sregs) < 0 ||
	    ioctl(v->fd, KVM_GET_XSAVE, s->xsave) < 0 || ioctl(v->fd, KVM_GET_XCRS, &s->xcrs) < 0 ||
	    ioctl(v->fd, KVM_GET_DEBUGREGS, &s->debug) < 0 ||
	    ioctl(v->fd, KVM_GET_VCPU_EVENTS, &s->events) < 0)
		return dvmi_error_code(err, -errno, "the registers of vCPU %u", v->index);
	s->apic_base = v->apic_base;
	s->halted = v->halted;
	s->came_up = v->came_up;
	s->tsc_read = vmm_vcpu_tsc_read(v);
	return save_msrs(v, s, err);
}

/* Times of hosts have nothing to do with each other; 0 stays "none". */
static void move_times(struct vmm_lapic *l, uint64_t by)
{
	uint64_t *times[] = { &l->deadline, &l->ticked_at, &l->rests_from };

	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
		if (*times[i] && !(*times[i] += by))
			*times[i] = 1;
}

void vmm_vcpu_leave(struct vmm_vcpu *v, struct vmm_vcpu_state *s)
{
	pthread_mutex_lock(&v->lock);
	v->away = true;
	s->lapic = v->lapic;
	pthread_mutex_unlock(&v->lock);
	move_times(&s->lapic, -dvmi_clock_mono());
}

/* What is read as bool is one. */
static bool flags_good(const struct vmm_vcpu_state *s)
{
	const struct vmm_lapic *l = &s->lapic;
	const bool *flags[] = { &s->halted, &s->came_up, &l->x2apic_ok, &l->deadline_ok,
				&l->nmi,    &l->init,	 &l->wait_sipi };
	uint8_t byte;

	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		memcpy(&byte, flags[i], sizeof byte);
		if (byte > 1)
			return false;
	}
	return true;
}

int vmm_vcpu_state_check(const struct vmm_vcpu *v, const void *state, size_t len)
{
	const struct vmm_vcpu_state *s = state;

	if (len != sizeof *s || s->size != sizeof *s || s->n_msrs > VMM_MOVE_MSRS ||
	    s->lapic.id != v->apic_id || s->lapic.state > VMM_APIC_IN_X2APIC || s->lapic.sipi < -1 ||
	    s->lapic.sipi > 255 || s->xcrs.nr_xcrs > KVM_MAX_XCRS || !flags_good(s))
		return -EBADMSG;
	return 0;
}

void vmm_vcpu_arrive(struct vmm_vcpu *v, const struct vmm_vcpu_state *s)
{
	struct vmm_lapic l = s->lapic;

	move_times(&l, dvmi_clock_mono());
	l.x2apic_ok = v->lapic.x2apic_ok;
	l.deadline_ok = v->lapic.deadline_ok;
	pthread_mutex_lock(&v->lock);
	v->lapic = l;
	v->away = false;
	pthread_mutex_unlock(&v->lock);
}

int vmm_vcpu_load(struct vmm_vcpu *v, const struct vmm_vcpu_state *s, dvm_error_t *err)
{
	vmm_vcpu_complete_exit(v);
	if (ioctl(v->fd, KVM_SET_SREGS, &s->sregs) < 0)
		return dvmi_error_code(err, -errno, "the state of vCPU %u", v->index);
	load_msrs(v, s);
	if (ioctl(v->fd, KVM_SET_REGS, &s->regs) < 0 ||
	    (s->xcrs.nr_xcrs && ioctl(v->fd, KVM_SET_XCRS, &s->xcrs) < 0) ||
	    ioctl(v->fd, KVM_SET_XSAVE, s->xsave) < 0 ||
	    ioctl(v->fd, KVM_SET_DEBUGREGS, &s->debug) < 0 ||
	    ioctl(v->fd, KVM_SET_VCPU_EVENTS, &s->events) < 0)
		return dvmi_error_code(err, -errno, "the registers of vCPU %u", v->index);
	v->apic_base = s->apic_base;
	v->halted = s->halted;
	v->came_up = s->came_up;
	/* What KVM says of them after each exit, of which there has been none here. */
	v->run->apic_base = s->apic_base;
	v->run->if_flag = !!(s->regs.rflags & RFLAGS_IF);
	v->run->ready_for_interrupt_injection = 0;
	int rc = vmm_vcpu_take_tsc(v, s->tsc_read);
	return rc < 0 ? dvmi_error_code(err, rc, "the time of vCPU %u", v->index) : 0;
}
