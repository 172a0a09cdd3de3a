/* SPDX-License-Identifier: BSD-3-Clause */
/* bzImage: Linux's boot protocol, its 64-bit entry. */
#include <errno.h>
#include <string.h>

#include "kvm-node/boot_private.h"
#include "kvm-node/layout.h"
#include "libdvm/base/err.h"

#define HDR_AT	    0x1f1u
#define HDR_MAGIC   0x53726448u /* "HdrS" */
#define VERSION_MIN 0x020cu	/* the first with a 64-bit entry */
#define ENTRY_64    0x200u

static int read_header(const struct vmm_image *im, struct setup_header *hdr, dvm_error_t *err)
{
	if (im->len < HDR_AT + sizeof *hdr)
		return dvmi_error_set(err, -ENOEXEC, "it is too short");
	memcpy(hdr, im->data + HDR_AT, sizeof *hdr);
	if (hdr->boot_flag != 0xaa55 || hdr->header != HDR_MAGIC)
		return dvmi_error_set(err, -ENOEXEC, "it is neither a bzImage nor a 64-bit ELF");
	if (hdr->version < VERSION_MIN)
		return dvmi_error_set(err, -ENOEXEC,
				      "its boot protocol %u.%u is too old (2.12 is needed)",
				      hdr->version >> 8, hdr->version & 0xff);
	if (!(hdr->loadflags & LOADED_HIGH) || !(hdr->xloadflags & XLF_KERNEL_64))
		return dvmi_error_set(err, -ENOEXEC, "it has no 64-bit entry");
	return 0;
}

/* Where it goes: where it prefers, or else, if it may, as low as possible. */
static int choose_place(const struct vmm_mem *m, const struct setup_header *hdr, uint64_t need,
			uint64_t *at, dvm_error_t *err)
{
	uint64_t align = hdr->kernel_alignment;

	if (!align || align & (align - 1) || align > UINT32_C(1) << 30)
		return dvmi_error_set(err, -EINVAL, "its alignment makes no sense");
	*at = hdr->pref_address;
	if (*at >= VMM_KERNEL_MIN && vmm_mem_at(m, *at, need))
		return 0;
	*at = (VMM_KERNEL_MIN + align - 1) & ~(align - 1);
	if (hdr->relocatable_kernel && vmm_mem_at(m, *at, need))
		return 0;
	return dvmi_error_set(err, -ENOMEM,
			      "it needs %llu MiB at %llu MiB, and the guest has only %llu MiB",
			      (unsigned long long)(need >> 20),
			      (unsigned long long)(hdr->pref_address >> 20),
			      (unsigned long long)(vmm_mem_size(m) >> 20));
}

int vmm_boot_bzimage(const struct vmm_mem *m, const struct vmm_image *im, struct vmm_boot *b,
		     struct setup_header *hdr, dvm_error_t *err)
{
	int rc = read_header(im, hdr, err);

	if (rc < 0)
		return rc;
	size_t setup = ((hdr->setup_sects ? hdr->setup_sects : 4u) + 1u) * 512u;
	if (setup >= im->len)
		return dvmi_error_set(err, -EINVAL, "it ends before its code begins");
	size_t code = im->len - setup;
	if (code <= ENTRY_64)
		return dvmi_error_set(err, -EINVAL, "it ends before its entry");
	/* syssize counts 16 bytes each, with a checksum that is not always in the file. */
	if ((uint64_t)hdr->syssize * 16 > code + 16)
		return dvmi_error_set(err, -EINVAL, "it is cut: %zu of %llu bytes are there", code,
				      (unsigned long long)hdr->syssize * 16);
	uint64_t need = hdr->init_size > code ? hdr->init_size : code, at = 0;
	rc = choose_place(m, hdr, need, &at, err);
	if (rc < 0)
		return rc;
	b->kind = VMM_BOOT_LINUX;
	b->begin = at;
	b->end = at + need;
	b->entry = at + ENTRY_64;
	b->initrd_max = hdr->initrd_addr_max;
	b->cmdline_max = hdr->cmdline_size;
	hdr->code32_start = (uint32_t)at;
	return vmm_mem_write(m, at, im->data + setup, code);
}
