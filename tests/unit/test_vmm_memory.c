/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest's RAM: what is inside, what is not, and to which node it belongs. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "kvm-node/layout.h"
#include "kvm-node/memory.h"
#include "kvm-node/spread_private.h"
#include "tests/unit/cm.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static struct vmm_mem *make(uint64_t a, uint64_t b)
{
	const uint64_t nodes[] = { a, b };
	struct vmm_mem *m = NULL;

	assert_int_equal(vmm_mem_create(&m, nodes, b ? 2 : 1, NULL), 0);
	return m;
}

static void sizes_that_make_no_sense(void **state)
{
	const uint64_t bad[][2] = { { 0, 0 }, { 4097, 0 }, { MIB, 0 }, { UINT64_MAX & ~4095ull, 4096 },
				    { UINT64_C(1) << 47, 0 } };
	struct vmm_mem *m = NULL;
	dvm_error_t err = { 0 };

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(vmm_mem_create(&m, bad[i], 2, &err), -EINVAL);
		assert_true(err.text[0]);
	}
	assert_int_equal(vmm_mem_create(&m, bad[0], 0, &err), -EINVAL);
	assert_int_equal(vmm_mem_create(&m, bad[0], VMM_NODES_MAX + 1, &err), -EINVAL);
	assert_null(m);
}

static void nothing_outside(void **state)
{
	struct vmm_mem *m = make(16 * MIB, 0);

	assert_non_null(vmm_mem_at(m, 0, 16 * MIB));
	assert_non_null(vmm_mem_at(m, 16 * MIB - 1, 1));
	assert_null(vmm_mem_at(m, 16 * MIB - 1, 2));
	assert_null(vmm_mem_at(m, 16 * MIB, 0));
	assert_null(vmm_mem_at(m, 0, 16 * MIB + 1));
	assert_null(vmm_mem_at(m, UINT64_MAX, 1));
	assert_null(vmm_mem_at(m, 4096, UINT64_MAX));
	assert_null(vmm_mem_at(m, UINT64_MAX - 4095, 8192));
	uint32_t v = 7;
	assert_int_equal(vmm_mem_write(m, 16 * MIB - 2, &v, 4), -EFAULT);
	assert_int_equal(vmm_mem_write(m, 16 * MIB - 4, &v, 4), 0);
	v = 0;
	assert_int_equal(vmm_mem_read(m, 16 * MIB - 3, &v, 4), -EFAULT);
	assert_int_equal(v, 0);
	assert_int_equal(vmm_mem_read(m, 16 * MIB - 4, &v, 4), 0);
	assert_int_equal(v, 7);
	vmm_mem_destroy(m);
}

static void the_hole_is_no_ram(void **state)
{
	struct vmm_mem *m = make(4 * GIB, 0);
	uint8_t *low = vmm_mem_at(m, VMM_RAM_LOW_MAX - 1, 1), *high = vmm_mem_at(m, VMM_RAM_HIGH, 1);

	assert_ptr_equal(low + 1, high); /* adjacent in the descriptor, ... */
	assert_null(vmm_mem_at(m, VMM_RAM_LOW_MAX - 1, 2)); /* ... not for the guest */
	assert_null(vmm_mem_at(m, VMM_RAM_LOW_MAX, 1));
	assert_null(vmm_mem_at(m, VMM_LAPIC, 4));
	assert_non_null(vmm_mem_at(m, VMM_RAM_HIGH, GIB));
	assert_null(vmm_mem_at(m, VMM_RAM_HIGH, GIB + 1));
	vmm_mem_destroy(m);
}

static void pieces_cover_all_of_it(void **state)
{
	struct vmm_mem *m = make(2 * GIB, 3 * GIB);
	unsigned n;
	const struct vmm_mem_piece *p = vmm_mem_pieces(m, &n);

	assert_int_equal(n, 3);
	assert_true(p[0].gpa == 0 && p[0].len == 2 * GIB && p[0].node == 0);
	assert_true(p[1].gpa == 2 * GIB && p[1].len == GIB && p[1].node == 1);
	assert_true(p[2].gpa == VMM_RAM_HIGH && p[2].len == 2 * GIB && p[2].node == 1);
	vmm_mem_destroy(m);
}

struct seen {
	uint64_t touched, wrote;
};

static void on_touch(void *arg, uint64_t gpa, uint64_t len, enum vmm_mem_access access)
{
	((struct seen *)arg)->touched += len;
}

static void on_wrote(void *arg, uint64_t gpa, uint64_t len)
{
	((struct seen *)arg)->wrote += len;
}

static void hooks_are_told(void **state)
{
	struct vmm_mem *m = make(2 * MIB, 0);
	struct seen seen = { 0 };
	const struct vmm_mem_hook hook = { .touch = on_touch, .wrote = on_wrote, .arg = &seen };
	char b[8] = "1234567";

	vmm_mem_set_hook(m, &hook);
	assert_int_equal(vmm_mem_write(m, 100, b, 8), 0);
	assert_int_equal(vmm_mem_read(m, 100, b, 4), 0);
	assert_int_equal(vmm_mem_read(m, 3 * MIB, b, 4), -EFAULT);
	assert_int_equal(seen.touched, 12);
	assert_int_equal(seen.wrote, 8);
	vmm_mem_destroy(m);
}

static void dropped_pages_are_zero(void **state)
{
	struct vmm_mem *m = make(2 * MIB, 0);
	uint8_t *p = vmm_mem_at(m, 0, 2 * MIB);

	memset(p, 0xaa, 3 * 4096);
	assert_int_equal(vmm_mem_drop(m, 4096, 4096), 0);
	assert_int_equal(p[4095], 0xaa);
	assert_int_equal(p[4096], 0);
	assert_int_equal(p[8191], 0);
	assert_int_equal(p[8192], 0xaa);
	assert_int_equal(vmm_mem_drop(m, 100, 4096), -EFAULT);
	assert_int_equal(vmm_mem_drop(m, 2 * MIB - 4096, 8192), -EFAULT);
	vmm_mem_destroy(m);
	vmm_mem_destroy(NULL);
}

static void memory_for_ksm(void **state)
{
	const uint64_t size = 8u << 20;
	struct vmm_mem *m;
	dvm_error_t err;
	uint64_t one = 1, back = 7;

	assert_int_equal(vmm_mem_create(&m, &size, 1, &err), 0);
	int rc = vmm_mem_make_private(m, true);
	if (rc == -EINVAL) {
		vmm_mem_destroy(m);
		skip(); /* a kernel without */
	}
	assert_int_equal(rc, 0);
	assert_int_equal(vmm_mem_fd(m), -1);
	assert_int_equal(vmm_mem_write(m, 0x3000, &one, sizeof one), 0);
	assert_int_equal(vmm_mem_drop(m, 0x3000, 0x1000), 0);
	assert_int_equal(vmm_mem_read(m, 0x3000, &back, sizeof back), 0);
	assert_int_equal(back, 0);
	vmm_mem_destroy(m);
}

/* A guest over hosts: the segment has no hole. */
static void frames_are_pages_of_the_segment(void **state)
{
	uint64_t low = VMM_RAM_LOW_MAX / VMM_PAGE, high = VMM_RAM_HIGH / VMM_PAGE;
	const uint64_t pages[] = { 0, 1, low - 1, low, low + 1, 3 * low };

	(void)state;
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
		assert_int_equal(spread_page(spread_address(pages[i]) / VMM_PAGE), pages[i]);
	assert_int_equal(spread_page(low), UINT64_MAX);
	assert_int_equal(spread_page(high - 1), UINT64_MAX);
	assert_int_equal(spread_page(high), low);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_that_make_no_sense),
		cmocka_unit_test(nothing_outside),
		cmocka_unit_test(the_hole_is_no_ram),
		cmocka_unit_test(pieces_cover_all_of_it),
		cmocka_unit_test(hooks_are_told),
		cmocka_unit_test(dropped_pages_are_zero),
		cmocka_unit_test(memory_for_ksm),
		cmocka_unit_test(frames_are_pages_of_the_segment),
	};
	return cmocka_run_group_tests_name("vmm_memory", tests, NULL, NULL);
}
