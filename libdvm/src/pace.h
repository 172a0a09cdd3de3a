/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which of two ways of moving long messages is the faster one, as measured while they are used.
 * Which one it is depends on where the scheduler has put the two ranks, and changes while they
 * run; so the loser is tried again now and then, the less often the more often it has lost.
 *
 * Pure: no clock, no memory of its own.
 */
#ifndef DVMI_SRC_PACE_H
#define DVMI_SRC_PACE_H

#include <stdint.h>

enum dvmi_way {
	DVMI_WAY_STREAM, /* packets through the transport */
	DVMI_WAY_COPY,	 /* straight from memory to memory */
	DVMI_WAYS,
};

/* All zero: nothing is known. */
struct dvmi_pace {
	uint32_t rate[DVMI_WAYS];  /* bytes per us, smoothed; 0 unknown */
	uint32_t tries[DVMI_WAYS]; /* while it is unknown */
	uint32_t left;		   /* messages until the loser is tried */
	uint32_t interval;
	uint32_t seen; /* rate of the winner when the loser was last tried */
};

/* The way of the next message. */
enum dvmi_way dvmi_pace_choose(struct dvmi_pace *p);
/* BYTES that went WAY took NS. */
void dvmi_pace_sample(struct dvmi_pace *p, enum dvmi_way way, uint64_t bytes, uint64_t ns);

#endif
