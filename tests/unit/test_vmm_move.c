/* SPDX-License-Identifier: BSD-3-Clause */
/* A vCPU of this host's KVM that goes on as another one, with registers, interrupts and timers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <x86intrin.h>

#include "kvm-node/vcpu_move.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"

#define MSR_STAR     0xc0000081u
#define MSR_SYSENTER 0x174u
#define MSR_TSC	     0x10u
#define CPUID_MAX    256u
#define BEHIND	     INT64_C(1000000000000) /* ticks: minutes */

struct scene {
	struct vmm_kvm kvm;
	struct vmm_irq *irq;
	struct vmm_clock clock;
	struct vmm_vcpu_env env;
	struct vmm_vcpu *from, *to;
};

static void nobody(void *arg, unsigned cpu, const struct vmm_intr *msg)
{
}

static void make_vcpu(struct scene *s, struct vmm_vcpu **v, unsigned index)
{
	dvm_error_t err;

	assert_int_equal(vmm_vcpu_create(v, &s->env, index, 7, &err), 0);
	assert_true(ioctl((*v)->fd, KVM_SET_CPUID2, s->kvm.cpuid) == 0);
	assert_int_equal(vmm_vcpu_reset(*v, VMM_APIC_X2, &err), 0);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof *s);
	dvm_error_t err;

	assert_non_null(s);
	*state = s;
	if (vmm_kvm_open(&s->kvm, &err) < 0 || !vmm_vcpu_can_move(&s->kvm))
		return 0; /* each test skips */
	assert_int_equal(vmm_irq_create(&s->irq, 2, nobody, NULL), 0);
	vmm_clock_start(&s->clock, 1000000, true);
	s->env = (struct vmm_vcpu_env){ .kvm = &s->kvm, .irq = s->irq, .clock = &s->clock };
	make_vcpu(s, &s->from, 0);
	make_vcpu(s, &s->to, 1);
	s->to->away = true;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	vmm_vcpu_destroy(s->from);
	vmm_vcpu_destroy(s->to);
	vmm_irq_destroy(s->irq);
	vmm_kvm_close(&s->kvm);
	free(s);
	return 0;
}

static uint64_t msr(struct vmm_vcpu *v, unsigned long request, uint32_t index, uint64_t data)
{
	_Alignas(struct kvm_msrs) uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	struct kvm_msrs *m = (void *)room;

	*m = (struct kvm_msrs){ .nmsrs = 1 };
	m->entries[0] = (struct kvm_msr_entry){ .index = index, .data = data };
	assert_int_equal(ioctl(v->fd, request, m), 1);
	return m->entries[0].data;
}

static void move(struct scene *s, struct vmm_vcpu_state *st)
{
	dvm_error_t err;

	assert_int_equal(vmm_vcpu_save(s->from, st, &err), 0);
	vmm_vcpu_leave(s->from, st);
	assert_int_equal(vmm_vcpu_state_check(s->to, st, sizeof *st), 0);
	vmm_vcpu_arrive(s->to, st);
	assert_int_equal(vmm_vcpu_load(s->to, st, &err), 0);
}

static void test_registers(void **state)
{
	struct scene *s = *state;
	static struct vmm_vcpu_state st;
	struct kvm_regs r, got;
	struct kvm_xsave x;

	if (!s->to)
		skip();
	assert_true(ioctl(s->from->fd, KVM_GET_REGS, &r) == 0);
	r.rax = 0x1122334455667788;
	r.r15 = 99;
	r.rip = 0x1234;
	r.rflags = 0x202;
	assert_true(ioctl(s->from->fd, KVM_SET_REGS, &r) == 0);
	assert_true(ioctl(s->from->fd, KVM_GET_XSAVE, &x) == 0);
	x.region[40] = 0xabcd; /* XMM0 */
	x.region[128] |= 3;    /* ... which is in use */
	assert_true(ioctl(s->from->fd, KVM_SET_XSAVE, &x) == 0);
	msr(s->from, KVM_SET_MSRS, MSR_STAR, 0x23001000000000);
	msr(s->from, KVM_SET_MSRS, MSR_SYSENTER, 0x10);
	s->from->halted = true;
	move(s, &st);
	assert_true(ioctl(s->to->fd, KVM_GET_REGS, &got) == 0);
	assert_memory_equal(&got, &r, sizeof r);
	assert_true(ioctl(s->to->fd, KVM_GET_XSAVE, &x) == 0);
	assert_int_equal(x.region[40], 0xabcd);
	assert_int_equal(msr(s->to, KVM_GET_MSRS, MSR_STAR, 0), 0x23001000000000);
	assert_int_equal(msr(s->to, KVM_GET_MSRS, MSR_SYSENTER, 0), 0x10);
	assert_true(s->to->halted);
	assert_true(s->to->run->if_flag);
}

/* What is said to it before it leaves comes with it; then it is not spoken to any more. */
static void test_interrupts(void **state)
{
	struct scene *s = *state;
	const struct vmm_intr first = { .vector = 0x41 }, then = { .vector = 0x52 };
	static struct vmm_vcpu_state st;
	uint64_t now = dvmi_clock_mono();

	if (!s->to)
		skip();
	s->from->lapic.svr |= 0x100;
	s->from->lapic.deadline = now + 5 * DVMI_SEC;
	s->from->lapic.ticked_at = 0;
	assert_true(vmm_vcpu_interrupt(s->from, &first));
	assert_false(vmm_vcpu_interrupt(s->to, &first));
	move(s, &st);
	assert_false(vmm_vcpu_interrupt(s->from, &then));
	assert_true(vmm_vcpu_interrupt(s->to, &then));
	assert_int_equal(s->to->lapic.irr[2], 1 << 1 | 1 << 18);
	assert_int_equal(s->to->lapic.ticked_at, 0);
	uint64_t left = s->to->lapic.deadline - now;
	assert_true(left >= 4 * DVMI_SEC && left < 3600 * DVMI_SEC);
}

/* A triple fault is a reset for who has come up, wherever that was. */
static void test_has_come_up(void **state)
{
	struct scene *s = *state;
	static struct vmm_vcpu_state st;

	if (!s->to)
		skip();
	s->from->came_up = true;
	move(s, &st);
	assert_true(s->to->came_up);
	s->from->came_up = false;
	move(s, &st);
	assert_false(s->to->came_up);
}

/* Where the other clock is behind, what was read here is not read a second time there. */
static void test_time_does_not_go_back(void **state)
{
	struct scene *s = *state;
	static struct vmm_vcpu_state st;

	if (!s->to)
		skip();
	vmm_clock_set(&s->clock, 10 * BEHIND);
	assert_int_equal(vmm_vcpu_set_tsc(s->from), 0);
	s->from->left_at = __rdtsc();
	uint64_t read = vmm_vcpu_tsc_read(s->from);
	vmm_clock_set(&s->clock, -BEHIND);
	move(s, &st);
	assert_true((int64_t)(__rdtsc() + s->to->tsc_offset - read) >= 0);
	assert_true((int64_t)(msr(s->to, KVM_GET_MSRS, MSR_TSC, 0) - read) >= 0);
	s->to->left_at = __rdtsc();
	read = vmm_vcpu_tsc_read(s->to);
	vmm_vcpu_follow_clock(s->to); /* a little less, as it has been out for a little */
	assert_true((int64_t)(__rdtsc() + s->to->tsc_offset - read) >= 0);
	assert_true((int64_t)(s->to->tsc_offset - vmm_clock_offset(&s->clock)) > BEHIND / 2);
	/* A clock that is ahead is taken at once, and after a reset any is. */
	vmm_clock_set(&s->clock, 4 * BEHIND);
	vmm_vcpu_follow_clock(s->to);
	assert_int_equal(s->to->tsc_offset, vmm_clock_offset(&s->clock));
	assert_int_equal(vmm_vcpu_set_tsc(s->to), 0);
	vmm_clock_set(&s->clock, -BEHIND);
	vmm_vcpu_follow_clock(s->to);
	assert_int_equal(s->to->tsc_offset, vmm_clock_offset(&s->clock));
}

static void test_input(void **state)
{
	struct scene *s = *state;
	static struct vmm_vcpu_state st, bad;
	dvm_error_t err;

	if (!s->to)
		skip();
	assert_int_equal(vmm_vcpu_save(s->from, &st, &err), 0);
	vmm_vcpu_leave(s->from, &st);
	assert_int_equal(vmm_vcpu_state_check(s->to, &st, sizeof st), 0);
	assert_int_equal(vmm_vcpu_state_check(s->to, &st, sizeof st - 1), -EBADMSG);
	assert_int_equal(vmm_vcpu_state_check(s->to, &st, 0), -EBADMSG);
#define BAD(what)                                                                                  \
	do {                                                                                       \
		bad = st;                                                                          \
		bad.what;                                                                          \
		assert_int_equal(vmm_vcpu_state_check(s->to, &bad, sizeof bad), -EBADMSG);         \
	} while (0)
	BAD(size = 1);
	BAD(n_msrs = VMM_MOVE_MSRS + 1);
	BAD(lapic.id = 6);
	BAD(lapic.state = 3);
	BAD(lapic.sipi = -2);
	BAD(lapic.sipi = 256);
	BAD(xcrs.nr_xcrs = KVM_MAX_XCRS + 1);
	bool *flags[] = { &bad.halted, &bad.came_up, &bad.lapic.nmi, &bad.lapic.wait_sipi };
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		bad = st;
		memset(flags[i], 2, sizeof *flags[i]);
		assert_int_equal(vmm_vcpu_state_check(s->to, &bad, sizeof bad), -EBADMSG);
	}
	/* What KVM itself refuses is told. */
	bad = st;
	bad.sregs.cr0 = 0x80000000; /* paging without protection */
	assert_true(vmm_vcpu_load(s->to, &bad, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interrupts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_has_come_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time_does_not_go_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_input, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
