/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges of a segment: rules, then random programs whose ranges a model knows. ALLOC_SEED. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/rng.h"
#include "shm/alloc.h"
#include "tests/unit/cm.h"

enum { PAGE = 4096, RANKS = 4, TAKEN = 600 };

struct range {
	uint64_t at, len, align;
	uint32_t rank;
};

struct scene {
	void *mem;
	struct dsm_alloc a;
	uint64_t bytes;
	uint64_t pages_owner[4096]; /* by page: rank + 1 of what is small there */
	struct range taken[TAKEN];
	uint32_t n;
};

static void set_scene(struct scene *s, uint64_t pages, uint64_t unit)
{
	memset(s, 0, sizeof *s);
	s->bytes = pages * unit;
	s->mem = calloc(1, dsm_alloc_bytes(s->bytes, unit, RANKS));
	assert_non_null(s->mem);
	dsm_alloc_open(&s->a, s->mem, s->bytes, unit, RANKS);
}

static uint64_t take(struct scene *s, uint32_t rank, uint64_t bytes, uint64_t align)
{
	uint64_t at = 1;

	assert_int_equal(dsm_alloc_take(&s->a, rank, bytes, align, &at), 0);
	return at;
}

static void rules(void **state)
{
	struct scene s;
	uint64_t at;

	set_scene(&s, 64, PAGE);
	assert_int_equal(dsm_alloc_take(&s.a, 0, 0, 16, &at), -EINVAL);
	assert_int_equal(dsm_alloc_take(&s.a, 0, 1, 0, &at), -EINVAL);
	assert_int_equal(dsm_alloc_take(&s.a, 0, 1, 48, &at), -EINVAL);
	assert_int_equal(dsm_alloc_take(&s.a, RANKS, 1, 16, &at), -EINVAL);
	assert_int_equal(dsm_alloc_give(&s.a, 0), -EINVAL);
	uint64_t x = take(&s, 0, 1, 16), y = take(&s, 0, 64, 16), z = take(&s, 1, 1, 16);
	assert_int_equal(y - x, 64);
	assert_int_not_equal(x / PAGE, z / PAGE); /* another rank's */
	assert_int_not_equal(x / PAGE, take(&s, 0, 65, 16) / PAGE);
	uint64_t large = take(&s, 0, PAGE + 1, 16);
	assert_int_equal(large % PAGE, 0);
	assert_int_equal(dsm_alloc_used(&s.a), 5);
	assert_int_equal(dsm_alloc_give(&s.a, x + 1), -EINVAL);
	assert_int_equal(dsm_alloc_give(&s.a, large + PAGE), -EINVAL);
	assert_int_equal(dsm_alloc_give(&s.a, large + 64), -EINVAL);
	assert_int_equal(dsm_alloc_give(&s.a, 64 * PAGE), -EINVAL);
	assert_int_equal(dsm_alloc_give(&s.a, UINT64_MAX), -EINVAL);
	assert_int_equal(dsm_alloc_give(&s.a, x), 0);
	assert_int_equal(dsm_alloc_give(&s.a, x), -EINVAL);
	assert_int_equal(dsm_alloc_give(&s.a, large), 0);
	assert_int_equal(dsm_alloc_give(&s.a, large), -EINVAL);
	assert_true(dsm_alloc_check(&s.a));
	free(s.mem);
}

static void all_of_it(void **state)
{
	struct scene s;
	uint64_t at;

	set_scene(&s, 64, PAGE);
	assert_int_equal(dsm_alloc_take(&s.a, 0, 64 * PAGE + 1, 16, &at), -ENOMEM);
	assert_int_equal(dsm_alloc_take(&s.a, 0, UINT64_MAX, 16, &at), -ENOMEM);
	assert_int_equal(dsm_alloc_take(&s.a, 0, 1, UINT64_C(1) << 63, &at), -ENOMEM);
	for (int round = 0; round < 3; round++) {
		uint64_t all = take(&s, 0, 64 * PAGE, 16);
		assert_int_equal(all, 0);
		assert_int_equal(dsm_alloc_take(&s.a, 1, 1, 1, &at), -ENOMEM);
		assert_int_equal(dsm_alloc_give(&s.a, 0), 0);
		assert_int_equal(dsm_alloc_used(&s.a), 0);
	}
	assert_int_equal(take(&s, 0, PAGE, 32 * PAGE) % (32 * PAGE), 0);
	assert_int_equal(take(&s, 0, PAGE, 32 * PAGE) % (32 * PAGE), 0);
	assert_int_equal(dsm_alloc_take(&s.a, 0, PAGE, 32 * PAGE, &at), -ENOMEM);
	assert_int_equal(take(&s, 0, 100, 128) % 128, 0);
	assert_int_equal(take(&s, 0, 100, 2048) % 2048, 0);
	assert_int_equal(take(&s, 0, 100, PAGE) % PAGE, 0);
	free(s.mem);
}

static bool small(const struct range *r)
{
	return r->len <= 2048 && r->align <= 2048;
}

/* Nothing overlaps, nothing leaves the segment, small things of two ranks share no page. */
static void check_range(struct scene *s, const struct range *r, uint64_t page)
{
	assert_int_equal(r->at % r->align, 0);
	assert_true(r->at + r->len <= s->bytes);
	for (uint32_t i = 0; i < s->n; i++) {
		const struct range *o = &s->taken[i];
		assert_true(r->at + r->len <= o->at || o->at + o->len <= r->at);
		assert_false(r->at / 64 == (o->at + o->len - 1) / 64);
		if (r->at / page == o->at / page)
			assert_true(r->rank == o->rank && small(r) && small(o));
	}
}

static void random_program(uint64_t seed)
{
	static const uint64_t units[] = { 4096, 4096, 65536 };
	struct dvmi_rng rng;
	struct scene s;

	dvmi_rng_seed(&rng, seed);
	uint64_t unit = units[dvmi_rng_below(&rng, 3)];
	set_scene(&s, 64 + dvmi_rng_below(&rng, 900), unit);
	for (uint32_t step = 0; step < 3000; step++) {
		if (s.n < TAKEN && dvmi_rng_below(&rng, 100) < (step / 500 % 2 ? 35 : 65)) {
			struct range r = { .rank = (uint32_t)dvmi_rng_below(&rng, RANKS) };
			r.len = 1 + dvmi_rng_below(&rng, UINT64_C(1) << dvmi_rng_below(&rng, 18));
			r.align = UINT64_C(1)
				  << (dvmi_rng_below(&rng, 8) ? 4 : dvmi_rng_below(&rng, 16));
			if (dsm_alloc_take(&s.a, r.rank, r.len, r.align, &r.at) == 0) {
				check_range(&s, &r, unit);
				s.taken[s.n++] = r;
			}
		} else if (s.n) {
			uint32_t i = (uint32_t)dvmi_rng_below(&rng, s.n);
			assert_int_equal(dsm_alloc_give(&s.a, s.taken[i].at), 0);
			assert_int_equal(dsm_alloc_give(&s.a, s.taken[i].at), -EINVAL);
			s.taken[i] = s.taken[--s.n];
		}
		if (step % 50 == 0)
			assert_true(dsm_alloc_check(&s.a));
	}
	while (s.n)
		assert_int_equal(dsm_alloc_give(&s.a, s.taken[--s.n].at), 0);
	assert_int_equal(dsm_alloc_used(&s.a), 0);
	assert_int_equal(take(&s, 0, s.bytes, 16), 0); /* it is in one piece again */
	free(s.mem);
}

static void random_programs(void **state)
{
	const char *one = getenv("ALLOC_SEED");

	for (uint64_t seed = one ? strtoull(one, NULL, 10) : 1, n = one ? 1 : 40; n; n--, seed++) {
		print_message("# ALLOC_SEED=%llu\n", (unsigned long long)seed);
		random_program(seed);
	}
}

static void large_segments(void **state)
{
	/* A tebibyte: larger pages, and books that are a small part of it. */
	uint64_t bytes = UINT64_C(1) << 40;

	assert_true(dsm_alloc_bytes(bytes, PAGE, 1024) <= (UINT64_C(1) << 30));
	assert_true(dsm_alloc_bytes(UINT64_C(1) << 30, PAGE, 2) <= (UINT64_C(1) << 24));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules),
		cmocka_unit_test(all_of_it),
		cmocka_unit_test(random_programs),
		cmocka_unit_test(large_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
