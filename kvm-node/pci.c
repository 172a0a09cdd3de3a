/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "kvm-node/pci.h"

enum { CAPABILITIES = 0x40, REDHAT = 0x1b36, HOST_BRIDGE = 0x0008 };

static void put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof v);
}

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof v);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

void vmm_pci_fn_init(struct vmm_pci_fn *fn, uint16_t vendor, uint16_t device, uint32_t class)
{
	memset(fn, 0, sizeof *fn);
	put16(fn->config + PCI_VENDOR_ID, vendor);
	put16(fn->config + PCI_DEVICE_ID, device);
	put32(fn->config + PCI_CLASS_REVISION, class << 8 | 1);
	put16(fn->config + PCI_SUBSYSTEM_VENDOR_ID, vendor);
	put16(fn->config + PCI_SUBSYSTEM_ID, 0x1100);
	put16(fn->writable + PCI_COMMAND,
	      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	fn->writable[PCI_INTERRUPT_LINE] = 0xff;
	fn->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	fn->last_link = PCI_CAPABILITY_LIST;
	fn->end = CAPABILITIES;
}

unsigned vmm_pci_fn_capability(struct vmm_pci_fn *fn, uint8_t id, const void *body, unsigned len)
{
	unsigned at = fn->end;

	memcpy(fn->config + at, body, len);
	fn->config[at] = id;
	fn->config[at + 1] = 0;
	fn->config[fn->last_link] = (uint8_t)at;
	fn->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	fn->last_link = at + 1;
	fn->end = (at + len + 3) & ~3u;
	return at;
}

void vmm_pci_fn_pin(struct vmm_pci_fn *fn)
{
	fn->config[PCI_INTERRUPT_PIN] = 1;
}

void vmm_pci_init(struct vmm_pci *p, uint64_t window, uint64_t size)
{
	memset(p, 0, sizeof *p);
	pthread_mutex_init(&p->lock, NULL);
	p->window = p->next = window;
	p->window_end = window + size;
	vmm_pci_fn_init(&p->bridge, REDHAT, HOST_BRIDGE, 0x060000);
	p->slot[0] = &p->bridge;
}

void vmm_pci_destroy(struct vmm_pci *p)
{
	pthread_mutex_destroy(&p->lock);
}

static void go_home(struct vmm_pci_fn *fn, unsigned slot)
{
	put16(fn->config + PCI_COMMAND, 0);
	put32(fn->config + PCI_BASE_ADDRESS_0, fn->bar_home);
	fn->config[PCI_INTERRUPT_LINE] =
		fn->config[PCI_INTERRUPT_PIN] ? (uint8_t)vmm_pci_line(slot) : 0;
}

int vmm_pci_add(struct vmm_pci *p, struct vmm_pci_fn *fn)
{
	uint64_t at = (p->next + fn->bar_size - 1) & -(uint64_t)fn->bar_size;

	for (int i = 1; i < VMM_PCI_SLOTS && at + fn->bar_size <= p->window_end; i++) {
		if (p->slot[i])
			continue;
		put32(fn->writable + PCI_BASE_ADDRESS_0, -fn->bar_size);
		fn->bar_home = (uint32_t)at;
		go_home(fn, (unsigned)i);
		p->next = at + fn->bar_size;
		p->slot[i] = fn;
		return i;
	}
	return -ENOSPC;
}

static void tell_decoding(struct vmm_pci_fn *fn)
{
	bool on = fn->bar_size && (fn->config[PCI_COMMAND] & PCI_COMMAND_MEMORY);
	uint32_t base = on ? get32(fn->config + PCI_BASE_ADDRESS_0) : 0;

	if (base == fn->decoded || !fn->decoding)
		return;
	fn->decoded = base;
	fn->decoding(fn->ctx, base);
}

void vmm_pci_reset(struct vmm_pci *p)
{
	pthread_mutex_lock(&p->lock);
	p->address = 0;
	for (int i = 0; i < VMM_PCI_SLOTS; i++) {
		if (!p->slot[i])
			continue;
		go_home(p->slot[i], (unsigned)i);
		tell_decoding(p->slot[i]);
	}
	pthread_mutex_unlock(&p->lock);
}

static void config_read(struct vmm_pci_fn *fn, unsigned at, uint8_t *data, unsigned len)
{
	if (fn->reading)
		fn->reading(fn->ctx, at, len);
	memcpy(data, fn->config + at, len);
}

static void config_write(struct vmm_pci_fn *fn, unsigned at, const uint8_t *data, unsigned len)
{
	for (unsigned i = at; i < at + len; i++) {
		uint8_t can = fn->writable[i];
		fn->config[i] = (uint8_t)((fn->config[i] & ~can) | (data[i - at] & can));
	}
	tell_decoding(fn);
	if (fn->written)
		fn->written(fn->ctx, at, len);
}

static void access_config(struct vmm_pci *p, unsigned slot, unsigned at, void *data, unsigned len,
			  bool write)
{
	struct vmm_pci_fn *fn = slot < VMM_PCI_SLOTS ? p->slot[slot] : NULL;

	if (!write)
		memset(data, 0xff, len);
	if (!fn || (len != 1 && len != 2 && len != 4) || at % len)
		return;
	if (at >= VMM_PCI_CONFIG) { /* the extended part is there and empty */
		if (!write)
			memset(data, 0, len);
		return;
	}
	if (write)
		config_write(fn, at, data, len);
	else
		config_read(fn, at, data, len);
}

/* Bus 0, function 0 are all there is. */
static void port_data(struct vmm_pci *p, unsigned at, void *data, unsigned len, bool write)
{
	uint32_t a = p->address;
	bool there = (a >> 31) && !(a >> 16 & 0xff) && !(a >> 8 & 7);

	access_config(p, there ? a >> 11 & 31 : VMM_PCI_SLOTS, (a & 0xfc) + at, data, len, write);
}

void vmm_pci_io(struct vmm_pci *p, uint16_t port, void *data, unsigned len, bool write)
{
	unsigned at = port - VMM_PCI_PORT;

	if (!write)
		memset(data, 0xff, len);
	if (at >= VMM_PCI_PORTS || !len || len > 4 || at % 4 + len > 4)
		return;
	pthread_mutex_lock(&p->lock);
	if (at >= 4)
		port_data(p, at - 4, data, len, write);
	else if (len == 4)
		memcpy(write ? (void *)&p->address : data, write ? data : (void *)&p->address, 4);
	pthread_mutex_unlock(&p->lock);
}

void vmm_pci_ecam(struct vmm_pci *p, uint64_t at, void *data, unsigned len, bool write)
{
	unsigned slot = at >> 12 & 7 || at >= VMM_PCI_BUS_ECAM ? VMM_PCI_SLOTS : at >> 15 & 31;

	if (!write)
		memset(data, 0xff, len);
	if (!len || len > 4)
		return;
	pthread_mutex_lock(&p->lock);
	access_config(p, slot, at & 0xfff, data, len, write);
	pthread_mutex_unlock(&p->lock);
}

static bool decodes(const struct vmm_pci_fn *fn, uint64_t gpa, unsigned len, uint64_t *at)
{
	*at = gpa - get32(fn->config + PCI_BASE_ADDRESS_0);
	return (fn->config[PCI_COMMAND] & PCI_COMMAND_MEMORY) && fn->bar_size &&
	       *at < fn->bar_size && len <= fn->bar_size - *at;
}

bool vmm_pci_mmio(struct vmm_pci *p, uint64_t gpa, void *data, unsigned len, bool write)
{
	struct vmm_pci_fn *fn = NULL;
	uint64_t at = 0;

	pthread_mutex_lock(&p->lock);
	for (int i = 0; i < VMM_PCI_SLOTS && !fn; i++)
		if (p->slot[i] && decodes(p->slot[i], gpa, len, &at))
			fn = p->slot[i];
	pthread_mutex_unlock(&p->lock);
	if (!write)
		memset(data, 0xff, len);
	if (fn)
		fn->bar(fn->ctx, at, data, len, write);
	return fn != NULL;
}
