/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest's share on one of several hosts: between vmm.c, which runs it, and spread.h. */
#include <inttypes.h>

#include "kvm-node/layout.h"
#include "kvm-node/pci.h"
#include "kvm-node/vmm_private.h"
#include "libdvm/base/err.h"

/* ---- what comes from other hosts ---- */

static void on_interrupt(void *arg, unsigned cpu, const struct vmm_intr *msg)
{
	struct vmm *v = arg;

	if (v->vcpus[cpu] && vmm_vcpu_interrupt(v->vcpus[cpu], msg))
		return;
	/* It has gone, and not everybody knows. */
	if (vmm_gather_moves(v, cpu))
		vmm_spread_pass(v->config->spread, vmm_gather_to(v, cpu), cpu, msg);
}

static void on_row(void *arg, unsigned cpu, const struct vmm_apic_row *row)
{
	struct vmm *v = arg;

	if (!vmm_is_here(v, cpu))
		vmm_irq_learn(v->irq, cpu, row);
}

static void on_order(void *arg, uint32_t id, enum vmm_order what)
{
	struct vmm *v = arg;

	pthread_mutex_lock(&v->lock);
	if (v->n_orders < VMM_ORDERS_MAX)
		v->orders[v->n_orders++] = (struct vmm_ordered){ id, what };
	pthread_cond_signal(&v->news);
	pthread_mutex_unlock(&v->lock);
}

static void on_asked(void *arg, enum vmm_ask what)
{
	vmm_ask(arg, what);
}

static uint64_t on_time(void *arg)
{
	const struct vmm *v = arg;

	return vmm_clock_tsc(&v->clock);
}

static void on_adjust(void *arg, int64_t delta)
{
	struct vmm *v = arg;

	vmm_clock_adjust(&v->clock, delta);
}

static void on_wait(void *arg, uint64_t address, int thread)
{
	struct vmm *v = arg;

	VMM_EACH_VCPU(v, c)
		if (atomic_load(&c->tid) == thread)
			vmm_vcpu_page_wait(c, address);
}

static void on_came(void *arg, uint64_t address)
{
	struct vmm *v = arg;

	VMM_EACH_VCPU(v, c)
		vmm_vcpu_page_came(c, address);
}

static void on_eoi(void *arg, uint8_t vector)
{
	struct vmm *v = arg;

	vmm_irq_eoi(v->irq, vector);
}

static void on_access(void *arg, unsigned from, struct vmm_access *a)
{
	struct vmm *v = arg;

	if (a->write && a->space == VMM_MMIO && v->queues && vmm_queues_rung(v->queues, from, a->addr))
		return;
	vmm_bus_access(v->bus, a);
}

static int on_queue(void *arg, unsigned from, const struct vmm_msg *n, const void *text, size_t len)
{
	const struct vmm *v = arg;

	return v->queues ? vmm_queues_hear(v->queues, from, n, text, len) : 0;
}

static void on_stat(void *arg, struct dvmi_buf *out)
{
	vmm_stat(arg, out);
}

/* ---- what goes there ---- */

void vmm_hosts_settle(void *arg)
{
	struct vmm *v = arg;

	vmm_spread_settle(v->config->spread);
}

int vmm_hosts_settle_far(struct vmm *v, dvm_error_t *err)
{
	int rc = v->config->spread ? vmm_spread_settle_far(v->config->spread) : 0;

	return rc < 0 ? dvmi_error_code(err, rc, "the guest's other hosts") : 0;
}

void vmm_hosts_sampled(void *arg, uint64_t page, uint64_t at)
{
	struct vmm *v = arg;

	if (v->config->spread)
		vmm_spread_sampled(v->config->spread, page, at);
}

void vmm_hosts_walks(void *arg, const struct dsm_root *root)
{
	struct vmm *v = arg;

	vmm_spread_walks(v->config->spread, root);
}

static void far_publish(void *arg, unsigned cpu, const struct vmm_apic_row *row)
{
	struct vmm *v = arg;

	if (vmm_is_here(v, cpu))
		(void)vmm_spread_row(v->config->spread, cpu, row);
}

static void far_eoi(void *arg, uint8_t vector)
{
	struct vmm *v = arg;

	vmm_spread_eoi(v->config->spread, vector);
}

/* The windows of PCI are cut into slices, one for each host; everything else is the first one's. */
static unsigned host_of(const struct vmm_access *a)
{
	if (a->space == VMM_MMIO && a->addr - VMM_PCI_MMIO < VMM_PCI_MMIO_SIZE)
		return (unsigned)((a->addr - VMM_PCI_MMIO) / VMM_PCI_SLICE);
	if (a->space == VMM_MMIO && a->addr - VMM_PCI_ECAM < VMM_PCI_ECAM_SIZE)
		return (unsigned)((a->addr - VMM_PCI_ECAM) / VMM_PCI_BUS_ECAM);
	return 0;
}

/* Nobody here has claimed it: then it is somebody else's, or nobody's. */
static void forward(void *dev, struct vmm_access *a)
{
	const struct vmm *v = dev;
	struct vmm_spread *s = v->config->spread;
	unsigned host = host_of(a);

	if (a->write && a->space == VMM_MMIO && v->queues && vmm_queues_ring(v->queues, a->addr))
		return;
	if (host < vmm_spread_hosts(s) && host != vmm_spread_self(s))
		vmm_spread_access(s, host, a);
}

void vmm_hosts_interrupt(struct vmm *v, unsigned cpu, const struct vmm_intr *msg)
{
	if (v->config->spread)
		vmm_spread_interrupt(v->config->spread, vmm_gather_host(v, cpu), cpu, msg);
}

int vmm_hosts_attach(struct vmm *v, dvm_error_t *err)
{
	static const struct vmm_bus_ops rest = { forward };
	const struct vmm_spread_ops ops = {
		.interrupt = on_interrupt,
		.row = on_row,
		.order = on_order,
		.ended = vmm_ended,
		.asked = on_asked,
		.cpu = vmm_gather_came,
		.load = vmm_meet_load,
		.time = on_time,
		.adjust = on_adjust,
		.later = vmm_catch_up_note,
		.waits = on_wait,
		.came = on_came,
		.eoi = on_eoi,
		.access = on_access,
		.queue = on_queue,
		.stat = on_stat,
		.arg = v,
	};
	struct vmm_spread *s = v->config->spread;
	int rc = 0;

	if (!s)
		return 0;
	if (!(v->config->pages & VMM_PAGES_NO_QUEUES) &&
	    (rc = vmm_queues_create(&v->queues, s, v->irq, v->log)) < 0)
		dvmi_error_code(err, rc, "queues over hosts");
	if (v->queues)
		vmm_queues_set_mem(v->queues, v->mem);
	vmm_irq_set_far(v->irq, &(struct vmm_irq_far){ far_publish,
						       vmm_is_first(v) ? NULL : far_eoi, v });
	vmm_bus_set_rest(v->bus, &rest, v);
	vmm_spread_attach(s, &ops, v->config->cpus);
	return vmm_spread_agree(s, rc, err);
}

void vmm_hosts_detach(struct vmm *v)
{
	if (v->config->spread)
		vmm_spread_detach(v->config->spread);
}

int vmm_hosts_agree(struct vmm *v, int rc, dvm_error_t *err)
{
	return v->config->spread ? vmm_spread_agree(v->config->spread, rc, err) : rc;
}

int vmm_hosts_order(struct vmm *v, enum vmm_order what, dvm_error_t *err)
{
	return v->config->spread ? vmm_spread_order(v->config->spread, what, err) : 0;
}

static void put_others(struct vmm_spread *s, struct dvmi_buf *out)
{
	struct dvmi_buf all[VMM_HOSTS_MAX] = { 0 };

	vmm_spread_stat(s, all);
	dvmi_buf_printf(out, ",\"hosts\":[");
	for (unsigned i = 1; i < vmm_spread_hosts(s); i++) {
		dvmi_buf_printf(out, "%s%s", i > 1 ? "," : "", all[i].len ? "" : "null");
		dvmi_buf_put(out, all[i].data, all[i].len);
		dvmi_buf_free(&all[i]);
	}
	dvmi_buf_printf(out, "]");
}

void vmm_hosts_stat(struct vmm *v, struct dvmi_buf *out)
{
	struct vmm_spread *s = v->config->spread;

	if (!s)
		return;
	dvmi_buf_printf(out, ",\"share\":{");
	vmm_spread_counts(s, out);
	if (v->queues)
		vmm_queues_stat(v->queues, out);
	dvmi_buf_printf(out, ",\"gathered\":%s,\"met\":%" PRIu64 "}",
			atomic_load(&v->gathered) ? "true" : "false", v->met);
	if (!vmm_is_first(v))
		return;
	pthread_mutex_lock(&v->lock);
	bool kept = v->last.len;
	dvmi_buf_put(out, v->last.data, v->last.len);
	pthread_mutex_unlock(&v->lock);
	if (!kept)
		put_others(s, out);
}

void vmm_hosts_keep_stat(struct vmm *v)
{
	struct dvmi_buf b = { 0 };

	if (!v->config->spread || !v->config->last_stat)
		return;
	put_others(v->config->spread, &b);
	if (b.err)
		dvmi_buf_free(&b);
	pthread_mutex_lock(&v->lock);
	v->last = b;
	pthread_mutex_unlock(&v->lock);
}

/* ---- RAM ---- */

static void touch(void *arg, uint64_t gpa, uint64_t len, enum vmm_mem_access access)
{
	struct vmm *v = arg;
	unsigned n;
	const struct vmm_mem_range *r = vmm_mem_ranges(v->mem, &n);

	for (unsigned i = 0; i < n; i++)
		if (gpa - r[i].gpa < r[i].len)
			vmm_spread_touch(v->config->spread, gpa - r[i].gpa + r[i].offset, len,
					 access & VMM_MEM_WRITE);
}

static int drop(void *arg, uint64_t offset, uint64_t len)
{
	const struct vmm *v = arg;

	return vmm_spread_free(v->config->spread, offset, len);
}

int vmm_hosts_memory(struct vmm *v, const uint64_t *node_mem, dvm_error_t *err)
{
	const struct vmm_mem_hook hook = { .touch = touch, .drop = drop, .arg = v };
	void *base = NULL;
	int rc = vmm_spread_map(v->config->spread, node_mem, v->config->mem, v->config->pages,
				&base, err);

	if (rc == 0)
		rc = vmm_mem_create_at(&v->mem, node_mem, v->config->n_nodes, base, err);
	if (rc < 0)
		return rc;
	vmm_mem_set_hook(v->mem, &hook);
	return vmm_kvm_set_memory(&v->kvm, v->mem, err);
}

int vmm_hosts_forget(struct vmm *v)
{
	int rc = vmm_kvm_clear_memory(&v->kvm, v->mem);

	vmm_spread_unmap(v->config->spread);
	return rc;
}

int vmm_hosts_again(struct vmm *v, dvm_error_t *err)
{
	const struct vmm_config *c = v->config;
	uint64_t home[VMM_NODES_MAX];
	void *base = NULL;

	for (unsigned i = 0; i < c->n_nodes; i++)
		home[i] = c->nodes[i].mem;
	int rc = vmm_spread_map(c->spread, home, c->mem, c->pages, &base, err);
	if (rc < 0)
		return rc;
	vmm_mem_move(v->mem, base);
	return vmm_kvm_set_memory(&v->kvm, v->mem, err);
}
