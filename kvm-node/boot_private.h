/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the loaders and what is common to them. */
#ifndef VMM_BOOT_PRIVATE_H
#define VMM_BOOT_PRIVATE_H

#include <asm/bootparam.h>

#include "kvm-node/boot.h"

/* A loader puts the kernel into RAM and says where. */
int vmm_boot_bzimage(const struct vmm_mem *m, const struct vmm_image *im, struct vmm_boot *b,
		     struct setup_header *hdr, dvm_error_t *err);
int vmm_boot_elf(const struct vmm_mem *m, const struct vmm_image *im, struct vmm_boot *b,
		 dvm_error_t *err);

/* boot_other.c: -ENOEXEC for what is known and cannot be used. */
int vmm_boot_check_other(const struct vmm_image *im, dvm_error_t *err);
bool vmm_boot_is_multiboot(const struct vmm_image *im);

/* Where things were put, for the tables that tell the kernel. */
struct vmm_boot_parts {
	uint64_t initrd, initrd_len;
	uint64_t rsdp;
	const struct setup_header *hdr; /* of a bzImage, or NULL */
};
#define VMM_E820_MAX 8u
/* The map of memory; returns the number of entries. */
unsigned vmm_boot_map(const struct vmm_mem *m, struct boot_e820_entry map[VMM_E820_MAX]);
int vmm_boot_write_pvh(const struct vmm_mem *m, const struct vmm_boot_parts *p);

#endif
