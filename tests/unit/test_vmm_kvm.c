/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parameters of KVM's modules say of how page tables are walked. */
#include <string.h>
#include <sys/stat.h>

#include "kvm-node/kvm.h"
#include "tests/unit/cm.h"
#include "tests/unit/tmpdir.h"

static const struct {
	const char *file, *text; /* written one after the other */
	enum vmm_mmu mmu;
} steps[] = {
	{ NULL, NULL, VMM_MMU_UNKNOWN },
	{ "kvm_intel/parameters/eptad", "N\n", VMM_MMU_UNKNOWN },
	{ "kvm_intel/parameters/ept", "Y\n", VMM_MMU_EPT },
	{ "kvm_intel/parameters/eptad", "Y\n", VMM_MMU_EPT_AD },
	{ "kvm_intel/parameters/ept", "N\n", VMM_MMU_SHADOW },
	{ "kvm_amd/parameters/npt", "Y\n", VMM_MMU_NPT },
	{ "kvm_amd/parameters/npt", "1\n", VMM_MMU_NPT },
	{ "kvm_amd/parameters/npt", "0\n", VMM_MMU_SHADOW },
	{ "kvm_amd/parameters/npt", "N\n", VMM_MMU_SHADOW },
	{ "kvm_amd/parameters/npt", "", VMM_MMU_SHADOW }, /* Intel's is left */
};

static void put(const char *root, const char *file, const char *text)
{
	char path[TMPDIR_MAX + 64];

	snprintf(path, sizeof path, "%s/%s", root, file);
	for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = 0;
		mkdir(path, 0755);
	}
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void kinds(void **state)
{
	char root[TMPDIR_MAX];

	tmpdir_make(root);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		if (steps[i].file)
			put(root, steps[i].file, steps[i].text);
		assert_string_equal(vmm_mmu_name(vmm_kvm_mmu(root)), vmm_mmu_name(steps[i].mmu));
	}
	assert_string_equal(vmm_mmu_name(vmm_kvm_mmu("/nowhere")), "unknown");
	tmpdir_remove(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(kinds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
