/* SPDX-License-Identifier: BSD-3-Clause */
/* For bare programs: a port whose bytes go to the console, and one whose byte ends the guest. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "kvm-node/devices.h"

struct debug {
	struct vmm_device base;
	const struct vmm_machine *m;
};

static void access_out(void *dev, struct vmm_access *a)
{
	struct debug *d = dev;
	const uint8_t c = (uint8_t)a->data;

	if (!a->write)
		a->data = 0xe9; /* it is there */
	else if (d->m->config->console_out >= 0 && write(d->m->config->console_out, &c, 1) < 0)
		return; /* a console that is gone is no matter of the guest's */
}

static void access_exit(void *dev, struct vmm_access *a)
{
	struct debug *d = dev;

	if (a->write)
		d->m->ended(d->m->arg, VMM_END_EXIT, (uint8_t)a->data, NULL);
}

static void destroy(struct vmm_device *d)
{
	free(d);
}

static const struct vmm_device_ops ops = { .destroy = destroy };
static const struct vmm_bus_ops out_ops = { access_out }, exit_ops = { access_exit };

static int create(const struct vmm_machine *m, struct vmm_device **list, dvm_error_t *err)
{
	struct debug *d = calloc(1, sizeof *d);

	if (!d)
		return -ENOMEM;
	d->m = m;
	vmm_device_add(list, &d->base, &ops, "debug");
	int rc = vmm_device_ports(m, "debug", VMM_PORT_DEBUG, 1, &out_ops, d, err);
	return rc < 0 ? rc : vmm_device_ports(m, "exit", VMM_PORT_EXIT, 1, &exit_ops, d, err);
}

const struct vmm_device_kind vmm_dev_debug = { "debug port", create };
