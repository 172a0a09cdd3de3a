/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/devices.h"
#include "libdvm/base/idset.h"

/* Of one kind on one node, what running jobs have. */
struct used {
	uint32_t node;
	const char *name;
	uint64_t but; /* this job, which is not asked */
	struct dvmi_idset ids;
};

static int add_ids(struct dvmi_idset *to, const Pb__GresIds *g)
{
	for (size_t i = 0; i < g->n_ids; i++)
		if (dvmi_idset_add(to, g->ids[i], g->ids[i]) < 0)
			return -ENOMEM;
	return 0;
}

static int add_share(struct used *u, const Pb__NodeShare *s)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && s->node == u->node && i < s->n_gres; i++)
		if (!strcmp(s->gres[i]->name, u->name))
			rc = add_ids(&u->ids, s->gres[i]);
	return rc;
}

static int add_job(const Pb__JobRecord *r, void *arg)
{
	struct used *u = arg;
	int rc = 0;

	if (r->id == u->but || r->state == PB__JOB_STATE__JOB_DONE ||
	    r->suspended == PB__SUSPENDED__FOR_ANOTHER)
		return 0;
	for (size_t i = 0; rc == 0 && i < r->placement->n_nodes; i++)
		rc = add_share(u, r->placement->nodes[i]);
	return rc;
}

static int take_lowest(Pb__GresIds *g, const struct dvmi_idset *used, uint32_t count, uint32_t all)
{
	g->ids = calloc(count, sizeof *g->ids);
	if (!g->ids)
		return -ENOMEM;
	for (uint32_t id = 0; id < all && g->n_ids < count; id++)
		if (!dvmi_idset_has(used, id))
			g->ids[g->n_ids++] = id;
	return g->n_ids == count ? 0 : -EAGAIN;
}

static Pb__GresIds *append(Pb__NodeShare *s, const char *name)
{
	Pb__GresIds **list = reallocarray(s->gres, s->n_gres + 1, sizeof *list);
	Pb__GresIds *g = list ? malloc(sizeof *g) : NULL;

	if (list)
		s->gres = list;
	if (!g)
		return NULL;
	pb__gres_ids__init(g);
	list[s->n_gres++] = g;
	g->name = strdup(name);
	return g->name ? g : NULL;
}

static int assign(const struct dvmd *d, Pb__NodeShare *s, const char *name, uint32_t count,
		  uint32_t all)
{
	struct used u = { .node = s->node, .name = name };
	Pb__GresIds *g = append(s, name);
	int rc = g ? dvmd_cstate_each_job(dvmd_state(d), add_job, &u) : -ENOMEM;

	if (rc == 0)
		rc = take_lowest(g, &u.ids, count, all);
	dvmi_idset_free(&u.ids);
	return rc;
}

static uint32_t there_are(const struct dsched_snapshot *snap, uint32_t node, uint32_t kind)
{
	for (uint32_t i = 0; i < snap->nnodes; i++)
		if (snap->nodes[i].id == node)
			return snap->nodes[i].gres[kind];
	return 0;
}

int dvmd_devices_assign(const struct dvmd *d, const struct dsched_snapshot *snap,
			const struct dsched_request *req, Pb__Placement *p)
{
	int rc = 0;

	for (uint32_t k = 0; rc == 0 && k < snap->ngres; k++)
		for (size_t i = 0; rc == 0 && req->gres[k] && i < p->n_nodes; i++)
			rc = assign(d, p->nodes[i], snap->gres_names[k], req->gres[k],
				    there_are(snap, p->nodes[i]->node, k));
	return rc;
}

/* 0; 1: one of them is taken; -ENOMEM. */
static int clashes(const struct dvmd *d, uint64_t job, uint32_t node, const Pb__GresIds *g)
{
	struct used u = { .node = node, .name = g->name, .but = job };
	int rc = dvmd_cstate_each_job(dvmd_state(d), add_job, &u);

	for (size_t i = 0; rc == 0 && i < g->n_ids; i++)
		rc = dvmi_idset_has(&u.ids, g->ids[i]);
	dvmi_idset_free(&u.ids);
	return rc;
}

bool dvmd_devices_are_free(const struct dvmd *d, const Pb__JobRecord *r)
{
	for (size_t i = 0; i < r->placement->n_nodes; i++) {
		const Pb__NodeShare *s = r->placement->nodes[i];
		for (size_t k = 0; k < s->n_gres; k++)
			if (clashes(d, r->id, s->node, s->gres[k]) != 0)
				return false;
	}
	return true;
}
