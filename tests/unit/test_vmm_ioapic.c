/* SPDX-License-Identifier: BSD-3-Clause */
/* The I/O APIC and MSIs: what a line or a write becomes. */
#include <errno.h>

#include "kvm-node/ioapic.h"
#include "tests/unit/cm.h"

#define LEVEL  (1u << 15)
#define MASKED (1u << 16)
#define REMOTE (1u << 14)

static struct vmm_ioapic io;
static struct vmm_ioapic_out out;

static void wr(unsigned index, uint32_t v)
{
	out.n = 0;
	vmm_ioapic_write(&io, 0, index, &out);
	vmm_ioapic_write(&io, 0x10, v, &out);
}

static uint32_t rd(unsigned index)
{
	vmm_ioapic_write(&io, 0, index, &out);
	return vmm_ioapic_read(&io, 0x10);
}

static void line(unsigned pin, bool level)
{
	out.n = 0;
	vmm_ioapic_line(&io, pin, level, &out);
}

static void eoi(uint8_t vector)
{
	out.n = 0;
	vmm_ioapic_eoi(&io, vector, &out);
}

static void registers(void **state)
{
	vmm_ioapic_init(&io);
	assert_int_equal(rd(1), 0x170020);
	wr(0, 0x0f000000);
	assert_int_equal(rd(0), 0x0f000000);
	assert_int_equal(rd(0x10), MASKED);
	wr(0x10 + 2 * 23 + 1, 0x55000000);
	assert_int_equal(rd(0x10 + 2 * 23 + 1), 0x55000000);
	wr(0x10 + 2 * 24, 1); /* behind the last */
	assert_int_equal(rd(0x10 + 2 * 24), 0);
	wr(0x12, 0xffffffff); /* status bits are not for writing */
	assert_int_equal(rd(0x12), 0xffffafff);
	assert_int_equal(vmm_ioapic_read(&io, 0x14), 0);
	line(24, true); /* no such pin */
	assert_int_equal(out.n, 0);
}

static void edges(void **state)
{
	vmm_ioapic_init(&io);
	line(4, true);
	assert_int_equal(out.n, 0); /* masked: lost */
	wr(0x10 + 8, 0x931);
	assert_int_equal(out.n, 0);
	wr(0x10 + 9, 0x03000000);
	line(4, true);
	assert_int_equal(out.n, 0); /* it was high already */
	line(4, false);
	assert_int_equal(out.n, 0);
	line(4, true);
	assert_int_equal(out.n, 1);
	assert_int_equal(out.msg[0].vector, 0x31);
	assert_int_equal(out.msg[0].dest, 3);
	assert_int_equal(out.msg[0].mode, VMM_INTR_LOWEST);
	assert_true(out.msg[0].logical && !out.msg[0].level && !out.msg[0].wide);
	eoi(0x31);
	assert_int_equal(out.n, 0);
	assert_int_equal(io.raised[4], 1);
}

static void levels(void **state)
{
	vmm_ioapic_init(&io);
	wr(0x10 + 20, LEVEL | 0x40);
	line(10, true);
	assert_int_equal(out.n, 1);
	assert_true(out.msg[0].level);
	assert_true(rd(0x10 + 20) & REMOTE);
	line(10, false);
	line(10, true);
	assert_int_equal(out.n, 0); /* the first is in service */
	eoi(0x41); /* another's */
	assert_int_equal(out.n, 0);
	eoi(0x40);
	assert_int_equal(out.n, 1); /* still high: again */
	line(10, false);
	eoi(0x40);
	assert_int_equal(out.n, 0);
	assert_false(rd(0x10 + 20) & REMOTE);
	wr(0x10 + 20, LEVEL | MASKED | 0x40);
	line(10, true);
	assert_int_equal(out.n, 0);
	wr(0x10 + 20, LEVEL | 0x40);
	assert_int_equal(out.n, 1); /* unmasked while high */
	wr(0x10 + 20, 0x40); /* edge, and back: the end of what was in service */
	assert_false(rd(0x10 + 20) & REMOTE);
	out.n = 0;
	vmm_ioapic_write(&io, 0x40, 0x40, &out); /* the EOI register */
	assert_int_equal(out.n, 0);
}

static void two_pins_one_vector(void **state)
{
	vmm_ioapic_init(&io);
	wr(0x10 + 20, LEVEL | 0x40);
	wr(0x10 + 22, LEVEL | 0x40);
	line(10, true);
	line(11, true);
	eoi(0x40);
	assert_int_equal(out.n, 2);
}

static void messages(void **state)
{
	struct vmm_intr m;

	assert_int_equal(vmm_msi_decode(0xfed00000, 0x41, &m), -EINVAL);
	assert_int_equal(vmm_msi_decode(0x1fee00000, 0x41, &m), -EINVAL);
	assert_int_equal(vmm_msi_decode(0, 0, &m), -EINVAL);
	assert_int_equal(vmm_msi_decode(0xfee05000, 0x4041, &m), 0);
	assert_int_equal(m.dest, 5);
	assert_int_equal(m.vector, 0x41);
	assert_int_equal(m.mode, VMM_INTR_FIXED);
	assert_false(m.logical || m.wide || m.level);
	assert_int_equal(vmm_msi_decode(0xfee0300c, 0x0041, &m), 0);
	assert_true(m.logical);
	assert_int_equal(m.mode, VMM_INTR_LOWEST);
	assert_int_equal(vmm_msi_decode(0xfee00000, 0x0400, &m), 0);
	assert_int_equal(m.mode, VMM_INTR_NMI);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers),	       cmocka_unit_test(edges),
		cmocka_unit_test(levels),	       cmocka_unit_test(two_pins_one_vector),
		cmocka_unit_test(messages),
	};
	return cmocka_run_group_tests_name("vmm_ioapic", tests, NULL, NULL);
}
