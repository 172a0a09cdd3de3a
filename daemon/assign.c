/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/live.h"
#include "daemon/assign.h"
#include "daemon/devices.h"
#include "daemon/topo.h"
#include "libdvm/base/err.h"
#include "sched/dsched.h"

/* ---- the nodes as sched/ sees them ---- */

void dvmd_snapshot_free(struct dvmd_snapshot *s)
{
	for (size_t i = 0; i < s->cap; i++) {
		if (s->topos)
			dvmd_topo_free(&s->topos[i]);
		if (s->busy)
			dvmi_idset_free(&s->busy[i]);
	}
	free(s->nodes);
	free(s->topos);
	free(s->busy);
	free(s->promised);
}

int dvmd_snapshot_gres(struct dvmd_snapshot *s, const char *name)
{
	for (uint32_t k = 0; k < s->ngres; k++)
		if (!strcmp(s->gres_names[k], name))
			return (int)k;
	if (s->ngres == DSCHED_GRES_MAX)
		return -ENOSPC;
	/* A copy: what NAME is part of may go while decisions are carried out. */
	snprintf(s->gres_text[s->ngres], sizeof s->gres_text[0], "%s", name);
	s->gres_names[s->ngres] = s->gres_text[s->ngres];
	return (int)s->ngres++;
}

/* What there are too many kinds of is not there. */
static void add_gres(struct dvmd_snapshot *s, Pb__Gres *const *gres, size_t n, uint32_t *counts)
{
	for (size_t i = 0; i < n; i++) {
		int kind = dvmd_snapshot_gres(s, gres[i]->name);
		if (kind >= 0)
			counts[kind] += gres[i]->count;
	}
}

static enum dsched_node_state node_state(const struct dvmd *d, const Pb__Member *m)
{
	if (m->state != PB__MEMBER_STATE__MEMBER_UP || !dvmd_live_is_up(d->live, m->id))
		return DSCHED_NODE_DOWN;
	return m->draining ? DSCHED_NODE_DRAINING : DSCHED_NODE_UP;
}

static int add_member(const Pb__Member *m, void *arg)
{
	struct dvmd_snapshot *s = arg;
	struct dsched_node *node = &s->nodes[s->n];
	struct dvmd_topo *topo = &s->topos[s->n];
	struct dvmd_member_info info;

	node->id = m->id;
	node->name = m->name;
	node->state = node_state(s->d, m);
	node->note = m->drain_why;
	node->no_kvm = m->kvm == PB__KVM__KVM_LACKING ? m->kvm_why : NULL;
	node->host = dsched_host_number(m->host);
	node->slots = m->slots;
	node->mem = m->memory;
	node->mem_free = m->memory;
	if (dvmd_live_info(s->d->live, m->id, &info) == 0 && info.load.mem_free &&
	    info.load.mem_free < node->mem_free)
		node->mem_free = info.load.mem_free;
	if (dvmd_topo_decode(topo, m->topology.data, m->topology.len) == 0)
		node->topo = &topo->cpus;
	node->busy = &s->busy[s->n];
	add_gres(s, m->gres, m->n_gres, node->gres);
	s->n++;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct dsched_node *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* node2 before node10: ranks fill nodes as a person would count them. */
static int by_name(const void *a, const void *b)
{
	const struct dsched_node *x = a, *y = b;

	return strverscmp(x->name, y->name);
}

static void charge(struct dvmd_snapshot *s, const Pb__JobRecord *r, const Pb__NodeShare *share)
{
	const struct dsched_node key = { .id = share->node };
	/* The members came in ascending order. */
	struct dsched_node *node = bsearch(&key, s->nodes, s->n, sizeof key, by_id);

	if (!node)
		return;
	if (s->promised)
		s->promised[node - s->nodes] += r->spec->mem_per_rank * share->n_ranks;
	if (r->suspended == PB__SUSPENDED__FOR_ANOTHER)
		return;
	add_gres(s, r->spec->gres, r->spec->n_gres, node->gres_used);
	node->slots_used += (uint32_t)share->n_ranks;
	node->jobs++;
	node->exclusive |= r->spec->exclusive;
	for (size_t k = 0; k < share->n_cpus; k++) {
		struct dvmi_idset cpus = { 0 };
		if (dvmi_idset_parse(&cpus, share->cpus[k], DSCHED_PU_MAX - 1) == 0)
			dvmi_idset_union(&s->busy[node - s->nodes], &cpus);
		dvmi_idset_free(&cpus);
	}
}

static int charge_job(const Pb__JobRecord *r, void *arg)
{
	if (r->spec->no_slots)
		return 0;
	for (size_t i = 0; r->state != PB__JOB_STATE__JOB_DONE && i < r->placement->n_nodes; i++)
		charge(arg, r, r->placement->nodes[i]);
	return 0;
}

/* Memory that jobs were promised is theirs, though they may not have touched it yet. */
static void keep_promises(struct dvmd_snapshot *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct dsched_node *node = &s->nodes[i];
		uint64_t left = node->mem > s->promised[i] ? node->mem - s->promised[i] : 0;
		if (node->mem && left < node->mem_free)
			node->mem_free = left;
	}
}

int dvmd_snapshot_take(struct dvmd *d, struct dvmd_snapshot *s)
{
	size_t n = dvmd_cstate_members(dvmd_state(d));

	*s = (struct dvmd_snapshot){ .d = d, .cap = n };
	s->nodes = calloc(n + 1, sizeof *s->nodes);
	s->topos = calloc(n + 1, sizeof *s->topos);
	s->busy = calloc(n + 1, sizeof *s->busy);
	s->promised = calloc(n + 1, sizeof *s->promised);
	if (!s->nodes || !s->topos || !s->busy || !s->promised)
		return -ENOMEM;
	dvmd_cstate_each_member(dvmd_state(d), add_member, s);
	dvmd_cstate_each_job(dvmd_state(d), charge_job, s);
	keep_promises(s);
	qsort(s->nodes, s->n, sizeof *s->nodes, by_name);
	return 0;
}

struct dsched_snapshot dvmd_snapshot_view(const struct dvmd_snapshot *s)
{
	return (struct dsched_snapshot){ .size = sizeof(struct dsched_snapshot),
					 .nodes = s->nodes,
					 .nnodes = (uint32_t)s->n,
					 .gres_names = s->gres_names,
					 .ngres = s->ngres };
}

uint32_t dvmd_assign_slots_used(const struct dvmd *d, uint32_t node)
{
	struct dsched_node one = { .id = node };
	struct dvmi_idset busy = { 0 };
	struct dvmd_snapshot s = { .nodes = &one, .busy = &busy, .d = d, .n = 1 };

	dvmd_cstate_each_job(dvmd_state(d), charge_job, &s);
	dvmi_idset_free(&busy);
	return one.slots_used;
}

/* ---- beside a job ---- */

static struct dsched_node *node_by_id(const struct dvmd_snapshot *s, uint32_t id)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->nodes[i].id == id)
			return &s->nodes[i];
	return NULL;
}

/* A node that is being drained takes no new work, but what runs there still has to be asked things,
 * its end not least. */
static void open_beside(struct dvmd *d, struct dvmd_snapshot *s, const Pb__JobSpec *spec)
{
	const Pb__JobRecord *r =
		spec->no_slots ? dvmd_cstate_job(dvmd_state(d), spec->beside) : NULL;

	if (!r || r->state == PB__JOB_STATE__JOB_DONE || (spec->uid && spec->uid != r->spec->uid))
		return;
	for (size_t i = 0; i < r->placement->n_nodes; i++) {
		struct dsched_node *node = node_by_id(s, r->placement->nodes[i]->node);
		if (node && node->state == DSCHED_NODE_DRAINING)
			node->state = DSCHED_NODE_UP;
	}
}

/* ---- the request ---- */

static const enum dsched_map maps[] = {
	[PB__MAP_BY__MAP_SLOT] = DSCHED_MAP_SLOT,
	[PB__MAP_BY__MAP_NODE] = DSCHED_MAP_NODE,
	[PB__MAP_BY__MAP_CORE] = DSCHED_MAP_CORE,
	[PB__MAP_BY__MAP_NUMA] = DSCHED_MAP_NUMA,
	[PB__MAP_BY__MAP_PPR_NODE] = DSCHED_MAP_PPR_NODE,
	[PB__MAP_BY__MAP_PPR_NUMA] = DSCHED_MAP_PPR_NUMA,
};

static const enum dsched_bind binds[] = {
	[PB__BIND_TO__BIND_AUTO] = DSCHED_BIND_AUTO,
	[PB__BIND_TO__BIND_NONE] = DSCHED_BIND_NONE,
	[PB__BIND_TO__BIND_CORE] = DSCHED_BIND_CORE,
	[PB__BIND_TO__BIND_NUMA] = DSCHED_BIND_NUMA,
	[PB__BIND_TO__BIND_THREAD] = DSCHED_BIND_HWTHREAD,
};

int dvmd_assign_request(struct dvmd_snapshot *s, const Pb__JobSpec *spec,
			struct dsched_request *req, struct dsched_host **hosts)
{
	*hosts = calloc(spec->n_hosts + 1, sizeof **hosts);
	if (!*hosts)
		return -ENOMEM;
	for (size_t i = 0; i < spec->n_hosts; i++)
		(*hosts)[i] = (struct dsched_host){ .name = spec->hosts[i]->name,
						    .slots = spec->hosts[i]->slots };
	*req = (struct dsched_request){ .size = sizeof *req,
					.ranks = spec->ranks,
					.nodes = spec->nodes,
					.map = maps[spec->map_by],
					.ppr = spec->per,
					.bind = binds[spec->bind_to],
					.include = spec->n_hosts ? *hosts : NULL,
					.ninclude = (uint32_t)spec->n_hosts,
					.exclude = (const char *const *)spec->exclude,
					.nexclude = (uint32_t)spec->n_exclude,
					.oversubscribe = spec->oversubscribe,
					.exclusive = spec->exclusive,
					.mem_per_rank = spec->mem_per_rank,
					.kvm = spec->guest };
	for (size_t i = 0; i < spec->n_gres; i++)
		if (dvmd_snapshot_gres(s, spec->gres[i]->name) < 0)
			return -ENOSPC;
	add_gres(s, spec->gres, spec->n_gres, req->gres);
	return 0;
}

/* ---- the answer ---- */

/* The text that is in B, as a string of its own; NULL when out of memory. Frees B. */
static char *take_text(struct dvmi_buf *b)
{
	dvmi_buf_put_u8(b, 0);
	if (!b->err)
		return (char *)b->data;
	dvmi_buf_free(b);
	return NULL;
}

static char *cpus_text(const struct dsched_placement *p, uint32_t rank)
{
	struct dvmi_buf b = { 0 };

	dsched_rank_cpus(p, rank, &b);
	return take_text(&b);
}

/* Cuts TEXT into its lines; *LIST and they are the caller's. */
static int take_lines(char *text, char ***list, size_t *n)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char **grown = reallocarray(*list, *n + 1, sizeof *grown);
		if (!grown)
			return -ENOMEM;
		*list = grown;
		if (!(grown[*n] = strdup(line)))
			return -ENOMEM;
		++*n;
	}
	return 0;
}

static int fill_share(struct dvmd *d, const struct dsched_placement *p,
		      const struct dsched_placed_node *node, Pb__NodeShare *share)
{
	const Pb__Member *m = dvmd_cstate_member(dvmd_state(d), node->id);
	bool bound = node->bind != DSCHED_BIND_NONE;

	pb__node_share__init(share);
	share->node = node->id;
	share->name = strdup(m->name);
	share->address = strdup(m->address);
	share->port_low = m->port_low;
	share->port_high = m->port_high;
	share->ranks = calloc(node->nranks, sizeof *share->ranks);
	share->cpus = bound ? calloc(node->nranks, sizeof *share->cpus) : NULL;
	if (!share->name || !share->address || !share->ranks || (bound && !share->cpus))
		return -ENOMEM;
	for (uint32_t i = 0; i < node->nranks; i++) {
		uint32_t rank = p->by_node[node->first + i];
		share->ranks[share->n_ranks++] = rank;
		if (bound && !(share->cpus[share->n_cpus++] = cpus_text(p, rank)))
			return -ENOMEM;
	}
	return 0;
}

static uint64_t host_of(struct dvmd *d, const Pb__NodeShare *share)
{
	return dsched_host_number(dvmd_cstate_member(dvmd_state(d), share->node)->host);
}

/* Nodes may share a host, and then its cores. */
static int count_host_ranks(struct dvmd *d, Pb__Placement *p)
{
	uint64_t *hosts = calloc(p->n_nodes, sizeof *hosts);

	if (!hosts)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_nodes; i++)
		hosts[i] = host_of(d, p->nodes[i]);
	for (size_t i = 0; i < p->n_nodes; i++)
		for (size_t k = 0; k < p->n_nodes; k++)
			if (hosts[k] == hosts[i])
				p->nodes[i]->host_ranks += (uint32_t)p->nodes[k]->n_ranks;
	free(hosts);
	return 0;
}

static int fill_placement(struct dvmd *d, const struct dsched_placement *p, Pb__Placement *out)
{
	out->ranks = p->nranks;
	out->nodes = calloc(p->nnodes, sizeof *out->nodes);
	if (!out->nodes)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->nnodes; i++) {
		Pb__NodeShare *share = calloc(1, sizeof *share);
		if (!share)
			return -ENOMEM;
		out->nodes[out->n_nodes++] = share;
		int rc = fill_share(d, p, &p->nodes[i], share);
		if (rc < 0)
			return rc;
	}
	return count_host_ranks(d, out);
}

static int export_placement(struct dvmd *d, const struct dsched_placement *p, Pb__Placement **outp)
{
	Pb__Placement *out = malloc(sizeof *out);

	if (!out)
		return -ENOMEM;
	pb__placement__init(out);
	int rc = fill_placement(d, p, out);
	if (rc < 0)
		dvmi_pb_free(out);
	else
		*outp = out;
	return rc;
}

static int add_notes(const struct dsched_snapshot *snap, const struct dsched_request *req,
		     const struct dsched_placement *p, Pb__Placement *out)
{
	struct dvmi_buf b = { 0 };

	dsched_report_notes(snap, req, p, &b);
	char *text = take_text(&b);
	int rc = text ? take_lines(text, &out->notes, &out->n_notes) : -ENOMEM;
	free(text);
	return rc;
}

int dvmd_assign_bindings(const struct dsched_snapshot *snap, const struct dsched_placement *p,
			 char **bindings)
{
	struct dvmi_buf b = { 0 };

	for (uint32_t i = 0; i < p->nranks; i++) {
		dsched_report_rank(snap, p, i, &b);
		dvmi_buf_put(&b, "\n", 1);
	}
	return (*bindings = take_text(&b)) ? 0 : -ENOMEM;
}

int dvmd_assign_export(struct dvmd *d, const struct dsched_snapshot *snap,
		       const struct dsched_request *req, const struct dsched_placement *p,
		       Pb__Placement **out)
{
	Pb__Placement *placement = NULL;
	int rc = export_placement(d, p, &placement);

	if (rc == 0)
		rc = dvmd_devices_assign(d, snap, req, placement);
	if (rc == 0)
		rc = add_notes(snap, req, p, placement);
	if (rc < 0)
		dvmi_pb_free(placement);
	else
		*out = placement;
	return rc;
}

static int place(struct dvmd *d, const struct dsched_snapshot *snap,
		 const struct dsched_request *req, Pb__Placement **out, char **bindings,
		 dvm_error_t *err)
{
	struct dsched_placement p = { 0 };
	struct dsched_reason reason = { 0 };
	int rc = dsched_place(snap, req, &p, &reason);

	if (rc < 0)
		return dvmi_error_set(err, rc, "%s", *reason.text ? reason.text : dvm_strerror(rc));
	if (bindings)
		rc = dvmd_assign_bindings(snap, &p, bindings);
	if (rc == 0)
		rc = dvmd_assign_export(d, snap, req, &p, out);
	dsched_placement_free(&p);
	return rc < 0 ? dvmi_error_code(err, rc, "placement") : 0;
}

int dvmd_assign(struct dvmd *d, const Pb__JobSpec *spec, Pb__Placement **out, char **bindings,
		dvm_error_t *err)
{
	struct dvmd_snapshot s;
	struct dsched_request req;
	struct dsched_host *hosts = NULL;
	int rc = dvmd_snapshot_take(d, &s);

	if (rc == 0)
		rc = dvmd_assign_request(&s, spec, &req, &hosts);
	if (rc < 0) {
		dvmi_error_code(err, rc, "placement");
	} else {
		const struct dsched_snapshot snap = dvmd_snapshot_view(&s);
		open_beside(d, &s, spec);
		rc = place(d, &snap, &req, out, bindings, err);
	}
	free(hosts);
	dvmd_snapshot_free(&s);
	return rc;
}
