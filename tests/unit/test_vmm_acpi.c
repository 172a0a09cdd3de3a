/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The firmware tables: checksums, links, what each says; and the words of AML. With a directory as
 * argument it writes each table there instead, for a disassembler (tests/guest/acpi.t).
 */
#include <stdio.h>
#include <string.h>

#include "kvm-node/acpi.h"
#include "kvm-node/aml.h"
#include "kvm-node/layout.h"
#include "kvm-node/pci.h"
#include "tests/unit/cm.h"
#include "tests/unit/vmm_tables.h"

#define GIB (UINT64_C(1) << 30)

static const struct vmm_acpi_cpu cpus[] = { { 0, 0 }, { 1, 0 }, { 4, 1 }, { 300, 1 } };

struct tables {
	struct vmm_mem *mem;
	struct vmm_acpi *acpi;
	uint64_t rsdp;
};

static void make(struct tables *t)
{
	const uint64_t nodes[] = { GIB, 3 * GIB };
	const struct vmm_acpi_device com = { .name = "COM1", .hid = "PNP0501", .uid = 1, .io = 0x3f8,
					     .io_len = 8, .gsi = 4, .edge = true };
	const struct vmm_acpi_device virtio = { .name = "VR00", .hid = "LNRO0005", .mmio = 0xd0000000,
						.mmio_len = 4096, .gsi = 12, .cca = true };

	assert_int_equal(vmm_mem_create(&t->mem, nodes, 2, NULL), 0);
	const struct vmm_acpi_machine m = { cpus, 4, 2, t->mem, 40, true };
	assert_int_equal(vmm_acpi_create(&t->acpi), 0);
	assert_int_equal(vmm_acpi_add_device(t->acpi, &com), 0);
	assert_int_equal(vmm_acpi_add_device(t->acpi, &virtio), 0);
	assert_int_equal(vmm_acpi_add_pci(t->acpi, &(struct vmm_acpi_pci){
					 .node = -1,
					 .mmio = (uint32_t)VMM_PCI_MMIO,
					 .mmio_len = (uint32_t)VMM_PCI_SLICE,
					 .mmio64 = UINT64_C(1) << 40,
					 .mmio64_len = UINT64_C(1) << 36 }), 0);
	assert_int_equal(vmm_acpi_add_pci(t->acpi, &(struct vmm_acpi_pci){
					 .segment = 1,
					 .node = 1,
					 .mmio = (uint32_t)(VMM_PCI_MMIO + VMM_PCI_SLICE),
					 .mmio_len = (uint32_t)VMM_PCI_SLICE }), 0);
	assert_int_equal(vmm_acpi_write(t->acpi, &m, &t->rsdp, NULL), 0);
}

static void unmake(struct tables *t)
{
	vmm_acpi_destroy(t->acpi);
	vmm_mem_destroy(t->mem);
}

static uint32_t len_of(const uint8_t *table)
{
	uint32_t len;

	memcpy(&len, table + 4, 4);
	return len;
}

static const uint8_t *table(const struct tables *t, uint64_t at)
{
	const uint8_t *p = vmm_mem_at(t->mem, at, 36);

	assert_non_null(p);
	assert_true(at >= VMM_ACPI && at + len_of(p) <= VMM_ACPI_END);
	return p;
}

/* The table with this signature, by way of the root. */
static const uint8_t *find(const struct tables *t, const char *signature)
{
	const uint8_t *rsdp = vmm_mem_at(t->mem, t->rsdp, 36), *xsdt = table(t, get(rsdp + 24, 8));

	if (!strcmp(signature, "XSDT"))
		return xsdt;
	for (uint32_t at = 36; at < len_of(xsdt); at += 8)
		if (!memcmp(table(t, get(xsdt + at, 8)), signature, 4))
			return table(t, get(xsdt + at, 8));
	if (!strcmp(signature, "DSDT"))
		return table(t, get(find(t, "FACP") + 140, 8));
	fail_msg("no %s", signature);
	return NULL;
}

static const char *const all[] = { "XSDT", "FACP", "APIC", "SRAT", "SLIT", "MCFG", "DSDT" };

static void all_add_up(void **state)
{
	struct tables t;

	make(&t);
	const uint8_t *rsdp = vmm_mem_at(t.mem, t.rsdp, 36);
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		const uint8_t *p = find(&t, all[i]);
		assert_int_equal(sum(p, len_of(p)), 0);
	}
	assert_int_equal(get(find(&t, "FACP") + 36, 4) % 64, 0);
	unmake(&t);
}

static void cpus_and_pins(void **state)
{
	struct tables t;
	unsigned lapics = 0, x2apics = 0, ioapics = 0, overrides = 0;

	make(&t);
	const uint8_t *p = find(&t, "APIC");
	assert_int_equal(get(p + 36, 4), VMM_LAPIC);
	for (uint32_t at = 44; at < len_of(p); at += p[at + 1]) {
		assert_true(p[at + 1] >= 2);
		lapics += p[at] == 0;
		x2apics += p[at] == 9;
		overrides += p[at] == 2;
		if (p[at] == 1) {
			ioapics++;
			assert_int_equal(get(p + at + 4, 4), VMM_IOAPIC);
		}
		if (p[at] == 9)
			assert_int_equal(get(p + at + 4, 4), 300);
	}
	assert_int_equal(lapics, 3);
	assert_int_equal(x2apics, 1);
	assert_int_equal(ioapics, 1);
	assert_int_equal(overrides, 2);
	unmake(&t);
}

/* Two buses: each a window of its own, told of in both tables. */
static void buses(void **state)
{
	struct tables t;

	make(&t);
	const uint8_t *p = find(&t, "MCFG");
	assert_int_equal(len_of(p), 44 + 2 * 16);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(get(p + 44 + 16 * i, 8), VMM_PCI_ECAM + i * VMM_PCI_BUS_ECAM);
		assert_int_equal(get(p + 44 + 16 * i + 8, 2), i);
	}
	p = find(&t, "DSDT");
	assert_non_null(memmem(p, len_of(p), "PCI0", 4));
	assert_non_null(memmem(p, len_of(p), "PC01", 4));
	assert_non_null(memmem(p, len_of(p), "_PXM", 4));
	unmake(&t);
}

static void near_and_far(void **state)
{
	struct tables t;
	uint64_t mem[2] = { 0 };
	unsigned n_cpus[2] = { 0 };

	make(&t);
	const uint8_t *p = find(&t, "SRAT");
	for (uint32_t at = 48; at < len_of(p); at += p[at + 1]) {
		if (p[at] == 1)
			mem[get(p + at + 2, 4)] += get(p + at + 16, 8);
		else
			n_cpus[p[at] == 0 ? p[at + 2] : get(p + at + 4, 4)]++;
	}
	assert_int_equal(mem[0], GIB);
	assert_int_equal(mem[1], 3 * GIB);
	assert_int_equal(n_cpus[0], 2);
	assert_int_equal(n_cpus[1], 2);
	p = find(&t, "SLIT");
	const uint8_t distances[] = { 10, 40, 40, 10 };
	assert_int_equal(get(p + 36, 8), 2);
	assert_memory_equal(p + 44, distances, 4);
	unmake(&t);
}

static void words_of_aml(void **state)
{
	struct dvmi_buf b = { 0 };
	const uint8_t ints[] = { 0x00, 0x01, 0x0a, 0x02, 0x0b, 0x00, 0x01, 0x0c, 0x00, 0x00, 0x01, 0x00 };

	vmm_aml_int(&b, 0);
	vmm_aml_int(&b, 1);
	vmm_aml_int(&b, 2);
	vmm_aml_int(&b, 256);
	vmm_aml_int(&b, 65536);
	assert_int_equal(b.len, sizeof ints);
	assert_memory_equal(b.data, ints, sizeof ints);
	dvmi_buf_free(&b);
	vmm_aml_id(&b, "PNP0501");
	const uint8_t id[] = { 0x0c, 0x41, 0xd0, 0x05, 0x01 };
	assert_memory_equal(b.data, id, sizeof id);
	dvmi_buf_free(&b);
}

/* A block of LEN bytes has a length in 1, 2 or 3 bytes, which count themselves. */
static void lengths_of_aml(void **state)
{
	static const struct {
		size_t len, total;
		uint8_t first;
	} cases[] = { { 0, 1, 1 }, { 62, 63, 63 }, { 63, 65, 0x41 }, { 4093, 4095, 0x4f },
		      { 4094, 4097, 0x81 }, { 70000, 70003, 0x83 } };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct dvmi_buf b = { 0 };
		size_t at = vmm_aml_open(&b);
		if (cases[i].len)
			memset(dvmi_buf_extend(&b, cases[i].len), 7, cases[i].len);
		vmm_aml_close(&b, at);
		assert_int_equal(b.len, cases[i].total);
		assert_int_equal(b.data[0], cases[i].first);
		size_t n = b.data[0] >> 6, len = n ? b.data[0] & 0xf : b.data[0];
		for (size_t k = 1; k <= n; k++)
			len |= (size_t)b.data[k] << (k * 8 - 4);
		assert_int_equal(len, b.len);
		dvmi_buf_free(&b);
	}
}

static void too_many_devices(void **state)
{
	struct tables t;
	const struct vmm_acpi_machine m = { cpus, 4, 2, NULL, 40, true };
	static const uint8_t filler[4096];
	dvm_error_t err;

	make(&t);
	struct vmm_acpi_machine again = m;
	again.mem = t.mem;
	for (int i = 0; i < 32; i++)
		assert_int_equal(vmm_acpi_add_aml(t.acpi, filler, sizeof filler), 0);
	assert_true(vmm_acpi_write(t.acpi, &again, &t.rsdp, &err) < 0);
	assert_true(err.text[0]);
	unmake(&t);
}

static int write_tables(const char *dir)
{
	struct tables t;

	make(&t);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		char path[512];
		const uint8_t *p = find(&t, all[i]);
		snprintf(path, sizeof path, "%s/%s.aml", dir, all[i]);
		FILE *f = fopen(path, "w");
		if (!f || fwrite(p, 1, len_of(p), f) != len_of(p) || fclose(f))
			return 1;
	}
	unmake(&t);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_add_up),	  cmocka_unit_test(cpus_and_pins),
		cmocka_unit_test(buses), cmocka_unit_test(near_and_far),	  cmocka_unit_test(words_of_aml),
		cmocka_unit_test(lengths_of_aml), cmocka_unit_test(too_many_devices),
	};
	if (argc > 1)
		return write_tables(argv[1]);
	return cmocka_run_group_tests_name("vmm_acpi", tests, NULL, NULL);
}
