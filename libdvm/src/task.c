/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "libdvm/src/handle.h"
#include "libdvm/src/wait.h"

static void unlink_task(struct dvmi_task *t)
{
	dvm_t *d = t->d;

	if (d->next_task == t)
		d->next_task = t->next;
	if (t->prev)
		t->prev->next = t->next;
	else
		d->tasks = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->prev = t->next = NULL;
}

void dvmi_task_start(dvm_t *d, struct dvmi_task *t)
{
	t->d = d;
	t->done = false;
	t->code = 0;
	t->prev = NULL;
	t->next = d->tasks;
	if (d->tasks)
		d->tasks->prev = t;
	d->tasks = t;
	t->advance(t);
}

void dvmi_task_end(struct dvmi_task *t, int code)
{
	if (t->done)
		return;
	unlink_task(t);
	t->done = true;
	t->code = code;
}

void dvmi_task_destroy(struct dvmi_task *t)
{
	if (!t)
		return;
	dvmi_task_end(t, -ECANCELED);
	t->destroy(t);
}

/* A task that ends takes itself out, and may take others: hence the next one in the handle. */
int dvmi_tasks_advance(dvm_t *d)
{
	int n = 0;

	for (struct dvmi_task *t = d->tasks; t; t = d->next_task) {
		d->next_task = t->next;
		n += t->advance(t);
	}
	return n;
}

int dvmi_wait_task(struct dvmi_task *t)
{
	struct dvmi_wait w = { 0 };

	while (!t->done)
		dvmi_wait_round(t->d, &w);
	return t->code;
}
