/* SPDX-License-Identifier: BSD-3-Clause */
/* The two memory files of a job on a node: the job map, and the rings that the ranks share. */
#ifndef SHEP_JOBMEM_H
#define SHEP_JOBMEM_H

#include <stddef.h>
#include <stdint.h>

#include "libdvm/proto/pb.h"
#include "libdvm/proto/rank.h"

struct shep_jobmem {
	struct dvmi_jobmap *map; /* writable for us alone */
	size_t bytes;
	int map_fd;   /* read-only, for ranks */
	int rings_fd; /* empty; ranks give it its size */
};

/* -EINVAL: the placement is not one. Other -E…: no memory files. */
int shep_jobmem_create(struct shep_jobmem *m, const Pb__Launch *launch, size_t self,
		       uint32_t local_cores);
/* The map of another job, as that of map OWN sees it from node NODE_ID; no rings. */
int shep_jobmem_create_linked(struct shep_jobmem *m, uint64_t job, const Pb__Placement *placement,
			      uint32_t node_id, const struct dvmi_jobmap *own);
void shep_jobmem_destroy(struct shep_jobmem *m);

#endif
