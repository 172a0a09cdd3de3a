/* SPDX-License-Identifier: BSD-3-Clause */
/* What a group keeps for its collectives. */
#include <stdlib.h>

#include "libdvm/src/coll.h"

struct dvmi_coll_state *dvmi_coll_state(dvm_group_t *g)
{
	const struct dvmi_nodes *nodes;

	if (g->coll)
		return g->coll;
	if (dvmi_group_nodes(g, &nodes) < 0)
		return NULL;
	struct dvmi_coll_state *st = calloc(1, sizeof *st);
	if (!st)
		return NULL;
	st->layout = dvmi_layout_of(nodes, g->rank, g->size);
	return g->coll = st;
}

void dvmi_coll_forget(dvm_group_t *g)
{
	free(g->coll);
	g->coll = NULL;
}
