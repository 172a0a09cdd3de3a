/* SPDX-License-Identifier: BSD-3-Clause */
/* What a collective was asked to do, and the choice of an algorithm for it. Pure. */
#ifndef DVMI_SRC_COLL_CHOOSE_H
#define DVMI_SRC_COLL_CHOOSE_H

#include "libdvm/src/coll_plan.h"

enum dvmi_coll_kind {
	DVMI_COLL_BARRIER = 1,
	DVMI_COLL_BCAST,
	DVMI_COLL_REDUCE,
	DVMI_COLL_ALLREDUCE,
	DVMI_COLL_REDUCE_SCATTER,
	DVMI_COLL_SCAN,
	DVMI_COLL_EXSCAN,
	DVMI_COLL_GATHER,
	DVMI_COLL_SCATTER,
	DVMI_COLL_ALLGATHER,
	DVMI_COLL_ALLTOALL,
};

struct dvmi_coll_args {
	enum dvmi_coll_kind kind;
	uint32_t root;
	/*
	 * IN and OUT of gathers and scatters, with one part where it is this rank's alone; a
	 * broadcast has its buffer in OUT, allgather what it gives in IN.
	 */
	struct dvmi_parts in, out;
	bool vary; /* the parts differ; some ranks may not know how */
	/* Reductions. */
	struct dvmi_vector v;
	const size_t *counts; /* reduce_scatter: elements of each rank; NULL: v.count */
	struct dvmi_combine op;
};

/* Appends this rank's part of the collective to S. */
void dvmi_coll_plan(struct dvmi_sched *s, const struct dvmi_layout *l,
		    const struct dvmi_coll_args *a);

/* Whether the plan goes within nodes first, and between one rank of each. */
bool dvmi_coll_in_levels(const struct dvmi_layout *l, const struct dvmi_coll_args *a);

/*
 * In shared memory: bytes of a piece, at most SLOT, that FLOWs from some to others or for which
 * all wait for all.
 */
size_t dvmi_coll_piece(size_t slot, bool flow, bool crowded);
/* Whether LEN bytes, of a buffer or of a part, are long enough for copies by the kernel. */
bool dvmi_coll_is_direct(enum dvmi_coll_kind kind, size_t len);
/* Bytes that are read for a combination at a time; twice that is at most SLOT. */
size_t dvmi_coll_direct_block(size_t slot);
/* The same where two ranks do it, and the result is or is not written over the operand. */
size_t dvmi_coll_two_block(size_t slot, bool in_place);
/* Every one of N ranks combines everything, instead of a part each that is then handed round. */
bool dvmi_coll_alone(const struct dvmi_vector *v, uint32_t n);

/* Allreduce within a team, for whoever has its own way inside nodes. */
void dvmi_coll_plan_allreduce(struct dvmi_sched *s, const struct dvmi_team *t,
			      const struct dvmi_vector *v);
void dvmi_coll_plan_bcast(struct dvmi_sched *s, const struct dvmi_team *t, uint8_t *buf, size_t len,
			  uint32_t root);
void dvmi_coll_plan_reduce(struct dvmi_sched *s, const struct dvmi_team *t,
			   const struct dvmi_vector *v, uint32_t root);

#endif
