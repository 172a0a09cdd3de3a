/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/drift.h"

#include "kvm-node/slew.h"

#define LATE	   4  /* a trip of so many times the best one says nothing */
#define LOSES	   16 /* times in a row that all that may be done was too little */

static int64_t clamp(int64_t v, uint64_t most)
{
	int64_t m = most > INT64_MAX ? INT64_MAX : (int64_t)most;

	return v > m ? m : v < -m ? -m : v;
}

static void take(struct vmm_drift *d, uint64_t trip, int64_t ahead)
{
	if (!d->n++ || trip < d->trip) {
		d->trip = trip;
		d->ahead = ahead;
	}
}

/* Where MOST is too little for a difference of OFF: whether that grows all the same. */
static void note_loss(struct vmm_drift *d, uint64_t off, uint64_t most)
{
	if (off / 2 <= most) {
		d->worst = 0;
		d->losing = 0;
	} else if (off > d->worst) {
		d->worst = off;
		d->lost = ++d->losing == LOSES;
	}
}

bool vmm_drift_answer(struct vmm_drift *d, uint64_t asked, uint64_t theirs, uint64_t back,
		      int64_t *delta)
{
	uint64_t trip = back - asked;

	d->lost = false;
	if (back < asked)
		return false; /* the clock was set meanwhile */
	take(d, trip, (int64_t)(theirs - (asked + trip / 2)));
	if (d->n < VMM_DRIFT_SAMPLES)
		return false;
	d->n = 0;
	/* The way may have become longer for good. */
	d->best = !d->best || d->trip < d->best ? d->trip : d->best + d->best / 64 + 1;
	uint64_t since = d->corrected && back > d->corrected ? back - d->corrected : 0;
	d->corrected = back;
	*delta = 0;
	uint64_t off = d->ahead < 0 ? -(uint64_t)d->ahead : (uint64_t)d->ahead;
	if (d->trip > d->best * LATE || off <= d->trip / 8)
		return true;
	note_loss(d, off, since >> VMM_SLEW_SHIFT);
	*delta = clamp(d->ahead / 2, since >> VMM_SLEW_SHIFT);
	return true;
}
