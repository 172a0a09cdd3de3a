/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio over PCI (virtio 1.2, 4.1), without its transitional half: one memory BAR with common,
 * device and notification registers and the MSI-X table. Without MSI-X it has pin A, if there is
 * anybody who hears of it. Pure.
 */
#ifndef VMM_VIRTIO_PCI_H
#define VMM_VIRTIO_PCI_H

#include "kvm-node/msix.h"
#include "kvm-node/pci.h"
#include "kvm-node/vdev.h"

enum {
	VMM_VPCI_BAR = 0x8000,
	VMM_VPCI_NOTIFY = 0x3000, /* in the BAR: 4 bytes for each queue */
};

struct vmm_vpci {
	struct vmm_vdev *v;
	struct vmm_pci_fn fn;
	struct vmm_msix msix;
	uint32_t device_select, driver_select, driver_features[2];
	uint16_t queue_select, config_vector, vector[VMM_VDEV_QUEUES];
	unsigned msix_cap, window_cap;
	uint8_t isr;  /* why the pin is asserted: bits of virtio's */
	bool pin_off; /* by the command register */
	void (*pin)(void *ctx, bool asserted); /* or NULL; with the context of the messages */
};

/* Binds V to a new function. SEND is called for its interrupts, by any thread, locks held. */
void vmm_vpci_init(struct vmm_vpci *t, struct vmm_vdev *v,
		   void (*send)(void *ctx, uint64_t addr, uint32_t data), void *ctx);

/* It has pin A: PIN is called when it changes, by any thread, locks held. Before it is on the bus. */
void vmm_vpci_add_pin(struct vmm_vpci *t, void (*pin)(void *ctx, bool asserted));

/* The machine is reset: the device, too, as if the driver had asked for it. */
void vmm_vpci_reset(struct vmm_vpci *t);

#endif
