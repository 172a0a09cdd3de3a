/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Collectives in two levels. Each node has a head, its lowest rank, or the root where there is
 * one: what comes from or goes to other nodes passes through it once.
 */
#include "libdvm/src/coll_choose.h"

struct levels {
	struct dvmi_team local, heads;
	uint32_t local_head; /* its rank in the local team */
	bool is_head;
	bool good; /* memory was found */
};

static struct levels levels_of(struct dvmi_sched *s, const struct dvmi_layout *l, int64_t root)
{
	struct levels v = { .local = dvmi_layout_local(l), .heads.size = l->nnodes };
	uint32_t *ranks = dvmi_sched_tmp(s, l->nnodes * sizeof *ranks);

	if (!ranks)
		return v;
	for (uint32_t n = 0; n < l->nnodes; n++)
		ranks[n] = dvmi_layout_leader(l, n);
	if (root >= 0)
		ranks[l->node_of[root]] = (uint32_t)root;
	v.heads.ranks = ranks;
	v.heads.rank = l->node;
	v.is_head = ranks[l->node] == l->rank;
	while (dvmi_team_rank(&v.local, v.local_head) != ranks[l->node])
		v.local_head++;
	v.good = true;
	return v;
}

void dvmi_plan_nodes_barrier(struct dvmi_sched *s, const struct dvmi_layout *l)
{
	struct levels v = levels_of(s, l, -1);
	struct dvmi_parts none = { 0 };

	if (!v.good)
		return;
	dvmi_plan_gather(s, &v.local, NULL, 0, &none, v.local_head);
	if (v.is_head)
		dvmi_plan_barrier(s, &v.heads);
	dvmi_plan_bcast_tree(s, &v.local, NULL, 0, v.local_head);
}

void dvmi_plan_nodes_bcast(struct dvmi_sched *s, const struct dvmi_layout *l, uint8_t *buf,
			   size_t len, uint32_t root)
{
	struct levels v = levels_of(s, l, root);

	if (!v.good)
		return;
	if (v.is_head)
		dvmi_coll_plan_bcast(s, &v.heads, buf, len, l->node_of[root]);
	dvmi_plan_bcast_tree(s, &v.local, buf, len, v.local_head);
}

void dvmi_plan_nodes_reduce(struct dvmi_sched *s, const struct dvmi_layout *l,
			    const struct dvmi_vector *v, uint32_t root)
{
	struct levels lv = levels_of(s, l, root);
	struct dvmi_vector mine = *v;

	if (!lv.good)
		return;
	if (lv.is_head && l->rank != root)
		mine.out = dvmi_sched_tmp(s, v->count * v->each);
	dvmi_coll_plan_reduce(s, &lv.local, &mine, lv.local_head);
	if (!lv.is_head)
		return;
	mine.in = mine.out;
	dvmi_coll_plan_reduce(s, &lv.heads, &mine, l->node_of[root]);
}

void dvmi_plan_nodes_allreduce(struct dvmi_sched *s, const struct dvmi_layout *l,
			       const struct dvmi_vector *v)
{
	struct levels lv = levels_of(s, l, -1);
	struct dvmi_vector mine = *v;

	if (!lv.good)
		return;
	dvmi_coll_plan_reduce(s, &lv.local, v, lv.local_head);
	mine.in = mine.out;
	if (lv.is_head)
		dvmi_coll_plan_allreduce(s, &lv.heads, &mine);
	dvmi_plan_bcast_tree(s, &lv.local, v->out, v->count * v->each, lv.local_head);
}

/* PACKED holds the parts node by node, as the layout lists its members. */
static void unpack(struct dvmi_sched *s, const struct dvmi_layout *l, const uint8_t *packed,
		   size_t len, uint8_t *out)
{
	for (uint32_t i = 0; i < l->size; i++)
		dvmi_sched_copy(s, out + l->members[i] * len, packed + i * len, len);
	dvmi_sched_round(s);
}

void dvmi_plan_nodes_allgather(struct dvmi_sched *s, const struct dvmi_layout *l, const void *in,
			       size_t len, uint8_t *out)
{
	struct levels v = levels_of(s, l, -1);
	uint8_t *packed = l->runs ? out : dvmi_sched_tmp(s, l->size * len);
	size_t *lens = dvmi_sched_tmp(s, 2 * (size_t)l->nnodes * sizeof *lens);

	if (!v.good || !lens || (len && !packed))
		return;
	struct dvmi_parts nodes = { .buf = packed, .lens = lens, .offsets = lens + l->nnodes };
	for (uint32_t n = 0; n < l->nnodes; n++) {
		lens[l->nnodes + n] = l->first[n] * len;
		lens[n] = (l->first[n + 1] - l->first[n]) * len;
	}
	struct dvmi_parts local = { .buf = dvmi_part_at(&nodes, l->node), .len = len };
	dvmi_plan_gather(s, &v.local, in, len, &local, v.local_head);
	if (v.is_head)
		dvmi_plan_allgather_ring(s, &v.heads, &nodes);
	dvmi_plan_bcast_tree(s, &v.local, packed, l->size * len, v.local_head);
	if (!l->runs)
		unpack(s, l, packed, len, out);
}
