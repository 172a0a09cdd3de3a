/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accounting at the leading node: each run of a job becomes a row of history.db in the state
 * directory, and `dvm history` asks for them. Files are touched by a thread of its own, so that a
 * slow disk holds nobody up; one that is full costs rows, and never jobs.
 */
#ifndef DVMD_HISTORY_H
#define DVMD_HISTORY_H

#include "daemon/call.h"

struct dvmd_history; /* incomplete */

int dvmd_history_create(struct dvmd_history **out, struct dvmd *d);
void dvmd_history_destroy(struct dvmd_history *h);

/* A new machine: the history of one that was here before is put aside. */
void dvmd_history_begin(struct dvmd *d);
/* This node leads: what ended last and may not have been written is. */
void dvmd_history_recover(struct dvmd *d);
/* A command was applied here. */
void dvmd_history_applied(struct dvmd *d, const Pb__Command *cmd);
/* R has ended, at WALL; for what leaves no record behind. */
void dvmd_history_add(struct dvmd *d, const Pb__JobRecord *r, const Pb__JobChange *end,
		      uint64_t wall);

/* A client's HistoryRequest (call.c's table); takes the call. */
void dvmd_history_serve(struct dvmd_call *call, const uint8_t *body, size_t len);

#endif
