/* SPDX-License-Identifier: BSD-3-Clause */
/* Who runs makes room for one that waits: of a lower tier, or what it was only lent. */
#include <errno.h>
#include <stdlib.h>

#include "sched/decide_private.h"

static int push_out(struct decider *x, size_t i, const size_t *runs, size_t n)
{
	struct dsched_decision *d = x->d;
	struct dsched_victim *v = reallocarray(d->victims, d->nvictims + n + 1, sizeof *v);

	if (!v)
		return -ENOMEM;
	d->victims = v;
	for (size_t k = 0; k < n; k++) {
		v[d->nvictims++] = (struct dsched_victim){ runs[k], x->q->jobs[i].id };
		x->leaving[runs[k]] = true;
	}
	return 0;
}

/* Somebody who is not lent has to go, or goes. */
static bool pushes(const struct decider *x)
{
	for (size_t i = 0; i < x->q->nruns; i++)
		if (x->leaving[i] && !dsched_run_is_lent(&x->q->runs[i]))
			return true;
	return false;
}

/* Of what is lent the first ones in the queue may ask, of others those of a higher tier. */
static bool may_ask(const struct decider *x, const struct dsched_job *j)
{
	return (x->q->policy->preempt && j->tier) || (x->nlent && dsched_decider_more_dates(x));
}

int dsched_decider_preempt(struct decider *x, size_t i)
{
	const struct dsched_job *j = &x->q->jobs[i];
	struct dsched_reason reason;
	struct dsched_use *uses = NULL;
	size_t *runs = NULL, n, nuses;

	if (!may_ask(x, j))
		return 0;
	dsched_timeline_look(&x->line, &x->scratch, x->q->now, dsched_until(x->q->now, j->limit),
			     j->booking);
	int rc = dsched_preempt(x->q, &x->snap, j, &x->scratch, x->leaving, &runs, &n);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = dsched_fit_uses(&x->snap, &x->scratch, j->req, &uses, &nuses, &reason);
	if (rc == 0)
		rc = push_out(x, i, runs, n);
	free(runs);
	if (rc < 0) {
		free(uses);
		return rc;
	}
	x->d->answers[i].why = pushes(x) ? DSCHED_W_PREEMPTS : DSCHED_W_SHRINKS;
	x->d->answers[i].start = x->q->now + SOON;
	for (size_t k = 0; k < nuses; k++)
		dsched_outlook_charge(&x->near, &uses[k]);
	rc = dsched_decider_plan(x, j, uses, nuses, x->q->now + SOON);
	return rc < 0 ? rc : 1;
}
