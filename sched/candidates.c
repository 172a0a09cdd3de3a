/* SPDX-License-Identifier: BSD-3-Clause */
/* Which nodes a request may use at all: names, exclusions and states. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/cleanup.h"
#include "sched/place_private.h"

static int by_name(const void *a, const void *b)
{
	const struct dsched_node *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static const struct dsched_node **name_index(const struct dsched_snapshot *snap)
{
	const struct dsched_node **index = calloc(snap->nnodes ? snap->nnodes : 1, sizeof *index);

	for (uint32_t i = 0; index && i < snap->nnodes; i++)
		index[i] = &snap->nodes[i];
	if (index)
		qsort(index, snap->nnodes, sizeof *index, by_name);
	return index;
}

static const struct dsched_node *find(const struct dsched_work *w, const struct dsched_node **index,
				      const char *name)
{
	struct dsched_node key = { .name = name }, *keyp = &key;
	const struct dsched_node **hit =
		bsearch(&keyp, index, w->snap->nnodes, sizeof *index, by_name);

	return hit ? *hit : NULL;
}

static int unknown(struct dsched_work *w, const char *name)
{
	return dsched_refuse(w, DSCHED_C_UNKNOWN, name, -ENOENT, "no node is called \"%.64s\"",
			     name);
}

static const char *state_name(enum dsched_node_state state)
{
	return state == DSCHED_NODE_DRAINING ? "draining" : "down";
}

static const char *note(const struct dsched_node *node)
{
	bool said = node->state == DSCHED_NODE_DRAINING && node->note && *node->note;

	return said ? node->note : NULL;
}

/* What is known of each node of the snapshot while names are worked through. */
struct mark {
	bool excluded;
	uint32_t cand; /* its place among the candidates, counted from 1; 0: none */
};

static int exclude(struct dsched_work *w, const struct dsched_node **index, struct mark *marks)
{
	for (uint32_t i = 0; i < w->req->nexclude; i++) {
		const struct dsched_node *node = find(w, index, w->req->exclude[i]);
		if (!node)
			return unknown(w, w->req->exclude[i]);
		marks[node - w->snap->nodes].excluded = true;
	}
	return 0;
}

static struct dsched_cand *add(struct dsched_work *w, const struct dsched_node *node)
{
	struct dsched_cand *c = &w->cands[w->ncands++];

	*c = (struct dsched_cand){
		.node = node,
		.index = (uint32_t)(node - w->snap->nodes),
		.limit = NO_LIMIT,
	};
	return c;
}

bool dsched_suits(const struct dsched_request *req, const struct dsched_node *node)
{
	return !req->kvm || !node->no_kvm;
}

/* Counts of one name add up; a name without a count allows everything. */
static uint32_t add_limits(uint32_t a, uint32_t b)
{
	return a == NO_LIMIT || b == 0 || b >= NO_LIMIT - a ? NO_LIMIT : a + b;
}

static int include_one(struct dsched_work *w, const struct dsched_host *host,
		       const struct dsched_node *node, struct mark *mark)
{
	if (mark->excluded)
		return 0;
	if (node->state != DSCHED_NODE_UP)
		return dsched_refuse(w, DSCHED_C_NODE_DOWN, node->name, -DVM_ENOSLOTS,
				     "node \"%.64s\" was asked for and is %s%s%s", node->name,
				     state_name(node->state), note(node) ? ": " : "",
				     note(node) ? note(node) : "");
	if (!dsched_suits(w->req, node))
		return dsched_refuse(w, DSCHED_C_KVM, node->name, -DVM_ENOSLOTS,
				     "node \"%.64s\" was asked for and cannot run guests: %.160s",
				     node->name, node->no_kvm);
	if (mark->cand) {
		struct dsched_cand *c = &w->cands[mark->cand - 1];
		c->limit = add_limits(c->limit, host->slots);
		return 0;
	}
	struct dsched_cand *c = add(w, node);
	c->limit = host->slots ? host->slots : NO_LIMIT;
	mark->cand = w->ncands;
	return 0;
}

static int include(struct dsched_work *w, const struct dsched_node **index, struct mark *marks)
{
	for (uint32_t i = 0; i < w->req->ninclude; i++) {
		const struct dsched_host *host = &w->req->include[i];
		const struct dsched_node *node = find(w, index, host->name);
		if (!node)
			return unknown(w, host->name);
		int rc = include_one(w, host, node, &marks[node - w->snap->nodes]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A count above what the node has is a mistake, unless slots are no limit anyway. */
static int check_limits(struct dsched_work *w)
{
	for (uint32_t i = 0; i < w->ncands && !w->req->oversubscribe; i++) {
		const struct dsched_cand *c = &w->cands[i];
		uint32_t slots = dsched_node_slots(c->node);
		if (c->limit == NO_LIMIT || c->limit <= slots)
			continue;
		w->reason->asked = c->limit;
		w->reason->have = w->reason->nearest = slots;
		return dsched_refuse(w, DSCHED_C_HOST_SLOTS, c->node->name, -DVM_ENOSLOTS,
				     "%.64s:%u asks for %u slots, the node has %u: "
				     "use %.64s:%u or --oversubscribe",
				     c->node->name, c->limit, c->limit, slots, c->node->name,
				     slots);
	}
	return 0;
}

/* Nodes that the request needs at least. */
static uint32_t least_nodes(const struct dsched_request *req)
{
	if (req->nodes)
		return req->nodes;
	if (req->map == DSCHED_MAP_PPR_NODE && req->ranks)
		return 1 + (req->ranks - 1) / req->ppr;
	return 1;
}

static int all_up(struct dsched_work *w, const struct mark *marks)
{
	const struct dsched_node *unfit = NULL;
	uint32_t asked = least_nodes(w->req), nunfit = 0;

	for (uint32_t i = 0; i < w->snap->nnodes; i++) {
		const struct dsched_node *node = &w->snap->nodes[i];
		if (node->state != DSCHED_NODE_UP || (marks && marks[i].excluded))
			continue;
		if (dsched_suits(w->req, node)) {
			add(w, node);
			continue;
		}
		unfit = unfit ? unfit : node;
		nunfit++;
	}
	return unfit && w->ncands < asked ? dsched_refuse_kvm(w, asked, unfit, nunfit) : 0;
}

static int by_names(struct dsched_work *w)
{
	cleanup_free const struct dsched_node **index = name_index(w->snap);
	cleanup_free struct mark *marks =
		calloc(w->snap->nnodes ? w->snap->nnodes : 1, sizeof *marks);

	if (!index || !marks)
		return -ENOMEM;
	int rc = exclude(w, index, marks);
	if (rc == 0 && !w->req->include)
		rc = all_up(w, marks);
	else if (rc == 0)
		rc = include(w, index, marks);
	return rc == 0 ? check_limits(w) : rc;
}

int dsched_candidates(struct dsched_work *w)
{
	w->cands = calloc(w->snap->nnodes ? w->snap->nnodes : 1, sizeof *w->cands);
	if (!w->cands)
		return -ENOMEM;
	if (w->req->include || w->req->nexclude)
		return by_names(w);
	return all_up(w, NULL);
}
