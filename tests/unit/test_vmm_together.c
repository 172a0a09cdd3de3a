/* SPDX-License-Identifier: BSD-3-Clause */
/* When a guest's CPUs meet on one host and when they part, and that they do not do so all the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kvm-node/together.h"

#define S  VMM_TOGETHER_EVERY
#define MS (S / 1000)

struct play {
	struct vmm_together t;
	struct vmm_load load;
	uint64_t now;
};

static void begin(struct play *p, unsigned processors)
{
	*p = (struct play){ .now = 1000 * S };
	vmm_together_begin(&p->t, processors, p->now);
}

/* So many ms of each second, until something is to be done or the seconds are over. */
static enum vmm_together_do spend(struct play *p, unsigned busy, unsigned waited, unsigned wanted,
				  unsigned seconds)
{
	enum vmm_together_do what = VMM_TOGETHER_STAY;

	for (unsigned i = 0; i < seconds && what == VMM_TOGETHER_STAY; i++) {
		p->now += S;
		p->load.busy += busy * MS;
		p->load.waited += waited * MS;
		p->load.wanted += wanted * MS;
		what = vmm_together_look(&p->t, p->load, p->now);
	}
	if (what != VMM_TOGETHER_STAY)
		vmm_together_moved(&p->t, what == VMM_TOGETHER_MEET, p->now);
	return what;
}

static unsigned seconds_since(const struct play *p, uint64_t then)
{
	return (unsigned)((p->now - then) / S);
}

/* Two CPUs, of which each waits for 0.6 s of a second. */
static void test_they_meet(void **state)
{
	struct play p;

	begin(&p, 1);
	assert_int_equal(spend(&p, 700, 1200, 700, 60), VMM_TOGETHER_MEET);
	assert_true(p.now - 1000 * S <= 6 * S);
}

static void test_they_get_on_apart(void **state)
{
	struct play p;

	begin(&p, 1);
	assert_int_equal(spend(&p, 1600, 300, 1600, 600), VMM_TOGETHER_STAY); /* they run more than they wait */
	begin(&p, 1);
	assert_int_equal(spend(&p, 950, 1000, 950, 600), VMM_TOGETHER_STAY); /* and do as much as one host can */
	begin(&p, 1);
	assert_int_equal(spend(&p, 10, 300, 10, 600), VMM_TOGETHER_STAY); /* hardly anything is done */
	begin(&p, 1);
	assert_int_equal(spend(&p, 0, 0, 0, 600), VMM_TOGETHER_STAY);
}

/* Where the host has processors for all, more is too little than where it has one. */
static void test_processors_of_the_host(void **state)
{
	struct play p;

	begin(&p, 2);
	assert_int_equal(spend(&p, 1500, 2000, 1500, 60), VMM_TOGETHER_MEET);
	assert_int_equal(spend(&p, 1500, 0, 1500, 600), VMM_TOGETHER_STAY);
	assert_int_equal(spend(&p, 1950, 0, 3800, 600), VMM_TOGETHER_PART);
}

/* A moment's fight is none. */
static void test_a_burst(void **state)
{
	struct play p;

	begin(&p, 1);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(spend(&p, 300, 1700, 300, 1), VMM_TOGETHER_STAY);
		assert_int_equal(spend(&p, 1900, 0, 1900, 2), VMM_TOGETHER_STAY);
	}
}

/* Who always fights is apart for a small part of the time only. */
static void test_who_fights_stays_together(void **state)
{
	unsigned apart = 0, met = 0;
	struct play p;

	begin(&p, 1);
	for (const uint64_t end = p.now + 1000 * S; p.now < end;) {
		uint64_t then = p.now;
		enum vmm_together_do what =
			p.t.together ? spend(&p, 1000, 0, 2000, 1000) : spend(&p, 700, 1200, 700, 1000);
		met += what == VMM_TOGETHER_MEET;
		apart += what == VMM_TOGETHER_MEET ? seconds_since(&p, then) : 0;
	}
	assert_in_range(met, 2, 8);
	assert_in_range(apart, 1, 50);
}

/* And one that does not any more is not kept for what it did. */
static void test_it_is_forgiven(void **state)
{
	struct play p;

	begin(&p, 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(spend(&p, 700, 1200, 700, 1000), VMM_TOGETHER_MEET);
		assert_int_equal(spend(&p, 1000, 0, 2000, 1000), VMM_TOGETHER_PART);
	}
	assert_int_equal(spend(&p, 1900, 0, 1900, 2000), VMM_TOGETHER_STAY);
	assert_int_equal(spend(&p, 700, 1200, 700, 1000), VMM_TOGETHER_MEET);
	uint64_t then = p.now;
	assert_int_equal(spend(&p, 1000, 0, 2000, 1000), VMM_TOGETHER_PART);
	assert_in_range(seconds_since(&p, then), 10, 15);
}

/* Who has nothing to do is left where it is; who waits for the memory of other hosts is no better off. */
static void test_together(void **state)
{
	struct play p;

	begin(&p, 1);
	assert_int_equal(spend(&p, 700, 1200, 700, 60), VMM_TOGETHER_MEET);
	assert_int_equal(spend(&p, 100, 50, 100, 600), VMM_TOGETHER_STAY);
	assert_int_equal(spend(&p, 600, 0, 1050, 600), VMM_TOGETHER_STAY); /* others run there, too */
	assert_int_equal(spend(&p, 600, 0, 1900, 600), VMM_TOGETHER_PART);
	assert_int_equal(spend(&p, 700, 1200, 700, 60), VMM_TOGETHER_MEET);
	assert_int_equal(spend(&p, 300, 700, 300, 600), VMM_TOGETHER_PART);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_they_meet),
		cmocka_unit_test(test_they_get_on_apart),
		cmocka_unit_test(test_processors_of_the_host),
		cmocka_unit_test(test_a_burst),
		cmocka_unit_test(test_who_fights_stays_together),
		cmocka_unit_test(test_it_is_forgiven),
		cmocka_unit_test(test_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
