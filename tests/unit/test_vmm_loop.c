/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread of device back ends: calls, descriptors, timers, an orderly end. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kvm-node/loop.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"

struct scene {
	struct vmm_loop *l;
	struct vmm_watch *w;
	struct vmm_timer *t;
	int in, out; /* eventfds: watched by the loop, and rung by it */
	uint64_t deadline, late;
	pthread_t who;
	int order[4], n;
};

static void ring(int fd)
{
	const uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof one), 8);
}

static void wait_for(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	uint64_t n;

	assert_int_equal(poll(&p, 1, 20000), 1);
	assert_int_equal(read(fd, &n, sizeof n), 8);
}

static void note_first(void *arg)
{
	struct scene *s = arg;

	s->order[s->n++] = 1;
	s->who = pthread_self();
}

static void note_second(void *arg)
{
	struct scene *s = arg;

	s->order[s->n++] = 2;
}

static void on_in(void *arg, int events)
{
	struct scene *s = arg;
	uint64_t n;

	assert_int_equal(events, UV_READABLE);
	assert_int_equal(read(s->in, &n, sizeof n), 8);
	ring(s->out);
}

static void on_time(void *arg)
{
	struct scene *s = arg;

	s->late = dvmi_clock_mono() - s->deadline;
	ring(s->out);
}

static void set_timer(void *arg)
{
	struct scene *s = arg;

	s->deadline = dvmi_clock_mono() + 5 * DVMI_MSEC;
	assert_int_equal(vmm_timer_set(s->t, s->deadline), 0);
}

static void a_thread_of_its_own(void **state)
{
	struct scene s = { .in = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
			   .out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };

	assert_int_equal(vmm_loop_create(&s.l, "test"), 0);
	assert_int_equal(vmm_watch_open(&s.w, s.l, s.in, UV_READABLE, on_in, &s), 0);
	assert_int_equal(vmm_timer_open(&s.t, s.l, on_time, &s), 0);
	assert_int_equal(vmm_loop_start(s.l), 0);

	assert_int_equal(vmm_loop_call(s.l, note_first, &s), 0);
	assert_int_equal(vmm_loop_call_wait(s.l, note_second, &s), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.order[0], 1);
	assert_int_equal(s.order[1], 2);
	assert_false(pthread_equal(s.who, pthread_self()));

	ring(s.in);
	wait_for(s.out);
	assert_int_equal(vmm_loop_call(s.l, set_timer, &s), 0);
	wait_for(s.out);
	assert_true((int64_t)s.late >= 0); /* never early */
	vmm_loop_stop(s.l);
	vmm_loop_stop(s.l);
	vmm_watch_close(s.w);
	vmm_loop_destroy(s.l); /* the timer is left to it */
	close(s.in);
	close(s.out);
}

static void never_started(void **state)
{
	struct scene s = { 0 };

	assert_int_equal(vmm_loop_create(&s.l, "a name that is too long for a thread"), 0);
	assert_int_equal(vmm_loop_call(s.l, note_first, &s), 0);
	assert_int_equal(vmm_loop_call_wait(s.l, note_second, &s), 0); /* at once, here */
	assert_int_equal(s.n, 1);
	vmm_loop_stop(s.l);
	vmm_loop_destroy(s.l);
	vmm_loop_stop(NULL);
	vmm_loop_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_of_its_own),
		cmocka_unit_test(never_started),
	};
	return cmocka_run_group_tests_name("vmm_loop", tests, NULL, NULL);
}
