/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The algorithms: pure functions from a team and lengths to the schedule of this rank. Ranks in
 * arguments are those of the team. Which of them is taken when is in coll_choose.c.
 */
#ifndef DVMI_SRC_COLL_PLAN_H
#define DVMI_SRC_COLL_PLAN_H

#include "libdvm/src/coll_layout.h"
#include "libdvm/src/coll_sched.h"
#include "libdvm/src/reduce_op.h"

/* Parts of a buffer, one per rank. LENS NULL: all have LEN bytes, one behind the other. */
struct dvmi_parts {
	uint8_t *buf; /* only read where it is an input */
	size_t len;
	const size_t *lens, *offsets;
};

static inline size_t dvmi_part_len(const struct dvmi_parts *p, uint32_t i)
{
	return p->lens ? p->lens[i] : p->len;
}

static inline uint8_t *dvmi_part_at(const struct dvmi_parts *p, uint32_t i)
{
	if (!dvmi_part_len(p, i))
		return NULL;
	return p->buf + (p->offsets ? p->offsets[i] : i * p->len);
}

/* COUNT things split over N as evenly as can be: where part I begins. */
static inline size_t dvmi_split(size_t count, uint32_t n, uint32_t i)
{
	size_t each = count / n, more = count % n;

	return each * i + (i < more ? i : more);
}

/* A message to or from rank I of the team. */
void dvmi_plan_send(struct dvmi_sched *s, const struct dvmi_team *t, uint64_t i, const void *buf,
		    size_t len);
void dvmi_plan_recv(struct dvmi_sched *s, const struct dvmi_team *t, uint64_t i, void *buf,
		    size_t len);

/* Dissemination (Hensgen, Finkel and Manber 1988). */
void dvmi_plan_barrier(struct dvmi_sched *s, const struct dvmi_team *t);

/* A binomial tree. */
void dvmi_plan_bcast_tree(struct dvmi_sched *s, const struct dvmi_team *t, uint8_t *buf, size_t len,
			  uint32_t root);
/* The root hands out parts, which then go round a ring. */
void dvmi_plan_bcast_ring(struct dvmi_sched *s, const struct dvmi_team *t, uint8_t *buf, size_t len,
			  uint32_t root);

/* Everybody gets everybody's part; OUT holds this rank's own already. */
void dvmi_plan_allgather_ring(struct dvmi_sched *s, const struct dvmi_team *t,
			      const struct dvmi_parts *out);
void dvmi_plan_allgather_once(struct dvmi_sched *s, const struct dvmi_team *t,
			      const struct dvmi_parts *out);
/* Equal parts, doubling what is known in each round (Bruck et al. 1997). */
void dvmi_plan_allgather_bruck(struct dvmi_sched *s, const struct dvmi_team *t, const void *in,
			       size_t len, uint8_t *out);

/* Everything in one round, each rank beginning with its neighbours; or WINDOW peers a round. */
void dvmi_plan_alltoall(struct dvmi_sched *s, const struct dvmi_team *t,
			const struct dvmi_parts *in, const struct dvmi_parts *out, uint32_t window);
/* Equal parts in a logarithm of rounds (Bruck et al. 1997), at the price of copies. */
void dvmi_plan_alltoall_bruck(struct dvmi_sched *s, const struct dvmi_team *t, const uint8_t *in,
			      size_t len, uint8_t *out);

/* IN counts with its LEN bytes at each rank, OUT at the root. */
void dvmi_plan_gather(struct dvmi_sched *s, const struct dvmi_team *t, const void *in, size_t len,
		      const struct dvmi_parts *out, uint32_t root);
void dvmi_plan_scatter(struct dvmi_sched *s, const struct dvmi_team *t, const struct dvmi_parts *in,
		       void *out, size_t len, uint32_t root);
/* Equal parts up and down a binomial tree. */
void dvmi_plan_gather_tree(struct dvmi_sched *s, const struct dvmi_team *t, const void *in,
			   size_t len, uint8_t *out, uint32_t root);
void dvmi_plan_scatter_tree(struct dvmi_sched *s, const struct dvmi_team *t, const uint8_t *in,
			    size_t len, uint8_t *out, uint32_t root);

/*
 * Reductions of COUNT elements of EACH bytes. Where the operator does not commute, operands are
 * combined in the order of ranks. Every rank gets the same bits.
 */
struct dvmi_vector {
	const uint8_t *in;
	uint8_t *out; /* may be IN */
	size_t count, each;
	bool commutes;
};

/* A binomial tree; OUT counts at the root. */
void dvmi_plan_reduce_tree(struct dvmi_sched *s, const struct dvmi_team *t,
			   const struct dvmi_vector *v, uint32_t root);
/* Parts are combined at a rank each and gathered at the root. */
void dvmi_plan_reduce_parts(struct dvmi_sched *s, const struct dvmi_team *t,
			    const struct dvmi_vector *v, uint32_t root);
/* Recursive doubling: the fewest rounds. */
void dvmi_plan_allreduce_doubling(struct dvmi_sched *s, const struct dvmi_team *t,
				  const struct dvmi_vector *v);
/* Recursive halving, then doubling (Rabenseifner 2004). */
void dvmi_plan_allreduce_halving(struct dvmi_sched *s, const struct dvmi_team *t,
				 const struct dvmi_vector *v);
/* Parts go round a ring twice (Patarasuk and Yuan 2009). For operators that commute. */
void dvmi_plan_allreduce_ring(struct dvmi_sched *s, const struct dvmi_team *t,
			      const struct dvmi_vector *v);
/* Rank i gets part i, of COUNTS[i] elements (NULL: count each), at OUT. */
void dvmi_plan_reduce_scatter(struct dvmi_sched *s, const struct dvmi_team *t,
			      const struct dvmi_vector *v, const size_t *counts, bool once);
/* The ranks up to this one (EXCLUSIVE: below), by doubling distances (Hillis and Steele 1986). */
void dvmi_plan_scan(struct dvmi_sched *s, const struct dvmi_team *t, const struct dvmi_vector *v,
		    bool exclusive);

/*
 * The same over several nodes with several ranks each: within the nodes to or from one rank of
 * each, and between those. Every message between nodes is sent once.
 */
void dvmi_plan_nodes_barrier(struct dvmi_sched *s, const struct dvmi_layout *l);
void dvmi_plan_nodes_bcast(struct dvmi_sched *s, const struct dvmi_layout *l, uint8_t *buf,
			   size_t len, uint32_t root);
/* For operators that do not commute the nodes' ranks must be runs. */
void dvmi_plan_nodes_reduce(struct dvmi_sched *s, const struct dvmi_layout *l,
			    const struct dvmi_vector *v, uint32_t root);
void dvmi_plan_nodes_allreduce(struct dvmi_sched *s, const struct dvmi_layout *l,
			       const struct dvmi_vector *v);
void dvmi_plan_nodes_allgather(struct dvmi_sched *s, const struct dvmi_layout *l, const void *in,
			       size_t len, uint8_t *out);

#endif
