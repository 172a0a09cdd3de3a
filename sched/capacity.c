/* SPDX-License-Identifier: BSD-3-Clause */
/* How many ranks of a request each candidate takes, in a given view of the machine. */
#include "sched/place_private.h"

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t minus(uint32_t a, uint32_t b)
{
	return a > b ? a - b : 0;
}

uint32_t dsched_node_slots(const struct dsched_node *node)
{
	if (node->slots)
		return node->slots;
	return node->topo ? node->topo->ncores : 1;
}

uint64_t dsched_host_number(const char *identity)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	if (!*identity)
		return 0;
	for (const char *p = identity; *p; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return h ? h : 1;
}

static bool is_ppr(const struct dsched_request *req)
{
	return req->map == DSCHED_MAP_PPR_NODE || req->map == DSCHED_MAP_PPR_NUMA;
}

uint32_t dsched_ppr_ranks(const struct dsched_request *req, const struct dsched_node *node)
{
	uint64_t groups = req->map == DSCHED_MAP_PPR_NUMA && node->topo ? node->topo->nnuma : 1;
	uint64_t ranks = groups * req->ppr;

	/* More than any node has slots, however many were asked. */
	return ranks > DSCHED_RANKS_MAX ? DSCHED_RANKS_MAX + 1 : (uint32_t)ranks;
}

uint32_t dsched_memory_ranks(const struct dsched_request *req, const struct dsched_node *node,
			     bool idle)
{
	if (req->mem_per_rank == 0 || node->mem == 0)
		return NO_LIMIT;
	uint64_t room = (idle ? node->mem : node->mem_free) / req->mem_per_rank;
	return room < NO_LIMIT ? (uint32_t)room : NO_LIMIT;
}

/* Slots of the node this request may ever use. */
static uint32_t slots_in_all(const struct dsched_request *req, const struct dsched_cand *c)
{
	uint32_t slots = dsched_node_slots(c->node);

	/* Oversubscribing, a count in -H says how many slots the node is to count as having. */
	if (c->limit != NO_LIMIT)
		slots = req->oversubscribe ? c->limit : smaller(slots, c->limit);
	if (req->map == DSCHED_MAP_CORE && c->node->topo)
		slots = smaller(slots, c->node->topo->ncores);
	return smaller(slots, DSCHED_RANKS_MAX);
}

static uint32_t slots_free(const struct dsched_cand *c, uint32_t in_all)
{
	uint32_t slots = dsched_node_slots(c->node);

	if (slots < in_all)
		slots = in_all;
	return smaller(in_all, minus(slots, c->node->slots_used));
}

/* The node is, or has to be, somebody's alone. */
static bool barred(const struct dsched_request *req, const struct dsched_node *node)
{
	return node->exclusive || (req->exclusive && node->jobs > 0);
}

static void by_slots(const struct dsched_request *req, struct dsched_cand *c, bool idle)
{
	uint32_t in_all = slots_in_all(req, c);

	c->soft = idle ? in_all : slots_free(c, in_all);
	c->step = in_all ? in_all : 1;
	c->hard = req->oversubscribe ? DSCHED_RANKS_MAX : c->soft;
}

/* A node takes its whole number per resource or nothing. */
static void by_ppr(const struct dsched_request *req, struct dsched_cand *c)
{
	uint32_t want = dsched_ppr_ranks(req, c->node);

	c->soft = c->hard = c->step = c->hard >= want ? want : 0;
}

int dsched_gres_lacking(const struct dsched_request *req, const struct dsched_node *node, bool idle)
{
	for (int k = 0; k < DSCHED_GRES_MAX; k++)
		if (req->gres[k] > (idle ? node->gres[k] : minus(node->gres[k], node->gres_used[k])))
			return k;
	return -1;
}

static void capacity(const struct dsched_request *req, struct dsched_cand *c,
		     struct dsched_view view)
{
	by_slots(req, c, view.idle);
	if (view.memory && dsched_gres_lacking(req, c->node, view.idle) >= 0)
		c->hard = 0;
	if (view.memory)
		c->hard = smaller(c->hard, dsched_memory_ranks(req, c->node, view.idle));
	if (!view.idle && barred(req, c->node))
		c->hard = 0;
	if (is_ppr(req))
		by_ppr(req, c);
	c->soft = smaller(c->soft, c->hard);
}

void dsched_capacity(struct dsched_work *w, struct dsched_view view)
{
	for (uint32_t i = 0; i < w->ncands; i++)
		capacity(w->req, &w->cands[i], view);
}
