/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a guest starts with: kernel and initramfs, words for the kernel, tables, registers of its first
 * vCPU.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "kvm-node/mptable.h"
#include "kvm-node/vmm_private.h"
#include "libdvm/base/clock.h"

/*
 * For a kernel over several hosts: its CPUs' clocks are ours to keep equal; ticks do not all come at
 * once; what is counted for each switch of tasks, and looked at by all, is not; who waits for pages is
 * not stuck; 2 MiB are not cleared for one page; a CPU that has nothing to do does not search other
 * hosts for work each time (their ticks still spread it).
 */
#define TUNING                                                                                     \
	"tsc=reliable no_timer_check skew_tick=1 psi=0 watchdog_thresh=60 "                        \
	"transparent_hugepage=madvise relax_domain_level=3 noautogroup"
/*
 * A kernel that looks where pages are wanted takes them from its programs for that, a fault each: on
 * a slow network it does little else.
 */
#define SLOW_TUNING   " numa_balancing=disable"
#define SLOW_TRIP     (250 * DVMI_USEC)
/* Bytes of a file. Much of a kernel's may be symbols, which a guest with less memory does without. */
#define KERNEL_MAX    (UINT64_C(2) << 30)
#define INITRD_MAX    (UINT64_C(2) << 30)
#define NEAR_DISTANCE 20 /* between two NUMA nodes of one host, as sockets say */
#define FAR_DISTANCE  40 /* between hosts: kernels then keep tasks and pages together */

static const char *tuning_of(const struct vmm_config *c)
{
	if (!c->spread || c->no_tuning)
		return NULL;
	return vmm_spread_trip(c->spread) < SLOW_TRIP ? TUNING : TUNING SLOW_TUNING;
}

static bool has_word(const char *line, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = line; (p = strstr(p, word)); p += n)
		if ((p == line || p[-1] == ' ') && (!p[n] || p[n] == ' '))
			return true;
	return false;
}

/* A kernel that is told to do without local APICs does not look at their registers as MSRs, either. */
static enum vmm_apic_mode apic_of(const struct vmm_config *c, const char *append)
{
	bool without = has_word(append, "nolapic") || has_word(append, "disableapic") ||
		       has_word(append, "acpi=off") || has_word(append, "acpi=noirq");

	return without || c->apic == VMM_APIC_XAPIC ? VMM_APIC_XAPIC : VMM_APIC_X2;
}

int vmm_open_images(struct vmm *v, dvm_error_t *err)
{
	const struct vmm_config *c = v->config;

	v->input.append = c->append ? c->append : "console=ttyS0";
	v->input.tuning = tuning_of(c);
	v->apic = apic_of(c, v->input.append);
	if (!vmm_is_first(v))
		return 0;
	int rc = vmm_image_open(&v->input.kernel, c->kernel, "kernel", KERNEL_MAX, err);
	if (rc == 0 && c->initrd)
		rc = vmm_image_open(&v->input.initrd, c->initrd, "initrd",
				    c->mem < INITRD_MAX ? c->mem : INITRD_MAX, err);
	return rc;
}

static int load_images(struct vmm *v, struct vmm_boot *boot, dvm_error_t *err)
{
	int rc = vmm_image_read(&v->input.kernel, err);

	if (rc == 0)
		rc = vmm_image_read(&v->input.initrd, err);
	if (rc == 0)
		rc = vmm_boot_load(v->mem, &v->input, boot, err);
	vmm_image_forget(&v->input.initrd);
	vmm_image_forget(&v->input.kernel);
	return rc;
}

static int use_xapic(struct vmm *v, dvm_error_t *err)
{
	int rc = 0;

	if (v->config->apic != VMM_APIC_AUTO || v->config->spread || v->apic == VMM_APIC_XAPIC)
		return 0;
	v->apic = VMM_APIC_XAPIC;
	VMM_EACH_VCPU(v, c)
		if (rc == 0)
			rc = vmm_vcpu_reset(c, v->apic, err);
	return rc;
}

/* That it is one is known only when it has been read. */
static int prepare_for_kernel(struct vmm *v, dvm_error_t *err)
{
	int rc = vmm_kvm_check_kernel(&v->kvm, err);

	if (rc == 0)
		rc = vmm_hosts_check_kernel(v, err);
	return rc < 0 ? rc : use_xapic(v, err);
}

/* The last step, and all of a reset: RAM is zero, vCPUs and devices are as after power-on. */
int vmm_load(struct vmm *v, dvm_error_t *err)
{
	const struct vmm_acpi_machine m = {
		.cpus = v->cpus,
		.n_cpus = v->config->cpus,
		.n_nodes = v->config->n_nodes,
		.mem = v->mem,
		.distance = v->config->distance ? v->config->distance :
			    v->config->spread ? FAR_DISTANCE : NEAR_DISTANCE,
		.pit = true,
	};
	struct kvm_regs regs = v->vcpus[0]->reset_regs;
	struct kvm_sregs sregs = v->vcpus[0]->reset_sregs;
	struct vmm_boot boot;
	int rc = vmm_acpi_write(v->acpi, &m, &v->input.rsdp, err);

	if (rc == 0)
		rc = vmm_mptable_write(&m, err);
	if (getrandom(v->input.seed, sizeof v->input.seed, GRND_NONBLOCK) < 0)
		memset(v->input.seed, 0, sizeof v->input.seed);
	if (rc == 0)
		rc = load_images(v, &boot, err);
	if (rc == 0 && boot.kind != VMM_BOOT_BARE)
		rc = prepare_for_kernel(v, err);
	if (rc < 0)
		return rc;
	/* A bare program is to find its CPUs where they are said to be. */
	v->gathers = v->gathers && boot.kind != VMM_BOOT_BARE;
	vmm_boot_registers(&boot, &regs, &sregs);
	return vmm_vcpu_set_start(v->vcpus[0], &regs, &sregs, err);
}

int vmm_load_first(struct vmm *v, dvm_error_t *err)
{
	int rc = vmm_is_first(v) ? vmm_load(v, err) : 0;

	rc = vmm_hosts_agree(v, rc, err);
	return rc < 0 ? rc : vmm_gather_agree(v, err);
}
