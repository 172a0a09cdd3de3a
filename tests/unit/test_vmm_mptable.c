/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of processors from before ACPI: found, added up, and what it says. */
#include <string.h>

#include "kvm-node/layout.h"
#include "kvm-node/mptable.h"
#include "kvm-node/pci.h"
#include "tests/unit/cm.h"
#include "tests/unit/vmm_tables.h"

static const struct vmm_acpi_cpu cpus[] = { { 0, 0 }, { 1, 0 }, { 4, 1 }, { 300, 1 } };
static const struct vmm_acpi_machine machine = { .cpus = cpus, .n_cpus = 4, .pit = true };

static struct dvmi_buf b;

static int make(void **state)
{
	return vmm_mptable_make(&machine, &b);
}

static int forget(void **state)
{
	dvmi_buf_free(&b);
	return 0;
}

static void it_is_where_kernels_look_and_adds_up(void **state)
{
	const uint8_t *head = b.data + 16;

	assert_int_equal(VMM_MPTABLE % 16, 0);
	assert_memory_equal(b.data, "_MP_", 4);
	assert_int_equal(get(b.data + 4, 4), VMM_MPTABLE + 16);
	assert_int_equal(sum(b.data, 16), 0);
	assert_memory_equal(head, "PCMP", 4);
	assert_int_equal(get(head + 4, 2), b.len - 16);
	assert_int_equal(get(head + 36, 4), VMM_LAPIC);
	assert_int_equal(sum(head, b.len - 16), 0);
}

/* Entries of type TYPE with these two bytes at 4; all are walked, to the end. */
static unsigned count(unsigned type, int bus, int irq, unsigned *pin)
{
	unsigned n = 0, entries = get(b.data + 16 + 34, 2);
	size_t at = 16 + 44;

	for (; entries--; at += b.data[at] ? 8 : 20) {
		const uint8_t *e = b.data + at;
		if (e[0] != type || (bus >= 0 && (e[4] != bus || e[5] != irq)))
			continue;
		if (pin)
			*pin = e[7];
		n++;
	}
	assert_int_equal(at, b.len);
	return n;
}

static void processors(void **state)
{
	assert_int_equal(count(0, -1, 0, NULL), 3); /* the fourth has too large a number */
	assert_int_equal(b.data[16 + 44 + 3], 3);   /* the first starts the others */
	assert_int_equal(b.data[16 + 44 + 20 + 3], 1);
	assert_int_equal(b.data[16 + 44 + 40 + 1], 4);
}

static void pins(void **state)
{
	unsigned pin = 0;

	assert_int_equal(count(1, -1, 0, NULL), 2);
	assert_int_equal(count(2, -1, 0, NULL), 1);
	assert_int_equal(count(3, 1, 0, &pin), 1);
	assert_int_equal(pin, VMM_GSI_TIMER);
	assert_int_equal(count(3, 1, VMM_GSI_SERIAL, &pin), 1);
	assert_int_equal(pin, VMM_GSI_SERIAL);
	assert_int_equal(count(3, 1, VMM_GSI_PCI, NULL), 0);
	for (unsigned slot = 1; slot < VMM_PCI_SLOTS; slot++) {
		assert_int_equal(count(3, 0, (int)slot << 2, &pin), 1);
		assert_int_equal(pin, vmm_pci_line(slot));
	}
	assert_int_equal(count(4, -1, 0, NULL), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_where_kernels_look_and_adds_up, make, forget),
		cmocka_unit_test_setup_teardown(processors, make, forget),
		cmocka_unit_test_setup_teardown(pins, make, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
