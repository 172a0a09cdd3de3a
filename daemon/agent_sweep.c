/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes and directories that jobs leave on this node. */
#include <stdlib.h>

#include <utlist.h>

#include "daemon/agent_private.h"

#define SWEEP_MS     50
#define SWEEP_PASSES 100 /* 5 s; what survives that hangs in the kernel */

struct dvmd_leftover {
	struct dvmd_leftover *next;
	uint64_t job;
	unsigned passes;
};

struct dvmd_place dvmd_agent_place(const struct dvmd_agent *a, uint64_t job)
{
	return (struct dvmd_place){ .run_dir = a->d->setup.run_dir,
				    .machine = a->d->setup.machine,
				    .node = a->d->self,
				    .job = job };
}

static bool sweep_pass(struct dvmd_agent *a, struct dvmd_leftover *l)
{
	const struct dvmd_place place = dvmd_agent_place(a, l->job);
	int n = dvmd_sweep_job(&place);

	if (n > 0 && ++l->passes < SWEEP_PASSES)
		return false;
	if (n > 0)
		dvmi_log(&a->d->log, "job", LOG_ERR, "job %llu: %d processes cannot be killed",
			 (unsigned long long)l->job, n);
	return true;
}

static void on_sweeper(uv_timer_t *t)
{
	struct dvmd_agent *a = t->data;
	struct dvmd_leftover *l, *tmp;

	LL_FOREACH_SAFE(a->leftovers, l, tmp) {
		if (!sweep_pass(a, l))
			continue;
		LL_DELETE(a->leftovers, l);
		free(l);
	}
	if (!a->leftovers)
		uv_timer_stop(t);
}

void dvmd_agent_clean_up(struct dvmd_agent *a, uint64_t job)
{
	struct dvmd_leftover *l = calloc(1, sizeof *l);

	if (!l)
		return;
	l->job = job;
	if (sweep_pass(a, l)) {
		free(l);
		return;
	}
	LL_PREPEND(a->leftovers, l);
	uv_timer_start(&a->sweeper, on_sweeper, SWEEP_MS, SWEEP_MS);
}

void dvmd_agent_forget_leftovers(struct dvmd_agent *a)
{
	struct dvmd_leftover *l, *tmp;

	LL_FOREACH_SAFE(a->leftovers, l, tmp)
		free(l);
}
