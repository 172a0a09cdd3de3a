/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/sched_check.h"

struct check {
	const struct dsched_snapshot *snap;
	const struct dsched_request *req;
	const struct dsched_placement *p;
	char *text;
	size_t size;
};

#define FAIL(c, ...) (snprintf((c)->text, (c)->size, __VA_ARGS__), false)

static const struct dsched_node *node_of(const struct check *c, uint32_t placed)
{
	return &c->snap->nodes[c->p->nodes[placed].index];
}

/* ---- capacity ---- */

/* Slots -H offers of the node; 0 if it is not named there, UINT64_MAX without a count. */
static uint64_t named(const struct dsched_request *req, const char *name)
{
	uint64_t sum = 0;

	if (!req->include)
		return UINT64_MAX;
	for (uint32_t i = 0; i < req->ninclude; i++) {
		if (strcmp(req->include[i].name, name) != 0)
			continue;
		if (req->include[i].slots == 0)
			return UINT64_MAX;
		sum += req->include[i].slots;
	}
	return sum;
}

static bool excluded(const struct dsched_request *req, const char *name)
{
	for (uint32_t i = 0; i < req->nexclude; i++)
		if (strcmp(req->exclude[i], name) == 0)
			return true;
	return false;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t by_slots(const struct dsched_request *req, const struct dsched_node *node,
			 bool idle)
{
	uint64_t cores = node->topo ? node->topo->ncores : UINT64_MAX;
	uint64_t slots = node->slots ? node->slots : min(cores, node->topo ? cores : 1);
	uint64_t used = idle ? 0 : min(node->slots_used, slots);

	if (req->oversubscribe)
		return DSCHED_RANKS_MAX;
	uint64_t most = min(slots, named(req, node->name));
	if (req->map == DSCHED_MAP_CORE)
		most = min(most, cores);
	return min(most, slots - used);
}

static uint64_t whole(const struct dsched_request *req, const struct dsched_node *node)
{
	if (req->map == DSCHED_MAP_PPR_NODE)
		return req->ppr;
	if (req->map == DSCHED_MAP_PPR_NUMA)
		return (uint64_t)req->ppr * (node->topo ? node->topo->nnuma : 1);
	return 0;
}

uint64_t sched_check_capacity(const struct dsched_request *req, const struct dsched_node *node,
			      bool idle)
{
	if (node->state != DSCHED_NODE_UP || excluded(req, node->name) ||
	    named(req, node->name) == 0 || (req->kvm && node->no_kvm))
		return 0;
	if (!idle && (node->exclusive || (req->exclusive && node->jobs)))
		return 0;
	uint64_t n = by_slots(req, node, idle), ppr = whole(req, node);
	if (req->mem_per_rank && node->mem)
		n = min(n, (idle ? node->mem : node->mem_free) / req->mem_per_rank);
	return ppr ? (n >= ppr ? ppr : 0) : n;
}

/* ---- numbers ---- */

static bool check_tables(const struct check *c)
{
	const struct dsched_placement *p = c->p;
	uint32_t first = 0;

	for (uint32_t i = 0; i < p->nnodes; i++) {
		const struct dsched_placed_node *n = &p->nodes[i];
		if (n->index >= c->snap->nnodes || n->id != node_of(c, i)->id)
			return FAIL(c, "placed node %u is not in the snapshot", i);
		if (n->first != first || n->nranks == 0)
			return FAIL(c, "the ranks of %s are not its own", node_of(c, i)->name);
		for (uint32_t l = 0; l < n->nranks; l++) {
			uint32_t rank = p->by_node[first + l];
			if (rank >= p->nranks || p->ranks[rank].node != i ||
			    p->ranks[rank].local != l)
				return FAIL(c, "rank %u is not where its node says", rank);
		}
		for (uint32_t j = 0; j < i; j++)
			if (p->nodes[j].index == n->index)
				return FAIL(c, "%s is placed twice", node_of(c, i)->name);
		first += n->nranks;
	}
	return first == p->nranks ? true : FAIL(c, "%u ranks on nodes, %u ranks", first, p->nranks);
}

static bool check_amounts(const struct check *c)
{
	const struct dsched_request *req = c->req;
	const struct dsched_placement *p = c->p;

	if (p->nranks == 0 || (req->ranks && p->nranks != req->ranks))
		return FAIL(c, "%u ranks placed, %u asked", p->nranks, req->ranks);
	if (req->nodes && p->nnodes != req->nodes)
		return FAIL(c, "%u nodes used, %u asked", p->nnodes, req->nodes);
	for (uint32_t i = 0; i < p->nnodes; i++) {
		const struct dsched_placed_node *n = &p->nodes[i];
		uint64_t cap = sched_check_capacity(req, node_of(c, i), false);
		uint32_t slots = dsched_node_slots(node_of(c, i));
		if (n->nranks > cap)
			return FAIL(c, "%s has %u ranks and room for %u", node_of(c, i)->name,
				    n->nranks, (unsigned)cap);
		if (n->slots < n->nranks || (req->exclusive && n->slots < slots))
			return FAIL(c, "%s is charged %u slots", node_of(c, i)->name, n->slots);
	}
	return true;
}

/* Evenly: nobody has two more than one who had room. */
static bool check_level(const struct check *c)
{
	const struct dsched_placement *p = c->p;

	for (uint32_t i = 0; i < p->nnodes; i++)
		for (uint32_t j = 0; j < p->nnodes; j++)
			if (p->nodes[i].nranks > p->nodes[j].nranks + 1 &&
			    p->nodes[j].nranks < sched_check_capacity(c->req, node_of(c, j), false))
				return FAIL(c, "%s has %u ranks, %s only %u", node_of(c, i)->name,
					    p->nodes[i].nranks, node_of(c, j)->name,
					    p->nodes[j].nranks);
	return true;
}

/* In order: only the last node may have room left. */
static bool check_filled(const struct check *c)
{
	for (uint32_t i = 0; i + 1 < c->p->nnodes; i++)
		if (c->p->nodes[i].nranks < sched_check_capacity(c->req, node_of(c, i), false))
			return FAIL(c, "%s is left before it is full", node_of(c, i)->name);
	return true;
}

static bool check_spread(const struct check *c)
{
	if (c->req->oversubscribe)
		return true;
	if (c->req->nodes || c->req->map == DSCHED_MAP_NODE)
		return check_level(c);
	return check_filled(c);
}

static bool check_numbering(const struct check *c)
{
	const struct dsched_rank *r = c->p->ranks;

	for (uint32_t i = 1; i < c->p->nranks; i++) {
		bool next_round = r[i].local == r[i - 1].local + 1;
		if (c->req->map == DSCHED_MAP_NODE) {
			if (!(r[i].local == r[i - 1].local && r[i].node > r[i - 1].node) &&
			    !next_round)
				return FAIL(c, "rank %u is out of its turn", i);
		} else if (r[i].node < r[i - 1].node) {
			return FAIL(c, "rank %u goes back to an earlier node", i);
		}
	}
	return true;
}

/* ---- binding ---- */

static const struct dsched_pu *find_pu(const struct dsched_topo *t, uint16_t os)
{
	for (uint32_t i = 0; i < t->npus; i++)
		if (t->pus[i].os == os)
			return &t->pus[i];
	return NULL;
}

static uint32_t core_size(const struct dsched_topo *t, uint16_t core)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->npus; i++)
		n += t->pus[i].core == core;
	return n;
}

static bool check_shape(const struct check *c, uint32_t rank)
{
	const struct dsched_rank *r = &c->p->ranks[rank];
	const struct dsched_topo *t = node_of(c, r->node)->topo;
	enum dsched_bind bind = c->p->nodes[r->node].bind;
	const uint16_t *pus = c->p->pus + r->first;

	if (bind == DSCHED_BIND_NONE || !t)
		return r->npus == 0 ? true : FAIL(c, "rank %u is bound", rank);
	if (r->npus == 0 || r->first + r->npus > c->p->npus)
		return FAIL(c, "rank %u is not bound", rank);
	const struct dsched_pu *first = find_pu(t, pus[0]);
	for (uint32_t i = 0; i < r->npus; i++) {
		const struct dsched_pu *pu = find_pu(t, pus[i]);
		if (!pu || !first)
			return FAIL(c, "rank %u: PU %u is not allowed", rank, pus[i]);
		if (i && pus[i] <= pus[i - 1])
			return FAIL(c, "rank %u: PUs out of order", rank);
		if (pu->numa != first->numa ||
		    (bind == DSCHED_BIND_CORE && pu->core != first->core))
			return FAIL(c, "rank %u is spread too far", rank);
	}
	if (bind == DSCHED_BIND_HWTHREAD && r->npus != 1)
		return FAIL(c, "rank %u has %u PUs", rank, r->npus);
	if (bind == DSCHED_BIND_CORE && r->npus != core_size(t, first->core))
		return FAIL(c, "rank %u has part of a core", rank);
	return true;
}

static bool same_host(const struct dsched_node *a, const struct dsched_node *b)
{
	return a == b || (a->host && a->host == b->host);
}

/* Ranks and running jobs on one PU of the host NODE is on. */
static uint32_t load_of(const struct check *c, const struct dsched_node *node, uint16_t os)
{
	uint32_t load = 0;

	for (uint32_t i = 0; i < c->snap->nnodes && load == 0; i++)
		load = same_host(node, &c->snap->nodes[i]) && c->snap->nodes[i].busy &&
		       dvmi_idset_has(c->snap->nodes[i].busy, os);
	for (uint32_t r = 0; r < c->p->nranks; r++) {
		if (!same_host(node, node_of(c, c->p->ranks[r].node)))
			continue;
		for (uint32_t i = 0; i < c->p->ranks[r].npus; i++)
			load += c->p->pus[c->p->ranks[r].first + i] == os;
	}
	return load;
}

static uint32_t load_of_rank(const struct check *c, const struct dsched_rank *r)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < r->npus; i++) {
		uint32_t load = load_of(c, node_of(c, r->node), c->p->pus[r->first + i]);
		most = load > most ? load : most;
	}
	return most;
}

/* A rank shares its core if and only if it says so. */
static bool check_sharing(const struct check *c, uint32_t rank)
{
	const struct dsched_rank *r = &c->p->ranks[rank];
	enum dsched_bind bind = c->p->nodes[r->node].bind;

	if (bind != DSCHED_BIND_CORE && bind != DSCHED_BIND_HWTHREAD)
		return true;
	bool shared = load_of_rank(c, r) > 1;
	if (shared != r->shared)
		return FAIL(c, "rank %u %s its core and says otherwise", rank,
			    shared ? "shares" : "does not share");
	if (shared && c->req->bind == DSCHED_BIND_AUTO)
		return FAIL(c, "rank %u shares a core nobody bound it to", rank);
	return true;
}

/* All nodes of the host may use the same PUs. */
static bool uniform_host(const struct check *c, const struct dsched_node *node)
{
	for (uint32_t i = 0; i < c->snap->nnodes; i++)
		if (same_host(node, &c->snap->nodes[i]) && c->snap->nodes[i].topo != node->topo)
			return false;
	return true;
}

/* Nobody shares a core while another core of the node is free. */
static bool check_waste(const struct check *c, uint32_t placed)
{
	const struct dsched_placed_node *n = &c->p->nodes[placed];
	const struct dsched_node *node = node_of(c, placed);

	if (n->bind != DSCHED_BIND_CORE || n->nshared == 0 || !uniform_host(c, node) ||
	    c->req->map == DSCHED_MAP_PPR_NUMA)
		return true;
	for (uint32_t i = 0; i < node->topo->npus; i++) {
		uint32_t load = 0;
		for (uint32_t j = 0; j < node->topo->npus; j++)
			if (node->topo->pus[j].core == node->topo->pus[i].core)
				load += load_of(c, node, node->topo->pus[j].os);
		if (load == 0)
			return FAIL(c, "%s: ranks share while core %u is free", node->name,
				    node->topo->pus[i].core);
	}
	return true;
}

static bool check_binding(const struct check *c)
{
	for (uint32_t rank = 0; rank < c->p->nranks; rank++)
		if (!check_shape(c, rank) || !check_sharing(c, rank))
			return false;
	for (uint32_t i = 0; i < c->p->nnodes; i++) {
		enum dsched_bind bind = c->p->nodes[i].bind;
		if (bind == DSCHED_BIND_AUTO ||
		    (c->req->bind != DSCHED_BIND_AUTO && bind != c->req->bind &&
		     !(bind == DSCHED_BIND_NONE && !node_of(c, i)->topo)))
			return FAIL(c, "%s is bound to %s", node_of(c, i)->name,
				    dsched_bind_name(bind));
		if (!check_waste(c, i))
			return false;
	}
	return true;
}

bool sched_check(const struct dsched_snapshot *snap, const struct dsched_request *req,
		 const struct dsched_placement *placement, char *text, size_t size)
{
	struct check c = { snap, req, placement, text, size };

	return check_tables(&c) && check_amounts(&c) && check_spread(&c) && check_numbering(&c) &&
	       check_binding(&c);
}
