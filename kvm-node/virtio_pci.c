/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "kvm-node/virtio_pci.h"

enum {
	REGION = 0x1000, /* each kind of registers has a page */
	COMMON = 0x0000,
	ISR = 0x1000,
	DEVICE = 0x2000,
	NOTIFY = VMM_VPCI_NOTIFY,
	TABLE = 0x4000,
	PBA = 0x5000,
	VIRTIO_VENDOR = 0x1af4,
	VIRTIO_DEVICE = 0x1040,
	ISR_QUEUE = 1,
	ISR_CONFIG = 2,
};

/* ---- interrupts; the device's lock is held ---- */

/* The pin is silent while there are messages, or the driver wants no pin. */
static void update_pin(struct vmm_vpci *t)
{
	if (t->pin)
		t->pin(t->msix.ctx, t->isr && !t->msix.enabled && !t->pin_off);
}

static void set_isr(struct vmm_vpci *t, uint8_t isr)
{
	if (isr == t->isr)
		return;
	t->isr = isr;
	update_pin(t);
}

static void signal(void *transport, int q)
{
	struct vmm_vpci *t = transport;

	if (t->msix.enabled)
		vmm_msix_raise(&t->msix, q < 0 ? t->config_vector : t->vector[q]);
	else
		set_isr(t, t->isr | (q < 0 ? ISR_CONFIG : ISR_QUEUE));
}

/* ---- registers ---- */

static void reset_transport(struct vmm_vpci *t)
{
	t->device_select = t->driver_select = 0;
	t->driver_features[0] = t->driver_features[1] = 0;
	t->queue_select = 0;
	t->config_vector = VMM_MSIX_NONE;
	for (unsigned i = 0; i < VMM_VDEV_QUEUES; i++)
		t->vector[i] = VMM_MSIX_NONE;
	set_isr(t, 0);
}

static bool message(void *transport, int q, uint64_t *addr, uint32_t *data)
{
	const struct vmm_vpci *t = transport;

	return vmm_msix_message(&t->msix, q < 0 ? t->config_vector : t->vector[q], addr, data);
}

/* Registers of the queue that is selected; another reads as 0 and takes nothing. */
static struct vmm_virtq *selected(struct vmm_vpci *t)
{
	return t->queue_select < t->v->type->nqueues ? &t->v->q[t->queue_select] : NULL;
}

static uint64_t read_queue(struct vmm_vpci *t, uint64_t at)
{
	const struct vmm_virtq *q = selected(t);

	if (!q)
		return at == VIRTIO_PCI_COMMON_Q_MSIX ? VMM_MSIX_NONE : 0;
	switch (at) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return q->num;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return t->vector[t->queue_select];
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return q->ready;
	case VIRTIO_PCI_COMMON_Q_NOFF:
		return t->queue_select;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
		return (uint32_t)q->desc;
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		return q->desc >> 32;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
		return (uint32_t)q->avail;
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		return q->avail >> 32;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
		return (uint32_t)q->used;
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		return q->used >> 32;
	}
	return 0;
}

static uint64_t read_common(struct vmm_vpci *t, uint64_t at)
{
	struct vmm_vdev *v = t->v;

	switch (at) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return t->device_select;
	case VIRTIO_PCI_COMMON_DF:
		return t->device_select < 2 ? (uint32_t)(v->offered >> 32 * t->device_select) : 0;
	case VIRTIO_PCI_COMMON_GFSELECT:
		return t->driver_select;
	case VIRTIO_PCI_COMMON_GF:
		return t->driver_select < 2 ? t->driver_features[t->driver_select] : 0;
	case VIRTIO_PCI_COMMON_MSIX:
		return t->config_vector;
	case VIRTIO_PCI_COMMON_NUMQ:
		return v->type->nqueues;
	case VIRTIO_PCI_COMMON_STATUS:
		return vmm_vdev_status(v);
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return v->generation;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		return t->queue_select;
	}
	return read_queue(t, at);
}

static void set_half(uint64_t *value, bool high, uint32_t half)
{
	unsigned shift = high ? 32 : 0;

	*value = (*value & ~(0xffffffffull << shift)) | (uint64_t)half << shift;
}

static uint16_t valid_vector(const struct vmm_vpci *t, uint64_t vector)
{
	return vector < t->msix.n ? (uint16_t)vector : VMM_MSIX_NONE;
}

static void write_address(struct vmm_virtq *q, uint64_t at, uint32_t value)
{
	bool high = at & 4;

	if (q->ready)
		return;
	if (at >= VIRTIO_PCI_COMMON_Q_USEDLO)
		set_half(&q->used, high, value);
	else if (at >= VIRTIO_PCI_COMMON_Q_AVAILLO)
		set_half(&q->avail, high, value);
	else
		set_half(&q->desc, high, value);
}

static void write_queue(struct vmm_vpci *t, uint64_t at, uint64_t value)
{
	struct vmm_virtq *q = selected(t);

	if (!q)
		return;
	switch (at) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if (!q->ready)
			q->num = (uint16_t)value;
		break;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		t->vector[t->queue_select] = valid_vector(t, value);
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (value == 1)
			vmm_vdev_enable_queue(t->v, t->queue_select);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO ... VIRTIO_PCI_COMMON_Q_USEDHI:
		write_address(q, at, (uint32_t)value);
		break;
	}
}

static void write_features(struct vmm_vpci *t, uint32_t value)
{
	if (t->driver_select > 1)
		return;
	t->driver_features[t->driver_select] = value;
	vmm_vdev_agree(t->v, (uint64_t)t->driver_features[1] << 32 | t->driver_features[0]);
}

static void write_common(struct vmm_vpci *t, uint64_t at, uint64_t value)
{
	switch (at) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		t->device_select = (uint32_t)value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		t->driver_select = (uint32_t)value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		write_features(t, (uint32_t)value);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		t->config_vector = valid_vector(t, value);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		vmm_vdev_set_status(t->v, (uint8_t)value);
		if (!value)
			reset_transport(t);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		t->queue_select = (uint16_t)value;
		break;
	default:
		write_queue(t, at, value);
	}
}

static unsigned width(uint64_t at)
{
	switch (at) {
	case VIRTIO_PCI_COMMON_STATUS:
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return 1;
	case VIRTIO_PCI_COMMON_MSIX:
	case VIRTIO_PCI_COMMON_NUMQ:
	case VIRTIO_PCI_COMMON_Q_SELECT ... VIRTIO_PCI_COMMON_Q_NOFF:
		return 2;
	}
	return 4;
}

/* Fields are read and written whole, as drivers must; 64-bit ones also in one go. */
static void access_common(struct vmm_vpci *t, uint64_t at, void *data, unsigned len, bool write)
{
	bool pair =
		len == 8 && at >= VIRTIO_PCI_COMMON_Q_DESCLO && at <= VIRTIO_PCI_COMMON_Q_USEDLO;
	unsigned step = pair ? 4 : len;

	if (!write)
		memset(data, 0, len);
	if (at % step || width(at) != step)
		return;
	for (unsigned i = 0; i < len; i += step) {
		uint64_t value = 0;
		if (write) {
			memcpy(&value, (char *)data + i, step);
			write_common(t, at + i, value);
		} else {
			value = read_common(t, at + i);
			memcpy((char *)data + i, &value, step);
		}
	}
}

/* To be read is to be acknowledged. */
static void read_isr(struct vmm_vpci *t, uint64_t at, void *data, unsigned len)
{
	memset(data, 0, len);
	if (at)
		return;
	*(uint8_t *)data = t->isr;
	set_isr(t, 0);
}

static void access_locked(struct vmm_vpci *t, uint64_t at, void *data, unsigned len, bool write)
{
	uint64_t region = at & -(uint64_t)REGION;

	at -= region;
	if (region == COMMON)
		access_common(t, at, data, len, write);
	else if (region == ISR && !write)
		read_isr(t, at, data, len);
	else if (region == DEVICE && write)
		vmm_vdev_write_config(t->v, at, data, len);
	else if (region == DEVICE)
		vmm_vdev_read_config(t->v, at, data, len);
	else if (region == TABLE)
		vmm_msix_table(&t->msix, at, data, len, write);
	else if (region == PBA && !write)
		vmm_msix_pba(&t->msix, at, data, len);
	else if (!write)
		memset(data, 0, len);
}

static void access_bar(void *ctx, uint64_t at, void *data, unsigned len, bool write)
{
	struct vmm_vpci *t = ctx;

	if (write && at >= NOTIFY && at < NOTIFY + REGION) { /* the one that is fast */
		vmm_vdev_kick(t->v, (unsigned)(at - NOTIFY) / 4);
		return;
	}
	pthread_mutex_lock(&t->v->lock);
	if (write)
		vmm_vdev_recall(t->v); /* nobody interrupts as it was before */
	access_locked(t, at, data, len, write);
	pthread_mutex_unlock(&t->v->lock);
}

/* The capability through which firmware reaches the BAR before it is mapped. */
static void use_window(struct vmm_vpci *t, bool write)
{
	struct virtio_pci_cfg_cap *c = (void *)(t->fn.config + t->window_cap);
	uint32_t at, len;

	memcpy(&at, &c->cap.offset, sizeof at);
	memcpy(&len, &c->cap.length, sizeof len);
	if (c->cap.bar || (len != 1 && len != 2 && len != 4) || at % len || at >= VMM_VPCI_BAR)
		return;
	access_bar(t, at, c->pci_cfg_data, len, write);
}

static bool touches_window(const struct vmm_vpci *t, unsigned at, unsigned len)
{
	unsigned data = t->window_cap + (unsigned)offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);

	return at < data + 4 && at + len > data;
}

/* Configuration is guarded by the bus's lock, what it tells about by the device's. */
static void show_pin(struct vmm_vpci *t)
{
	uint8_t *status = &t->fn.config[PCI_STATUS];

	pthread_mutex_lock(&t->v->lock);
	*status = (uint8_t)((*status & ~PCI_STATUS_INTERRUPT) | (t->isr ? PCI_STATUS_INTERRUPT : 0));
	pthread_mutex_unlock(&t->v->lock);
}

static void config_reading(void *ctx, unsigned at, unsigned len)
{
	struct vmm_vpci *t = ctx;

	if (at <= PCI_STATUS && at + len > PCI_STATUS)
		show_pin(t);
	if (touches_window(t, at, len))
		use_window(t, false);
}

static void config_written(void *ctx, unsigned at, unsigned len)
{
	struct vmm_vpci *t = ctx;
	unsigned control = t->msix_cap + PCI_MSIX_FLAGS;
	bool messages = at < control + 2 && at + len > control;
	uint16_t flags, command;

	if (touches_window(t, at, len))
		use_window(t, true);
	if (!messages && at > PCI_COMMAND + 1)
		return;
	memcpy(&flags, t->fn.config + control, sizeof flags);
	memcpy(&command, t->fn.config + PCI_COMMAND, sizeof command);
	pthread_mutex_lock(&t->v->lock);
	vmm_vdev_recall(t->v);
	t->pin_off = command & PCI_COMMAND_INTX_DISABLE;
	if (messages)
		vmm_msix_control(&t->msix, flags & PCI_MSIX_FLAGS_ENABLE,
				 flags & PCI_MSIX_FLAGS_MASKALL);
	update_pin(t);
	pthread_mutex_unlock(&t->v->lock);
}

static unsigned add_region(struct vmm_vpci *t, uint8_t type, uint32_t offset, uint32_t length,
			   unsigned size)
{
	struct virtio_pci_notify_cap c = {
		.cap = { .cap_len = (uint8_t)size,
			 .cfg_type = type,
			 .offset = offset,
			 .length = length },
		.notify_off_multiplier = type == VIRTIO_PCI_CAP_NOTIFY_CFG ? 4 : 0,
	};

	return vmm_pci_fn_capability(&t->fn, PCI_CAP_ID_VNDR, &c, size);
}

static void add_window(struct vmm_vpci *t)
{
	struct virtio_pci_cfg_cap c = { .cap = { .cap_len = sizeof c,
						 .cfg_type = VIRTIO_PCI_CAP_PCI_CFG } };
	uint8_t *w = t->fn.writable;

	t->window_cap = vmm_pci_fn_capability(&t->fn, PCI_CAP_ID_VNDR, &c, sizeof c);
	w[t->window_cap + offsetof(struct virtio_pci_cap, bar)] = 0xff;
	memset(w + t->window_cap + offsetof(struct virtio_pci_cap, offset), 0xff, 12);
}

static void add_msix(struct vmm_vpci *t)
{
	uint8_t c[PCI_CAP_MSIX_SIZEOF] = { 0 };
	uint32_t table = TABLE, pba = PBA;

	c[PCI_MSIX_FLAGS] = (uint8_t)(t->msix.n - 1);
	memcpy(c + PCI_MSIX_TABLE, &table, sizeof table);
	memcpy(c + PCI_MSIX_PBA, &pba, sizeof pba);
	t->msix_cap = vmm_pci_fn_capability(&t->fn, PCI_CAP_ID_MSIX, c, sizeof c);
	t->fn.writable[t->msix_cap + PCI_MSIX_FLAGS + 1] =
		(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
}

void vmm_vpci_init(struct vmm_vpci *t, struct vmm_vdev *v,
		   void (*send)(void *ctx, uint64_t addr, uint32_t data), void *ctx)
{
	memset(t, 0, sizeof *t);
	t->v = v;
	t->msix = (struct vmm_msix){ .n = v->type->nqueues + 1, .send = send, .ctx = ctx };
	vmm_msix_reset(&t->msix);
	reset_transport(t);
	vmm_pci_fn_init(&t->fn, VIRTIO_VENDOR, (uint16_t)(VIRTIO_DEVICE + v->type->id),
			v->type->class);
	t->fn.bar_size = VMM_VPCI_BAR;
	t->fn.bar = access_bar;
	t->fn.reading = config_reading;
	t->fn.written = config_written;
	t->fn.ctx = t;
	add_msix(t);
	add_region(t, VIRTIO_PCI_CAP_COMMON_CFG, COMMON, VIRTIO_PCI_COMMON_Q_USEDHI + 4,
		   sizeof(struct virtio_pci_cap));
	add_region(t, VIRTIO_PCI_CAP_ISR_CFG, ISR, 1, sizeof(struct virtio_pci_cap));
	if (v->type->config_len)
		add_region(t, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE, v->type->config_len,
			   sizeof(struct virtio_pci_cap));
	add_region(t, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY, 4 * v->type->nqueues,
		   sizeof(struct virtio_pci_notify_cap));
	add_window(t);
	v->signal = signal;
	v->message = message;
	v->transport = t;
}

void vmm_vpci_add_pin(struct vmm_vpci *t, void (*pin)(void *ctx, bool asserted))
{
	t->pin = pin;
	vmm_pci_fn_pin(&t->fn);
}

void vmm_vpci_reset(struct vmm_vpci *t)
{
	pthread_mutex_lock(&t->v->lock);
	vmm_vdev_set_status(t->v, 0);
	t->pin_off = false;
	reset_transport(t);
	vmm_msix_reset(&t->msix);
	t->fn.config[t->msix_cap + PCI_MSIX_FLAGS + 1] &= 0x7;
	pthread_mutex_unlock(&t->v->lock);
}
