/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kvm-node/acpi.h"
#include "kvm-node/bus.h"
#include "kvm-node/dev_virtio.h"
#include "kvm-node/devices.h"
#include "kvm-node/irq.h"
#include "kvm-node/layout.h"
#include "kvm-node/memory.h"
#include "libdvm/base/err.h"

#define RESET_PORT 0xcf9u
#define RESET_NOW  (1u << 2)

/* ---- one device ---- */

static void send_msi(void *ctx, uint64_t addr, uint32_t data)
{
	struct vmm_vdevice *d = ctx;

	vmm_irq_msi(d->bus->m->irq, addr, data);
}

/* Several have one line, which is as any of them says; under the lock none overtakes another. */
static void set_pin(void *ctx, bool asserted)
{
	struct vmm_vdevice *d = ctx;
	struct vmm_vbus *b = d->bus;
	uint32_t bit = 1u << d->slot, line = 0x55555555u << d->slot % 2;

	pthread_mutex_lock(&b->pins_lock);
	if (asserted != !!(b->pins & bit)) {
		b->pins ^= bit;
		vmm_irq_line(b->m->irq, vmm_pci_line((unsigned)d->slot), b->pins & line);
	}
	pthread_mutex_unlock(&b->pins_lock);
}

static void wake(void *waker)
{
	const uint64_t one = 1;
	ssize_t rc = write(((struct vmm_vdevice *)waker)->bell, &one, sizeof one);

	(void)rc; /* full: it is awake enough */
}

/* A doorbell does not say which queue it was of; those without requests cost a look each. */
static void on_bell(void *arg, int events)
{
	struct vmm_vdevice *d = arg;
	uint64_t rings;

	if (read(d->bell, &rings, sizeof rings) != sizeof rings)
		return;
	if (d->lend)
		vmm_lend_turn(d);
	__atomic_fetch_or(&d->v->kicked, (1u << d->v->type->nqueues) - 1, __ATOMIC_SEQ_CST);
	vmm_vdev_run(d->v);
}

static void each_bell(struct vmm_vdevice *d,
		      int (*fn)(struct vmm_bus *, const struct vmm_doorbell *))
{
	for (unsigned q = 0; q < d->v->type->nqueues && d->bells_at; q++) {
		struct vmm_doorbell bell = { .space = VMM_MMIO,
					     .addr = d->bells_at + 4 * q,
					     .fd = d->bells ? d->bells[q] : d->bell };
		fn(d->bus->m->bus, &bell); /* without, the region around it hears */
	}
}

/* The guest has moved the BAR. */
static void decoding(void *ctx, uint32_t base)
{
	struct vmm_vpci *t = ctx;
	struct vmm_vdevice *d = (struct vmm_vdevice *)((char *)t - offsetof(struct vmm_vdevice, t));
	const struct vmm_pci *p = &d->bus->pci;
	bool ours = base >= p->window && base + VMM_VPCI_BAR <= p->window_end;

	pthread_mutex_lock(&d->v->lock);
	vmm_vdev_recall(d->v); /* who has rings knows where their doorbell was */
	pthread_mutex_unlock(&d->v->lock);
	each_bell(d, vmm_bus_remove_doorbell);
	__atomic_store_n(&d->bells_at, ours ? base + VMM_VPCI_NOTIFY : 0, __ATOMIC_RELAXED);
	each_bell(d, vmm_bus_add_doorbell);
}

void vmm_vdevice_list(struct vmm_vdevice *d, struct vmm_vbus *bus, const char *kind,
		      unsigned number, const struct vmm_device_ops *ops, struct vmm_device **list)
{
	d->bus = bus;
	d->bell = -1;
	snprintf(d->name, sizeof d->name, "%s%u", kind, number);
	vmm_device_add(list, &d->base, ops, d->name);
}

int vmm_vdevice_open(struct vmm_vdevice *d, struct vmm_vdev *v, dvm_error_t *err)
{
	d->v = v;
	d->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->bell < 0)
		return dvmi_error_code(err, -errno, "%s: eventfd", d->name);
	v->wake = wake;
	v->waker = d;
	int rc = d->bus->m->queues && v->type->lends ? vmm_lend_open(d, err) : 0;
	if (rc < 0)
		return rc;
	rc = vmm_watch_open(&d->watch, d->bus->m->loop, d->bell, UV_READABLE, on_bell, d);
	if (rc < 0)
		return dvmi_error_code(err, rc, "%s", d->name);
	vmm_vpci_init(&d->t, v, send_msi, d);
	d->t.fn.decoding = decoding;
	if (!d->bus->m->host)
		vmm_vpci_add_pin(&d->t, set_pin); /* lines are the first host's */
	d->slot = rc = vmm_pci_add(&d->bus->pci, &d->t.fn);
	return rc < 0 ? dvmi_error_code(err, rc, "%s: the PCI bus is full", d->name) : 0;
}

void vmm_vdevice_pause(struct vmm_device *base)
{
	vmm_vdev_pause(((struct vmm_vdevice *)base)->v);
}

void vmm_vdevice_resume(struct vmm_device *base)
{
	vmm_vdev_resume(((struct vmm_vdevice *)base)->v);
}

/* The vCPUs stand still; the loop does not. */
void vmm_vdevice_reset(struct vmm_device *base)
{
	struct vmm_vdevice *d = (struct vmm_vdevice *)base;

	vmm_vpci_reset(&d->t);
	vmm_vdev_pause(d->v);
	vmm_vdev_resume(d->v);
}

void vmm_vdevice_close(struct vmm_vdevice *d)
{
	if (d->v) {
		pthread_mutex_lock(&d->v->lock);
		vmm_vdev_set_status(d->v, 0);
		pthread_mutex_unlock(&d->v->lock);
		while (d->v->in_flight)
			uv_run(vmm_loop_uv(d->bus->m->loop), UV_RUN_ONCE);
		each_bell(d, vmm_bus_remove_doorbell);
	}
	vmm_watch_close(d->watch);
	vmm_lend_close(d);
	if (d->bell >= 0)
		close(d->bell);
}

void vmm_vdevice_free(struct vmm_vdevice *d)
{
	if (d->v)
		vmm_vdev_destroy(d->v);
	free(d);
}

void vmm_vdevice_destroy(struct vmm_device *base)
{
	struct vmm_vdevice *d = (struct vmm_vdevice *)base;

	vmm_vdevice_close(d);
	vmm_vdevice_free(d);
}

/* ---- the bus ---- */

/* Another register that resets, in the middle of these ports: what reboot=pci takes. */
static bool is_reset(const struct vmm_access *a)
{
	return a->write && a->addr == RESET_PORT && a->len == 1 && a->data & RESET_NOW;
}

static void access_ports(void *dev, struct vmm_access *a)
{
	struct vmm_vbus *b = dev;
	uint64_t data = a->data;

	if (is_reset(a))
		b->m->ended(b->m->arg, VMM_END_RESET, 0, NULL);
	vmm_pci_io(&b->pci, (uint16_t)a->addr, &data, a->len, a->write);
	if (!a->write)
		a->data = data;
}

static void access_ecam(void *dev, struct vmm_access *a)
{
	struct vmm_vbus *b = dev;
	uint64_t data = a->data;

	vmm_pci_ecam(&b->pci, a->off, &data, a->len, a->write);
	if (!a->write)
		a->data = data;
}

static void access_window(void *dev, struct vmm_access *a)
{
	struct vmm_vbus *b = dev;
	uint64_t data = a->data;

	vmm_pci_mmio(&b->pci, a->addr, &data, a->len, a->write);
	if (!a->write)
		a->data = data;
}

/* A bus of its own for each of several hosts: whoever uses a device finds its host by the address. */
static int claim(struct vmm_vbus *b, dvm_error_t *err)
{
	static const struct vmm_bus_ops ports = { access_ports }, ecam = { access_ecam },
					window = { access_window };
	const struct vmm_region regions[] = {
		{ "pci configuration", VMM_MMIO, VMM_PCI_ECAM + b->m->host * VMM_PCI_BUS_ECAM,
		  VMM_PCI_BUS_ECAM, 0, &ecam, b },
		{ "pci devices", VMM_MMIO, b->pci.window, b->pci.window_end - b->pci.window, 0,
		  &window, b },
		{ "pci ports", VMM_PIO, VMM_PCI_PORT, VMM_PCI_PORTS, 0, &ports, b },
	};
	size_t n = sizeof regions / sizeof *regions - (b->m->host > 0); /* ports are the first bus's */
	int rc = 0;

	for (size_t i = 0; i < n && rc >= 0; i++)
		rc = vmm_bus_add(b->m->bus, &regions[i], err);
	return rc;
}

static void bus_reset(struct vmm_device *d)
{
	vmm_pci_reset(&((struct vmm_vbus *)d)->pci);
}

static void bus_destroy(struct vmm_device *d)
{
	vmm_pci_destroy(&((struct vmm_vbus *)d)->pci);
	pthread_mutex_destroy(&((struct vmm_vbus *)d)->pins_lock);
	free(d);
}

static const struct vmm_device_ops bus_ops = { .reset = bus_reset, .destroy = bus_destroy };

static void *mem_at(void *ctx, uint64_t gpa, uint64_t len)
{
	return vmm_mem_at(ctx, gpa, len);
}

static int mem_drop(void *ctx, uint64_t gpa, uint64_t len)
{
	return vmm_mem_drop(ctx, gpa, len);
}

static bool has_devices(const struct vmm_config *c, unsigned host)
{
	for (unsigned i = 0; i < c->n_disks; i++)
		if (c->disks[i].host == host)
			return true;
	for (unsigned i = 0; i < c->n_nets; i++)
		if (c->nets[i].kind != VMM_NET_NONE && c->nets[i].host == host)
			return true;
	return host == 0;
}

static uint64_t slice_of(const struct vmm_config *c)
{
	return c->spread ? VMM_PCI_SLICE : VMM_PCI_MMIO_SIZE;
}

/* The buses of all hosts: the tables are the first one's to write. */
static int describe_buses(const struct vmm_machine *m)
{
	const struct vmm_config *c = m->config;
	int rc = 0;

	for (unsigned host = 0; host < c->n_nodes && rc == 0; host++)
		if (host == 0 || (c->spread && has_devices(c, host)))
			rc = vmm_acpi_add_pci(m->acpi, &(struct vmm_acpi_pci){
					.segment = host,
					.node = c->spread ? (int)host : -1,
					.mmio = (uint32_t)(VMM_PCI_MMIO + host * slice_of(c)),
					.mmio_len = (uint32_t)slice_of(c),
				});
	return rc;
}

static int create(const struct vmm_machine *m, struct vmm_device **list, dvm_error_t *err)
{
	/* Those of the first host alone come last. */
	static vmm_vdevice_create_fn *const kinds[] = {
		vmm_blk_create,
		vmm_net_create,
		vmm_rng_create,
		vmm_balloon_create,
		vmm_vsock_create,
		vmm_console_create,
		vmm_fs_create,
	};
	size_t n = m->host ? 2 : sizeof kinds / sizeof *kinds;
	struct vmm_vbus *b;

	if (!has_devices(m->config, m->host))
		return 0;
	b = calloc(1, sizeof *b);
	if (!b)
		return dvmi_error_code(err, -ENOMEM, "PCI");
	b->m = m;
	pthread_mutex_init(&b->pins_lock, NULL);
	b->mem = (struct vmm_gmem){ .at = mem_at, .drop = mem_drop, .ctx = m->mem };
	vmm_pci_init(&b->pci, VMM_PCI_MMIO + m->host * slice_of(m->config), slice_of(m->config));
	vmm_device_add(list, &b->base, &bus_ops, "pci");
	int rc = claim(b, err);
	if (rc >= 0 && m->host == 0)
		rc = describe_buses(m);
	for (size_t i = 0; i < n && rc >= 0; i++)
		rc = kinds[i](b, list, err);
	return rc < 0 ? rc : 0;
}

const struct vmm_device_kind vmm_dev_virtio = { "virtio", create };
