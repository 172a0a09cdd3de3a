/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernels from anywhere. Input: a kernel file. Whatever it is, it is loaded with its entry inside
 * RAM, or refused with a reason; and nothing is written outside RAM, which the sanitizers see.
 */
#include <string.h>

#include "kvm-node/boot.h"
#include "tests/fuzz/fuzz.h"

#define RAM (UINT64_C(32) << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmm_mem *mem;
	static const uint8_t initrd[100];
	const uint64_t ram = RAM;
	struct vmm_boot_input in = { .initrd = { .data = initrd, .len = sizeof initrd },
				     .append = "a=b" };
	struct vmm_boot boot;
	struct kvm_regs regs = { 0 };
	struct kvm_sregs sregs = { 0 };
	dvm_error_t err = { 0 };

	if (!mem)
		FUZZ_CHECK(vmm_mem_create(&mem, &ram, 1, NULL) == 0);
	/* A copy of its own size: what is read behind it is seen. */
	uint8_t *copy = malloc(size ? size : 1);
	FUZZ_CHECK(copy);
	if (size)
		memcpy(copy, data, size);
	in.kernel = (struct vmm_image){ .data = copy, .len = size };
	int rc = vmm_boot_load(mem, &in, &boot, &err);
	free(copy);
	FUZZ_CHECK(rc <= 0 && (rc == 0) == (err.text[0] == 0));
	if (rc == 0) {
		vmm_boot_registers(&boot, &regs, &sregs);
		FUZZ_CHECK(boot.end <= RAM && boot.begin < boot.end);
		FUZZ_CHECK(regs.rip >= boot.begin && regs.rip < boot.end);
	}
	return 0;
}
