/* SPDX-License-Identifier: BSD-3-Clause */
/* Around the kernel: command line, initial file system, tables, registers. */
#include "kvm-node/boot.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "kvm-node/boot_private.h"
#include "kvm-node/layout.h"
#include "libdvm/base/err.h"

#define E820_RAM      1
#define E820_RESERVED 2

#define SETUP_SEED    9u /* setup_data with random bytes */
#define INITRD_MAX    0x7fffffffull
#define CMDLINE_MAX   2047u
#define LOADER_OTHER  0xff

#define CR0_PE	  0x00000001u
#define CR0_START 0x80050033u
#define CR4_PAE	  0x20u
#define EFER_LONG 0x500u

unsigned vmm_boot_map(const struct vmm_mem *m, struct boot_e820_entry map[VMM_E820_MAX])
{
	unsigned n_ranges, n = 0;
	const struct vmm_mem_range *r = vmm_mem_ranges(m, &n_ranges);

	map[n++] = (struct boot_e820_entry){ 0, VMM_RAM_BASE_END, E820_RAM };
	map[n++] = (struct boot_e820_entry){ VMM_RAM_BASE_END, VMM_KERNEL_MIN - VMM_RAM_BASE_END,
					     E820_RESERVED };
	map[n++] = (struct boot_e820_entry){ VMM_KERNEL_MIN, r[0].len - VMM_KERNEL_MIN, E820_RAM };
	for (unsigned i = 1; i < n_ranges; i++)
		map[n++] = (struct boot_e820_entry){ r[i].gpa, r[i].len, E820_RAM };
	map[n++] = (struct boot_e820_entry){ VMM_PCI_ECAM, VMM_PCI_ECAM_SIZE, E820_RESERVED };
	return n;
}

/* As high as it may be: kernels put themselves low. */
static int place_initrd(const struct vmm_mem *m, const struct vmm_image *im,
			const struct vmm_boot *b, struct vmm_boot_parts *p, dvm_error_t *err)
{
	unsigned n;
	uint64_t top = vmm_mem_ranges(m, &n)[0].len;

	if (!im->data)
		return 0;
	if (top > b->initrd_max)
		top = b->initrd_max + 1;
	if (im->len > top)
		return dvmi_error_set(err, -ENOMEM, "the initrd is larger than the guest's memory");
	p->initrd = (top - im->len) & ~(uint64_t)(VMM_PAGE - 1);
	p->initrd_len = im->len;
	if (p->initrd < b->end)
		return dvmi_error_set(err, -ENOMEM,
				      "kernel and initrd need %llu MiB more memory than the guest has",
				      (unsigned long long)((b->end - p->initrd) >> 20) + 1);
	return vmm_mem_write(m, p->initrd, im->data, im->len);
}

/* Of words that contradict each other kernels take the last: the user's come last. */
static int write_cmdline(const struct vmm_mem *m, const struct vmm_boot *b,
			 const struct vmm_boot_input *in, dvm_error_t *err)
{
	bool tuned = in->tuning && b->kind != VMM_BOOT_BARE;
	char line[CMDLINE_MAX + 1];
	int n = snprintf(line, sizeof line, "%s%s%s", tuned ? in->tuning : "", tuned ? " " : "",
			 in->append);
	size_t len = (size_t)n, max = b->cmdline_max < CMDLINE_MAX ? b->cmdline_max : CMDLINE_MAX;

	if (len > max)
		return dvmi_error_set(err, -E2BIG,
				      "the command line has %zu characters, the kernel takes %zu", len,
				      max);
	return vmm_mem_write(m, VMM_BOOT_CMDLINE, line, len + 1);
}

/*
 * Not in RAM: a kernel makes a region of its own of what lies there. That would cut the first 640 KiB
 * into pieces, of which kexec gives a crash kernel the first, too small for it to start CPUs with.
 */
static void write_seed(const struct vmm_mem *m, const uint8_t seed[32])
{
	const struct setup_data head = { .type = SETUP_SEED, .len = 32 };

	vmm_mem_write(m, VMM_BOOT_SEED, &head, sizeof head);
	vmm_mem_write(m, VMM_BOOT_SEED + sizeof head, seed, 32);
}

static int write_params(const struct vmm_mem *m, const struct vmm_boot_parts *p)
{
	struct boot_params z = { .acpi_rsdp_addr = p->rsdp };

	if (p->hdr) {
		z.hdr = *p->hdr;
	} else {
		z.hdr.boot_flag = 0xaa55;
		z.hdr.header = 0x53726448;
		z.hdr.version = 0x20f;
		z.hdr.loadflags = LOADED_HIGH;
	}
	z.hdr.type_of_loader = LOADER_OTHER;
	z.hdr.cmd_line_ptr = (uint32_t)VMM_BOOT_CMDLINE;
	z.hdr.ramdisk_image = (uint32_t)p->initrd;
	z.hdr.ramdisk_size = (uint32_t)p->initrd_len;
	z.hdr.setup_data = VMM_BOOT_SEED;
	z.e820_entries = (uint8_t)vmm_boot_map(m, z.e820_table);
	return vmm_mem_write(m, VMM_BOOT_PARAMS, &z, sizeof z);
}

/* The first 4 GiB one to one in pages of 2 MiB, and flat segments. */
static void write_tables(const struct vmm_mem *m)
{
	static const uint64_t gdt[] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff,
					0x00cf9b000000ffff };
	const uint64_t present = 0x23, large = 0x1e3;
	uint64_t page[VMM_PAGE / 8] = { (VMM_BOOT_TABLES + VMM_PAGE) | present };

	vmm_mem_write(m, VMM_BOOT_GDT, gdt, sizeof gdt);
	vmm_mem_write(m, VMM_BOOT_TABLES, page, sizeof page);
	for (uint64_t i = 0; i < 4; i++)
		page[i] = (VMM_BOOT_TABLES + (i + 2) * VMM_PAGE) | present;
	vmm_mem_write(m, VMM_BOOT_TABLES + VMM_PAGE, page, sizeof page);
	for (uint64_t i = 0; i < 4; i++) {
		for (uint64_t k = 0; k < VMM_PAGE / 8; k++)
			page[k] = i << 30 | k << 21 | large;
		vmm_mem_write(m, VMM_BOOT_TABLES + (i + 2) * VMM_PAGE, page, sizeof page);
	}
}

static int load_kernel(const struct vmm_mem *m, const struct vmm_image *im, struct vmm_boot *b,
		       struct setup_header *hdr, bool *has_hdr, dvm_error_t *err)
{
	int rc = vmm_boot_check_other(im, err);

	if (rc < 0)
		return rc;
	*has_hdr = im->len < 4 || memcmp(im->data, "\177ELF", 4) != 0;
	return *has_hdr ? vmm_boot_bzimage(m, im, b, hdr, err) : vmm_boot_elf(m, im, b, err);
}

int vmm_boot_load(const struct vmm_mem *m, const struct vmm_boot_input *in, struct vmm_boot *out,
		  dvm_error_t *err)
{
	struct vmm_boot b = { .initrd_max = INITRD_MAX, .cmdline_max = CMDLINE_MAX };
	struct vmm_boot_parts p = { .rsdp = in->rsdp };
	struct setup_header hdr;
	bool has_hdr;
	int rc = load_kernel(m, &in->kernel, &b, &hdr, &has_hdr, err);

	if (rc < 0)
		return dvmi_error_prefix(err, "the kernel cannot be used");
	p.hdr = has_hdr ? &hdr : NULL;
	rc = place_initrd(m, &in->initrd, &b, &p, err);
	if (rc == 0)
		rc = write_cmdline(m, &b, in, err);
	if (rc == 0)
		rc = write_params(m, &p);
	if (rc == 0)
		rc = vmm_boot_write_pvh(m, &p);
	if (rc < 0)
		return rc;
	write_seed(m, in->seed);
	write_tables(m);
	*out = b;
	return 0;
}

/* ---- registers ---- */

static struct kvm_segment flat(unsigned selector, unsigned type, bool wide)
{
	return (struct kvm_segment){ .limit = UINT32_MAX,
				     .selector = (uint16_t)selector,
				     .type = (uint8_t)type,
				     .present = 1,
				     .s = 1,
				     .l = wide,
				     .db = !wide,
				     .g = 1 };
}

void vmm_boot_registers(const struct vmm_boot *b, struct kvm_regs *regs, struct kvm_sregs *sregs)
{
	bool pvh = b->kind == VMM_BOOT_PVH_KERNEL;
	struct kvm_segment data = flat(0x18, 3, false);

	sregs->gdt.base = VMM_BOOT_GDT;
	sregs->gdt.limit = 5 * 8 - 1;
	sregs->cs = pvh ? flat(0x20, 11, false) : flat(0x10, 11, true);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->cr0 = pvh ? CR0_PE | 0x10 : CR0_START;
	if (!pvh) {
		sregs->cr3 = VMM_BOOT_TABLES;
		sregs->cr4 = CR4_PAE;
		sregs->efer = EFER_LONG;
	}
	*regs = (struct kvm_regs){ .rip = b->entry, .rflags = 2, .rsp = VMM_BOOT_STACK };
	if (pvh)
		regs->rbx = VMM_BOOT_PVH;
	else
		regs->rsi = VMM_BOOT_PARAMS;
}
