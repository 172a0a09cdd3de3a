/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "kvm-node/workers.h"
#include "tests/unit/cm.h"

enum { MOST = 3, MANY = 200 };

struct task {
	struct vmm_task t;
	pthread_barrier_t *meet; /* or NULL */
	_Atomic unsigned *done;
};

static void run(struct vmm_task *t)
{
	struct task *task = (struct task *)t;

	if (task->meet)
		pthread_barrier_wait(task->meet);
	atomic_fetch_add(task->done, 1);
}

static struct vmm_workers *open_workers(void)
{
	struct vmm_workers *w;

	assert_int_equal(vmm_workers_create(&w, "tester", MOST), 0);
	return w;
}

/* Each of them waits for the others: one thread could not do it. */
static void what_blocks_does_not_keep_others_waiting(void **state)
{
	struct vmm_workers *w = open_workers();
	struct task tasks[MOST];
	_Atomic unsigned done = 0;
	pthread_barrier_t meet;

	pthread_barrier_init(&meet, NULL, MOST);
	for (int i = 0; i < MOST; i++) {
		tasks[i] = (struct task){ { run, NULL }, &meet, &done };
		assert_int_equal(vmm_workers_do(w, &tasks[i].t), 0);
	}
	vmm_workers_destroy(w);
	assert_int_equal(done, MOST);
	pthread_barrier_destroy(&meet);
}

static void more_than_there_are_threads_is_done_before_the_end(void **state)
{
	struct vmm_workers *w = open_workers();
	struct task *tasks = calloc(MANY, sizeof *tasks);
	_Atomic unsigned done = 0;

	assert_non_null(tasks);
	for (int i = 0; i < MANY; i++) {
		tasks[i] = (struct task){ { run, NULL }, NULL, &done };
		assert_int_equal(vmm_workers_do(w, &tasks[i].t), 0);
	}
	vmm_workers_destroy(w);
	assert_int_equal(done, MANY);
	free(tasks);
}

static void nothing_to_do(void **state)
{
	vmm_workers_destroy(open_workers());
	vmm_workers_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_blocks_does_not_keep_others_waiting),
		cmocka_unit_test(more_than_there_are_threads_is_done_before_the_end),
		cmocka_unit_test(nothing_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
