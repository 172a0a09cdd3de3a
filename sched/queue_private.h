/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the queue share: the machine over time, and a decision in the making. */
#ifndef DSCHED_QUEUE_PRIVATE_H
#define DSCHED_QUEUE_PRIVATE_H

#include "sched/dsched_queue.h"
#include "sched/place_private.h"

/* ---- timeline.c: who takes what, and until when ---- */

/* From AT on something more, or less, is taken. */
struct dsched_step {
	uint64_t at;
	const struct dsched_use *use;
	bool take;
	const char *booking; /* of this name: does not bar the jobs that name it; NULL: bars all */
};

/* The nodes as they would look to a job that runs from FROM to UNTIL: at their fullest. */
struct dsched_outlook {
	struct dsched_node *nodes;
	uint64_t from, until;
	const char *booking;
	uint64_t free;	     /* slots on nodes that are up */
	uint32_t first_free; /* no node before it has a free slot */
};

struct dsched_timeline {
	const struct dsched_snapshot *snap;
	struct dsched_step *steps; /* in the order of time */
	size_t n, cap;
	struct dsched_use **owned; /* uses of plans */
	size_t nowned, owned_cap;
	struct dsched_node *scratch; /* the state on the way through an outlook */
	size_t budget;		     /* outlooks that may still be worked out to find dates */
};

int dsched_timeline_create(struct dsched_timeline *t, const struct dsched_queue *q);
void dsched_timeline_free(struct dsched_timeline *t);
/* N uses from FROM until UNTIL; takes the array USES, also on failure. -ENOMEM. */
int dsched_timeline_plan(struct dsched_timeline *t, struct dsched_use *uses, size_t n,
			 uint64_t from, uint64_t until);
/* How many of the steps take something before UNTIL: equal numbers, equal outlooks from now on. */
size_t dsched_timeline_takes(const struct dsched_timeline *t, uint64_t until);
/* Fills O, whose nodes are the caller's and as many as the snapshot's. */
void dsched_timeline_look(const struct dsched_timeline *t, struct dsched_outlook *o, uint64_t from,
			  uint64_t until, const char *booking);
/* USE more of O, or less. */
void dsched_outlook_charge(struct dsched_outlook *o, const struct dsched_use *use);
void dsched_outlook_refund(struct dsched_outlook *o, const struct dsched_use *use);

/* ---- priority.c ---- */

/* The order in which the N jobs of LIST (indexes) are looked at; fills their answers' priority. */
int dsched_order_jobs(const struct dsched_queue *q, struct dsched_answer *answers, size_t *list,
		      size_t n);

/* ---- eligible.c ---- */

/* Says why job I may not start whatever is free; false: it may. */
bool dsched_barred(const struct dsched_queue *q, size_t i, struct dsched_answer *a);

/* ---- fit.c: whether, where and when a request fits ---- */

/* As dsched_place(), on the nodes of an outlook; on a big machine it looks at few of them. */
int dsched_fit(const struct dsched_snapshot *snap, const struct dsched_outlook *o,
	       const struct dsched_request *req, struct dsched_placement *p,
	       struct dsched_reason *reason);
/* The same without binding: what it would take. The caller frees *USES. */
int dsched_fit_uses(const struct dsched_snapshot *snap, const struct dsched_outlook *o,
		    const struct dsched_request *req, struct dsched_use **uses, size_t *n,
		    struct dsched_reason *reason);
/* What a placement takes; the caller frees. -ENOMEM. */
int dsched_placement_uses(const struct dsched_request *req, const struct dsched_placement *p,
			  struct dsched_use **uses);
/*
 * From when on JOB could run, looked for after the present; O is left as the outlook of that time.
 * *USES are the caller's. 0; -ENOENT: never; -ENOMEM.
 */
int dsched_earliest(struct dsched_timeline *t, struct dsched_outlook *o,
		    const struct dsched_job *job, struct dsched_use **uses, size_t *n,
		    uint64_t *from);

/* ---- preempt.c ---- */

/*
 * Running jobs that have to go so that JOB fits O; those that are LEAVING already are counted on
 * first. Indexes into *VICTIMS (the caller frees), none if the leaving ones are enough. 0; -ENOENT:
 * not even all of them would do; -ENOMEM.
 */
int dsched_preempt(const struct dsched_queue *q, const struct dsched_snapshot *snap,
		   const struct dsched_job *job, struct dsched_outlook *o, const bool *leaving,
		   size_t **victims, size_t *n);

static inline uint64_t dsched_until(uint64_t from, uint64_t limit)
{
	uint64_t d = limit ? limit : DSCHED_LONG;

	return d < DSCHED_NEVER - 1 - from ? from + d : DSCHED_NEVER - 1;
}

#endif
