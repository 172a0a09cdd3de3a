/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A day of the queue in a moment: jobs with known run times go through dsched_decide() on a clock
 * that jumps from event to event. Pure, and the same every time. The third boundary header of
 * sched/.
 */
#ifndef DSCHED_REPLAY_H
#define DSCHED_REPLAY_H

#include "sched/dsched_queue.h"

/* A job of a trace. */
struct dsched_trace_job {
	uint64_t id;
	uint64_t submit, runtime, limit; /* ns; limit 0: none */
	struct dsched_request req;	 /* as given; names in it are borrowed */
	uint32_t user;
	uint64_t after; /* id of the job whose end it waits for; 0: none */
	/* Filled by the replay: */
	uint64_t start, end; /* DSCHED_NEVER: it could not run */
	uint64_t promised;   /* the first start that was foretold; DSCHED_NEVER: none was */
};

struct dsched_trace {
	struct dsched_trace_job *jobs;
	size_t n, cap;
	size_t left_out; /* jobs without processors or run time: cancelled before they ran */
	uint32_t max_nodes, max_procs; /* as the head of the trace says; 0: it does not */
};

/*
 * Appends what a line of the Standard Workload Format (Feitelson, version 2.2) says: 18 numbers, or
 * fewer, of which the last ones are not known, or more, which nobody knows; 5 at least. Lines that
 * begin with ';', empty ones and jobs without processors or run time give none. Requested processors
 * and time win over used ones; memory is per processor, in KiB. 1: a job; 0: none; -EINVAL: no such
 * line; -ENOMEM.
 */
int dsched_swf_line(struct dsched_trace *t, const char *line);
void dsched_trace_free(struct dsched_trace *t);

/* A stretch of time in which so many slots were in use and so many jobs waited. */
struct dsched_replay_point {
	uint64_t at;
	uint64_t used;
	size_t waiting;
};

struct dsched_replay {
	size_t decisions, started, impossible;
	size_t passed;		     /* started although an older job of no lower priority waited */
	uint64_t begin, end;	     /* first submission, last end */
	uint64_t slots;		     /* of the machine */
	uint64_t used;		     /* slot-seconds */
	uint64_t wait_sum, wait_max; /* ns */
	/* Sum over jobs of (wait + runtime) / max(runtime, 10 s), in thousandths. */
	uint64_t slowdown_sum;
	struct dsched_replay_point *points;
	size_t npoints, cap;
};

/*
 * Replays T on the idle machine SNAP under POLICY. Jobs end after their run time, or their limit if
 * that is less. 0 and *OUT (free with dsched_replay_free()); -EINVAL, -ENOMEM.
 */
int dsched_replay(struct dsched_trace *t, const struct dsched_snapshot *snap,
		  const struct dsched_policy *policy, struct dsched_replay *out);
void dsched_replay_free(struct dsched_replay *r);

#endif
