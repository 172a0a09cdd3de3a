/* SPDX-License-Identifier: BSD-3-Clause */
/* What a PVH kernel is told: a start-info structure, its map of memory and its one module. */
#include <string.h>

#include "kvm-node/boot_private.h"
#include "kvm-node/layout.h"

#define MAGIC 0x336ec578u

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};

struct module {
	uint64_t addr, size, cmdline, reserved;
};

struct map_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

struct page {
	struct start_info info;
	struct module module;
	struct map_entry map[VMM_E820_MAX];
};

_Static_assert(sizeof(struct start_info) == 56, "the ABI");
_Static_assert(sizeof(struct page) <= VMM_PAGE, "one page");

int vmm_boot_write_pvh(const struct vmm_mem *m, const struct vmm_boot_parts *p)
{
	struct boot_e820_entry map[VMM_E820_MAX];
	unsigned n = vmm_boot_map(m, map);
	struct page page = {
		.info = { .magic = MAGIC,
			  .version = 1,
			  .nr_modules = p->initrd_len != 0,
			  .modlist = VMM_BOOT_PVH + offsetof(struct page, module),
			  .cmdline = VMM_BOOT_CMDLINE,
			  .rsdp = p->rsdp,
			  .memmap = VMM_BOOT_PVH + offsetof(struct page, map),
			  .memmap_entries = n },
		.module = { .addr = p->initrd, .size = p->initrd_len },
	};

	for (unsigned i = 0; i < n; i++)
		page.map[i] = (struct map_entry){ map[i].addr, map[i].size, map[i].type, 0 };
	return vmm_mem_write(m, VMM_BOOT_PVH, &page, sizeof page);
}
