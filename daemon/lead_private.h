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

/* Asks the nodes of JOB for a report. */
void dvmd_lead_want_status(struct dvmd_lead *l, uint64_t job);

/* lead_ps.c: nobody who waits for reports gets them any more. */
void dvmd_lead_ps_stop(struct dvmd_lead *l);

#endif
