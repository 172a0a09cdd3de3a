/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/pic.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "kvm-node/i8259.h"
#include "kvm-node/layout.h"

struct vmm_pic {
	pthread_mutex_t lock; /* guards chips */
	struct vmm_i8259 chips;
	_Atomic bool asks; /* what they want, for who does not take the lock */
	vmm_pic_ask_fn *ask;
	void *arg;
};

int vmm_pic_create(struct vmm_pic **out, vmm_pic_ask_fn *ask, void *arg)
{
	struct vmm_pic *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->ask = ask;
	p->arg = arg;
	pthread_mutex_init(&p->lock, NULL);
	vmm_i8259_init(&p->chips);
	*out = p;
	return 0;
}

void vmm_pic_destroy(struct vmm_pic *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* Something has changed; unlocks. */
static void unlock(struct vmm_pic *p)
{
	bool asks = vmm_i8259_asks(&p->chips);

	atomic_store(&p->asks, asks);
	pthread_mutex_unlock(&p->lock);
	if (asks)
		p->ask(p->arg);
}

void vmm_pic_reset(struct vmm_pic *p)
{
	pthread_mutex_lock(&p->lock);
	vmm_i8259_init(&p->chips);
	atomic_store(&p->asks, false);
	pthread_mutex_unlock(&p->lock);
}

void vmm_pic_line(struct vmm_pic *p, unsigned gsi, bool level)
{
	if (gsi >= VMM_I8259_LINES)
		return;
	pthread_mutex_lock(&p->lock);
	vmm_i8259_line(&p->chips, gsi == VMM_GSI_TIMER ? 0 : gsi, level);
	unlock(p);
}

bool vmm_pic_asks(const struct vmm_pic *p)
{
	return atomic_load(&p->asks);
}

/* The one who takes looks again by itself. */
uint8_t vmm_pic_ack(struct vmm_pic *p)
{
	pthread_mutex_lock(&p->lock);
	uint8_t vector = vmm_i8259_ack(&p->chips);
	atomic_store(&p->asks, vmm_i8259_asks(&p->chips));
	pthread_mutex_unlock(&p->lock);
	return vector;
}

static void access_port(void *dev, struct vmm_access *a)
{
	struct vmm_pic *p = dev;

	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < a->len && i < 2; i++) {
		uint16_t port = (uint16_t)(a->addr + i);
		if (a->write)
			vmm_i8259_write(&p->chips, port, (uint8_t)(a->data >> 8 * i));
		else
			a->data = (a->data & ~(UINT64_C(0xff) << 8 * i)) |
				  (uint64_t)vmm_i8259_read(&p->chips, port) << 8 * i;
	}
	unlock(p);
}

int vmm_pic_attach(struct vmm_pic *p, struct vmm_bus *bus, dvm_error_t *err)
{
	static const struct vmm_bus_ops ops = { access_port };
	const struct vmm_region regions[] = {
		{ "pic", VMM_PIO, VMM_I8259_MASTER, 2, 0, &ops, p },
		{ "pic2", VMM_PIO, VMM_I8259_SLAVE, 2, 0, &ops, p },
		{ "elcr", VMM_PIO, VMM_I8259_ELCR, 2, 0, &ops, p },
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof regions / sizeof regions[0]; i++)
		rc = vmm_bus_add(bus, &regions[i], err);
	return rc;
}
