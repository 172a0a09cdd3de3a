/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/irq.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "kvm-node/ioapic.h"
#include "kvm-node/irq_core.h"
#include "libdvm/base/err.h"

struct vmm_irq {
	pthread_mutex_t lock; /* guards io and next_gsi */
	struct vmm_ioapic io;
	unsigned next_gsi;
	pthread_rwlock_t map_lock; /* guards rows */
	struct vmm_apic_row *rows;
	unsigned cpus;
	vmm_irq_deliver_fn *deliver;
	void *arg;
	struct vmm_irq_far far; /* both NULL: nobody is elsewhere */
	struct vmm_pic *pic;	/* or NULL */
	_Atomic uint64_t ipis, msis, bad_msis, eois, lost;
};

int vmm_irq_create(struct vmm_irq **out, unsigned cpus, vmm_irq_deliver_fn *deliver, void *arg)
{
	struct vmm_irq *irq = calloc(1, sizeof *irq);

	if (!irq)
		return -ENOMEM;
	irq->rows = calloc(cpus, sizeof *irq->rows);
	if (!irq->rows) {
		free(irq);
		return -ENOMEM;
	}
	pthread_mutex_init(&irq->lock, NULL);
	pthread_rwlock_init(&irq->map_lock, NULL);
	irq->cpus = cpus;
	irq->deliver = deliver;
	irq->arg = arg;
	irq->next_gsi = VMM_GSI_FREE;
	vmm_ioapic_init(&irq->io);
	*out = irq;
	return 0;
}

void vmm_irq_destroy(struct vmm_irq *irq)
{
	if (!irq)
		return;
	pthread_rwlock_destroy(&irq->map_lock);
	pthread_mutex_destroy(&irq->lock);
	free(irq->rows);
	free(irq);
}

/* ---- messages ---- */

void vmm_irq_set_far(struct vmm_irq *irq, const struct vmm_irq_far *far)
{
	irq->far = *far;
}

void vmm_irq_learn(struct vmm_irq *irq, unsigned cpu, const struct vmm_apic_row *row)
{
	pthread_rwlock_wrlock(&irq->map_lock);
	irq->rows[cpu] = *row;
	pthread_rwlock_unlock(&irq->map_lock);
}

void vmm_irq_publish(struct vmm_irq *irq, unsigned cpu, const struct vmm_apic_row *row)
{
	vmm_irq_learn(irq, cpu, row);
	if (irq->far.publish)
		irq->far.publish(irq->far.arg, cpu, row);
}

int vmm_irq_send(struct vmm_irq *irq, int self, const struct vmm_intr *msg)
{
	struct vmm_cpuset to;
	int n = 0;

	pthread_rwlock_rdlock(&irq->map_lock);
	vmm_apicmap_match(irq->rows, irq->cpus, msg, self, &to);
	pthread_rwlock_unlock(&irq->map_lock);
	for (unsigned cpu = vmm_cpuset_next(&to, 0); cpu < irq->cpus;
	     cpu = vmm_cpuset_next(&to, cpu + 1), n++)
		irq->deliver(irq->arg, cpu, msg);
	atomic_fetch_add_explicit(n ? &irq->ipis : &irq->lost, self >= 0 || !n,
				  memory_order_relaxed);
	return n;
}

static void send_all(struct vmm_irq *irq, const struct vmm_ioapic_out *out)
{
	for (unsigned i = 0; i < out->n; i++)
		vmm_irq_send(irq, -1, &out->msg[i]);
}

int vmm_irq_msi(struct vmm_irq *irq, uint64_t addr, uint32_t data)
{
	struct vmm_intr msg;
	int rc = vmm_msi_decode(addr, data, &msg);

	atomic_fetch_add_explicit(rc < 0 ? &irq->bad_msis : &irq->msis, 1, memory_order_relaxed);
	return rc < 0 ? rc : vmm_irq_send(irq, -1, &msg);
}

/*
 * Messages leave under the lock, so that two changes of a line cannot overtake each other on
 * their way. Nobody who is delivered to comes back here with its lock held.
 */
void vmm_irq_eoi(struct vmm_irq *irq, uint8_t vector)
{
	struct vmm_ioapic_out out = { .n = 0 };

	atomic_fetch_add_explicit(&irq->eois, 1, memory_order_relaxed);
	if (irq->far.eoi) {
		irq->far.eoi(irq->far.arg, vector);
		return;
	}
	pthread_mutex_lock(&irq->lock);
	vmm_ioapic_eoi(&irq->io, vector, &out);
	send_all(irq, &out);
	pthread_mutex_unlock(&irq->lock);
}

void vmm_irq_line(struct vmm_irq *irq, unsigned gsi, bool level)
{
	struct vmm_ioapic_out out = { .n = 0 };

	pthread_mutex_lock(&irq->lock);
	vmm_ioapic_line(&irq->io, gsi, level, &out);
	send_all(irq, &out);
	pthread_mutex_unlock(&irq->lock);
	if (irq->pic)
		vmm_pic_line(irq->pic, gsi, level);
}

void vmm_irq_pulse(struct vmm_irq *irq, unsigned gsi)
{
	vmm_irq_line(irq, gsi, true);
	vmm_irq_line(irq, gsi, false);
}

int vmm_irq_alloc_line(struct vmm_irq *irq, unsigned *gsi, dvm_error_t *err)
{
	pthread_mutex_lock(&irq->lock);
	bool room = irq->next_gsi < VMM_GSIS;
	if (room)
		*gsi = irq->next_gsi++;
	pthread_mutex_unlock(&irq->lock);
	return room ? 0 : dvmi_error_set(err, -ENOSPC, "no interrupt line is left for a device");
}

void vmm_irq_set_pic(struct vmm_irq *irq, struct vmm_pic *pic)
{
	irq->pic = pic;
}

void vmm_irq_reset(struct vmm_irq *irq)
{
	if (irq->pic)
		vmm_pic_reset(irq->pic);
	pthread_mutex_lock(&irq->lock);
	vmm_ioapic_init(&irq->io);
	pthread_mutex_unlock(&irq->lock);
}

/* ---- on the bus ---- */

static void ioapic_access(void *dev, struct vmm_access *a)
{
	struct vmm_irq *irq = dev;
	struct vmm_ioapic_out out = { .n = 0 };

	pthread_mutex_lock(&irq->lock);
	if (a->write)
		vmm_ioapic_write(&irq->io, (unsigned)a->off, (uint32_t)a->data, &out);
	else
		a->data = vmm_ioapic_read(&irq->io, (unsigned)a->off);
	send_all(irq, &out);
	pthread_mutex_unlock(&irq->lock);
}

int vmm_irq_attach(struct vmm_irq *irq, struct vmm_bus *bus, dvm_error_t *err)
{
	static const struct vmm_bus_ops ops = { ioapic_access };
	const struct vmm_region region = { "ioapic", VMM_MMIO, VMM_IOAPIC, VMM_IOAPIC_SIZE, 0, &ops,
					   irq };

	return vmm_bus_add(bus, &region, err);
}

void vmm_irq_stat(struct vmm_irq *irq, struct dvmi_buf *out)
{
	dvmi_buf_printf(out,
			"\"ipis\":%llu,\"msis\":%llu,\"bad_msis\":%llu,\"eois\":%llu,\"unclaimed\":%llu,"
			"\"lines\":{",
			(unsigned long long)irq->ipis, (unsigned long long)irq->msis,
			(unsigned long long)irq->bad_msis, (unsigned long long)irq->eois,
			(unsigned long long)irq->lost);
	pthread_mutex_lock(&irq->lock);
	const char *comma = "";
	for (unsigned i = 0; i < VMM_GSIS; i++)
		if (irq->io.raised[i]) {
			dvmi_buf_printf(out, "%s\"%u\":%llu", comma, i,
					(unsigned long long)irq->io.raised[i]);
			comma = ",";
		}
	pthread_mutex_unlock(&irq->lock);
	dvmi_buf_printf(out, "}");
}
