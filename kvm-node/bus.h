/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Port and memory-mapped accesses of vCPUs, on their way to devices.
 *
 * A device answers messages: a struct vmm_access goes in, and for a read its data comes back.
 * Nothing else passes between a vCPU and a device, so that a device may live on another host: the
 * region is then claimed there, and here by a forwarder which sends the access and waits for the
 * answer; for a write to a region that is marked VMM_BUS_POSTED it does not wait.
 *
 * A doorbell is a write that says nothing but "look": it wakes a descriptor, by KVM itself where
 * that works (no exit to user space), else from here.
 *
 * Threads: regions are added before vCPUs run, or by a vCPU thread within its access (a PCI BAR
 * moves); dispatch takes a shared lock for the look-up only and calls the device without any. A
 * device has a lock of its own, is called by any number of vCPU threads at once, and must not
 * block for long: work goes to the loop. Order of locks: device, then irq, then a local APIC.
 */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "dvm/error.h"

enum vmm_space { VMM_PIO, VMM_MMIO, VMM_SPACES };

struct vmm_access {
	uint64_t addr;	/* in the space */
	uint64_t off;	/* in the region; set by the bus */
	uint64_t data;	/* little-endian, LEN bytes count; for reads all ones on entry */
	uint32_t vcpu;	/* index of who asks */
	uint8_t space;	/* enum vmm_space */
	uint8_t len;	/* 1 to 8: KVM cuts what crosses the end of a page */
	bool write;
};

struct vmm_bus_ops {
	/* Never fails: what a device does not understand reads as ones or is ignored. */
	void (*access)(void *dev, struct vmm_access *a);
};

enum vmm_bus_flags {
	VMM_BUS_POSTED = 1, /* who writes need not wait until the write has been seen */
};

struct vmm_region {
	const char *name; /* "serial": for counters and messages; must outlive the bus */
	enum vmm_space space;
	uint64_t base, len;
	unsigned flags;
	const struct vmm_bus_ops *ops;
	void *dev;
};

struct vmm_bus; /* incomplete */

int vmm_bus_create(struct vmm_bus **out);
void vmm_bus_destroy(struct vmm_bus *b);

/*
 * Copies R. Accesses that lie wholly inside go to it. -EINVAL for an empty or wrapping range,
 * -EEXIST (with both names) where it overlaps another, -ENOMEM.
 */
int vmm_bus_add(struct vmm_bus *b, const struct vmm_region *r, dvm_error_t *err);
/* Accesses that nobody here has claimed go to OPS, as they are: to where the devices are. */
void vmm_bus_set_rest(struct vmm_bus *b, const struct vmm_bus_ops *ops, void *dev);
/* Accesses that have begun may still be in the device when this returns. -ENOENT. */
int vmm_bus_remove(struct vmm_bus *b, enum vmm_space space, uint64_t base);

/*
 * A write of LEN bytes (0: any length) of exactly VALUE (MATCH false: of anything) at ADDR adds 1
 * to the eventfd FD, which stays the caller's. Wins over the region around it.
 */
struct vmm_doorbell {
	enum vmm_space space;
	uint64_t addr;
	uint8_t len;
	bool match;
	uint64_t value;
	int fd;
};
int vmm_bus_add_doorbell(struct vmm_bus *b, const struct vmm_doorbell *bell);
int vmm_bus_remove_doorbell(struct vmm_bus *b, const struct vmm_doorbell *bell);

/*
 * Who can ring doorbells without us (KVM_IOEVENTFD); called for those there are and for each that
 * comes or goes. It may refuse; we then ring.
 */
typedef int vmm_bus_bell_fn(void *arg, const struct vmm_doorbell *bell, bool add);
void vmm_bus_set_bells(struct vmm_bus *b, vmm_bus_bell_fn *fn, void *arg);

/*
 * Answers A. Accesses to nothing or to more than one region read as ones and write nowhere; returns
 * false for them, so that they can be counted. Lengths that make no sense are the device's to ignore.
 */
bool vmm_bus_access(struct vmm_bus *b, struct vmm_access *a);

/* Calls FN for every region with how often it was read and written; for statistics. */
typedef void vmm_bus_each_fn(void *arg, const struct vmm_region *r, uint64_t reads, uint64_t writes);
void vmm_bus_each(struct vmm_bus *b, vmm_bus_each_fn *fn, void *arg);

#endif
