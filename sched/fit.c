/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether, where and when a request fits: dsched_place() on the machine as it will be. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/cleanup.h"
#include "sched/queue_private.h"

#define SMALL_MACHINE 256 /* nodes, all of which are looked at */
#define TRIES	      32  /* dates that are tried one by one; then they are skipped through */

/* ---- a stretch of the machine ---- */

/* Ranks fill node after node: whatever lies behind the last one they need does not matter. */
static bool fills_in_order(const struct dsched_request *req)
{
	return req->ranks && !req->nodes && !req->include && !req->nexclude &&
	       !req->oversubscribe && (req->map == DSCHED_MAP_SLOT || req->map == DSCHED_MAP_CORE);
}

/* From the first node with a free slot on, as many as take the ranks; false: there is no such. */
static bool stretch(const struct dsched_outlook *o, uint32_t nnodes,
		    const struct dsched_request *req, uint32_t *first, uint32_t *n)
{
	struct dsched_reason reason = { 0 };
	struct dsched_cand c = { 0 };
	struct dsched_work w = { .req = req, .cands = &c, .ncands = 1, .reason = &reason };
	uint64_t room = 0;

	*first = o->first_free;
	for (uint32_t i = *first; i < nnodes; i++) {
		if (o->nodes[i].state != DSCHED_NODE_UP || !dsched_suits(req, &o->nodes[i]))
			continue;
		c = (struct dsched_cand){ .node = &o->nodes[i], .limit = NO_LIMIT };
		dsched_capacity(&w, (struct dsched_view){ .memory = true });
		room += c.hard;
		*n = i + 1 - *first;
		if (room >= req->ranks)
			return true;
	}
	return false;
}

/* The nodes that are to be looked at; *FIRST is the number of the first one. */
static struct dsched_snapshot part(const struct dsched_snapshot *snap,
				   const struct dsched_outlook *o, const struct dsched_request *req,
				   uint32_t *first)
{
	struct dsched_snapshot s = *snap;
	uint32_t n = 0;

	*first = 0;
	s.nodes = o->nodes;
	if (snap->nnodes > SMALL_MACHINE && fills_in_order(req) &&
	    stretch(o, snap->nnodes, req, first, &n)) {
		s.nodes += *first;
		s.nnodes = n;
	} else {
		*first = 0;
	}
	return s;
}

int dsched_fit(const struct dsched_snapshot *snap, const struct dsched_outlook *o,
	       const struct dsched_request *req, struct dsched_placement *p,
	       struct dsched_reason *reason)
{
	uint32_t first;
	struct dsched_snapshot s = part(snap, o, req, &first);
	int rc = dsched_place(&s, req, p, reason);

	for (uint32_t i = 0; rc == 0 && i < p->nnodes; i++)
		p->nodes[i].index += first;
	return rc;
}

/* ---- what is taken ---- */

static struct dsched_use use(const struct dsched_request *req, uint32_t node, uint32_t ranks,
			     uint32_t slots)
{
	struct dsched_use u = { .node = node,
				.slots = slots,
				.mem = req->mem_per_rank * ranks,
				.exclusive = req->exclusive };

	memcpy(u.gres, req->gres, sizeof u.gres);
	return u;
}

int dsched_placement_uses(const struct dsched_request *req, const struct dsched_placement *p,
			  struct dsched_use **uses)
{
	struct dsched_use *u = calloc(p->nnodes + 1, sizeof *u);

	if (!u)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->nnodes; i++)
		u[i] = use(req, p->nodes[i].index, p->nodes[i].nranks, p->nodes[i].slots);
	*uses = u;
	return 0;
}

int dsched_fit_uses(const struct dsched_snapshot *snap, const struct dsched_outlook *o,
		    const struct dsched_request *req, struct dsched_use **uses, size_t *n,
		    struct dsched_reason *reason)
{
	uint32_t first;
	struct dsched_snapshot s = part(snap, o, req, &first);
	struct dsched_work w = { .snap = &s, .req = req, .reason = reason };
	int rc = dsched_probe(&w);
	struct dsched_use *u = rc == 0 ? calloc(w.ncands + 1, sizeof *u) : NULL;

	if (rc == 0 && !u)
		rc = -ENOMEM;
	for (uint32_t i = 0; rc == 0 && i < w.ncands; i++) {
		const struct dsched_cand *c = &w.cands[i];
		uint32_t slots = dsched_node_slots(c->node);
		u[i] = use(req, c->index + first, c->count,
			   req->exclusive && slots > c->count ? slots : c->count);
	}
	if (rc == 0) {
		*uses = u;
		*n = w.ncands;
	}
	free(w.cands);
	return rc;
}

/* ---- when ---- */

/* Could it be, by the number of slots alone? */
static bool enough(uint64_t free, const struct dsched_request *req)
{
	return req->oversubscribe || free >= req->ranks;
}

/* Free slots as steps go by: at least as many as there are really. */
static uint64_t change(uint64_t free, const struct dsched_step *s)
{
	if (s->take)
		return free - (s->use->slots < free ? s->use->slots : free);
	return free + s->use->slots;
}

static int try_at(struct dsched_timeline *t, struct dsched_outlook *o, const struct dsched_job *job,
		  uint64_t from, struct dsched_use **uses, size_t *n)
{
	struct dsched_reason reason;

	dsched_timeline_look(t, o, from, dsched_until(from, job->limit), job->booking);
	if (!enough(o->free, job->req))
		return -EAGAIN;
	return dsched_fit_uses(t->snap, o, job->req, uses, n, &reason);
}

int dsched_earliest(struct dsched_timeline *t, struct dsched_outlook *o,
		    const struct dsched_job *job, struct dsched_use **uses, size_t *n,
		    uint64_t *from)
{
	uint64_t now = o->from, free;
	size_t tries = 0, skip = 0;

	dsched_timeline_look(t, o, now, now + 1, job->booking);
	free = o->free;
	for (size_t i = 0; i < t->n && t->budget; i++) {
		uint64_t at = t->steps[i].at;
		if (at <= now)
			continue;
		free = change(free, &t->steps[i]);
		/* All steps of a moment belong together; somebody must have given. */
		if ((i + 1 < t->n && t->steps[i + 1].at == at) || !enough(free, job->req))
			continue;
		if (i + 1 < t->n && skip) {
			skip--;
			continue;
		}
		int rc = try_at(t, o, job, at, uses, n);
		t->budget--;
		*from = at;
		if (rc != -EAGAIN)
			return rc == 0 || rc == -ENOMEM ? rc : -ENOENT;
		skip = ++tries > TRIES ? tries - TRIES : 0;
	}
	return -ENOENT;
}
