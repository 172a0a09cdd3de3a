/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Schedules: what one rank does in a collective, as a list of rounds. The messages of a round are
 * all under way at the same time; when they are done its local steps follow, in their order, and
 * then the next round. Building a schedule moves nothing, so that all ranks' schedules can be
 * looked at, or executed against each other, in one process. Messages between two ranks are
 * matched in the order in which their schedules name them.
 *
 * A builder that finds no memory notes it in RC and goes on: steps are dropped, scratch memory is
 * NULL. Whoever executes the schedule looks at RC once.
 */
#ifndef DVMI_SRC_COLL_SCHED_H
#define DVMI_SRC_COLL_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DVMI_SCHED_STEPS   20  /* without an allocation */
#define DVMI_SCHED_SCRATCH 512 /* bytes, likewise */

enum dvmi_step_kind {
	DVMI_STEP_SEND = 1,
	DVMI_STEP_RECV,
	DVMI_STEP_COPY,	  /* out = a; both may be the same place */
	DVMI_STEP_REDUCE, /* out = a OP b; len counts elements; out may be a or b */
};

struct dvmi_step {
	uint8_t kind;
	bool last; /* of its round */
	uint32_t peer;
	size_t len; /* bytes */
	const uint8_t *a, *b;
	uint8_t *out;
};

struct dvmi_scratch;

struct dvmi_sched {
	int rc;
	uint32_t nsteps, cap;
	uint32_t nmsgs, nmsgs_max; /* messages of the last round so far, of the largest round */
	struct dvmi_step *steps;
	size_t used; /* of own_scratch */
	struct dvmi_scratch *scratch;
	struct dvmi_step own_steps[DVMI_SCHED_STEPS];
	_Alignas(16) uint8_t own_scratch[DVMI_SCHED_SCRATCH];
};

void dvmi_sched_init(struct dvmi_sched *s);
void dvmi_sched_fini(struct dvmi_sched *s);

void dvmi_sched_send(struct dvmi_sched *s, uint32_t peer, const void *buf, size_t len);
void dvmi_sched_recv(struct dvmi_sched *s, uint32_t peer, void *buf, size_t len);
/* Nothing when LEN is 0 or both are the same place. */
void dvmi_sched_copy(struct dvmi_sched *s, void *out, const void *in, size_t len);
/* Nothing when N is 0. */
void dvmi_sched_reduce(struct dvmi_sched *s, void *out, const void *a, const void *b, size_t n);
/* What follows belongs to the next round. Nothing when the round is empty. */
void dvmi_sched_round(struct dvmi_sched *s);

/* BYTES of memory that lives as long as the schedule, for any type; NULL without memory. */
void *dvmi_sched_tmp(struct dvmi_sched *s, size_t bytes);

#endif
