/* SPDX-License-Identifier: BSD-3-Clause */
/* Accesses find their device, or nothing; doorbells ring. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kvm-node/bus.h"
#include "tests/unit/cm.h"

struct probe {
	struct vmm_access last;
	unsigned calls;
};

static void probe_access(void *dev, struct vmm_access *a)
{
	struct probe *p = dev;

	p->calls++;
	p->last = *a;
	if (!a->write)
		a->data = 0x1122334455667788 + a->off;
}

static const struct vmm_bus_ops probe_ops = { probe_access };

static struct vmm_region region(struct probe *p, enum vmm_space s, uint64_t base, uint64_t len)
{
	return (struct vmm_region){ "probe", s, base, len, 0, &probe_ops, p };
}

static struct vmm_access reading(enum vmm_space s, uint64_t addr, uint8_t len)
{
	return (struct vmm_access){ .space = s, .addr = addr, .len = len };
}

static void regions_that_cannot_be(void **state)
{
	struct vmm_bus *b;
	struct probe p = { 0 };
	dvm_error_t err;
	struct vmm_region r = region(&p, VMM_MMIO, 0x1000, 0x100);

	assert_int_equal(vmm_bus_create(&b), 0);
	assert_int_equal(vmm_bus_add(b, &r, &err), 0);
	const uint64_t over[][2] = { { 0x1000, 0x100 }, { 0xfff, 2 }, { 0x10ff, 1 }, { 0x1080, 4 }, { 0, 0x10000 } };
	for (unsigned i = 0; i < sizeof over / sizeof over[0]; i++) {
		r = region(&p, VMM_MMIO, over[i][0], over[i][1]);
		assert_int_equal(vmm_bus_add(b, &r, &err), -EEXIST);
		assert_non_null(strstr(err.text, "probe"));
	}
	const uint64_t wrong[][2] = { { 5, 0 }, { UINT64_MAX, 2 } };
	for (unsigned i = 0; i < 2; i++) {
		r = region(&p, VMM_MMIO, wrong[i][0], wrong[i][1]);
		assert_int_equal(vmm_bus_add(b, &r, &err), -EINVAL);
	}
	r = region(&p, VMM_PIO, 0xffff, 2);
	assert_int_equal(vmm_bus_add(b, &r, &err), -EINVAL);
	r = region(&p, VMM_PIO, 0x1000, 0x100); /* the other space is another world */
	assert_int_equal(vmm_bus_add(b, &r, &err), 0);
	assert_int_equal(vmm_bus_remove(b, VMM_MMIO, 0x1001), -ENOENT);
	assert_int_equal(vmm_bus_remove(b, VMM_MMIO, 0x1000), 0);
	assert_int_equal(vmm_bus_remove(b, VMM_MMIO, 0x1000), -ENOENT);
	vmm_bus_destroy(b);
	vmm_bus_destroy(NULL);
}

static void accesses_go_where_they_lie_inside(void **state)
{
	struct vmm_bus *b;
	struct probe p[3] = { 0 };

	assert_int_equal(vmm_bus_create(&b), 0);
	const uint64_t bases[] = { 0x3000, 0x1000, 0x2000 };
	for (unsigned i = 0; i < 3; i++) {
		struct vmm_region r = region(&p[i], VMM_MMIO, bases[i], 0x10);
		assert_int_equal(vmm_bus_add(b, &r, NULL), 0);
	}
	struct vmm_access a = reading(VMM_MMIO, 0x1004, 4);
	assert_true(vmm_bus_access(b, &a));
	assert_int_equal(a.data, 0x5566778c);
	assert_int_equal(p[1].last.off, 4);
	const uint64_t nowhere[] = { 0xfff, 0x100d, 0x1010, 0x2ffe, 0x3010, UINT64_MAX };
	for (unsigned i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
		a = reading(VMM_MMIO, nowhere[i], 4);
		assert_false(vmm_bus_access(b, &a));
		assert_int_equal(a.data, 0xffffffff);
	}
	a = reading(VMM_PIO, 0x1004, 1);
	assert_false(vmm_bus_access(b, &a));
	assert_int_equal(a.data, 0xff);
	a = reading(VMM_MMIO, 0x3008, 8);
	assert_true(vmm_bus_access(b, &a));
	assert_int_equal(a.data, 0x1122334455667790);
	assert_int_equal(p[0].calls + p[1].calls + p[2].calls, 2);
	vmm_bus_destroy(b);
}

static unsigned offered;

static int on_bell(void *arg, const struct vmm_doorbell *bell, bool add)
{
	offered += add ? 1 : 100;
	return -ENOSYS;
}

static void doorbells_ring(void **state)
{
	struct vmm_bus *b;
	struct probe p = { 0 };
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint64_t n;

	assert_int_equal(vmm_bus_create(&b), 0);
	struct vmm_region r = region(&p, VMM_MMIO, 0x1000, 0x100);
	assert_int_equal(vmm_bus_add(b, &r, NULL), 0);
	struct vmm_doorbell bell = { VMM_MMIO, 0x1050, 4, true, 3, fd };
	assert_int_equal(vmm_bus_add_doorbell(b, &bell), 0);
	vmm_bus_set_bells(b, on_bell, NULL);
	assert_int_equal(offered, 1);

	struct vmm_access a = { .space = VMM_MMIO, .addr = 0x1050, .len = 4, .write = true, .data = 3 };
	assert_true(vmm_bus_access(b, &a));
	assert_true(vmm_bus_access(b, &a));
	assert_int_equal(read(fd, &n, sizeof n), 8);
	assert_int_equal(n, 2);
	assert_int_equal(p.calls, 0);
	a.data = 4; /* another value, another length, a read: for the device */
	assert_true(vmm_bus_access(b, &a));
	a.data = 3;
	a.len = 2;
	assert_true(vmm_bus_access(b, &a));
	a = reading(VMM_MMIO, 0x1050, 4);
	assert_true(vmm_bus_access(b, &a));
	assert_int_equal(p.calls, 3);
	assert_int_equal(vmm_bus_remove_doorbell(b, &bell), 0);
	assert_int_equal(offered, 101);
	assert_int_equal(vmm_bus_remove_doorbell(b, &bell), -ENOENT);
	close(fd);
	vmm_bus_destroy(b);
}

static void count(void *arg, const struct vmm_region *r, uint64_t reads, uint64_t writes)
{
	*(uint64_t *)arg += reads * 100 + writes;
}

static void accesses_are_counted(void **state)
{
	struct vmm_bus *b;
	struct probe p = { 0 };
	uint64_t sum = 0;

	assert_int_equal(vmm_bus_create(&b), 0);
	struct vmm_region r = region(&p, VMM_PIO, 0x3f8, 8);
	assert_int_equal(vmm_bus_add(b, &r, NULL), 0);
	struct vmm_access a = reading(VMM_PIO, 0x3fd, 1);
	vmm_bus_access(b, &a);
	vmm_bus_access(b, &a);
	a.write = true;
	vmm_bus_access(b, &a);
	vmm_bus_each(b, count, &sum);
	assert_int_equal(sum, 201);
	vmm_bus_destroy(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regions_that_cannot_be),
		cmocka_unit_test(accesses_go_where_they_lie_inside),
		cmocka_unit_test(doorbells_ring),
		cmocka_unit_test(accesses_are_counted),
	};
	return cmocka_run_group_tests_name("vmm_bus", tests, NULL, NULL);
}
