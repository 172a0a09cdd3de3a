/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/handle.h"
#include "tests/unit/cm.h"

struct countdown {
	struct dvmi_task task;
	int left, freed;
	struct countdown *victim; /* destroyed with the last step */
	struct countdown *next;	  /* started with it */
};

static int count(struct dvmi_task *t)
{
	struct countdown *c = (struct countdown *)t;

	if (--c->left > 0)
		return 1;
	if (c->victim)
		dvmi_task_destroy(&c->victim->task);
	if (c->next)
		dvmi_task_start(t->d, &c->next->task);
	dvmi_task_end(t, -EDOM);
	return 1;
}

static void note(struct dvmi_task *t)
{
	((struct countdown *)t)->freed++;
}

static struct countdown of(int steps)
{
	return (struct countdown){ .task = { .advance = count, .destroy = note }, .left = steps };
}

static void steps(void **state)
{
	struct dvm *d = calloc(1, sizeof *d);
	struct countdown one = of(1), two = of(2), four = of(4);

	(void)state;
	dvmi_task_start(d, &one.task);
	assert_true(one.task.done);
	assert_int_equal(one.task.code, -EDOM);
	dvmi_task_start(d, &two.task);
	dvmi_task_start(d, &four.task);
	assert_int_equal(dvmi_tasks_advance(d), 2);
	assert_true(two.task.done);
	assert_int_equal(dvmi_tasks_advance(d), 1);
	assert_int_equal(dvmi_tasks_advance(d), 1);
	assert_true(four.task.done);
	assert_int_equal(dvmi_tasks_advance(d), 0);
	assert_null(d->tasks);
	free(d);
}

/* Tasks come and go while they are gone through, also the very next one. */
static void entangled(void **state)
{
	struct dvm *d = calloc(1, sizeof *d);
	struct countdown last = of(9), killer = of(2), late = of(2);

	(void)state;
	killer.victim = &last;
	killer.next = &late;
	dvmi_task_start(d, &last.task);
	dvmi_task_start(d, &killer.task);
	dvmi_tasks_advance(d);
	assert_true(killer.task.done);
	assert_int_equal(last.freed, 1);
	assert_int_equal(last.task.code, -ECANCELED);
	assert_false(late.task.done);
	dvmi_tasks_advance(d);
	assert_true(late.task.done);
	dvmi_task_destroy(&killer.task);
	dvmi_task_destroy(&late.task);
	dvmi_task_destroy(NULL);
	assert_int_equal(killer.freed, 1);
	assert_int_equal(killer.task.code, -EDOM);
	assert_null(d->tasks);
	free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps),
		cmocka_unit_test(entangled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
