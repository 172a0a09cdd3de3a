/* SPDX-License-Identifier: BSD-3-Clause */
/* A decision in the making: what decide.c and the files of its parts share. */
#ifndef DSCHED_DECIDE_PRIVATE_H
#define DSCHED_DECIDE_PRIVATE_H

#include "sched/queue_private.h"

#define SHAPES	       32
#define SOON	       1 /* ns: as short a while as there is */
#define REACHES	       8 /* 1, 2, 4 … dates */

/* A kind of request that did not fit, so that its like need not be tried. */
struct shape {
	struct dsched_request req;
	uint32_t ranks; /* so many or more */
	size_t dates;	/* in an outlook that reaches over so many dates or more */
};

struct tally {
	uint64_t array;
	uint32_t running;
};

struct decider {
	const struct dsched_queue *q;
	struct dsched_decision *d;
	struct dsched_snapshot snap; /* with nodes of our own, whose busy PUs grow */
	struct dsched_node *nodes;
	struct dvmi_idset *busy; /* of nodes that somebody was started on */
	bool *own_busy;
	struct dsched_timeline line;
	struct dsched_outlook near; /* of jobs that end before anything planned begins */
	/* Of jobs that are still there at up to 2^i dates. One that reaches further does no harm.
	 */
	struct dsched_outlook far[REACHES];
	bool valid[REACHES];
	struct dsched_outlook scratch; /* of one job's own */
	uint64_t *dates;	       /* at which something planned begins, ascending */
	size_t ndates, dates_cap;
	struct shape shapes[SHAPES];
	size_t nshapes;
	struct tally *tallies; /* by array */
	size_t ntallies;
	bool *leaving; /* runs */
	size_t nlent;  /* of them may be asked back */
	size_t planned;
	uint64_t blocked; /* the first job that waits for room; 0: none does */
	uint64_t total;	  /* slots of all nodes that are up */
};

/* ---- horizon.c: the machine as a job would find it ---- */

/* Something planned begins at AT. -ENOMEM. */
int dsched_decider_add_date(struct decider *x, uint64_t at);
/* The present machine as job J may use it, at how many DATES it is still there; NULL: no memory. */
struct dsched_outlook *dsched_decider_outlook(struct decider *x, const struct dsched_job *j,
					      size_t *dates);
/* USE is gone from all of them. */
void dsched_decider_charge(struct decider *x, const struct dsched_use *use);

/* ---- decide.c ---- */

/* Whether one more of those that do not fit is given a date. */
bool dsched_decider_more_dates(const struct decider *x);
/* Sets aside what J will take from FROM on; USES are taken. -ENOMEM. */
int dsched_decider_plan(struct decider *x, const struct dsched_job *j, struct dsched_use *uses,
			size_t n, uint64_t from);

/* ---- yield.c: who runs makes room ---- */

static inline bool dsched_run_is_lent(const struct dsched_run *r)
{
	return r->preempt == DSCHED_PREEMPT_LEAVE;
}

/* 1: others make room for job I; 0: they cannot. -ENOMEM. */
int dsched_decider_preempt(struct decider *x, size_t i);

/* ---- lend.c: who runs grows ---- */

/* What is free when nobody waits is lent, to each an equal part. -ENOMEM. */
int dsched_decider_lend(struct decider *x);

#endif
