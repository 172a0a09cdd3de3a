/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cm.h"
#include "tests/unit/vmm_driver.h"

static void *at(void *ctx, uint64_t gpa, uint64_t len)
{
	struct drv *d = ctx;

	if (gpa < DRV_RAM || gpa - DRV_RAM > DRV_SIZE || len > DRV_SIZE - (gpa - DRV_RAM))
		return NULL;
	return d->ram + (gpa - DRV_RAM);
}

static int drop(void *ctx, uint64_t gpa, uint64_t len)
{
	struct drv *d = ctx;

	assert_non_null(at(ctx, gpa, len));
	memset(drv_at(d, gpa), 0, len);
	d->dropped += len;
	return 0;
}

void drv_ram_open(struct drv *d)
{
	memset(d, 0, sizeof *d);
	d->ram = malloc(DRV_SIZE);
	assert_non_null(d->ram);
	memset(d->ram, 0, DRV_SIZE);
	d->brk = DRV_RAM;
	d->mem = (struct vmm_gmem){ .at = at, .drop = drop, .ctx = d };
}

void drv_ram_close(struct drv *d)
{
	free(d->ram);
}

uint64_t drv_alloc(struct drv *d, size_t len, size_t align)
{
	uint64_t gpa = (d->brk + align - 1) / align * align;

	d->brk = gpa + len;
	assert_true(d->brk <= DRV_RAM + DRV_SIZE);
	return gpa;
}

void *drv_at(struct drv *d, uint64_t gpa)
{
	return d->ram + (gpa - DRV_RAM);
}

void drv_ring(struct drv *d, unsigned i, uint16_t num)
{
	struct drv_queue *q = &d->q[i];

	*q = (struct drv_queue){ .num = num };
	q->desc_gpa = drv_alloc(d, 16u * num, 16);
	q->avail_gpa = drv_alloc(d, 6 + 2u * num, 2);
	q->used_gpa = drv_alloc(d, 6 + 8u * num, 4);
	q->desc = drv_at(d, q->desc_gpa);
	q->avail = drv_at(d, q->avail_gpa);
	q->used = drv_at(d, q->used_gpa);
	memset(q->avail, 0, 6 + 2u * num);
	memset(q->used, 0, 6 + 8u * num);
}

uint16_t drv_chain(struct drv *d, unsigned i, const struct drv_buf *b, unsigned n)
{
	struct drv_queue *q = &d->q[i];
	uint16_t head = q->free;

	for (unsigned k = 0; k < n; k++) {
		uint16_t next = (uint16_t)((q->free + 1) % q->num);
		q->desc[q->free] = (struct vring_desc){
			.addr = b[k].gpa,
			.len = b[k].len,
			.flags = (__u16)((b[k].in ? VRING_DESC_F_WRITE : 0) |
					 (k + 1 < n ? VRING_DESC_F_NEXT : 0)),
			.next = next,
		};
		q->free = next;
	}
	return head;
}

void drv_offer(struct drv *d, unsigned i, uint16_t head)
{
	struct drv_queue *q = &d->q[i];

	q->avail->ring[q->avail_idx % q->num] = head;
	__atomic_store_n(&q->avail->idx, ++q->avail_idx, __ATOMIC_RELEASE);
}

int drv_answer(struct drv *d, unsigned i, uint32_t *written)
{
	struct drv_queue *q = &d->q[i];

	if (q->used_idx == __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE))
		return -1;
	const vring_used_elem_t *e = &q->used->ring[q->used_idx++ % q->num];
	if (written)
		*written = e->len;
	return (int)e->id;
}

static void send(void *ctx, uint64_t addr, uint32_t data)
{
	struct drv *d = ctx;

	assert_int_equal(addr, 0xfee00000);
	assert_true(data < VMM_MSIX_MAX);
	d->irqs[data]++;
}

static void set_pin(void *ctx, bool asserted)
{
	((struct drv *)ctx)->pin = asserted;
}

static void wake(void *waker)
{
	((struct drv *)waker)->wakes++;
}

static uint32_t config(struct drv *d, unsigned at_, unsigned len)
{
	uint32_t address = 1u << 31 | (uint32_t)d->slot << 11 | (at_ & 0xfc), value = 0;

	vmm_pci_io(&d->pci, 0xcf8, &address, 4, true);
	vmm_pci_io(&d->pci, (uint16_t)(0xcfc + (at_ & 3)), &value, len, false);
	return value;
}

static void config_set(struct drv *d, unsigned at_, uint32_t value, unsigned len)
{
	uint32_t address = 1u << 31 | (uint32_t)d->slot << 11 | (at_ & 0xfc);

	vmm_pci_io(&d->pci, 0xcf8, &address, 4, true);
	vmm_pci_io(&d->pci, (uint16_t)(0xcfc + (at_ & 3)), &value, len, true);
}

static void found_region(struct drv *d, unsigned cap, uint32_t bar)
{
	uint32_t where = bar + config(d, cap + 8, 4);

	switch (config(d, cap + 3, 1)) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		d->common = where;
		break;
	case VIRTIO_PCI_CAP_ISR_CFG:
		d->isr = where;
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		d->device = where;
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		d->notify = where;
		d->notify_multiplier = config(d, cap + 16, 4);
		break;
	}
}

static void enable_msix(struct drv *d, unsigned cap, uint32_t bar)
{
	uint32_t table = bar + (config(d, cap + PCI_MSIX_TABLE, 4) & ~7u);
	unsigned n = (config(d, cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;

	assert_int_equal(n, d->v->type->nqueues + 1);
	for (unsigned i = 0; i < n; i++) {
		drv_write(d, table + 16 * i, 0xfee00000, 4);
		drv_write(d, table + 16 * i + 8, i, 4);
		drv_write(d, table + 16 * i + 12, 0, 4);
	}
	config_set(d, cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
}

void drv_open(struct drv *d, struct vmm_vdev *v)
{
	vmm_pci_init(&d->pci, DRV_WINDOW, 0x100000);
	d->v = v;
	v->wake = wake;
	v->waker = d;
	vmm_vpci_init(&d->t, v, send, d);
	vmm_vpci_add_pin(&d->t, set_pin);
	d->slot = vmm_pci_add(&d->pci, &d->t.fn);
	assert_int_equal(d->slot, 1);
	assert_int_equal(config(d, 0, 4), 0x10401af4u + ((uint32_t)v->type->id << 16));
	uint32_t bar = config(d, PCI_BASE_ADDRESS_0, 4);
	assert_int_equal(bar, DRV_WINDOW);
	config_set(d, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	unsigned cap = config(d, PCI_CAPABILITY_LIST, 1);
	for (; cap; cap = config(d, cap + 1, 1)) {
		if (config(d, cap, 1) == PCI_CAP_ID_VNDR)
			found_region(d, cap, bar);
		else
			enable_msix(d, cap, bar);
	}
}

void drv_close(struct drv *d)
{
	vmm_pci_destroy(&d->pci);
}

uint64_t drv_read(struct drv *d, uint32_t addr, unsigned len)
{
	uint64_t value = 0;

	assert_true(vmm_pci_mmio(&d->pci, addr, &value, len, false));
	return value;
}

void drv_write(struct drv *d, uint32_t addr, uint64_t value, unsigned len)
{
	assert_true(vmm_pci_mmio(&d->pci, addr, &value, len, true));
}

uint8_t drv_status(struct drv *d)
{
	return (uint8_t)drv_read(d, d->common + VIRTIO_PCI_COMMON_STATUS, 1);
}

void drv_set_status(struct drv *d, uint8_t status)
{
	drv_write(d, d->common + VIRTIO_PCI_COMMON_STATUS, status, 1);
}

uint64_t drv_offered(struct drv *d)
{
	uint64_t features = 0;

	for (uint32_t i = 0; i < 2; i++) {
		drv_write(d, d->common + VIRTIO_PCI_COMMON_DFSELECT, i, 4);
		features |= drv_read(d, d->common + VIRTIO_PCI_COMMON_DF, 4) << 32 * i;
	}
	return features;
}

void drv_negotiate(struct drv *d, uint64_t features)
{
	features |= 1ull << VIRTIO_F_VERSION_1;
	drv_set_status(d, 0);
	drv_set_status(d, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	drv_set_status(d, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	for (uint32_t i = 0; i < 2; i++) {
		drv_write(d, d->common + VIRTIO_PCI_COMMON_GFSELECT, i, 4);
		drv_write(d, d->common + VIRTIO_PCI_COMMON_GF, (uint32_t)(features >> 32 * i), 4);
	}
	drv_set_status(d, drv_status(d) | VIRTIO_CONFIG_S_FEATURES_OK);
}

static void write_address(struct drv *d, uint32_t reg, uint64_t value)
{
	drv_write(d, d->common + reg, (uint32_t)value, 4);
	drv_write(d, d->common + reg + 4, value >> 32, 4);
}

void drv_queue_setup(struct drv *d, unsigned i, uint16_t num)
{
	drv_ring(d, i, num);
	drv_write(d, d->common + VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
	assert_true(drv_read(d, d->common + VIRTIO_PCI_COMMON_Q_SIZE, 2) >= num);
	drv_write(d, d->common + VIRTIO_PCI_COMMON_Q_SIZE, num, 2);
	drv_write(d, d->common + VIRTIO_PCI_COMMON_Q_MSIX, i + 1, 2);
	assert_int_equal(drv_read(d, d->common + VIRTIO_PCI_COMMON_Q_MSIX, 2), i + 1);
	write_address(d, VIRTIO_PCI_COMMON_Q_DESCLO, d->q[i].desc_gpa);
	write_address(d, VIRTIO_PCI_COMMON_Q_AVAILLO, d->q[i].avail_gpa);
	write_address(d, VIRTIO_PCI_COMMON_Q_USEDLO, d->q[i].used_gpa);
	drv_write(d, d->common + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_int_equal(drv_read(d, d->common + VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
}

void drv_start(struct drv *d, uint64_t features)
{
	drv_negotiate(d, features);
	assert_true(drv_status(d) & VIRTIO_CONFIG_S_FEATURES_OK);
	drv_write(d, d->common + VIRTIO_PCI_COMMON_MSIX, 0, 2);
	for (unsigned i = 0; i < d->v->type->nqueues; i++)
		drv_queue_setup(d, i, DRV_QSIZE);
	drv_set_status(d, drv_status(d) | VIRTIO_CONFIG_S_DRIVER_OK);
	vmm_vdev_run(d->v);
}

void drv_kick(struct drv *d, unsigned i)
{
	unsigned before = d->wakes;

	drv_write(d, d->notify + i * d->notify_multiplier, i, 2);
	assert_int_equal(d->wakes, before + 1);
	vmm_vdev_run(d->v);
}

uint16_t drv_request(struct drv *d, unsigned i, const struct drv_buf *b, unsigned n)
{
	uint16_t head = drv_chain(d, i, b, n);

	drv_offer(d, i, head);
	drv_kick(d, i);
	return head;
}
