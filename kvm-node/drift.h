/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two clocks kept in step by asking: which of the answers to believe, and what to do about them.
 * Pure; times are in ticks of the guest's TSC.
 *
 * An answer cannot be older than the question nor younger than its own arrival, so with a round trip
 * of R ticks the difference is known to R / 2; of a number of answers the one with the shortest way
 * counts. Small differences are no news. What is corrected goes slowly, so that a clock which is
 * ahead is only made slower: it is never further back than where it was at the question before. So a
 * rate that is off by more than that much cannot be followed, which shows by a difference that grows.
 */
#ifndef VMM_DRIFT_H
#define VMM_DRIFT_H

#include <stdbool.h>
#include <stdint.h>

#define VMM_DRIFT_SAMPLES 8u

struct vmm_drift {
	unsigned n;		/* answers since the last verdict */
	uint64_t trip;		/* the shortest of them */
	int64_t ahead;		/* what it said: theirs - ours */
	uint64_t best;		/* the shortest trip for long; grows slowly */
	uint64_t corrected;	/* our time at the last verdict */
	uint64_t worst;		/* the greatest difference since all was done that may be done at a time */
	unsigned losing;	/* times that it has grown */
	bool lost;		/* at the last answer: so often that it is not followed any more; once */
};

/*
 * Asked at ASKED, answered with THEIRS, back at BACK. True after enough answers: then the clock is to
 * be set forward by *DELTA, which may be 0 or less.
 */
bool vmm_drift_answer(struct vmm_drift *d, uint64_t asked, uint64_t theirs, uint64_t back,
		      int64_t *delta);

#endif
