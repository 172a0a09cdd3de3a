/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The firmware tables of the guest, collected while the machine is made and then written into RAM.
 *
 * Devices add themselves; the rest comes from the configuration. Control thread only.
 */
#ifndef VMM_ACPI_H
#define VMM_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#include "dvm/error.h"
#include "kvm-node/memory.h"
#include "libdvm/base/buf.h"

struct vmm_acpi; /* incomplete */

int vmm_acpi_create(struct vmm_acpi **out);
void vmm_acpi_destroy(struct vmm_acpi *a);

/* A device of the DSDT, in \_SB_: _HID, _UID and _CRS. What is zero is left out. */
struct vmm_acpi_device {
	const char *name; /* four characters: "VR00" */
	const char *hid;  /* "LNRO0005", "PNP0501": ACPI or EISA identity */
	uint32_t uid;
	uint64_t mmio, mmio_len; /* below 4 GiB */
	uint16_t io, io_len;
	unsigned gsi; /* 0: none */
	bool edge;
	bool cca; /* says that its DMA is coherent */
};
int vmm_acpi_add_device(struct vmm_acpi *a, const struct vmm_acpi_device *d);

/* A PCI host bridge, and its configuration space (MCFG) with one bus. */
struct vmm_acpi_pci {
	unsigned segment; /* below 64; the other windows are those of its number */
	int node;	  /* what it is near, or -1 */
	uint32_t mmio, mmio_len;
	uint64_t mmio64, mmio64_len; /* or 0 */
};
int vmm_acpi_add_pci(struct vmm_acpi *a, const struct vmm_acpi_pci *p);

/* Ready-made AML (aml.h), in the scope \_SB_. */
int vmm_acpi_add_aml(struct vmm_acpi *a, const void *aml, uint32_t len);

struct vmm_acpi_cpu {
	uint32_t apic_id;
	unsigned node;
};

struct vmm_acpi_machine {
	const struct vmm_acpi_cpu *cpus;
	unsigned n_cpus, n_nodes;
	const struct vmm_mem *mem;
	uint8_t distance; /* between nodes */
	bool pit;	  /* there is one: its interrupt is wired to pin 2 */
};

/*
 * Writes all tables to VMM_ACPI … VMM_ACPI_END and says where the RSDP is. -ENOSPC where they do
 * not fit.
 */
int vmm_acpi_write(struct vmm_acpi *a, const struct vmm_acpi_machine *m, uint64_t *rsdp,
		   dvm_error_t *err);

/* What makes the N bytes add up to 0, where 0 stands in its place; as the MP table has it, too. */
uint8_t vmm_acpi_checksum(const uint8_t *p, size_t n);

#endif
