/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of lead.h share. */
#ifndef DVMD_LEAD_PRIVATE_H
#define DVMD_LEAD_PRIVATE_H

#include "daemon/jobctl.h"
#include "daemon/lead.h"

/* A change that the log would not take (a full disk): it is offered again. */
struct unlogged {
	struct unlogged *next;
	Pb__JobChange *change;
};

struct dvmd_lead {
	struct dvmd *d;
	struct dvmd_jobctl *jobs;
	uv_timer_t timer, retry, turn;
	int handles;
	struct unlogged *unlogged;
	struct ps_wait *ps;
};

#define DVMD_LEAD_CAST_TIMEOUT (10 * DVMI_SEC)

/* lead_act.c: what the engine has decided is carried out when this turn of the loop ends. */
void dvmd_lead_act(struct dvmd_lead *l);
/* Forgets the changes that the log has not taken. */
void dvmd_lead_act_stop(struct dvmd_lead *l);

/* Ids of JOB's nodes, N of them, for the caller to free; with UP_ONLY without the dead ones. */
uint32_t *dvmd_lead_job_nodes(struct dvmd_lead *l, uint64_t job, bool up_only, size_t *n);

/* MSG to JOB's nodes that are up; to the node whose client holds it. */
void dvmd_lead_cast(struct dvmd_lead *l, uint64_t job, uint16_t type, const void *msg);
void dvmd_lead_tell_origin(struct dvmd_lead *l, uint64_t job, const Pb__JobEvent *event);

/* Asks the nodes of JOB for a report. */
void dvmd_lead_want_status(struct dvmd_lead *l, uint64_t job);

/* lead_ps.c: nobody who waits for reports gets them any more. */
void dvmd_lead_ps_stop(struct dvmd_lead *l);

#endif
