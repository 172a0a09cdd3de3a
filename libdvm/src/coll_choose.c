/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which algorithm when. All ranks must choose alike, so only what they agree on counts: sizes,
 * ranks, nodes, and whether an operator commutes.
 */
#include "libdvm/src/coll_choose.h"

/*
 * A tree sends everything log2(ranks) times over some links but needs the fewest rounds; a ring
 * or halving sends it once or twice, in parts. Over TCP a round costs about what 16 KiB do.
 */
#define BCAST_PARTS_FROM     (256u * 1024) /* bytes; three ranks or more */
#define REDUCE_PARTS_FROM    (64u * 1024)
#define ALLREDUCE_HALVE_FROM (16u * 1024)
/* The ring's messages are all alike and go to one neighbour; it pays once each is long. */
#define ALLREDUCE_RING_PART (32u * 1024) /* bytes of each rank's part */
/* Bruck's copies and rounds against one message to each other rank. */
#define ALLGATHER_BRUCK_BELOW (8u * 1024) /* bytes of the whole result */
#define ALLGATHER_ONCE_BELOW  (64u * 1024)
#define ALLTOALL_BRUCK_BELOW  128u /* bytes of a part, */
#define ALLTOALL_BRUCK_RANKS  16u  /* and so many ranks */
/* Peers at the same time: enough to keep every link busy, without a flood at one rank. */
#define ALLTOALL_WINDOW	   64u
#define REDSCAT_ONCE_BELOW (4u * 1024) /* bytes of a part times ranks */
/* The root of a tree takes log2(ranks) messages, but all bytes several times. */
#define TREE_RANKS 16u
#define TREE_BELOW 1024u /* bytes of a part */
/* Long parts are better sent right away than collected first. */
#define NODES_ALLGATHER_BELOW (16u * 1024)

/*
 * Pieces in shared memory: small ones stay in the caches and let reader and writer overlap; where
 * ranks share cores each piece costs turns of the scheduler.
 */
#define PIECE_FLOW    (32u * 1024)
#define PIECE_ALL     (64u * 1024)
#define PIECE_CROWDED (128u * 1024)
/* Below, handing parts round costs more than combining everything. */
#define ALONE_MAX (8u * 1024)  /* bytes of a vector, */
#define ALONE_ALL (64u * 1024) /* times ranks */

size_t dvmi_coll_piece(size_t slot, bool flow, bool crowded)
{
	size_t want = crowded ? PIECE_CROWDED : flow ? PIECE_FLOW : PIECE_ALL;

	return want < slot ? want : slot;
}

/*
 * The kernel's copy is one instead of two, and does not fight over cache lines, but it costs two
 * system calls' worth and one more operation at the end.
 */
#define DIRECT_FROM	 (32u * 1024)
#define DIRECT_PART_FROM (16u * 1024)  /* of parts, several of which are under way */
#define DIRECT_SUM_FROM	 (256u * 1024) /* combining wants its operands in a cache anyhow */
#define DIRECT_BLOCK	 (64u * 1024)
#define TWO_BLOCK	 (256u * 1024) /* longer ones cost fewer calls, shorter ones less cache */

bool dvmi_coll_is_direct(enum dvmi_coll_kind kind, size_t len)
{
	switch (kind) {
	case DVMI_COLL_BCAST:
		return len >= DIRECT_FROM;
	case DVMI_COLL_ALLREDUCE:
		return len >= DIRECT_SUM_FROM;
	default:
		return len >= DIRECT_PART_FROM;
	}
}

size_t dvmi_coll_direct_block(size_t slot)
{
	return DIRECT_BLOCK < slot / 2 ? DIRECT_BLOCK : slot / 2;
}

size_t dvmi_coll_two_block(size_t slot, bool in_place)
{
	return in_place ? dvmi_coll_direct_block(slot) : TWO_BLOCK;
}

bool dvmi_coll_alone(const struct dvmi_vector *v, uint32_t n)
{
	size_t len = v->count * v->each;

	return (len <= ALONE_MAX && len * n <= ALONE_ALL) || v->count < n;
}

void dvmi_coll_plan_bcast(struct dvmi_sched *s, const struct dvmi_team *t, uint8_t *buf, size_t len,
			  uint32_t root)
{
	if (len >= BCAST_PARTS_FROM && t->size > 2)
		dvmi_plan_bcast_ring(s, t, buf, len, root);
	else
		dvmi_plan_bcast_tree(s, t, buf, len, root);
}

void dvmi_coll_plan_reduce(struct dvmi_sched *s, const struct dvmi_team *t,
			   const struct dvmi_vector *v, uint32_t root)
{
	if (v->count * v->each >= REDUCE_PARTS_FROM && v->count >= t->size && t->size > 2)
		dvmi_plan_reduce_parts(s, t, v, root);
	else
		dvmi_plan_reduce_tree(s, t, v, root);
}

void dvmi_coll_plan_allreduce(struct dvmi_sched *s, const struct dvmi_team *t,
			      const struct dvmi_vector *v)
{
	size_t len = v->count * v->each;

	if (v->commutes && len / t->size >= ALLREDUCE_RING_PART)
		dvmi_plan_allreduce_ring(s, t, v);
	else if (len >= ALLREDUCE_HALVE_FROM && v->count >= t->size)
		dvmi_plan_allreduce_halving(s, t, v);
	else
		dvmi_plan_allreduce_doubling(s, t, v);
}

bool dvmi_coll_in_levels(const struct dvmi_layout *l, const struct dvmi_coll_args *a)
{
	if (l->nnodes == 1 || !l->shared)
		return false;
	switch (a->kind) {
	case DVMI_COLL_BARRIER:
	case DVMI_COLL_BCAST:
		return true;
	case DVMI_COLL_REDUCE:
	case DVMI_COLL_ALLREDUCE:
		return a->v.commutes || l->runs;
	case DVMI_COLL_ALLGATHER:
		return !a->vary && a->out.len < NODES_ALLGATHER_BELOW;
	default:
		return false;
	}
}

static void plan_reduction(struct dvmi_sched *s, const struct dvmi_layout *l,
			   const struct dvmi_coll_args *a)
{
	struct dvmi_team t = dvmi_layout_all(l);

	if (a->kind == DVMI_COLL_REDUCE && dvmi_coll_in_levels(l, a))
		dvmi_plan_nodes_reduce(s, l, &a->v, a->root);
	else if (a->kind == DVMI_COLL_REDUCE)
		dvmi_coll_plan_reduce(s, &t, &a->v, a->root);
	else if (dvmi_coll_in_levels(l, a))
		dvmi_plan_nodes_allreduce(s, l, &a->v);
	else
		dvmi_coll_plan_allreduce(s, &t, &a->v);
}

static void plan_allgather(struct dvmi_sched *s, const struct dvmi_layout *l,
			   const struct dvmi_coll_args *a)
{
	struct dvmi_team t = dvmi_layout_all(l);
	size_t all = a->out.len * l->size;

	if (a->out.lens) {
		all = 0;
		for (uint32_t i = 0; i < l->size; i++)
			all += a->out.lens[i];
	} else if (dvmi_coll_in_levels(l, a)) {
		dvmi_plan_nodes_allgather(s, l, a->in.buf, a->out.len, a->out.buf);
		return;
	} else if (all < ALLGATHER_BRUCK_BELOW) {
		dvmi_plan_allgather_bruck(s, &t, a->in.buf, a->out.len, a->out.buf);
		return;
	}
	dvmi_sched_copy(s, dvmi_part_at(&a->out, l->rank), a->in.buf,
			dvmi_part_len(&a->out, l->rank));
	dvmi_sched_round(s);
	if (all < ALLGATHER_ONCE_BELOW)
		dvmi_plan_allgather_once(s, &t, &a->out);
	else
		dvmi_plan_allgather_ring(s, &t, &a->out);
}

static void plan_alltoall(struct dvmi_sched *s, const struct dvmi_layout *l,
			  const struct dvmi_coll_args *a)
{
	struct dvmi_team t = dvmi_layout_all(l);

	if (!a->in.lens && a->in.len && a->in.len < ALLTOALL_BRUCK_BELOW &&
	    l->size >= ALLTOALL_BRUCK_RANKS)
		dvmi_plan_alltoall_bruck(s, &t, a->in.buf, a->in.len, a->out.buf);
	else
		dvmi_plan_alltoall(s, &t, &a->in, &a->out, ALLTOALL_WINDOW);
}

static bool is_tree(const struct dvmi_layout *l, const struct dvmi_coll_args *a, size_t len)
{
	return !a->vary && len && len < TREE_BELOW && l->size >= TREE_RANKS;
}

static void plan_gather(struct dvmi_sched *s, const struct dvmi_layout *l,
			const struct dvmi_coll_args *a)
{
	struct dvmi_team t = dvmi_layout_all(l);

	if (is_tree(l, a, a->in.len))
		dvmi_plan_gather_tree(s, &t, a->in.buf, a->in.len, a->out.buf, a->root);
	else
		dvmi_plan_gather(s, &t, a->in.buf, a->in.len, &a->out, a->root);
}

static void plan_scatter(struct dvmi_sched *s, const struct dvmi_layout *l,
			 const struct dvmi_coll_args *a)
{
	struct dvmi_team t = dvmi_layout_all(l);

	if (is_tree(l, a, a->out.len))
		dvmi_plan_scatter_tree(s, &t, a->in.buf, a->out.len, a->out.buf, a->root);
	else
		dvmi_plan_scatter(s, &t, &a->in, a->out.buf, a->out.len, a->root);
}

static void plan_reduce_scatter(struct dvmi_sched *s, const struct dvmi_layout *l,
				const struct dvmi_coll_args *a)
{
	struct dvmi_team t = dvmi_layout_all(l);
	size_t all = a->counts ? 0 : a->v.count * l->size;

	for (uint32_t i = 0; a->counts && i < l->size; i++)
		all += a->counts[i];
	dvmi_plan_reduce_scatter(s, &t, &a->v, a->counts, all * a->v.each < REDSCAT_ONCE_BELOW);
}

void dvmi_coll_plan(struct dvmi_sched *s, const struct dvmi_layout *l,
		    const struct dvmi_coll_args *a)
{
	struct dvmi_team t = dvmi_layout_all(l);

	switch (a->kind) {
	case DVMI_COLL_BARRIER:
		if (dvmi_coll_in_levels(l, a))
			dvmi_plan_nodes_barrier(s, l);
		else
			dvmi_plan_barrier(s, &t);
		break;
	case DVMI_COLL_BCAST:
		if (dvmi_coll_in_levels(l, a))
			dvmi_plan_nodes_bcast(s, l, a->out.buf, a->out.len, a->root);
		else
			dvmi_coll_plan_bcast(s, &t, a->out.buf, a->out.len, a->root);
		break;
	case DVMI_COLL_REDUCE:
	case DVMI_COLL_ALLREDUCE:
		plan_reduction(s, l, a);
		break;
	case DVMI_COLL_REDUCE_SCATTER:
		plan_reduce_scatter(s, l, a);
		break;
	case DVMI_COLL_SCAN:
	case DVMI_COLL_EXSCAN:
		dvmi_plan_scan(s, &t, &a->v, a->kind == DVMI_COLL_EXSCAN);
		break;
	case DVMI_COLL_GATHER:
		plan_gather(s, l, a);
		break;
	case DVMI_COLL_SCATTER:
		plan_scatter(s, l, a);
		break;
	case DVMI_COLL_ALLGATHER:
		plan_allgather(s, l, a);
		break;
	case DVMI_COLL_ALLTOALL:
		plan_alltoall(s, l, a);
		break;
	}
}
