/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>
#include <x86intrin.h>

#include "libdvm/base/clock.h"

#define PVCLOCK_TSC_STABLE 1u
#define PAGE_ENABLED	   1u

_Static_assert(sizeof(struct vmm_pvclock_page) == 32, "the guest's ABI");
_Static_assert(sizeof(struct vmm_pvclock_wall) == 12, "the guest's ABI");

#define SPINS	 300u /* of some tens of nanoseconds each */
#define LEAST_MS 128u /* ms that a small adjustment takes, about as long as until the next one */

/* ---- reading and changing; words one by one, so that no half of one is ever seen ---- */

#define WORDS (sizeof(struct vmm_clock_now) / sizeof(uint64_t))
_Static_assert(sizeof(struct vmm_clock_now) % sizeof(uint64_t) == 0, "it is copied by words");

/* Neither may pass what was said of the sequence before, or is asked after. */
static void copy_words(uint64_t *to, const uint64_t *from)
{
	for (size_t i = 0; i < WORDS; i++)
		__atomic_store_n(&to[i], __atomic_load_n(&from[i], __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
}

/*
 * Who changes something has it for some instructions; for longer only where its thread has lost the
 * processor, perhaps to the very one that waits, as the service thread comes first.
 */
static void wait_a_little(unsigned *spins)
{
	if (++*spins < SPINS)
		_mm_pause();
	else
		nanosleep(&(struct timespec){ .tv_nsec = 1000 }, NULL);
}

static uint64_t host_time(const struct vmm_clock_now *is)
{
	return is->paused_at ? is->paused_at : __rdtsc();
}

/* As it was at *HOST_TSC, a moment ago. */
static struct vmm_clock_now now_of(const struct vmm_clock *c, uint64_t *host_tsc)
{
	struct vmm_clock_now is;
	uint32_t seen;
	unsigned spins = 0;

	do {
		while ((seen = atomic_load_explicit(&c->sequence, memory_order_acquire)) & 1)
			wait_a_little(&spins);
		copy_words((uint64_t *)&is, (const uint64_t *)&c->is);
		*host_tsc = host_time(&is);
	} while (atomic_load_explicit(&c->sequence, memory_order_relaxed) != seen);
	return is;
}

/* It is this one's to change until end(). */
static struct vmm_clock_now begin(struct vmm_clock *c)
{
	uint32_t seen = atomic_load(&c->sequence) & ~1u;
	unsigned spins = 0;

	while (!atomic_compare_exchange_weak(&c->sequence, &seen, seen + 1)) {
		wait_a_little(&spins);
		seen &= ~1u;
	}
	return c->is;
}

static void end(struct vmm_clock *c, const struct vmm_clock_now *is)
{
	copy_words((uint64_t *)&c->is, (const uint64_t *)is);
	atomic_fetch_add_explicit(&c->sequence, 1, memory_order_release);
}

/* ---- */

void vmm_clock_start(struct vmm_clock *c, uint32_t tsc_khz, bool invariant)
{
	uint64_t wall = dvmi_clock_wall();
	struct vmm_clock_now is = begin(c);

	c->tsc_khz = tsc_khz;
	c->wall_at_start = wall;
	c->invariant = invariant;
	is = (struct vmm_clock_now){ .offset.offset = -__rdtsc() };
	end(c, &is);
}

void vmm_clock_pause(struct vmm_clock *c)
{
	struct vmm_clock_now is = begin(c);

	is.paused_at = __rdtsc();
	end(c, &is);
}

void vmm_clock_resume(struct vmm_clock *c)
{
	struct vmm_clock_now is = begin(c);
	uint64_t paused = __rdtsc() - is.paused_at;

	is.offset.offset -= paused;
	is.offset.from += paused;
	is.paused_at = 0;
	end(c, &is);
}

void vmm_clock_set(struct vmm_clock *c, int64_t delta)
{
	struct vmm_clock_now is = begin(c);
	uint64_t offset = vmm_slew_at(&is.offset, host_time(&is)) + (uint64_t)delta;

	is.offset = (struct vmm_slew){ .offset = offset };
	end(c, &is);
}

void vmm_clock_adjust(struct vmm_clock *c, int64_t delta)
{
	struct vmm_clock_now is = begin(c);

	vmm_slew_by(&is.offset, host_time(&is), delta, (uint64_t)c->tsc_khz * LEAST_MS);
	end(c, &is);
}

uint64_t vmm_clock_offset(const struct vmm_clock *c)
{
	uint64_t now;
	const struct vmm_clock_now is = now_of(c, &now);

	return vmm_slew_at(&is.offset, now);
}

uint64_t vmm_clock_tsc(const struct vmm_clock *c)
{
	uint64_t now;
	const struct vmm_clock_now is = now_of(c, &now);

	return now + vmm_slew_at(&is.offset, now);
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
