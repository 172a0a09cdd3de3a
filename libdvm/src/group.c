/* SPDX-License-Identifier: BSD-3-Clause */
/* What a group is asked, and its end. */
#include <errno.h>
#include <string.h>

#include "dvm/group.h"
#include "libdvm/src/group.h"

int dvm_group_rank(const dvm_group_t *g)
{
	return g ? (int)g->rank : -EINVAL;
}

int dvm_group_size(const dvm_group_t *g)
{
	return g ? (int)g->size : -EINVAL;
}

int dvm_group_remote_size(const dvm_group_t *g)
{
	return g ? (int)g->remote.size : -EINVAL;
}

dvm_t *dvm_group_handle(const dvm_group_t *g)
{
	return g ? g->d : NULL;
}

static int translate(const dvm_group_t *from, int rank, const dvm_group_t *to)
{
	int64_t there = dvmi_rankmap_rank(&to->map, dvmi_rankmap_peer(&from->map, (uint32_t)rank));

	return there < 0 ? DVM_NOBODY : (int)there;
}

int dvm_group_translate(const dvm_group_t *from, size_t n, const int *ranks, const dvm_group_t *to,
			int *out)
{
	if (!from || !to || from->d != to->d || (n && (!ranks || !out)))
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (ranks[i] != DVM_NOBODY && (ranks[i] < 0 || (uint32_t)ranks[i] >= from->size))
			return -EINVAL;
		out[i] = ranks[i] == DVM_NOBODY ? DVM_NOBODY : translate(from, ranks[i], to);
	}
	return 0;
}

static int nodes_of(dvm_group_t *g, const struct dvmi_nodes **out)
{
	dvmi_enter(g->d);
	int rc = dvmi_group_nodes(g, out);
	dvmi_leave(g->d);
	return rc;
}

int dvm_group_num_nodes(dvm_group_t *g)
{
	const struct dvmi_nodes *n;
	int rc = g ? nodes_of(g, &n) : -EINVAL;

	return rc < 0 ? rc : (int)n->count;
}

int dvm_group_node_of(dvm_group_t *g, int rank)
{
	const struct dvmi_nodes *n;

	if (!g || rank < 0 || (uint32_t)rank >= g->size)
		return -EINVAL;
	int rc = nodes_of(g, &n);
	return rc < 0 ? rc : (int)n->node_of[rank];
}

int dvm_group_set_name(dvm_group_t *g, const char *name)
{
	if (!g || !name)
		return -EINVAL;
	size_t len = strnlen(name, sizeof g->name - 1);
	memmove(g->name, name, len);
	g->name[len] = 0;
	return 0;
}

const char *dvm_group_name(const dvm_group_t *g)
{
	return g ? g->name : NULL;
}

static bool in_use(const dvm_group_t *g)
{
	if (g->users)
		return true;
	for (const struct dvm_req *r = g->d->reqs; r; r = r->next)
		if (r->g == g)
			return true;
	return false;
}

int dvm_group_free(dvm_group_t *g)
{
	if (!g)
		return 0;
	dvm_t *d = g->d;
	if (g == &d->world)
		return -EINVAL;
	dvmi_enter(d);
	int rc = in_use(g) ? -EBUSY : 0;
	if (rc == 0)
		dvmi_group_destroy(g);
	dvmi_leave(d);
	return rc;
}
