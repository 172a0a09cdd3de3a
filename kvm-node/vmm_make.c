/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest made: one ordered table of steps. */
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-node/vmm_private.h"
#include "libdvm/base/err.h"

#define CPUID_MAX 256u
#define TICK_REST 12u /* over several hosts */

static void deliver(void *arg, unsigned cpu, const struct vmm_intr *msg)
{
	struct vmm *v = arg;

	if (!v->vcpus[cpu] || !vmm_vcpu_interrupt(v->vcpus[cpu], msg))
		vmm_hosts_interrupt(v, cpu, msg);
}

/* The first vCPU is this host's, where there are old controllers. */
static void ask_first(void *arg)
{
	struct vmm *v = arg;

	if (v->vcpus && v->vcpus[0])
		vmm_vcpu_look(v->vcpus[0]);
}

/* The first reason counts; the control thread is told, which is on the first host. */
void vmm_ended(void *arg, enum vmm_end end, unsigned code, const char *why)
{
	struct vmm *v = arg;

	if (!vmm_is_first(v)) {
		vmm_spread_ended(v->config->spread, end, code, why);
		return;
	}
	pthread_mutex_lock(&v->lock);
	if (v->end == VMM_END_NONE) {
		v->end = end;
		v->code = code;
		strncpy(v->why, why ? why : "", sizeof v->why - 1);
		pthread_cond_signal(&v->news);
	}
	pthread_mutex_unlock(&v->lock);
}

/* ---- steps ---- */

static unsigned hosts_of(const struct vmm_config *c)
{
	return c->spread ? vmm_spread_hosts(c->spread) : 1;
}

static int no_such_host(const struct vmm_config *c, const char *what, unsigned host, dvm_error_t *err)
{
	return dvmi_error_set(err, -EINVAL, "%s: host=%u, but the guest has %u, numbered from 0", what,
			      host, hosts_of(c));
}

/* Said here for several hosts, too: their segment is made before its parts are looked at. */
static int check_nodes(const struct vmm_config *c, dvm_error_t *err)
{
	unsigned cpus = 0;

	for (unsigned i = 0; i < c->n_nodes; i++) {
		if (c->nodes[i].mem % VMM_PAGE)
			return dvmi_error_set(err, -EINVAL,
					      "memory of NUMA node %u is not whole pages", i);
		cpus += c->nodes[i].cpus;
	}
	if (!c->n_nodes || cpus != c->cpus)
		return dvmi_error_set(err, -EINVAL, "%u CPUs do not fit %u NUMA nodes with %u",
				      c->cpus, c->n_nodes, cpus);
	if (c->spread && c->n_nodes != vmm_spread_hosts(c->spread))
		return dvmi_error_set(err, -EINVAL,
				      "a guest on %u hosts has as many NUMA nodes, not %u",
				      vmm_spread_hosts(c->spread), c->n_nodes);
	for (unsigned i = 0; c->spread && i < c->n_nodes; i++)
		if (!c->nodes[i].cpus)
			return dvmi_error_set(err, -EINVAL, "%u CPUs are too few for %u hosts",
					      c->cpus, c->n_nodes);
	return 0;
}

static int check_config(struct vmm *v, dvm_error_t *err)
{
	const struct vmm_config *c = v->config;

	if (c->size != sizeof *c)
		return dvmi_error_set(err, -EINVAL, "another version of struct vmm_config");
	if (!c->kernel)
		return dvmi_error_set(err, -EINVAL, "a guest needs a kernel");
	if (!c->cpus || c->cpus > VMM_CPUS_MAX)
		return dvmi_error_set(err, -EINVAL, "a guest has 1 to %u CPUs, not %u",
				      VMM_CPUS_MAX, c->cpus);
	for (unsigned i = 0; i < c->n_disks; i++)
		if (c->disks[i].host && c->disks[i].host >= hosts_of(c))
			return no_such_host(c, c->disks[i].path, c->disks[i].host, err);
	for (unsigned i = 0; i < c->n_nets; i++)
		if (c->nets[i].host && c->nets[i].host >= hosts_of(c))
			return no_such_host(c, "a network card", c->nets[i].host, err);
	return check_nodes(c, err);
}

static int open_kvm(struct vmm *v, dvm_error_t *err)
{
	return vmm_kvm_open(&v->kvm, err);
}

static int make_memory(struct vmm *v, dvm_error_t *err)
{
	uint64_t sizes[VMM_NODES_MAX];

	for (unsigned i = 0; i < v->config->n_nodes; i++)
		sizes[i] = v->config->nodes[i].mem;
	if (v->config->ksm && (v->config->spread || v->config->n_shares))
		return dvmi_error_set(err, -EINVAL, "memory shared with others cannot be merged by KSM");
	if (v->config->spread)
		return vmm_hosts_memory(v, sizes, err);
	int rc = vmm_mem_create(&v->mem, sizes, v->config->n_nodes, err);
	if (rc == 0 && !v->config->n_shares &&
	    (rc = vmm_mem_make_private(v->mem, v->config->ksm)) < 0)
		dvmi_error_code(err, rc, v->config->ksm ? "memory that can be merged" : "memory");
	return rc < 0 ? rc : vmm_kvm_set_memory(&v->kvm, v->mem, err);
}

static int attach_controllers(struct vmm *v, dvm_error_t *err)
{
	int rc = vmm_pic_create(&v->pic, ask_first, v);

	if (rc < 0)
		return dvmi_error_code(err, rc, "the guest");
	vmm_irq_set_pic(v->irq, v->pic);
	rc = vmm_pic_attach(v->pic, v->bus, err);
	return rc < 0 ? rc : vmm_irq_attach(v->irq, v->bus, err);
}

static int make_wires(struct vmm *v, dvm_error_t *err)
{
	int rc = vmm_bus_create(&v->bus);

	if (rc == 0)
		rc = vmm_irq_create(&v->irq, v->config->cpus, deliver, v);
	if (rc == 0)
		rc = vmm_loop_create(&v->loop, "devices");
	if (rc == 0)
		rc = vmm_acpi_create(&v->acpi);
	if (rc < 0)
		return dvmi_error_code(err, rc, "the guest");
	vmm_bus_set_bells(v->bus, vmm_kvm_bell, &v->kvm);
	return vmm_is_first(v) ? attach_controllers(v, err) : 0;
}

static int number_cpus(struct vmm *v, dvm_error_t *err)
{
	const struct vmm_config *c = v->config;
	unsigned most = 0, n = 0;

	for (unsigned i = 0; i < c->n_nodes; i++)
		most = c->nodes[i].cpus > most ? c->nodes[i].cpus : most;
	vmm_cpuid_topology(&v->topology, most);
	v->cpus = calloc(c->cpus, sizeof *v->cpus);
	v->vcpus = calloc(c->cpus, sizeof(struct vmm_vcpu *));
	v->moved = calloc(c->cpus, sizeof(struct vmm_vcpu_state *));
	if (!v->cpus || !v->vcpus || !v->moved)
		return dvmi_error_code(err, -ENOMEM, "the guest's CPUs");
	for (unsigned node = 0; node < c->n_nodes; node++)
		for (unsigned core = 0; core < c->nodes[node].cpus; core++)
			v->cpus[n++] = (struct vmm_acpi_cpu){
				vmm_cpuid_apic_id(&v->topology, node, core), node
			};
	if (v->cpus[n - 1].apic_id > 254)
		return dvmi_error_set(err, -EINVAL, "%u CPUs on %u NUMA nodes are too many",
				      c->cpus, c->n_nodes);
	return 0;
}

/* The host is itself emulated by QEMU's TCG, whose extended state does not survive nesting. */
static bool host_is_emulated(void)
{
	unsigned a, b, c, d;
	char name[13] = { 0 };

	__cpuid(0x40000000, a, b, c, d);
	memcpy(name, &b, 4);
	memcpy(name + 4, &c, 4);
	memcpy(name + 8, &d, 4);
	return !strcmp(name, "TCGTCGTCGTCG");
}

static bool host_tsc_invariant(void)
{
	unsigned a, b, c, d;

	__cpuid(0x80000000, a, b, c, d);
	if (a < 0x80000007)
		return false;
	__cpuid(0x80000007, a, b, c, d);
	return d >> 8 & 1;
}

/* On one host its TSC is as good for the guest as it is for the host. */
static bool tsc_can_be_trusted(void)
{
	return host_tsc_invariant() || host_is_emulated();
}

static void make_env(struct vmm *v)
{
	v->env = (struct vmm_vcpu_env){
		.kvm = &v->kvm,
		.mem = v->mem,
		.bus = v->bus,
		.irq = v->irq,
		.pic = v->pic,
		.clock = &v->clock,
		.log = v->log,
		.jail = v->config->jail,
		.lazy_eoi = !v->config->spread, /* memory that may be elsewhere is nothing for it */
		.ended = vmm_ended,
		.settle = v->config->spread ? vmm_hosts_settle : NULL,
		.sampled = vmm_hosts_sampled,
		.walks = v->config->spread ? vmm_hosts_walks : NULL,
		.starting = &v->starting,
		.user = vmm_gather_user,
		.arg = v,
	};
}

static int create_vcpus(struct vmm *v, dvm_error_t *err)
{
	const struct vmm_config *c = v->config;

	make_env(v);
	v->gathers = vmm_gather_possible(v);
	for (unsigned i = 0; i < c->cpus; i++) {
		if (!vmm_gather_makes(v, i))
			continue;
		int rc = vmm_vcpu_create(&v->vcpus[i], &v->env, i, v->cpus[i].apic_id, err);
		if (rc < 0)
			return rc;
		v->vcpus[i]->lapic.rest = c->has_tick_rest ? c->tick_rest : c->spread ? TICK_REST : 0;
	}
	vmm_gather_set(v, v->gathers);
	return 0;
}

static int give_model(struct vmm *v, struct vmm_cpu_model *model, dvm_error_t *err)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof *c + CPUID_MAX * sizeof c->entries[0]);
	int rc = c ? vmm_cpuid_make(v->kvm.cpuid, model, 0, c, CPUID_MAX, err) :
		     dvmi_error_code(err, -ENOMEM, "the CPU model");

	rc = vmm_hosts_agree(v, rc, err);
	if (rc == 0)
		rc = vmm_hosts_compare(v, &model->tsc_khz, c, err);
	VMM_EACH_MADE(v, cpu) {
		if (rc == 0)
			rc = vmm_cpuid_make(v->kvm.cpuid, model, cpu->apic_id, c, CPUID_MAX, err);
		if (rc == 0)
			rc = vmm_vcpu_set_model(cpu, c, v->apic, err);
	}
	free(c);
	return rc;
}

static int give_models(struct vmm *v, dvm_error_t *err)
{
	struct vmm_cpu_model model = {
		.topology = v->topology,
		.tsc_khz = vmm_vcpu_tsc_khz(vmm_made_from(v, 0)),
		.invariant_tsc = tsc_can_be_trusted(),
		.intel = v->kvm.intel,
		.deadline = vmm_kvm_has_deadline(&v->kvm),
		.lazy_eoi = v->env.lazy_eoi,
		.emulated = host_is_emulated(),
	};
	int rc = v->config->cpu ? vmm_cpuid_level(v->config->cpu, &model.level, err) : 0;

	if (rc == 0 && !model.tsc_khz)
		rc = dvmi_error_set(err, -ENOTSUP, "KVM does not know the rate of this host's TSC");
	rc = vmm_hosts_agree(v, rc, err);
	if (rc == 0)
		rc = vmm_hosts_compare(v, &model.tsc_khz, NULL, err);
	if (rc < 0)
		return rc;
	vmm_clock_start(&v->clock, model.tsc_khz, model.invariant_tsc);
	rc = give_model(v, &model, err);
	return rc < 0 ? rc : vmm_hosts_set_clock(v, err);
}

static int make_devices(struct vmm *v, dvm_error_t *err)
{
	v->machine = (struct vmm_machine){
		.config = v->config,
		.host = v->config->spread ? vmm_spread_self(v->config->spread) : 0,
		.mem = v->mem,
		.bus = v->bus,
		.irq = v->irq,
		.loop = v->loop,
		.queues = v->queues,
		.acpi = v->acpi,
		.log = v->log,
		.ended = vmm_ended,
		.arg = v,
	};
	return vmm_devices_create(&v->machine, &v->devices, err);
}

/* ---- all of them ---- */

/* What several hosts do together begins when all have done what is before, or not at all. */
static const struct {
	int (*fn)(struct vmm *v, dvm_error_t *err);
	bool together;
} steps[] = {
	{ check_config, false },     { vmm_open_images, false }, { open_kvm, false },
	{ make_memory, false },	     { make_wires, false },	 { number_cpus, false },
	{ create_vcpus, false },     { vmm_hosts_attach, true }, { make_devices, false },
	{ give_models, true },	     { vmm_load_first, true },
};

static int do_steps(struct vmm *v, dvm_error_t *err)
{
	int rc = 0;

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		if (steps[i].together && (rc = vmm_hosts_agree(v, rc, err)) < 0)
			return rc;
		if (rc == 0)
			rc = steps[i].fn(v, err);
	}
	return rc;
}

int vmm_create(struct vmm **out, const struct vmm_config *c, struct dvmi_log *log, dvm_error_t *err)
{
	struct vmm *v = calloc(1, sizeof *v);
	pthread_condattr_t monotonic;

	if (!v)
		return dvmi_error_code(err, -ENOMEM, "the guest");
	v->config = c;
	v->log = log;
	v->kvm.dev = v->kvm.vm = -1;
	pthread_mutex_init(&v->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&v->news, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int rc = do_steps(v, err);
	if (rc < 0) {
		vmm_destroy(v);
		return rc;
	}
	*out = v;
	return 0;
}

void vmm_destroy(struct vmm *v)
{
	if (!v)
		return;
	vmm_loop_stop(v->loop);
	vmm_hosts_detach(v); /* nobody speaks of devices any more */
	vmm_devices_destroy(v->devices);
	vmm_queues_destroy(v->queues);
	for (unsigned i = 0; v->vcpus && i < v->config->cpus; i++)
		vmm_vcpu_destroy(v->vcpus[i]);
	for (unsigned i = 0; v->moved && i < v->config->cpus; i++)
		free(v->moved[i]);
	free(v->moved);
	dvmi_buf_free(&v->last);
	free(v->vcpus);
	free(v->cpus);
	vmm_acpi_destroy(v->acpi);
	vmm_loop_destroy(v->loop);
	vmm_irq_destroy(v->irq);
	vmm_pic_destroy(v->pic);
	vmm_bus_destroy(v->bus);
	vmm_kvm_close(&v->kvm);
	vmm_mem_destroy(v->mem); /* RAM of several hosts goes with the spread */
	vmm_image_close(&v->input.initrd);
	vmm_image_close(&v->input.kernel);
	pthread_cond_destroy(&v->news);
	pthread_mutex_destroy(&v->lock);
	free(v);
}
