/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of jobs, as the leader decides it. Pure: no sockets, clock or files.
 *
 * In go what happened (a node's report, a death, a cancel, time); out come actions for the shell
 * around it (daemon/lead.c) to carry out. State per job is one of enum dvmd_jobctl_state with the
 * transitions in one table (jobctl_move.c, and doc/design/0007-jobs.md).
 */
#ifndef DVMD_JOBCTL_H
#define DVMD_JOBCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libdvm/proto/pb.h"

struct dvmd_jobctl; /* incomplete */

struct dvmd_jobctl_config {
	uint64_t kill_grace;	 /* ns from TERM to KILL */
	uint64_t launch_timeout; /* ns from submission to all ranks running */
	uint64_t end_timeout;	 /* ns after KILL until a silent share is given up */
	uint64_t notice_after;	 /* ns of waiting after which the user hears for what */
};

enum dvmd_jobctl_do {
	DVMD_DO_CHANGE,	 /* propose `change` to the log */
	DVMD_DO_KILL,	 /* broadcast `kill` to the job's nodes */
	DVMD_DO_EVENT,	 /* tell the origin `event` */
	DVMD_DO_LOST,	 /* broadcast `lost` to the job's nodes */
	DVMD_DO_RELEASE, /* broadcast that the job is over; after it the engine knows it no more */
};

/* One action; the members beside `what` and `job` that it does not name are NULL. */
struct dvmd_jobctl_action {
	enum dvmd_jobctl_do what;
	uint64_t job;
	Pb__JobChange *change;
	Pb__JobSignal *kill;
	Pb__JobEvent *event;
	Pb__RanksState *lost;
};

int dvmd_jobctl_create(struct dvmd_jobctl **out, const struct dvmd_jobctl_config *config);
void dvmd_jobctl_destroy(struct dvmd_jobctl *c);

/*
 * A job that was logged. RECORD is borrowed for the call. One that was spawned ends with its parent,
 * unless the record says that it outlives it: at once where the parent is ended, after a moment where
 * the parent has ended by itself; or, where it shares one fate with its parent, when one of them
 * fails, and not when one ends well. With RECOVERED the leader has restarted
 * and knows nothing of its shares: their reports will come, or are asked for.
 */
int dvmd_jobctl_add(struct dvmd_jobctl *c, const Pb__JobRecord *record, bool recovered,
		    uint64_t now);
/* Before that restart it had run for RAN ns, which its time limit counts. */
void dvmd_jobctl_has_run(struct dvmd_jobctl *c, uint64_t job, uint64_t ran, uint64_t now);
/* SPEC has a new time limit for it, which counts from its start. */
void dvmd_jobctl_limit(struct dvmd_jobctl *c, uint64_t job, const Pb__JobSpec *spec, uint64_t now);
/* Its ranks are stopped, and its time limit stands still; or they go on. */
void dvmd_jobctl_stopped(struct dvmd_jobctl *c, uint64_t job, bool stopped, uint64_t now);

/* A share's report. Old serial numbers and unknown nodes are ignored. -ENOENT: job not known. */
int dvmd_jobctl_status(struct dvmd_jobctl *c, const Pb__JobStatus *status, uint64_t now);

/* The launch did not reach NODE: it answered with an error, or not at all. */
void dvmd_jobctl_launch_failed(struct dvmd_jobctl *c, uint64_t job, uint32_t node, int code,
			       const char *text, uint64_t now);

/* NODE is dead or has left. NAME is for messages. */
void dvmd_jobctl_node_down(struct dvmd_jobctl *c, uint32_t node, const char *name, uint64_t now);

/* A grace period: the configured one. */
#define DVMD_JOBCTL_GRACE UINT64_MAX

/*
 * Ends a job: SIGNAL (0: none) and REASON become its exit code 128 + SIGNAL and its reason. GRACE
 * ns lie between TERM and KILL; 0 kills at once. Again on an ending job: only 0 has an effect.
 * -ENOENT: not known (any more).
 */
int dvmd_jobctl_end(struct dvmd_jobctl *c, uint64_t job, int signal, const char *reason,
		    uint64_t grace, uint64_t now);

/*
 * Ends a job that is to wait again in the queue, as whoever asks (HOW) has it. -ENOENT; -EBUSY: it
 * ends already.
 */
int dvmd_jobctl_again(struct dvmd_jobctl *c, uint64_t job, Pb__JobHow how, const char *reason,
		      uint64_t now);

/* The job is lent and wanted for OTHER: unless it has left in GRACE ns, it is ended. */
void dvmd_jobctl_leave(struct dvmd_jobctl *c, uint64_t job, uint64_t other, uint64_t grace,
		       uint64_t now);

/* Deadlines: call at next_deadline(), or any time. UINT64_MAX: none. */
void dvmd_jobctl_tick(struct dvmd_jobctl *c, uint64_t now);
uint64_t dvmd_jobctl_next_deadline(const struct dvmd_jobctl *c);

/* The next action, or false. The caller frees what it holds with dvmd_jobctl_action_free(). */
bool dvmd_jobctl_next(struct dvmd_jobctl *c, struct dvmd_jobctl_action *out);
void dvmd_jobctl_action_free(struct dvmd_jobctl_action *a);

/* The last report of NODE's share, for `dvm ps`; NULL when there is none. */
const Pb__JobStatus *dvmd_jobctl_share(const struct dvmd_jobctl *c, uint64_t job, uint32_t node);

/* Queues a STARTED event again, for a client that has come back. */
void dvmd_jobctl_reannounce(struct dvmd_jobctl *c, uint64_t job);

size_t dvmd_jobctl_count(const struct dvmd_jobctl *c);

#endif
