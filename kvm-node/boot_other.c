/* SPDX-License-Identifier: BSD-3-Clause */
/* What is brought as a kernel and cannot be one here, by its name: so that one knows what to do. */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "kvm-node/boot_private.h"
#include "libdvm/base/err.h"

#define MULTIBOOT      UINT32_C(0x1badb002)
#define MULTIBOOT_END  8192u /* where its header may lie */
#define MULTIBOOT2     UINT32_C(0xe85250d6)
#define MULTIBOOT2_END 32768u

static const struct {
	const char *magic, *name;
	uint8_t len;
} packed[] = {
	{ "\x1f\x8b", "gzip", 2 },	  { "\xfd" "7zXZ", "xz", 5 },
	{ "\x28\xb5\x2f\xfd", "zstd", 4 }, { "\x04\x22\x4d\x18", "lz4", 4 },
	{ "\x02\x21\x4c\x18", "lz4", 4 },  { "BZh", "bzip2", 3 },
};

/* N words that begin with MAGIC and add up to 0, as such headers do. */
static bool has_header(const struct vmm_image *im, uint32_t magic, unsigned n, size_t end)
{
	uint32_t w[4];

	if (end > im->len)
		end = im->len;
	for (size_t at = 0; at + sizeof w <= end; at += 4) {
		uint32_t sum = 0;
		memcpy(w, im->data + at, sizeof w);
		for (unsigned i = 0; i < n; i++)
			sum += w[i];
		if (w[0] == magic && !sum)
			return true;
	}
	return false;
}

bool vmm_boot_is_multiboot(const struct vmm_image *im)
{
	return has_header(im, MULTIBOOT, 3, MULTIBOOT_END) ||
	       has_header(im, MULTIBOOT2, 4, MULTIBOOT2_END);
}

int vmm_boot_check_other(const struct vmm_image *im, dvm_error_t *err)
{
	for (size_t i = 0; i < sizeof packed / sizeof packed[0]; i++)
		if (im->len > packed[i].len && !memcmp(im->data, packed[i].magic, packed[i].len))
			return dvmi_error_set(err, -ENOEXEC, "it is packed by %s; unpack it first",
					      packed[i].name);
	if (im->len > EI_CLASS && !memcmp(im->data, ELFMAG, SELFMAG) &&
	    im->data[EI_CLASS] == ELFCLASS32)
		return dvmi_error_set(err, -ENOEXEC, "it is a 32-bit program%s; 64-bit ones are run",
				      vmm_boot_is_multiboot(im) ? ", for multiboot" : "");
	return 0;
}
