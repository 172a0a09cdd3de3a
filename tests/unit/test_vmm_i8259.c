/* SPDX-License-Identifier: BSD-3-Clause */
/* The two interrupt controllers of old: edges and levels, priorities, ends, and who asks whom. */
#include "kvm-node/i8259.h"
#include "tests/unit/cm.h"

#define VECTORS 0x30

enum { EOI = 0x20, READ_IRR = 0x0a, READ_ISR = 0x0b, POLL = 0x0c };

static struct vmm_i8259 p;

static void start_one(uint16_t port, uint8_t base, uint8_t cascade, uint8_t icw4)
{
	vmm_i8259_write(&p, port, 0x11);
	vmm_i8259_write(&p, port + 1, base);
	vmm_i8259_write(&p, port + 1, cascade);
	vmm_i8259_write(&p, port + 1, icw4);
	vmm_i8259_write(&p, port + 1, 0);
}

/* As kernels set them up; nothing is masked. */
static void start(uint8_t icw4)
{
	vmm_i8259_init(&p);
	start_one(VMM_I8259_MASTER, VECTORS, 4, icw4);
	start_one(VMM_I8259_SLAVE, VECTORS + 8, 2, icw4);
}

static void pulse(unsigned irq)
{
	vmm_i8259_line(&p, irq, true);
	vmm_i8259_line(&p, irq, false);
}

static uint8_t in_service(uint16_t port)
{
	vmm_i8259_write(&p, port, READ_ISR);
	return vmm_i8259_read(&p, port);
}

static void silent_until_it_is_set_up(void **state)
{
	vmm_i8259_init(&p);
	for (unsigned i = 0; i < VMM_I8259_LINES; i++)
		pulse(i);
	assert_false(vmm_i8259_asks(&p));
	vmm_i8259_write(&p, VMM_I8259_MASTER + 1, 0xfb); /* how kernels look whether it is there */
	assert_int_equal(vmm_i8259_read(&p, VMM_I8259_MASTER + 1), 0xfb);
	assert_int_equal(vmm_i8259_read(&p, VMM_I8259_SLAVE + 1), 0xff);
}

static void an_edge(void **state)
{
	start(1);
	assert_false(vmm_i8259_asks(&p));
	pulse(4);
	assert_true(vmm_i8259_asks(&p));
	assert_int_equal(vmm_i8259_ack(&p), VECTORS + 4);
	assert_false(vmm_i8259_asks(&p));
	assert_int_equal(in_service(VMM_I8259_MASTER), 1 << 4);
	vmm_i8259_line(&p, 4, true); /* a second one, while the first is served */
	assert_false(vmm_i8259_asks(&p));
	vmm_i8259_write(&p, VMM_I8259_MASTER, 0x60 | 4);
	assert_true(vmm_i8259_asks(&p));
	assert_int_equal(vmm_i8259_ack(&p), VECTORS + 4);
	vmm_i8259_write(&p, VMM_I8259_MASTER, EOI);
	assert_int_equal(in_service(VMM_I8259_MASTER), 0);
	assert_false(vmm_i8259_asks(&p)); /* the line is still up: no edge */
}

static void a_mask(void **state)
{
	start(1);
	vmm_i8259_write(&p, VMM_I8259_MASTER + 1, 1 << 4);
	pulse(4);
	assert_false(vmm_i8259_asks(&p));
	vmm_i8259_write(&p, VMM_I8259_MASTER, READ_IRR);
	assert_int_equal(vmm_i8259_read(&p, VMM_I8259_MASTER), 1 << 4);
	vmm_i8259_write(&p, VMM_I8259_MASTER + 1, 0);
	assert_true(vmm_i8259_asks(&p));
}

static void priorities(void **state)
{
	start(1);
	pulse(5);
	assert_int_equal(vmm_i8259_ack(&p), VECTORS + 5);
	pulse(7);
	assert_false(vmm_i8259_asks(&p));
	pulse(0);
	assert_int_equal(vmm_i8259_ack(&p), VECTORS);
	vmm_i8259_write(&p, VMM_I8259_MASTER, EOI); /* that of the timer, which is first */
	assert_int_equal(in_service(VMM_I8259_MASTER), 1 << 5);
	assert_false(vmm_i8259_asks(&p));
	vmm_i8259_write(&p, VMM_I8259_MASTER, 0xa0); /* the end, and last from now on */
	assert_int_equal(vmm_i8259_ack(&p), VECTORS + 7);
	vmm_i8259_write(&p, VMM_I8259_MASTER, EOI);
	pulse(5);
	pulse(6);
	assert_int_equal(vmm_i8259_ack(&p), VECTORS + 6);
}

static void the_second_one(void **state)
{
	start(1);
	pulse(12);
	pulse(8);
	assert_int_equal(vmm_i8259_ack(&p), VECTORS + 8);
	assert_int_equal(in_service(VMM_I8259_MASTER), 1 << 2);
	assert_int_equal(in_service(VMM_I8259_SLAVE), 1);
	vmm_i8259_write(&p, VMM_I8259_SLAVE, 0x60);
	assert_false(vmm_i8259_asks(&p)); /* it is still served on the first one */
	vmm_i8259_write(&p, VMM_I8259_MASTER, 0x62);
	assert_int_equal(vmm_i8259_ack(&p), VECTORS + 12);
}

static void levels(void **state)
{
	start(1);
	vmm_i8259_write(&p, VMM_I8259_ELCR + 1, 0xff);
	assert_int_equal(vmm_i8259_read(&p, VMM_I8259_ELCR + 1), 0xde);
	vmm_i8259_line(&p, 9, true);
	assert_int_equal(vmm_i8259_ack(&p), VECTORS + 9);
	vmm_i8259_write(&p, VMM_I8259_SLAVE, 0x61);
	vmm_i8259_write(&p, VMM_I8259_MASTER, 0x62);
	assert_true(vmm_i8259_asks(&p));
	vmm_i8259_line(&p, 9, false);
	assert_false(vmm_i8259_asks(&p));
}

static void gone_before_it_was_taken(void **state)
{
	start(1);
	assert_int_equal(vmm_i8259_ack(&p), VECTORS + 7);
	assert_int_equal(in_service(VMM_I8259_MASTER), 0);
	vmm_i8259_write(&p, VMM_I8259_ELCR, 1 << 5);
	vmm_i8259_line(&p, 5, true);
	vmm_i8259_line(&p, 5, false);
	assert_int_equal(vmm_i8259_ack(&p), VECTORS + 7);
}

static void ends_by_itself(void **state)
{
	start(3);
	pulse(4);
	assert_int_equal(vmm_i8259_ack(&p), VECTORS + 4);
	assert_int_equal(in_service(VMM_I8259_MASTER), 0);
	pulse(4);
	assert_true(vmm_i8259_asks(&p));
}

static void asked_in_turns(void **state)
{
	start(1);
	vmm_i8259_write(&p, VMM_I8259_MASTER, POLL);
	assert_int_equal(vmm_i8259_read(&p, VMM_I8259_MASTER), 0);
	pulse(3);
	vmm_i8259_write(&p, VMM_I8259_MASTER, POLL);
	assert_int_equal(vmm_i8259_read(&p, VMM_I8259_MASTER), 0x83);
	assert_int_equal(in_service(VMM_I8259_MASTER), 1 << 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silent_until_it_is_set_up),
		cmocka_unit_test(an_edge),
		cmocka_unit_test(a_mask),
		cmocka_unit_test(priorities),
		cmocka_unit_test(the_second_one),
		cmocka_unit_test(levels),
		cmocka_unit_test(gone_before_it_was_taken),
		cmocka_unit_test(ends_by_itself),
		cmocka_unit_test(asked_in_turns),
	};
	return cmocka_run_group_tests_name("vmm_i8259", tests, NULL, NULL);
}
