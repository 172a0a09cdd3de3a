/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the queue share. */
#ifndef DVMD_QUEUE_PRIVATE_H
#define DVMD_QUEUE_PRIVATE_H

#include "daemon/queue.h"
#include "daemon/queue_view.h"
#include "daemon/shares.h"

#define DVMD_QUEUE_NEVER_CODE 1 /* exit code of a job that can never run */

struct dvmd_ticket; /* queue_run.c */

struct dvmd_queue {
	struct dvmd *d;
	uv_timer_t timer;
	struct dvmd_shares users, accounts;
	struct dvmd_ticket *tickets;
	uint64_t offered; /* mono, when jobs were last told that they may grow */
};

int dvmd_queue_propose(struct dvmd *d, Pb__Command *cmd, dvm_error_t *err);
/* Job ID leaves the queue without having run. */
int dvmd_queue_end(struct dvmd *d, uint64_t id, int code, const char *reason, dvm_error_t *err);
/* So long from now, as a date of the state. */
uint64_t dvmd_queue_date(const struct dvmd *d, uint64_t delay);
/* Enters W under the next id. */
int dvmd_queue_enter(struct dvmd *d, Pb__Waiting *w, dvm_error_t *err);
/* May the caller touch what W or R belongs to? 0, -EPERM. */
int dvmd_queue_permitted(const struct dvmd_call *call, uint64_t job, const Pb__JobSpec *spec,
			 dvm_error_t *err);
/* Refuses what this machine could not run with all of its nodes up, and what the caller may not. */
int dvmd_queue_check(const struct dvmd_call *call, const Pb__JobSpec *spec, dvm_error_t *err);

/* queue_run.c: clients that wait for their turn. */
void dvmd_queue_tickets_told(struct dvmd_queue *q, struct dvmd_queue_view *v);
void dvmd_queue_tickets_check(struct dvmd_queue *q);
bool dvmd_queue_tickets_any(const struct dvmd_queue *q);
void dvmd_queue_tickets_free(struct dvmd_queue *q);

/* queue_lend.c: jobs that grow while nobody waits. */
bool dvmd_queue_lends(const struct dvmd_queue *q);
void dvmd_queue_offer(struct dvmd_queue *q, const struct dvmd_queue_view *v);
/* SPEC is growth of the caller's job: where it goes. As dvmd_queue_place(); -EBUSY: not now. */
int dvmd_queue_place_lent(const struct dvmd_call *call, Pb__JobSpec *spec, Pb__Placement **out,
			  char **bindings, dvm_error_t *err);
/* queue_run.c: SPEC as if it waited, as ID; it does not wait yet where WAITS is false. */
struct dvmd_queue_want {
	Pb__JobSpec *spec;
	uint64_t id;
	bool waits;
	bool lent; /* only if nobody waits for room */
};
int dvmd_queue_place_in(struct dvmd *d, const struct dvmd_queue_want *want, Pb__Placement **out,
			char **bindings, dvm_error_t *err);
void dvmd_queue_sleep(struct dvmd_queue *q, uint64_t ns);

/* queue_act.c: what a decision does to jobs that run. Whether something has changed. */
void dvmd_queue_push_out(struct dvmd_queue *q, struct dvmd_queue_view *v);
bool dvmd_queue_resume(struct dvmd_queue *q);

#endif
