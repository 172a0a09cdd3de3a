/* SPDX-License-Identifier: BSD-3-Clause */
/* What keeps a job from starting although there may be room: holds, dates, other jobs. */
#include <string.h>

#include "sched/queue_private.h"

static bool met(const struct dsched_depend *d)
{
	switch (d->after) {
	case DSCHED_AFTER_STARTED:
		return d->fate != DSCHED_F_WAITS;
	case DSCHED_AFTER_OK:
		return d->fate == DSCHED_F_OK;
	case DSCHED_AFTER_NOTOK:
		return d->fate == DSCHED_F_NOTOK;
	case DSCHED_AFTER_ANY:
		break;
	}
	return d->fate == DSCHED_F_OK || d->fate == DSCHED_F_NOTOK;
}

static bool hopeless(const struct dsched_depend *d)
{
	return !met(d) && (d->fate == DSCHED_F_OK || d->fate == DSCHED_F_NOTOK);
}

static bool depends(const struct dsched_job *j, struct dsched_answer *a)
{
	const struct dsched_depend *open = NULL;

	for (uint32_t i = 0; i < j->ndepends; i++) {
		const struct dsched_depend *d = &j->depends[i];
		if (hopeless(d)) {
			a->why = DSCHED_W_NEVER;
			a->other = d->job;
			return true;
		}
		if (!met(d) && !open)
			open = d;
	}
	if (open) {
		a->why = DSCHED_W_DEPENDS;
		a->other = open->job;
	}
	return open != NULL;
}

static const struct dsched_booking *find_booking(const struct dsched_queue *q, const char *name)
{
	for (uint32_t i = 0; i < q->nbookings; i++)
		if (strcmp(q->bookings[i].name, name) == 0)
			return &q->bookings[i];
	return NULL;
}

/* Its booking has to be there now; whether the job ends before it does is its owner's business. */
static bool booked_later(const struct dsched_queue *q, const struct dsched_job *j,
			 struct dsched_answer *a)
{
	const struct dsched_booking *b = j->booking ? find_booking(q, j->booking) : NULL;

	if (!j->booking || (b && b->start <= q->now && q->now < b->end))
		return false;
	a->why = DSCHED_W_BOOKING;
	a->start = b && b->start > q->now ? b->start : DSCHED_NEVER;
	return true;
}

bool dsched_barred(const struct dsched_queue *q, size_t i, struct dsched_answer *a)
{
	const struct dsched_job *j = &q->jobs[i];

	a->start = DSCHED_NEVER;
	if (j->held) {
		a->why = DSCHED_W_HELD;
		return true;
	}
	if (depends(j, a))
		return true;
	if (j->begin > q->now) {
		a->why = DSCHED_W_BEGIN;
		a->start = j->begin;
		return true;
	}
	return booked_later(q, j, a);
}
