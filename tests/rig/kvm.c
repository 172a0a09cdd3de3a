/* SPDX-License-Identifier: BSD-3-Clause */
/* rigtool kvm: tells whether /dev/kvm runs a guest, with one that adds two numbers. */
#include "tests/rig/rigtool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUEST_AT 0x1000u
#define ROUNDS	 1000

/* In real mode: add bl to al, tell port 0x10, halt, and again. */
static const uint8_t CODE[] = { 0x00, 0xd8, 0xe6, 0x10, 0xf4, 0xeb, 0xf9 };

struct guest {
	int vm, vcpu;
	struct kvm_run *run;
};

static int make_memory(struct guest *g)
{
	struct kvm_userspace_memory_region slot = {
		.guest_phys_addr = GUEST_AT,
		.memory_size = 4096,
	};
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	memcpy(page, CODE, sizeof(CODE));
	slot.userspace_addr = (uintptr_t)page;
	return ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0 ? -errno : 0;
}

static int make_guest(struct guest *g, int kvm)
{
	int size, rc;

	g->vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (g->vm < 0)
		return -errno;
	rc = make_memory(g);
	if (rc < 0)
		return rc;
	g->vcpu = ioctl(g->vm, KVM_CREATE_VCPU, 0);
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (g->vcpu < 0 || size < 0)
		return -errno;
	g->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, g->vcpu, 0);
	return g->run == MAP_FAILED ? -errno : 0;
}

static int set_registers(const struct guest *g)
{
	struct kvm_regs regs = { .rip = GUEST_AT, .rax = 2, .rbx = 3, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(g->vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(g->vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(g->vcpu, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}

/* Enters the guest until it leaves for this reason. 0; -EIO for any other. */
static int enter(const struct guest *g, uint32_t reason)
{
	if (ioctl(g->vcpu, KVM_RUN, 0) < 0)
		return -errno;
	return g->run->exit_reason == reason ? 0 : -EIO;
}

static int run_guest(const struct guest *g)
{
	uint8_t sum = 2;
	int rc = 0;

	for (int i = 0; rc == 0 && i < ROUNDS; i++) {
		sum = (uint8_t)(sum + 3);
		rc = enter(g, KVM_EXIT_IO);
		if (rc == 0 && ((uint8_t *)g->run)[g->run->io.data_offset] != sum)
			rc = -ERANGE;
		if (rc == 0)
			rc = enter(g, KVM_EXIT_HLT);
	}
	return rc;
}

int rig_kvm_main(int argc, char **argv)
{
	struct guest g = { .vm = -1, .vcpu = -1 };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int rc = kvm < 0 ? -errno : make_guest(&g, kvm);

	(void)argv;
	if (argc != 1)
		rc = -EINVAL;
	if (rc == 0)
		rc = set_registers(&g);
	if (rc == 0)
		rc = run_guest(&g);
	printf("%s\n", rc ? strerror(-rc) : "a guest runs");
	return rc != 0;
}
