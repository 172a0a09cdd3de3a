/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Collectives in the shared memory of a node: blocking, among the members of an area. Long ones
 * go in pieces of at most a slot, each an operation of the area, so that one rank writes while
 * another reads. All return 0 or -E…; ranks in arguments are those of the area's team.
 */
#ifndef DVMI_SRC_COLL_SHM_H
#define DVMI_SRC_COLL_SHM_H

#include "libdvm/src/coll_area.h"
#include "libdvm/src/coll_choose.h"

int dvmi_shm_barrier(struct dvmi_area *a);
int dvmi_shm_bcast(struct dvmi_area *a, uint8_t *buf, size_t len, uint32_t root);
int dvmi_shm_scatter(struct dvmi_area *a, const uint8_t *in, uint8_t *out, size_t len,
		     uint32_t root);
int dvmi_shm_gather(struct dvmi_area *a, const uint8_t *in, size_t len, uint8_t *out,
		    uint32_t root);
int dvmi_shm_allgather(struct dvmi_area *a, const uint8_t *in, const struct dvmi_parts *out);
int dvmi_shm_alltoall(struct dvmi_area *a, const uint8_t *in, uint8_t *out, size_t len);
int dvmi_shm_reduce(struct dvmi_area *a, const struct dvmi_combine *op, const struct dvmi_vector *v,
		    uint32_t root);
int dvmi_shm_allreduce(struct dvmi_area *a, const struct dvmi_combine *op,
		       const struct dvmi_vector *v);
/* The same of a vector that fits into a line. */
int dvmi_shm_allreduce_line(struct dvmi_area *a, dvmi_reduce_fn *fn, const void *in, void *out,
			    size_t count, size_t len);
int dvmi_shm_reduce_scatter(struct dvmi_area *a, const struct dvmi_combine *op,
			    const struct dvmi_vector *v, const size_t *counts);
int dvmi_shm_scan(struct dvmi_area *a, const struct dvmi_combine *op, const struct dvmi_vector *v,
		  bool exclusive);

/* All members together, before the first: finds out what they can do. */
int dvmi_shm_try_direct(struct dvmi_area *a);

/* Whether OP's elements are short enough for reductions. */
bool dvmi_shm_fits(const struct dvmi_area *a, const struct dvmi_combine *op);

/* Does what ARGS say, if this can: false where the pieces are not known to all. */
bool dvmi_shm_collective(struct dvmi_area *a, const struct dvmi_coll_args *args, int *rc);

#endif
