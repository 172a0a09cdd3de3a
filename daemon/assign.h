/* SPDX-License-Identifier: BSD-3-Clause */
/* From the cluster state to sched/ and back: where a job would go now. */
#ifndef DVMD_ASSIGN_H
#define DVMD_ASSIGN_H

#include "daemon/dvmd.h"

/*
 * Places SPEC on the nodes as they are. 0 and *OUT (caller frees with dvmi_pb_free()), or the
 * code of dsched_place() and its reason in ERR. BINDINGS (may be NULL) gets a line for each rank
 * that says where it is bound (caller frees).
 */
int dvmd_assign(struct dvmd *d, const Pb__JobSpec *spec, Pb__Placement **out, char **bindings,
		dvm_error_t *err);

/* Slots that running jobs take on NODE. */
uint32_t dvmd_assign_slots_used(const struct dvmd *d, uint32_t node);

#endif
