/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine as a job would find it that starts now, for as long as it may run: at its fullest. One
 * outlook serves all jobs that end before anything planned begins, a few more all others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/grow.h"
#include "sched/decide_private.h"

int dsched_decider_add_date(struct decider *x, uint64_t at)
{
	size_t i = x->ndates;

	if (dvmi_grow(&x->dates, x->ndates, &x->dates_cap, sizeof *x->dates) < 0)
		return -ENOMEM;
	for (; i > 0 && x->dates[i - 1] > at; i--)
		x->dates[i] = x->dates[i - 1];
	x->dates[i] = at;
	x->ndates++;
	memset(x->valid, 0, sizeof x->valid);
	return 0;
}

static size_t dates_before(const struct decider *x, uint64_t until)
{
	size_t n = 0;

	while (n < x->ndates && x->dates[n] < until)
		n++;
	return n;
}

/* How far to look for a job that is still there at DATES dates (1 or more). */
static unsigned reach(size_t dates)
{
	unsigned i = 0;

	while (i < REACHES - 1 && (size_t)1 << i < dates)
		i++;
	return i;
}

static int make_far(struct decider *x, unsigned i)
{
	size_t dates = i == REACHES - 1 ? x->ndates : (size_t)1 << i;
	uint64_t until = dates < x->ndates ? x->dates[dates] : DSCHED_NEVER;

	if (!x->far[i].nodes)
		x->far[i].nodes = calloc(x->snap.nnodes + 1, sizeof *x->nodes);
	if (!x->far[i].nodes)
		return -ENOMEM;
	dsched_timeline_look(&x->line, &x->far[i], x->q->now, until, NULL);
	x->valid[i] = true;
	return 0;
}

struct dsched_outlook *dsched_decider_outlook(struct decider *x, const struct dsched_job *j,
					      size_t *dates)
{
	uint64_t until = dsched_until(x->q->now, j->limit);

	*dates = dates_before(x, until);
	if (j->booking) {
		dsched_timeline_look(&x->line, &x->scratch, x->q->now, until, j->booking);
		return &x->scratch;
	}
	if (!*dates)
		return &x->near;
	unsigned i = reach(*dates);
	return x->valid[i] || make_far(x, i) == 0 ? &x->far[i] : NULL;
}

void dsched_decider_charge(struct decider *x, const struct dsched_use *use)
{
	dsched_outlook_charge(&x->near, use);
	for (unsigned i = 0; i < REACHES; i++)
		if (x->valid[i])
			dsched_outlook_charge(&x->far[i], use);
}
