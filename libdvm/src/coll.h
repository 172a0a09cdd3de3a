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
 * dvmi_coll_forget().
 */
struct dvmi_coll_state {
	struct dvmi_layout layout;
};

/* The group's state, or NULL without memory. */
struct dvmi_coll_state *dvmi_coll_state(dvm_group_t *g);
void dvmi_coll_forget(dvm_group_t *g);

/* Executes a collective whose arguments are good. Takes the handle's lock. Returns its result. */
int dvmi_coll_run(dvm_group_t *g, const struct dvmi_coll_args *a);
/* The same, done when *REQ is. */
int dvmi_coll_start(dvm_group_t *g, const struct dvmi_coll_args *a, dvm_req_t **req);

/* Under the lock: all collectives of G end with CODE, here and at all its members. */
void dvmi_coll_revoke(dvm_group_t *g, int code);

/* TYPE and OP as one thing: 0 or -EINVAL. */
int dvmi_coll_combine(const dvm_group_t *g, dvm_type_t type, dvm_op_t op, struct dvmi_combine *out);

#endif
