/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Builder and writer of the job map (libdvm/proto/rank.h). Pure: it works on memory it is given.
 */
#ifndef SHEP_JOBMAP_H
#define SHEP_JOBMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libdvm/proto/pb.h"
#include "libdvm/proto/rank.h"

/* Bytes that the map of a job takes with SIZE ranks, LOCAL doorbells and NNODES nodes. */
size_t shep_jobmap_bytes(uint32_t size, uint32_t local, uint32_t nnodes);

/*
 * Fills the zeroed MAP for the share with index SELF of the placement. -EINVAL when the placement
 * does not name each rank 0 … ranks - 1 exactly once.
 */
int shep_jobmap_build(struct dvmi_jobmap *map, const Pb__Launch *launch, size_t self,
		      uint32_t local_cores);

/*
 * The same for another JOB with this placement, as the job of map OWN sees it from node NODE_ID; it
 * has no doorbells.
 */
int shep_jobmap_build_linked(struct dvmi_jobmap *map, uint64_t job, const Pb__Placement *placement,
			     uint32_t node_id, const struct dvmi_jobmap *own);

/* Index of the node of RANK, or -EINVAL. */
int64_t shep_jobmap_node_of(const struct dvmi_jobmap *map, uint32_t rank);

enum dvmi_rank_state shep_jobmap_state(const struct dvmi_jobmap *map, uint32_t rank);

/*
 * Moves RANK to STATE, with release. True if that changed something: unknown ranks and ranks that
 * have closed or gone already stay as they are.
 */
bool shep_jobmap_mark(struct dvmi_jobmap *map, uint32_t rank, enum dvmi_rank_state state);

/* Process PID has said hello as RANK. */
void shep_jobmap_set_pid(struct dvmi_jobmap *map, uint32_t rank, uint32_t pid);
uint32_t shep_jobmap_pid(const struct dvmi_jobmap *map, uint32_t rank);

/* Raises the doorbell of a local rank. */
void shep_jobmap_ring(struct dvmi_jobmap *map, uint32_t local_rank);

#endif
