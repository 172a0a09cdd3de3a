/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which of two ways of moving long messages is the faster one, as measured while they are used.
 * Which one it is depends on where the scheduler has put the two ranks, and changes while they
 * run; so the loser is tried again now and then, the less often the more often it has lost, and a
 * few messages in a row: one among others of the other way says little about either.
 *
 * What is smoothed is time, not speed: of two messages that end at almost the same time the second
 * one would be infinitely fast.
 *
 * Pure: no clock, no memory of its own.
 */
#ifndef DVMI_SRC_PACE_H
#define DVMI_SRC_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum dvmi_way {
	DVMI_WAY_STREAM, /* packets through the transport */
	DVMI_WAY_COPY,	 /* straight from memory to memory */
	DVMI_WAYS,
};

/* All zero: nothing is known. */
struct dvmi_pace {
	uint32_t cost[DVMI_WAYS];  /* ns for DVMI_PACE_UNIT bytes, smoothed; 0 unknown */
	uint32_t tries[DVMI_WAYS]; /* while it is unknown */
	uint32_t left;		   /* messages until the loser is tried, or its run has to end */
	uint32_t wanted;	   /* samples until its run ends; 0 it is not tried now */
	enum dvmi_way loser;	   /* while it is tried */
	uint32_t interval;
	uint32_t seen; /* cost of the winner when the loser was last tried */
};

#define DVMI_PACE_UNIT 65536u

/* The way of the next message. */
enum dvmi_way dvmi_pace_choose(struct dvmi_pace *p);
/* BYTES that went WAY took NS, and nothing went another way meanwhile. */
void dvmi_pace_sample(struct dvmi_pace *p, enum dvmi_way way, uint64_t bytes, uint64_t ns);

#endif
