/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices: what they are given and what they answer for.
 *
 * A device is made once, before vCPUs run. It claims its regions on the bus, takes an interrupt
 * line or sends messages, puts its back end on the loop, and adds what the guest's firmware tables
 * have to say about it. From then on it is called by
 *  - vCPU threads, through its regions (bus.h);
 *  - the loop's thread, for its back end;
 *  - the control thread, by the calls below: never two at once, and with the vCPUs standing still
 *    for all but stat().
 */
#ifndef VMM_DEVICE_H
#define VMM_DEVICE_H

#include "dvm/error.h"
#include "kvm-node/vmm.h"
#include "libdvm/base/buf.h"
#include "libdvm/base/log.h"

struct vmm_acpi;
struct vmm_bus;
struct vmm_irq;
struct vmm_loop;
struct vmm_mem;
struct vmm_queues;
struct vmm_device;

/* The machine as a device sees it. */
struct vmm_machine {
	const struct vmm_config *config;
	unsigned host; /* of several; the first one has what a machine has once */
	struct vmm_mem *mem;
	struct vmm_bus *bus;
	struct vmm_irq *irq;
	struct vmm_loop *loop;
	struct vmm_queues *queues; /* over several hosts, or NULL */
	struct vmm_acpi *acpi;
	struct dvmi_log *log;
	/*
	 * The guest asks for its end or a reset; WHY is copied and may be NULL. The control thread
	 * decides. Any thread; no lock that a device's own calls below take.
	 */
	void (*ended)(void *arg, enum vmm_end end, unsigned code, const char *why);
	void *arg;
};

struct vmm_device_ops {
	/* The guest has been reset: as after creation, with the back end kept. */
	void (*reset)(struct vmm_device *d);
	/* Finish what is under way, so that RAM is not written until resume(). NULL: nothing to do. */
	void (*pause)(struct vmm_device *d);
	void (*resume)(struct vmm_device *d);
	/* Somebody has pressed the power button. NULL: not for this device. */
	void (*power_button)(struct vmm_device *d);
	/* The guest is to get along with BYTES of its memory. Any thread; -ERANGE. NULL: not its job. */
	int (*leave)(struct vmm_device *d, uint64_t bytes);
	/* Appends the members of a JSON object, without braces: "\"reads\":12,\"writes\":0". NULL: none. */
	void (*stat)(struct vmm_device *d, struct dvmi_buf *out);
	/* The loop's thread has ended; frees D. */
	void (*destroy)(struct vmm_device *d);
};

/* The beginning of every device. */
struct vmm_device {
	const struct vmm_device_ops *ops;
	const char *name; /* "blk0"; unique in the machine */
	struct vmm_device *next;
};

/* A row of the table in devices.c: makes none or some devices, as the configuration says. */
struct vmm_device_kind {
	const char *name;
	/* Puts each new device in front of *LIST; what is in the list is destroyed also on failure. */
	int (*create)(const struct vmm_machine *m, struct vmm_device **list, dvm_error_t *err);
};

#endif
