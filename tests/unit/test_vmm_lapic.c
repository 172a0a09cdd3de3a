/* SPDX-License-Identifier: BSD-3-Clause */
/* The local APIC: registers of both modes, priorities, messages, the timer. */
#include <errno.h>
#include <string.h>

#include "kvm-node/lapic.h"
#include "libdvm/base/rng.h"
#include "tests/unit/cm.h"

#define ENABLE	 0x1ff
#define MASKED	 0x10000
#define PERIODIC 0x20000
#define DEADLINE 0x40000
#define KHZ	 2000000 /* two ticks of the TSC are a nanosecond */

static struct vmm_lapic l;
static struct vmm_lapic_time t;
static struct vmm_lapic_out out;

static void begin(enum vmm_apic_state mode)
{
	memset(&l, 0, sizeof l);
	l.x2apic_ok = l.deadline_ok = true;
	t = (struct vmm_lapic_time){ .now = 1000000, .tsc = 5000, .tsc_khz = KHZ };
	out = (struct vmm_lapic_out){ 0 };
	vmm_lapic_init(&l, 0x21, true);
	vmm_lapic_set_state(&l, mode, &out);
	out.todo = 0;
}

static int wr(unsigned reg, uint64_t v)
{
	out = (struct vmm_lapic_out){ 0 };
	if (l.state == VMM_APIC_IN_X2APIC)
		return vmm_lapic_write(&l, reg, v, &t, &out);
	vmm_lapic_mmio_write(&l, reg * 16, (uint32_t)v, &t, &out);
	return 0;
}

static uint64_t rd(unsigned reg)
{
	uint64_t v = 0;

	if (l.state == VMM_APIC_IN_X2APIC)
		assert_int_equal(vmm_lapic_read(&l, reg, &t, &v), 0);
	else
		v = vmm_lapic_mmio_read(&l, reg * 16, &t);
	return v;
}

static void on(enum vmm_apic_state mode)
{
	begin(mode);
	assert_int_equal(wr(VMM_LAPIC_SVR, ENABLE), 0);
	assert_int_equal(out.todo, VMM_LAPIC_DO_ROUTE);
}

static bool fixed(uint8_t vector, bool level)
{
	return vmm_lapic_accept(&l, &(struct vmm_intr){ .vector = vector, .level = level });
}

static void after_power_on(void **state)
{
	begin(VMM_APIC_IN_XAPIC);
	assert_int_equal(rd(VMM_LAPIC_ID), 0x21000000);
	assert_int_equal(rd(VMM_LAPIC_VERSION), 0x50014);
	assert_int_equal(rd(VMM_LAPIC_SVR), 0xff);
	assert_int_equal(rd(VMM_LAPIC_DFR), UINT32_MAX);
	for (unsigned r = VMM_LAPIC_LVT_TIMER; r <= VMM_LAPIC_LVT_ERROR; r++)
		assert_int_equal(rd(r), r == VMM_LAPIC_LVT_LINT0 ? 0x700 : MASKED);
	assert_true(vmm_lapic_takes_extint(&l));
	wr(VMM_LAPIC_LVT_LINT0, MASKED | 0x700);
	assert_false(vmm_lapic_takes_extint(&l));
	assert_false(fixed(0x40, false)); /* switched off by software */
	assert_int_equal(vmm_lapic_pending(&l), -1);
	begin(VMM_APIC_IN_X2APIC);
	assert_int_equal(rd(VMM_LAPIC_ID), 0x21);
	assert_int_equal(rd(VMM_LAPIC_LDR), 0x20002);
}

/* In x2APIC mode what is wrong faults; in memory it is ignored. */
static void reserved_faults(void **state)
{
	static const struct {
		unsigned reg;
		uint64_t value;
	} bad[] = {
		{ VMM_LAPIC_ID, 0 },	  { VMM_LAPIC_VERSION, 0 }, { VMM_LAPIC_PPR, 0 },
		{ VMM_LAPIC_LDR, 0 },	  { VMM_LAPIC_DFR, 0 },	    { VMM_LAPIC_ISR, 0 },
		{ VMM_LAPIC_EOI, 1 },	  { VMM_LAPIC_ESR, 1 },	    { VMM_LAPIC_TPR, 0x100 },
		{ VMM_LAPIC_ICR2, 0 },	  { VMM_LAPIC_TMCCT, 0 },   { VMM_LAPIC_TDCR, 4 },
		{ VMM_LAPIC_SVR, 0x400 }, { VMM_LAPIC_ICR, 1 << 20 }, { VMM_LAPIC_LVT_TIMER, 1 << 8 },
		{ VMM_LAPIC_LVT_ERROR, 1 << 17 }, { VMM_LAPIC_SELF_IPI, 0x140 }, { 0x2f, 0 },
		{ 0x00, 0 },		  { 0xff, 0 },		    { VMM_LAPIC_TMICT, UINT64_C(1) << 32 },
	};
	static const unsigned unreadable[] = { 0, 9, VMM_LAPIC_EOI, VMM_LAPIC_DFR, VMM_LAPIC_ICR2,
					       VMM_LAPIC_SELF_IPI, 0x2f, 0xff };
	uint64_t v = 7;

	on(VMM_APIC_IN_X2APIC);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(wr(bad[i].reg, bad[i].value), -EPERM);
		assert_int_equal(out.todo, 0);
	}
	for (size_t i = 0; i < sizeof unreadable / sizeof unreadable[0]; i++)
		assert_int_equal(vmm_lapic_read(&l, unreadable[i], &t, &v), -EPERM);
	on(VMM_APIC_IN_XAPIC);
	assert_int_equal(vmm_lapic_read(&l, VMM_LAPIC_TPR, &t, &v), -EPERM);
	assert_int_equal(vmm_lapic_write(&l, VMM_LAPIC_TPR, 0, &t, &out), -EPERM);
	vmm_lapic_mmio_write(&l, VMM_LAPIC_TPR * 16 + 4, 0x20, &t, &out); /* off the register */
	vmm_lapic_mmio_write(&l, 0x2000, 0x20, &t, &out);
	assert_int_equal(rd(VMM_LAPIC_TPR), 0);
	assert_int_equal(vmm_lapic_mmio_read(&l, 0xff0, &t), 0);
}

static void priorities(void **state)
{
	on(VMM_APIC_IN_X2APIC);
	assert_true(fixed(0x41, false));
	assert_true(fixed(0x55, false));
	assert_int_equal(vmm_lapic_pending(&l), 0x55);
	vmm_lapic_ack(&l, 0x55);
	assert_int_equal(rd(VMM_LAPIC_PPR), 0x50);
	assert_int_equal(vmm_lapic_pending(&l), -1); /* 4 is below 5 */
	assert_true(fixed(0x5f, false));
	assert_int_equal(vmm_lapic_pending(&l), -1); /* the same class waits */
	assert_true(fixed(0x60, false));
	assert_int_equal(vmm_lapic_pending(&l), 0x60); /* a higher one nests */
	vmm_lapic_ack(&l, 0x60);
	assert_int_equal(wr(VMM_LAPIC_EOI, 0), 0);
	assert_int_equal(rd(VMM_LAPIC_PPR), 0x50);
	assert_int_equal(wr(VMM_LAPIC_EOI, 0), 0);
	assert_int_equal(vmm_lapic_pending(&l), 0x5f);
	assert_int_equal(wr(VMM_LAPIC_TPR, 0x50), 0);
	assert_int_equal(vmm_lapic_pending(&l), -1);
	vmm_lapic_set_cr8(&l, 4);
	assert_int_equal(rd(VMM_LAPIC_TPR), 0x40);
	assert_int_equal(vmm_lapic_pending(&l), 0x5f);
	assert_int_equal(wr(VMM_LAPIC_TPR, 0x47), 0);
	vmm_lapic_set_cr8(&l, 4); /* says the same: the lower bits stay */
	assert_int_equal(rd(VMM_LAPIC_TPR), 0x47);
}

static void only_level_is_told_of_its_end(void **state)
{
	on(VMM_APIC_IN_XAPIC);
	fixed(0x41, false);
	vmm_lapic_ack(&l, 0x41);
	wr(VMM_LAPIC_EOI, 0);
	assert_int_equal(out.todo, 0);
	fixed(0x42, true);
	assert_int_equal(rd(VMM_LAPIC_TMR + 2), 1 << 2);
	vmm_lapic_ack(&l, 0x42);
	assert_int_equal(rd(VMM_LAPIC_ISR + 2), 1 << 2);
	wr(VMM_LAPIC_EOI, 0x1234);
	assert_int_equal(out.todo, VMM_LAPIC_DO_EOI);
	assert_int_equal(out.vector, 0x42);
	wr(VMM_LAPIC_EOI, 0); /* nothing is in service */
	assert_int_equal(out.todo, 0);
	fixed(0x42, false);
	assert_int_equal(rd(VMM_LAPIC_TMR + 2), 0);
}

static void alone_and_edge_ends_silently(void **state)
{
	on(VMM_APIC_IN_X2APIC);
	assert_false(vmm_lapic_ends_silently(&l)); /* nothing is in service */
	fixed(0x50, false);
	vmm_lapic_ack(&l, 0x50);
	assert_true(vmm_lapic_ends_silently(&l));
	fixed(0x40, false); /* waits for the end */
	assert_false(vmm_lapic_ends_silently(&l));
	vmm_lapic_end(&l);
	assert_int_equal(vmm_lapic_pending(&l), 0x40);
	vmm_lapic_ack(&l, 0x40);
	fixed(0x60, false);
	vmm_lapic_ack(&l, 0x60);
	assert_false(vmm_lapic_ends_silently(&l)); /* one below */
	vmm_lapic_end(&l);
	assert_true(vmm_lapic_ends_silently(&l));
	vmm_lapic_end(&l);
	vmm_lapic_end(&l); /* of nothing */
	fixed(0x70, true);
	vmm_lapic_ack(&l, 0x70);
	assert_false(vmm_lapic_ends_silently(&l)); /* the I/O APIC waits for it */
}

static void commands(void **state)
{
	on(VMM_APIC_IN_X2APIC);
	assert_int_equal(wr(VMM_LAPIC_ICR, UINT64_C(0x12345678) << 32 | 0x000448d1 | 1 << 11), 0);
	assert_int_equal(out.todo, VMM_LAPIC_DO_SEND);
	assert_int_equal(out.msg.dest, 0x12345678);
	assert_true(out.msg.wide && out.msg.logical);
	assert_int_equal(out.msg.vector, 0xd1);
	assert_int_equal(out.msg.shorthand, VMM_INTR_SELF);
	assert_int_equal(wr(VMM_LAPIC_SELF_IPI, 0x77), 0);
	assert_int_equal(out.msg.vector, 0x77);
	assert_int_equal(out.msg.shorthand, VMM_INTR_SELF);

	on(VMM_APIC_IN_XAPIC);
	wr(VMM_LAPIC_ICR2, 0x05000000);
	assert_int_equal(out.todo, 0);
	wr(VMM_LAPIC_ICR, 0x4608);
	assert_int_equal(out.msg.dest, 5);
	assert_int_equal(out.msg.mode, VMM_INTR_SIPI);
	assert_int_equal(out.msg.vector, 8);
	assert_false(out.msg.wide);
	wr(VMM_LAPIC_ICR, 0x8500); /* INIT, level, de-asserted */
	assert_int_equal(out.todo, 0);
	wr(VMM_LAPIC_ICR, 0xc4500);
	assert_int_equal(out.msg.mode, VMM_INTR_INIT);
	assert_int_equal(out.msg.shorthand, VMM_INTR_OTHERS);
	assert_int_equal(rd(VMM_LAPIC_ICR), 0xc4500);
}

static void errors_are_reported(void **state)
{
	on(VMM_APIC_IN_X2APIC);
	assert_int_equal(wr(VMM_LAPIC_LVT_ERROR, 0xe1), 0);
	assert_int_equal(wr(VMM_LAPIC_ICR, 0x0f), 0); /* a vector that cannot be */
	assert_int_equal(out.todo, 0);
	assert_int_equal(vmm_lapic_pending(&l), 0xe1);
	assert_int_equal(rd(VMM_LAPIC_ESR), 0); /* not before it is asked to look */
	wr(VMM_LAPIC_ESR, 0);
	assert_int_equal(rd(VMM_LAPIC_ESR), 0x20);
	wr(VMM_LAPIC_ESR, 0);
	assert_int_equal(rd(VMM_LAPIC_ESR), 0);
	fixed(3, false);
	wr(VMM_LAPIC_ESR, 0);
	assert_int_equal(rd(VMM_LAPIC_ESR), 0x40);
	wr(VMM_LAPIC_LVT_ERROR, 0x05); /* an error vector that is one itself ends there */
	fixed(4, false);
	wr(VMM_LAPIC_ESR, 0);
	assert_int_equal(rd(VMM_LAPIC_ESR), 0x40);
}

static void starting_and_stopping(void **state)
{
	begin(VMM_APIC_IN_X2APIC);
	vmm_lapic_init(&l, 3, false);
	assert_true(l.wait_sipi);
	assert_true(vmm_lapic_accept(&l, &(struct vmm_intr){ .mode = VMM_INTR_SIPI, .vector = 9 }));
	assert_int_equal(l.sipi, 9);
	l.wait_sipi = false; /* it runs */
	l.sipi = -1;
	assert_false(vmm_lapic_accept(&l, &(struct vmm_intr){ .mode = VMM_INTR_SIPI, .vector = 9 }));
	assert_true(vmm_lapic_accept(&l, &(struct vmm_intr){ .mode = VMM_INTR_INIT }));
	assert_true(l.init);
	/* SIPI may come before the vCPU has seen INIT */
	assert_true(vmm_lapic_accept(&l, &(struct vmm_intr){ .mode = VMM_INTR_SIPI, .vector = 8 }));
	assert_int_equal(l.sipi, 8);
	assert_true(vmm_lapic_accept(&l, &(struct vmm_intr){ .mode = VMM_INTR_NMI }));
	assert_true(l.nmi);
	assert_false(vmm_lapic_accept(&l, &(struct vmm_intr){ .mode = VMM_INTR_SMI }));
	assert_false(vmm_lapic_accept(&l, &(struct vmm_intr){ .mode = VMM_INTR_EXTINT }));
	out.todo = 0;
	vmm_lapic_set_state(&l, VMM_APIC_OFF, &out);
	assert_int_equal(out.todo, VMM_LAPIC_DO_ROUTE);
	assert_false(vmm_lapic_accept(&l, &(struct vmm_intr){ .mode = VMM_INTR_NMI }));
}

static void rows_say_where_it_is(void **state)
{
	struct vmm_apic_row row;

	on(VMM_APIC_IN_XAPIC);
	wr(VMM_LAPIC_ID, 0x07000000);
	assert_int_equal(out.todo, VMM_LAPIC_DO_ROUTE);
	wr(VMM_LAPIC_LDR, 0x04ffffff);
	wr(VMM_LAPIC_DFR, 0x00000000);
	vmm_lapic_row(&l, &row);
	assert_int_equal(row.id, 7);
	assert_int_equal(row.ldr, 0x04000000);
	assert_int_equal(row.dfr, 0x0fffffff);
	assert_true(row.enabled && row.state == VMM_APIC_IN_XAPIC);
	out.todo = 0;
	vmm_lapic_set_state(&l, VMM_APIC_IN_X2APIC, &out);
	assert_int_equal(out.todo, VMM_LAPIC_DO_ROUTE);
	vmm_lapic_row(&l, &row);
	assert_int_equal(row.id, 0x21);
	assert_int_equal(row.ldr, 0x20002);
	wr(VMM_LAPIC_SVR, 0xff);
	vmm_lapic_row(&l, &row);
	assert_false(row.enabled);
}

/* ---- timer ---- */

static bool at(uint64_t now)
{
	t.now = now;
	return vmm_lapic_tick(&l, false, &t);
}

static void once(void **state)
{
	on(VMM_APIC_IN_X2APIC);
	wr(VMM_LAPIC_LVT_TIMER, 0x40);
	wr(VMM_LAPIC_TDCR, 0xb); /* by 1 */
	wr(VMM_LAPIC_TMICT, 1000);
	assert_int_equal(l.deadline, 1001000);
	t.now = 1000400;
	assert_int_equal(rd(VMM_LAPIC_TMCCT), 600);
	assert_false(at(1000999));
	assert_true(at(1001000));
	assert_int_equal(vmm_lapic_pending(&l), 0x40);
	assert_int_equal(rd(VMM_LAPIC_TMCCT), 0);
	assert_false(at(5000000));
	wr(VMM_LAPIC_TDCR, 0x3); /* by 16 */
	wr(VMM_LAPIC_TMICT, 1000);
	assert_int_equal(l.deadline, t.now + 16000);
	wr(VMM_LAPIC_TMICT, 0);
	assert_int_equal(l.deadline, 0);
	wr(VMM_LAPIC_LVT_TIMER, 0x40 | MASKED);
	wr(VMM_LAPIC_TMICT, 10);
	vmm_lapic_ack(&l, 0x40);
	assert_false(at(t.now + 160)); /* counts, but says nothing */
	assert_int_equal(vmm_lapic_pending(&l), -1);
}

static void again_and_again(void **state)
{
	on(VMM_APIC_IN_X2APIC);
	wr(VMM_LAPIC_LVT_TIMER, 0x40 | PERIODIC);
	wr(VMM_LAPIC_TDCR, 0xb);
	wr(VMM_LAPIC_TMICT, 100000);
	assert_true(at(1100000));
	assert_int_equal(l.deadline, 1200000);
	assert_true(at(1450000)); /* some are lost, ... */
	assert_int_equal(l.deadline, 1500000); /* ... the phase is not */
	wr(VMM_LAPIC_TMICT, 1); /* faster than is good for anybody */
	assert_true(l.deadline >= t.now + 10000);
}

static void at_a_tsc(void **state)
{
	on(VMM_APIC_IN_X2APIC);
	vmm_lapic_set_tscdl(&l, 9000, &t); /* not in this mode */
	assert_int_equal(vmm_lapic_tscdl(&l), 0);
	wr(VMM_LAPIC_LVT_TIMER, 0x40 | DEADLINE);
	vmm_lapic_set_tscdl(&l, 9000, &t);
	assert_int_equal(vmm_lapic_tscdl(&l), 9000);
	assert_true(l.deadline >= 1002000 && l.deadline <= 1002001);
	wr(VMM_LAPIC_TMICT, 5); /* means nothing now */
	assert_int_equal(vmm_lapic_tscdl(&l), 9000);
	assert_false(at(1001999));
	assert_true(at(1002001));
	assert_int_equal(vmm_lapic_tscdl(&l), 0);
	vmm_lapic_set_tscdl(&l, 1, &t); /* long ago: at once */
	assert_true(at(t.now));
	vmm_lapic_set_tscdl(&l, UINT64_MAX, &t); /* never, without overflow */
	assert_true(l.deadline > t.now + (UINT64_C(1) << 60));
	vmm_lapic_set_tscdl(&l, 0, &t);
	assert_int_equal(l.deadline, 0);
	vmm_lapic_set_tscdl(&l, 99000, &t);
	wr(VMM_LAPIC_LVT_TIMER, 0x40); /* another mode disarms */
	assert_int_equal(l.deadline, 0);
	l.deadline_ok = false;
	wr(VMM_LAPIC_LVT_TIMER, 0x40 | MASKED);
	assert_int_equal(wr(VMM_LAPIC_LVT_TIMER, 0x40 | DEADLINE), -EPERM);
}

/* A tick that takes long leaves time for something else before the next one. */
static void rests(void **state)
{
	on(VMM_APIC_IN_X2APIC);
	l.rest = 2;
	wr(VMM_LAPIC_LVT_TIMER, 0x40 | DEADLINE);
	vmm_lapic_set_tscdl(&l, 7000, &t); /* in 1 us */
	assert_true(at(1001001));
	vmm_lapic_ack(&l, 0x40);
	wr(VMM_LAPIC_EOI, 0);
	t.now += 5000;
	vmm_lapic_set_tscdl(&l, 1, &t); /* it is late already */
	assert_int_equal(vmm_lapic_due(&l, false), t.now + 10000);
	assert_int_equal(vmm_lapic_due(&l, true), t.now + 10000);
	assert_false(at(t.now + 9999));
	assert_true(at(t.now + 1));
	assert_int_equal(l.put_off, 1);
	t.now += 5000000000;
	vmm_lapic_set_tscdl(&l, 1, &t);
	/* Not for ever, and not for as long while nothing else is done. */
	assert_int_equal(vmm_lapic_due(&l, false), t.now + 1000000000);
	assert_int_equal(vmm_lapic_due(&l, true), t.now + 250000000);
	vmm_lapic_set_tscdl(&l, 0, &t);
	assert_int_equal(vmm_lapic_due(&l, false), 0);
	vmm_lapic_init(&l, 0x21, true);
	assert_int_equal(l.rest, 2);
}

/* Any writes at all: never more in service than was pending, never a vector below 16. */
static void anything(void **state)
{
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, 42);
	on(VMM_APIC_IN_X2APIC);
	for (int i = 0; i < 200000; i++) {
		uint64_t r = dvmi_rng_next(&rng);
		t.now += r >> 40;
		t.tsc += r >> 39;
		if (r % 7 == 0)
			vmm_lapic_set_state(&l, (enum vmm_apic_state)(r >> 8 & 1 ? 1 : 2), &out);
		else if (r % 7 == 1)
			fixed((uint8_t)(r >> 8), r >> 16 & 1);
		else
			wr(r >> 8 & 0x3f, r >> 16);
		vmm_lapic_tick(&l, false, &t);
		int v = vmm_lapic_pending(&l);
		assert_true(v == -1 || (v >= 16 && v > (int)(vmm_lapic_ppr(&l) & 0xf0)));
		if (v >= 0)
			vmm_lapic_ack(&l, v);
		assert_int_equal(l.irr[0] & 0xffff, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_power_on),
		cmocka_unit_test(reserved_faults),
		cmocka_unit_test(priorities),
		cmocka_unit_test(only_level_is_told_of_its_end),
		cmocka_unit_test(alone_and_edge_ends_silently),
		cmocka_unit_test(commands),
		cmocka_unit_test(errors_are_reported),
		cmocka_unit_test(starting_and_stopping),
		cmocka_unit_test(rows_say_where_it_is),
		cmocka_unit_test(once),
		cmocka_unit_test(again_and_again),
		cmocka_unit_test(at_a_tsc),
		cmocka_unit_test(rests),
		cmocka_unit_test(anything),
	};
	return cmocka_run_group_tests_name("vmm_lapic", tests, NULL, NULL);
}
