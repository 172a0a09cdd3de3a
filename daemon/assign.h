/* SPDX-License-Identifier: BSD-3-Clause */
/* From the cluster state to sched/ and back: where a job would go now. */
#ifndef DVMD_ASSIGN_H
#define DVMD_ASSIGN_H

#include "daemon/dvmd.h"
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
	const struct dvmd *d;
	size_t n, cap;
};

int dvmd_snapshot_take(struct dvmd *d, struct dvmd_snapshot *s); /* -ENOMEM */
void dvmd_snapshot_free(struct dvmd_snapshot *s);
struct dsched_snapshot dvmd_snapshot_view(const struct dvmd_snapshot *s);

/* SPEC as a request, with *HOSTS for the caller to free. Borrows from SPEC. -ENOMEM. */
int dvmd_assign_request(const Pb__JobSpec *spec, struct dsched_request *req,
			struct dsched_host **hosts);
/* P on SNAP as a message, with its notes; the caller frees *OUT. -ENOMEM. */
int dvmd_assign_export(struct dvmd *d, const struct dsched_snapshot *snap,
		       const struct dsched_request *req, const struct dsched_placement *p,
		       Pb__Placement **out);

/* Slots that running jobs take on NODE. */
uint32_t dvmd_assign_slots_used(const struct dvmd *d, uint32_t node);

#endif
