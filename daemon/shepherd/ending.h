/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ending a job by force, step by step: TERM, after the grace period KILL, and when something still
 * has not gone some seconds later it is stuck in the kernel: name it and go on. Pure.
 */
#ifndef SHEP_ENDING_H
#define SHEP_ENDING_H

#include <stdint.h>

enum shep_ending_step {
	SHEP_ENDING_NOT = 0,
	SHEP_ENDING_TERM,
	SHEP_ENDING_KILL,
	SHEP_ENDING_STUCK,
};

struct shep_ending {
	enum shep_ending_step step; /* the last one taken */
	uint64_t next;		    /* when the next one is due */
	uint64_t stuck_after;	    /* ns from KILL on; set by the owner */
};

/*
 * An order to end, with GRACE ns between TERM and KILL. A later order may shorten the time, never
 * lengthen it. Returns the step to take now, or SHEP_ENDING_NOT.
 */
enum shep_ending_step shep_ending_order(struct shep_ending *e, uint64_t now, uint64_t grace);

/* The step that has become due, or SHEP_ENDING_NOT. */
enum shep_ending_step shep_ending_tick(struct shep_ending *e, uint64_t now);

/* When to tick again; UINT64_MAX: never. */
uint64_t shep_ending_next(const struct shep_ending *e);

#endif
