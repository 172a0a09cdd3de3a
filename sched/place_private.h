/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the placement share: candidates, their capacity, and who says no. */
#ifndef DSCHED_PLACE_PRIVATE_H
#define DSCHED_PLACE_PRIVATE_H

#include "sched/dsched.h"

#define NO_LIMIT UINT32_MAX

/* A node that may be used, in the order of use. */
struct dsched_cand {
	const struct dsched_node *node;
	uint32_t index; /* in the snapshot */
	uint32_t limit; /* slots its count in -H allows; NO_LIMIT without one */
	uint32_t soft;	/* ranks it takes without oversubscription */
	uint32_t hard;	/* ranks it takes at most; 0: unusable */
	uint32_t step;	/* ranks it takes per further round when oversubscribed */
	uint32_t room;	/* scratch of the distribution */
	uint32_t count; /* ranks it gets */
	bool chosen;
};

/* The machine as it is, or as if no job ran; memory and generic resources counted or not. */
struct dsched_view {
	bool idle, memory;
};

struct dsched_work {
	const struct dsched_snapshot *snap;
	const struct dsched_request *req;
	struct dsched_cand *cands; /* owned */
	uint32_t ncands;
	uint32_t ranks; /* to place; worked out where the request says 0 */
	struct dsched_reason *reason;
};

/* How a selection failed: too few usable nodes, or too few ranks on those. */
struct dsched_shortage {
	enum dsched_constraint what; /* DSCHED_C_NODES or DSCHED_C_SLOTS */
	uint64_t asked, have;
};

/* candidates.c: fills w->cands from names and states. 0, or a refusal with its reason. */
int dsched_candidates(struct dsched_work *w);
/* Is there nothing in NODE's nature, whatever runs there, that keeps REQ away from it? */
bool dsched_suits(const struct dsched_request *req, const struct dsched_node *node);

/* capacity.c */
void dsched_capacity(struct dsched_work *w, struct dsched_view view);
uint32_t dsched_ppr_ranks(const struct dsched_request *req, const struct dsched_node *node);
/* Ranks the node's memory has room for; NO_LIMIT where that is unknown or not asked. */
uint32_t dsched_memory_ranks(const struct dsched_request *req, const struct dsched_node *node,
			     bool idle);

/* A kind of generic resource of which the node has too little for REQ; -1: none. */
int dsched_gres_lacking(const struct dsched_request *req, const struct dsched_node *node, bool idle);

/* select.c: marks the nodes to use and settles w->ranks; -EAGAIN and *LACK if they do not do. */
int dsched_select(struct dsched_work *w, struct dsched_shortage *lack);
/* Sets the count of each of the N candidates, all chosen, so that they add up to RANKS. -ENOMEM. */
int dsched_distribute(struct dsched_cand *c, uint32_t n, uint32_t ranks, bool evenly);

/* bind.c: gives each placed rank its PUs. 0 or -ENOMEM. */
int dsched_bind_ranks(const struct dsched_work *w, struct dsched_placement *out);

/* reason.c: each fills the reason and returns the code dsched_place() is to return. */
int dsched_refuse(struct dsched_work *w, enum dsched_constraint what, const char *name, int code,
		  const char *fmt, ...) __attribute__((format(printf, 5, 6)));
int dsched_refuse_view(struct dsched_work *w, struct dsched_view view,
		       const struct dsched_shortage *lack);
/* The candidates are fewer than the ASKED nodes; UNFIT more are up, as ONE is, but run no guests. */
int dsched_refuse_kvm(struct dsched_work *w, uint32_t asked, const struct dsched_node *one,
		      uint32_t unfit);

/*
 * place.c: how many ranks of each node REQ would get on SNAP: w->cands is left with those nodes.
 * The caller frees w->cands. As dsched_place(), but for the placement.
 */
int dsched_probe(struct dsched_work *w);

#endif
