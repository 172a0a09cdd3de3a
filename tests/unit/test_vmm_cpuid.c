/* SPDX-License-Identifier: BSD-3-Clause */
/* The CPU a guest sees: nothing that cannot be served, and one topology everywhere. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-node/cpuid.h"
#include "tests/unit/cm.h"

#define MAX 64

static struct kvm_cpuid2 *host, *guest;

/* A host that has everything. */
static int setup(void **state)
{
	static const struct {
		uint32_t function, index, flags, eax;
	} leaves[] = { { 0, 0, 0, 0x20 },	{ 1, 0, 0, 0x00a20f10 }, { 2, 0, 0, 1 },
		       { 4, 0, 1, 0x121 },	{ 4, 3, 1, 0x163 },	 { 6, 0, 0, 0xff },
		       { 7, 0, 1, 1 },		{ 7, 1, 1, 0xff },	 { 0xa, 0, 0, 7 },
		       { 0xb, 0, 1, 1 },	{ 0xb, 1, 1, 6 },	 { 0xd, 0, 1, 7 },
		       { 0x12, 0, 1, 1 },	{ 0x1f, 0, 1, 1 },	 { 0x40000000, 0, 0, 0x40000001 },
		       { 0x40000001, 0, 0, 0x1ffffff }, { 0x80000000, 0, 0, 0x80000021 },
		       { 0x80000001, 0, 0, 0 }, { 0x80000007, 0, 0, 0 }, { 0x80000008, 0, 0, 0x3030 },
		       { 0x8000001d, 3, 1, 0x163 }, { 0x8000001e, 0, 0, 99 } };
	size_t n = sizeof leaves / sizeof leaves[0];

	host = calloc(1, sizeof *host + MAX * sizeof host->entries[0]);
	guest = calloc(1, sizeof *guest + MAX * sizeof guest->entries[0]);
	host->nent = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		host->entries[i] = (struct kvm_cpuid_entry2){
			.function = leaves[i].function, .index = leaves[i].index,
			.flags = leaves[i].flags,	.eax = leaves[i].eax,
			.ebx = UINT32_MAX,		.ecx = UINT32_MAX,
			.edx = UINT32_MAX,
		};
	return 0;
}

static int teardown(void **state)
{
	free(host);
	free(guest);
	return 0;
}

static struct vmm_cpu_model model(unsigned cores, unsigned level, bool intel)
{
	struct vmm_cpu_model m = { .level = level, .tsc_khz = 2300000, .invariant_tsc = true,
				   .intel = intel, .deadline = !intel };

	vmm_cpuid_topology(&m.topology, cores);
	return m;
}

static struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 *e = vmm_cpuid_find(guest, function, index);

	assert_non_null(e);
	return e;
}

static void make(const struct vmm_cpu_model *m, uint32_t apic_id)
{
	dvm_error_t err;

	assert_int_equal(vmm_cpuid_make(host, m, apic_id, guest, MAX, &err), 0);
}

static void names(void **state)
{
	unsigned level = 9;
	dvm_error_t err;

	assert_int_equal(vmm_cpuid_level("host", &level, &err), 0);
	assert_int_equal(level, 0);
	assert_int_equal(vmm_cpuid_level("x86-64-v3", &level, &err), 0);
	assert_int_equal(level, 3);
	assert_int_equal(vmm_cpuid_level("x86-64-v9", &level, &err), -EINVAL);
	assert_non_null(strstr(err.text, "x86-64-v9"));
	assert_int_equal(level, 3);
}

static void what_needs_the_kernels_apic_is_hidden(void **state)
{
	struct vmm_cpu_model m = model(4, 0, false);

	make(&m, 2);
	assert_int_equal(leaf(0x40000001, 0)->eax, 1 << 1 | 1 << 3 | 1 << 24);
	assert_int_equal(leaf(0x40000001, 0)->edx, 0);
	m.lazy_eoi = true; /* ours, not KVM's */
	make(&m, 2);
	assert_int_equal(leaf(0x40000001, 0)->eax, 1 << 1 | 1 << 3 | 1 << 6 | 1 << 24);
	m.lazy_eoi = false;
	assert_int_equal(leaf(0x40000010, 0)->eax, 2300000);
	assert_memory_equal(&leaf(0x40000000, 0)->ebx, "KVMK", 4);
	assert_false(leaf(1, 0)->ecx & (1 << 3)); /* monitor */
	assert_true(leaf(1, 0)->ecx & (1u << 31));
	assert_true(leaf(1, 0)->ecx & (1 << 21));
	assert_true(leaf(1, 0)->ecx & (1 << 24));
	assert_int_equal(leaf(6, 0)->eax, 4);
	assert_false(leaf(7, 0)->edx & (1 << 29));
	assert_null(vmm_cpuid_find(guest, 0xa, 0));
	assert_null(vmm_cpuid_find(guest, 0x12, 0));
	assert_true(leaf(0x80000007, 0)->edx & 1 << 8);
	m.invariant_tsc = false;
	make(&m, 2);
	assert_false(leaf(0x80000007, 0)->edx & 1 << 8);
	assert_int_equal(leaf(0x40000001, 0)->eax, 1 << 1 | 1 << 3);
}

static void intel_has_no_deadline(void **state)
{
	struct vmm_cpu_model m = model(1, 0, true);

	make(&m, 0);
	assert_false(leaf(1, 0)->ecx & (1 << 24));
	assert_int_equal(leaf(0, 0)->eax, 0x16);
	/* TSC = crystal * ebx / eax */
	struct kvm_cpuid_entry2 *e = leaf(0x15, 0);
	assert_int_equal((uint64_t)e->ecx * e->ebx / e->eax, UINT64_C(2300000000));
	assert_int_equal(leaf(0x16, 0)->eax, 2300);
	assert_null(vmm_cpuid_find(guest, 2, 0));
}

static void one_topology(void **state)
{
	struct vmm_cpu_model m = model(3, 0, false);
	uint32_t id = vmm_cpuid_apic_id(&m.topology, 1, 2);

	assert_int_equal(id, 6);
	make(&m, id);
	assert_int_equal(leaf(1, 0)->ebx >> 24, 6);
	assert_int_equal(leaf(1, 0)->ebx >> 16 & 0xff, 4);
	assert_int_equal(leaf(0xb, 0)->eax, 0);
	assert_int_equal(leaf(0xb, 0)->ebx, 1);
	assert_int_equal(leaf(0xb, 1)->eax, 2);
	assert_int_equal(leaf(0xb, 1)->ebx, 3);
	assert_int_equal(leaf(0xb, 2)->ebx, 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(leaf(0xb, i)->edx, 6);
	assert_int_equal(leaf(0x8000001e, 0)->eax, 6);
	assert_int_equal(leaf(0x8000001e, 0)->ebx & 0xff, 2);
	assert_int_equal(leaf(0x8000001e, 0)->ecx, 1);
	assert_int_equal(leaf(0x80000008, 0)->ecx & 0xff, 2);
	assert_int_equal(leaf(4, 0)->eax >> 14 & 0xfff, 0); /* level 1: its own */
	assert_int_equal(leaf(4, 3)->eax >> 14 & 0xfff, 3); /* level 3: the package's */
	assert_int_equal(leaf(0x8000001d, 3)->eax >> 14 & 0xfff, 3);
	m = model(1, 0, false);
	make(&m, 0);
	assert_false(leaf(1, 0)->edx & 1 << 28);
}

static void levels(void **state)
{
	struct vmm_cpu_model m = model(1, 2, false);
	dvm_error_t err;

	make(&m, 0);
	assert_true(leaf(1, 0)->ecx & 1 << 20);	  /* sse4.2 */
	assert_false(leaf(1, 0)->ecx & 1 << 28);  /* avx */
	assert_false(leaf(7, 0)->ebx & 1 << 5);	  /* avx2 */
	assert_true(leaf(1, 0)->ecx & (1u << 31)); /* hypervisor */
	assert_true(leaf(0x80000001, 0)->edx & 1 << 29);
	m.level = 4;
	make(&m, 0);
	assert_true(leaf(7, 0)->ebx & 1 << 16);
	vmm_cpuid_find(host, 7, 0)->ebx &= ~(1u << 17);
	assert_int_equal(vmm_cpuid_make(host, &m, 0, guest, MAX, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "avx512dq"));
	m.level = 3;
	make(&m, 0);
	m.emulated = true; /* no extended state there */
	assert_int_equal(vmm_cpuid_make(host, &m, 0, guest, MAX, &err), -ENOTSUP);
	assert_int_equal(vmm_cpuid_make(host, &m, 0, guest, 5, &err), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names, setup, teardown),
		cmocka_unit_test_setup_teardown(what_needs_the_kernels_apic_is_hidden, setup, teardown),
		cmocka_unit_test_setup_teardown(intel_has_no_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(one_topology, setup, teardown),
		cmocka_unit_test_setup_teardown(levels, setup, teardown),
	};
	return cmocka_run_group_tests_name("vmm_cpuid", tests, NULL, NULL);
}
