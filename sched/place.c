/* SPDX-License-Identifier: BSD-3-Clause */
/* dsched_place(): the steps from a snapshot and a request to a placement or a refusal. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/cleanup.h"
#include "sched/place_private.h"

void dsched_placement_free(struct dsched_placement *p)
{
	free(p->ranks);
	free(p->nodes);
	free(p->by_node);
	free(p->pus);
	*p = (struct dsched_placement){ 0 };
}

/* ---- what no machine could do ---- */

static int contradiction(struct dsched_work *w, const char *text)
{
	return dsched_refuse(w, DSCHED_C_REQUEST, NULL, -EINVAL, "%s", text);
}

static int check_request(struct dsched_work *w)
{
	const struct dsched_request *req = w->req;
	bool ppr = req->map == DSCHED_MAP_PPR_NODE || req->map == DSCHED_MAP_PPR_NUMA;

	if (req->size != sizeof *req || w->snap->size != sizeof *w->snap)
		return contradiction(w,
				     "the request was made for another version of the scheduler");
	if ((unsigned)req->map > DSCHED_MAP_PPR_NUMA || (unsigned)req->bind > DSCHED_BIND_NUMA)
		return contradiction(w, "unknown way to map or bind");
	if (ppr && req->ppr == 0)
		return contradiction(w, "ppr:0 places no rank: use at least 1 per resource");
	if (req->ranks > DSCHED_RANKS_MAX)
		return dsched_refuse(w, DSCHED_C_REQUEST, NULL, -EINVAL,
				     "%u ranks asked: a job has at most %u", req->ranks,
				     DSCHED_RANKS_MAX);
	if (req->ranks && req->ranks < req->nodes)
		return dsched_refuse(w, DSCHED_C_REQUEST, NULL, -EINVAL,
				     "%u rank%s cannot be on %u nodes: use -N %u or -n %u",
				     req->ranks, req->ranks == 1 ? "" : "s", req->nodes, req->ranks,
				     req->nodes);
	return 0;
}

/* ---- which nodes ---- */

/*
 * Asks the largest machine first: what does not fit the idle one is impossible, what fits it but
 * not the present one waits. Memory comes second each time, so that slots are named if they lack.
 */
static int choose(struct dsched_work *w)
{
	static const struct dsched_view views[] = {
		{ .idle = true },
		{ .idle = true, .memory = true },
		{ .idle = false },
		{ .idle = false, .memory = true },
	};

	for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
		struct dsched_shortage lack;
		dsched_capacity(w, views[i]);
		int rc = dsched_select(w, &lack);
		if (rc == -EAGAIN)
			return dsched_refuse_view(w, views[i], &lack);
		if (rc == -E2BIG)
			return dsched_refuse(w, DSCHED_C_REQUEST, NULL, -EINVAL,
					     "more than %u slots: say how many ranks with -n",
					     DSCHED_RANKS_MAX);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void keep_chosen(struct dsched_work *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->ncands; i++)
		if (w->cands[i].chosen)
			w->cands[n++] = w->cands[i];
	w->ncands = n;
}

static void keep_used(struct dsched_work *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->ncands; i++)
		if (w->cands[i].count)
			w->cands[n++] = w->cands[i];
	w->ncands = n;
}

/* ---- which rank where ---- */

static int allocate(const struct dsched_work *w, struct dsched_placement *p)
{
	p->nranks = w->ranks;
	p->nnodes = w->ncands;
	p->ranks = calloc(p->nranks, sizeof *p->ranks);
	p->by_node = calloc(p->nranks, sizeof *p->by_node);
	p->nodes = calloc(p->nnodes, sizeof *p->nodes);
	return p->ranks && p->by_node && p->nodes ? 0 : -ENOMEM;
}

static void fill_nodes(const struct dsched_work *w, struct dsched_placement *p)
{
	uint32_t first = 0;

	for (uint32_t i = 0; i < p->nnodes; i++) {
		const struct dsched_cand *c = &w->cands[i];
		uint32_t slots = dsched_node_slots(c->node);
		p->nodes[i] = (struct dsched_placed_node){
			.index = c->index,
			.id = c->node->id,
			.nranks = c->count,
			.slots = w->req->exclusive && slots > c->count ? slots : c->count,
			.first = first,
		};
		first += c->count;
	}
}

static void put_rank(struct dsched_placement *p, uint32_t rank, uint32_t node, uint32_t local)
{
	p->ranks[rank] = (struct dsched_rank){ .node = node, .local = local };
	p->by_node[p->nodes[node].first + local] = rank;
}

static void number_by_node(struct dsched_placement *p)
{
	for (uint32_t i = 0, rank = 0; i < p->nnodes; i++)
		for (uint32_t local = 0; local < p->nodes[i].nranks; local++)
			put_rank(p, rank++, i, local);
}

/* One rank per node in turn; nodes that are full drop out of the round. */
static int number_in_turn(struct dsched_placement *p)
{
	cleanup_free uint32_t *open = calloc(p->nnodes, sizeof *open);
	uint32_t nopen = p->nnodes, rank = 0;

	if (!open)
		return -ENOMEM;
	for (uint32_t i = 0; i < nopen; i++)
		open[i] = i;
	for (uint32_t local = 0; nopen; local++) {
		uint32_t n = 0;
		for (uint32_t i = 0; i < nopen; i++) {
			if (p->nodes[open[i]].nranks <= local)
				continue;
			put_rank(p, rank++, open[i], local);
			open[n++] = open[i];
		}
		nopen = n;
	}
	return 0;
}

int dsched_probe(struct dsched_work *w)
{
	*w->reason = (struct dsched_reason){ 0 };
	int rc = check_request(w);
	if (rc == 0)
		rc = dsched_candidates(w);
	if (rc == 0)
		rc = choose(w);
	if (rc < 0)
		return rc;
	keep_chosen(w);
	rc = dsched_distribute(w->cands, w->ncands, w->ranks,
			       w->req->map == DSCHED_MAP_NODE || w->req->nodes);
	keep_used(w);
	return rc;
}

static int build(struct dsched_work *w, struct dsched_placement *p)
{
	int rc = allocate(w, p);

	if (rc < 0)
		return rc;
	fill_nodes(w, p);
	if (w->req->map == DSCHED_MAP_NODE)
		rc = number_in_turn(p);
	else
		number_by_node(p);
	return rc < 0 ? rc : dsched_bind_ranks(w, p);
}

int dsched_place(const struct dsched_snapshot *snap, const struct dsched_request *req,
		 struct dsched_placement *placement, struct dsched_reason *reason)
{
	struct dsched_work w = { .snap = snap, .req = req, .reason = reason };
	struct dsched_placement fresh = { 0 };

	int rc = dsched_probe(&w);
	if (rc == 0)
		rc = build(&w, &fresh);
	free(w.cands);
	if (rc < 0)
		dsched_placement_free(&fresh);
	else
		*placement = fresh;
	return rc;
}
