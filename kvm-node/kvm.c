/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/kvm.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm-node/layout.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define CPUID_MAX 256u

static int open_device(struct vmm_kvm *k, dvm_error_t *err)
{
	k->dev = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (k->dev >= 0)
		return 0;
	switch (errno) {
	case ENOENT:
		return dvmi_error_set(err, -ENOENT,
				      "this host cannot run guests: there is no /dev/kvm (load "
				      "kvm_intel or kvm_amd, or enable virtualisation in the firmware)");
	case EACCES:
	case EPERM:
		return dvmi_error_set(err, -EACCES,
				      "this host cannot run guests for you: no permission for /dev/kvm "
				      "(join the group that owns it)");
	case ENODEV:
	case ENXIO:
		return dvmi_error_set(err, -ENODEV,
				      "this host cannot run guests: /dev/kvm has no driver behind it "
				      "(load kvm_intel or kvm_amd)");
	default: return dvmi_error_code(err, -errno, "this host cannot run guests: /dev/kvm");
	}
}

struct need {
	int cap;
	const char *what;
};

static const struct need needs[] = {
	{ KVM_CAP_USER_MEMORY, "memory slots" },
	{ KVM_CAP_EXT_CPUID, "CPUID" },
	{ KVM_CAP_IMMEDIATE_EXIT, "immediate exits" },
	{ KVM_CAP_X86_USER_SPACE_MSR, "MSRs in user space" },
	{ KVM_CAP_X86_MSR_FILTER, "MSR filters" },
	{ KVM_CAP_MP_STATE, "MP state" },
};

static int check_abilities(const struct vmm_kvm *k, dvm_error_t *err)
{
	if (ioctl(k->dev, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return dvmi_error_set(err, -ENOTSUP, "this host cannot run guests: /dev/kvm is not "
						     "KVM, or of another age");
	for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
		if (ioctl(k->dev, KVM_CHECK_EXTENSION, needs[i].cap) <= 0)
			return dvmi_error_set(err, -ENOTSUP,
					      "this host cannot run guests: its KVM has no %s (Linux "
					      "5.19 or later is needed)",
					      needs[i].what);
	return 0;
}

/* Which vendor, and whether the processor virtualises at all. */
static void look_at_processor(struct vmm_kvm *k)
{
	unsigned a, b, c, d;

	__cpuid(0, a, b, c, d);
	k->intel = b == signature_INTEL_ebx;
	__cpuid(1, a, b, c, d);
	bool vmx = c >> 5 & 1, svm = false;
	__cpuid(0x80000000, a, b, c, d);
	if (a >= 0x80000001) {
		__cpuid(0x80000001, a, b, c, d);
		svm = c >> 2 & 1;
	}
	k->software = !vmx && !svm;
}

/* A module's parameter: 'Y', 'N', or 0 where there is none. */
static char parameter(const char *dir, const char *name)
{
	char path[PATH_MAX], c = 0;

	if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
		return 0;
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &c, 1) != 1)
		return 0;
	return c == '1' ? 'Y' : c == '0' ? 'N' : c;
}

enum vmm_mmu vmm_kvm_mmu(const char *dir)
{
	char npt = parameter(dir, "kvm_amd/parameters/npt");
	char ept = parameter(dir, "kvm_intel/parameters/ept");

	if (npt)
		return npt == 'Y' ? VMM_MMU_NPT : VMM_MMU_SHADOW;
	if (!ept)
		return VMM_MMU_UNKNOWN;
	if (ept == 'N')
		return VMM_MMU_SHADOW;
	return parameter(dir, "kvm_intel/parameters/eptad") == 'N' ? VMM_MMU_EPT : VMM_MMU_EPT_AD;
}

const char *vmm_mmu_name(enum vmm_mmu mmu)
{
	static const char *const names[] = {
		[VMM_MMU_UNKNOWN] = "unknown", [VMM_MMU_SHADOW] = "shadow", [VMM_MMU_NPT] = "npt",
		[VMM_MMU_EPT] = "ept",	       [VMM_MMU_EPT_AD] = "ept-ad",
	};

	return names[mmu];
}

static int read_cpuid(struct vmm_kvm *k, dvm_error_t *err)
{
	k->cpuid = calloc(1, sizeof *k->cpuid + CPUID_MAX * sizeof k->cpuid->entries[0]);
	if (!k->cpuid)
		return dvmi_error_code(err, -ENOMEM, "KVM");
	k->cpuid->nent = CPUID_MAX;
	if (ioctl(k->dev, KVM_GET_SUPPORTED_CPUID, k->cpuid) < 0)
		return dvmi_error_code(err, -errno, "what KVM can offer");
	return 0;
}

/* MSRs that must come to us although KVM would serve or swallow them. */
static int filter_msrs(struct vmm_kvm *k, dvm_error_t *err)
{
	static uint8_t none[32]; /* a clear bit denies */
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args = { KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_FILTER },
	};
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges = {
			{ KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, 1, VMM_MSR_TSC_DEADLINE, none },
			{ KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, 0x100, VMM_MSR_KVM_FIRST, none },
			{ KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, 2, 0x11, none }, /* the old ones */
		},
	};

	if (ioctl(k->vm, KVM_ENABLE_CAP, &cap) < 0)
		return dvmi_error_code(err, -errno, "MSRs in user space");
	if (ioctl(k->vm, KVM_X86_SET_MSR_FILTER, &filter) < 0)
		return dvmi_error_code(err, -errno, "filtering MSRs");
	return 0;
}

static int make_vm(struct vmm_kvm *k, dvm_error_t *err)
{
	uint64_t identity = VMM_KVM_TSS - VMM_PAGE;
	int size = ioctl(k->dev, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (size < (int)sizeof(struct kvm_run))
		return dvmi_error_set(err, -ENOTSUP, "this host cannot run guests: odd KVM");
	k->run_size = (size_t)size;
	do
		k->vm = ioctl(k->dev, KVM_CREATE_VM, 0);
	while (k->vm < 0 && errno == EINTR);
	if (k->vm < 0)
		return dvmi_error_code(err, -errno, "this host cannot run guests: making a VM");
	/* Only old Intel processors need these pages, and others may not know the calls. */
	(void)ioctl(k->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	(void)ioctl(k->vm, KVM_SET_TSS_ADDR, VMM_KVM_TSS);
	return filter_msrs(k, err);
}

int vmm_kvm_open(struct vmm_kvm *k, dvm_error_t *err)
{
	*k = (struct vmm_kvm){ .dev = -1, .vm = -1 };
	look_at_processor(k);
	k->mmu = k->software ? VMM_MMU_SHADOW : vmm_kvm_mmu("/sys/module");
	int rc = open_device(k, err);
	if (rc == 0)
		rc = check_abilities(k, err);
	if (rc == 0)
		rc = read_cpuid(k, err);
	if (rc == 0)
		rc = make_vm(k, err);
	if (rc < 0)
		vmm_kvm_close(k);
	return rc;
}

void vmm_kvm_close(struct vmm_kvm *k)
{
	if (k->vm >= 0)
		close(k->vm);
	if (k->dev >= 0)
		close(k->dev);
	free(k->cpuid);
	*k = (struct vmm_kvm){ .dev = -1, .vm = -1 };
}

int vmm_kvm_check_kernel(const struct vmm_kvm *k, dvm_error_t *err)
{
	if (!k->software)
		return 0;
	return dvmi_error_set(err, -ENOTSUP,
			      "this host cannot run Linux guests: its processor has neither svm nor vmx, "
			      "and %s behind /dev/kvm runs only small bare programs",
			      access("/sys/module/kvm_pvm", F_OK) ? "the software" : "kvm_pvm");
}

int vmm_kvm_set_memory(const struct vmm_kvm *k, const struct vmm_mem *m, dvm_error_t *err)
{
	unsigned n;
	const struct vmm_mem_range *r = vmm_mem_ranges(m, &n);

	for (unsigned i = 0; i < n; i++) {
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = r[i].gpa,
			.memory_size = r[i].len,
			.userspace_addr = (uintptr_t)r[i].host,
		};
		if (ioctl(k->vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
			return dvmi_error_code(err, -errno, "giving the guest its memory");
	}
	return 0;
}

int vmm_kvm_clear_memory(const struct vmm_kvm *k, const struct vmm_mem *m)
{
	unsigned n;
	const struct vmm_mem_range *r = vmm_mem_ranges(m, &n);

	for (unsigned i = 0; i < n; i++) {
		struct kvm_userspace_memory_region none = { .slot = i, .guest_phys_addr = r[i].gpa };
		if (ioctl(k->vm, KVM_SET_USER_MEMORY_REGION, &none) < 0)
			return -errno;
	}
	return 0;
}

int vmm_kvm_bell(void *arg, const struct vmm_doorbell *bell, bool add)
{
	const struct vmm_kvm *k = arg;
	struct kvm_ioeventfd e = {
		.datamatch = bell->value,
		.addr = bell->addr,
		.len = bell->len,
		.fd = bell->fd,
		.flags = (bell->match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0u) |
			 (bell->space == VMM_PIO ? KVM_IOEVENTFD_FLAG_PIO : 0u) |
			 (add ? 0u : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};

	return ioctl(k->vm, KVM_IOEVENTFD, &e) < 0 ? -errno : 0;
}
