/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tasks: operations of several steps that progress moves on while the caller does something else,
 * as non-blocking collectives and one-sided operations. A task is embedded in its owner's object
 * and is under the handle's lock.
 */
#ifndef DVMI_SRC_TASK_H
#define DVMI_SRC_TASK_H

#include <stdbool.h>

#include "dvm/dvm.h"

struct dvmi_task {
	/*
	 * Takes all steps that can be taken without waiting. Returns their number; the last one
	 * calls dvmi_task_end(). Called from progress: must not wait or run progress itself, may
	 * start other tasks.
	 */
	int (*advance)(struct dvmi_task *t);
	/* Frees the owner's object, done or not: what is under way is abandoned. */
	void (*destroy)(struct dvmi_task *t);
	dvm_t *d;
	struct dvmi_task *prev, *next; /* among those that are not done */
	bool done;
	int code; /* once done: 0 or negative */
};

/* T, whose two functions are set, is under way from now on. Takes its first steps. */
void dvmi_task_start(dvm_t *d, struct dvmi_task *t);
/* T is done; its owner may still look at it, advance is not called any more. */
void dvmi_task_end(struct dvmi_task *t, int code);
/* Ends T if it is not done and destroys it. NULL is accepted. */
void dvmi_task_destroy(struct dvmi_task *t);

/* Moves all tasks of D. Returns the number of steps. */
int dvmi_tasks_advance(dvm_t *d);

/* Waits until T is done and returns its code. */
int dvmi_wait_task(struct dvmi_task *t);

#endif
