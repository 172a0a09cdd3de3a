/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lies in RAM when the first vCPU starts, and with which registers it does.
 *
 * Kernels: bzImage by Linux's 64-bit boot protocol; ELF with a PVH note (a stock vmlinux) by PVH;
 * any other 64-bit ELF is entered like a bzImage's 64-bit entry, in long mode with the first 4 GiB
 * mapped one to one and RSI at the boot parameters. Everything in a file is input: what it says is
 * checked against its length and against RAM.
 */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

#include <linux/kvm.h>
#include <stdbool.h>

#include "dvm/error.h"
#include "kvm-node/image.h"
#include "kvm-node/memory.h"

enum vmm_boot_kind { VMM_BOOT_LINUX, VMM_BOOT_PVH_KERNEL, VMM_BOOT_BARE };

struct vmm_boot {
	enum vmm_boot_kind kind;
	uint64_t entry;
	uint64_t begin, end; /* what the kernel occupies */
	/* Limits of a bzImage; the defaults for others. */
	uint64_t initrd_max;
	uint32_t cmdline_max;
};

struct vmm_boot_input {
	struct vmm_image kernel, initrd;
	const char *append; /* never NULL */
	const char *tuning; /* before it, for kernels; or NULL */
	uint64_t rsdp;
	uint8_t seed[32]; /* random, for the guest's own generator */
};

/* -ENOEXEC: not a kernel we know; -EINVAL: broken; -ENOMEM: RAM is too small for it. */
int vmm_boot_load(const struct vmm_mem *m, const struct vmm_boot_input *in, struct vmm_boot *out,
		  dvm_error_t *err);

/* REGS and SREGS come in as after reset. */
void vmm_boot_registers(const struct vmm_boot *b, struct kvm_regs *regs, struct kvm_sregs *sregs);

#endif
