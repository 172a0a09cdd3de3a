/* SPDX-License-Identifier: BSD-3-Clause */
/* A PC's old parts: the serial port, the timer; and the paravirtual clock that replaces it. */
#include <errno.h>
#include <string.h>

#include "kvm-node/clock.h"
#include "kvm-node/pit.h"
#include "kvm-node/uart.h"
#include "tests/unit/cm.h"

/* ---- serial port ---- */

static struct vmm_uart u;

static void sending(void **state)
{
	memset(&u, 0, sizeof u);
	vmm_uart_init(&u);
	assert_int_equal(vmm_uart_read(&u, 5), 0x60);
	assert_int_equal(vmm_uart_read(&u, 2), 0x01);
	vmm_uart_write(&u, 2, 1);
	assert_int_equal(vmm_uart_read(&u, 2), 0xc1); /* it has queues */
	vmm_uart_write(&u, 0, 'a');
	assert_false(vmm_uart_line(&u));
	vmm_uart_write(&u, 1, 2);
	assert_true(vmm_uart_line(&u)); /* empty, and now allowed to say so */
	assert_int_equal(vmm_uart_read(&u, 2), 0xc2);
	assert_false(vmm_uart_line(&u));
	vmm_uart_write(&u, 0, 'b');
	assert_true(vmm_uart_line(&u));
	assert_memory_equal(u.tx, "ab", 2);
	vmm_uart_left(&u, 1);
	assert_int_equal(u.tx[0], 'b');
	vmm_uart_left(&u, 1);
	assert_int_equal(u.tx_len, 0);
}

static void a_console_that_does_not_take_it(void **state)
{
	memset(&u, 0, sizeof u);
	vmm_uart_init(&u);
	vmm_uart_write(&u, 1, 2);
	for (unsigned i = 0; i < VMM_UART_TX + 5; i++)
		vmm_uart_write(&u, 0, 'x');
	assert_int_equal(u.tx_len, VMM_UART_TX);
	assert_int_equal(u.dropped, 5);
	assert_int_equal(vmm_uart_read(&u, 5), 0); /* wait */
	assert_false(vmm_uart_line(&u));
	vmm_uart_left(&u, 100);
	assert_int_equal(vmm_uart_read(&u, 5), 0x60);
	assert_true(vmm_uart_line(&u));
}

static void receiving(void **state)
{
	uint8_t big[VMM_UART_RX + 10] = "hello";

	memset(&u, 0, sizeof u);
	vmm_uart_init(&u);
	assert_int_equal(vmm_uart_receive(&u, big, 5), 5);
	assert_false(vmm_uart_line(&u));
	vmm_uart_write(&u, 1, 1);
	assert_true(vmm_uart_line(&u));
	assert_int_equal(vmm_uart_read(&u, 2), 0x04);
	assert_int_equal(vmm_uart_read(&u, 5), 0x61);
	for (int i = 0; i < 5; i++)
		assert_int_equal(vmm_uart_read(&u, 0), "hello"[i]);
	assert_false(vmm_uart_line(&u));
	assert_int_equal(vmm_uart_read(&u, 0), 0);
	assert_int_equal(vmm_uart_receive(&u, big, sizeof big), VMM_UART_RX);
	vmm_uart_write(&u, 2, 2);
	assert_int_equal(vmm_uart_read(&u, 5), 0x60);
}

static void other_registers(void **state)
{
	memset(&u, 0, sizeof u);
	vmm_uart_init(&u);
	vmm_uart_write(&u, 3, 0x80);
	vmm_uart_write(&u, 0, 0x12);
	vmm_uart_write(&u, 1, 0x34);
	assert_int_equal(vmm_uart_read(&u, 0), 0x12);
	assert_int_equal(vmm_uart_read(&u, 1), 0x34);
	assert_int_equal(u.tx_len, 0);
	vmm_uart_write(&u, 3, 3);
	assert_int_equal(vmm_uart_read(&u, 1), 0);
	vmm_uart_write(&u, 7, 0x5a);
	assert_int_equal(vmm_uart_read(&u, 7), 0x5a);
	vmm_uart_write(&u, 4, 0x10 | 0x0a); /* loop-back, as drivers look for it */
	assert_int_equal(vmm_uart_read(&u, 6) & 0xf0, 0x90);
	vmm_uart_write(&u, 0, 'q');
	assert_int_equal(vmm_uart_read(&u, 0), 'q');
	assert_int_equal(u.tx_len, 0);
	assert_int_equal(vmm_uart_read(&u, 8), 0xff);
}

/* ---- timer ---- */

#define MS UINT64_C(1000000)

static void program(struct vmm_pit *p, unsigned ch, unsigned mode, uint16_t count, uint64_t now)
{
	vmm_pit_write(p, 3, (uint8_t)(ch << 6 | 3 << 4 | mode << 1), now);
	vmm_pit_write(p, ch, (uint8_t)count, now);
	vmm_pit_write(p, ch, (uint8_t)(count >> 8), now);
}

static unsigned count_of(struct vmm_pit *p, unsigned ch, uint64_t now)
{
	unsigned lo = vmm_pit_read(p, ch, now);

	return lo | (unsigned)vmm_pit_read(p, ch, now) << 8;
}

static void counting(void **state)
{
	struct vmm_pit p;

	vmm_pit_init(&p);
	assert_int_equal(vmm_pit_next(&p, 5), 0);
	program(&p, 0, 2, 11932, 1000); /* 10 ms */
	uint64_t next = vmm_pit_next(&p, 1000);
	assert_true(next > 1000 + 10 * MS - 2000 && next < 1000 + 10 * MS + 2000);
	assert_true(vmm_pit_next(&p, next) > next + 9 * MS);
	assert_int_equal(count_of(&p, 0, 1000), 11932);
	unsigned half = count_of(&p, 0, 1000 + 5 * MS);
	assert_true(half > 5960 && half < 5972);
	vmm_pit_write(&p, 3, 0, 1000 + 2 * MS); /* latch, read later */
	unsigned latched = count_of(&p, 0, 1000 + 9 * MS);
	assert_true(latched > 9540 && latched < 9552);
	program(&p, 0, 0, 1193, 0); /* once */
	next = vmm_pit_next(&p, 0);
	assert_true(next > MS - 2000 && next < MS + 2000);
	assert_false(vmm_pit_take(&p, next - MS / 2));
	assert_int_equal(vmm_pit_next(&p, next + 5 * MS), next); /* late, but not lost */
	assert_true(vmm_pit_take(&p, next + 5 * MS));
	assert_false(vmm_pit_take(&p, next + 6 * MS));
	assert_int_equal(vmm_pit_next(&p, next), 0);
	assert_int_equal(vmm_pit_read(&p, 3, 0), 0xff);
}

static void the_gate(void **state)
{
	struct vmm_pit p;

	vmm_pit_init(&p);
	program(&p, 2, 0, 11932, 0);
	vmm_pit_write61(&p, 0x01, 50 * MS);
	assert_int_equal(vmm_pit_read61(&p, 55 * MS) & 0x21, 0x01);
	assert_int_equal(vmm_pit_read61(&p, 61 * MS) & 0x21, 0x21);
	vmm_pit_write(&p, 3, 0xe8, 61 * MS); /* read back: status of channel 2 */
	assert_int_equal(vmm_pit_read(&p, 2, 61 * MS), 0xb0);
}

/* ---- paravirtual clock ---- */

static uint64_t guest_ns(const struct vmm_pvclock_page *p, uint64_t tsc)
{
	uint64_t d = tsc - p->tsc_timestamp;

	d = p->tsc_shift < 0 ? d >> -p->tsc_shift : d << p->tsc_shift;
	return p->system_time + (uint64_t)((unsigned __int128)d * p->tsc_to_system_mul >> 32);
}

static void a_guest_reads_the_same_time(void **state)
{
	static const uint32_t rates[] = { 100000, 999999, 1000000, 2300000, 2445512, 5000000 };
	const uint64_t size = UINT64_C(2) << 20;
	struct vmm_mem *m;

	assert_int_equal(vmm_mem_create(&m, &size, 1, NULL), 0);
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		struct vmm_clock c = { 0 };
		struct vmm_pvclock_page page;
		vmm_clock_start(&c, rates[i], true);
		assert_int_equal(vmm_clock_write_page(&c, m, 0x5001), 0);
		assert_int_equal(vmm_mem_read(m, 0x5000, &page, sizeof page), 0);
		assert_int_equal(page.version % 2, 0);
		assert_int_equal(page.flags, 1);
		/* A day, within a millionth. */
		uint64_t tsc = (uint64_t)rates[i] * 1000 * 86400, ns = guest_ns(&page, tsc);
		uint64_t right = UINT64_C(86400) * 1000000000;
		assert_true(ns > right - right / 1000000 && ns < right + right / 1000000);
		assert_int_equal(vmm_clock_ns(&c, tsc), right);
	}
	vmm_mem_destroy(m);
}

static void addresses_are_checked(void **state)
{
	const uint64_t size = UINT64_C(2) << 20;
	struct vmm_clock c = { 0 };
	struct vmm_mem *m;

	assert_int_equal(vmm_mem_create(&m, &size, 1, NULL), 0);
	vmm_clock_start(&c, 1000000, false);
	assert_int_equal(vmm_clock_write_page(&c, m, size - 15), -EFAULT);
	assert_int_equal(vmm_clock_write_page(&c, m, UINT64_MAX), -EFAULT);
	assert_int_equal(vmm_clock_write_page(&c, m, UINT64_MAX - 1), 0); /* switched off */
	assert_int_equal(vmm_clock_write_wall(&c, m, size - 11), -EFAULT);
	assert_int_equal(vmm_clock_write_wall(&c, m, size - 12), 0);
	vmm_mem_destroy(m);
}

static void time_stands_still_in_a_pause(void **state)
{
	struct vmm_clock c = { 0 };

	vmm_clock_start(&c, 1000000, true);
	uint64_t before = vmm_clock_tsc(&c);
	assert_true(vmm_clock_tsc(&c) >= before);
	vmm_clock_pause(&c);
	uint64_t paused = vmm_clock_tsc(&c);
	assert_int_equal(vmm_clock_tsc(&c), paused);
	vmm_clock_resume(&c);
	assert_true(vmm_clock_tsc(&c) >= paused);
	assert_true(vmm_clock_tsc(&c) - paused < UINT64_C(1) << 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sending),
		cmocka_unit_test(a_console_that_does_not_take_it),
		cmocka_unit_test(receiving),
		cmocka_unit_test(other_registers),
		cmocka_unit_test(counting),
		cmocka_unit_test(the_gate),
		cmocka_unit_test(a_guest_reads_the_same_time),
		cmocka_unit_test(addresses_are_checked),
		cmocka_unit_test(time_stands_still_in_a_pause),
	};
	return cmocka_run_group_tests_name("vmm_legacy", tests, NULL, NULL);
}
