/* SPDX-License-Identifier: BSD-3-Clause */
/* All kinds of devices, in the order they are made; and what their code has in common. */
#ifndef VMM_DEVICES_H
#define VMM_DEVICES_H

#include "kvm-node/acpi.h"
#include "kvm-node/bus.h"
#include "kvm-node/device.h"
#include "kvm-node/irq.h"
#include "kvm-node/layout.h"
#include "kvm-node/loop.h"

extern const struct vmm_device_kind vmm_dev_debug, vmm_dev_legacy, vmm_dev_pit, vmm_dev_pm,
	vmm_dev_rtc, vmm_dev_serial, vmm_dev_virtio;

/* Makes all devices of M. On failure those already made are in *LIST. */
int vmm_devices_create(const struct vmm_machine *m, struct vmm_device **list, dvm_error_t *err);
void vmm_devices_destroy(struct vmm_device *list);

static inline void vmm_device_add(struct vmm_device **list, struct vmm_device *d,
				  const struct vmm_device_ops *ops, const char *name)
{
	d->ops = ops;
	d->name = name;
	d->next = *list;
	*list = d;
}

static inline int vmm_device_ports(const struct vmm_machine *m, const char *name, uint64_t base,
				   uint64_t len, const struct vmm_bus_ops *ops, void *dev,
				   dvm_error_t *err)
{
	const struct vmm_region r = { name, VMM_PIO, base, len, 0, ops, dev };

	return vmm_bus_add(m->bus, &r, err);
}

#endif
