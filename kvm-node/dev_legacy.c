/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports that kernels touch because a PC has them: the diagnostic port, the A20 gate, and a keyboard
 * controller that is not there.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-node/devices.h"

/* Bytes that read as they were written; whether the port keeps them, and what it reads at first. */
static const struct {
	uint16_t port;
	bool kept;
	uint8_t first;
} ports[] = {
	{ 0x80, true, 0 },     { 0x92, true, 0x02 },  { 0x60, false, 0xff },
	{ 0x64, false, 0xff }, { 0xed, false, 0xff },
};
#define PORTS (sizeof ports / sizeof ports[0])

struct port {
	struct legacy *owner;
	unsigned n;
	_Atomic uint8_t value;
};

struct legacy {
	struct vmm_device base;
	const struct vmm_machine *m;
	struct port ports[PORTS];
};

#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET	 0xfe
#define A20_RESET	 0x01

static void access_port(void *dev, struct vmm_access *a)
{
	struct port *p = dev;
	uint16_t port = ports[p->n].port;

	if (!a->write) {
		a->data = p->value;
		return;
	}
	if (ports[p->n].kept)
		p->value = (uint8_t)a->data;
	if ((port == KEYBOARD_COMMAND && (uint8_t)a->data == KEYBOARD_RESET) ||
	    (port == 0x92 && a->data & A20_RESET))
		p->owner->m->ended(p->owner->m->arg, VMM_END_RESET, 0, NULL);
}

static void reset(struct vmm_device *d)
{
	struct legacy *l = (struct legacy *)d;

	for (unsigned i = 0; i < PORTS; i++)
		l->ports[i].value = ports[i].first;
}

static void destroy(struct vmm_device *d)
{
	free(d);
}

static const struct vmm_device_ops ops = { .reset = reset, .destroy = destroy };
static const struct vmm_bus_ops port_ops = { access_port };

static int create(const struct vmm_machine *m, struct vmm_device **list, dvm_error_t *err)
{
	struct legacy *l = calloc(1, sizeof *l);
	int rc = 0;

	if (!l)
		return -ENOMEM;
	l->m = m;
	vmm_device_add(list, &l->base, &ops, "legacy");
	reset(&l->base);
	for (unsigned i = 0; rc == 0 && i < PORTS; i++) {
		l->ports[i].owner = l;
		l->ports[i].n = i;
		rc = vmm_device_ports(m, "legacy", ports[i].port, 1, &port_ops, &l->ports[i], err);
	}
	return rc;
}

const struct vmm_device_kind vmm_dev_legacy = { "legacy ports", create };
