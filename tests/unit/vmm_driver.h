/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest's side of virtio devices, for tests: some RAM at an address that is not 0, a PCI bus, and
 * a driver that finds a device's registers as a kernel does and fills its queues, well or badly.
 */
#ifndef TESTS_UNIT_VMM_DRIVER_H
#define TESTS_UNIT_VMM_DRIVER_H

#include <linux/virtio_ring.h>

#include "kvm-node/virtio_pci.h"

enum { DRV_RAM = 0x100000, DRV_SIZE = 0x100000, DRV_WINDOW = 0x40000000, DRV_QSIZE = 16 };

struct drv_queue {
	uint16_t num, avail_idx, used_idx, free;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint64_t desc_gpa, avail_gpa, used_gpa;
};

struct drv {
	uint8_t *ram; /* DRV_SIZE bytes at DRV_RAM, and not one more */
	uint64_t brk, dropped;
	struct vmm_gmem mem;
	struct vmm_pci pci;
	struct vmm_vdev *v;
	struct vmm_vpci t;
	int slot;
	uint32_t common, isr, device, notify; /* addresses found through the capabilities */
	uint32_t notify_multiplier;
	struct drv_queue q[VMM_VDEV_QUEUES];
	unsigned irqs[VMM_MSIX_MAX], wakes;
	bool pin; /* is asserted */
};

/* One buffer of a request. */
struct drv_buf {
	uint64_t gpa;
	uint32_t len;
	bool in; /* the device writes it */
};

void drv_ram_open(struct drv *d); /* only the memory, for engines below devices */
void drv_ram_close(struct drv *d);
uint64_t drv_alloc(struct drv *d, size_t len, size_t align);
void *drv_at(struct drv *d, uint64_t gpa);

/* Rings in RAM, for queue number I of the driver. */
void drv_ring(struct drv *d, unsigned i, uint16_t num);
/* Writes a chain into the table (not yet offered); returns its head. */
uint16_t drv_chain(struct drv *d, unsigned i, const struct drv_buf *b, unsigned n);
void drv_offer(struct drv *d, unsigned i, uint16_t head);
/* The next answer: its head, and how much was written; -1: none. */
int drv_answer(struct drv *d, unsigned i, uint32_t *written);

/* V on the bus, registers found and memory decoding on. Interrupt I is counted in irqs[I]. */
void drv_open(struct drv *d, struct vmm_vdev *v);
void drv_close(struct drv *d);
uint64_t drv_read(struct drv *d, uint32_t addr, unsigned len);
void drv_write(struct drv *d, uint32_t addr, uint64_t value, unsigned len);
uint8_t drv_status(struct drv *d);
void drv_set_status(struct drv *d, uint8_t status);
uint64_t drv_offered(struct drv *d);
/* Up to and without DRIVER_OK; the features agreed on are FEATURES and VERSION_1. */
void drv_negotiate(struct drv *d, uint64_t features);
void drv_queue_setup(struct drv *d, unsigned i, uint16_t num);
/* All of it: reset, features, all queues, DRIVER_OK. */
void drv_start(struct drv *d, uint64_t features);
void drv_kick(struct drv *d, unsigned i); /* and lets the device run */

/* A request of buffers, offered and kicked. */
uint16_t drv_request(struct drv *d, unsigned i, const struct drv_buf *b, unsigned n);

#endif
