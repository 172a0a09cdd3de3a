/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Binding: which PUs each placed rank may run on.
 *
 * A rank takes the least loaded place, in topology order, where a place is a core or a PU and its
 * load is the ranks already there: those of this placement on any node of the same host, and one
 * for PUs that running jobs are bound to. So free cores go first and binding never fails: when
 * they run out, ranks share. A rank bound to a NUMA node is counted on a core of it as well, and
 * gets all PUs there that no running job is bound to.
 */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/base/cleanup.h"
#include "sched/place_private.h"

/* One PU of the host at hand. Of an older epoch: as good as zero. */
struct cell {
	uint32_t epoch, load;
	bool busy;
};

/* The places ranks choose from: all of the node, or those of one NUMA node. */
struct lane {
	uint32_t first, n; /* in the places */
	uint32_t at;	   /* the places before it are above the level */
	uint32_t level;
};

/* PUs of a NUMA node in the output, once they are there. */
struct stretch {
	uint32_t first, n;
};

struct binder {
	const struct dsched_work *w;
	struct dsched_placement *out;
	uint32_t pus_cap;
	struct cell *cells; /* by OS number */
	uint32_t epoch;	    /* a host has one */
	uint32_t *taken;    /* of each rank: the place it is counted on */
	/* of the node at hand */
	const struct dsched_topo *topo;
	bool single;		  /* places are PUs, not cores */
	uint32_t *order, *places; /* index of a place's first PU */
	uint32_t nplaces;
	struct lane *lanes;
	struct stretch *numa;
	uint32_t nlanes, turn, level;
};

/* ---- load ---- */

static struct cell *cell(struct binder *b, uint32_t os)
{
	struct cell *c = &b->cells[os];

	if (c->epoch != b->epoch)
		*c = (struct cell){ .epoch = b->epoch };
	return c;
}

static uint32_t place_end(const struct binder *b, uint32_t place)
{
	const struct dsched_topo *t = b->topo;
	uint32_t end = place + 1;

	while (!b->single && end < t->npus && t->pus[end].core == t->pus[place].core)
		end++;
	return end;
}

static uint32_t place_load(struct binder *b, uint32_t place)
{
	uint32_t load = 0, end = place_end(b, place);

	for (uint32_t i = place; i < end; i++) {
		uint32_t l = cell(b, b->topo->pus[i].os)->load;
		load = l > load ? l : load;
	}
	return load;
}

static void raise_load(struct binder *b, uint32_t place)
{
	uint32_t end = place_end(b, place);

	for (uint32_t i = place; i < end; i++)
		cell(b, b->topo->pus[i].os)->load++;
}

static void mark_busy(struct binder *b, const struct dvmi_idset *busy)
{
	for (size_t i = 0; busy && i < busy->n; i++)
		for (uint32_t os = busy->r[i].lo; os <= busy->r[i].hi && os < DSCHED_PU_MAX; os++) {
			cell(b, os)->busy = true;
			cell(b, os)->load = 1;
		}
}

/* ---- the places of a node ---- */

static void list_cores(struct binder *b)
{
	for (uint32_t i = 0; i < b->topo->npus; i++)
		if (i == 0 || b->topo->pus[i].core != b->topo->pus[i - 1].core)
			b->order[b->nplaces++] = i;
}

/* The first PU of each core, then the second of each, …: cores are shared last. */
static void list_pus(struct binder *b)
{
	const struct dsched_pu *pus = b->topo->pus;

	for (uint32_t thread = 0; b->nplaces < b->topo->npus; thread++)
		for (uint32_t i = 0, nth = 0; i < b->topo->npus; i++) {
			nth = i && pus[i].core == pus[i - 1].core ? nth + 1 : 0;
			if (nth == thread)
				b->order[b->nplaces++] = i;
		}
}

static void one_lane(struct binder *b)
{
	b->nlanes = 1;
	b->lanes[0] = (struct lane){ .n = b->nplaces };
	for (uint32_t i = 0; i < b->nplaces; i++)
		b->places[i] = b->order[i];
}

static void lane_per_numa(struct binder *b)
{
	b->nlanes = b->topo->nnuma;
	for (uint32_t i = 0; i < b->nlanes; i++)
		b->lanes[i] = (struct lane){ 0 };
	for (uint32_t i = 0; i < b->nplaces; i++)
		b->lanes[b->topo->pus[b->order[i]].numa].n++;
	for (uint32_t i = 1; i < b->nlanes; i++)
		b->lanes[i].first = b->lanes[i - 1].first + b->lanes[i - 1].n;
	for (uint32_t i = 0; i < b->nplaces; i++) {
		struct lane *l = &b->lanes[b->topo->pus[b->order[i]].numa];
		b->places[l->first + l->at++] = b->order[i];
	}
	for (uint32_t i = 0; i < b->nlanes; i++)
		b->lanes[i].at = 0;
}

/* Starts each lane at its least load, or ranks on a crowded host would climb there one by one. */
static void find_levels(struct binder *b)
{
	b->level = UINT32_MAX;
	for (uint32_t i = 0; i < b->nlanes; i++) {
		struct lane *l = &b->lanes[i];
		l->level = UINT32_MAX;
		for (uint32_t k = 0; k < l->n && l->level > 0; k++) {
			uint32_t load = place_load(b, b->places[l->first + k]);
			l->level = load < l->level ? load : l->level;
		}
		b->level = l->level < b->level ? l->level : b->level;
	}
}

/* Whose places, and what a place is. */
static void look_at(struct binder *b, const struct dsched_topo *topo, enum dsched_bind bind)
{
	b->topo = topo;
	b->single = bind == DSCHED_BIND_HWTHREAD;
}

static void open_node(struct binder *b, const struct dsched_topo *topo, enum dsched_bind bind)
{
	enum dsched_map map = b->w->req->map;

	look_at(b, topo, bind);
	b->nplaces = b->turn = 0;
	for (uint32_t i = 0; i < topo->nnuma; i++)
		b->numa[i] = (struct stretch){ 0 };
	if (b->single)
		list_pus(b);
	else
		list_cores(b);
	if (map == DSCHED_MAP_NUMA || map == DSCHED_MAP_PPR_NUMA)
		lane_per_numa(b);
	else
		one_lane(b);
	find_levels(b);
}

/* ---- choosing ---- */

/* The next place of the lane whose load is at most LEVEL. */
static bool next_place(struct binder *b, struct lane *l, uint32_t level, uint32_t *place)
{
	if (l->level != level) {
		l->level = level;
		l->at = 0;
	}
	for (; l->at < l->n; l->at++) {
		*place = b->places[l->first + l->at];
		if (place_load(b, *place) <= level)
			return true;
	}
	return false;
}

/* Lanes in turn; one that has only more loaded places than another is passed over. */
static uint32_t choose_in_turn(struct binder *b)
{
	uint32_t place;

	for (;; b->level++)
		for (uint32_t k = 0; k < b->nlanes; k++) {
			uint32_t i = (b->turn + k) % b->nlanes;
			if (next_place(b, &b->lanes[i], b->level, &place)) {
				b->turn = i + 1;
				return place;
			}
		}
}

static uint32_t choose_in_lane(struct binder *b, struct lane *l)
{
	uint32_t place, level = l->level;

	while (!next_place(b, l, level, &place))
		level++;
	return place;
}

static uint32_t choose(struct binder *b, uint32_t local)
{
	const struct dsched_request *req = b->w->req;

	if (req->map == DSCHED_MAP_PPR_NUMA)
		return choose_in_lane(b, &b->lanes[local / req->ppr % b->nlanes]);
	return choose_in_turn(b);
}

/* ---- output ---- */

static int put_pu(struct binder *b, uint16_t os)
{
	struct dsched_placement *p = b->out;

	if (p->npus == b->pus_cap) {
		uint32_t cap = b->pus_cap ? b->pus_cap * 2 : 256;
		uint16_t *pus = reallocarray(p->pus, cap, sizeof *pus);
		if (!pus)
			return -ENOMEM;
		p->pus = pus;
		b->pus_cap = cap;
	}
	p->pus[p->npus++] = os;
	return 0;
}

static int put_place(struct binder *b, struct dsched_rank *rank, uint32_t place)
{
	uint32_t end = place_end(b, place);
	int rc = 0;

	rank->first = b->out->npus;
	rank->npus = end - place;
	for (uint32_t i = place; rc == 0 && i < end; i++)
		rc = put_pu(b, b->topo->pus[i].os);
	return rc;
}

static int by_number(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static int put_numa_pus(struct binder *b, uint32_t numa, bool busy_too)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < b->topo->npus; i++) {
		const struct dsched_pu *pu = &b->topo->pus[i];
		if (pu->numa == numa && (busy_too || !cell(b, pu->os)->busy))
			rc = put_pu(b, pu->os);
	}
	return rc;
}

/* All PUs of the NUMA node; those running jobs are bound to only if there are no others. */
static int list_numa(struct binder *b, uint32_t numa)
{
	struct stretch *s = &b->numa[numa];

	s->first = b->out->npus;
	int rc = put_numa_pus(b, numa, false);
	if (rc == 0 && b->out->npus == s->first)
		rc = put_numa_pus(b, numa, true);
	if (rc < 0)
		return rc;
	s->n = b->out->npus - s->first;
	qsort(b->out->pus + s->first, s->n, sizeof *b->out->pus, by_number);
	return 0;
}

static int put_numa(struct binder *b, struct dsched_rank *rank, uint32_t numa)
{
	int rc = b->numa[numa].n ? 0 : list_numa(b, numa);

	rank->first = b->numa[numa].first;
	rank->npus = b->numa[numa].n;
	return rc;
}

/* ---- nodes and hosts ---- */

/*
 * AUTO binds only where it cannot hurt: to cores if ranks were mapped by core (and see unbind()),
 * to NUMA nodes if there are several. A lone core would starve a rank that has threads.
 */
static enum dsched_bind resolve(const struct dsched_request *req, const struct dsched_topo *topo)
{
	if (!topo)
		return DSCHED_BIND_NONE;
	if (req->bind != DSCHED_BIND_AUTO)
		return req->bind;
	if (req->map == DSCHED_MAP_CORE)
		return DSCHED_BIND_CORE;
	return topo->nnuma > 1 ? DSCHED_BIND_NUMA : DSCHED_BIND_NONE;
}

static int bind_rank(struct binder *b, uint32_t rank, enum dsched_bind bind)
{
	struct dsched_rank *r = &b->out->ranks[rank];
	uint32_t place = choose(b, r->local);

	raise_load(b, place);
	b->taken[rank] = place;
	if (bind == DSCHED_BIND_NUMA)
		return put_numa(b, r, b->topo->pus[place].numa);
	return put_place(b, r, place);
}

static const struct dsched_topo *topo_of(const struct binder *b, const struct dsched_placed_node *n)
{
	return b->w->snap->nodes[n->index].topo;
}

static int bind_node(struct binder *b, struct dsched_placed_node *node)
{
	int rc = 0;

	node->bind = resolve(b->w->req, topo_of(b, node));
	if (node->bind == DSCHED_BIND_NONE)
		return 0;
	open_node(b, topo_of(b, node), node->bind);
	for (uint32_t i = 0; rc == 0 && i < node->nranks; i++)
		rc = bind_rank(b, b->out->by_node[node->first + i], node->bind);
	return rc;
}

/* Known only when all nodes of the host have been bound. */
static void mark_shared(struct binder *b, struct dsched_placed_node *node)
{
	if (node->bind == DSCHED_BIND_NONE)
		return;
	look_at(b, topo_of(b, node), node->bind);
	for (uint32_t i = 0; i < node->nranks; i++) {
		uint32_t rank = b->out->by_node[node->first + i];
		b->out->ranks[rank].shared = place_load(b, b->taken[rank]) > 1;
		node->nshared += b->out->ranks[rank].shared;
	}
}

static void unbind(struct binder *b, struct dsched_placed_node *node)
{
	node->bind = DSCHED_BIND_NONE;
	node->nshared = 0;
	for (uint32_t i = 0; i < node->nranks; i++) {
		struct dsched_rank *r = &b->out->ranks[b->out->by_node[node->first + i]];
		r->first = r->npus = 0;
		r->shared = false;
	}
}

/* A node of the snapshot, sortable by the host it is on. */
struct tenant {
	uint64_t host;
	uint32_t index;	 /* in the snapshot */
	uint32_t placed; /* in the placement, counted from 1; 0: no rank there */
};

static int by_host(const void *a, const void *b)
{
	const struct tenant *x = a, *y = b;

	if (x->host != y->host)
		return x->host < y->host ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

/* Whether cores that nobody asked to be bound to turned out to be too few on the host. */
static bool regrets(struct binder *b, const struct tenant *t, uint32_t n)
{
	uint32_t shared = 0;

	if (b->w->req->bind != DSCHED_BIND_AUTO || b->w->req->map != DSCHED_MAP_CORE)
		return false;
	for (uint32_t i = 0; i < n; i++)
		shared += t[i].placed ? b->out->nodes[t[i].placed - 1].nshared : 0;
	return shared > 0;
}

static int bind_host(struct binder *b, const struct tenant *t, uint32_t n)
{
	uint32_t npus = b->out->npus;
	int rc = 0;

	b->epoch++;
	for (uint32_t i = 0; i < n; i++)
		mark_busy(b, b->w->snap->nodes[t[i].index].busy);
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		if (t[i].placed)
			rc = bind_node(b, &b->out->nodes[t[i].placed - 1]);
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		if (t[i].placed)
			mark_shared(b, &b->out->nodes[t[i].placed - 1]);
	if (rc < 0 || !regrets(b, t, n))
		return rc;
	for (uint32_t i = 0; i < n; i++)
		if (t[i].placed)
			unbind(b, &b->out->nodes[t[i].placed - 1]);
	b->out->npus = npus;
	return 0;
}

static struct tenant *tenants(const struct dsched_snapshot *snap, const struct dsched_placement *p)
{
	struct tenant *t = calloc(snap->nnodes, sizeof *t);

	if (!t)
		return NULL;
	for (uint32_t i = 0; i < snap->nnodes; i++)
		t[i] = (struct tenant){ .host = snap->nodes[i].host, .index = i };
	for (uint32_t i = 0; i < p->nnodes; i++)
		t[p->nodes[i].index].placed = i + 1;
	qsort(t, snap->nnodes, sizeof *t, by_host);
	return t;
}

static int bind_hosts(struct binder *b)
{
	uint32_t n = b->w->snap->nnodes;
	cleanup_free struct tenant *t = tenants(b->w->snap, b->out);
	int rc = t ? 0 : -ENOMEM;

	for (uint32_t i = 0, j; rc == 0 && i < n; i = j) {
		for (j = i + 1; j < n && t[i].host && t[j].host == t[i].host;)
			j++;
		rc = bind_host(b, &t[i], j - i);
	}
	return rc;
}

static int allocate(struct binder *b)
{
	uint32_t npus = 1, nnuma = 1;

	for (uint32_t i = 0; i < b->out->nnodes; i++) {
		const struct dsched_topo *t = topo_of(b, &b->out->nodes[i]);
		npus = t && t->npus > npus ? t->npus : npus;
		nnuma = t && t->nnuma > nnuma ? t->nnuma : nnuma;
	}
	b->cells = calloc(DSCHED_PU_MAX, sizeof *b->cells);
	b->taken = calloc(b->out->nranks, sizeof *b->taken);
	b->order = calloc(npus, sizeof *b->order);
	b->places = calloc(npus, sizeof *b->places);
	b->lanes = calloc(nnuma, sizeof *b->lanes);
	b->numa = calloc(nnuma, sizeof *b->numa);
	return b->cells && b->taken && b->order && b->places && b->lanes && b->numa ? 0 : -ENOMEM;
}

int dsched_bind_ranks(const struct dsched_work *w, struct dsched_placement *out)
{
	struct binder b = { .w = w, .out = out };
	int rc = allocate(&b);

	if (rc == 0)
		rc = bind_hosts(&b);
	free(b.cells);
	free(b.taken);
	free(b.order);
	free(b.places);
	free(b.lanes);
	free(b.numa);
	return rc;
}
