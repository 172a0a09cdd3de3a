/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/src/coll_layout.h"

struct dvmi_layout dvmi_layout_of(const struct dvmi_nodes *nodes, uint32_t rank, uint32_t size)
{
	struct dvmi_layout l = {
		.rank = rank,
		.size = size,
		.nnodes = nodes->count,
		.node = nodes->self,
		.node_of = nodes->node_of,
		.first = nodes->first,
		.members = nodes->ranks,
		.shared = nodes->most > 1,
		.runs = true,
	};
	for (uint32_t i = 0; i < size; i++)
		l.runs &= l.members[i] == i;
	return l;
}

struct dvmi_team dvmi_layout_all(const struct dvmi_layout *l)
{
	return (struct dvmi_team){ .rank = l->rank, .size = l->size };
}

struct dvmi_team dvmi_layout_local(const struct dvmi_layout *l)
{
	struct dvmi_team t = {
		.size = l->first[l->node + 1] - l->first[l->node],
		.ranks = l->members + l->first[l->node],
	};
	while (t.ranks[t.rank] != l->rank)
		t.rank++;
	return t;
}

uint32_t dvmi_layout_leader(const struct dvmi_layout *l, uint32_t node)
{
	return l->members[l->first[node]];
}
