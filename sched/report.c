/* SPDX-License-Identifier: BSD-3-Clause */
/* Placements as text: --report-bindings and --dry-run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/base/hostlist.h"
#include "sched/dsched.h"

static const struct dsched_node *node_of(const struct dsched_snapshot *snap,
					 const struct dsched_placement *p, uint32_t placed)
{
	return &snap->nodes[p->nodes[placed].index];
}

static int by_number(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* What a rank's PUs lie in. */
struct extent {
	struct dvmi_idset packages, numas, cores, pus;
};

static void extent_free(struct extent *x)
{
	dvmi_idset_free(&x->packages);
	dvmi_idset_free(&x->numas);
	dvmi_idset_free(&x->cores);
	dvmi_idset_free(&x->pus);
}

static int add(struct dvmi_idset *set, uint32_t id)
{
	return dvmi_idset_add(set, id, id);
}

static int extent_of(struct extent *x, const struct dsched_topo *t, const uint16_t *pus, uint32_t n)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < t->npus; i++) {
		const struct dsched_pu *pu = &t->pus[i];
		if (!bsearch(&pu->os, pus, n, sizeof *pus, by_number))
			continue;
		rc = add(&x->packages, t->package_os[pu->package]);
		rc = rc < 0 ? rc : add(&x->numas, t->numa_os[pu->numa]);
		rc = rc < 0 ? rc : add(&x->cores, pu->core);
		rc = rc < 0 ? rc : add(&x->pus, pu->os);
	}
	return rc;
}

/* "core 2" or "cores 2-3". */
static void put_set(const char *what, const struct dvmi_idset *set, struct dvmi_buf *out)
{
	dvmi_buf_printf(out, "%s%s ", what, dvmi_idset_count(set) == 1 ? "" : "s");
	dvmi_idset_format(set, out);
}

static void put_extent(const struct extent *x, struct dvmi_buf *out)
{
	put_set("package", &x->packages, out);
	/* One core says which NUMA node it is in; only more of them leave the question open. */
	if (dvmi_idset_count(&x->cores) > 1)
		put_set(" NUMA node", &x->numas, out);
	put_set(" core", &x->cores, out);
	dvmi_buf_printf(out, " (PU ");
	dvmi_idset_format(&x->pus, out);
	dvmi_buf_printf(out, ")");
}

void dsched_report_rank(const struct dsched_snapshot *snap, const struct dsched_placement *p,
			uint32_t rank, struct dvmi_buf *out)
{
	const struct dsched_rank *r = &p->ranks[rank];
	const struct dsched_node *node = node_of(snap, p, r->node);
	struct extent x = { 0 };

	dvmi_buf_printf(out, "rank %u on %s: ", rank, node->name);
	if (r->npus == 0 || !node->topo)
		dvmi_buf_printf(out, "not bound");
	else if (extent_of(&x, node->topo, p->pus + r->first, r->npus) == 0)
		put_extent(&x, out);
	else
		out->err = -ENOMEM;
	if (r->shared)
		dvmi_buf_printf(out, ", shared");
	extent_free(&x);
}

void dsched_rank_cpus(const struct dsched_placement *p, uint32_t rank, struct dvmi_buf *out)
{
	const struct dsched_rank *r = &p->ranks[rank];
	struct dvmi_idset set = { 0 };

	for (uint32_t i = 0; i < r->npus; i++)
		if (add(&set, p->pus[r->first + i]) < 0)
			out->err = -ENOMEM;
	dvmi_idset_format(&set, out);
	dvmi_idset_free(&set);
}

/* ---- notes ---- */

typedef bool note_fn(const struct dsched_request *req, const struct dsched_node *node,
		     const struct dsched_placed_node *placed);

static bool shares(const struct dsched_request *req, const struct dsched_node *node,
		   const struct dsched_placed_node *placed)
{
	return placed->nshared > 0;
}

static bool overfull(const struct dsched_request *req, const struct dsched_node *node,
		     const struct dsched_placed_node *placed)
{
	return (uint64_t)node->slots_used + placed->nranks > dsched_node_slots(node);
}

static bool unbound(const struct dsched_request *req, const struct dsched_node *node,
		    const struct dsched_placed_node *placed)
{
	return req->bind > DSCHED_BIND_NONE && placed->bind == DSCHED_BIND_NONE;
}

/* "node[1-4]: TEXT" for the nodes that NOTE is true of. */
static void put_note(const struct dsched_snapshot *snap, const struct dsched_request *req,
		     const struct dsched_placement *p, note_fn *note, const char *text,
		     struct dvmi_buf *out)
{
	cleanup_free const char **names = calloc(p->nnodes ? p->nnodes : 1, sizeof *names);
	uint32_t n = 0;

	if (!names) {
		out->err = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < p->nnodes; i++)
		if (note(req, node_of(snap, p, i), &p->nodes[i]))
			names[n++] = node_of(snap, p, i)->name;
	if (n == 0)
		return;
	if (dvmi_hostlist_fold(names, n, out) < 0)
		out->err = -ENOMEM;
	dvmi_buf_printf(out, ": %s\n", text);
}

void dsched_report_notes(const struct dsched_snapshot *snap, const struct dsched_request *req,
			 const struct dsched_placement *p, struct dvmi_buf *out)
{
	put_note(snap, req, p, overfull, "more ranks than slots", out);
	put_note(snap, req, p, shares, "too few free cores to bind to, ranks share them", out);
	put_note(snap, req, p, unbound, "topology unknown, ranks are not bound", out);
}

/* ---- the table ---- */

static void put_bind(const struct dsched_placed_node *n, struct dvmi_buf *out)
{
	char text[48];

	if (n->nshared)
		snprintf(text, sizeof text, "%s (%u shared)", dsched_bind_name(n->bind),
			 n->nshared);
	else
		snprintf(text, sizeof text, "%s", dsched_bind_name(n->bind));
	dvmi_buf_printf(out, "  %-18s  ", text);
}

static int rank_set(const struct dsched_placement *p, const struct dsched_placed_node *n,
		    struct dvmi_idset *set)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < n->nranks; i++)
		rc = add(set, p->by_node[n->first + i]);
	return rc;
}

static void put_row(const struct dsched_node *node, const struct dsched_placement *p,
		    const struct dsched_placed_node *n, int width, struct dvmi_buf *out)
{
	struct dvmi_idset ranks = { 0 };
	char slots[32];

	snprintf(slots, sizeof slots, "%u/%u", node->slots_used + n->slots,
		 dsched_node_slots(node));
	dvmi_buf_printf(out, "%-*s  %5u  %7s", width, node->name, n->nranks, slots);
	put_bind(n, out);
	if (rank_set(p, n, &ranks) < 0)
		out->err = -ENOMEM;
	dvmi_idset_format(&ranks, out);
	dvmi_buf_printf(out, "\n");
	dvmi_idset_free(&ranks);
}

void dsched_report_table(const struct dsched_snapshot *snap, const struct dsched_placement *p,
			 struct dvmi_buf *out)
{
	int width = (int)strlen("NODE");

	for (uint32_t i = 0; i < p->nnodes; i++) {
		int len = (int)strlen(node_of(snap, p, i)->name);
		width = len > width ? len : width;
	}
	dvmi_buf_printf(out, "%-*s  RANKS    SLOTS  %-18s  WHICH\n", width, "NODE", "BOUND TO");
	for (uint32_t i = 0; i < p->nnodes; i++)
		put_row(node_of(snap, p, i), p, &p->nodes[i], width, out);
}
