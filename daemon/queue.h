/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queue at the leading node: takes jobs in, lets sched/ decide whenever something has changed,
 * and carries that out. What waits is in the cluster state; here is nothing that a restart loses.
 */
#ifndef DVMD_QUEUE_H
#define DVMD_QUEUE_H

#include "daemon/call.h"

struct dvmd_queue; /* incomplete */

int dvmd_queue_create(struct dvmd_queue **out, struct dvmd *d);
void dvmd_queue_destroy(struct dvmd_queue *q);

/* Something has changed that may let a job start: decides soon, once for many changes. */
void dvmd_queue_kick(struct dvmd *d);
/* A command was applied here. */
void dvmd_queue_applied(struct dvmd *d, const Pb__Command *cmd);

/* Requests of clients (call.c's table); each takes the call. */
void dvmd_queue_submit(struct dvmd_call *call, const uint8_t *body, size_t len);
void dvmd_queue_change(struct dvmd_call *call, const uint8_t *body, size_t len);

/* A signal to a job that waits: it ends the job or does nothing. Takes the call. */
void dvmd_queue_signal(struct dvmd_call *call, const Pb__JobSignal *sig);

/*
 * Calls FN with each waiting job as people want to know it: INFO is complete but for `origin` and
 * lives as long as the call. Less than 0 from FN ends it and is returned; -ENOMEM.
 */
int dvmd_queue_explain(struct dvmd *d,
		       int (*fn)(const Pb__Waiting *w, Pb__JobInfo *info, void *arg), void *arg);

#endif
