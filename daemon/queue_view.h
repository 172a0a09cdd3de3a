/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster state as the queue of sched/ sees it, and what that has decided. */
#ifndef DVMD_QUEUE_VIEW_H
#define DVMD_QUEUE_VIEW_H

#include "daemon/assign.h"
#include "sched/dsched_queue.h"

struct dvmd_elastic {
	uint64_t job;
	uint32_t ranks; /* it has, what it has grown by counted */
	uint32_t said;	/* it has been told that it may have */
	struct dsched_request req;
};

struct dvmd_queue_view {
	struct dvmd_snapshot nodes;
	struct dsched_snapshot snap;
	struct dsched_policy policy;
	struct dsched_run *runs;
	struct dsched_use **uses; /* of each run */
	size_t nruns, runs_cap;
	const Pb__Waiting **waiting; /* borrowed from the state */
	struct dsched_job *jobs;     /* one for each, as all below */
	struct dsched_request *reqs;
	struct dsched_host **hosts;
	struct dsched_depend **depends;
	size_t njobs;
	struct dsched_booking *bookings;
	uint32_t **booked; /* their nodes */
	uint32_t nbookings;
	struct dvmd_elastic *elastic; /* jobs that may grow now */
	struct dsched_elastic *elastics; /* the same for the decision */
	size_t nelastics;
	struct dsched_share *users, *accounts;
	struct dsched_queue queue;
	struct dsched_decision decision;
	uint64_t now, date, wall; /* the same moment: monotonic, of the state, as people read it */
};

/* Takes the state as it is and decides. -ENOMEM; free V also then. */
int dvmd_queue_view_make(struct dvmd_queue_view *v, struct dvmd *d);
/* The same as if W waited as well: its answer is the last one. */
int dvmd_queue_view_with(struct dvmd_queue_view *v, struct dvmd *d, const Pb__Waiting *w);
/* When a job is expected to start, as people read it; 0: nobody knows. */
uint64_t dvmd_queue_expected(const struct dvmd_queue_view *v, const struct dsched_answer *a);
void dvmd_queue_view_free(struct dvmd_queue_view *v);

#endif
