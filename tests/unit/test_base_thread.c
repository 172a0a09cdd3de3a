/* SPDX-License-Identifier: BSD-3-Clause */
/* A thread that goes first does so alone, or is told that it may not. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libdvm/base/thread.h"

struct seen {
	int rc, policy, child;
};

static void *policy_of(void *arg)
{
	*(int *)arg = sched_getscheduler(0);
	return NULL;
}

static void *go_first(void *arg)
{
	struct seen *s = arg;
	pthread_t child;

	s->rc = dvmi_thread_go_first();
	policy_of(&s->policy);
	if (pthread_create(&child, NULL, policy_of, &s->child) == 0)
		pthread_join(child, NULL);
	return NULL;
}

static void test_alone(void **state)
{
	struct seen s = { .rc = 1, .policy = -1, .child = -1 };
	int before = sched_getscheduler(0);
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, go_first, &s), 0);
	pthread_join(thread, NULL);
	assert_true(s.rc == 0 || s.rc == -EPERM);
	assert_int_equal(s.policy, s.rc == 0 ? SCHED_RR | SCHED_RESET_ON_FORK : before);
	assert_int_equal(s.child, before & ~SCHED_RESET_ON_FORK);
	assert_int_equal(sched_getscheduler(0), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
