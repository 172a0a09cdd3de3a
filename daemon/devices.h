/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of a node's generic resources a job has: numbers from 0, each with one job at a time. */
#ifndef DVMD_DEVICES_H
#define DVMD_DEVICES_H

#include "daemon/dvmd.h"
#include "sched/dsched.h"

/* Gives each node of P the lowest free numbers of what REQ asks for. -ENOMEM; -EAGAIN: too few. */
int dvmd_devices_assign(const struct dvmd *d, const struct dsched_snapshot *snap,
			const struct dsched_request *req, Pb__Placement *p);
/* Nobody who runs has one of those of R, which is stopped. */
bool dvmd_devices_are_free(const struct dvmd *d, const Pb__JobRecord *r);

#endif
