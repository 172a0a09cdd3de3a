/* SPDX-License-Identifier: BSD-3-Clause */
/* A clock that is set little by little: it gets there, it goes on, and in no step does it go back. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "kvm-node/clock.h"

#define PATIENCE_MS 20000

static void test_arrives(void **state)
{
	for (int64_t delta = -1000000; delta <= 1000000; delta += 400000) {
		struct vmm_slew s = { .offset = 77, .from = 5 };

		vmm_slew_by(&s, 1000, delta, 1000);
		assert_int_equal(vmm_slew_at(&s, 1000), 77);
		assert_int_equal(vmm_slew_at(&s, 999), 77);
		assert_int_equal(vmm_slew_at(&s, UINT64_C(1) << 40), 77 + delta);
	}
}

/* No faster than a 2048th, and no faster than asked for. */
static void test_slowly(void **state)
{
	struct vmm_slew s = { 0 };

	vmm_slew_by(&s, 0, 1000, 1);
	assert_int_equal(vmm_slew_at(&s, 2048 * 500), 500);
	vmm_slew_by(&s, 2048 * 500, -1000, 10000000);
	assert_int_equal(vmm_slew_at(&s, 2048 * 500 + 5000000), 0);
}

/* One adjustment takes the place of another that is half done. */
static void test_anew(void **state)
{
	struct vmm_slew s = { 0 };

	vmm_slew_by(&s, 0, 2000, 1);
	vmm_slew_by(&s, 2048 * 1000, -300, 1);
	assert_int_equal(vmm_slew_at(&s, 2048 * 1000), 1000);
	assert_int_equal(vmm_slew_at(&s, 2048 * 1300), 700);
	assert_int_equal(vmm_slew_at(&s, 2048 * 9000), 700);
}

static void test_never_back(void **state)
{
	struct vmm_slew s = { .offset = (uint64_t)-5000000 };
	uint64_t last = 0;

	srand(3);
	for (uint64_t now = 5000000; now < 200000000; now += (uint64_t)(rand() % 3000)) {
		if (rand() % 100 == 0)
			vmm_slew_by(&s, now, rand() % 100000 - 50000, (uint64_t)(rand() % 1000000));
		uint64_t tsc = now + vmm_slew_at(&s, now);
		assert_true(tsc >= last);
		last = tsc;
	}
}

/* What cannot be is bounded, too. */
static void test_far_off(void **state)
{
	struct vmm_slew s = { 0 };

	vmm_slew_by(&s, 0, INT64_MIN, 1);
	assert_int_equal(vmm_slew_at(&s, 0), 0);
	assert_true((int64_t)vmm_slew_at(&s, 1000) <= 0);
	vmm_slew_by(&s, 0, INT64_MAX, UINT64_MAX >> 1);
	assert_int_equal(vmm_slew_at(&s, 0), 0);
}

/* ---- the clock, which is read while it is changed ---- */

struct shared {
	struct vmm_clock clock;
	_Atomic bool end;
};

static void *control(void *arg)
{
	struct shared *s = arg;

	for (unsigned i = 0; i < 20000; i++) {
		vmm_clock_pause(&s->clock);
		vmm_clock_resume(&s->clock);
	}
	s->end = true;
	return NULL;
}

static void *adjust(void *arg)
{
	struct shared *s = arg;

	for (unsigned i = 0; !s->end; i++)
		vmm_clock_adjust(&s->clock, i % 2 ? 300 : -300);
	return NULL;
}

static void test_read_meanwhile(void **state)
{
	static struct shared s;
	pthread_t threads[2];
	uint64_t last = 0;

	vmm_clock_start(&s.clock, 2000000, true);
	assert_int_equal(pthread_create(&threads[0], NULL, control, &s), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, adjust, &s), 0);
	while (!s.end) {
		uint64_t tsc = vmm_clock_tsc(&s.clock);
		/* Another processor's counter may be a little behind. */
		assert_true((int64_t)(tsc - last) > -100000);
		last = tsc;
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

/* ---- a writer that has lost the processor ---- */

struct waiting {
	struct vmm_clock clock;
	_Atomic int tid;
};

static void *read_clock(void *arg)
{
	struct waiting *w = arg;

	w->tid = gettid();
	(void)vmm_clock_tsc(&w->clock);
	return NULL;
}

/* How often a thread has given its processor away. */
static unsigned sleeps_of(int tid)
{
	char path[64], line[128];
	unsigned n = 0;

	snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		(void)sscanf(line, "voluntary_ctxt_switches: %u", &n);
	if (f)
		fclose(f);
	return n;
}

/* It may wait for this very processor. */
static void test_writer_may_go_on(void **state)
{
	static struct waiting w;
	pthread_t reader;

	vmm_clock_start(&w.clock, 2000000, true);
	w.clock.sequence++;
	assert_int_equal(pthread_create(&reader, NULL, read_clock, &w), 0);
	for (int ms = 0; ms < PATIENCE_MS && (!w.tid || sleeps_of(w.tid) < 10); ms += 10)
		poll(NULL, 0, 10);
	unsigned sleeps = sleeps_of(w.tid);
	w.clock.sequence++;
	pthread_join(reader, NULL);
	assert_true(sleeps >= 10);
}

static void test_set(void **state)
{
	struct vmm_clock c = { 0 };

	vmm_clock_start(&c, 2000000, true);
	uint64_t was = vmm_clock_offset(&c);
	vmm_clock_set(&c, -123456);
	assert_int_equal(vmm_clock_offset(&c), was - 123456);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arrives),	   cmocka_unit_test(test_slowly),
		cmocka_unit_test(test_anew),	   cmocka_unit_test(test_never_back),
		cmocka_unit_test(test_far_off),	   cmocka_unit_test(test_read_meanwhile),
		cmocka_unit_test(test_writer_may_go_on),
		cmocka_unit_test(test_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
