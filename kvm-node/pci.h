/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One PCI bus: a host bridge and up to 31 functions with one 32-bit memory BAR each. Pure.
 *
 * Configuration comes through ports 0xcf8 to 0xcff or through a memory window of 4 KiB per function
 * (ECAM); both may be used, by any vCPU. BARs have addresses from the beginning, as firmware would
 * leave them, and the guest may move them within the window that the ACPI tables give to the bus.
 * Interrupts are messages; a function may have pin A beside them.
 */
#ifndef VMM_PCI_H
#define VMM_PCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "kvm-node/layout.h"

enum {
	VMM_PCI_SLOTS = 32,
	VMM_PCI_CONFIG = 256,
	VMM_PCI_PORT = 0xcf8,
	VMM_PCI_PORTS = 8,
	VMM_PCI_BUS_ECAM = 1 << 20, /* of one bus */
};

struct vmm_pci_fn {
	uint8_t config[VMM_PCI_CONFIG], writable[VMM_PCI_CONFIG]; /* bits the guest may change */
	unsigned last_link, end; /* of the list of capabilities, while it is made */
	uint32_t bar_size;	 /* a power of two, at least 16, or 0 */
	uint32_t bar_home;	 /* where the BAR is after a reset */
	/* An access within the BAR, of 1 to 8 bytes. */
	void (*bar)(void *ctx, uint64_t at, void *data, unsigned len, bool write);
	/* The configuration is about to be read, has been written. NULL: no matter. */
	void (*reading)(void *ctx, unsigned at, unsigned len);
	void (*written)(void *ctx, unsigned at, unsigned len);
	/* The BAR is decoded at BASE from now on, 0: nowhere. NULL: no matter. */
	void (*decoding)(void *ctx, uint32_t base);
	uint32_t decoded; /* what `decoding` was told last */
	void *ctx;
};

struct vmm_pci {
	pthread_mutex_t lock; /* taken before that of a device */
	uint32_t address;     /* of port 0xcf8 */
	uint64_t window, window_end, next;
	struct vmm_pci_fn bridge, *slot[VMM_PCI_SLOTS];
};

void vmm_pci_init(struct vmm_pci *p, uint64_t window, uint64_t size);
void vmm_pci_destroy(struct vmm_pci *p);

/* Identity of a function. CLASS is base class, sub-class, interface. */
void vmm_pci_fn_init(struct vmm_pci_fn *fn, uint16_t vendor, uint16_t device, uint32_t class);
/* Appends a capability of LEN bytes, whose first two are ours. Returns where it is. */
unsigned vmm_pci_fn_capability(struct vmm_pci_fn *fn, uint8_t id, const void *body, unsigned len);

/* The line that pin A of this slot is wired to. */
static inline unsigned vmm_pci_line(unsigned slot)
{
	return VMM_GSI_PCI + slot % 2;
}
/* FN has pin A: what it is wired to is where firmware leaves it. Before it is on the bus. */
void vmm_pci_fn_pin(struct vmm_pci_fn *fn);

/* Puts FN, which stays the caller's, on the bus. Returns its slot; -ENOSPC: there is no room. */
int vmm_pci_add(struct vmm_pci *p, struct vmm_pci_fn *fn);

/* After a reset of the machine: addresses as in the beginning, decoding off. */
void vmm_pci_reset(struct vmm_pci *p);

/* Accesses of vCPUs. What nobody answers reads as ones. */
void vmm_pci_io(struct vmm_pci *p, uint16_t port, void *data, unsigned len, bool write);
void vmm_pci_ecam(struct vmm_pci *p, uint64_t at, void *data, unsigned len, bool write);
/* False: no BAR is there. */
bool vmm_pci_mmio(struct vmm_pci *p, uint64_t gpa, void *data, unsigned len, bool write);

#endif
