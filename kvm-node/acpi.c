/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables one behind the other; the root of them first, where kernels also look by themselves. */
#include "kvm-node/acpi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-node/acpi_private.h"
#include "kvm-node/aml.h"
#include "kvm-node/layout.h"
#include "kvm-node/pci.h"
#include "libdvm/base/err.h"

#define TABLES_MAX 8u

int vmm_acpi_create(struct vmm_acpi **out)
{
	*out = calloc(1, sizeof **out);
	return *out ? 0 : -ENOMEM;
}

void vmm_acpi_destroy(struct vmm_acpi *a)
{
	if (!a)
		return;
	dvmi_buf_free(&a->devices);
	free(a);
}

int vmm_acpi_add_aml(struct vmm_acpi *a, const void *aml, uint32_t len)
{
	dvmi_buf_put(&a->devices, aml, len);
	return a->devices.err;
}

int vmm_acpi_add_device(struct vmm_acpi *a, const struct vmm_acpi_device *d)
{
	struct dvmi_buf *b = &a->devices;
	struct vmm_aml_crs crs = { 0 };
	size_t at = vmm_aml_device(b, d->name);

	vmm_aml_name(b, "_HID");
	vmm_aml_id(b, d->hid);
	vmm_aml_name(b, "_UID");
	vmm_aml_int(b, d->uid);
	if (d->cca) {
		vmm_aml_name(b, "_CCA");
		vmm_aml_int(b, 1);
	}
	if (d->io_len)
		vmm_aml_crs_io(&crs, d->io, (uint8_t)d->io_len);
	if (d->mmio_len)
		vmm_aml_crs_mem32(&crs, (uint32_t)d->mmio, (uint32_t)d->mmio_len);
	if (d->gsi)
		vmm_aml_crs_irq(&crs, d->gsi, d->edge);
	vmm_aml_crs_end(&crs, b);
	vmm_aml_close(b, at);
	return b->err;
}

static void put_named(struct dvmi_buf *b, const char *name, unsigned value)
{
	vmm_aml_name(b, name);
	vmm_aml_int(b, value);
}

/* Pin A of each slot, by the number of its line: there is no device to be asked about it. */
static void put_routes(struct dvmi_buf *b)
{
	vmm_aml_name(b, "_PRT");
	size_t all = vmm_aml_package(b, VMM_PCI_SLOTS - 1);
	for (unsigned slot = 1; slot < VMM_PCI_SLOTS; slot++) {
		size_t one = vmm_aml_package(b, 4);
		vmm_aml_int(b, slot << 16 | 0xffff); /* all functions */
		vmm_aml_int(b, 0);
		vmm_aml_int(b, 0);
		vmm_aml_int(b, vmm_pci_line(slot));
		vmm_aml_close(b, one);
	}
	vmm_aml_close(b, all);
}

int vmm_acpi_add_pci(struct vmm_acpi *a, const struct vmm_acpi_pci *p)
{
	struct dvmi_buf *b = &a->devices;
	struct vmm_aml_crs crs = { 0 };
	char name[8] = "PCI0";

	if (p->segment)
		snprintf(name, sizeof name, "PC%02X", p->segment & 0xff);
	size_t at = vmm_aml_device(b, name);
	vmm_aml_name(b, "_HID");
	vmm_aml_id(b, "PNP0A08");
	vmm_aml_name(b, "_CID");
	vmm_aml_id(b, "PNP0A03");
	put_named(b, "_UID", p->segment);
	put_named(b, "_SEG", p->segment);
	put_named(b, "_BBN", 0);
	put_named(b, "_CCA", 1);
	if (p->node >= 0)
		put_named(b, "_PXM", (unsigned)p->node);
	if (!p->segment)
		put_routes(b);
	vmm_aml_crs_bus(&crs, 0, 0);
	vmm_aml_crs_window32(&crs, p->mmio, p->mmio_len);
	if (p->mmio64_len)
		vmm_aml_crs_window64(&crs, p->mmio64, p->mmio64_len);
	vmm_aml_crs_end(&crs, b);
	vmm_aml_close(b, at);
	a->pci |= UINT64_C(1) << p->segment;
	return b->err;
}

/* ---- writing ---- */

uint8_t vmm_acpi_checksum(const uint8_t *p, size_t n)
{
	uint8_t sum = 0;

	while (n--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

/* Begins a table; what follows is its body. Returns where it is in the buffer. */
static size_t begin(struct dvmi_buf *b, const char *signature, uint8_t revision, unsigned align)
{
	while (b->len % align)
		dvmi_buf_put_u8(b, 0);
	size_t at = b->len;
	dvmi_buf_put(b, signature, 4);
	dvmi_buf_put_u32(b, 0); /* length, by end() */
	dvmi_buf_put_u8(b, revision);
	dvmi_buf_put_u8(b, 0); /* checksum, by end() */
	dvmi_buf_put(b, "DVM   DVMGUEST", 14);
	dvmi_buf_put_u32(b, 1);
	dvmi_buf_put(b, "DVM ", 4);
	dvmi_buf_put_u32(b, 1);
	return at;
}

static uint64_t end(struct dvmi_buf *b, size_t at)
{
	if (!b->err) {
		uint32_t len = (uint32_t)(b->len - at);
		memcpy(b->data + at + 4, &len, 4);
		b->data[at + 9] = vmm_acpi_checksum(b->data + at, len);
	}
	return VMM_ACPI + at;
}

static uint64_t put_dsdt(const struct vmm_acpi *a, struct dvmi_buf *b)
{
	size_t at = begin(b, "DSDT", 2, 16), block;

	/* What PM1_CNT takes to switch off. */
	vmm_aml_name(b, "_S5_");
	block = vmm_aml_package(b, 4);
	vmm_aml_int(b, VMM_ACPI_S5);
	vmm_aml_int(b, VMM_ACPI_S5);
	vmm_aml_int(b, 0);
	vmm_aml_int(b, 0);
	vmm_aml_close(b, block);
	block = vmm_aml_scope(b, "\\_SB_");
	dvmi_buf_put(b, a->devices.data, a->devices.len);
	vmm_aml_close(b, block);
	return end(b, at);
}

/* A table whose checksum is not the common one: it is the firmware's and the system's to write. */
static uint64_t put_facs(struct dvmi_buf *b)
{
	while (b->len % 64)
		dvmi_buf_put_u8(b, 0);
	size_t at = b->len;
	dvmi_buf_put(b, "FACS", 4);
	dvmi_buf_put_u32(b, 64);
	uint8_t *rest = dvmi_buf_extend(b, 56);
	if (rest) {
		memset(rest, 0, 56);
		rest[24] = 2; /* version */
	}
	return VMM_ACPI + at;
}

static uint64_t put_fadt(struct dvmi_buf *b, uint64_t facs, uint64_t dsdt)
{
	size_t at = begin(b, "FACP", 6, 16);

	vmm_acpi_put_fadt(b, facs, dsdt);
	return end(b, at);
}

static uint64_t put_mcfg(struct dvmi_buf *b, uint64_t segments)
{
	size_t at = begin(b, "MCFG", 1, 16);

	dvmi_buf_put_u64(b, 0);
	for (unsigned i = 0; i < 64; i++) {
		if (!(segments >> i & 1))
			continue;
		dvmi_buf_put_u64(b, VMM_PCI_ECAM + i * VMM_PCI_BUS_ECAM);
		dvmi_buf_put_u16(b, (uint16_t)i);
		dvmi_buf_put_u8(b, 0); /* first and */
		dvmi_buf_put_u8(b, 0); /* last bus */
		dvmi_buf_put_u32(b, 0);
	}
	return end(b, at);
}

typedef void body_fn(struct dvmi_buf *b, const struct vmm_acpi_machine *m);

static uint64_t put_about(struct dvmi_buf *b, const struct vmm_acpi_machine *m,
			  const char *signature, uint8_t revision, body_fn *body)
{
	size_t at = begin(b, signature, revision, 16);

	body(b, m);
	return end(b, at);
}

static void put_rsdp(struct dvmi_buf *b, uint64_t xsdt)
{
	uint8_t *p = b->data;

	memcpy(p, "RSD PTR ", 8);
	memcpy(p + 9, "DVM   ", 6);
	p[15] = 2;
	p[20] = VMM_ACPI_RSDP_LEN;
	memcpy(p + 24, &xsdt, 8);
	p[8] = vmm_acpi_checksum(p, 20);
	p[32] = vmm_acpi_checksum(p, VMM_ACPI_RSDP_LEN);
}

int vmm_acpi_tables(const struct vmm_acpi *a, const struct vmm_acpi_machine *m, struct dvmi_buf *b)
{
	uint64_t tables[TABLES_MAX];
	unsigned n = 0;
	uint8_t *root = dvmi_buf_extend(b, VMM_ACPI_RSDP_LEN);

	if (!root)
		return -ENOMEM;
	memset(root, 0, VMM_ACPI_RSDP_LEN);
	uint64_t dsdt = put_dsdt(a, b), facs = put_facs(b);
	tables[n++] = put_fadt(b, facs, dsdt);
	tables[n++] = put_about(b, m, "APIC", 5, vmm_acpi_put_madt);
	tables[n++] = put_about(b, m, "SRAT", 3, vmm_acpi_put_srat);
	tables[n++] = put_about(b, m, "SLIT", 1, vmm_acpi_put_slit);
	if (a->pci)
		tables[n++] = put_mcfg(b, a->pci);
	size_t at = begin(b, "XSDT", 1, 16);
	for (unsigned i = 0; i < n; i++)
		dvmi_buf_put_u64(b, tables[i]);
	uint64_t xsdt = end(b, at);
	if (!b->err)
		put_rsdp(b, xsdt);
	return b->err;
}

int vmm_acpi_write(struct vmm_acpi *a, const struct vmm_acpi_machine *m, uint64_t *rsdp,
		   dvm_error_t *err)
{
	struct dvmi_buf b = { 0 };
	int rc = a->devices.err ? a->devices.err : vmm_acpi_tables(a, m, &b);

	if (rc == 0 && b.len > VMM_ACPI_END - VMM_ACPI)
		rc = -ENOSPC;
	if (rc == 0)
		rc = vmm_mem_write(m->mem, VMM_ACPI, b.data, b.len);
	dvmi_buf_free(&b);
	if (rc < 0)
		return dvmi_error_code(err, rc, "the guest's firmware tables");
	*rsdp = VMM_ACPI;
	return 0;
}
