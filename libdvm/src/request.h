/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests, statuses, and checks of what the caller passes. */
#ifndef DVMI_SRC_REQUEST_H
#define DVMI_SRC_REQUEST_H

#include "libdvm/src/handle.h"

/* A request of G, from the handle's spare ones if possible; NULL without memory. */
struct dvm_req *dvmi_req_get(dvm_group_t *g);
void dvmi_req_put(struct dvm_req *r);

/* The status of a finished operation; ST may be NULL. */
void dvmi_status_set(dvm_status_t *st, const struct dvmi_op *op);
/* That of nothing: no message moved. */
void dvmi_status_empty(dvm_status_t *st, int error);

/* Ranks of a group and of the job; the same while the only group is the world. */
static inline uint32_t dvmi_group_to_job(const dvm_group_t *g, int rank)
{
	return (uint32_t)rank;
}

#endif
