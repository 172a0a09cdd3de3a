/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is meant by an interrupt message, in every mode. */
#include "kvm-node/apicmap.h"
#include "tests/unit/cm.h"

#define N 6

static struct vmm_apic_row rows[N];

/* Six APICs with identities 0, 1, 2, 3, 16, 17, all on and enabled. */
static void set_rows(enum vmm_apic_state state)
{
	static const uint32_t ids[N] = { 0, 1, 2, 3, 16, 17 };

	for (unsigned i = 0; i < N; i++)
		rows[i] = (struct vmm_apic_row){
			.id = ids[i],
			.ldr = state == VMM_APIC_IN_X2APIC ? vmm_apicmap_x2_ldr(ids[i]) : 1u << (24 + i),
			.dfr = UINT32_MAX,
			.state = state,
			.enabled = true,
		};
}

/* Those named, as a number with a bit for each. */
static unsigned named(const struct vmm_intr *msg, int self)
{
	struct vmm_cpuset s;
	unsigned bits = 0;

	vmm_apicmap_match(rows, N, msg, self, &s);
	for (unsigned cpu = vmm_cpuset_next(&s, 0); cpu < VMM_CPUSET_MAX; cpu = vmm_cpuset_next(&s, cpu + 1))
		bits |= 1u << cpu;
	assert_int_equal(vmm_cpuset_count(&s), __builtin_popcount(bits));
	return bits;
}

static unsigned physical(uint32_t dest, bool wide)
{
	return named(&(struct vmm_intr){ .dest = dest, .vector = 50, .wide = wide }, 0);
}

static unsigned logical(uint32_t dest, bool wide)
{
	return named(&(struct vmm_intr){ .dest = dest, .vector = 50, .wide = wide, .logical = true }, 0);
}

static void by_identity(void **state)
{
	for (int mode = VMM_APIC_IN_XAPIC; mode <= VMM_APIC_IN_X2APIC; mode++) {
		set_rows((enum vmm_apic_state)mode);
		assert_int_equal(physical(2, false), 1 << 2);
		assert_int_equal(physical(17, true), 1 << 5);
		assert_int_equal(physical(9, false), 0);
		assert_int_equal(physical(0xff, false), 0x3f);
		assert_int_equal(physical(0xff, true), 0); /* an identity like any other */
		assert_int_equal(physical(UINT32_MAX, true), 0x3f);
	}
	rows[3].state = VMM_APIC_OFF;
	assert_int_equal(physical(3, false), 0);
	assert_int_equal(physical(0xff, false), 0x37);
}

static void by_flat_bits(void **state)
{
	set_rows(VMM_APIC_IN_XAPIC);
	assert_int_equal(logical(0x05, false), 5);
	assert_int_equal(logical(0x30, false), 0x30);
	assert_int_equal(logical(0xc0, false), 0);
	assert_int_equal(logical(0x105, true), 0);
}

static void by_cluster(void **state)
{
	set_rows(VMM_APIC_IN_XAPIC);
	for (unsigned i = 0; i < N; i++) {
		rows[i].dfr = 0x0fffffff;
		rows[i].ldr = (i / 4) << 28 | 1u << (24 + i % 4);
	}
	assert_int_equal(logical(0x06, false), 6);
	assert_int_equal(logical(0x1f, false), 0x30);
	assert_int_equal(logical(0x2f, false), 0);
	assert_int_equal(logical(0xff, false), 0x3f);

	set_rows(VMM_APIC_IN_X2APIC);
	assert_int_equal(logical(0x0000000a, true), 0xa);
	assert_int_equal(logical(0x00010003, true), 0x30);
	assert_int_equal(logical(0x00020003, true), 0);
	assert_int_equal(logical(0x0c, false), 0xc); /* 8 bits reach the first cluster */
}

static void by_shorthand(void **state)
{
	set_rows(VMM_APIC_IN_X2APIC);
	struct vmm_intr msg = { .vector = 50, .shorthand = VMM_INTR_SELF };
	assert_int_equal(named(&msg, 4), 1 << 4);
	msg.shorthand = VMM_INTR_ALL;
	assert_int_equal(named(&msg, 4), 0x3f);
	msg.shorthand = VMM_INTR_OTHERS;
	assert_int_equal(named(&msg, 4), 0x2f);
}

static void lowest_priority_is_one_of_them(void **state)
{
	unsigned seen = 0;

	set_rows(VMM_APIC_IN_XAPIC);
	rows[1].enabled = false;
	for (unsigned vector = 32; vector < 64; vector++) {
		struct vmm_intr msg = { .dest = 0x0f, .vector = (uint8_t)vector, .logical = true,
					.mode = VMM_INTR_LOWEST };
		unsigned one = named(&msg, -1);
		assert_int_equal(__builtin_popcount(one), 1);
		assert_int_equal(one, named(&msg, -1)); /* the same each time */
		seen |= one;
	}
	assert_int_equal(seen, 0xd); /* all that are able, and nobody else */
	struct vmm_intr none = { .dest = 0x02, .vector = 40, .logical = true, .mode = VMM_INTR_LOWEST };
	assert_int_equal(named(&none, -1), 0);
}

static void sets_of_any_size(void **state)
{
	struct vmm_cpuset s = { { 0 } };

	assert_int_equal(vmm_cpuset_next(&s, 0), VMM_CPUSET_MAX);
	vmm_cpuset_add(&s, 0);
	vmm_cpuset_add(&s, 63);
	vmm_cpuset_add(&s, 64);
	vmm_cpuset_add(&s, 255);
	assert_int_equal(vmm_cpuset_next(&s, 1), 63);
	assert_int_equal(vmm_cpuset_next(&s, 64), 64);
	assert_int_equal(vmm_cpuset_next(&s, 65), 255);
	assert_int_equal(vmm_cpuset_next(&s, 256), VMM_CPUSET_MAX);
	assert_int_equal(vmm_cpuset_count(&s), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_identity),	cmocka_unit_test(by_flat_bits),
		cmocka_unit_test(by_cluster),	cmocka_unit_test(by_shorthand),
		cmocka_unit_test(lowest_priority_is_one_of_them),
		cmocka_unit_test(sets_of_any_size),
	};
	return cmocka_run_group_tests_name("vmm_apicmap", tests, NULL, NULL);
}
