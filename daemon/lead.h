/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs at the leading node: places and launches them and carries out what the engine (jobctl.h)
 * decides about them. Present on every node, idle where the node does not lead.
 */
#ifndef DVMD_LEAD_H
#define DVMD_LEAD_H

#include "daemon/call.h"

struct dvmd_lead; /* incomplete */

int dvmd_lead_create(struct dvmd_lead **out, struct dvmd *d);
void dvmd_lead_destroy(struct dvmd_lead *l);

/* Takes up the jobs of before our restart. Once, when the node is ready. */
void dvmd_lead_recover(struct dvmd_lead *l);

/* Requests of clients (call.c's table); each takes the call. */
void dvmd_lead_run(struct dvmd_call *call, const uint8_t *body, size_t len);
void dvmd_lead_attach(struct dvmd_call *call, const uint8_t *body, size_t len);
void dvmd_lead_signal(struct dvmd_call *call, const uint8_t *body, size_t len);
/* What a client asks for between TERM and KILL, within reason. */
uint64_t dvmd_lead_grace(const Pb__JobSignal *req);
void dvmd_lead_ps(struct dvmd_call *call, const uint8_t *body, size_t len);

/*
 * Whether a client may have SPEC run, completed by who asks. 0, or -E… and ERR.
 */
int dvmd_lead_admit(const struct dvmd_call *call, Pb__JobSpec *spec, dvm_error_t *err);

/*
 * Where SPEC is to be the only one of its name: -EEXIST and ERR if another of that name has not ended,
 * or waits for longer than ID does. Asked when it begins to wait and when it starts: whoever looked
 * before has looked too early.
 */
int dvmd_lead_check_sole(const struct dvmd *d, const Pb__JobSpec *spec, uint64_t id, dvm_error_t *err);

/*
 * Job ID, which is new or waits, starts as placed: first it is logged, then, once that is durable,
 * launched. What S borrows stays the caller's.
 */
struct dvmd_start {
	uint64_t id;
	uint32_t origin;
	Pb__JobSpec *spec;
	Pb__Placement *placement;
	uint64_t key; /* filled in by log() */
};
int dvmd_lead_log(struct dvmd_lead *l, struct dvmd_start *s, dvm_error_t *err);
void dvmd_lead_launch(struct dvmd_lead *l, const struct dvmd_start *s);

/*
 * What the queue does to running jobs: end one (HOW, REASON), after which it waits again or not; give it
 * another time limit (0: none); stop its ranks or let them go on. 0 or -E….
 */
int dvmd_lead_end(struct dvmd_lead *l, uint64_t job, Pb__JobHow how, bool again, const char *reason);
int dvmd_lead_limit(struct dvmd_lead *l, uint64_t job, uint64_t limit, dvm_error_t *err);
int dvmd_lead_suspend(struct dvmd_lead *l, uint64_t job, Pb__Suspended how, dvm_error_t *err);
/* Growth JOB is asked to leave for OTHER; if it has not in time, it is ended. */
int dvmd_lead_leave(struct dvmd_lead *l, uint64_t job, uint64_t other, dvm_error_t *err);

/* A share's report, from this or another node. */
void dvmd_lead_status(struct dvmd_lead *l, const Pb__JobStatus *status);

/* NODE is dead: its shares are lost. */
void dvmd_lead_node_down(struct dvmd_lead *l, uint32_t node);

/* NODE's daemon has begun a new life: it is asked for the shares that the old one had. */
void dvmd_lead_node_restarted(struct dvmd_lead *l, uint32_t node);

/* Ends every job, for a halt. */
void dvmd_lead_end_all(struct dvmd_lead *l, const char *reason);

/* Jobs that are not over. */
size_t dvmd_lead_jobs(const struct dvmd_lead *l);

#endif
