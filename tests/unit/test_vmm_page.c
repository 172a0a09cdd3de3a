/* SPDX-License-Identifier: BSD-3-Clause */
/* A vCPU that waits for pages: when it is made to look up, and that it is in the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kvm-node/vcpu.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

/* ---- the world: time, and what the vCPU's thread is told ---- */

static uint64_t now, ran;
static bool kicked;

uint64_t __wrap_dvmi_clock_mono(void);
uint64_t __wrap_dvmi_clock_mono(void)
{
	return now;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	*t = (struct timespec){ (time_t)(ran / 1000000000), (long)(ran % 1000000000) };
	return 0;
}

void __wrap_vmm_vcpu_set_timer(struct vmm_vcpu *v, uint64_t at);
void __wrap_vmm_vcpu_set_timer(struct vmm_vcpu *v, uint64_t at)
{
	v->timer_at = at;
}

void __wrap_vmm_vcpu_kick(struct vmm_vcpu *v);
void __wrap_vmm_vcpu_kick(struct vmm_vcpu *v)
{
	kicked = true;
}

static struct kvm_run run;
static struct vmm_vcpu vcpu;

static struct vmm_vcpu *in_guest(void)
{
	now = 1000 * MS;
	ran = 0;
	kicked = false;
	vcpu = (struct vmm_vcpu){ .run = &run, .where = VMM_IN_GUEST };
	vcpu.page.waits = vcpu.page.sample = VMM_NO_PAGE;
	vcpu.page.count = 1; /* this one is no sample */
	pthread_mutex_init(&vcpu.lock, NULL);
	return &vcpu;
}

static bool is_due(const struct vmm_vcpu *v)
{
	return kicked || (v->timer_at && v->timer_at <= now);
}

/* It waits for a page, and runs on for a while. True: it has left the guest in that. */
static bool misses(struct vmm_vcpu *v, uint64_t page, uint64_t wait, uint64_t on)
{
	vmm_vcpu_page_wait(v, page);
	now += wait;
	vmm_vcpu_page_came(v, page);
	now += on;
	ran += on / 4;
	return is_due(v);
}

/* It leaves the guest, and enters again. True: an interrupt may go with it. */
static bool looks(struct vmm_vcpu *v)
{
	kicked = false;
	v->timer_at = 0;
	(void)vmm_vcpu_page_back(v, true);
	return !vmm_vcpu_page_owed(v);
}

/* ---- tests ---- */

static void test_waiting_is_not_disturbed(void **state)
{
	struct vmm_vcpu *v = in_guest();

	v->timer_at = now + 4 * MS;
	vmm_vcpu_page_wait(v, 7);
	assert_int_equal(v->timer_at, 0);
	now += 10 * MS;
	vmm_vcpu_page_came(v, 7);
	assert_false(is_due(v));
	now += 300 * US;
	assert_true(is_due(v)); /* the moment is over */
}

/* Nobody has wanted it: its timer is as it was. */
static void test_timer_is_kept(void **state)
{
	struct vmm_vcpu *v = in_guest();
	uint64_t at = v->timer_at = now + 4 * MS;

	assert_false(misses(v, 7, 300 * US, 100 * US));
	assert_int_equal(v->timer_at, at);
}

/*
 * A loop over memory that is elsewhere misses its next page before the moment is over, again and again.
 * Its ticks and what others want of it are put off, but not for ever.
 */
static void test_one_page_after_another(void **state)
{
	struct vmm_vcpu *v = in_guest();
	uint64_t began = now, last = now, longest = 0;
	unsigned taken = 0;

	v->timer_at = now + 4 * MS;
	for (uint64_t page = 0; now < began + 10000 * MS; page++) {
		if (!misses(v, page, 300 * US, 100 * US) || !looks(v))
			continue;
		taken++;
		longest = now - last > longest ? now - last : longest;
		last = now;
		v->timer_at = now + 4 * MS;
	}
	assert_true(taken > 10);
	assert_true(longest < 60 * MS);
	assert_true(now - last < 60 * MS);
}

/* Where a page takes longer than that, what comes after a few is not disturbed before its moment. */
static void test_slow_pages(void **state)
{
	struct vmm_vcpu *v = in_guest();

	v->page.tries = 1; /* no samples */
	v->timer_at = now + 4 * MS;
	for (uint64_t page = 0; page < 10; page++)
		assert_false(misses(v, page, 100 * MS, 100 * US));
}

static void test_kick_in_between(void **state)
{
	struct vmm_vcpu *v = in_guest();
	uint64_t began = now;

	v->page.tries = 1; /* it has been let in without one */
	vmm_vcpu_page_wait(v, 1);
	vmm_vcpu_page_kick(v);
	vmm_vcpu_page_came(v, 1);
	for (uint64_t page = 2; now < began + 10000 * MS; page++)
		if (misses(v, page, 300 * US, 100 * US) && looks(v))
			break;
	assert_true(now < began + 1000 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waiting_is_not_disturbed),
		cmocka_unit_test(test_timer_is_kept),
		cmocka_unit_test(test_one_page_after_another),
		cmocka_unit_test(test_slow_pages),
		cmocka_unit_test(test_kick_in_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
