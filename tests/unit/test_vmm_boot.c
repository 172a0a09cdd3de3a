/* SPDX-License-Identifier: BSD-3-Clause */
/* Kernels, good and broken; what lies in RAM afterwards. */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <asm/bootparam.h>

#include "kvm-node/boot.h"
#include "kvm-node/layout.h"
#include "tests/unit/cm.h"

#define MIB	 (UINT64_C(1) << 20)
#define RAM	 (64 * MIB)
#define BZ_LEN	 (5u * 512 + 4096)
#define PREF	 0x1000000u
#define APPEND	 "console=ttyS0 root=/dev/vda"

static uint8_t file[65536];
static struct vmm_mem *mem;
static struct vmm_boot boot;
static dvm_error_t err;

static int setup(void **state)
{
	const uint64_t size = RAM;

	return vmm_mem_create(&mem, &size, 1, NULL);
}

static int teardown(void **state)
{
	vmm_mem_destroy(mem);
	return 0;
}

static const char *tuning;

static int load(size_t len, const struct vmm_image *initrd, const char *append)
{
	struct vmm_boot_input in = {
		.kernel = { .data = malloc(len ? len : 1), .len = len }, /* so that reading past its end is seen */
		.append = append,
		.tuning = tuning,
		.rsdp = 0xe0000,
	};

	memcpy((void *)(uintptr_t)in.kernel.data, file, len);
	if (initrd)
		in.initrd = *initrd;
	err = (dvm_error_t){ 0 };
	int rc = vmm_boot_load(mem, &in, &boot, &err);
	free((void *)(uintptr_t)in.kernel.data);
	assert_true(rc == 0 || err.text[0]);
	return rc;
}

/* ---- bzImage ---- */

static struct setup_header *bz(void)
{
	memset(file, 0, sizeof file);
	struct setup_header *h = (struct setup_header *)(file + 0x1f1);
	*h = (struct setup_header){
		.setup_sects = 4,
		.boot_flag = 0xaa55,
		.header = 0x53726448,
		.version = 0x20f,
		.loadflags = LOADED_HIGH,
		.xloadflags = XLF_KERNEL_64,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.pref_address = PREF,
		.init_size = 0x100000,
		.syssize = 4096 / 16,
		.initrd_addr_max = 0x7fffffff,
		.cmdline_size = 255,
	};
	memset(file + 5 * 512, 0x5a, 4096);
	return h;
}

static void a_good_bzimage(void **state)
{
	const uint8_t initrd[5000] = "initrd";
	const struct vmm_image im = { .data = initrd, .len = sizeof initrd };
	struct boot_params z;
	char line[64];

	bz();
	assert_int_equal(load(BZ_LEN, &im, APPEND), 0);
	assert_int_equal(boot.kind, VMM_BOOT_LINUX);
	assert_int_equal(boot.entry, PREF + 0x200);
	assert_int_equal(*(uint8_t *)vmm_mem_at(mem, PREF, 1), 0x5a);
	assert_int_equal(vmm_mem_read(mem, VMM_BOOT_PARAMS, &z, sizeof z), 0);
	assert_int_equal(z.hdr.type_of_loader, 0xff);
	assert_int_equal(z.hdr.ramdisk_size, sizeof initrd);
	assert_int_equal(z.hdr.ramdisk_image % VMM_PAGE, 0);
	assert_string_equal(vmm_mem_at(mem, z.hdr.ramdisk_image, 7), "initrd");
	assert_int_equal(vmm_mem_read(mem, z.hdr.cmd_line_ptr, line, sizeof line), 0);
	assert_string_equal(line, APPEND);
	assert_int_equal(z.acpi_rsdp_addr, 0xe0000);
	assert_int_equal(z.e820_entries, 4);
	uint64_t ram = 0;
	for (unsigned i = 0; i < z.e820_entries; i++)
		ram += z.e820_table[i].type == 1 ? z.e820_table[i].size : 0;
	assert_int_equal(ram, RAM - (VMM_KERNEL_MIN - VMM_RAM_BASE_END));
}

/* What a kernel finds in RAM it cuts out of it, and kexec's crash kernels need the low one whole. */
static void the_seed_is_not_in_ram(void **state)
{
	struct boot_params z;
	struct setup_data head;

	bz();
	assert_int_equal(load(BZ_LEN, NULL, ""), 0);
	assert_int_equal(vmm_mem_read(mem, VMM_BOOT_PARAMS, &z, sizeof z), 0);
	uint64_t at = z.hdr.setup_data;
	assert_int_equal(vmm_mem_read(mem, at, &head, sizeof head), 0);
	assert_int_equal(head.next, 0);
	assert_int_equal(head.len, 32);
	uint64_t end = at + sizeof head + head.len;
	for (unsigned i = 0; i < z.e820_entries; i++) {
		const struct boot_e820_entry *e = &z.e820_table[i];
		assert_true(e->type != 1 || at >= e->addr + e->size || end <= e->addr);
	}
}

static void our_words_come_first(void **state)
{
	bz();
	tuning = "tsc=reliable a=1";
	assert_int_equal(load(BZ_LEN, NULL, "a=2"), 0);
	assert_string_equal(vmm_mem_at(mem, VMM_BOOT_CMDLINE, 32), "tsc=reliable a=1 a=2");
	bz()->cmdline_size = 19;
	assert_int_equal(load(BZ_LEN, NULL, "a=2"), -E2BIG);
	tuning = NULL;
}

static void start_in_long_mode(void **state)
{
	struct kvm_regs r = { 0 };
	struct kvm_sregs s = { 0 };

	bz();
	assert_int_equal(load(BZ_LEN, NULL, ""), 0);
	vmm_boot_registers(&boot, &r, &s);
	assert_int_equal(r.rip, PREF + 0x200);
	assert_int_equal(r.rsi, VMM_BOOT_PARAMS);
	assert_true(s.cs.l && !s.cs.db && s.efer == 0x500 && s.cr0 & 0x80000000 && s.cr4 & 0x20);
	/* The tables map the first 4 GiB one to one. */
	for (uint64_t at = 0; at < UINT64_C(1) << 32; at += 0x10200000) {
		uint64_t e = *(uint64_t *)vmm_mem_at(mem, s.cr3 + (at >> 39) * 8, 8);
		e = *(uint64_t *)vmm_mem_at(mem, (e & ~0xfffull) + (at >> 30 & 511) * 8, 8);
		e = *(uint64_t *)vmm_mem_at(mem, (e & ~0xfffull) + (at >> 21 & 511) * 8, 8);
		assert_int_equal(e, (at & ~0x1fffffull) | 0x1e3);
	}
}

static void lower_if_it_must(void **state)
{
	bz()->pref_address = 100 * MIB;
	assert_int_equal(load(BZ_LEN, NULL, ""), 0);
	assert_int_equal(boot.begin, 2 * MIB);
	struct setup_header *h = bz();
	h->pref_address = 100 * MIB;
	h->relocatable_kernel = 0;
	assert_int_equal(load(BZ_LEN, NULL, ""), -ENOMEM);
	h = bz();
	h->init_size = 0x7f000000;
	assert_int_equal(load(BZ_LEN, NULL, ""), -ENOMEM);
	assert_non_null(strstr(err.text, "64 MiB"));
}

static void broken_bzimages(void **state)
{
	bz();
	for (size_t len = 0; len < BZ_LEN; len += len < 700 ? 1 : 97)
		assert_true(load(len, NULL, "") < 0); /* cut anywhere */
	bz()->header = 0;
	assert_int_equal(load(BZ_LEN, NULL, ""), -ENOEXEC);
	bz()->version = 0x206;
	assert_int_equal(load(BZ_LEN, NULL, ""), -ENOEXEC);
	assert_non_null(strstr(err.text, "2.6"));
	bz()->xloadflags = 0;
	assert_int_equal(load(BZ_LEN, NULL, ""), -ENOEXEC);
	bz()->setup_sects = 255;
	assert_int_equal(load(BZ_LEN, NULL, ""), -EINVAL);
	bz()->kernel_alignment = 3;
	assert_int_equal(load(BZ_LEN, NULL, ""), -EINVAL);
	bz()->syssize = 0xffffffff;
	assert_int_equal(load(BZ_LEN, NULL, ""), -EINVAL);
	struct setup_header *h = bz();
	h->pref_address = UINT64_MAX - 4095;
	h->relocatable_kernel = 0;
	assert_int_equal(load(BZ_LEN, NULL, ""), -ENOMEM);
}

static void what_comes_with_it(void **state)
{
	char *line = malloc(4096);
	uint8_t *large = malloc(RAM);
	struct vmm_image im = { .data = large, .len = RAM };

	bz();
	memset(line, 'x', 4095);
	line[4095] = 0;
	assert_int_equal(load(BZ_LEN, NULL, line), -E2BIG);
	line[256] = 0;
	assert_int_equal(load(BZ_LEN, NULL, line), -E2BIG);
	line[255] = 0;
	assert_int_equal(load(BZ_LEN, NULL, line), 0);
	assert_int_equal(load(BZ_LEN, &im, ""), -ENOMEM);
	im.len = RAM - PREF;
	assert_int_equal(load(BZ_LEN, &im, ""), -ENOMEM);
	im.len = RAM - PREF - MIB;
	memset(large, 0, im.len);
	assert_int_equal(load(BZ_LEN, &im, ""), 0);
	bz()->initrd_addr_max = 0x2000000 - 1;
	im.len = 4096;
	assert_int_equal(load(BZ_LEN, &im, ""), 0);
	assert_int_equal(*(uint32_t *)vmm_mem_at(mem, VMM_BOOT_PARAMS + 0x218, 4), 0x2000000 - 4096);
	free(large);
	free(line);
}

/* ---- ELF ---- */

struct elf {
	Elf64_Ehdr e;
	Elf64_Phdr p[2];
	struct {
		Elf64_Nhdr n;
		char name[4];
		uint32_t entry;
	} note;
	uint8_t code[4096];
};

static struct elf *elf(bool pvh)
{
	struct elf *f = (struct elf *)file;

	memset(file, 0, sizeof file);
	memcpy(f->e.e_ident, "\177ELF\2\1\1", 7);
	f->e.e_type = ET_EXEC;
	f->e.e_machine = EM_X86_64;
	f->e.e_phoff = offsetof(struct elf, p);
	f->e.e_phentsize = sizeof f->p[0];
	f->e.e_phnum = pvh ? 2 : 1;
	f->e.e_entry = 2 * MIB + 16;
	f->p[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = offsetof(struct elf, code),
				.p_paddr = 2 * MIB, .p_filesz = 4096, .p_memsz = 8192 };
	f->p[1] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = offsetof(struct elf, note),
				.p_filesz = sizeof f->note };
	f->note.n = (Elf64_Nhdr){ 4, 4, 18 };
	memcpy(f->note.name, "Xen", 4);
	f->note.entry = 2 * MIB + 32;
	memset(f->code, 0x77, sizeof f->code);
	return f;
}

static void good_programs(void **state)
{
	struct kvm_regs r = { 0 };
	struct kvm_sregs s = { 0 };

	memset(vmm_mem_at(mem, 2 * MIB, 8192), 0xee, 8192);
	elf(false);
	assert_int_equal(load(sizeof(struct elf), NULL, "a b"), 0);
	assert_int_equal(boot.kind, VMM_BOOT_BARE);
	assert_int_equal(boot.entry, 2 * MIB + 16);
	assert_int_equal(*(uint8_t *)vmm_mem_at(mem, 2 * MIB + 4095, 1), 0x77);
	assert_int_equal(*(uint8_t *)vmm_mem_at(mem, 2 * MIB + 4096, 1), 0);
	elf(true);
	assert_int_equal(load(sizeof(struct elf), NULL, "a b"), 0);
	assert_int_equal(boot.kind, VMM_BOOT_PVH_KERNEL);
	vmm_boot_registers(&boot, &r, &s);
	assert_int_equal(r.rip, 2 * MIB + 32);
	assert_int_equal(r.rbx, VMM_BOOT_PVH);
	assert_true(s.cr0 == 0x11 && !s.cs.l && s.cs.db && !s.efer && !s.cr4);
	assert_int_equal(*(uint32_t *)vmm_mem_at(mem, VMM_BOOT_PVH, 4), 0x336ec578);
	uint64_t line = *(uint64_t *)vmm_mem_at(mem, VMM_BOOT_PVH + 24, 8);
	assert_string_equal(vmm_mem_at(mem, line, 4), "a b");
}

static void others_are_named(void **state)
{
	const uint32_t header[] = { 0x1badb002, 3, -(0x1badb002 + 3) };

	memcpy(elf(false)->code + 64, header, sizeof header);
	assert_int_equal(load(sizeof(struct elf), NULL, ""), -ENOEXEC);
	assert_non_null(strstr(err.text, "multiboot"));
	memcpy(elf(true)->code + 64, header, sizeof header); /* it can do both */
	assert_int_equal(load(sizeof(struct elf), NULL, ""), 0);
	memcpy(elf(false)->code + 64, header, 8); /* by chance */
	assert_int_equal(load(sizeof(struct elf), NULL, ""), 0);
	elf(false)->e.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(load(sizeof(struct elf), NULL, ""), -ENOEXEC);
	assert_non_null(strstr(err.text, "32-bit"));
	memcpy(file, "\x1f\x8b\x08", 3);
	assert_int_equal(load(3, NULL, ""), -ENOEXEC);
	assert_non_null(strstr(err.text, "packed by gzip"));
}

static void broken_programs(void **state)
{
	for (size_t len = 4; len < sizeof(struct elf); len += len < 300 ? 1 : 61) {
		elf(false);
		assert_true(load(len, NULL, "") < 0);
	}
	elf(false)->e.e_machine = EM_AARCH64;
	assert_int_equal(load(sizeof(struct elf), NULL, ""), -ENOEXEC);
	elf(false)->e.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(load(sizeof(struct elf), NULL, ""), -ENOEXEC);
	elf(false)->e.e_phoff = UINT64_MAX - 8;
	assert_int_equal(load(sizeof(struct elf), NULL, ""), -EINVAL);
	elf(false)->e.e_phnum = 0;
	assert_int_equal(load(sizeof(struct elf), NULL, ""), -EINVAL);
	elf(false)->e.e_entry = 0x1000;
	assert_int_equal(load(sizeof(struct elf), NULL, ""), -EINVAL);
	elf(false)->p[0].p_offset = UINT64_MAX - 100;
	assert_int_equal(load(sizeof(struct elf), NULL, ""), -EINVAL);
	elf(false)->p[0].p_filesz = 16384;
	assert_int_equal(load(sizeof(struct elf), NULL, ""), -EINVAL);
	elf(false)->p[0].p_paddr = 0x7000; /* over our own tables */
	assert_int_equal(load(sizeof(struct elf), NULL, ""), -EINVAL);
	elf(false)->p[0].p_paddr = VMM_LAPIC;
	assert_int_equal(load(sizeof(struct elf), NULL, ""), -ENOMEM);
	elf(false)->p[0].p_memsz = UINT64_MAX;
	assert_int_equal(load(sizeof(struct elf), NULL, ""), -ENOMEM);
	struct elf *f = elf(true);
	f->note.n.n_namesz = UINT32_MAX; /* a note that reaches nowhere is no note */
	assert_int_equal(load(sizeof(struct elf), NULL, ""), 0);
	assert_int_equal(boot.kind, VMM_BOOT_BARE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_good_bzimage, setup, teardown),
		cmocka_unit_test_setup_teardown(the_seed_is_not_in_ram, setup, teardown),
		cmocka_unit_test_setup_teardown(our_words_come_first, setup, teardown),
		cmocka_unit_test_setup_teardown(start_in_long_mode, setup, teardown),
		cmocka_unit_test_setup_teardown(lower_if_it_must, setup, teardown),
		cmocka_unit_test_setup_teardown(broken_bzimages, setup, teardown),
		cmocka_unit_test_setup_teardown(what_comes_with_it, setup, teardown),
		cmocka_unit_test_setup_teardown(good_programs, setup, teardown),
		cmocka_unit_test_setup_teardown(others_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(broken_programs, setup, teardown),
	};
	return cmocka_run_group_tests_name("vmm_boot", tests, NULL, NULL);
}
