/* SPDX-License-Identifier: BSD-3-Clause */
/* What a group keeps for its collectives. */
#include <stdlib.h>

#include "libdvm/src/coll.h"
#include "libdvm/src/coll_shm.h"

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
	st->local = dvmi_layout_local(&st->layout);
	return g->coll = st;
}

void dvmi_coll_forget(dvm_group_t *g)
{
	if (!g->coll)
		return;
	if (g->coll->has_area)
		dvmi_area_fini(&g->coll->area);
	free(g->coll);
	g->coll = NULL;
}

/* The first member on each node tells the others where its area is, or that there is none. */
struct telling {
	struct dvmi_team local;
	struct dvmi_area_place place;
};

static void plan_telling(struct dvmi_sched *s, const struct dvmi_layout *l, const void *arg)
{
	struct telling *t = (struct telling *)(uintptr_t)arg;

	(void)l;
	dvmi_plan_bcast_tree(s, &t->local, (uint8_t *)&t->place, sizeof t->place, 0);
}

static int join(dvm_group_t *g, struct dvmi_coll_state *st, const struct dvmi_area_place *place)
{
	const dvm_t *d = g->d;
	uint32_t maker = dvmi_rankmap_peer(&g->map, dvmi_team_rank(&st->local, 0));

	if (place->offset < 0 || st->local.rank == 0)
		return 0;
	int rc = dvmi_area_join(&st->area, g, &st->local, d->map.local_of[maker], place);
	st->has_area = rc == 0;
	return rc;
}

int dvmi_coll_ask_area(dvm_group_t *g, struct dvmi_coll_state *st)
{
	struct telling t = { .local = st->local, .place = { .offset = -1 } };
	int32_t tag = dvmi_coll_number(g);

	st->asked = true;
	if (st->local.size == 1)
		return 0;
	if (st->local.rank == 0)
		st->has_area = dvmi_area_make(&st->area, g, &st->local, &t.place) == 0;
	int rc = dvmi_coll_exec(g, tag, plan_telling, &t, NULL);
	if (rc == 0)
		rc = join(g, st, &t.place);
	return rc < 0 || !st->has_area ? rc : dvmi_shm_try_direct(&st->area);
}
