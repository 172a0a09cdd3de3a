/* SPDX-License-Identifier: BSD-3-Clause */
/* The PCI bus, and what a driver can do to a device through it, in order and out of order. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cm.h"
#include "tests/unit/vmm_driver.h"

/* A device that gives back what it gets, or keeps it when told to. */
struct echo {
	struct vmm_vdev v;
	unsigned starts, stops, configured;
	bool keep;
	uint16_t kept;
};

static void echo_start(struct vmm_vdev *v)
{
	((struct echo *)v)->starts++;
}

static void echo_stop(struct vmm_vdev *v)
{
	((struct echo *)v)->stops++;
}

static void echo_configured(struct vmm_vdev *v, unsigned at, unsigned len)
{
	((struct echo *)v)->configured++;
}

static void echo_kick(struct vmm_vdev *v, unsigned q)
{
	struct echo *e = (struct echo *)v;
	struct vmm_chain c;
	char bytes[64];

	while (vmm_vdev_pop(v, q, &c)) {
		if (e->keep) {
			e->kept = c.head;
			vmm_vdev_begin(v);
			continue;
		}
		size_t n = vmm_iov_read(c.iov, c.nout, 0, bytes, sizeof bytes);
		n = vmm_iov_write(c.iov + c.nout, c.nin, 0, bytes, n);
		vmm_vdev_push(v, q, c.head, (uint32_t)n);
		vmm_vdev_signal(v, q);
	}
}

static const struct vmm_vdev_type echo_type = {
	.name = "echo",
	.id = 42,
	.class = 0x088000,
	.nqueues = 2,
	.queue_size = 64,
	.config_len = 8,
	.start = echo_start,
	.stop = echo_stop,
	.kick = echo_kick,
	.configured = echo_configured,
};

struct bench {
	struct drv d;
	struct echo e;
	uint64_t page;
};

static int bench_open(void **state)
{
	struct bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	drv_ram_open(&b->d);
	vmm_vdev_init(&b->e.v, &echo_type, &b->d.mem, 1 << 5);
	memcpy(b->e.v.config, "abcdefghi", 9);
	drv_open(&b->d, &b->e.v);
	b->page = drv_alloc(&b->d, 4096, 4096);
	*state = b;
	return 0;
}

static int bench_close(void **state)
{
	struct bench *b = *state;

	drv_close(&b->d);
	vmm_vdev_destroy(&b->e.v);
	drv_ram_close(&b->d);
	free(b);
	return 0;
}

static void put(struct bench *b, uint16_t *head)
{
	struct drv_buf bufs[] = { { b->page, 6, false }, { b->page + 64, 64, true } };

	memcpy(drv_at(&b->d, b->page), "hello", 6);
	*head = drv_request(&b->d, 0, bufs, 2);
}

static void assert_echoes(struct bench *b)
{
	uint32_t written = 0;
	unsigned irqs = b->d.irqs[1];
	uint16_t head;

	put(b, &head);
	assert_int_equal(drv_answer(&b->d, 0, &written), head);
	assert_int_equal(written, 6);
	assert_string_equal(drv_at(&b->d, b->page + 64), "hello");
	assert_int_equal(b->d.irqs[1], irqs + 1);
}

static void a_driver_finds_and_uses_a_device(void **state)
{
	struct bench *b = *state;

	assert_int_equal(drv_offered(&b->d), 1ull << VIRTIO_F_VERSION_1 | 1 << 5 |
						     1u << VIRTIO_RING_F_INDIRECT_DESC |
						     1u << VIRTIO_RING_F_EVENT_IDX);
	drv_start(&b->d, 1 << 5);
	assert_int_equal(b->e.starts, 1);
	assert_true(vmm_vdev_agreed(&b->e.v, 5));
	assert_int_equal(drv_read(&b->d, b->d.common + VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	assert_echoes(b);
	assert_int_equal(drv_read(&b->d, b->d.isr, 1), 0);
}

static void the_configuration_ends_where_it_ends(void **state)
{
	struct bench *b = *state;

	assert_int_equal(drv_read(&b->d, b->d.device, 4), 0x64636261);
	assert_int_equal(drv_read(&b->d, b->d.device + 6, 4), 0x00006867);
	assert_int_equal(drv_read(&b->d, b->d.device + 0xff8, 8), 0);
	b->e.v.writable_from = 4;
	b->e.v.writable_to = 8;
	drv_write(&b->d, b->d.device, 0, 4);
	drv_write(&b->d, b->d.device + 6, 0, 4);
	drv_write(&b->d, b->d.device + 0x100, 0, 4);
	assert_int_equal(b->e.configured, 0);
	drv_write(&b->d, b->d.device + 4, 0x55, 1);
	assert_int_equal(b->e.configured, 1);
	assert_memory_equal(b->e.v.config, "abcdUfghi", 9);
}

static void features_have_to_be_agreed_on(void **state)
{
	struct bench *b = *state;

	drv_negotiate(&b->d, 1 << 6); /* never offered */
	assert_false(drv_status(&b->d) & VIRTIO_CONFIG_S_FEATURES_OK);
	drv_set_status(&b->d, drv_status(&b->d) | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_true(drv_status(&b->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(b->e.starts, 0);
	drv_start(&b->d, 0);
	/* Too late. */
	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_GF, 1 << 5, 4);
	assert_false(vmm_vdev_agreed(&b->e.v, 5));
	assert_echoes(b);
}

static void hostile_requests_end_in_needs_reset(void **state)
{
	struct bench *b = *state;
	struct drv_buf bad = { 4096, 1, true };

	drv_start(&b->d, 0);
	drv_request(&b->d, 0, &bad, 1);
	assert_true(drv_status(&b->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(b->d.irqs[0], 1); /* it is told, once */
	assert_int_equal(drv_answer(&b->d, 0, NULL), -1);
	drv_request(&b->d, 1, &bad, 1);
	assert_int_equal(b->d.irqs[0], 1);
	drv_start(&b->d, 0);
	assert_echoes(b);
}

static void a_reset_waits_for_what_is_in_flight(void **state)
{
	struct bench *b = *state;
	uint16_t head;

	drv_start(&b->d, 0);
	b->e.keep = true;
	b->e.stops = 0;
	put(b, &head);
	drv_set_status(&b->d, 0);
	assert_int_equal(b->e.stops, 1);
	assert_int_not_equal(drv_status(&b->d), 0);
	drv_set_status(&b->d, 0);
	drv_set_status(&b->d, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	assert_int_equal(b->e.stops, 1);
	vmm_vdev_push(&b->e.v, 0, b->e.kept, 1); /* too late: goes nowhere */
	vmm_vdev_signal(&b->e.v, 0);
	vmm_vdev_end(&b->e.v);
	assert_int_equal(drv_status(&b->d), 0);
	assert_int_equal(b->d.irqs[1], 0);
	assert_int_equal(drv_answer(&b->d, 0, NULL), -1);
	b->e.keep = false;
	drv_start(&b->d, 0);
	assert_echoes(b);
}

static void queues_are_checked_when_enabled(void **state)
{
	struct bench *b = *state;

	drv_negotiate(&b->d, 0);
	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_DESCLO, 0x1000, 4);
	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_int_equal(drv_read(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_true(drv_status(&b->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	/* One that is not there. */
	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
	assert_int_equal(drv_read(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_MSIX, 0, 2);
	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	drv_start(&b->d, 0);
	/* Running queues do not move. */
	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_DESCLO, 0x1000, 4);
	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_SIZE, 0x1000, 2);
	assert_echoes(b);
}

static void vectors_that_are_not_there_are_none(void **state)
{
	struct bench *b = *state;

	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_MSIX, 3, 2);
	assert_int_equal(drv_read(&b->d, b->d.common + VIRTIO_PCI_COMMON_MSIX, 2), VMM_MSIX_NONE);
	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_MSIX, 2, 2);
	assert_int_equal(drv_read(&b->d, b->d.common + VIRTIO_PCI_COMMON_MSIX, 2), 2);
}

static void odd_accesses_do_nothing(void **state)
{
	struct bench *b = *state;

	assert_int_equal(drv_read(&b->d, b->d.common + 1, 4), 0);
	assert_int_equal(drv_read(&b->d, b->d.common, 8), 0);
	assert_int_equal(drv_read(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_SIZE, 4), 0);
	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	drv_write(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_DESCLO, 0x123456789a0, 8);
	assert_int_equal(drv_read(&b->d, b->d.common + VIRTIO_PCI_COMMON_Q_DESCLO, 8),
			 0x123456789a0);
	for (uint32_t at = 0; at < VMM_VPCI_BAR; at += 3)
		for (unsigned len = 1; len <= 8 && at + len <= VMM_VPCI_BAR; len *= 2)
			drv_read(&b->d, DRV_WINDOW + at, len);
	uint64_t value;
	assert_false(vmm_pci_mmio(&b->d.pci, DRV_WINDOW + VMM_VPCI_BAR - 1, &value, 2, false));
	assert_false(vmm_pci_mmio(&b->d.pci, DRV_WINDOW - 1, &value, 2, false));
}

static void masked_interrupts_come_later(void **state)
{
	struct bench *b = *state;
	uint32_t table = DRV_WINDOW + 0x4000, pba = DRV_WINDOW + 0x5000;
	uint16_t head;

	drv_start(&b->d, 0);
	drv_write(&b->d, table + 16 + 12, 1, 4);
	put(b, &head);
	assert_int_equal(b->d.irqs[1], 0);
	assert_int_equal(drv_read(&b->d, pba, 8), 2);
	drv_write(&b->d, table + 16 + 12, 0, 4);
	assert_int_equal(b->d.irqs[1], 1);
	assert_int_equal(drv_read(&b->d, pba, 8), 0);
	/* All at once, by the function's own mask. */
	vmm_msix_control(&b->d.t.msix, true, true);
	put(b, &head);
	put(b, &head);
	assert_int_equal(b->d.irqs[1], 1);
	vmm_msix_control(&b->d.t.msix, true, false);
	assert_int_equal(b->d.irqs[1], 2);
	/* Off: nowhere to go. */
	vmm_msix_control(&b->d.t.msix, false, false);
	put(b, &head);
	assert_int_equal(b->d.irqs[1], 2);
}

static uint32_t ecam(struct bench *b, unsigned slot, unsigned at)
{
	uint32_t value;

	vmm_pci_ecam(&b->d.pci, slot << 15 | at, &value, 4, false);
	return value;
}

static void command(struct bench *b, uint16_t value)
{
	vmm_pci_ecam(&b->d.pci, 1 << 15 | PCI_COMMAND, &value, 2, true);
}

/* A driver without messages: a level, and a register that says why and takes it back. */
static void without_messages_there_is_a_pin(void **state)
{
	struct bench *b = *state;
	uint16_t head, off = 0;

	assert_int_equal(ecam(b, 1, PCI_INTERRUPT_LINE) & 0xffff, 1 << 8 | vmm_pci_line(1));
	assert_int_equal(ecam(b, 0, PCI_INTERRUPT_LINE) & 0xffff, 0);
	drv_start(&b->d, 0);
	put(b, &head);
	assert_false(b->d.pin);
	vmm_pci_ecam(&b->d.pci, 1 << 15 | (b->d.t.msix_cap + PCI_MSIX_FLAGS), &off, 2, true);
	put(b, &head);
	assert_true(b->d.pin);
	assert_true(ecam(b, 1, PCI_COMMAND) >> 16 & PCI_STATUS_INTERRUPT);
	put(b, &head);
	assert_int_equal(drv_read(&b->d, b->d.isr, 1), 1);
	assert_false(b->d.pin);
	assert_false(ecam(b, 1, PCI_COMMAND) >> 16 & PCI_STATUS_INTERRUPT);
	assert_int_equal(drv_read(&b->d, b->d.isr, 1), 0);
	pthread_mutex_lock(&b->e.v.lock);
	vmm_vdev_changed(&b->e.v);
	pthread_mutex_unlock(&b->e.v.lock);
	assert_true(b->d.pin);
	command(b, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	assert_false(b->d.pin);
	command(b, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(b->d.pin);
	assert_int_equal(drv_read(&b->d, b->d.isr, 1), 2);
	assert_int_equal(b->d.irqs[0] + b->d.irqs[1], 1);
}

static void a_reset_lets_the_pin_go(void **state)
{
	struct bench *b = *state;
	uint16_t head, off = 0;

	vmm_pci_ecam(&b->d.pci, 1 << 15 | (b->d.t.msix_cap + PCI_MSIX_FLAGS), &off, 2, true);
	drv_start(&b->d, 0);
	put(b, &head);
	assert_true(b->d.pin);
	drv_set_status(&b->d, 0);
	assert_false(b->d.pin);
	drv_start(&b->d, 0);
	put(b, &head);
	assert_true(b->d.pin);
	vmm_vpci_reset(&b->d.t);
	assert_false(b->d.pin);
}

static void the_bus_answers_in_both_ways(void **state)
{
	struct bench *b = *state;
	uint32_t value, address = 1u << 31;

	assert_int_equal(ecam(b, 0, 0) & 0xffff, 0x1b36);
	assert_int_equal(ecam(b, 0, PCI_CLASS_REVISION) >> 16, 0x0600);
	assert_int_equal(ecam(b, 1, 0) & 0xffff, 0x1af4);
	assert_int_equal(ecam(b, 1, 0x100), 0);
	assert_int_equal(ecam(b, 2, 0), UINT32_MAX);
	vmm_pci_ecam(&b->d.pci, VMM_PCI_BUS_ECAM, &value, 4, false);
	assert_int_equal(value, UINT32_MAX);
	vmm_pci_ecam(&b->d.pci, 1 << 12, &value, 4, false); /* another function */
	assert_int_equal(value, UINT32_MAX);
	vmm_pci_io(&b->d.pci, 0xcf8, &address, 4, true);
	vmm_pci_io(&b->d.pci, 0xcf8, &value, 4, false);
	assert_int_equal(value, 1u << 31);
	vmm_pci_io(&b->d.pci, 0xcfc, &value, 4, false);
	assert_int_equal(value, ecam(b, 0, 0));
	for (unsigned bit = 8; bit < 24; bit++) { /* other buses, functions: nobody, or slots */
		address = 1u << 31 | 1u << bit;
		vmm_pci_io(&b->d.pci, 0xcf8, &address, 4, true);
		vmm_pci_io(&b->d.pci, 0xcfc, &value, 4, false);
		assert_int_equal(value, bit == 11 ? ecam(b, 1, 0) : UINT32_MAX);
	}
}

/* Of three bytes: what is left of a string, or of what crosses the end of a page. */
static void test_sec_configuration_is_not_left(void **state)
{
	struct bench *b = *state;

	for (unsigned at = 0; at < 2 * VMM_PCI_CONFIG; at++) {
		uint32_t value = 0, ones = UINT32_MAX;
		vmm_pci_ecam(&b->d.pci, 1 << 15 | at, &ones, 3, true);
		vmm_pci_ecam(&b->d.pci, 1 << 15 | at, &value, 3, false);
		assert_int_equal(value, 0xffffff);
	}
	assert_int_equal(ecam(b, 1, PCI_CACHE_LINE_SIZE) & 0xff, 0);
}

static void a_bar_moves_and_comes_home(void **state)
{
	struct bench *b = *state;
	uint32_t all = UINT32_MAX, size, to = DRV_WINDOW + 0x80000, value;
	unsigned at = 1 << 15 | PCI_BASE_ADDRESS_0;

	vmm_pci_ecam(&b->d.pci, at, &all, 4, true);
	vmm_pci_ecam(&b->d.pci, at, &size, 4, false);
	assert_int_equal(size, (uint32_t)-VMM_VPCI_BAR);
	vmm_pci_ecam(&b->d.pci, at, &to, 4, true);
	assert_false(vmm_pci_mmio(&b->d.pci, DRV_WINDOW, &value, 4, false));
	assert_true(vmm_pci_mmio(&b->d.pci, to, &value, 4, false));
	vmm_pci_reset(&b->d.pci);
	vmm_vpci_reset(&b->d.t);
	assert_false(vmm_pci_mmio(&b->d.pci, to, &value, 4, false));
	assert_false(
		vmm_pci_mmio(&b->d.pci, DRV_WINDOW, &value, 4, false)); /* nothing is decoded */
	assert_int_equal(ecam(b, 1, PCI_BASE_ADDRESS_0), DRV_WINDOW);
}

/* Registers through configuration space alone. */
static void there_is_a_window(void **state)
{
	struct bench *b = *state;
	unsigned cap = 1u << 15 | b->d.t.window_cap;
	uint32_t bar = 0, at = VIRTIO_PCI_COMMON_NUMQ, len = 2, value;

	vmm_pci_ecam(&b->d.pci, cap + 4, &bar, 1, true);
	vmm_pci_ecam(&b->d.pci, cap + 8, &at, 4, true);
	vmm_pci_ecam(&b->d.pci, cap + 12, &len, 4, true);
	vmm_pci_ecam(&b->d.pci, cap + 16, &value, 4, false);
	assert_int_equal(value & 0xffff, 2);
	at = VIRTIO_PCI_COMMON_STATUS;
	len = 1;
	value = VIRTIO_CONFIG_S_ACKNOWLEDGE;
	vmm_pci_ecam(&b->d.pci, cap + 8, &at, 4, true);
	vmm_pci_ecam(&b->d.pci, cap + 12, &len, 4, true);
	vmm_pci_ecam(&b->d.pci, cap + 16, &value, 1, true);
	assert_int_equal(drv_status(&b->d), VIRTIO_CONFIG_S_ACKNOWLEDGE);
	at = VMM_VPCI_BAR;
	vmm_pci_ecam(&b->d.pci, cap + 8, &at, 4, true);
	vmm_pci_ecam(&b->d.pci, cap + 16, &value, 1, true); /* beyond: nothing */
	len = 1 << 20;
	vmm_pci_ecam(&b->d.pci, cap + 12, &len, 4, true);
	vmm_pci_ecam(&b->d.pci, cap + 16, &value, 4, false);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bench_open, bench_close)
	const struct CMUnitTest tests[] = {
		T(a_driver_finds_and_uses_a_device),	T(the_configuration_ends_where_it_ends),
		T(features_have_to_be_agreed_on),	T(hostile_requests_end_in_needs_reset),
		T(a_reset_waits_for_what_is_in_flight), T(queues_are_checked_when_enabled),
		T(vectors_that_are_not_there_are_none), T(odd_accesses_do_nothing),
		T(without_messages_there_is_a_pin), T(a_reset_lets_the_pin_go),
		T(masked_interrupts_come_later),	T(the_bus_answers_in_both_ways),
		T(a_bar_moves_and_comes_home),		T(there_is_a_window),
		T(test_sec_configuration_is_not_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
