/* SPDX-License-Identifier: BSD-3-Clause */
/* From the cluster state to sched/ and back: where a job would go now. */
#ifndef DVMD_ASSIGN_H
#define DVMD_ASSIGN_H

#include "daemon/dvmd.h"
#include "daemon/pairs.h"
#include "sched/dsched.h"

/*
 * Places SPEC on the nodes as they are. 0 and *OUT (caller frees with dvmi_pb_free()), or the
 * code of dsched_place() and its reason in ERR. BINDINGS (may be NULL) gets a line for each rank
 * that says where it is bound (caller frees).
 */
int dvmd_assign(struct dvmd *d, const Pb__JobSpec *spec, Pb__Placement **out, char **bindings,
		dvm_error_t *err);

/* The nodes as sched/ sees them; what it borrows lives as long as it. */
struct dvmd_snapshot {
	struct dsched_node *nodes; /* by name, as a person would count them */
	struct dvmd_topo *topos;
	struct dvmi_idset *busy;
	uint64_t *promised; /* memory, by running jobs */
	const struct dvmd *d;
	size_t n, cap;
	/* Kinds of generic resources that nodes have or jobs ask for. */
	char gres_text[DSCHED_GRES_MAX][DVMD_PAIR_NAME_MAX + 1];
	const char *gres_names[DSCHED_GRES_MAX];
	uint32_t ngres;
};

int dvmd_snapshot_take(struct dvmd *d, struct dvmd_snapshot *s); /* -ENOMEM */
void dvmd_snapshot_free(struct dvmd_snapshot *s);
/* The number of a generic resource in S; -ENOSPC: there are too many kinds. */
int dvmd_snapshot_gres(struct dvmd_snapshot *s, const char *name);
struct dsched_snapshot dvmd_snapshot_view(const struct dvmd_snapshot *s);

/*
 * SPEC as a request, with *HOSTS for the caller to free. Borrows from SPEC. Kinds of resources that
 * no node has are added to S, so take its view after that. -ENOMEM, -ENOSPC.
 */
int dvmd_assign_request(struct dvmd_snapshot *s, const Pb__JobSpec *spec,
			struct dsched_request *req, struct dsched_host **hosts);
/* P on SNAP as a message, with its notes; the caller frees *OUT. -ENOMEM. */
int dvmd_assign_export(struct dvmd *d, const struct dsched_snapshot *snap,
		       const struct dsched_request *req, const struct dsched_placement *p,
		       Pb__Placement **out);

/* A line for each rank that says where it is bound; the caller frees. -ENOMEM. */
int dvmd_assign_bindings(const struct dsched_snapshot *snap, const struct dsched_placement *p,
			 char **bindings);

/* Slots that running jobs take on NODE. */
uint32_t dvmd_assign_slots_used(const struct dvmd *d, uint32_t node);

#endif
