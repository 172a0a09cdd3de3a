/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Collectives under way. One is a schedule (coll_sched.h) that a task executes with messages in
 * the group's second context, tagged with the number of the collective. The first error ends the
 * whole operation: the context is revoked at all members, so that no rank waits for one that has
 * given up.
 *
 * Blocking calls of ranks on one node go through their shared memory where they can: coll_shm.h.
 */
#ifndef DVMI_SRC_COLL_H
#define DVMI_SRC_COLL_H

#include "libdvm/src/coll_area.h"
#include "libdvm/src/coll_choose.h"
#include "libdvm/src/handle.h"

#define DVMI_COLL_OPS 6 /* messages at a time without an allocation */

struct dvmi_coll {
	struct dvmi_task task;
	dvm_group_t *g;
	dvm_t *d;
	uint32_t ctx;
	int32_t tag;
	uint32_t round; /* its first step */
	uint32_t next;	/* the step behind it */
	uint32_t nops;	/* messages of this round */
	uint32_t ndone; /* the first so many are done */
	bool allocated; /* freed with the task */
	struct dvmi_op *ops;
	struct dvmi_combine op;
	struct dvmi_sched s;
	struct dvmi_op own_ops[DVMI_COLL_OPS];
};

/*
 * What a group keeps for its collectives, made by the first one. Under the handle's lock; freed by
 * dvmi_coll_forget(). There is an area once a blocking collective has asked for it, if there are
 * several members on this node and memory was found.
 */
struct dvmi_coll_state {
	struct dvmi_layout layout;
	struct dvmi_team local; /* the members on this node */
	bool asked;		/* for an area */
	bool has_area;
	struct dvmi_area area;
};

/* The group's state, or NULL without memory. */
struct dvmi_coll_state *dvmi_coll_state(dvm_group_t *g);
void dvmi_coll_forget(dvm_group_t *g);
/* Under the lock, by all members in the same collective: areas from now on. 0 or -E…. */
int dvmi_coll_ask_area(dvm_group_t *g, struct dvmi_coll_state *st);

/* Executes a collective whose arguments are good. Takes the handle's lock. Returns its result. */
int dvmi_coll_run(dvm_group_t *g, const struct dvmi_coll_args *a);
/* The same, done when *REQ is. */
int dvmi_coll_start(dvm_group_t *g, const struct dvmi_coll_args *a, dvm_req_t **req);

/* Appends to S what this rank does. */
typedef void dvmi_coll_planner(struct dvmi_sched *s, const struct dvmi_layout *l, const void *arg);
/*
 * Under the lock: executes what PLANNER says with messages of number TAG, waiting for it. An error
 * has been told to all members. OP may be NULL where nothing is combined.
 */
int dvmi_coll_exec(dvm_group_t *g, int32_t tag, dvmi_coll_planner *planner, const void *arg,
		   const struct dvmi_combine *op);
/* The number of the next collective: every member takes as many. */
int32_t dvmi_coll_number(dvm_group_t *g);

/*
 * Under the lock: a collective over several nodes, by areas inside of them. False when it is not
 * one of those that gain by it.
 */
bool dvmi_coll_by_nodes(dvm_group_t *g, struct dvmi_coll_state *st, int32_t tag,
			const struct dvmi_coll_args *a, int *rc);

/*
 * The area of a group that is on one node, if there is one already: for calls so short that even
 * what dvmi_coll_run() prepares would show. Takes the lock; NULL and no lock where there is none.
 */
struct dvmi_area *dvmi_coll_quick(dvm_group_t *g);
/* Ends what dvmi_coll_quick() has begun, with its result RC, which it returns. */
int dvmi_coll_quick_end(dvm_group_t *g, int rc);

/* Under the lock: all collectives of G end with CODE, here and at all its members. */
void dvmi_coll_revoke(dvm_group_t *g, int code);

/* TYPE and OP as one thing: 0 or -EINVAL. */
int dvmi_coll_combine(const dvm_group_t *g, dvm_type_t type, dvm_op_t op, struct dvmi_combine *out);

#endif
