/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting. Spin while every local rank can have a core of its own; else spin for a moment, give
 * the core away a while, and sleep on descriptors when it takes long. Under the handle's lock,
 * which is released in between.
 */
#ifndef DVMI_SRC_WAIT_H
#define DVMI_SRC_WAIT_H

#include "libdvm/src/handle.h"

struct dvmi_wait {
	uint32_t idle;	/* rounds without news */
	uint64_t since; /* of the first of them, ns; 0 not looked yet */
	uint64_t asked; /* when the shepherd's socket was looked at */
};

/* One round: progress, and backing off when there was none. Returns the number of events. */
int dvmi_wait_round(dvm_t *d, struct dvmi_wait *w);

/* Waits until OP is done and returns its code. */
int dvmi_wait_op(dvm_t *d, struct dvmi_op *op);

/* Progress for a call that does not wait, kind to others when it is called in a loop. */
void dvmi_poll(dvm_t *d);

#endif
