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
void dvmd_queue_turn(struct dvmd_call *call, const uint8_t *body, size_t len);
void dvmd_queue_change(struct dvmd_call *call, const uint8_t *body, size_t len);

/* Who has used how much. */
struct dvmd_shares;
struct dvmd_shares *dvmd_queue_users(const struct dvmd *d);
struct dvmd_shares *dvmd_queue_accounts(const struct dvmd *d);
/* ns that R has run until DATE, the times it was stopped not counted. */
uint64_t dvmd_queue_ran(const Pb__JobRecord *r, uint64_t date);
/* Ranks of R and of what has been lent to it. */
uint32_t dvmd_queue_ranks(const struct dvmd_cstate *s, const Pb__JobRecord *r);
/* A run that has ended at AT (mono). */
void dvmd_queue_charge(struct dvmd *d, const char *user, const char *account, uint64_t slot_seconds,
		       uint64_t at);

/*
 * Where SPEC, which is to run now, goes: nobody who waits is passed who would be delayed. TICKET: as
 * which it has waited; 0: it has not. As dvmd_assign(); -EAGAIN: it has to wait.
 */
int dvmd_queue_place(const struct dvmd_call *call, Pb__JobSpec *spec, uint64_t ticket,
		     Pb__Placement **out, char **bindings, dvm_error_t *err);
/* Who waits as TICKET, the caller if it may, does not any more: REASON. */
void dvmd_queue_leave(const struct dvmd_call *call, uint64_t ticket, const char *reason);

/*
 * Ends what waits of the array SIG->job but its first task, which is called so itself: how many. -EPERM
 * and ERR: none.
 */
int dvmd_queue_end_tasks(const struct dvmd_call *call, const Pb__JobSignal *sig, dvm_error_t *err);
/* A signal to a job that waits: it ends the job or does nothing. Takes the call. */
void dvmd_queue_signal(struct dvmd_call *call, const Pb__JobSignal *sig);

/*
 * Calls FN with each waiting job as people want to know it: INFO is complete but for `origin` and
 * lives as long as the call. Less than 0 from FN ends it and is returned; -ENOMEM.
 */
int dvmd_queue_explain(struct dvmd *d,
		       int (*fn)(const Pb__Waiting *w, Pb__JobInfo *info, void *arg), void *arg);

#endif
