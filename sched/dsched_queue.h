/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queue: which waiting jobs start now, and why each of the others waits. The second boundary
 * header of sched/; doc/design/0019-queue.md has the rules.
 *
 * Pure like the rest of sched/: everything that matters goes in, time included, and the same input
 * gives the same decision. Nothing is remembered between two decisions.
 *
 * Times are nanoseconds of whatever monotonic clock the caller uses. A job without a time limit
 * counts as one of DSCHED_LONG, so that everything that is planned has a date.
 */
#ifndef DSCHED_QUEUE_H
#define DSCHED_QUEUE_H

#include "sched/dsched.h"

#define DSCHED_NEVER UINT64_MAX
#define DSCHED_LONG  (UINT64_C(365) * 24 * 3600 * 1000000000)

/* ---- what runs, and what is set apart ---- */

/* What a running job or a reservation takes of a node. */
struct dsched_use {
	uint32_t node; /* index in the snapshot */
	uint32_t slots;
	uint64_t mem;	/* bytes */
	bool exclusive; /* nobody else may be there */
	uint32_t gres[DSCHED_GRES_MAX];
};

enum dsched_preempt {
	DSCHED_PREEMPT_NO = 0,
	DSCHED_PREEMPT_CANCEL,
	DSCHED_PREEMPT_REQUEUE,
	DSCHED_PREEMPT_SUSPEND,
	DSCHED_PREEMPT_LEAVE, /* it is lent: whoever waits, of whatever tier, may have its room */
};

struct dsched_run {
	uint64_t id;
	uint64_t start, end;	       /* end: at the latest; DSCHED_NEVER: no limit */
	const struct dsched_use *uses; /* borrowed; the snapshot counts them already */
	uint32_t nuses;
	uint64_t array;		     /* array it is a task of; 0: none */
	uint32_t tier;		     /* jobs of a higher tier may push it out */
	enum dsched_preempt preempt; /* what is done to it then */
	bool leaving; /* it has been told to go: count on its end, choose it no more */
};

/* A running job that may grow while nobody waits for room. */
struct dsched_elastic {
	const struct dsched_request *req; /* of more ranks, at most req->ranks (1 or more); borrowed */
	uint32_t extra; /* by which it has grown already: who has less comes first */
	uint64_t until; /* what it grows by ends then at the latest; DSCHED_NEVER: no limit */
};

/* Nodes that are set apart from START to END for the jobs that name them. */
struct dsched_booking {
	const char *name;
	uint64_t start, end;
	const uint32_t *nodes; /* indexes in the snapshot; borrowed */
	uint32_t nnodes;
};

/* ---- what waits ---- */

enum dsched_after {
	DSCHED_AFTER_ANY = 0,
	DSCHED_AFTER_OK,
	DSCHED_AFTER_NOTOK,
	DSCHED_AFTER_STARTED
};
enum dsched_fate { DSCHED_F_WAITS = 0, DSCHED_F_RUNS, DSCHED_F_OK, DSCHED_F_NOTOK };

struct dsched_depend {
	uint64_t job;
	enum dsched_after after;
	enum dsched_fate fate; /* of that job now; one that nobody knows any more counts as OK */
};

struct dsched_job {
	uint64_t id;
	const struct dsched_request *req; /* borrowed */
	uint64_t submitted;
	uint64_t begin;		/* not before; 0: at once */
	uint64_t limit;		/* of its run time; 0: none */
	int32_t priority;	/* asked for: -1000 … 1000 */
	uint32_t user, account; /* indexes of the shares */
	uint32_t tier;
	bool held;
	const struct dsched_depend *depends; /* all must be met; borrowed */
	uint32_t ndepends;
	uint64_t array;	     /* 0: none */
	uint32_t array_max;  /* tasks of the array that may run at a time; 0: all */
	const char *booking; /* NULL: none */
};

/* ---- the rules ---- */

enum dsched_order {
	DSCHED_FIFO = 0,     /* strictly in order: nobody passes a job that waits */
	DSCHED_EASY,	     /* whoever does not delay the first one that waits may pass */
	DSCHED_CONSERVATIVE, /* whoever delays none of the first `depth` that wait may pass; on big
			      * machines fewer get dates, so that a decision stays quick */
};

/* Use in the past, already decayed, and what somebody is entitled to. */
struct dsched_share {
	uint64_t used;	 /* slot-seconds */
	uint32_t shares; /* 0: one */
};

struct dsched_policy {
	size_t size;
	enum dsched_order order;
	uint32_t depth; /* jobs that get a date; 0: 1 for EASY, 50 for CONSERVATIVE */
	/* Weights of the parts of a priority, each of which is between 0 and 1. */
	uint32_t w_age, w_size, w_fair;
	uint32_t w_asked;  /* of what the job asked for, between -1 and 1 */
	uint64_t age_full; /* waiting for so long counts as 1; 0: a week */
	bool preempt;
};

struct dsched_queue {
	size_t size;
	uint64_t now;
	const struct dsched_snapshot *snap;
	const struct dsched_run *runs;
	size_t nruns;
	const struct dsched_job *jobs;
	size_t njobs;
	const struct dsched_booking *bookings;
	uint32_t nbookings;
	const struct dsched_share *users, *accounts;
	uint32_t nusers, naccounts;
	const struct dsched_policy *policy;
	const struct dsched_elastic *elastics;
	size_t nelastics;
};

/* ---- decisions ---- */

enum dsched_why {
	DSCHED_STARTS = 0,
	DSCHED_W_RESOURCES, /* `reason` has what lacks */
	DSCHED_W_PRIORITY,  /* it would fit, but `other` comes first */
	DSCHED_W_HELD,
	DSCHED_W_BEGIN,	     /* its time has not come */
	DSCHED_W_DEPENDS,    /* on `other` */
	DSCHED_W_NEVER,	     /* on `other`, which has ended the wrong way */
	DSCHED_W_ARRAY,	     /* as many tasks of its array run as may */
	DSCHED_W_BOOKING,    /* of its name, there is none (any more), or it has not begun */
	DSCHED_W_PREEMPTS,   /* running jobs have been told to make room */
	DSCHED_W_SHRINKS,    /* the same of what is lent only */
	DSCHED_W_IMPOSSIBLE, /* `reason`: not even on the idle machine */
	DSCHED_WHYS
};

struct dsched_answer {
	enum dsched_why why;
	uint64_t start;	  /* expected; now for STARTS, DSCHED_NEVER: nobody knows */
	uint64_t other;	  /* a job */
	int64_t priority; /* the higher, the sooner */
	struct dsched_placement placement; /* of STARTS */
	struct dsched_reason *reason;	   /* owned; of RESOURCES and IMPOSSIBLE, may be NULL */
};

/* A running job that is to make room. */
struct dsched_victim {
	size_t run; /* index of it */
	uint64_t for_job;
};

struct dsched_decision {
	struct dsched_answer *answers; /* one a job, in the order of the queue's jobs */
	size_t n;
	struct dsched_victim *victims;
	size_t nvictims;
	uint32_t *rooms; /* ranks that each elastic job may grow by now */
	uint64_t wake; /* decide again then, though nothing else happens; DSCHED_NEVER: no need */
};

/*
 * Decides. 0 and *OUT filled (free with dsched_decision_free()); -EINVAL for an index out of range
 * or a struct of another version; -ENOMEM. Jobs start in the order of their priorities (equal ones:
 * of submission, then of id); together they fit.
 */
int dsched_decide(const struct dsched_queue *q, struct dsched_decision *out);
void dsched_decision_free(struct dsched_decision *d);

/* Appends why job I waits, or that it starts, as one line for a person, without newline or NUL. */
void dsched_why_text(const struct dsched_queue *q, const struct dsched_decision *d, size_t i,
		     struct dvmi_buf *out);
/* It would start if there were room for it, or nobody in front of it. */
bool dsched_waits_for_room(const struct dsched_answer *a);
/* A word for machines: "resources", "priority", … */
const char *dsched_why_name(enum dsched_why why);

/*
 * Whether REQ can ever run on the snapshot's machine: 0 or the code of dsched_place() and its
 * REASON. For refusing a job when it is submitted.
 */
int dsched_feasible(const struct dsched_snapshot *snap, const struct dsched_request *req,
		    struct dsched_reason *reason);

/* USED after DT ns in which half of it is forgotten every HALF_LIFE ns (0: nothing ever is). */
uint64_t dsched_decay(uint64_t used, uint64_t dt, uint64_t half_life);

int dsched_order_parse(enum dsched_order *order, const char *text); /* -EINVAL */
const char *dsched_order_name(enum dsched_order order);

#endif
