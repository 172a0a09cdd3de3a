/* SPDX-License-Identifier: BSD-3-Clause */
/* 64-bit ELF: a vmlinux with its PVH note, or a bare program. */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "kvm-node/boot_private.h"
#include "kvm-node/layout.h"
#include "libdvm/base/err.h"

#define NOTE_PVH_ENTRY 18u
#define PHDRS_MAX      64u

static bool inside(const struct vmm_image *im, uint64_t off, uint64_t len)
{
	return off <= im->len && len <= im->len - off;
}

static int read_ehdr(const struct vmm_image *im, Elf64_Ehdr *e, dvm_error_t *err)
{
	if (im->len < sizeof *e)
		return dvmi_error_set(err, -ENOEXEC, "it is too short");
	memcpy(e, im->data, sizeof *e);
	if (e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_ident[EI_DATA] != ELFDATA2LSB ||
	    e->e_machine != EM_X86_64 || (e->e_type != ET_EXEC && e->e_type != ET_DYN))
		return dvmi_error_set(err, -ENOEXEC, "it is no 64-bit x86 program");
	if (e->e_phentsize != sizeof(Elf64_Phdr) || !e->e_phnum || e->e_phnum > PHDRS_MAX ||
	    !inside(im, e->e_phoff, (uint64_t)e->e_phnum * sizeof(Elf64_Phdr)))
		return dvmi_error_set(err, -EINVAL, "its program headers make no sense");
	return 0;
}

static int load_segment(const struct vmm_mem *m, const struct vmm_image *im, const Elf64_Phdr *p,
			struct vmm_boot *b, dvm_error_t *err)
{
	if (!p->p_memsz)
		return 0;
	if (p->p_filesz > p->p_memsz || !inside(im, p->p_offset, p->p_filesz))
		return dvmi_error_set(err, -EINVAL, "a segment of it is cut");
	if (p->p_paddr < VMM_KERNEL_MIN)
		return dvmi_error_set(err, -EINVAL, "a segment of it wants to lie below 1 MiB");
	uint8_t *to = vmm_mem_at(m, p->p_paddr, p->p_memsz);
	if (!to)
		return dvmi_error_set(err, -ENOMEM,
				      "it needs %llu KiB at %#llx, where the guest has no memory",
				      (unsigned long long)(p->p_memsz >> 10),
				      (unsigned long long)p->p_paddr);
	memcpy(to, im->data + p->p_offset, p->p_filesz);
	memset(to + p->p_filesz, 0, p->p_memsz - p->p_filesz);
	if (p->p_paddr < b->begin)
		b->begin = p->p_paddr;
	if (p->p_paddr + p->p_memsz > b->end)
		b->end = p->p_paddr + p->p_memsz;
	return 0;
}

/* A note: its header, then name and contents, each filled up to 4 bytes. */
static void look_for_pvh(const struct vmm_image *im, const Elf64_Phdr *p, struct vmm_boot *b)
{
	uint64_t at = p->p_offset, end = p->p_offset + p->p_filesz;

	while (end - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		memcpy(&n, im->data + at, sizeof n);
		uint64_t name = at + sizeof n;
		uint64_t desc = name + ((uint64_t)n.n_namesz + 3) / 4 * 4;
		uint64_t next = desc + ((uint64_t)n.n_descsz + 3) / 4 * 4;
		if (next > end)
			return;
		if (n.n_type == NOTE_PVH_ENTRY && n.n_namesz == 4 && n.n_descsz >= 4 &&
		    !memcmp(im->data + name, "Xen", 4)) {
			uint32_t entry;
			memcpy(&entry, im->data + desc, sizeof entry);
			b->entry = entry;
			b->kind = VMM_BOOT_PVH_KERNEL;
		}
		at = next;
	}
}

int vmm_boot_elf(const struct vmm_mem *m, const struct vmm_image *im, struct vmm_boot *b,
		 dvm_error_t *err)
{
	Elf64_Ehdr e;
	Elf64_Phdr p;
	int rc = read_ehdr(im, &e, err);

	if (rc < 0)
		return rc;
	b->kind = VMM_BOOT_BARE;
	b->entry = e.e_entry;
	b->begin = UINT64_MAX;
	b->end = 0;
	for (unsigned i = 0; rc == 0 && i < e.e_phnum; i++) {
		memcpy(&p, im->data + e.e_phoff + i * sizeof p, sizeof p);
		if (p.p_type == PT_LOAD)
			rc = load_segment(m, im, &p, b, err);
		else if (p.p_type == PT_NOTE && inside(im, p.p_offset, p.p_filesz))
			look_for_pvh(im, &p, b);
	}
	if (rc < 0)
		return rc;
	if (b->kind == VMM_BOOT_BARE && vmm_boot_is_multiboot(im))
		return dvmi_error_set(err, -ENOEXEC,
				      "it is made for multiboot; a PVH note, or a 64-bit entry without "
				      "that header, is needed");
	if (b->entry < b->begin || b->entry >= b->end)
		return dvmi_error_set(err, -EINVAL, "its entry %#llx is not in it",
				      (unsigned long long)b->entry);
	return 0;
}
