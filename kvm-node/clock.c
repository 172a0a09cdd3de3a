/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <x86intrin.h>

#include "libdvm/base/clock.h"

#define PVCLOCK_TSC_STABLE 1u
#define PAGE_ENABLED	   1u

_Static_assert(sizeof(struct vmm_pvclock_page) == 32, "the guest's ABI");
_Static_assert(sizeof(struct vmm_pvclock_wall) == 12, "the guest's ABI");

/* What other threads read meanwhile, who tell other hosts the time or look whether it has changed. */
static void publish(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

void vmm_clock_start(struct vmm_clock *c, uint32_t tsc_khz, bool invariant)
{
	c->tsc_khz = tsc_khz;
	c->wall_at_start = dvmi_clock_wall();
	c->invariant = invariant;
	publish(&c->paused_at, 0);
	publish(&c->offset, -__rdtsc());
	__atomic_store_n(&c->changes, 0, __ATOMIC_RELEASE);
}

void vmm_clock_pause(struct vmm_clock *c)
{
	publish(&c->paused_at, __rdtsc());
}

void vmm_clock_resume(struct vmm_clock *c)
{
	__atomic_fetch_sub(&c->offset, __rdtsc() - c->paused_at, __ATOMIC_RELEASE);
	vmm_clock_go_on(c);
}

void vmm_clock_go_on(struct vmm_clock *c)
{
	publish(&c->paused_at, 0);
}

void vmm_clock_adjust(struct vmm_clock *c, int64_t delta)
{
	__atomic_fetch_add(&c->offset, (uint64_t)delta, __ATOMIC_RELEASE);
	__atomic_fetch_add(&c->changes, 1, __ATOMIC_RELEASE);
}

uint32_t vmm_clock_changes(const struct vmm_clock *c)
{
	return __atomic_load_n(&c->changes, __ATOMIC_ACQUIRE);
}

uint64_t vmm_clock_offset(const struct vmm_clock *c)
{
	return __atomic_load_n(&c->offset, __ATOMIC_ACQUIRE);
}

uint64_t vmm_clock_tsc(const struct vmm_clock *c)
{
	uint64_t paused_at = __atomic_load_n(&c->paused_at, __ATOMIC_ACQUIRE);

	return (paused_at ? paused_at : __rdtsc()) + vmm_clock_offset(c);
}

void vmm_clock_now(const struct vmm_clock *c, struct vmm_lapic_time *t)
{
	/* In this order: a deadline computed from them is never early. */
	t->tsc = vmm_clock_tsc(c);
	t->now = dvmi_clock_mono();
	t->tsc_khz = c->tsc_khz;
}

uint64_t vmm_clock_ns(const struct vmm_clock *c, uint64_t tsc)
{
	return (uint64_t)((unsigned __int128)tsc * 1000000 / c->tsc_khz);
}

/* ns = ((ticks << shift) * mul) >> 32, with MUL in [2^31, 2^32) for precision. */
void vmm_pvclock_scale(uint32_t tsc_khz, uint32_t *mul, int8_t *shift)
{
	uint64_t hz = (uint64_t)tsc_khz * 1000, ns = UINT64_C(1000000000);

	*shift = 0;
	while (hz > ns * 2) {
		hz >>= 1;
		--*shift;
	}
	while (hz <= ns) {
		hz <<= 1;
		++*shift;
	}
	*mul = (uint32_t)((ns << 32) / hz);
}

int vmm_clock_write_page(const struct vmm_clock *c, const struct vmm_mem *m, uint64_t value)
{
	uint64_t gpa = value & ~(uint64_t)PAGE_ENABLED;
	struct vmm_pvclock_page page = {
		.version = 2, /* even: complete */
		.flags = c->invariant ? PVCLOCK_TSC_STABLE : 0,
	};

	if (!(value & PAGE_ENABLED))
		return 0;
	vmm_pvclock_scale(c->tsc_khz, &page.tsc_to_system_mul, &page.tsc_shift);
	return vmm_mem_write(m, gpa, &page, sizeof page);
}

int vmm_clock_write_wall(const struct vmm_clock *c, const struct vmm_mem *m, uint64_t value)
{
	struct vmm_pvclock_wall wall = {
		.version = 2,
		.sec = (uint32_t)(c->wall_at_start / DVMI_SEC),
		.nsec = (uint32_t)(c->wall_at_start % DVMI_SEC),
	};

	return vmm_mem_write(m, value, &wall, sizeof wall);
}
