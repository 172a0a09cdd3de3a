/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a request is not placed: the constraint, the nearest value that would do, and the text. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sched/place_private.h"

#define SIZE_TEXT 32

static int vset(struct dsched_work *w, enum dsched_verdict verdict, enum dsched_constraint what,
		const char *name, const char *fmt, va_list ap)
{
	struct dsched_reason *r = w->reason;

	r->verdict = verdict;
	r->constraint = what;
	snprintf(r->name, sizeof r->name, "%s", name ? name : "");
	vsnprintf(r->text, sizeof r->text, fmt, ap);
	return verdict == DSCHED_WAIT ? -EAGAIN : -DVM_ENOSLOTS;
}

int dsched_refuse(struct dsched_work *w, enum dsched_constraint what, const char *name, int code,
		  const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vset(w, DSCHED_IMPOSSIBLE, what, name, fmt, ap);
	va_end(ap);
	return code;
}

__attribute__((format(printf, 5, 6))) static int say(struct dsched_work *w,
						     enum dsched_verdict verdict,
						     enum dsched_constraint what, const char *name,
						     const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int code = vset(w, verdict, what, name, fmt, ap);
	va_end(ap);
	return code;
}

/* Bytes as "1.5 GiB". Returns OUT. */
static const char *size_text(uint64_t bytes, char out[SIZE_TEXT])
{
	static const char *const unit[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	int u = 0;

	if (bytes < 1024) {
		snprintf(out, SIZE_TEXT, "%u B", (unsigned)bytes);
		return out;
	}
	double v = (double)bytes / 1024;
	for (; v >= 1024 && u < 5; u++)
		v /= 1024;
	snprintf(out, SIZE_TEXT, "%.1f %s", v, unit[u]);
	return out;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static bool is_ppr(const struct dsched_request *req)
{
	return req->map == DSCHED_MAP_PPR_NODE || req->map == DSCHED_MAP_PPR_NUMA;
}

/* Why the candidates are fewer than the nodes of the machine: " (1 down, 2 draining)". */
static void put_absent(const struct dsched_work *w, char *out, size_t size)
{
	unsigned down = 0, draining = 0;

	for (uint32_t i = 0; i < w->snap->nnodes; i++) {
		down += w->snap->nodes[i].state == DSCHED_NODE_DOWN;
		draining += w->snap->nodes[i].state == DSCHED_NODE_DRAINING;
	}
	out[0] = 0;
	if (down && draining)
		snprintf(out, size, " (%u down, %u draining)", down, draining);
	else if (down || draining)
		snprintf(out, size, " (%u %s)", down + draining, down ? "down" : "draining");
}

/* Room that there is, but not for new jobs: ", 2 nodes draining". */
static void put_draining(const struct dsched_work *w, char *out, size_t size)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < w->snap->nnodes; i++)
		n += w->snap->nodes[i].state == DSCHED_NODE_DRAINING;
	out[0] = 0;
	if (n)
		snprintf(out, size, ", %u node%s draining", n, plural(n));
}

/* Where the nodes come from, as the user would say it. */
static const char *origin(const struct dsched_work *w)
{
	if (w->req->include)
		return w->req->nexclude ? "are left of -H" : "are in -H";
	return w->req->nexclude ? "are up and not excluded" : "are up";
}

static int no_candidates(struct dsched_work *w)
{
	char absent[64];

	if (w->req->include)
		return say(w, DSCHED_IMPOSSIBLE, DSCHED_C_NODES, NULL,
			   "every node of -H is excluded");
	put_absent(w, absent, sizeof absent);
	if (w->req->nexclude)
		return say(w, DSCHED_IMPOSSIBLE, DSCHED_C_NODES, NULL,
			   "every node that is up is excluded%s", absent);
	return say(w, DSCHED_IMPOSSIBLE, DSCHED_C_NODES, NULL, "no node is up%s", absent);
}

int dsched_refuse_kvm(struct dsched_work *w, uint32_t asked, const struct dsched_node *one,
		      uint32_t unfit)
{
	char more[32] = "", absent[64];

	w->reason->of_nodes = true;
	w->reason->asked = asked;
	w->reason->have = w->reason->nearest = w->ncands;
	if (unfit > 1)
		snprintf(more, sizeof more, ", and %u more", unfit - 1);
	put_absent(w, absent, sizeof absent);
	if (w->ncands == 0)
		return say(w, DSCHED_IMPOSSIBLE, DSCHED_C_KVM, one->name,
			   "no node can run guests (%.64s: %.160s%s)%s", one->name, one->no_kvm, more,
			   absent);
	return say(w, DSCHED_IMPOSSIBLE, DSCHED_C_KVM, one->name,
		   "%u nodes that can run guests asked, %u can%s (not %.64s: %.160s%s)", asked,
		   w->ncands, absent, one->name, one->no_kvm, more);
}

/* ---- the machine is too small ---- */

/* No node, or too few, have the slots for their whole number of ranks. */
static int too_few_for_ppr(struct dsched_work *w, const struct dsched_shortage *lack)
{
	uint32_t want = dsched_ppr_ranks(w->req, w->cands[0].node), most = 0;

	for (uint32_t i = 0; i < w->ncands; i++) {
		uint32_t slots = dsched_node_slots(w->cands[i].node);
		if (w->cands[i].limit < slots)
			slots = w->cands[i].limit;
		most = slots > most ? slots : most;
	}
	if (lack->have)
		return say(w, DSCHED_IMPOSSIBLE, DSCHED_C_NODES, NULL,
			   "%u node%s with room for %u ranks each asked, %u ha%s it: "
			   "use -N %u or --oversubscribe",
			   w->req->nodes, plural(w->req->nodes), want, (unsigned)lack->have,
			   lack->have == 1 ? "s" : "ve", (unsigned)lack->have);
	return say(w, DSCHED_IMPOSSIBLE, DSCHED_C_NODES, NULL,
		   "%u ranks per node asked, the roomiest node has %u slot%s: "
		   "ask for fewer or use --oversubscribe",
		   want, most, plural(most));
}

static int too_few_nodes(struct dsched_work *w, const struct dsched_shortage *lack)
{
	char absent[64];

	if (w->ncands == 0)
		return no_candidates(w);
	if (lack->have < w->ncands)
		return too_few_for_ppr(w, lack);
	put_absent(w, absent, sizeof absent);
	return say(w, DSCHED_IMPOSSIBLE, DSCHED_C_NODES, NULL, "%u nodes asked, %u %s%s: use -N %u",
		   (unsigned)lack->asked, (unsigned)lack->have, origin(w), absent,
		   (unsigned)lack->have);
}

static const char *slot_name(const struct dsched_work *w, uint64_t n)
{
	if (is_ppr(w->req))
		return n == 1 ? "place" : "places";
	if (w->req->map == DSCHED_MAP_CORE)
		return n == 1 ? "slot with a core" : "slots with cores";
	return n == 1 ? "slot" : "slots";
}

static int too_few_slots(struct dsched_work *w, const struct dsched_shortage *lack)
{
	uint32_t nodes = w->req->nodes ? w->req->nodes : w->ncands;
	/* Of a number per resource, oversubscription makes no more. */
	const char * or = w->req->oversubscribe || is_ppr(w->req) ? "" : " or --oversubscribe";
	char absent[64] = "";

	if (!w->req->include)
		put_absent(w, absent, sizeof absent);
	return say(w, DSCHED_IMPOSSIBLE, DSCHED_C_SLOTS, NULL,
		   "%u ranks asked, %s%u %s on %u node%s%s: use -n %u%s", (unsigned)lack->asked,
		   nodes < w->ncands ? "at most " : "", (unsigned)lack->have,
		   slot_name(w, lack->have), nodes, plural(nodes), absent, (unsigned)lack->have, or);
}

/* ---- memory, in all or free now ---- */

/* The candidate whose memory has room for the fewest ranks; for the most if even that is none. */
static const struct dsched_node *example(const struct dsched_work *w, bool idle, bool roomiest)
{
	const struct dsched_node *found = NULL;
	uint64_t best = 0;

	for (uint32_t i = 0; i < w->ncands; i++) {
		const struct dsched_node *node = w->cands[i].node;
		uint64_t mem = node->mem == 0 ? UINT64_MAX : idle ? node->mem : node->mem_free;
		if (!found || (roomiest ? mem > best : mem < best)) {
			found = node;
			best = mem;
		}
	}
	return found;
}

static void put_advice(const struct dsched_shortage *lack, bool idle, char *out, size_t size)
{
	if (!idle)
		out[0] = 0;
	else if (lack->have == 0)
		snprintf(out, size, ": ask for less memory per rank");
	else
		snprintf(out, size, ": use -%c %u or less memory per rank",
			 lack->what == DSCHED_C_NODES ? 'N' : 'n', (unsigned)lack->have);
}

static int too_little_memory(struct dsched_work *w, bool idle, const struct dsched_shortage *lack)
{
	const struct dsched_node *node = example(w, idle, lack->have == 0);
	enum dsched_verdict verdict = idle ? DSCHED_IMPOSSIBLE : DSCHED_WAIT;
	char each[SIZE_TEXT], there[SIZE_TEXT], advice[80];
	const char *kind = idle ? "in all" : "free";

	put_advice(lack, idle, advice, sizeof advice);
	size_text(w->req->mem_per_rank, each);
	size_text(idle ? node->mem : node->mem_free, there);
	if (lack->what == DSCHED_C_NODES)
		return say(w, verdict, DSCHED_C_MEMORY, node->name,
			   "needs %u node%s with %s a rank, %u ha%s it (%.64s has %s %s)%s",
			   (unsigned)lack->asked, plural(lack->asked), each, (unsigned)lack->have,
			   lack->have == 1 ? "s" : "ve", node->name, there, kind, advice);
	return say(w, verdict, DSCHED_C_MEMORY, node->name,
		   "needs %s for each of %u ranks, there is room for %u (%.64s has %s %s)%s", each,
		   (unsigned)lack->asked, (unsigned)lack->have, node->name, there, kind, advice);
}

/* ---- generic resources ---- */

/* A kind that some candidate lacks; -1: none does, so it is memory. */
static int lacking_kind(const struct dsched_work *w, bool idle)
{
	int kind = -1;

	for (uint32_t i = 0; i < w->ncands && kind < 0; i++)
		kind = dsched_gres_lacking(w->req, w->cands[i].node, idle);
	return kind;
}

/* The most of a kind that as many nodes have as are asked for. */
static uint32_t most_on_nodes(const struct dsched_work *w, int kind)
{
	uint32_t wanted = w->req->nodes ? w->req->nodes : 1, best = 0;

	for (uint32_t i = 0; i < w->ncands; i++) {
		uint32_t n = w->cands[i].node->gres[kind], as_many = 0;
		for (uint32_t k = 0; n > best && k < w->ncands; k++)
			as_many += w->cands[k].node->gres[kind] >= n;
		if (n > best && as_many >= wanted)
			best = n;
	}
	return best;
}

static int too_few_gres(struct dsched_work *w, bool idle, int kind)
{
	const char *name = (uint32_t)kind < w->snap->ngres ? w->snap->gres_names[kind] : "resource";
	uint32_t have = 0, best = idle ? most_on_nodes(w, kind) : 0;
	char advice[96] = "";

	for (uint32_t i = 0; i < w->ncands; i++)
		have += dsched_gres_lacking(w->req, w->cands[i].node, idle) < 0;
	if (best)
		snprintf(advice, sizeof advice, ": use %.64s:%u", name, best);
	int rc = say(w, idle ? DSCHED_IMPOSSIBLE : DSCHED_WAIT, DSCHED_C_GRES, name,
		     "needs %.64s:%u on each of its nodes, %u of %u node%s ha%s %s%s", name,
		     w->req->gres[kind], have, w->ncands, plural(w->ncands), have == 1 ? "s" : "ve",
		     idle ? "so many" : "so many free", advice);
	w->reason->asked = w->req->gres[kind];
	w->reason->have = w->reason->nearest = best;
	return rc;
}

/* ---- the machine is busy ---- */

static uint64_t held(const struct dsched_work *w)
{
	uint64_t slots = 0;

	for (uint32_t i = 0; i < w->ncands; i++)
		slots += w->cands[i].node->slots_used;
	return slots;
}

/* Nodes that no job keeps others away from, or that are all idle if the request wants them so. */
static uint32_t open_nodes(const struct dsched_work *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->ncands; i++) {
		const struct dsched_node *node = w->cands[i].node;
		n += !node->exclusive && !(w->req->exclusive && node->jobs);
	}
	return n;
}

static int wait_for_idle_nodes(struct dsched_work *w, const struct dsched_shortage *lack)
{
	uint32_t idle = open_nodes(w);

	if (lack->what == DSCHED_C_NODES)
		return say(w, DSCHED_WAIT, DSCHED_C_EXCLUSIVE, NULL,
			   "needs %u node%s without another job, %u of %u %s idle",
			   (unsigned)lack->asked, plural(lack->asked), idle, w->ncands,
			   idle == 1 ? "is" : "are");
	return say(
		w, DSCHED_WAIT, DSCHED_C_EXCLUSIVE, NULL,
		"needs %u slot%s on nodes without another job, %u there: %u of %u nodes %s idle",
		(unsigned)lack->asked, plural(lack->asked), (unsigned)lack->have, idle, w->ncands,
		idle == 1 ? "is" : "are");
}

static int wait_for_slots(struct dsched_work *w, const struct dsched_shortage *lack)
{
	unsigned used = (unsigned)held(w), closed = w->ncands - open_nodes(w);
	unsigned each = is_ppr(w->req) ? dsched_ppr_ranks(w->req, w->cands[0].node) : 1;
	char alone[80] = "", absent[64] = "";

	if (!w->req->include)
		put_draining(w, absent, sizeof absent);
	if (closed)
		snprintf(alone, sizeof alone, ", %u node%s held exclusively", closed,
			 plural(closed));
	bool nodes = lack->what == DSCHED_C_NODES && (w->req->nodes || is_ppr(w->req));
	if (lack->what == DSCHED_C_NODES && !nodes) { /* no node has room: what lacks are slots */
		w->reason->of_nodes = false;
		w->reason->asked = w->req->ranks ? w->req->ranks : 1;
	}
	if (nodes)
		return say(w, DSCHED_WAIT, DSCHED_C_NODES, NULL,
			   "needs %u node%s with %u free slot%s, %u ha%s that now: "
			   "running jobs hold %u slot%s%s%s",
			   (unsigned)lack->asked, plural(lack->asked), each, plural(each),
			   (unsigned)lack->have, lack->have == 1 ? "s" : "ve", used, plural(used),
			   alone, absent);
	return say(w, DSCHED_WAIT, DSCHED_C_SLOTS, NULL,
		   "needs %u slot%s, %u free: running jobs hold %u%s%s", (unsigned)w->reason->asked,
		   plural(w->reason->asked), (unsigned)lack->have, used, alone, absent);
}

int dsched_refuse_view(struct dsched_work *w, struct dsched_view view,
		       const struct dsched_shortage *lack)
{
	w->reason->of_nodes = lack->what == DSCHED_C_NODES;
	w->reason->asked = lack->asked;
	w->reason->have = w->reason->nearest = lack->have;
	int kind = view.memory ? lacking_kind(w, view.idle) : -1;
	if (kind >= 0)
		return too_few_gres(w, view.idle, kind);
	if (view.memory)
		return too_little_memory(w, view.idle, lack);
	if (view.idle)
		return lack->what == DSCHED_C_NODES ? too_few_nodes(w, lack)
						    : too_few_slots(w, lack);
	if (w->req->exclusive)
		return wait_for_idle_nodes(w, lack);
	return wait_for_slots(w, lack);
}
